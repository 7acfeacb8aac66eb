//! Evaluates on a schedule: what was found is in the audit log and in metrics, and somebody is told of what got worse.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::report::{Regression, Report};
use super::{Error, Governance};
use crate::audit::{Event, Kind};

impl Governance {
    /// Evaluates again and again, for as long as it runs; without an interval it does nothing.
    pub async fn run(self) {
        let Some(interval) = self.0.settings.interval else {
            return;
        };
        let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(100)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Told with the next evaluation when nobody could be told.
        let mut untold: Vec<Regression> = Vec::new();
        loop {
            ticks.tick().await;
            match self.evaluated().await {
                Ok((report, news)) => {
                    untold.retain(|old| is_among(old, &report.regressions) && !is_among(old, &news));
                    untold.extend(news);
                    if !untold.is_empty() && self.told(&report, &untold).await {
                        untold.clear();
                    }
                }
                Err(error) => {
                    self.0.metrics.governance().failed();
                    tracing::error!(event = "governance_failed", %error, "the controls could not be evaluated");
                }
            }
        }
    }

    /// One evaluation, recorded; and what got worse with it.
    async fn evaluated(&self) -> Result<(Report, Vec<Regression>), Error> {
        let inner = &*self.0;
        if let Some(gateway) = &inner.gateway {
            gateway.look_again().await;
        }
        let report = self.report().await?;
        let statuses: BTreeMap<String, _> = report
            .controls
            .iter()
            .map(|control| (control.name(), control.status))
            .collect();
        let regressed: BTreeMap<String, &str> = report
            .regressions
            .iter()
            .map(|one| (format!("{}/{}", one.framework, one.id), one.since.as_str()))
            .collect();
        let summary: BTreeMap<&str, _> = report
            .frameworks
            .iter()
            .map(|framework| (framework.id.as_str(), &framework.statuses))
            .collect();
        let payload = json!({
            "summary": summary, "statuses": statuses, "regressed": regressed, "controls": report.controls_digest,
            "log": {"leaves": report.log.leaves, "root": report.log.root, "verified": report.log.verified},
        });
        let subject: String = report.controls_digest.chars().take(12).collect();
        inner
            .log
            .append(Event::new(Kind::GovernanceEvaluated, subject, payload))
            .await?;
        inner
            .metrics
            .governance()
            .evaluated(&report, Timestamp::now().as_second());
        let new = report.regressions.iter().filter(|one| one.since == report.at);
        let new: Vec<Regression> = new.cloned().collect();
        for regression in &new {
            tracing::warn!(
                event = "governance_regression",
                framework = regression.framework,
                control = regression.id,
                reason = regression.reason,
                "a control is not evidenced any more"
            );
        }
        tracing::info!(
            event = "governance_evaluated",
            regressions = report.regressions.len(),
            "the controls were evaluated"
        );
        Ok((report, new))
    }

    /// Whether somebody could be told, or there is nobody to tell.
    async fn told(&self, report: &Report, regressions: &[Regression]) -> bool {
        let Some(alert) = &self.0.alert else { return true };
        let sent = alert.send(report, regressions).await;
        self.0.metrics.governance().alerted(sent.is_ok());
        if let Err(error) = &sent {
            tracing::error!(
                event = "alert_failed",
                error,
                "nobody could be told of controls that got worse"
            );
        }
        sent.is_ok()
    }
}

fn is_among(one: &Regression, others: &[Regression]) -> bool {
    others
        .iter()
        .any(|other| (&one.framework, &one.id) == (&other.framework, &other.id))
}
