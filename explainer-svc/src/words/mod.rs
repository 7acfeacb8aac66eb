//! Words from a model about a denial, and a change where the engine found none.
//!
//! ```text
//! denial -> shape (nothing of the object) -> prompt -> gateway (guards, budget, kept answers) -> Words
//!        -> facts (near the violations)   -> prompt -> gateway -> change -> Verifier (the engine's trial) -> fix, or why none
//! ```
//!
//! Both are beside what the engine says and never in its place. Words are asked for without the object, so that a kept answer is
//! everybody's. Of an answer with a change only the change is used, and only after the engine tried it.

#[cfg(test)]
mod answers;
mod args;
mod change;
mod desk;
pub mod metrics;
pub mod prompts;
mod shape;
mod verify;

use std::sync::Arc;

use engine::admission::Review;
use engine::explain::wire::{ExplainRequest, FixSummary};
use serde_json::Value;
use tokio::time::Instant;

pub use self::args::{Mode, Settings, WordsArgs};
pub use self::desk::{Desk, Pending, Progress};
pub use self::prompts::{PromptId, Prompts};
pub use self::verify::{Unverified, Verifier};

use self::metrics::WordsMetrics;
use self::prompts::{Prompt, PromptError, Variables};
use self::shape::Shape;
use crate::audit::Log;
use crate::gateway::call::{CacheKey, Form, Money, Sampling, Usage};
use crate::gateway::guards::{Explained, Guard, Limits, Message, Outgoing, Part, Role, answer_schema};
use crate::gateway::{Call, Completion, Content, Gateway, Refused};

/// The agent of the gateway's file that asks for words.
pub const AGENT: &str = "explainer";

/// What is sent about a denial, and what the answer rests on.
fn grounded(request: &ExplainRequest, object: Option<&Value>, history: History) -> (Shape, Explained) {
    let shape = Shape::of(request, history);
    // Told nothing of the object, a model has nothing of it to repeat; but then it may not do so either.
    let grounds = Explained::new(&shape.request, &shape.projected, None).wary_of(request, object);
    (shape, grounds)
}

/// One denial that words are asked for.
#[derive(Debug, Clone)]
pub struct Denial {
    /// What was decided.
    pub request: ExplainRequest,
    /// The review, where the caller has it: without it no change can be tried.
    pub review: Option<Arc<Review>>,
    /// Who pays.
    pub team: String,
}

/// How often the team met these rules, this time included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// The highest count of a rule; 0 when nothing is known.
    pub count: u64,
}

impl History {
    /// As a prompt is told.
    pub fn times(self) -> &'static str {
        match self.count {
            0 | 1 => "first",
            2 => "again",
            _ => "often",
        }
    }
}

/// Who said something, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The provider's name of the model.
    pub model: String,
    /// Which provider.
    pub provider: String,
    /// With which prompt.
    pub prompt: PromptId,
    /// The leaf of the audit log.
    pub audit: u64,
    /// It was kept from an earlier call.
    pub cached: bool,
    /// What it took.
    pub tokens: Usage,
    /// What it cost; `None` when the model has no price.
    pub cost: Option<Money>,
}

/// Words that may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// What is wrong, and why that matters.
    pub text: String,
    /// What to do.
    pub steps: Vec<String>,
    /// Whose they are.
    pub origin: Origin,
    /// More was said that has no grounds, and was left out.
    pub is_cut: bool,
}

/// What came of asking for a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// The model proposed one.
    pub proposed: bool,
    /// It was tried and holds.
    pub fix: Option<FixSummary>,
    /// It is not shown, and why.
    pub rejected: Option<Rejected>,
    /// Who proposed it.
    pub origin: Origin,
}

/// Why a proposed change is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// For counters.
    pub reason: &'static str,
    /// For the log.
    pub detail: String,
}

/// All that a model said about a denial.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its words.
    pub words: Words,
    /// What came of asking for a change; `None` when none was asked for.
    pub change: Option<Result<Proposed, Unwritten>>,
}

/// Why there are no words. The engine's are there all the same.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unwritten {
    /// The gateway says no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The prompt cannot be made.
    #[error("the prompt: {0}")]
    Prompt(String),
    /// There is nothing to ask.
    #[error("nothing to ask: {0}")]
    NotAsked(&'static str),
}

impl Unwritten {
    /// For counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.reason(),
            Self::Prompt(_) => "prompt",
            Self::NotAsked(_) => "not-asked",
        }
    }
}

impl From<PromptError> for Unwritten {
    fn from(error: PromptError) -> Self {
        Self::Prompt(error.to_string())
    }
}

struct Inner {
    gateway: Gateway,
    prompts: Prompts,
    log: Log,
    verifier: Verifier,
    metrics: WordsMetrics,
}

