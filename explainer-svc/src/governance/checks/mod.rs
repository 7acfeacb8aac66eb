//! What each check comes to, and what is found for it.

mod events;

use serde_json::Value;

use super::condition::{Conditions, is_recent, unfulfilled};
use super::control::{Check, Metric, Part, Query};
use super::facts::{Facts, time};
use super::report::{Evidence, Leaf, LogState};
use crate::audit::RecordedEvent;

/// Leaves that are named for one check.
const NAMED: usize = 3;

/// What a check comes to.
struct Looked<'f> {
    holds: bool,
    found: String,
    figure: Option<f64>,
    leaves: Vec<&'f RecordedEvent>,
}

impl Looked<'_> {
    fn missing(found: impl Into<String>) -> Self {
        Self {
            holds: false,
            found: found.into(),
            figure: None,
            leaves: Vec::new(),
        }
    }
}

pub(super) fn looked(name: &str, check: &Check, facts: &Facts) -> Evidence {
    let looked = match &check.query {
        Query::Guards(guards) => self::guards(&guards.names, guards.hours, facts),
        Query::Events(events) => events::events(events, facts),
        Query::Share(share) => events::share(share, facts),
        Query::Tally(tally) => events::tally(tally, facts),
        Query::Figure(figure) => events::figure(figure, facts),
        Query::Configuration(wanted) => configuration(wanted.part, &wanted.having, facts),
        Query::Log => log(&facts.log),
        Query::Witness(witness) => self::witness(witness.hours, facts),
        Query::Metric(metric) => self::metric(metric, facts),
    };
    let Looked {
        mut holds,
        mut found,
        figure,
        leaves,
    } = looked;
    // What a log says that does not verify is no evidence.
    if holds && !facts.log.verified && !matches!(check.query, Query::Metric(_)) {
        holds = false;
        found = format!("{found}; but the audit log does not verify");
    }
    let only_tells = matches!(&check.query, Query::Events(events) if events.only_tells());
    Evidence {
        check: name.to_owned(),
        means: check.means.clone(),
        holds,
        none_yet: only_tells && figure == Some(0.0),
        found,
        figure,
        leaves: leaves.into_iter().take(NAMED).map(leaf).collect(),
    }
}

fn leaf(event: &RecordedEvent) -> Leaf {
    Leaf {
        index: event.index,
        at: event.at.clone(),
        kind: event.kind.clone(),
        proof: format!("/v1/audit/proof?index={}", event.index),
    }
}

fn guards<'f>(wanted: &[String], hours: u32, facts: &'f Facts) -> Looked<'f> {
    let Some(canary) = facts.canary() else {
        return Looked::missing("the guards were not tried since the last start");
    };
    let names = |member: &str| -> Option<Vec<&str>> {
        let list = canary.payload.as_ref()?.get(member)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).collect())
    };
    // When some are missing, those are named; else those that are there.
    let missing = names("missing").unwrap_or_default();
    let present = names("guards");
    let is_there = |guard: &str| match &present {
        Some(present) => present.contains(&guard),
        None => !missing.is_empty(),
    };
    let lacking: Vec<&str> = wanted
        .iter()
        .map(String::as_str)
        .filter(|guard| missing.contains(guard) || !is_there(guard))
        .collect();
    let age = time(canary).map(|at| facts.now.as_second() - at.as_second());
    let is_fresh = age.is_some_and(|age| age <= i64::from(hours) * 3600);
    let found = if !lacking.is_empty() {
        format!(
            "not in the path when they were tried at {}: {}",
            canary.at,
            lacking.join(", ")
        )
    } else if is_fresh {
        format!("in the path at {}: {}", canary.at, wanted.join(", "))
    } else {
        format!("last tried at {}, more than {hours} hours ago", canary.at)
    };
    Looked {
        holds: lacking.is_empty() && is_fresh,
        found,
        figure: None,
        leaves: vec![canary],
    }
}

