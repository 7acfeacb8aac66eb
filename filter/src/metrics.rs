//! Counters in Envoy's own statistics: `whynot.review.*`, `whynot.policy.<id>.*`, `whynot.explainer.*`,
//! `whynot.upstream.<name>.*`, `whynot.evaluation_us`, `whynot.policies.*`, `whynot.context.*`, `whynot.staging_stall_us`.

use std::cell::RefCell;
use std::collections::HashMap;

use engine::explain::wire::Decision;

use crate::flow::Count;
use crate::host;

/// Ids of the statistics, defined when they are first used.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counters: RefCell<HashMap<String, Option<u32>>>,
    evaluation: Option<u32>,
    stall: Option<u32>,
    context_age: Option<u32>,
}

/// What is counted beside reviews.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Live {
    /// Another revision serves.
    Flip,
    /// A request had to wait for its policies to be compiled.
    Late,
    /// A revision does not compile.
    Failed,
    /// A review's namespace was not in the context.
    Miss,
    /// A review was judged without the context, which was too old.
    Stale,
}

impl Live {
    const ALL: [Self; 5] = [Self::Flip, Self::Late, Self::Failed, Self::Miss, Self::Stale];

    fn name(self) -> &'static str {
        match self {
            Self::Flip => "whynot.policies.flips",
            Self::Late => "whynot.policies.staged_late",
            Self::Failed => "whynot.policies.failed",
            Self::Miss => "whynot.context.misses",
            Self::Stale => "whynot.context.stale",
        }
    }
}

impl Metrics {
    /// Defines what exists from the start, so that a rate can be taken from zero.
    pub(crate) fn new() -> Self {
        let metrics = Self {
            counters: RefCell::default(),
            evaluation: host::histogram("whynot.evaluation_us"),
            stall: host::histogram("whynot.staging_stall_us"),
            context_age: host::gauge("whynot.context.age_ms"),
        };
        for live in Live::ALL {
            metrics.define(live.name());
        }
        for name in ["allowed", "denied", "malformed"] {
            metrics.define(&format!("whynot.review.{name}"));
        }
        for outcome in [
            "answered",
            "refused",
            "no_answer",
            "bad_status",
            "too_large",
            "nonsense",
        ] {
            metrics.define(&format!("whynot.explainer.{outcome}"));
        }
        metrics
    }

    /// The same for the webhooks behind this one.
    pub(crate) fn wrapped<'n>(&self, names: impl Iterator<Item = &'n String>) {
        for name in names {
            for outcome in ["allowed", "denied", "failed", "malformed", "too_large"] {
                self.define(&format!("whynot.upstream.{name}.{outcome}"));
            }
        }
    }

    /// Defines those of a policy.
    pub(crate) fn policy(&self, policy: &str) {
        for verb in ["denied", "warned", "audited", "failed"] {
            self.define(&format!("whynot.policy.{policy}.{verb}"));
        }
    }

    /// Counts what concerns policies and context that come while Envoy runs.
    pub(crate) fn live(&self, live: Live) {
        if let Some(id) = self.define(live.name()) {
            host::increment(id);
        }
    }

    /// For so long a worker served nobody, because it staged.
    pub(crate) fn stalled(&self, micros: u64) {
        if let Some(id) = self.stall {
            host::record(id, micros);
        }
    }

    /// How old the context is.
    pub(crate) fn context_age(&self, millis: u64) {
        if let Some(id) = self.context_age {
            host::record(id, millis);
        }
    }

    fn define(&self, name: &str) -> Option<u32> {
        *self
            .counters
            .borrow_mut()
            .entry(name.to_owned())
            .or_insert_with(|| host::counter(name))
    }

    /// Counts.
    pub(crate) fn count(&self, count: &Count) {
        let name = match count {
            Count::Decided(Decision::Allow) => "whynot.review.allowed".to_owned(),
            Count::Decided(Decision::Deny) => "whynot.review.denied".to_owned(),
            Count::Malformed => "whynot.review.malformed".to_owned(),
            Count::Policy(policy, verb) => format!("whynot.policy.{policy}.{verb}"),
            Count::Explainer(outcome) => format!("whynot.explainer.{outcome}"),
            Count::Upstream(webhook, outcome) => format!("whynot.upstream.{webhook}.{outcome}"),
        };
        if let Some(id) = self.define(&name) {
            host::increment(id);
        }
    }

    /// How long a review took from its bytes to its verdict.
    pub(crate) fn evaluated(&self, micros: u64) {
        if let Some(id) = self.evaluation {
            host::record(id, micros);
        }
    }
}
