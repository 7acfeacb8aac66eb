//! Which Envoy worker has which policies, as the workers say it.
//!
//! Anybody who reaches the server can report: it is for people and for dashboards, and decides nothing. So it is bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A process that says nothing for so long is gone: it reports every five seconds.
const GONE: Duration = Duration::from_secs(30);
/// Processes at a time.
const PROXIES: usize = 2048;
/// Workers of one: more than there are processors in a machine.
const WORKERS: usize = 256;
/// Bytes of a name or a revision in a report.
const TEXT: usize = 128;
/// Of why policies cannot be taken, that much is kept.
const REASON: usize = 512;
/// Policies that one worker has ready.
const STAGED: usize = 8;
/// All that is kept of all reports, in bytes of memory: 2048 processes of 16 workers each.
const KEPT: usize = 16 << 20;
/// Bytes of a report: 64 workers with everything that they can say take some 20 KiB, and 16 of them have a reason at its longest.
pub const LARGEST: usize = 64 << 10;

/// What one Envoy process reports.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FilterReport)]
pub struct Report {
    /// `whynot.dev/v1`.
    pub api_version: String,
    /// The node's id and something random of the process.
    pub proxy: String,
    /// Its workers.
    pub workers: Vec<Worker>,
}

/// One worker of an Envoy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FilterWorker)]
pub struct Worker {
    /// Its number within the process.
    pub id: u64,
    /// How often its configuration was replaced.
    #[serde(default)]
    pub generation: u64,
    /// Requests that it answered.
    #[serde(default)]
    pub requests: u64,
    /// The policies that it decides with.
    #[serde(default)]
    pub active: Option<String>,
    /// Policies that are ready to be active.
    #[serde(default)]
    pub staged: Vec<String>,
    /// The context that it decides with.
    #[serde(default)]
    pub context: Option<String>,
    /// How old that is.
    #[serde(default)]
    pub context_age_ms: Option<u64>,
    /// What it does.
    pub state: State,
    /// What it could not take.
    #[serde(default)]
    pub failed: Option<Failed>,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FilterWorkerState)]
pub enum State {
    /// It answers requests.
    Serving,
    /// It never had one: the main thread, or a worker without traffic.
    Idle,
    /// It finishes what it began.
    Draining,
}

/// Policies that a worker could not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FilterFailure)]
pub struct Failed {
    /// Which.
    pub revision: String,
    /// Why.
    pub reason: String,
}

/// An Envoy process, when it was last heard of.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// Its name.
    pub proxy: String,
    /// When it reported last, by the server's clock.
    pub seen_at: String,
    /// Its workers.
    pub workers: Vec<Worker>,
}

/// What was reported lately.
#[derive(Debug, Default)]
pub struct Fleet(Mutex<Reports>);

#[derive(Debug, Default)]
struct Reports {
    proxies: BTreeMap<String, Reported>,
    /// Of all of them.
    size: usize,
}

#[derive(Debug)]
struct Reported {
    seen: Instant,
    size: usize,
    proxy: Proxy,
}

impl Reports {
    fn forget(&mut self, now: Instant) {
        self.proxies
            .retain(|_, reported| now.duration_since(reported.seen) < GONE);
        self.size = self.proxies.values().map(|reported| reported.size).sum();
    }
}

impl Fleet {
    /// Takes a report. `Err`: what is wrong with it, and whether it is the server that is full.
    ///
    /// # Errors
    /// It is out of bounds.
    pub fn report(&self, report: Report) -> Result<(), (bool, String)> {
        let Report {
            api_version: _,
            proxy,
            workers,
        } = report;
        if proxy.is_empty() || proxy.len() > TEXT {
            return Err((false, format!("proxy: expected a name of at most {TEXT} bytes")));
        }
        if workers.len() > WORKERS || workers.iter().any(|worker| !is_bounded(worker)) {
            let text = format!("workers: expected at most {WORKERS}, with texts of at most {TEXT} bytes");
            return Err((false, text));
        }
        let workers: Vec<Worker> = workers.into_iter().map(shortened).collect();
        let size = proxy.len() * 2 + size_of::<Reported>() + workers.iter().map(size).sum::<usize>();
        let now = Instant::now();
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.forget(now);
        let before = reports.proxies.get(&proxy).map(|reported| reported.size);
        if before.is_none() && reports.proxies.len() >= PROXIES {
            return Err((true, format!("More than {PROXIES} Envoy processes report.")));
        }
        let all = reports.size.saturating_sub(before.unwrap_or(0)).saturating_add(size);
        if all > KEPT {
            return Err((true, format!("The reports take more than {} MiB.", KEPT >> 20)));
        }
        reports.size = all;
        let seen_at = Timestamp::now().to_string();
        let entry = Proxy {
            proxy: proxy.clone(),
            seen_at,
            workers,
        };
        let entry = Reported {
            seen: now,
            size,
            proxy: entry,
        };
        reports.proxies.insert(proxy, entry);
        Ok(())
    }

