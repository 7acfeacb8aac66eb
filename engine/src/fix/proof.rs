//! Trying a change: all policies are evaluated again on the changed object.

use serde_json::Value as Json;

use super::change::{Action, Edit, pointer};
use crate::admission::{Operation, Review};
use crate::document::Document;
use crate::eval::PolicySet;
use crate::redact;
use crate::rego::builtins::Host;
use crate::rego::why::Goal;
use crate::template::{Workload, is_pod};
use crate::verdict::{Verdict, Violation};

/// One denied review, and what was tried on it.
pub(super) struct Proof<'p> {
    set: &'p PolicySet,
    review: &'p Review,
    verdict: &'p Verdict,
    before: Json,
    evaluations: usize,
}

/// What came of a trial.
pub(super) struct Trial {
    /// The policy says nothing more, and nothing is said that was not said before.
    pub(super) holds: bool,
    /// Something is said that was not, or no more.
    pub(super) moved: bool,
    /// The policy, as long as it objects, and those that object newly.
    pub(super) objecting: Vec<String>,
}

impl<'p> Proof<'p> {
    pub(super) fn new(set: &'p PolicySet, review: &'p Review, verdict: &'p Verdict, before: Json) -> Self {
        Self {
            set,
            review,
            verdict,
            before,
            evaluations: 0,
        }
    }

    pub(super) fn review(&self) -> &'p Review {
        self.review
    }

    pub(super) fn before(&self) -> &Json {
        &self.before
    }

    /// The policies.
    pub(super) fn set(&self) -> &'p PolicySet {
        self.set
    }

    /// What a policy said, all of it.
    pub(super) fn said(&self, policy: &str) -> String {
        let mine = self.verdict.violations().filter(|violation| violation.policy == policy);
        mine.map(|violation| violation.message.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Where a policy found something, as far as it says.
    pub(super) fn reported(&self, policy: &str) -> Vec<String> {
        let mine = self.verdict.violations().filter(|violation| violation.policy == policy);
        let mut paths: Vec<String> = Vec::new();
        for violation in mine {
            if violation.found.is_empty() {
                // One that says nothing may be about anything.
                return Vec::new();
            }
            paths.extend(violation.found.iter().map(|found| found.path.clone()));
        }
        paths
    }

    /// The parameters of a policy.
    pub(super) fn parameters(&self, policy: &str) -> Json {
        let policy = self.set.policies().iter().find(|known| known.meta.id == policy);
        policy.map_or(Json::Null, |policy| policy.parameters.to_json())
    }

    /// How often the policies were evaluated.
    pub(super) fn evaluations(&self) -> usize {
        self.evaluations
    }

    pub(super) fn verdict_on(&mut self, after: &Json) -> Verdict {
        self.evaluations += 1;
        self.set
            .evaluate(&self.review.with_object(Document::from(after.clone())))
    }

    pub(super) fn goals(
        &mut self,
        object: &Json,
        policy: &str,
        host: &mut Host,
    ) -> Vec<(Option<&'static Workload>, Goal)> {
        let review = self.review.with_object(Document::from(object.clone()));
        self.set.goals(&review, policy, host)
    }

    pub(super) fn trial(&mut self, after: &Json, policy: &str) -> Trial {
        let verdict = self.verdict_on(after);
        let mut objecting: Vec<String> = Vec::new();
        let new = verdict.violations().filter(|violation| !self.is_known(violation));
        let failed = verdict
            .failures()
            .iter()
            .filter(|failure| !self.has_failed(&failure.policy));
        let mine = verdict.violations().filter(|violation| violation.policy == policy);
        let said = mine
            .map(|violation| &violation.policy)
            .chain(new.map(|violation| &violation.policy));
        for id in said.chain(failed.map(|failure| &failure.policy)) {
            if !objecting.contains(id) {
                objecting.push(id.clone());
            }
        }
        let messages = |verdict: &Verdict| -> Vec<String> {
            let mine = verdict.violations().filter(|violation| violation.policy == policy);
            mine.map(|violation| violation.message.clone()).collect()
        };
        Trial {
            holds: self.holds(&verdict, &[policy]),
            moved: messages(&verdict) != messages(self.verdict),
            objecting,
        }
    }

    /// These policies object no more, nothing is said that was not said before, and no policy was dodged.
    pub(super) fn holds(&self, after: &Verdict, policies: &[&str]) -> bool {
        after
            .violations()
            .all(|violation| self.is_known(violation) && !policies.contains(&violation.policy.as_str()))
            && after.failures().iter().all(|failure| self.has_failed(&failure.policy))
            && after.evaluated() >= self.verdict.evaluated()
    }

    fn is_known(&self, violation: &Violation) -> bool {
        let paths = |one: &Violation| one.found.iter().map(|found| found.path.clone()).collect::<Vec<_>>();
        self.verdict.violations().any(|before| {
            before.policy == violation.policy
                && before.action == violation.action
                && before.message == violation.message
                && paths(before) == paths(violation)
        })
    }

    fn has_failed(&self, policy: &str) -> bool {
        self.verdict.failures().iter().any(|failure| failure.policy == policy)
    }

    /// Whether the API server would accept a change here: of a Pod that exists hardly anything can be changed, and a
    /// subresource has its own fields.
    pub(super) fn may_change(&self, path: &[&str]) -> bool {
        let is_pod = is_pod(&self.review.kind) && self.review.operation == Operation::Update;
        match self.review.sub_resource.as_str() {
            "" if is_pod => {
                path.first() == Some(&"metadata")
                    || path.last() == Some(&"image")
                    || path.starts_with(&["spec", "activeDeadlineSeconds"])
            }
            "" => true,
            "ephemeralcontainers" => path.starts_with(&["spec", "ephemeralContainers"]),
            "resize" => path.contains(&"resources"),
            _ => path.first() == Some(&"spec"),
        }
    }

    /// Whether an edit shows what must not leave the process.
    pub(super) fn hides(&self, edit: &Edit) -> bool {
        let Action::Set(value) = &edit.action else { return false };
        let path = pointer(&edit.path).unwrap_or_default();
        redact::hides(&self.review.kind.kind, &path, value)
    }
}
