//! What the explainer is asked, and how long it is waited for.

use engine::explain::wire::{Decision, ExplainRequest};
use engine::verdict::Action;

use super::Effect;
use crate::config::{Config, Explainer};

/// Asks the explainer, when there is one and `left_ms` of the webhook's deadline leave time for it.
pub(crate) fn explainer_call(
    request: &ExplainRequest,
    review: Option<&[u8]>,
    deadline_ms: u64,
    left_ms: u64,
    config: &Config,
) -> Option<Effect> {
    let explainer = config.explainer.as_ref()?;
    let timeout_ms = patience(explainer, left_ms)?;
    let mut request = request.clone();
    request.deadline_ms = timeout_ms;
    Some(Effect::Call {
        // Strings, numbers and maps with string keys always serialise.
        body: with_review(serde_json::to_vec(&request).unwrap_or_default(), review),
        timeout_ms,
        give_up_ms: deadline_ms.saturating_sub(explainer.margin_ms),
    })
}

/// The review, where the explainer may have it and somebody else may find a change: nothing says that there is none, and the object may
/// leave.
pub(crate) fn reviewed<'r>(request: &ExplainRequest, review: &'r [u8], config: &Config) -> Option<&'r [u8]> {
    let may_have = config.explainer.as_ref().is_some_and(|explainer| explainer.object);
    (may_have && lacks_change(request)).then_some(review)
}

/// Whether the engine found no change, somebody else may, and the object may leave.
pub(super) fn lacks_change(request: &ExplainRequest) -> bool {
    let kind = &request.review.kind;
    // What another webhook said can be tried only against a policy that says it, too.
    let is_tried = match &request.upstream {
        Some(upstream) => upstream.items.iter().any(|item| item.known),
        None => true,
    };
    let mut denying = request.with_action(Action::Deny);
    request.decision == Decision::Deny
        && is_tried
        && request.fix.is_none()
        && matches!(request.review.operation.as_str(), "CREATE" | "UPDATE")
        && !(kind.group.is_empty() && kind.kind == "Secret")
        && denying.any(|violation| !request.unfixable.contains_key(&violation.policy))
}

/// The request with the review as it came, as its first member.
pub(super) fn with_review(request: Vec<u8>, review: Option<&[u8]>) -> Vec<u8> {
    let (Some(review), Some((b'{', rest))) = (review, request.split_first()) else {
        return request;
    };
    [br#"{"admissionReview":"#, review, b",", rest].concat()
}

/// How long to wait for the explainer; `None` when the deadline leaves no time.
pub(super) fn patience(explainer: &Explainer, deadline_ms: u64) -> Option<u64> {
    let left = deadline_ms.checked_sub(explainer.margin_ms).filter(|left| *left > 0)?;
    Some(left.min(explainer.timeout_ms)).filter(|timeout| *timeout > 0)
}
