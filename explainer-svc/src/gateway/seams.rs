//! What the gateway needs of its neighbours: guards, and a trail of what happened.

use std::future::Future;
use std::pin::Pin;

use json_patch::Patch;
use serde_json::Value;

use super::call::{Call, Form, Message, Sampling};

/// Guards of both ways. No call passes without them: there is no gateway that was not given some.
pub trait Guards: Send + Sync + 'static {
    /// What each of them has to stop, and what they have to let through: tried on the way of calls before any call is.
    fn samples(&self) -> Vec<Sample>;

    /// The question as it may be sent.
    ///
    /// # Errors
    /// It must not be sent.
    fn inbound(&self, call: &Call) -> Result<Guarded, Fired>;
}

/// One try of a guard.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Which.
    pub guard: &'static str,
    /// What is asked. By whom, where and until when is the gateway's business.
    pub call: Call,
    /// What the model answers.
    pub answer: String,
    /// How many tools it wants to call.
    pub tool_calls: usize,
    /// What has to come of it.
    pub expected: Expected,
}

/// What has to come of a try.
#[derive(Debug, Clone)]
pub enum Expected {
    /// The guard refuses the question, and nothing is sent.
    Unsent,
    /// What is sent has these texts, and none of those.
    Sent {
        /// These.
        with: Vec<&'static str>,
        /// Those.
        without: Vec<&'static str>,
    },
    /// The guard refuses the answer.
    Unsaid,
    /// An answer is given, of which this is so.
    Given(fn(&Clean) -> bool),
}

/// Checks the answer to a question. It knows how that question was marked, so none can be checked without it.
pub type Outbound = Box<dyn Fn(&Answer<'_>) -> Result<Clean, Fired> + Send + Sync>;

/// A question that may be sent.
pub struct Guarded {
    /// The conversation.
    pub messages: Vec<Message>,
    /// The form of the answer.
    pub form: Option<Form>,
    /// How it is picked.
    pub sampling: Sampling,
    /// What guards did: counts, no texts.
    pub report: Value,
    /// How often each guard changed something.
    pub counts: Vec<(&'static str, u64)>,
    /// For its answer.
    pub outbound: Outbound,
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// What a model said, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Its text.
    pub text: &'a str,
    /// How many tools it wanted to call.
    pub tool_calls: usize,
}

/// An answer that may be shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clean {
    /// The words.
    pub text: String,
    /// The policies that it names.
    pub policies: Vec<String>,
    /// The fields that it names.
    pub fields: Vec<String>,
    /// A change, which is nothing until it was verified.
    pub change: Option<Patch>,
    /// Why a guard dropped a change.
    pub dropped: Option<String>,
    /// What guards did: counts, no texts.
    pub report: Value,
    /// How often each guard changed something.
    pub counts: Vec<(&'static str, u64)>,
}

/// A guard stopped a question or an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// Which.
    pub guard: &'static str,
    /// For the log; no secret.
    pub detail: String,
    /// What guards did until then.
    pub report: Value,
}

/// What happened, for the audit log. Names are those of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happened {
    /// A model was asked.
    ModelCalled,
    /// A model was not asked, or its answer was not used.
    ModelRefused,
    /// A guard stopped or changed something.
    GuardFired,
    /// The agents' keys are others.
    KeyChanged,
    /// A budget has another limit.
    BudgetChanged,
    /// A budget is spent, or its soft limit is reached.
    BudgetExhausted,
    /// Models were turned off or on.
    KillSwitch,
    /// The gateway was configured.
    ConfigurationLoaded,
    /// The guards were tried.
    Canary,
    /// A model was evaluated with a prompt.
    EvaluationRun,
}

impl Happened {
    /// As the audit log calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ModelCalled => "model-called",
            Self::ModelRefused => "model-refused",
            Self::GuardFired => "guard-fired",
            Self::KeyChanged => "key-changed",
            Self::BudgetChanged => "budget-changed",
            Self::BudgetExhausted => "budget-exhausted",
            Self::KillSwitch => "kill-switch",
            Self::ConfigurationLoaded => "configuration-loaded",
            Self::Canary => "canary",
            Self::EvaluationRun => "evaluation-run",
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: Happened,
    /// To what: a name of the configuration.
    pub subject: String,
    /// The details: no prompt, no answer, no key.
    pub payload: Value,
}

/// What [`Trail::append`] returns.
pub type Appending<'a> = Pin<Box<dyn Future<Output = Result<u64, String>> + Send + 'a>>;

/// Where events are recorded.
pub trait Trail: Send + Sync + 'static {
    /// Records an event; the number of its leaf, once it is durable.
    fn append(&self, event: Event) -> Appending<'_>;

    /// Records an event that nobody waits for.
    fn record(&self, event: Event);

    /// Whether it can be written now: what cannot be recorded does not happen.
    fn is_ready(&self) -> bool {
        true
    }
}
