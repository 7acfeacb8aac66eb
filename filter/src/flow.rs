//! One request as a state machine: `step(State, Event) -> (State, Vec<Effect>)`, without a host.
//!
//! Each request ends in exactly one of [`Effect::Respond`] and [`Effect::PassOn`]; both are made by [`finish`] alone. What the
//! webhook behind answers is the business of [`upstream`](crate::upstream).

mod asking;
mod deadline;
mod response;

use engine::admission::{Review, Version};
use engine::answer::{self, Decided};
use engine::context::Namespace;
use engine::eval::PolicySet;
use engine::explain::text::Words;
use engine::explain::wire::{Decision, ExplainResponse};
use engine::redact;
use engine::verdict::Action;

pub(crate) use self::asking::{explainer_call, reviewed};
pub use self::response::{Response, nothing_to_judge_with, text};
use self::response::{admission, plain};
use crate::config::Config;
use crate::upstream::{self, Head, Passed, Rewording};

/// The largest answer of the explainer that is read.
pub const MAX_EXPLANATION_BYTES: usize = 256 * 1024;

/// The longest name of a model in an annotation, in characters.
const MAX_ANNOTATION: usize = 200;

/// Where a request stands.
#[derive(Debug, Default)]
pub enum State {
    /// Nothing has come yet.
    #[default]
    New,
    /// The body is on its way.
    Receiving(Target),
    /// The review is whole, and its namespace is asked for. With the body, when it may go on.
    Placing(Target, Box<Review>, Vec<u8>),
    /// The verdict is made, and the explainer is asked for words. With the body, when it may go on.
    Asking(Target, Box<Decided>, Vec<u8>),
    /// It went on to the webhook behind.
    Behind(Box<Passed>),
    /// Its answer is on its way, and kept back.
    Reading(Box<Passed>),
    /// It denied, and the explainer is asked for words.
    Rewording(Box<Rewording>),
    /// Answered, or gone.
    Done,
}

/// What the request's path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What is allowed goes on to the webhook of this name.
    pub webhook: Option<String>,
    /// How long the API server waits, in milliseconds.
    pub deadline_ms: u64,
}

/// What the host reports.
#[derive(Debug)]
pub enum Event {
    /// The request line and headers.
    Headers {
        /// `:method`.
        method: String,
        /// `:path`, with the query.
        path: String,
        /// `content-type`.
        content_type: String,
        /// There is no body.
        is_end: bool,
    },
    /// More of the body is buffered, and it is not the end.
    Body {
        /// The bytes so far.
        size: usize,
        /// The first of them; empty unless the limit is reached.
        head: Vec<u8>,
    },
    /// The whole body, or as much of it as the limit lets.
    Complete(Vec<u8>),
    /// The answer of the webhook behind begins.
    Answer(Head),
    /// More of it is buffered, and it is not the end.
    AnswerBody(usize),
    /// All of it, or as much as is read, and how long after the request came.
    AnswerComplete {
        /// The body.
        body: Vec<u8>,
        /// In milliseconds.
        elapsed_ms: u64,
    },
    /// The namespace that was asked for: what is known of it, that there is none, or that nobody knows.
    Placed(Result<Option<Namespace>, CallError>),
    /// The explainer answered, or it did not.
    Explained(Result<Vec<u8>, CallError>),
    /// The caller has gone.
    Gone,
}

/// Why there is no explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// Envoy did not take the call: no such cluster, too many calls.
    Refused,
    /// A time-out, a reset, nobody there.
    NoAnswer,
    /// A status other than 200.
    Status,
    /// More than [`MAX_EXPLANATION_BYTES`].
    TooLarge,
    /// What it knows of the cluster is older than may be used.
    Stale,
}

