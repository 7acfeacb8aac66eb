//! The answer of a webhook behind: let through, and only the words of a denial are others.
//!
//! ```text
//! PassOn -> Behind -> (status 200, plain, not too large) Reading -> denied: Rewording -> Reword
//!              \-> Forward      \-> Forward: allowed, odd                      \-> Forward when there is nothing to say
//! ```

use engine::admission::{Review, Version};
use engine::explain::text::{Extras, render};
use engine::explain::wire::{Decision, ExplainRequest};
use engine::upstream::answer::{self, Denial, MAX_ANSWER_BYTES, Read};
use engine::upstream::{self, Depth};

use crate::config::Config;
use crate::flow::{CallError, Count, Effect, State, Target, explainer_call, read_explanation, reviewed, why_not};

/// With less time left than this no change is searched: the denial itself matters more.
const MIN_SEARCH_MS: u64 = 1_500;

/// A request that went on to a webhook, and what is needed to explain its denial.
#[derive(Debug, PartialEq, Eq)]
pub struct Passed {
    /// What its path says.
    pub target: Target,
    /// The request's uid.
    pub uid: String,
    /// The `AdmissionReview`, as it came.
    pub body: Vec<u8>,
}

/// A denial that the explainer is asked about.
#[derive(Debug)]
pub struct Rewording {
    webhook: String,
    answer: Vec<u8>,
    denial: Denial,
    request: ExplainRequest,
}

/// What an answer's headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `:status`.
    pub status: String,
    /// `content-encoding`, or empty.
    pub encoding: String,
    /// `content-length`, or empty.
    pub length: String,
    /// There is no body.
    pub is_end: bool,
}

/// What became of an answer, for the counters.
type Outcome = &'static str;

/// The answer begins. What cannot be a denial that is read goes on at once.
pub(crate) fn begins(passed: Box<Passed>, head: &Head, config: &Config) -> (State, Vec<Effect>) {
    let outcome: Option<Outcome> = match () {
        // Also Envoy's own, when nobody answers: the API server takes all of them for a failed call.
        () if head.status != "200" => Some("failed"),
        () if head.is_end => Some("malformed"),
        () if !head.encoding.is_empty() && !head.encoding.eq_ignore_ascii_case("identity") => Some("malformed"),
        () if head
            .length
            .parse::<usize>()
            .is_ok_and(|length| length > MAX_ANSWER_BYTES) =>
        {
            Some("too_large")
        }
        () => None,
    };
    match outcome {
        Some(outcome) => forward(&passed.target, outcome, config),
        None => (State::Reading(passed), vec![Effect::Wait]),
    }
}

/// More of the answer is there.
pub(crate) fn grows(passed: Box<Passed>, size: usize, config: &Config) -> (State, Vec<Effect>) {
    if size > MAX_ANSWER_BYTES {
        return forward(&passed.target, "too_large", config);
    }
    (State::Reading(passed), vec![Effect::Wait])
}

/// The answer is whole, so long after the request came.
pub(crate) fn ends(passed: &Passed, body: Vec<u8>, elapsed_ms: u64, config: &Config) -> (State, Vec<Effect>) {
    let target = &passed.target;
    if body.len() > MAX_ANSWER_BYTES {
        return forward(target, "too_large", config);
    }
    let denial = match answer::read(&body, Version::salvage(&passed.body), &passed.uid) {
        Read::Allowed => return forward(target, "allowed", config),
        Read::Odd => return forward(target, "malformed", config),
        Read::Denied(denial) => denial,
    };
    let Ok(review) = Review::parse(&passed.body) else {
        // It was one before it went on.
        return forward(target, "denied", config);
    };
    let left_ms = target.deadline_ms.saturating_sub(elapsed_ms);
    let depth = if left_ms < MIN_SEARCH_MS {
        Depth::Words
    } else {
        Depth::Proof
    };
    let webhook = target.webhook.clone().unwrap_or_default();
    let request = upstream::explain(&config.policies, &review, &webhook, &denial.message, depth).request;
    let sent = reviewed(&request, &passed.body, config);
    let call = explainer_call(&request, sent, target.deadline_ms, left_ms, config);
    let rewording = Box::new(Rewording {
        webhook,
        answer: body,
        denial,
        request,
    });
    let mut effects = count(target, "denied", config);
    if let Some(call) = call {
        effects.extend([call, Effect::Wait]);
        return (State::Rewording(rewording), effects);
    }
    effects.push(reword(&rewording, None));
    (State::Done, effects)
}

/// The explainer answered, or it did not.
pub(crate) fn explained(rewording: &Rewording, answer: Result<Vec<u8>, CallError>) -> (State, Vec<Effect>) {
    let explanation = answer
        .map_err(why_not)
        .and_then(|body| read_explanation(&body, Decision::Deny).ok_or("nonsense"));
    let outcome = explanation.as_ref().err().copied().unwrap_or("answered");
    let message = explanation.ok().map(|explanation| explanation.message);
    let effects = vec![Effect::Count(Count::Explainer(outcome)), reword(rewording, message)];
    (State::Done, effects)
}

/// The request ended before there was an answer: its caller waited no longer, or the webhook broke it off.
pub(crate) fn gone(passed: &Passed, config: &Config) -> (State, Vec<Effect>) {
    (State::Done, count(&passed.target, "failed", config))
}

/// The denial with an explanation above the words of the webhook, which are always there.
fn reword(rewording: &Rewording, explanation: Option<String>) -> Effect {
    let Rewording {
        webhook,
        answer,
        denial,
        request,
    } = rewording;
    let explanation = explanation.unwrap_or_else(|| render(request, &Extras::default()).message);
    let message = upstream::with_original(&explanation, webhook, &denial.message);
    Effect::Reword {
        size: answer.len(),
        body: denial.reworded(answer, &message),
    }
}

/// The one place where an answer goes on as it is.
fn forward(target: &Target, outcome: Outcome, config: &Config) -> (State, Vec<Effect>) {
    let mut effects = count(target, outcome, config);
    effects.push(Effect::Forward);
    (State::Done, effects)
}

/// Only names that were configured are counted: whoever makes up paths makes no statistics.
fn count(target: &Target, outcome: Outcome, config: &Config) -> Vec<Effect> {
    let known = target.webhook.iter().filter(|name| config.wrapped.contains_key(*name));
    known
        .map(|name| Effect::Count(Count::Upstream(name.clone(), outcome)))
        .collect()
}
