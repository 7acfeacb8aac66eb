//! Facts become statuses: pure, so that what is red and what is green can be tested without a service.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::attestation::{Attestation, Attestations};
use super::control::{
    Check, Conditions, Control, Controls, Events, Figure, Metric, Need, Part, Query, Share, Tally, unfulfilled,
};
use super::facts::{Facts, time};
use super::report::{Assessed, Evidence, FrameworkSummary, Leaf, LogState, Regression, Report, Said, Status};
use crate::audit::{Kind, RecordedEvent};

/// Leaves that are named for one check.
const NAMED: usize = 3;

/// What the last evaluation found, as its event has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Previous {
    statuses: BTreeMap<String, Status>,
    /// Controls that were met once, and since when they are not.
    regressed: BTreeMap<String, String>,
}

impl Previous {
    /// From the event of the last evaluation.
    pub(super) fn of(facts: &Facts) -> Self {
        let events = facts.events.get(&Kind::GovernanceEvaluated);
        let last = events.and_then(|seen| seen.newest.first());
        let payload = last.and_then(|event| event.payload.as_ref());
        let member = |name: &str| {
            payload
                .and_then(|payload| payload.get(name))
                .cloned()
                .unwrap_or_default()
        };
        Self {
            statuses: serde_json::from_value(member("statuses")).unwrap_or_default(),
            regressed: serde_json::from_value(member("regressed")).unwrap_or_default(),
        }
    }

    fn regressed(&self, control: &Assessed, now: &str) -> Option<Regression> {
        let name = control.name();
        let was_met = self.statuses.get(&name).is_some_and(|status| status.is_met());
        let since = self
            .regressed
            .get(&name)
            .map(String::as_str)
            .or(was_met.then_some(now))?;
        control.status.is_open().then(|| Regression {
            framework: control.framework.clone(),
            id: control.id.clone(),
            since: since.to_owned(),
            reason: control.reason.clone(),
        })
    }
}

/// Evaluates all controls.
pub(super) fn evaluate(
    controls: &Controls,
    attestations: &Attestations,
    facts: &Facts,
    server: Option<&str>,
) -> Report {
    let found: HashMap<&str, Evidence> = controls
        .checks
        .iter()
        .map(|(name, check)| (name.as_str(), looked(name, check, facts)))
        .collect();
    let models = facts.models();
    let each = controls.controls.iter();
    let assessed: Vec<Assessed> = each
        .map(|control| {
            let attestation = attestations.of(&control.name());
            assess(control, controls, attestation, &found, models, facts.now)
        })
        .collect();
    let now = facts.now.to_string();
    let previous = Previous::of(facts);
    let regressions = assessed.iter().filter_map(|control| previous.regressed(control, &now));
    let frameworks = controls.frameworks.iter().map(|(id, framework)| {
        let mut statuses: BTreeMap<String, usize> = Status::ALL
            .into_iter()
            .map(|status| (status.name().to_owned(), 0))
            .collect();
        for control in assessed.iter().filter(|control| &control.framework == id) {
            *statuses.entry(control.status.name().to_owned()).or_default() += 1;
        }
        FrameworkSummary {
            id: id.clone(),
            name: framework.name.clone(),
            version: framework.version.clone(),
            statuses,
        }
    });
    Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        controls_as_of: controls.as_of.clone(),
        controls_digest: controls.digest.clone(),
        server: server.map(ToOwned::to_owned),
        models,
        log: facts.log.clone(),
        frameworks: frameworks.collect(),
        regressions: regressions.collect(),
        controls: assessed,
        at: now,
    }
}

