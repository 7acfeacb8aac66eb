//! One decision becomes words: recorded, counted, worded by the engine, kept under a permanent link.

mod nudged;

use std::sync::Arc;
use std::time::Duration;

use engine::explain::text::{Extras, render};
use engine::explain::wire::{ExplainRequest, ExplainResponse};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::audit::{Event, Kind, Log};
use crate::ledger::{Attempt, Rules};
use crate::store::{Recorded, Store, StoreError};
use crate::telemetry::{Metrics, Outcome};

/// Who words what this version says. The engine's words, by rules.
pub const SOURCE: &str = "engine";

/// Why there are no words from here. The caller has the same words without the link and the repeats: it uses them.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The caller's deadline passed. The attempt may still be recorded.
    #[error("the ledger did not answer within the caller's deadline")]
    Late,
    /// Too many attempts wait for the ledger.
    #[error("too many attempts are waiting to be recorded")]
    Busy,
    /// The ledger is broken.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recording task ended early.
    #[error("recording was cut short")]
    Stopped,
    /// The system has no randomness to name an explanation.
    #[error("no random id: {0}")]
    Id(#[from] getrandom::Error),
}

/// Explains, and remembers.
#[derive(Debug, Clone)]
pub struct Explainer {
    store: Store,
    rules: Arc<Rules>,
    public_url: Arc<str>,
    metrics: Metrics,
    /// Where it is recorded what people were told.
    audit: Option<Log>,
    /// What is being recorded, also after its caller left.
    recording: TaskTracker,
    /// How many attempts may wait to be recorded.
    places: Arc<Semaphore>,
}

impl Explainer {
    /// An explainer over a store. `public_url` has no slash at its end.
    pub fn new(store: Store, rules: Rules, public_url: &str, metrics: Metrics, places: usize) -> Self {
        Self {
            store,
            rules: Arc::new(rules),
            public_url: public_url.into(),
            metrics,
            audit: None,
            recording: TaskTracker::new(),
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Records in the audit log what people were told. Nobody waits for it: a denial is explained without it, too.
    #[must_use]
    pub fn with_audit(mut self, audit: Log) -> Self {
        self.audit = Some(audit);
        self
    }

    /// The permanent link of an explanation.
    pub fn url(&self, id: &str) -> String {
        format!("{}/e/{id}", self.public_url)
    }

    /// The store that it remembers in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Explains a decision made at `now` (milliseconds since 1970) within `deadline`.
    ///
    /// Recording goes on when the deadline passes: the ledger counts attempts, whether or not somebody waited for its words.
    pub async fn explain(
        &self,
        request: ExplainRequest,
        now: i64,
        deadline: Duration,
    ) -> Result<ExplainResponse, ExplainError> {
        let outcome = self.recorded(request, now, deadline).await;
        self.metrics.explained(match &outcome {
            Ok(_) => Outcome::Ok,
            Err(ExplainError::Late) => Outcome::Late,
            Err(ExplainError::Busy) => Outcome::Busy,
            Err(ExplainError::Store(_) | ExplainError::Stopped | ExplainError::Id(_)) => Outcome::Failed,
        });
        let Recorded {
            id,
            attempts: _,
            repeats,
            words,
        } = outcome?;
        let url = self.url(&id);
        Ok(ExplainResponse {
            id,
            url,
            message: words.message,
            warnings: words.warnings,
            source: SOURCE.to_owned(),
            repeats,
        })
    }

    async fn recorded(&self, request: ExplainRequest, now: i64, deadline: Duration) -> Result<Recorded, ExplainError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ExplainError::Busy)?;
        let id = new_id()?;
        let this = self.clone();
        let task = self.recording.spawn(async move {
            let recorded = this.record(&request, &id, now).await;
            drop(place);
            recorded
        });
        match tokio::time::timeout(deadline, task).await {
            Ok(Ok(recorded)) => Ok(recorded?),
            Ok(Err(_)) => Err(ExplainError::Stopped),
            Err(_) => Err(ExplainError::Late),
        }
    }

    async fn record(&self, request: &ExplainRequest, id: &str, now: i64) -> Result<Recorded, StoreError> {
        let attempt = Attempt::new(request, &self.rules, now);
        let word = |id: &str, repeats: &[_]| {
            render(
                request,
                &Extras {
                    repeats: repeats.to_vec(),
                    url: Some(self.url(id)),
                },
            )
        };
        let recorded = self
            .store
            .record(&attempt, id, self.rules.window_days, SOURCE, word)
            .await;
        match &recorded {
            Ok(recorded) => {
                self.metrics.recorded(&attempt, recorded);
                if let Some(audit) = &self.audit {
                    audit.record(explained(request, &attempt, recorded));
                    if let Some(event) = nudged::event(&attempt, recorded) {
                        audit.record(event);
                    }
                }
                tracing::info!(
                    explanation = recorded.id,
                    uid = request.review.uid,
                    decision = ?request.decision,
                    revision = request.revision,
                    policies = attempt.entries.len(),
                    failures = request.failures.len(),
                    attempts = recorded.attempts,
                    fix = request.fix.is_some(),
                    upstream = request.upstream.as_ref().map(|upstream| upstream.webhook.as_str()),
                    "explained"
                );
            }
            Err(error) => {
                self.metrics.store_failed();
                tracing::error!(uid = request.review.uid, %error, "not recorded");
            }
        }
        recorded
    }

    /// Waits for what is being recorded. Nothing may be asked afterwards.
    pub async fn drained(&self) {
        self.recording.close();
        self.recording.wait().await;
    }
}

/// What the audit log has of an explanation: what was decided by which rules, no object and no person.
fn explained(request: &ExplainRequest, attempt: &Attempt<'_>, recorded: &Recorded) -> Event {
    let policies: Vec<_> = attempt.entries.iter().map(|entry| entry.policy).collect();
    let review = &request.review;
    let payload = serde_json::json!({
        "decision": request.decision,
        "revision": request.revision,
        "policies": policies,
        "failures": request.failures.len(),
        "operation": review.operation,
        "kind": review.kind.kind,
        "namespace": review.namespace,
        "team": attempt.team,
        "attempts": recorded.attempts,
        "fix": request.fix.is_some(),
        "source": SOURCE,
    });
    Event::new(Kind::VerdictExplained, recorded.id.as_str(), payload)
}

/// 128 random bits as 26 letters and digits: short enough to read out, and not to be guessed.
fn new_id() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(data_encoding::BASE32_NOPAD.encode(&bits).to_ascii_lowercase())
}
