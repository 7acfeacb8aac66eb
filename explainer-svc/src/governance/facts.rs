//! What evidence is looked for in: events of the audit log, whether it verifies, metrics. Read once for all controls.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum as _;
use jiff::Timestamp;
use serde_json::Value;

use super::control::{Check, Controls, Part, Query};
use super::previous::Previous;
use super::report::LogState;
use super::verifying::is_over;
use crate::audit::{self, Kind, Reader, RecordedEvent};

/// Events of a kind whose payloads are read: of a busy service the newest.
pub(super) const NEWEST: u64 = 5000;
/// How far back it is looked for what was configured.
const CONFIGURED: u32 = 3650;
/// Milliseconds.
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// All that is looked in.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// When.
    pub(super) now: Timestamp,
    /// Events by kind.
    pub(super) events: BTreeMap<Kind, Seen>,
    /// The audit log.
    pub(super) log: LogState,
    /// When a witness last cosigned it, and who; else why none is known.
    pub(super) witness: Result<Witnessed, String>,
    /// How many leaves are older than so many hours.
    pub(super) older: BTreeMap<u32, u64>,
    /// The metrics of the running service, as it shows them.
    pub(super) metrics: Option<String>,
    /// What this process found before; `None` for what the log says of it.
    pub(super) previous: Option<Previous>,
}

/// What was read of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    /// Events by kind.
    pub(super) events: BTreeMap<Kind, Seen>,
    /// How many leaves are older than so many hours.
    pub(super) older: BTreeMap<u32, u64>,
    /// Why some could not be read.
    pub(super) problems: Vec<String>,
}

/// A witness's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Witnessed {
    /// Its name.
    pub(super) name: String,
    /// When.
    pub(super) at: Timestamp,
    /// How many leaves the log had.
    pub(super) size: u64,
}

/// Events of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// How many there are, by days back.
    pub(super) counts: BTreeMap<u32, u64>,
    /// The newest, the newest first.
    pub(super) newest: Vec<RecordedEvent>,
}

impl Facts {
    /// Reads the events that the controls ask for. What cannot be read is a problem and never an error: else whoever
    /// damages the log silences what it should say.
    ///
    /// # Errors
    /// The process is shutting down.
    pub(super) async fn read(controls: &Controls, reader: &Reader, now: Timestamp) -> Result<Read, audit::Error> {
        let mut read = Read::default();
        for (kind, days) in wanted(controls) {
            match seen(kind, &days, reader, now).await {
                Ok(seen) => {
                    read.events.insert(kind, seen);
                }
                Err(error) if is_over(&error) => return Err(error),
                Err(error) => read.problems.push(format!("{}: {error}", kind.name())),
            }
        }
        for check in controls.checks.values() {
            let Check {
                query: Query::Witness(witness),
                ..
            } = check
            else {
                continue;
            };
            match older(witness.hours, reader, now).await {
                Ok(number) => {
                    read.older.insert(witness.hours, number);
                }
                Err(error) if is_over(&error) => return Err(error),
                Err(error) => read.problems.push(error.to_string()),
            }
        }
        read.problems.dedup();
        Ok(read)
    }

    /// The newest events of a kind, within so many days.
    pub(super) fn within(&self, kind: Kind, days: u32) -> impl Iterator<Item = &RecordedEvent> {
        let since = self.now.as_millisecond() - i64::from(days) * DAY;
        let newest = self.events.get(&kind).map(|seen| seen.newest.as_slice());
        let newest = newest.unwrap_or_default().iter();
        newest.take_while(move |event| time(event).is_some_and(|at| at.as_millisecond() >= since))
    }

    /// How many events of a kind there are, within so many days.
    pub(super) fn count(&self, kind: Kind, days: u32) -> u64 {
        let seen = self.events.get(&kind);
        seen.and_then(|seen| seen.counts.get(&days)).copied().unwrap_or(0)
    }

    /// What the service was last started with.
    pub(super) fn service(&self) -> Option<&RecordedEvent> {
        self.started(|event| event.subject != "gateway")
    }

    /// What a part was last started with. The gateway's counts only when it is of the same start.
    pub(super) fn configuration(&self, part: Part) -> Option<&RecordedEvent> {
        match part {
            Part::Service => self.service(),
            Part::Gateway => {
                let gateway = self.started(|event| event.subject == "gateway")?;
                let is_older = |service: &RecordedEvent| service.index > gateway.index;
                (!self.service().is_some_and(is_older)).then_some(gateway)
            }
        }
    }

    fn started(&self, is: impl Fn(&RecordedEvent) -> bool) -> Option<&RecordedEvent> {
        let mut all = self.within(Kind::ConfigurationLoaded, CONFIGURED);
        all.find(|event| is(event) && event.payload.is_some())
    }

