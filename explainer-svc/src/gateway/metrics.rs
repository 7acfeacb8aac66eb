//! What is counted of models. Every label's value comes from the configuration or from a list in the program.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::breaker::State;
use super::call::{Money, Usage};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    provider: String,
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    provider: String,
    model: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    provider: String,
    model: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GuardLabels {
    guard: &'static str,
    outcome: &'static str,
}

/// Counters of one gateway.
#[derive(Debug, Clone)]
pub struct GatewayMetrics {
    completions: Family<Reason, Counter>,
    refusals: Family<Reason, Counter>,
    attempts: Family<Attempt, Counter>,
    tokens: Family<Tokens, Counter>,
    dollars: Family<Model, Counter<f64, AtomicU64>>,
    unpriced: Family<Model, Counter>,
    guards: Family<GuardLabels, Counter>,
    breakers: Family<Model, Gauge>,
    killed: Gauge,
    seconds: Histogram,
}

impl Default for GatewayMetrics {
    fn default() -> Self {
        let buckets = [
            0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        ];
        Self {
            completions: Family::default(),
            refusals: Family::default(),
            attempts: Family::default(),
            tokens: Family::default(),
            dollars: Family::default(),
            unpriced: Family::default(),
            guards: Family::default(),
            breakers: Family::default(),
            killed: Gauge::default(),
            seconds: Histogram::new(buckets),
        }
    }
}

impl GatewayMetrics {
    /// Shows them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "model_completions",
            "Answers of models by where they came from",
            self.completions.clone(),
        );
        registry.register(
            "model_refusals",
            "Calls without an answer by reason",
            self.refusals.clone(),
        );
        registry.register(
            "model_attempts",
            "Questions to providers by outcome",
            self.attempts.clone(),
        );
        registry.register("model_tokens", "Tokens by kind", self.tokens.clone());
        registry.register(
            "model_cost_dollars",
            "Spent on models with a price",
            self.dollars.clone(),
        );
        registry.register(
            "model_unpriced",
            "Answers of models without a price",
            self.unpriced.clone(),
        );
        registry.register(
            "model_guards",
            "Guards that changed or stopped something",
            self.guards.clone(),
        );
        registry.register(
            "model_breaker_state",
            "0 closed, 1 tried by one call, 2 open",
            self.breakers.clone(),
        );
        registry.register("models_off", "1 while the kill switch is on", self.killed.clone());
        registry.register(
            "model_call_seconds",
            "Time for a call, whatever came of it",
            self.seconds.clone(),
        );
    }

    pub(super) fn completed(&self, cached: bool, took: Duration) {
        let reason = if cached { "kept" } else { "provider" };
        self.completions.get_or_create(&Reason { reason }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(super) fn refused(&self, reason: &'static str, took: Duration) {
        self.refusals.get_or_create(&Reason { reason }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(super) fn attempted(&self, provider: &str, model: &str, outcome: &'static str) {
        let labels = Attempt {
            provider: provider.to_owned(),
            model: model.to_owned(),
            outcome,
        };
        self.attempts.get_or_create(&labels).inc();
    }

    pub(super) fn spent(&self, provider: &str, model: &str, usage: &Usage, money: Option<Money>) {
        let kinds = [
            ("input", usage.input.saturating_sub(usage.cached)),
            ("cached", usage.cached),
            ("output", usage.output),
        ];
        for (kind, tokens) in kinds {
            let labels = Tokens {
                provider: provider.to_owned(),
                model: model.to_owned(),
                kind,
            };
            self.tokens.get_or_create(&labels).inc_by(tokens);
        }
        let model = Model {
            provider: provider.to_owned(),
            model: model.to_owned(),
        };
        match money {
            Some(money) => {
                self.dollars.get_or_create(&model).inc_by(money.dollars());
            }
            None => {
                self.unpriced.get_or_create(&model).inc();
            }
        }
    }

    pub(super) fn guarded(&self, counts: &[(&'static str, u64)]) {
        for (guard, times) in counts {
            let labels = GuardLabels {
                guard,
                outcome: "changed",
            };
            self.guards.get_or_create(&labels).inc_by(*times);
        }
    }

    pub(super) fn fired(&self, guard: &'static str) {
        let labels = GuardLabels {
            guard,
            outcome: "stopped",
        };
        self.guards.get_or_create(&labels).inc();
    }

    pub(super) fn breaker(&self, provider: &str, model: &str, state: State) {
        let labels = Model {
            provider: provider.to_owned(),
            model: model.to_owned(),
        };
        let state = match state {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open => 2,
        };
        self.breakers.get_or_create(&labels).set(state);
    }

    pub(super) fn killed(&self, on: bool) {
        self.killed.set(i64::from(on));
    }
}
