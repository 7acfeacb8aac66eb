//! Counters in Envoy's own statistics: `whynot.review.*`, `whynot.policy.<id>.*`, `whynot.explainer.*`,
//! `whynot.upstream.<name>.*`, `whynot.evaluation_us`.

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
}

impl Metrics {
    /// Defines what exists from the start, so that a rate can be taken from zero.
    pub(crate) fn new(policies: impl Iterator<Item = String>) -> Self {
        let metrics = Self {
            counters: RefCell::default(),
            evaluation: host::histogram("whynot.evaluation_us"),
        };
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
        for policy in policies {
            for verb in ["denied", "warned", "audited", "failed"] {
                metrics.define(&format!("whynot.policy.{policy}.{verb}"));
            }
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