    /// Those that are not gone, by name.
    pub fn proxies(&self) -> Vec<Proxy> {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.forget(Instant::now());
        reports
            .proxies
            .values()
            .map(|reported| reported.proxy.clone())
            .collect()
    }

    /// Gives back the memory of those that are gone, although nobody reports or asks any more.
    pub(super) fn forget(&self, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).forget(now);
    }

    /// Serving workers by revision: a `known` one, `none`, or `other`, since a caller must not make up metrics.
    pub(super) fn by_revision(&self, known: impl Fn(&str) -> bool) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for worker in self.proxies().iter().flat_map(|proxy| &proxy.workers) {
            if worker.state != State::Serving {
                continue;
            }
            let revision = match worker.active.as_deref() {
                None | Some("") => "none",
                Some(revision) if known(revision) => revision,
                Some(_) => "other",
            };
            *counts.entry(revision.to_owned()).or_default() += 1;
        }
        counts
    }
}

fn is_bounded(worker: &Worker) -> bool {
    let Worker {
        id: _,
        generation: _,
        requests: _,
        active,
        staged,
        context,
        context_age_ms: _,
        state: _,
        failed,
    } = worker;
    let failed = failed.iter().map(|failed| &failed.revision);
    let mut texts = active.iter().chain(staged).chain(context).chain(failed);
    staged.len() <= STAGED && texts.all(|text| text.len() <= TEXT)
}

/// A compiler says what it says; the beginning of it will do here.
fn shortened(mut worker: Worker) -> Worker {
    if let Some(failed) = &mut worker.failed
        && failed.reason.len() > REASON
    {
        failed.reason.truncate(failed.reason.floor_char_boundary(REASON));
        failed.reason.push('…');
        failed.reason.shrink_to_fit();
    }
    worker
}

/// Bytes of memory.
fn size(worker: &Worker) -> usize {
    let failed = worker
        .failed
        .iter()
        .flat_map(|failed| [&failed.revision, &failed.reason]);
    let texts = worker.active.iter().chain(&worker.staged).chain(&worker.context);
    let texts = texts.chain(failed).map(|text| size_of::<String>() + text.capacity());
    size_of::<Worker>() + texts.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(reason: usize) -> Worker {
        Worker {
            id: 7,
            generation: 3,
            requests: 1_000_000,
            active: Some("aaaaaaaaaaaa".to_owned()),
            staged: vec!["bbbbbbbbbbbb".to_owned(); 2],
            context: Some("c".repeat(64)),
            context_age_ms: Some(1000),
            state: State::Serving,
            failed: Some(Failed {
                revision: "cccccccccccc".to_owned(),
                reason: "x".repeat(reason),
            }),
        }
    }

    fn report(proxy: String, workers: Vec<Worker>) -> Report {
        Report {
            api_version: "whynot.dev/v1".to_owned(),
            proxy,
            workers,
        }
    }

    #[test]
    fn all_that_a_large_machine_says_fits() {
        let report = report("n".repeat(TEXT), vec![worker(REASON); 64]);
        assert!(serde_json::to_vec(&report).unwrap().len() < LARGEST);
        assert!(Fleet::default().report(report).is_ok());
    }

    #[test]
    fn the_reports_of_all_have_a_bound_and_go_with_time_alone() {
        let fleet = Fleet::default();
        let full = (0..PROXIES).find_map(|number| {
            let sent = fleet.report(report(number.to_string(), vec![worker(REASON); 64]));
            sent.err().map(|(is_full, _)| (number, is_full))
        });
        let (number, is_full) = full.unwrap();
        assert!(is_full && number > 200, "{number}");
        // Who is known replaces its own.
        assert!(fleet.report(report("0".to_owned(), vec![worker(REASON); 64])).is_ok());
        fleet.forget(Instant::now() + GONE);
        let reports = fleet.0.lock().unwrap();
        assert!(reports.proxies.is_empty() && reports.size == 0);
    }

    #[test]
    fn a_long_reason_is_cut_and_other_long_texts_are_refused() {
        let fleet = Fleet::default();
        let mut long = worker(0);
        long.failed.as_mut().unwrap().reason = "ä".repeat(2000);
        fleet.report(report("a".to_owned(), vec![long])).unwrap();
        let reason = fleet.proxies()[0].workers[0].failed.clone().unwrap().reason;
        assert!(reason.len() <= REASON + '…'.len_utf8() && reason.ends_with("ä…"));
        for wrong in [
            report("a".repeat(TEXT + 1), Vec::new()),
            report("b".to_owned(), vec![worker(0); WORKERS + 1]),
            report(
                "c".to_owned(),
                vec![Worker {
                    active: Some("x".repeat(TEXT + 1)),
                    ..worker(0)
                }],
            ),
            report(
                "d".to_owned(),
                vec![Worker {
                    staged: vec![String::new(); STAGED + 1],
                    ..worker(0)
                }],
            ),
        ] {
            assert!(fleet.report(wrong).is_err_and(|(is_full, _)| !is_full));
        }
    }
}
