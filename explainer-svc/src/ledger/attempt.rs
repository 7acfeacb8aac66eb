//! Who attempted what, and what of it counts.
//!
//! A person who tries three times has hit a rule three times. A controller retries by itself, so its retries are one attempt.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use engine::explain::wire::{Decision, ExplainRequest, ReviewSummary};
use engine::verdict::{Action, Violation};
use sha2::{Digest, Sha256};

/// The team of an object that no configured label names. Nothing is claimed about it.
pub const UNKNOWN_TEAM: &str = "unknown";

/// The longest value that Kubernetes allows a label.
const MAX_LABEL_VALUE: usize = 63;

/// Controllers that try an object by a dry-run first: when it is denied, the dry-run is the only attempt there is.
const DRY_RUN_FIRST: [&str; 2] = ["kustomize-controller", "helm-controller"];
/// Compares by dry-runs, again and again, whether or not anybody wants to apply.
const DRY_RUN_TO_COMPARE: &str = "argocd-controller";

/// The team: the first configured label that the object has, else that its namespace has.
pub fn team(review: &ReviewSummary, labels: &[String]) -> String {
    named(&[&review.labels, &review.namespace_labels], labels)
}

/// The team that pays: only its namespace's labels say so. Whoever writes an object writes its labels, and would pick who pays.
pub fn payer(review: &ReviewSummary, labels: &[String]) -> String {
    named(&[&review.namespace_labels], labels)
}

/// What the first of these labels says that is there.
fn named(of: &[&BTreeMap<String, String>], labels: &[String]) -> String {
    of.iter()
        .flat_map(|of| labels.iter().filter_map(|label| of.get(label)))
        .map(|value| {
            value
                .chars()
                .filter(|c| !c.is_control())
                .take(MAX_LABEL_VALUE)
                .collect::<String>()
        })
        .find(|value| !value.trim().is_empty())
        .unwrap_or_else(|| UNKNOWN_TEAM.to_owned())
}

/// Software that acts by itself, by what it says about itself.
fn is_automation(review: &ReviewSummary) -> bool {
    let user = review.username.as_str();
    user.starts_with("system:serviceaccount:")
        || user.starts_with("system:node:")
        || user.starts_with("system:kube-")
        || user == "system:apiserver"
        || user == "system:cloud-controller-manager"
        || DRY_RUN_FIRST.contains(&review.field_manager.as_str())
        || review.field_manager == DRY_RUN_TO_COMPARE
}

/// Whether equal attempts are retries of one.
pub fn is_retried(review: &ReviewSummary) -> bool {
    review.owner.is_some() || is_automation(review)
}

/// Whether an attempt counts among the team's repeats: it was denied for real, or by a dry-run that stands for the real thing.
pub fn counts(request: &ExplainRequest, action: Action) -> bool {
    let review = &request.review;
    let real = !review.dry_run || (is_automation(review) && review.field_manager != DRY_RUN_TO_COMPARE);
    request.decision == Decision::Deny && action == Action::Deny && real
}

/// Names one attempt of a controller at one object, whichever policy objects: its owner or itself, and its spec.
fn subject(review: &ReviewSummary, hash: &mut Sha256) {
    let kind = &review.kind;
    if let Some(owner) = review.owner.as_ref().filter(|owner| !owner.uid.is_empty()) {
        parts(hash, &["owner", &owner.uid]);
    } else {
        let name = if review.name.is_empty() {
            &review.generate_name
        } else {
            &review.name
        };
        parts(hash, &["object", &review.namespace, name]);
    }
    parts(
        hash,
        &[&kind.group, &kind.kind, &review.sub_resource, &review.spec_digest],
    );
}

/// The key under which retries of this attempt find the row of one policy; none for a person's attempt.
pub(super) fn violation_key(request: &ExplainRequest, team: &str, violations: &[&Violation]) -> Option<String> {
    let first = violations.first().filter(|_| is_retried(&request.review))?;
    let mut hash = Sha256::new();
    parts(
        &mut hash,
        &["violation", team, &first.policy, action_name(first.action)],
    );
    subject(&request.review, &mut hash);
    if request.review.spec_digest.is_empty() {
        // Without a digest, what was found tells two attempts at one name apart.
        for violation in violations {
            parts(&mut hash, &[&violation.message]);
        }
    }
    Some(HEXLOWER.encode(&hash.finalize()))
}

/// The key under which retries find the explanation: also all that was found, because an explanation of something else would
/// not explain.
pub(super) fn explanation_key(request: &ExplainRequest, team: &str) -> Option<String> {
    is_retried(&request.review).then(|| {
        let mut hash = Sha256::new();
        parts(&mut hash, &["explanation", team, &request.revision]);
        subject(&request.review, &mut hash);
        // The page shows these, so they have to be the same.
        parts(
            &mut hash,
            &[&request.review.username, &request.review.dry_run.to_string()],
        );
        // Not the diff: the API server's own additions are near, and differ from one retry to the next.
        let fix = request.fix.as_ref().map(|fix| {
            serde_json::json!({"patch": fix.patch, "snippet": fix.snippet, "policies": fix.policies, "complete": fix.complete})
        });
        let found = serde_json::json!([request.decision, request.violations, request.failures, fix]);
        parts(&mut hash, &[&found.to_string()]);
        HEXLOWER.encode(&hash.finalize())
    })
}

/// The word for an action, as it is on the wire.
pub fn action_name(action: Action) -> &'static str {
    match action {
        Action::Deny => "deny",
        Action::Warn => "warn",
        Action::Audit => "audit",
    }
}

/// Hashes parts with their lengths, so that no two lists of parts are the same bytes.
fn parts(hash: &mut Sha256, parts: &[&str]) {
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
}
