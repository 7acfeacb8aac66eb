//! Metrics for Prometheus, and logs. Neither holds an object, a label's value or a person's name. No metric has a label whose
//! values a caller could make up: policies and teams are counted in the ledger.

mod policies;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use self::policies::{PolicyEvent, PolicyMetrics};
use crate::audit;
use crate::context::LiveContext;
use crate::context::metrics::ContextMetrics;
use crate::gateway::GatewayMetrics;
use crate::governance::GovernanceMetrics;
use crate::ledger::{Attempt, action_name};
use crate::store::Recorded;
use crate::words::metrics::WordsMetrics;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// Not in time.
    Late,
    /// Refused, because too many waited.
    Busy,
    /// The ledger failed.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViolationLabels {
    action: &'static str,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    explanations: Family<OutcomeLabels, Counter>,
    violations: Family<ViolationLabels, Counter>,
    upstream_denials: Counter,
    retries: Counter,
    store_errors: Counter,
    purged: Counter,
    audit: audit::Counts,
    requests: Family<RouteLabels, Counter>,
    read: Gauge,
    seconds: Family<RouteKey, Histogram>,
    context: ContextMetrics,
    policies: PolicyMetrics,
    gateway: GatewayMetrics,
    words: WordsMetrics,
    governance: GovernanceMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteKey {
    route: String,
}

/// The counters of one server.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

impl Default for Metrics {
    fn default() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("whynot"),
            explanations: Family::default(),
            violations: Family::default(),
            upstream_denials: Counter::default(),
            retries: Counter::default(),
            store_errors: Counter::default(),
            purged: Counter::default(),
            audit: audit::Counts::default(),
            requests: Family::default(),
            read: Gauge::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new([
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                ])
            }),
            context: ContextMetrics::default(),
            policies: PolicyMetrics::default(),
            gateway: GatewayMetrics::default(),
            words: WordsMetrics::default(),
            governance: GovernanceMetrics::default(),
        };
        let registry = &mut inner.registry;
        registry.register(
            "explanations",
            "Questions of the filter by outcome",
            inner.explanations.clone(),
        );
        registry.register(
            "violations",
            "Recorded violations, without a controller's retries",
            inner.violations.clone(),
        );
        registry.register(
            "upstream_denials",
            "Recorded denials of other webhooks, without a controller's retries",
            inner.upstream_denials.clone(),
        );
        registry.register(
            "retries",
            "Attempts that were a controller's retries",
            inner.retries.clone(),
        );
        registry.register(
            "store_errors",
            "Attempts that the ledger could not record",
            inner.store_errors.clone(),
        );
        registry.register(
            "purged",
            "Explanations deleted after their retention",
            inner.purged.clone(),
        );
        inner.audit.register(registry);
        registry.register("http_requests", "Requests by route and status", inner.requests.clone());
        registry.register(
            "metrics_read_timestamp_seconds",
            "When somebody last collected these metrics, in seconds since 1970; 0 for never",
            inner.read.clone(),
        );
        registry.register("http_request_seconds", "Time to answer", inner.seconds.clone());
        registry.register_collector(Box::new(inner.context.clone()));
        inner.policies.register(registry);
        inner.gateway.register(registry);
        inner.words.register(registry);
        inner.governance.register(registry);
        Self(Arc::new(inner))
    }
}

impl Metrics {
    /// Counts an answer of the explainer.
    pub fn explained(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::Late => "late",
            Outcome::Busy => "busy",
            Outcome::Failed => "failed",
        };
        self.0.explanations.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts what was recorded.
    pub fn recorded(&self, attempt: &Attempt<'_>, recorded: &Recorded) {
        if recorded.attempts > 1 {
            self.0.retries.inc();
            return;
        }
        if attempt.request.upstream.is_some() {
            self.0.upstream_denials.inc();
        }
        for entry in &attempt.entries {
            let labels = ViolationLabels {
                action: action_name(entry.action),
            };
            self.0.violations.get_or_create(&labels).inc();
        }
    }

    /// Counts an attempt that was not recorded.
    pub fn store_failed(&self) {
        self.0.store_errors.inc();
    }

    /// Counts what retention deleted.
    pub fn purged(&self, explanations: u64) {
        self.0.purged.inc_by(explanations);
    }

    /// Tells the context's figures too.
    pub fn of_context(&self, context: LiveContext) {
        self.0.context.of(context);
    }

    /// What the audit log counts.
    pub fn audit(&self) -> &audit::Counts {
        &self.0.audit
    }

    /// Counts a request. `route` is the pattern, never the path.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = RouteLabels {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.0.requests.get_or_create(&labels).inc();
        self.0
            .seconds
            .get_or_create(&RouteKey {
                route: route.to_owned(),
            })
            .observe(took.as_secs_f64());
    }

    /// Of policies on their way in.
    pub fn policies(&self) -> &PolicyMetrics {
        &self.0.policies
    }

    /// Of models.
    pub fn gateway(&self) -> &GatewayMetrics {
        &self.0.gateway
    }

    /// Of models' words.
    pub fn words(&self) -> &WordsMetrics {
        &self.0.words
    }

    /// Of controls.
    pub fn governance(&self) -> &GovernanceMetrics {
        &self.0.governance
    }

    /// Somebody collects them, at a time in seconds since 1970.
    pub fn read(&self, now: i64) {
        self.0.read.set(now);
    }

    /// All of it as text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Sends logs to standard error. Only the first call of a process counts.
pub fn init_logs(format: LogFormat, level: tracing::Level) {
    let logs = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let result = match format {
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => logs.try_init(),
    };
    if let Err(error) = result {
        tracing::debug!(%error, "logs were set up before");
    }
}