/// What the host is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep the request, or the answer of the webhook behind, back.
    Wait,
    /// Let it go on to the webhook behind.
    PassOn,
    /// Let the answer of the webhook behind go on as it is.
    Forward,
    /// Let it go on with another body.
    Reword {
        /// The bytes of the body that came.
        size: usize,
        /// The new one.
        body: Vec<u8>,
    },
    /// Answer.
    Respond(Response),
    /// Ask the explainer; exactly one [`Event::Explained`] follows.
    Call {
        /// The body.
        body: Vec<u8>,
        /// How long to wait, in milliseconds.
        timeout_ms: u64,
        /// And in any case no longer than this, counted from when the request came: evaluation took some of it.
        give_up_ms: u64,
    },
    /// Ask for a namespace; exactly one [`Event::Placed`] follows.
    Place {
        /// Its name.
        namespace: String,
        /// How long to wait, in milliseconds.
        timeout_ms: u64,
    },
    /// Count.
    Count(Count),
    /// For the log; without anything of the object.
    Log(String),
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// A review was decided.
    Decided(Decision),
    /// A policy had something to say: its id, and `denied`, `warned`, `audited` or `failed`.
    Policy(String, &'static str),
    /// A request that was no review.
    Malformed,
    /// How the call to the explainer went.
    Explainer(&'static str),
    /// What a webhook behind answered: its name, and `allowed`, `denied`, `failed`, `malformed` or `too_large`.
    Upstream(String, &'static str),
}

/// The next state, and what is to be done.
pub fn step(state: State, event: Event, config: &Config) -> (State, Vec<Effect>) {
    match (state, event) {
        (State::Behind(passed) | State::Reading(passed), Event::Gone) => upstream::gone(&passed, config),
        (State::Done, _) | (_, Event::Gone) => (State::Done, Vec::new()),
        (
            State::New,
            Event::Headers {
                method,
                path,
                content_type,
                is_end,
            },
        ) => headers(config, &method, &path, &content_type, is_end),
        (State::Receiving(target), Event::Body { size, head }) => {
            if size > config.max_body_bytes {
                return too_large(&head, config);
            }
            (State::Receiving(target), vec![Effect::Wait])
        }
        (State::Receiving(target), Event::Complete(body)) => complete(target, body, config),
        (State::Placing(target, review, body), Event::Placed(answer)) => placed(target, &review, body, answer, config),
        (State::Asking(target, decided, body), Event::Explained(answer)) => explained(target, &decided, body, answer),
        (State::Behind(passed), Event::Answer(head)) => upstream::begins(passed, &head, config),
        (State::Reading(passed), Event::AnswerBody(size)) => upstream::grows(passed, size, config),
        (State::Reading(passed), Event::AnswerComplete { body, elapsed_ms }) => {
            upstream::ends(&passed, body, elapsed_ms, config)
        }
        (State::Rewording(rewording), Event::Explained(answer)) => upstream::explained(&rewording, answer),
        // An answer that nobody waits for, or a body after the decision: nothing to do but to wait for what comes.
        (
            state @ (State::Placing(..)
            | State::Asking(..)
            | State::Behind(_)
            | State::Reading(_)
            | State::Rewording(_)),
            _,
        ) => (state, vec![Effect::Wait]),
        // Envoy reports in order, so this cannot be; should it be, nothing is let through.
        (State::New | State::Receiving(_), _) => finish(
            plain(500, "whynot: callbacks came in an order that makes no sense"),
            Vec::new(),
        ),
    }
}

/// The one place where a request ends.
fn finish(end: Effect, mut effects: Vec<Effect>) -> (State, Vec<Effect>) {
    effects.push(end);
    (State::Done, effects)
}

fn headers(config: &Config, method: &str, path: &str, content_type: &str, is_end: bool) -> (State, Vec<Effect>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let webhook = path.strip_prefix(&config.wrap_prefix).and_then(webhook_of);
    let refusal = match () {
        () if path != config.validate_path && webhook.is_none() => Some((
            404,
            format!("whynot: nothing here; admission reviews go to {}", config.validate_path),
        )),
        () if method != "POST" => Some((405, "whynot: an AdmissionReview is sent by POST".to_owned())),
        () if !is_json(content_type) => {
            Some((415, "whynot: an AdmissionReview is sent as application/json".to_owned()))
        }
        () if is_end => Some((
            400,
            "whynot: the request has no body; expected an AdmissionReview".to_owned(),
        )),
        () => None,
    };
    if let Some((status, text)) = refusal {
        return finish(plain(status, &text), vec![Effect::Count(Count::Malformed)]);
    }
    let target = Target {
        webhook,
        deadline_ms: deadline::milliseconds(query),
    };
    // A body that says it is too large is still received up to the limit: its uid is at the start, and with it the refusal
    // reaches the person.
    (State::Receiving(target), vec![Effect::Wait])
}

/// The name of a webhook in what follows the prefix.
fn webhook_of(rest: &str) -> Option<String> {
    let name = rest.split('/').next().unwrap_or_default();
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    ((1..=63).contains(&name.len()) && name.bytes().all(is_plain)).then(|| name.to_owned())
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn too_large(head: &[u8], config: &Config) -> (State, Vec<Effect>) {
    let limit = config.max_body_bytes;
    let reason = format!("the AdmissionReview is larger than the limit of {limit} bytes (maxBodyBytes of the filter)");
    let log = Effect::Log(format!("refused a review: {reason}"));
    let effects = vec![Effect::Count(Count::Malformed), log];
    match engine::admission::salvage_uid(head) {
        Some(uid) => finish(
            admission(&answer::refuse(Version::salvage(head), uid, &reason)),
            effects,
        ),
        None => finish(plain(413, &format!("whynot: {reason}")), effects),
    }
}

fn complete(target: Target, body: Vec<u8>, config: &Config) -> (State, Vec<Effect>) {
    if body.len() > config.max_body_bytes {
        return too_large(&body, config);
    }
    let is_asked = |name: &String| config.wrapped.get(name).is_none_or(|wrapped| wrapped.policies);
    if !target.webhook.as_ref().is_none_or(is_asked) {
        // Whatever it is: the webhook behind alone decides, and the uid is all that is needed.
        let uid = engine::admission::salvage_uid(&body).unwrap_or_default();
        return pass_on(target, uid, body, Vec::new());
    }
    let review = match Review::parse(&body) {
        Ok(review) => review,
        Err(error) => {
            let effects = vec![
                Effect::Count(Count::Malformed),
                Effect::Log(format!("refused a review: {error}")),
            ];
            return match answer::refusal(&error) {
                Some(answer) => finish(admission(&answer), effects),
                None => finish(plain(400, &format!("whynot: {error}")), effects),
            };
        }
    };
    match config.namespace_timeout_ms {
        Some(timeout_ms) if config.policies.lacks_namespace(&review) => {
            let effect = Effect::Place {
                namespace: review.namespace.clone(),
                timeout_ms: timeout_ms.min(target.deadline_ms / 2),
            };
            (
                State::Placing(target, Box::new(review), body),
                vec![effect, Effect::Wait],
            )
        }
        _ => judge(target, &review, body, &config.policies, config),
    }
}

/// What is known of its namespace now, the review is judged with. What nobody knows fails the policies that need it.
fn placed(
    target: Target,
    review: &Review,
    body: Vec<u8>,
    answer: Result<Option<Namespace>, CallError>,
    config: &Config,
) -> (State, Vec<Effect>) {
    let known = match answer {
        Ok(None) => return judge(target, review, body, &config.policies, config),
        Ok(Some(namespace)) => Ok(namespace),
        Err(error) => Err(match error {
            CallError::Refused | CallError::NoAnswer => "the explainer, which knows the cluster, does not answer",
            CallError::Status | CallError::TooLarge => "the explainer cannot tell",
            CallError::Stale => "what the explainer knows of the cluster is too old",
        }
        .to_owned()),
    };
    let policies = config.policies.with_namespace(&review.namespace, known);
    judge(target, review, body, &policies, config)
}

fn judge(
    target: Target,
    review: &Review,
    body: Vec<u8>,
    policies: &PolicySet,
    config: &Config,
) -> (State, Vec<Effect>) {
    let decided = answer::decide(policies, review);
    let mut effects = counts(&decided);
    let sent = reviewed(&decided.request, &body, config);
    let call = explainer_call(&decided.request, sent, target.deadline_ms, target.deadline_ms, config);
    // What is needed to explain what the webhook behind says.
    let body = if target.webhook.is_some() { body } else { Vec::new() };
    match call.filter(|_| !decided.is_silent) {
        Some(call) => {
            effects.extend([call, Effect::Wait]);
            (State::Asking(target, Box::new(decided), body), effects)
        }
        None => answered(target, &decided, body, None, effects),
    }
}

fn counts(decided: &Decided) -> Vec<Effect> {
    let mut counts = vec![Count::Decided(decided.decision())];
    for violation in &decided.request.violations {
        let verb = match violation.action {
            Action::Deny => "denied",
            Action::Warn => "warned",
            Action::Audit => "audited",
        };
        let count = Count::Policy(violation.policy.clone(), verb);
        if !counts.contains(&count) {
            counts.push(count);
        }
    }
    let mut effects: Vec<Effect> = counts.into_iter().map(Effect::Count).collect();
    for failure in &decided.request.failures {
        effects.push(Effect::Count(Count::Policy(failure.policy.clone(), "failed")));
        // Neither a policy's id nor the evaluator's words hold anything of the object.
        let kind = failure.kind;
        effects.push(Effect::Log(format!(
            "policy {} could not be evaluated ({kind:?}): {}",
            failure.policy, failure.detail
        )));
    }
    effects
}

/// Why there is no explanation, for the counters.
pub(crate) fn why_not(error: CallError) -> &'static str {
    match error {
        CallError::Refused => "refused",
        CallError::NoAnswer => "no_answer",
        CallError::Status | CallError::Stale => "bad_status",
        CallError::TooLarge => "too_large",
    }
}

fn explained(
    target: Target,
    decided: &Decided,
    body: Vec<u8>,
    answer: Result<Vec<u8>, CallError>,
) -> (State, Vec<Effect>) {
    let explanation = answer.map_err(why_not);
    let explanation = explanation.and_then(|body| read_explanation(&body, decided.decision()).ok_or("nonsense"));
    let outcome = explanation.as_ref().err().copied().unwrap_or("answered");
    let effects = vec![Effect::Count(Count::Explainer(outcome))];
    answered(target, decided, body, explanation.ok(), effects)
}

/// The explainer's words, if they are fit to be shown.
pub(crate) fn read_explanation(body: &[u8], decision: Decision) -> Option<ExplainResponse> {
    let response: ExplainResponse = serde_json::from_slice(body).ok()?;
    let is_id = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    let has_id = (1..=64).contains(&response.id.len()) && response.id.bytes().all(is_id);
    let has_words =
        decision == Decision::Allow || !redact::lines(&response.message, redact::MAX_MESSAGE).trim().is_empty();
    (has_id && has_words).then_some(response)
}

/// The end of a decided review.
fn answered(
    target: Target,
    decided: &Decided,
    body: Vec<u8>,
    explanation: Option<ExplainResponse>,
    effects: Vec<Effect>,
) -> (State, Vec<Effect>) {
    if target.webhook.is_some() && decided.decision() == Decision::Allow {
        return pass_on(target, decided.uid().to_owned(), body, effects);
    }
    let answer = match explanation {
        Some(ExplainResponse {
            id,
            message,
            warnings,
            model,
            prompt,
            ..
        }) => {
            let mut answer = decided.answer(&Words { message, warnings }, Some(&id));
            if let Some(model) = model {
                let by = redact::line(&format!("{model} {}", prompt.unwrap_or_default()), MAX_ANNOTATION);
                answer
                    .audit_annotations
                    .insert("words-by".to_owned(), by.trim_end().to_owned());
            }
            answer
        }
        None => decided.own_answer(),
    };
    finish(admission(&answer), effects)
}

fn pass_on(target: Target, uid: String, body: Vec<u8>, effects: Vec<Effect>) -> (State, Vec<Effect>) {
    let (_, effects) = finish(Effect::PassOn, effects);
    (State::Behind(Box::new(Passed { target, uid, body })), effects)
}

#[cfg(test)]
mod tests;
