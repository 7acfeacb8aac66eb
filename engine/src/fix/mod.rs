//! Changes after which the policies pass.
//!
//! A [`Fix`] is made by [`prove`] alone: the author's edits are applied, the whole policy set is evaluated again in the same
//! context, the policies that objected no longer do, and none objects that did not before.

mod edit;
pub mod snippet;

use std::collections::{BTreeMap, BTreeSet};

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use crate::admission::{Operation, Review};
use crate::document::Document;
use crate::eval::PolicySet;
use crate::explain::wire::{Decision, FixSummary};
use crate::policy::custom::Edit;
use crate::redact;
use crate::template::is_pod;
use crate::verdict::{Action, FailureKind, Verdict, Violation};

/// A change that was tried and holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    before: Value,
    after: Value,
    patch: Patch,
    policies: Vec<String>,
    complete: bool,
    kind: String,
}

/// How often the policy set is evaluated to find a fix.
const MAX_ATTEMPTS: usize = 8;

/// What one policy proposes, for all of its violations.
type Proposals<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a Edit)>>;

impl Fix {
    /// The changed object.
    pub fn after(&self) -> &Value {
        &self.after
    }

    /// The change as an RFC 6902 patch.
    pub fn patch(&self) -> &Patch {
        &self.patch
    }

    /// For the wire.
    pub fn summary(&self) -> FixSummary {
        FixSummary {
            patch: serde_json::to_value(&self.patch).unwrap_or_default(),
            snippet: snippet::render(&self.kind, &self.before, &self.after, &self.patch),
            policies: self.policies.clone(),
            complete: self.complete,
        }
    }
}

/// Looks for a fix of a denied review: of all that its policies propose, as much as holds.
pub fn prove(set: &PolicySet, review: &Review, verdict: &Verdict) -> Option<Fix> {
    let editable = matches!(review.operation, Operation::Create | Operation::Update);
    let before = review.request.get("object").unwrap_or_default();
    // What reached a limit once would only take as long again.
    let is_slow = verdict
        .failures()
        .iter()
        .any(|failure| failure.kind == FailureKind::Limit);
    if verdict.decision() != Decision::Deny || !editable || before.is_null() || is_slow {
        return None;
    }
    let proposals = proposals(verdict);
    if proposals.is_empty() {
        return None;
    }
    let attempt = Attempt {
        set,
        review,
        verdict,
        before: before.to_json(),
    };
    let all: Vec<&str> = proposals.keys().copied().collect();
    if let Some(fix) = attempt.with(&proposals, &all) {
        return Some(fix);
    }
    // Together they do not hold: keep each that holds beside those before it.
    let mut kept: Vec<&str> = Vec::new();
    let mut best = None;
    for policy in all.into_iter().take(MAX_ATTEMPTS - 1) {
        kept.push(policy);
        match attempt.with(&proposals, &kept) {
            Some(fix) => best = Some(fix),
            None => {
                kept.pop();
            }
        }
    }
    best
}

/// The edits of the denying policies that have one for each of their violations.
fn proposals(verdict: &Verdict) -> Proposals<'_> {
    let mut proposals: Proposals<'_> = BTreeMap::new();
    let mut without: BTreeSet<&str> = BTreeSet::new();
    for finding in verdict
        .findings()
        .iter()
        .filter(|finding| finding.violation.action == Action::Deny)
    {
        let policy = finding.violation.policy.as_str();
        if finding.edits.is_empty() {
            without.insert(policy);
        }
        let edits = finding.edits.iter().map(|(path, edit)| (path.as_str(), edit));
        proposals.entry(policy).or_default().extend(edits);
    }
    proposals.retain(|policy, _| !without.contains(policy));
    proposals
}

struct Attempt<'a> {
    set: &'a PolicySet,
    review: &'a Review,
    verdict: &'a Verdict,
    before: Value,
}

impl Attempt<'_> {
    /// The fix of these policies, if it holds.
    fn with(&self, proposals: &Proposals<'_>, policies: &[&str]) -> Option<Fix> {
        let edits = policies.iter().filter_map(|policy| proposals.get(policy)).flatten();
        let operations = edit::operations(&self.before, edits.copied())?;
        let shown = |operation: &PatchOperation| self.may_change(path_of(operation)) && !self.hides(operation);
        if operations.is_empty() || !operations.iter().all(shown) {
            return None;
        }
        let mut after = self.before.clone();
        let patch = Patch(operations);
        json_patch::patch(&mut after, &patch).ok()?;
        let verdict = self
            .set
            .evaluate(&self.review.with_object(Document::from(after.clone())));
        self.holds(&verdict, policies).then(|| Fix {
            complete: verdict.decision() == Decision::Allow,
            before: self.before.clone(),
            after,
            patch,
            policies: policies.iter().map(|&policy| policy.to_owned()).collect(),
            kind: self.review.kind.kind.clone(),
        })
    }

    /// Whether the API server would accept a change here: of a Pod that exists hardly anything can be changed, and a
    /// subresource has its own fields.
    fn may_change(&self, path: &str) -> bool {
        let is_pod = is_pod(&self.review.kind) && self.review.operation == Operation::Update;
        let is_below = |root: &str| path.starts_with(root);
        match self.review.sub_resource.as_str() {
            "" if is_pod => {
                is_below("/metadata/") || path.ends_with("/image") || is_below("/spec/activeDeadlineSeconds")
            }
            "" => true,
            "ephemeralcontainers" => is_below("/spec/ephemeralContainers/"),
            "resize" => path.contains("/resources/"),
            _ => is_below("/spec/"),
        }
    }

    /// Whether the operation shows what must not leave the filter.
    fn hides(&self, operation: &PatchOperation) -> bool {
        let value = match operation {
            PatchOperation::Add(add) => &add.value,
            PatchOperation::Replace(replace) => &replace.value,
            _ => return false,
        };
        redact::hides(&self.review.kind.kind, path_of(operation), value)
    }

    /// These policies object no more, and nothing is said that was not said before.
    fn holds(&self, after: &Verdict, policies: &[&str]) -> bool {
        let known: Vec<&Violation> = self.verdict.violations().collect();
        let failed: Vec<&str> = self
            .verdict
            .failures()
            .iter()
            .map(|failure| failure.policy.as_str())
            .collect();
        let is_known = |violation: &Violation| {
            known.iter().any(|before| {
                let paths = |one: &Violation| one.found.iter().map(|found| found.path.clone()).collect::<Vec<_>>();
                before.policy == violation.policy
                    && before.action == violation.action
                    && before.message == violation.message
                    && paths(before) == paths(violation)
            })
        };
        after
            .violations()
            .all(|violation| is_known(violation) && !policies.contains(&violation.policy.as_str()))
            && after
                .failures()
                .iter()
                .all(|failure| failed.contains(&failure.policy.as_str()))
            && after.evaluated() >= self.verdict.evaluated()
    }
}

/// The path of an operation.
pub(crate) fn path_of(operation: &PatchOperation) -> &str {
    operation.path().as_str()
}
