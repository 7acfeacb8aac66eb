//! Who is there, and which revisions each has: what decides when a new one may serve, and what is reported.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::board::{self, WORKERS};

/// Who has not been seen for so long is gone.
const GONE_US: u64 = 10_000_000;

/// Who has served within this time is waited for.
const RECENT_US: u64 = 10_000_000;

/// One instance, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Worker {
    pub(super) id: u32,
    pub(super) generation: u32,
    /// When it wrote this, and when it last had a request; 0: never.
    pub(super) seen_us: u64,
    pub(super) served_us: u64,
    pub(super) requests: u64,
    /// What it answers with, and what it could.
    pub(super) active: String,
    pub(super) staged: Vec<String>,
    pub(super) context: String,
    pub(super) context_age_ms: u64,
    /// A revision that it cannot compile, and why.
    pub(super) failed: Option<(String, String)>,
}

impl Worker {
    /// Whether something changed that others look at.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let known = |worker: &Self| {
            (
                worker.active.clone(),
                worker.staged.clone(),
                worker.context.clone(),
                worker.failed.clone(),
                worker.served_us == 0,
            )
        };
        known(self) != known(other)
    }

    /// Whether a flip to a revision would make its next request wait for a compilation.
    fn is_behind(&self, revision: &str, now_us: u64) -> bool {
        let is_serving = self.served_us > 0 && self.served_us + RECENT_US > now_us;
        let has_it = self.active == revision || self.staged.iter().any(|staged| staged == revision);
        let cannot = self.failed.as_ref().is_some_and(|(failed, _)| failed == revision);
        is_serving && !has_it && !cannot
    }
}

/// All that are there.
pub(super) fn all(now_us: u64) -> Vec<Worker> {
    read(&board::text(WORKERS), now_us)
}

fn read(text: &str, now_us: u64) -> Vec<Worker> {
    let mut workers: Vec<Worker> = serde_json::from_str(text).unwrap_or_default();
    workers.retain(|worker| worker.seen_us + GONE_US > now_us);
    workers
}

/// Describes oneself to the others.
pub(super) fn tell(own: &Worker, now_us: u64) {
    board::update(WORKERS, |text| {
        let mut workers = read(text, now_us);
        workers.retain(|worker| worker.id != own.id);
        workers.push(own.clone());
        serde_json::to_string(&workers).ok()
    });
}

/// Whether all that serve are ready for a revision.
pub(super) fn are_ready(workers: &[Worker], revision: &str, now_us: u64) -> bool {
    !workers.iter().any(|worker| worker.is_behind(revision, now_us))
}

/// For the explainer. An instance that never had a request is none of the workers: Envoy's main thread has one.
pub(super) fn report(workers: &[Worker], proxy: &str, generation: u32, now_us: u64) -> Value {
    let state = |worker: &Worker| match worker {
        worker if worker.generation != generation => "draining",
        worker if worker.served_us + RECENT_US > now_us => "serving",
        _ => "idle",
    };
    let shown = workers.iter().filter(|worker| worker.served_us > 0).map(|worker| {
        let failed = worker.failed.as_ref();
        json!({
            "id": worker.id, "generation": worker.generation, "requests": worker.requests,
            "active": worker.active, "staged": worker.staged,
            "context": worker.context, "contextAgeMs": worker.context_age_ms, "state": state(worker),
            "failed": failed.map(|(revision, reason)| json!({"revision": revision, "reason": reason})),
        })
    });
    json!({"apiVersion": "whynot.dev/v1", "proxy": proxy, "workers": shown.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000;

    fn worker(id: u32, served_us: u64, staged: &str) -> Worker {
        Worker {
            id,
            generation: 2,
            seen_us: NOW,
            served_us,
            active: "old".to_owned(),
            staged: vec![staged.to_owned()],
            ..Worker::default()
        }
    }

    #[test]
    fn only_who_serves_is_waited_for() {
        let idle = [worker(1, 0, ""), worker(2, NOW - RECENT_US, "")];
        assert!(are_ready(&idle, "new", NOW));
        let mut serving = vec![worker(1, NOW - 1, "new"), worker(2, NOW - 1, "")];
        assert!(!are_ready(&serving, "new", NOW));
        assert!(are_ready(&serving, "old", NOW));
        serving[1].failed = Some(("new".to_owned(), "x".to_owned()));
        assert!(are_ready(&serving, "new", NOW));
    }

    #[test]
    fn who_is_gone_and_who_never_served_is_not_reported() {
        let mut gone = worker(1, NOW - 1, "");
        gone.seen_us = NOW - GONE_US;
        let mut draining = worker(4, NOW - 1, "");
        draining.generation = 1;
        let workers = [
            gone,
            worker(2, 0, ""),
            worker(3, NOW - 1, ""),
            draining,
            worker(5, 1, ""),
        ];
        let text = serde_json::to_string(&workers).unwrap();
        let report = report(&read(&text, NOW), "node/1", 2, NOW);
        let states: Vec<(u64, &str)> = report["workers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|worker| (worker["id"].as_u64().unwrap(), worker["state"].as_str().unwrap()))
            .collect();
        assert_eq!(states, [(3, "serving"), (4, "draining"), (5, "idle")]);
    }
}