fn configuration<'f>(part: Part, wanted: &Conditions, facts: &'f Facts) -> Looked<'f> {
    let name = match part {
        Part::Service => "the service",
        Part::Gateway => "the gateway",
    };
    let Some(started) = facts.configuration(part) else {
        return Looked::missing(format!(
            "{name} was not started with a configuration that the log knows"
        ));
    };
    let nothing = Value::Null;
    let lacking = unfulfilled(wanted, started.payload.as_ref().unwrap_or(&nothing), facts.now);
    Looked {
        holds: lacking.is_none(),
        found: match lacking {
            None => format!("{name} was started so at {}", started.at),
            Some(member) => format!("{name} was started at {} without it ({member})", started.at),
        },
        figure: None,
        leaves: vec![started],
    }
}

fn log(state: &LogState) -> Looked<'static> {
    let found = match state.problems.first() {
        Some(first) => format!("{} problems, the first: {first}", state.problems.len()),
        None if state.leaves == 0 => "the log is empty".to_owned(),
        None => format!(
            "{} leaves, {} of them signed, tree {}",
            state.leaves, state.signed, state.root
        ),
    };
    Looked {
        holds: state.verified && state.leaves > 0,
        found,
        #[expect(clippy::cast_precision_loss, reason = "shown, never calculated with")]
        figure: Some(state.leaves as f64),
        leaves: Vec::new(),
    }
}

fn witness(hours: u32, facts: &Facts) -> Looked<'static> {
    let seen = match &facts.witness {
        Err(why) => return Looked::missing(why.clone()),
        Ok(seen) => seen,
    };
    let is_recent = is_recent(seen.at, facts.now, i64::from(hours));
    // Whoever is shown the same head for ever cosigns it for ever, and never sees what came after it.
    let older = facts.older.get(&hours).copied();
    let covers = older.is_some_and(|older| seen.size >= older);
    let why = match older {
        _ if !is_recent => "; that does not count".to_owned(),
        _ if covers => String::new(),
        Some(older) => format!("; but {older} leaves are older than that, and it has not seen all of them"),
        None => "; but how old the leaves are could not be read".to_owned(),
    };
    Looked {
        holds: is_recent && covers,
        found: format!(
            "{} cosigned {} leaves at {}; {hours} hours are allowed{why}",
            seen.name, seen.size, seen.at
        ),
        figure: None,
        leaves: Vec::new(),
    }
}

fn metric(wanted: &Metric, facts: &Facts) -> Looked<'static> {
    let Metric {
        name: plain,
        labels,
        at_least,
        at_most,
        within,
    } = wanted;
    let each: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{label}={value:?}"))
        .collect();
    let name = if each.is_empty() {
        plain.clone()
    } else {
        format!("{plain}{{{}}}", each.join(","))
    };
    if facts.metrics.is_none() {
        return Looked::missing(format!(
            "{name}: only a running service has metrics, ask it with --server"
        ));
    }
    let Some(value) = facts.metric(plain, &each) else {
        return Looked::missing(format!("{name} was not counted yet"));
    };
    let (is_recent, age) = match within {
        None => (true, String::new()),
        Some(most) => {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let age = facts.now.as_second() as f64 - value;
            let text = if value > 0.0 {
                format!(", {age:.0} s ago, at most {most} s allowed")
            } else {
                ", so never".to_owned()
            };
            (value > 0.0 && age <= f64::from(*most), text)
        }
    };
    Looked {
        holds: is_recent && is_within(value, *at_least, *at_most),
        found: format!("{name} {value}{}{age}", bounds(*at_least, *at_most)),
        figure: Some(value),
        leaves: Vec::new(),
    }
}

fn is_within(figure: f64, least: Option<f64>, most: Option<f64>) -> bool {
    least.is_none_or(|least| figure >= least) && most.is_none_or(|most| figure <= most)
}

fn bounds(least: Option<f64>, most: Option<f64>) -> String {
    let least = least
        .map(|least| format!(", at least {least} asked for"))
        .unwrap_or_default();
    let most = most.map(|most| format!(", at most {most} allowed")).unwrap_or_default();
    format!("{least}{most}")
}
