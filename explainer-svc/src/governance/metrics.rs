//! What is counted of governance.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::report::{Report, Status};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    framework: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Which {
    framework: String,
    control: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Of the last evaluation.
#[derive(Debug, Clone, Default)]
pub struct GovernanceMetrics {
    controls: Family<Standing, Gauge>,
    regressed: Family<Which, Gauge>,
    evaluations: Family<Outcome, Counter>,
    alerts: Family<Outcome, Counter>,
    evaluated: Gauge<f64, AtomicU64>,
}

impl GovernanceMetrics {
    /// Shows them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "governance_controls",
            "Controls by framework and status",
            self.controls.clone(),
        );
        registry.register(
            "governance_regressed",
            "1 for a control that was evidenced or attested, and is not any more",
            self.regressed.clone(),
        );
        registry.register(
            "governance_evaluations",
            "Scheduled evaluations of the controls by outcome",
            self.evaluations.clone(),
        );
        registry.register(
            "governance_alerts",
            "Posts to the alert webhook by outcome",
            self.alerts.clone(),
        );
        registry.register(
            "governance_evaluated_timestamp_seconds",
            "When the controls were last evaluated on schedule",
            self.evaluated.clone(),
        );
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    pub(super) fn evaluated(&self, report: &Report, at: i64) {
        for framework in &report.frameworks {
            for status in Status::ALL {
                let number = framework.statuses.get(status.name()).copied().unwrap_or(0);
                let labels = Standing {
                    framework: framework.id.clone(),
                    status: status.name(),
                };
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                self.controls.get_or_create(&labels).set(number);
            }
        }
        self.regressed.clear();
        for regression in &report.regressions {
            let labels = Which {
                framework: regression.framework.clone(),
                control: regression.id.clone(),
            };
            self.regressed.get_or_create(&labels).set(1);
        }
        self.evaluations.get_or_create(&Outcome { outcome: "done" }).inc();
        self.evaluated.set(at as f64);
    }

    /// What was found before says nothing of now. What had got worse stays: not to be able to look is no improvement.
    pub(super) fn failed(&self) {
        self.controls.clear();
        self.evaluations.get_or_create(&Outcome { outcome: "failed" }).inc();
    }

    pub(super) fn alerted(&self, sent: bool) {
        let outcome = if sent { "sent" } else { "failed" };
        self.alerts.get_or_create(&Outcome { outcome }).inc();
    }
}
