//! What is asked of the gateway, and what it answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::guards::{Explained, Outgoing};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who set the model up.
    #[serde(alias = "developer")]
    System,
    /// Who asks.
    User,
    /// The model, earlier.
    Assistant,
    /// What a tool of the caller returned.
    #[serde(alias = "function")]
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What.
    pub content: String,
}

/// The form that an answer has to have.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Any JSON object.
    Object,
    /// What this JSON schema allows.
    Schema(Value),
}

/// How a model picks its words; what is not said is the provider's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// How much chance there is, from 0 to 2.
    pub temperature: Option<f64>,
    /// From how many of the likeliest tokens it picks, from 0 to 1.
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

/// What an answer may be kept under: calls for which all of these are the same have the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheKey {
    /// Of the policies.
    pub revision: String,
    /// The policy's id.
    pub rule: String,
    /// The violation without what differs from one object to the next.
    pub shape: String,
    /// Of the prompt's template.
    pub prompt: String,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Content {
    /// The conversation of an agent.
    Chat(Vec<Message>),
    /// For words about a decision: the guards know the facts, and what an answer may rest on.
    Explanation {
        /// The prompt with the facts.
        outgoing: Outgoing,
        /// What its answer is checked against.
        grounds: Box<Explained>,
    },
}

/// One question to a model.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who asks, as the configuration names it.
    pub agent: String,
    /// Who pays.
    pub team: String,
    /// What for.
    pub purpose: String,
    /// The policy that it is about.
    pub policy: Option<String>,
    /// The route; `None` for the default one.
    pub model: Option<String>,
    /// What is asked.
    pub content: Content,
    /// The form of the answer.
    pub form: Option<Form>,
    /// How it is picked.
    pub sampling: Sampling,
    /// Tokens of the answer at most.
    pub max_tokens: u32,
    /// When the answer is of no use any more.
    pub deadline: Instant,
    /// Whether, and under what, the answer is kept.
    pub cache: Option<CacheKey>,
}

/// What a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens that were sent, those from the provider's cache included.
    pub input: u64,
    /// Those of them that the provider had in its cache.
    pub cached: u64,
    /// Tokens of the answer.
    pub output: u64,
    /// The provider did not say; these are upper bounds.
    pub estimated: bool,
}

impl Usage {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// A sum of money: billionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub u64);

impl Money {
    /// In dollars, for people and metrics.
    #[expect(clippy::cast_precision_loss, reason = "shown, never calculated with")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// It was done.
    Stop,
    /// The limit of tokens was reached.
    Length,
}

/// An answer that may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// What the guards let through.
    pub clean: super::seams::Clean,
    /// The provider's name of the model.
    pub model: String,
    /// Which provider.
    pub provider: String,
    /// What the answer took; nothing for one that was kept.
    pub tokens: Usage,
    /// What the call cost, with everybody who was asked before; `None` when a model of them has no price.
    pub cost: Option<Money>,
    /// The leaf of the audit log.
    pub audit: u64,
    /// Places of the route that were asked, or passed over, before.
    pub fallbacks: Vec<Fallback>,
    /// Why it ends.
    pub stop: Stop,
    /// It was kept from an earlier call.
    pub cached: bool,
}

/// A place of a route that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// The provider.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// Its region.
    pub region: String,
    /// One of [`super::provider::Fault::name`], or why it was not asked.
    pub reason: &'static str,
    /// For the log.
    pub detail: String,
    /// How often it was asked.
    pub attempts: u32,
    /// What that came to; `None` when the model has no price.
    #[serde(rename = "nanodollars")]
    pub cost: Option<Money>,
}

/// Why there is no answer. None of these texts holds a prompt, an answer or a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Models are turned off.
    #[error("models are turned off")]
    Killed,
    /// There is no such route.
    #[error("there is no model {0:?} here")]
    UnknownModel(String),
    /// The policy on agents says no, or could not be asked.
    #[error("not allowed: {}", .0.join("; "))]
    Policy(Vec<String>),
    /// A budget is spent.
    #[error("the budget {budget:?} of {scope:?} is spent until {resets}")]
    Budget {
        /// Which.
        budget: String,
        /// Of whom.
        scope: String,
        /// When the next period begins, in RFC 3339.
        resets: String,
        /// How long until then.
        retry_after: Duration,
    },
    /// A budget in money covers the call, and the model has no price.
    #[error("the model has no price, and the budget {0:?} is one of money")]
    NoPrice(String),
    /// Too many calls of this agent in a minute.
    #[error("too many requests of this agent")]
    Rate {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too many calls at a time.
    #[error("too many requests at a time")]
    Busy,
    /// A guard stopped the question or the answer.
    #[error("the guard {guard} stopped it")]
    Guard {
        /// Which.
        guard: String,
        /// On the way in, not out.
        inbound: bool,
    },
    /// Nobody on the route gave an answer.
    #[error("no provider answered: {}", summary(.0))]
    Providers(Vec<Fallback>),
    /// It would be too late.
    #[error("no answer before the deadline")]
    Deadline,
    /// It cannot be recorded, so it does not happen.
    #[error("the {0} cannot be written now")]
    Unrecorded(&'static str),
}

fn summary(fallbacks: &[Fallback]) -> String {
    let each = fallbacks.iter().map(|fallback| {
        let Fallback {
            provider,
            model,
            reason,
            ..
        } = fallback;
        format!("{provider}/{model}: {reason}")
    });
    each.collect::<Vec<_>>().join(", ")
}

impl Refused {
    /// For counters and the audit log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::UnknownModel(_) => "unknown-model",
            Self::Policy(_) => "policy",
            Self::Budget { .. } => "budget",
            Self::NoPrice(_) => "no-price",
            Self::Rate { .. } => "rate",
            Self::Busy => "busy",
            Self::Guard { inbound: true, .. } => "guard-in",
            Self::Guard { inbound: false, .. } => "guard-out",
            Self::Providers(_) => "providers",
            Self::Deadline => "deadline",
            Self::Unrecorded(_) => "unrecorded",
        }
    }
}
