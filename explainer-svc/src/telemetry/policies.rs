//! What is counted of policies on their way in.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Something that happened to policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyEvent {
    /// The source had others.
    Fetched,
    /// The source had the same.
    Unchanged,
    /// The source did not answer.
    FetchFailed,
    /// They were not taken.
    Refused,
    /// They became current.
    Swapped,
    /// Somebody went back.
    RolledBack,
    /// They could not be kept on disk.
    NotKept,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Revision {
    revision: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Counters and gauges of one server.
#[derive(Debug, Clone, Default)]
pub struct PolicyMetrics {
    current: Family<Revision, Gauge>,
    fetches: Family<Outcome, Counter>,
    refused: Counter,
    swaps: Counter,
    rollbacks: Counter,
    not_kept: Counter,
    since_check: Gauge,
    workers: Family<Revision, Gauge>,
}

impl PolicyMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for outcome in ["changed", "unchanged", "failed"] {
            drop(self.fetches.get_or_create(&Outcome { outcome }));
        }
        // Until it answered.
        self.since_check.set(-1);
        registry.register("policies", "1 for the revision that is current", self.current.clone());
        registry.register(
            "policy_fetches",
            "Questions to the source by outcome",
            self.fetches.clone(),
        );
        registry.register("policy_refusals", "Policies that were not taken", self.refused.clone());
        registry.register(
            "policy_swaps",
            "Times that other policies became current",
            self.swaps.clone(),
        );
        registry.register(
            "policy_rollbacks",
            "Times that somebody went back",
            self.rollbacks.clone(),
        );
        registry.register(
            "policy_store_errors",
            "Policies that could not be kept on disk",
            self.not_kept.clone(),
        );
        registry.register(
            "policy_seconds_since_check",
            "Seconds since the source answered last; -1 when it never did",
            self.since_check.clone(),
        );
        registry.register(
            "policy_workers",
            "Workers of Envoy that serve, by the revision that they decide with",
            self.workers.clone(),
        );
    }

    /// Counts.
    pub fn count(&self, event: PolicyEvent) {
        let fetch = |outcome| self.fetches.get_or_create(&Outcome { outcome }).inc();
        match event {
            PolicyEvent::Fetched => fetch("changed"),
            PolicyEvent::Unchanged => fetch("unchanged"),
            PolicyEvent::FetchFailed => fetch("failed"),
            PolicyEvent::Refused => self.refused.inc(),
            PolicyEvent::Swapped => self.swaps.inc(),
            PolicyEvent::RolledBack => self.rollbacks.inc(),
            PolicyEvent::NotKept => self.not_kept.inc(),
        };
    }

    /// Says which policies are current.
    pub fn current(&self, revision: &str) {
        self.current.clear();
        let revision = revision.to_owned();
        self.current.get_or_create(&Revision { revision }).set(1);
    }

    /// Sets what changes by itself.
    pub fn observe(&self, since_check: Option<Duration>, workers: &BTreeMap<String, i64>) {
        if let Some(since) = since_check {
            self.since_check.set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        }
        self.workers.clear();
        for (revision, count) in workers {
            let revision = revision.clone();
            self.workers.get_or_create(&Revision { revision }).set(*count);
        }
    }
}
