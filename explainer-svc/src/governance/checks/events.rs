//! Queries for events: how many there are, of how many a condition holds, and what figures they have.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Looked, bounds, is_within};
use crate::audit::RecordedEvent;
use crate::governance::condition::{Conditions, unfulfilled};
use crate::governance::control::{Events, Figure, Share, Tally};
use crate::governance::facts::Facts;

pub(super) fn events<'f>(wanted: &Events, facts: &'f Facts) -> Looked<'f> {
    let is_plain = wanted.subject.is_none() && wanted.having.is_empty() && !wanted.newest;
    let is_about = |event: &&RecordedEvent| wanted.subject.as_ref().is_none_or(|subject| *subject == event.subject);
    let fits = |event: &&RecordedEvent| wanted.having.is_empty() || holds(&wanted.having, event, facts);
    let about = facts.within(wanted.kind, wanted.days).filter(is_about);
    let most = if wanted.newest { 1 } else { usize::MAX };
    let (leaves, others): (Vec<&RecordedEvent>, Vec<&RecordedEvent>) = about.take(most).partition(fits);
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
    let other = others.first().filter(|_| !holds);
    let why = other.and_then(|event| lacking(&wanted.having, event, facts));
    Looked {
        holds,
        found: format!(
            "{number} {}{about} in {} days{demand}{}",
            wanted.kind.name(),
            wanted.days,
            why.unwrap_or_default()
        ),
        #[expect(clippy::cast_precision_loss, reason = "shown, never calculated with")]
        figure: Some(number as f64),
        leaves: if leaves.is_empty() {
            other.copied().into_iter().collect()
        } else {
            leaves
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares of at most thousands")]
pub(super) fn share<'f>(wanted: &Share, facts: &'f Facts) -> Looked<'f> {
    let about = in_force(wanted.in_force);
    let read = |event: &&RecordedEvent| {
        event.payload.is_some() && holds(&wanted.of, event, facts) && (!wanted.in_force || facts.is_in_force(event))
    };
    let all: Vec<&RecordedEvent> = facts.within(wanted.kind, wanted.days).filter(read).collect();
    let (good, bad): (Vec<&RecordedEvent>, Vec<&RecordedEvent>) = all
        .iter()
        .copied()
        .partition(|event| holds(&wanted.having, event, facts));
    let kind = wanted.kind.name();
    if all.is_empty() {
        let about = if wanted.in_force { about } else { " of this sort" };
        return Looked::missing(format!("no {kind}{about} in {} days", wanted.days));
    }
    let share = good.len() as f64 / all.len() as f64;
    let met = share >= wanted.at_least;
    let why = bad.first().and_then(|event| lacking(&wanted.having, event, facts));
    Looked {
        holds: met,
        found: format!(
            "{} of {} {kind}{about} in {} days{}",
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
pub(super) fn tally<'f>(wanted: &Tally, facts: &'f Facts) -> Looked<'f> {
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

/// The worst one: what is better beside it does not make up for it.
pub(super) fn figure<'f>(wanted: &Figure, facts: &'f Facts) -> Looked<'f> {
    let kind = wanted.kind.name();
    let about = in_force(wanted.in_force);
    let is_about = |event: &&RecordedEvent| !wanted.in_force || facts.is_in_force(event);
    let all: Vec<&RecordedEvent> = facts.within(wanted.kind, wanted.days).filter(is_about).collect();
    let Some(newest) = all.first() else {
        return Looked::missing(format!("no {kind}{about} in {} days", wanted.days));
    };
    if let Some(why) = all.iter().find_map(|event| lacking(&wanted.having, event, facts)) {
        return Looked {
            leaves: all,
            ..Looked::missing(format!("a {kind}{about} does not count{why}"))
        };
    }
    let value = |event: &RecordedEvent| event.payload.as_ref()?.pointer(&wanted.member)?.as_f64();
    let mut figures = Vec::new();
    for event in &all {
        let Some(figure) = value(event) else {
            return Looked {
                leaves: vec![*event],
                ..Looked::missing(format!("the {kind} of {} has no {}", event.at, wanted.member))
            };
        };
        figures.push((*event, figure));
    }
    let is_worse = |(_, one): &(&RecordedEvent, f64), (_, other): &(&RecordedEvent, f64)| match wanted.at_most {
        Some(_) => other.total_cmp(one),
        None => one.total_cmp(other),
    };
    let (event, figure) = figures.into_iter().min_by(is_worse).unwrap_or((*newest, f64::NAN));
    Looked {
        holds: is_within(figure, wanted.at_least, wanted.at_most),
        found: format!("{figure} at {}{}", event.at, bounds(wanted.at_least, wanted.at_most)),
        figure: Some(figure),
        leaves: vec![event],
    }
}

fn in_force(asked: bool) -> &'static str {
    if asked {
        " of what the gateway was last started with"
    } else {
        ""
    }
}

fn holds(conditions: &Conditions, event: &RecordedEvent, facts: &Facts) -> bool {
    let payload = event.payload.as_ref();
    payload.is_some_and(|payload| unfulfilled(conditions, payload, facts.now).is_none())
}

/// What a leaf lacks of conditions, for people.
fn lacking(conditions: &Conditions, event: &RecordedEvent, facts: &Facts) -> Option<String> {
    let nothing = Value::Null;
    let payload = event.payload.as_ref().unwrap_or(&nothing);
    let lacking = unfulfilled(conditions, payload, facts.now)?;
    Some(format!("; leaf {} lacks {lacking}", event.index))
}
