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
/// Workers of one.
const WORKERS: usize = 1024;
/// Bytes of a text in a report.
const TEXT: usize = 2048;

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
pub struct Fleet(Mutex<BTreeMap<String, (Instant, Proxy)>>);

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
        let now = Instant::now();
        let mut proxies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.retain(|_, (seen, _)| now.duration_since(*seen) < GONE);
        if proxies.len() >= PROXIES && !proxies.contains_key(&proxy) {
            return Err((true, format!("More than {PROXIES} Envoy processes report.")));
        }
        let seen_at = Timestamp::now().to_string();
        let entry = Proxy {
            proxy: proxy.clone(),
            seen_at,
            workers,
        };
        proxies.insert(proxy, (now, entry));
        Ok(())
    }

    /// Those that are not gone, by name.
    pub fn proxies(&self) -> Vec<Proxy> {
        let now = Instant::now();
        let mut proxies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.retain(|_, (seen, _)| now.duration_since(*seen) < GONE);
        proxies.values().map(|(_, proxy)| proxy.clone()).collect()
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
    let texts = active.iter().chain(staged).chain(context);
    let failed = failed.iter().flat_map(|failed| [&failed.revision, &failed.reason]);
    staged.len() <= 64 && texts.chain(failed).all(|text| text.len() <= TEXT)
}