fn assess(
    control: &Control,
    controls: &Controls,
    attestation: Option<&Attestation>,
    found: &HashMap<&str, Evidence>,
    models: Option<bool>,
    now: Timestamp,
) -> Assessed {
    let with_models = models != Some(false);
    let checks = control.checks.iter();
    let checks = checks.chain(control.model_checks.iter().filter(|_| with_models));
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let counts = attestation.filter(|attestation| attestation.on <= today && today <= attestation.until);
    let scoped_out = counts.filter(|attestation| attestation.does_not_apply);
    let (status, reason, evidence) = if let Some(reason) = &control.not_applicable {
        (Status::NotApplicable, reason.clone(), Vec::new())
    } else if let Some(said) = scoped_out {
        (
            Status::NotApplicable,
            format!("{} says: {}", said.by, said.note),
            Vec::new(),
        )
    } else if control.needs == Some(Need::Models) && !with_models {
        (Status::NotApplicable, "No model is configured.".to_owned(), Vec::new())
    } else {
        let evidence: Vec<Evidence> = checks.filter_map(|check| found.get(check.as_str()).cloned()).collect();
        let (status, reason) = judge(control, controls, attestation, counts.is_some(), &evidence);
        (status, reason, evidence)
    };
    Assessed {
        framework: control.framework.clone(),
        id: control.id.clone(),
        title: control.title.clone(),
        optional: control.optional,
        status,
        reason,
        evidence,
        attest: control.attest.clone(),
        attestation: attestation.map(|said| Said {
            by: said.by.clone(),
            on: said.on.to_string(),
            until: said.until.to_string(),
            note: said.note.clone(),
        }),
    }
}

/// Whether a check of the control shows that what did not occur yet would be recorded.
fn is_watched(none_yet: &Evidence, controls: &Controls, evidence: &[Evidence]) -> bool {
    let Some(Query::Events(events)) = controls.checks.get(&none_yet.check).map(|check| &check.query) else {
        return false;
    };
    let mut shown = evidence.iter().filter(|evidence| evidence.holds);
    shown.any(|evidence| events.machinery.contains(&evidence.check))
}

fn judge(
    control: &Control,
    controls: &Controls,
    attestation: Option<&Attestation>,
    counts: bool,
    evidence: &[Evidence],
) -> (Status, String) {
    let failing: Vec<String> = evidence
        .iter()
        .filter(|one| !(one.holds || one.none_yet && is_watched(one, controls, evidence)))
        .map(|evidence| format!("{}: {}", evidence.means, evidence.found))
        .collect();
    if !failing.is_empty() {
        return (Status::NotEvidenced, format!("Not shown: {}.", failing.join("; ")));
    }
    match (&control.attest, attestation) {
        (None, _) => (Status::Evidenced, String::new()),
        (Some(_), Some(said)) if counts => {
            let status = if evidence.is_empty() {
                Status::Attested
            } else {
                Status::Evidenced
            };
            (status, format!("Attested by {} until {}.", said.by, said.until))
        }
        (Some(asked), Some(said)) => {
            let reason = format!(
                "The attestation of {} counts from {} to {}: {asked}.",
                said.by, said.on, said.until
            );
            (Status::AttestationMissing, reason)
        }
        (Some(asked), None) => (Status::AttestationMissing, format!("Nobody has attested that {asked}.")),
    }
}

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

