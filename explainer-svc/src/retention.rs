//! What is kept for a time is deleted after it. That this was looked after is in the audit log: once a day, and whenever something
//! was deleted.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::audit::{Event, Kind, Log};
use crate::explain::Explainer;
use crate::gateway::Gateway;
use crate::ledger::days;
use crate::telemetry::Metrics;

/// How often retention is looked after.
const EVERY: Duration = Duration::from_hours(1);

/// Looks after the retention of one server.
#[derive(Debug)]
pub(crate) struct Retention {
    pub(crate) explainer: Explainer,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) audit: Log,
    pub(crate) metrics: Metrics,
    pub(crate) ledger_days: u32,
    pub(crate) usage_days: u32,
    pub(crate) audit_days: u32,
}

/// How much was deleted; `None` where that failed.
struct Deleted {
    explanations: Option<u64>,
    usage: Option<u64>,
    payloads: Option<u64>,
}

impl Retention {
    /// For as long as it runs.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(EVERY);
        // Of which day, and whether all of it could be deleted: that it can again is news, too.
        let mut told = None;
        loop {
            ticks.tick().await;
            let now = Timestamp::now();
            let today = now.to_zoned(TimeZone::UTC).date();
            let deleted = self.once(now).await;
            let Deleted {
                explanations,
                usage,
                payloads,
            } = deleted;
            let is_news = [explanations, usage, payloads]
                .into_iter()
                .any(|number| number != Some(0));
            let succeeded = explanations.is_some() && usage.is_some() && payloads.is_some();
            if is_news || told != Some((today, succeeded)) {
                told = Some((today, succeeded));
                let payload = json!({
                    "explanations": explanations, "usage": usage, "payloads": payloads,
                    "days": {"explanations": self.ledger_days, "usage": self.usage_days, "payloads": self.audit_days},
                });
                self.audit
                    .record(Event::new(Kind::RetentionRun, today.to_string(), payload));
            }
        }
    }

    async fn once(&self, now: Timestamp) -> Deleted {
        let before = |number: u32| now.as_millisecond() - days(number);
        let explanations = self.explainer.store().purge(before(self.ledger_days)).await;
        let explanations = logged("explanations", explanations);
        self.metrics.purged(explanations.unwrap_or(0));
        let usage = match &self.gateway {
            Some(gateway) => {
                let first = Timestamp::from_millisecond(before(self.usage_days)).unwrap_or(Timestamp::UNIX_EPOCH);
                let first = first.to_zoned(TimeZone::UTC).date().to_string();
                logged("what was used of models", gateway.purge(&first).await)
            }
            None => Some(0),
        };
        let payloads = logged(
            "payloads of the audit log",
            self.audit.erase(before(self.audit_days)).await,
        );
        Deleted {
            explanations,
            usage,
            payloads,
        }
    }
}

fn logged<E: std::fmt::Display>(what: &str, deleted: Result<u64, E>) -> Option<u64> {
    match deleted {
        Ok(0) => Some(0),
        Ok(number) => {
            tracing::info!(number, what, "deleted what was kept long enough");
            Some(number)
        }
        Err(error) => {
            tracing::error!(%error, what, "cannot delete what was kept long enough");
            None
        }
    }
}