    /// The last time that guards were tried, since the last start.
    pub(super) fn canary(&self) -> Option<&RecordedEvent> {
        let last = self.within(Kind::Canary, CONFIGURED).next()?;
        let is_older = |service: &RecordedEvent| service.index > last.index;
        (!self.service().is_some_and(is_older)).then_some(last)
    }

    /// Whether a measurement passed, is of the file that says who may speak, of a place of the explainer's route, and of the
    /// prompts that it asks with.
    pub(super) fn is_in_force(&self, event: &RecordedEvent) -> bool {
        let of_event = |member: &str| event.payload.as_ref()?.get(member)?.as_str();
        let gateway = self.configuration(Part::Gateway);
        let configured = |member: &str| gateway?.payload.as_ref()?.get(member);
        let place = of_event("provider")
            .zip(of_event("model"))
            .map(|(provider, model)| format!("{provider}/{model}"));
        let digest = of_event("resultDigest");
        let released = configured("released").and_then(Value::as_array);
        let passed = event.payload.as_ref().and_then(|payload| payload.get("passed"));
        passed == Some(&Value::Bool(true))
            && digest.is_some()
            && digest == configured("releaseGate").and_then(Value::as_str)
            && released.is_some_and(|places| places.iter().any(|one| one.as_str() == place.as_deref()))
            && self.asks_with(event)
    }

    /// Whether all prompts that models are asked with are those of a measurement.
    fn asks_with(&self, event: &RecordedEvent) -> bool {
        fn hashes(event: Option<&RecordedEvent>) -> BTreeSet<&str> {
            let prompts = event.and_then(|event| event.payload.as_ref()?.get("prompts")?.as_array());
            let prompts = prompts.into_iter().flatten();
            prompts.filter_map(|prompt| prompt.get("hash")?.as_str()).collect()
        }
        let loaded = hashes(self.service());
        !loaded.is_empty() && loaded.is_subset(&hashes(Some(event)))
    }

    /// Whether models are asked.
    pub(super) fn models(&self) -> Option<bool> {
        self.service()?.payload.as_ref()?.get("models").and_then(Value::as_bool)
    }

    /// The sum of a metric over all that has these labels.
    pub(super) fn metric(&self, name: &str, wanted: &[String]) -> Option<f64> {
        let values = self.metrics.as_ref()?.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                // No label of ours has a brace at its end; those of routes have some within.
                Some(labels) => labels.rsplit_once('}')?,
                None => ("", rest),
            };
            let has = |label: &String| labels.split(',').any(|one| one == label);
            if !wanted.iter().all(has) {
                return None;
            }
            value.strip_prefix(' ')?.split(' ').next()?.parse::<f64>().ok()
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
}

/// Kinds of events, and how many days back they are looked at.
fn wanted(controls: &Controls) -> BTreeMap<Kind, BTreeSet<u32>> {
    let always = [
        (Kind::ConfigurationLoaded, CONFIGURED),
        (Kind::Canary, CONFIGURED),
        (Kind::GovernanceEvaluated, CONFIGURED),
    ];
    let queried = controls.checks.values().filter_map(|check| match &check.query {
        Query::Events(events) => Some((events.kind, events.days)),
        Query::Share(share) => Some((share.kind, share.days)),
        Query::Tally(tally) => Some((tally.kind, tally.days)),
        Query::Figure(figure) => Some((figure.kind, figure.days)),
        Query::Guards(_) | Query::Configuration(_) | Query::Log | Query::Witness(_) | Query::Metric(_) => None,
    });
    let mut wanted: BTreeMap<Kind, BTreeSet<u32>> = BTreeMap::new();
    for (kind, days) in always.into_iter().chain(queried) {
        wanted.entry(kind).or_default().insert(days);
    }
    wanted
}

async fn seen(kind: Kind, days: &BTreeSet<u32>, reader: &Reader, now: Timestamp) -> Result<Seen, audit::Error> {
    let mut seen = Seen::default();
    let since = |days: u32| now.as_millisecond() - i64::from(days) * DAY;
    for days in days {
        seen.counts.insert(*days, reader.count(kind, since(*days)).await?);
    }
    let longest = days.last().copied().unwrap_or(0);
    // The newest one says it all.
    let limit = match kind {
        Kind::GovernanceEvaluated => 1,
        Kind::Canary | Kind::ConfigurationLoaded => 100,
        _ => NEWEST,
    };
    seen.newest = reader.latest(kind, since(longest), limit).await?;
    Ok(seen)
}

/// How many leaves are older than so many hours. Those of a kind that is not known here count as old.
async fn older(hours: u32, reader: &Reader, now: Timestamp) -> Result<u64, audit::Error> {
    let since = now.as_millisecond() - i64::from(hours) * HOUR;
    let mut younger = 0;
    for kind in Kind::value_variants() {
        younger += reader.count(*kind, since).await?;
    }
    Ok(reader.size().saturating_sub(younger))
}

/// When an event was written.
pub(super) fn time(event: &RecordedEvent) -> Option<Timestamp> {
    event.at.parse().ok()
}