/// Asks models for words: a handle that is cheap to clone.
#[derive(Clone)]
pub struct Writer(Arc<Inner>);

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    /// Asks through this gateway, with these prompts.
    pub fn new(gateway: Gateway, prompts: Prompts, log: Log, verifier: Verifier, metrics: WordsMetrics) -> Self {
        Self(Arc::new(Inner {
            gateway,
            prompts,
            log,
            verifier,
            metrics,
        }))
    }

    /// The prompts that it asks with.
    pub fn prompts(&self) -> &Prompts {
        &self.0.prompts
    }

    /// Words about a denial, and a change where the engine found none and one can be tried.
    ///
    /// # Errors
    /// Why there are none; not later than the deadline.
    pub async fn write(&self, denial: &Denial, history: History, deadline: Instant) -> Result<Written, Unwritten> {
        let words = self.words(denial, history, deadline).await?;
        let change = if self.wants_change(denial) {
            Some(self.change(denial, deadline).await)
        } else {
            None
        };
        Ok(Written { words, change })
    }

    /// Words about a denial.
    ///
    /// # Errors
    /// Why there are none; not later than the deadline.
    pub async fn words(&self, denial: &Denial, history: History, deadline: Instant) -> Result<Words, Unwritten> {
        self.words_or(denial, history, deadline, &|| {}).await
    }

    /// The same; `asking` is called when nothing is kept and a model is asked, which takes its time.
    async fn words_or(
        &self,
        denial: &Denial,
        history: History,
        deadline: Instant,
        asking: Asking<'_>,
    ) -> Result<Words, Unwritten> {
        let result = self.asked_for_words(denial, history, deadline, asking).await;
        match &result {
            Ok(words) => self.0.metrics.said(words.origin.cached),
            Err(unwritten) => self.0.metrics.unwritten("words", unwritten.reason()),
        }
        result
    }

    async fn asked_for_words(
        &self,
        denial: &Denial,
        history: History,
        deadline: Instant,
        asking: Asking<'_>,
    ) -> Result<Words, Unwritten> {
        if denial.request.violations.is_empty() {
            return Err(Unwritten::NotAsked("no policy objected"));
        }
        let object = denial.review.as_ref().map(|review| review.object().to_json());
        let (shape, grounds) = grounded(&denial.request, object.as_ref(), history);
        let prompt = &self.0.prompts.explain;
        let asked = Asked {
            prompt,
            variables: Variables {
                has_fix: denial.request.fix.is_some(),
                times: history.times(),
            },
            projected: shape.projected,
            grounds,
            shape: shape.digest,
            form: answer_schema(),
        };
        let (completion, origin) = self.ask(denial, asked, deadline, asking).await?;
        let grounds = Guard::Groundedness.name();
        let is_cut = completion
            .clean
            .counts
            .iter()
            .any(|(guard, count)| *guard == grounds && *count > 0);
        // The guards put the explanation first, and a step on each line after it.
        let mut lines = completion
            .clean
            .text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        Ok(Words {
            text: lines.next().unwrap_or_default().to_owned(),
            steps: lines.map(str::to_owned).collect(),
            origin,
            is_cut,
        })
    }

    async fn ask(
        &self,
        denial: &Denial,
        asked: Asked<'_>,
        deadline: Instant,
        asking: Asking<'_>,
    ) -> Result<(Completion, Origin), Unwritten> {
        let Asked {
            prompt,
            variables,
            projected,
            grounds,
            shape,
            form,
        } = asked;
        let rendered = prompt.render(variables)?;
        let message = |role, parts| Message { role, parts };
        let outgoing = Outgoing {
            messages: vec![
                message(Role::System, vec![Part::Template(rendered.system)]),
                message(Role::User, vec![Part::Template(rendered.user), Part::Facts(projected)]),
            ],
            limits: Limits::default(),
        };
        let request = &denial.request;
        let mut policies: Vec<&str> = request
            .violations
            .iter()
            .map(|violation| violation.policy.as_str())
            .collect();
        policies.dedup();
        let call = Call {
            agent: AGENT.to_owned(),
            team: denial.team.clone(),
            purpose: prompt.purpose.clone(),
            policy: policies.first().map(|policy| (*policy).to_owned()),
            model: None,
            content: Content::Explanation {
                outgoing,
                grounds: Box::new(grounds),
            },
            form: Some(Form::Schema(form)),
            sampling: Sampling::default(),
            max_tokens: prompt.max_tokens,
            deadline,
            cache: Some(CacheKey {
                revision: request.revision.clone(),
                rule: policies.join(","),
                shape,
                prompt: format!("{} {}", prompt.id, prompt.id.hash),
            }),
        };
        if !self.0.gateway.is_kept(&call).await {
            asking();
        }
        let completion = self.0.gateway.complete(call).await?;
        let origin = Origin {
            model: completion.model.clone(),
            provider: completion.provider.clone(),
            prompt: prompt.id.clone(),
            audit: completion.audit,
            cached: completion.cached,
            tokens: completion.tokens,
            cost: completion.cost,
        };
        Ok((completion, origin))
    }
}

/// Told when nothing is kept.
type Asking<'a> = &'a (dyn Fn() + Send + Sync);

/// What is asked, and with what.
struct Asked<'p> {
    prompt: &'p Prompt,
    variables: Variables,
    projected: crate::gateway::guards::Projected,
    grounds: Explained,
    shape: String,
    form: Value,
}
