//! Evaluates on a schedule: what was found is in the audit log and in metrics, and somebody is told of what got worse.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::previous::Previous;
use super::report::{Regression, Report};
use super::verifying::is_over;
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
        let mut untold = Untold::default();
        loop {
            ticks.tick().await;
            match self.evaluated().await {
                Ok((report, news)) => {
                    untold.next(&report, &news);
                    if !untold.is_empty() && self.told(&report, &untold.regressions).await {
                        untold.told();
                    }
                }
                Err(error) => {
                    self.0.metrics.governance().failed();
                    let error = error.to_string();
                    tracing::error!(
                        event = "governance_failed",
                        error,
                        "the controls could not be evaluated"
                    );
                    if !untold.failure_told {
                        untold.failure_told = self.told_of_failure(&error).await;
                    }
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
            "attestations": report.attestations_digest,
            "log": {"leaves": report.log.leaves, "root": report.log.root, "verified": report.log.verified},
        });
        let subject: String = report.controls_digest.chars().take(12).collect();
        inner.state.lock().await.previous = Some(Previous::from_report(&report));
        let recorded = inner
            .log
            .append(Event::new(Kind::GovernanceEvaluated, subject, payload));
        match recorded.await {
            Ok(_) => {}
            Err(error) if is_over(&error) => return Err(error.into()),
            // A log that cannot be written is no reason to keep silent about it.
            Err(error) => {
                tracing::error!(event = "governance_unrecorded", %error, "an evaluation is not in the audit log");
            }
        }
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
        self.is_sent(&alert.send(report, regressions).await)
    }

    async fn told_of_failure(&self, why: &str) -> bool {
        let Some(alert) = &self.0.alert else { return true };
        self.is_sent(&alert.failed(&self.0.public_url, why).await)
    }

    fn is_sent(&self, sent: &Result<(), String>) -> bool {
        self.0.metrics.governance().alerted(sent.is_ok());
        if let Err(error) = sent {
            tracing::error!(
                event = "alert_failed",
                error,
                "nobody could be told of controls that got worse"
            );
        }
        sent.is_ok()
    }
}

/// What somebody is to be told: with the next evaluation, when nobody could be.
#[derive(Debug, Default)]
struct Untold {
    regressions: Vec<Regression>,
    /// The log does not verify: said also when the log does not say any more what was met before.
    log: bool,
    log_told: bool,
    failure_told: bool,
}

impl Untold {
    fn next(&mut self, report: &Report, news: &[Regression]) {
        self.failure_told = false;
        self.regressions
            .retain(|old| is_among(old, &report.regressions) && !is_among(old, news));
        self.regressions.extend_from_slice(news);
        self.log = !report.log.verified && !self.log_told;
        self.log_told &= !report.log.verified;
    }

    fn is_empty(&self) -> bool {
        self.regressions.is_empty() && !self.log
    }

    fn told(&mut self) {
        self.regressions.clear();
        self.log_told |= self.log;
        self.log = false;
    }
}

fn is_among(one: &Regression, others: &[Regression]) -> bool {
    others
        .iter()
        .any(|other| (&one.framework, &one.id) == (&other.framework, &other.id))
}
