//! One decision becomes words: recorded, counted, worded by the engine, kept under a permanent link. A model's words, where one is
//! asked, come beside the engine's: in the denial when they are there in time, else behind its link.

mod nudged;

use std::sync::Arc;
use std::time::Duration;

use engine::admission::Review;
use engine::explain::by_model::ByModel;
use engine::explain::text::{Extras, render};
use engine::explain::wire::{Decision, ExplainRequest, ExplainResponse};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::audit::{Event, Kind, Log};
use crate::ledger::{Attempt, Rules, UNKNOWN_TEAM, payer};
use crate::store::{Recorded, Store, StoreError};
use crate::telemetry::{Metrics, Outcome};
use crate::words::{Denial, Desk, History, Origin, Pending, Progress};

/// Who words what this version says. The engine's words, by rules.
pub const SOURCE: &str = "engine";
/// Who words what a model said something about, too; its words are marked.
pub const MODEL: &str = "model";

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
    /// Where models write.
    words: Option<Desk>,
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
            words: None,
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

    /// Asks a model for words, too. Nobody waits for it longer than for an instant.
    #[must_use]
    pub fn with_words(mut self, words: Desk) -> Self {
        self.words = Some(words);
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

    /// Explains a decision made at `now` (milliseconds since 1970) within `deadline`. With the review a change that a model proposes
    /// can be tried.
    ///
    /// Recording goes on when the deadline passes: the ledger counts attempts, whether or not somebody waited for its words.
    pub async fn explain(
        &self,
        request: ExplainRequest,
        review: Option<Arc<Review>>,
        now: i64,
        deadline: Duration,
    ) -> Result<ExplainResponse, ExplainError> {
        let begun = Instant::now();
        let request = Arc::new(request);
        let mut pending = self.begin(&request, review, now);
        let progress = match (&self.words, &mut pending) {
            (Some(words), Some(pending)) => words.wait(pending, deadline).await,
            _ => Progress::default(),
        };
        let progress = Arc::new(progress);
        let left = deadline.saturating_sub(begun.elapsed());
        let outcome = self.recorded(request, Arc::clone(&progress), pending, now, left).await;
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
        let origin = progress.origin();
        Ok(ExplainResponse {
            id,
            url,
            message: words.message,
            warnings: words.warnings,
            source: source(origin).to_owned(),
            model: origin.map(|origin| origin.model.clone()),
            prompt: origin.map(|origin| origin.prompt.to_string()),
            fix: progress.fix.as_ref().map(|(fix, _)| fix.clone()),
            repeats,
        })
    }

    /// Asks for a model's words about a denial.
    fn begin(&self, request: &Arc<ExplainRequest>, review: Option<Arc<Review>>, now: i64) -> Option<Pending> {
        let words = self.words.as_ref().filter(|_| request.decision == Decision::Deny)?;
        let attempt = Attempt::new(request, &self.rules, now);
        let (team, since) = (attempt.team.clone(), attempt.since);
        let countable: Vec<String> = attempt.countable().map(|entry| entry.policy.to_owned()).collect();
        let denial = Denial {
            request: ExplainRequest::clone(request),
            review,
            team: payer(&request.review, &self.rules.team_labels),
        };
        let store = self.store.clone();
        let history = async move {
            if team == UNKNOWN_TEAM || countable.is_empty() {
                return History::default();
            }
            // This time is not recorded yet.
            let before = store.times(&team, &countable, since).await.unwrap_or(0);
            History {
                count: before.saturating_add(1),
            }
        };
        words.begin(denial, history)
    }

    async fn recorded(
        &self,
        request: Arc<ExplainRequest>,
        progress: Arc<Progress>,
        pending: Option<Pending>,
        now: i64,
        deadline: Duration,
    ) -> Result<Recorded, ExplainError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ExplainError::Busy)?;
        let id = new_id()?;
        let this = self.clone();
        let task = self.recording.spawn(async move {
            let recorded = this.record(&request, &progress, &id, now).await;
            drop(place);
            if let (Ok(recorded), Some(pending)) = (&recorded, pending) {
                this.keep(recorded.id.clone(), progress, pending);
            }
            recorded
        });
        match tokio::time::timeout(deadline, task).await {
            Ok(Ok(recorded)) => Ok(recorded?),
            Ok(Err(_)) => Err(ExplainError::Stopped),
            Err(_) => Err(ExplainError::Late),
        }
    }

    async fn record(
        &self,
        request: &ExplainRequest,
        progress: &Progress,
        id: &str,
        now: i64,
    ) -> Result<Recorded, StoreError> {
        let attempt = Attempt::new(request, &self.rules, now);
        // The record has what was decided; a model's change stands beside it.
        let with_fix = progress.fix.as_ref().map(|(fix, _)| ExplainRequest {
            fix: Some(fix.clone()),
            ..request.clone()
        });
        let by_model = progress.words.as_ref().map(|words| ByModel {
            model: words.origin.model.clone(),
            text: words.text.clone(),
            steps: words.steps.clone(),
        });
        let word = |id: &str, repeats: &[_]| {
            render(
                with_fix.as_ref().unwrap_or(request),
                &Extras {
                    repeats: repeats.to_vec(),
                    url: Some(self.url(id)),
                    by_model,
                },
            )
        };
        let source = source(progress.origin());
        let recorded = self
            .store
            .record(&attempt, id, self.rules.window_days, source, word)
            .await;
        match &recorded {
            Ok(recorded) => {
                self.metrics.recorded(&attempt, recorded);
                if let Some(audit) = &self.audit {
                    audit.record(explained(request, &attempt, recorded, progress.origin()));
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
                    source,
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

    /// Keeps what a model said so far, and what it says later, for the permanent link.
    fn keep(&self, id: String, shown: Arc<Progress>, pending: Pending) {
        let this = self.clone();
        self.recording.spawn(async move {
            if !shown.is_empty() {
                this.kept(&id, &shown).await;
            }
            let all = pending.all().await;
            if all.words == shown.words && all.fix == shown.fix {
                return;
            }
            this.kept(&id, &all).await;
            if let Some(words) = &this.words {
                words.came_later();
            }
            if let (Some(audit), Some(origin)) = (&this.audit, all.origin()) {
                let payload = serde_json::json!({
                    "source": MODEL, "when": "later", "model": origin.model, "provider": origin.provider,
                    "prompt": origin.prompt, "call": origin.audit, "fix": all.fix.is_some(),
                });
                audit.record(Event::new(Kind::VerdictExplained, id, payload));
            }
        });
    }

    async fn kept(&self, id: &str, progress: &Progress) {
        let at = jiff::Timestamp::now().as_millisecond();
        if let Err(error) = self.store.keep_words(id, at, progress).await {
            tracing::error!(%error, "a model's words cannot be kept");
        }
    }

    /// Waits for what is being recorded. Nothing may be asked afterwards.
    pub async fn drained(&self) {
        if let Some(words) = &self.words {
            words.drained().await;
        }
        self.recording.close();
        self.recording.wait().await;
    }
}

/// What the audit log has of an explanation: what was decided by which rules, no object and no person.
fn explained(request: &ExplainRequest, attempt: &Attempt<'_>, recorded: &Recorded, origin: Option<&Origin>) -> Event {
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
        "source": source(origin),
        "model": origin.map(|origin| &origin.model),
        "prompt": origin.map(|origin| &origin.prompt),
        "call": origin.map(|origin| origin.audit),
    });
    Event::new(Kind::VerdictExplained, recorded.id.as_str(), payload)
}

/// Whose words an answer has.
fn source(origin: Option<&Origin>) -> &'static str {
    origin.map_or(SOURCE, |_| MODEL)
}

/// 128 random bits as 26 letters and digits: short enough to read out, and not to be guessed.
fn new_id() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(data_encoding::BASE32_NOPAD.encode(&bits).to_ascii_lowercase())
}