fn looked(name: &str, check: &Check, facts: &Facts) -> Evidence {
    let looked = match &check.query {
        Query::Guards(guards) => self::guards(&guards.names, guards.hours, facts),
        Query::Events(events) => self::events(events, facts),
        Query::Share(share) => self::share(share, facts),
        Query::Tally(tally) => self::tally(tally, facts),
        Query::Figure(figure) => self::figure(figure, facts),
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
        none_yet: only_tells && leaves.is_empty() && figure == Some(0.0),
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

fn events<'f>(wanted: &Events, facts: &'f Facts) -> Looked<'f> {
    let is_plain = wanted.subject.is_none() && wanted.having.is_empty();
    let fits = |event: &&RecordedEvent| {
        wanted.subject.as_ref().is_none_or(|subject| *subject == event.subject)
            && (wanted.having.is_empty() || holds(&wanted.having, event))
    };
    let leaves: Vec<&RecordedEvent> = facts.within(wanted.kind, wanted.days).filter(fits).collect();
    let number = if is_plain {
        facts.count(wanted.kind, wanted.days)
    } else {
        u64::try_from(leaves.len()).unwrap_or(u64::MAX)
    };
    // Of what only tells how many there are, one is evidence and none is not.
    let least = if wanted.only_tells() { 1 } else { wanted.at_least };
    let holds = number >= least && wanted.at_most.is_none_or(|most| number <= most);
    let about = wanted
        .subject
        .as_ref()
        .map(|subject| format!(" ({subject})"))
        .unwrap_or_default();
    let demand = match (wanted.at_least, wanted.at_most) {
        (0, None) if number == 0 => ": none yet".to_owned(),
        (0, None) => String::new(),
        (least, None) => format!(", at least {least} asked for"),
        (_, Some(most)) => format!(", at most {most} allowed"),
    };
    Looked {
        holds,
        found: format!("{number} {}{about} in {} days{demand}", wanted.kind.name(), wanted.days),
        #[expect(clippy::cast_precision_loss, reason = "shown, never calculated with")]
        figure: Some(number as f64),
        leaves,
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares of at most thousands")]
fn share<'f>(wanted: &Share, facts: &'f Facts) -> Looked<'f> {
    let read = |event: &&RecordedEvent| event.payload.is_some() && holds(&wanted.of, event);
    let all: Vec<&RecordedEvent> = facts.within(wanted.kind, wanted.days).filter(read).collect();
    let (good, bad): (Vec<&RecordedEvent>, Vec<&RecordedEvent>) =
        all.iter().copied().partition(|event| holds(&wanted.having, event));
    let kind = wanted.kind.name();
    if all.is_empty() {
        return Looked::missing(format!("no {kind} of this sort in {} days", wanted.days));
    }
    let share = good.len() as f64 / all.len() as f64;
    let met = share >= wanted.at_least;
    let why = bad.first().and_then(|event| {
        let lacking = unfulfilled(&wanted.having, event.payload.as_ref()?)?;
        Some(format!("; leaf {} lacks {lacking}", event.index))
    });
    Looked {
        holds: met,
        found: format!(
            "{} of {} {kind} in {} days{}",
            good.len(),
            all.len(),
            wanted.days,
            why.unwrap_or_default()
        ),
        figure: Some(share),
        leaves: if met { good } else { bad },
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown, never calculated with")]
fn tally<'f>(wanted: &Tally, facts: &'f Facts) -> Looked<'f> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut leaves = Vec::new();
    let mut counted = 0_usize;
    for event in facts.within(wanted.kind, wanted.days) {
        let member = event
            .payload
            .as_ref()
            .and_then(|payload| payload.pointer(&wanted.member));
        let Some(Value::Object(numbers)) = member else { continue };
        counted += 1;
        for (name, number) in numbers {
            *sums.entry(name).or_default() += number.as_u64().unwrap_or(0);
        }
        if !numbers.is_empty() {
            leaves.push(event);
        }
    }
    let kind = wanted.kind.name();
    if counted == 0 {
        return Looked::missing(format!("no {kind} in {} days says so", wanted.days));
    }
    let total: u64 = sums.values().sum();
    let each: Vec<String> = sums.iter().map(|(name, sum)| format!("{name} {sum}")).collect();
    let each = if each.is_empty() {
        String::new()
    } else {
        format!(": {}", each.join(", "))
    };
    Looked {
        holds: true,
        found: format!("{total} in {counted} {kind} in {} days{each}", wanted.days),
        figure: Some(total as f64),
        leaves,
    }
}

fn figure<'f>(wanted: &Figure, facts: &'f Facts) -> Looked<'f> {
    let kind = wanted.kind.name();
    let Some(newest) = facts.within(wanted.kind, wanted.days).next() else {
        return Looked::missing(format!("no {kind} in {} days", wanted.days));
    };
    let figure = newest
        .payload
        .as_ref()
        .and_then(|payload| payload.pointer(&wanted.member));
    let Some(figure) = figure.and_then(Value::as_f64) else {
        return Looked {
            leaves: vec![newest],
            ..Looked::missing(format!("the {kind} of {} has no {}", newest.at, wanted.member))
        };
    };
    Looked {
        holds: is_within(figure, wanted.at_least, wanted.at_most),
        found: format!("{figure} at {}{}", newest.at, bounds(wanted.at_least, wanted.at_most)),
        figure: Some(figure),
        leaves: vec![newest],
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
    let lacking = unfulfilled(wanted, started.payload.as_ref().unwrap_or(&nothing));
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
    match &facts.witness {
        Err(why) => Looked::missing(why.clone()),
        Ok(seen) => Looked {
            holds: facts.now.as_second() - seen.at.as_second() <= i64::from(hours) * 3600,
            found: format!(
                "{} cosigned {} leaves at {}; {hours} hours are allowed",
                seen.name, seen.size, seen.at
            ),
            figure: None,
            leaves: Vec::new(),
        },
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

fn holds(conditions: &Conditions, event: &RecordedEvent) -> bool {
    let payload = event.payload.as_ref();
    payload.is_some_and(|payload| unfulfilled(conditions, payload).is_none())
}
