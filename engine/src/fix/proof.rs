//! Trying a change: all policies are evaluated again on the changed object.

use serde_json::Value as Json;

use super::change::{Action, Edit, pointer};
use crate::admission::{Operation, Review};
use crate::document::Document;
use crate::eval::{MAX_REVIEW_WORK, PolicySet};
use crate::redact;
use crate::rego::builtins::Host;
use crate::rego::value::Value;
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
    /// Steps of work that the evaluations may still take.
    left: u64,
    clashes: Vec<Clash>,
}

/// How much work all evaluations for one review may do: as much as the review itself may. Each may do that much, and hundreds are made
/// while the API server waits; a denial that comes too late is none.
pub(super) const MAX_WORK: u64 = MAX_REVIEW_WORK;

/// A change after which nothing is said of what it was for, and something else that was not said before.
struct Clash {
    /// The policy that it was for, and what that said.
    mended: (String, Vec<String>),
    /// Policies, and what they say then.
    broken: Vec<(String, String)>,
}

/// What a change is for: that one policy says this no more.
#[derive(Debug, Clone)]
pub(super) struct Aim<'p> {
    pub(super) policy: &'p str,
    pub(super) violations: Vec<&'p Violation>,
    /// It is all that has to be gone for this policy.
    pub(super) is_whole: bool,
}

impl<'p> Aim<'p> {
    /// The same for a part of it.
    pub(super) fn part(&self, violations: &[&'p Violation]) -> Self {
        Self {
            policy: self.policy,
            violations: violations.to_vec(),
            is_whole: self.is_whole && violations.len() == self.violations.len(),
        }
    }

    pub(super) fn has(&self, violation: &Violation) -> bool {
        self.violations.iter().any(|own| is_same(own, violation))
    }

    /// What the policy says there, all of it.
    pub(super) fn said(&self) -> String {
        let messages = self.violations.iter().map(|violation| violation.message.as_str());
        messages.collect::<Vec<_>>().join("\n")
    }

    /// Where it found that, as far as it says.
    pub(super) fn reported(&self) -> Vec<String> {
        if self.violations.iter().any(|violation| violation.found.is_empty()) {
            // One that says nothing may be about anything.
            return Vec::new();
        }
        let found = self.violations.iter().flat_map(|violation| &violation.found);
        found.map(|found| found.path.clone()).collect()
    }
}

/// Whether two violations say the same of the same places.
pub(super) fn is_same(one: &Violation, other: &Violation) -> bool {
    let paths = |violation: &Violation| -> Vec<String> {
        let found = violation.found.iter();
        found.map(|found| found.path.clone()).collect()
    };
    one.policy == other.policy
        && one.action == other.action
        && one.message == other.message
        && paths(one) == paths(other)
}

/// Whether a violation is what a rule said by this value. Paths of a template are the ends of those in what holds it.
fn is_said(violation: &Violation, said: &Value) -> bool {
    let message = said.as_str().or_else(|| said.member("msg").and_then(Value::as_str));
    let path = said.member("path");
    let paths: Vec<&str> = match path.and_then(Value::as_array) {
        Some(paths) => paths.iter().filter_map(Value::as_str).collect(),
        None => path.and_then(Value::as_str).into_iter().collect(),
    };
    let is_found = |path: &&str| violation.found.iter().any(|found| found.path.ends_with(path));
    message.is_some_and(|message| message.trim() == violation.message) && paths.iter().all(is_found)
}

fn own_words(aim: &Aim<'_>) -> (String, Vec<String>) {
    let messages = aim.violations.iter().map(|violation| violation.message.clone());
    (aim.policy.to_owned(), messages.collect())
}

/// Whether two messages are one rule's: they are the same but for a value.
fn alike(one: &str, other: &str) -> bool {
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let (one, other) = (words(one), words(other));
    let differing = one.iter().zip(&other).filter(|(one, other)| one != other).count();
    one.len() == other.len() && differing * 4 < one.len()
}

/// What came of a trial.
pub(super) struct Trial {
    /// What was aimed at is gone, and nothing is said that was not said before.
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
            left: MAX_WORK,
            clashes: Vec::new(),
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

    /// The parameters of a policy.
    pub(super) fn parameters(&self, policy: &str) -> Json {
        let policy = self.set.policies().iter().find(|known| known.meta.id == policy);
        policy.map_or(Json::Null, |policy| policy.parameters.to_json())
    }

    /// How often the policies were evaluated.
    pub(super) fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Whether the policies were evaluated so often, or nothing is left of the work that they may do.
    pub(super) fn is_over(&self, evaluations: usize) -> bool {
        self.evaluations >= evaluations || self.left == 0
    }

    pub(super) fn verdict_on(&mut self, after: &Json) -> Verdict {
        self.evaluate(&self.review.with_object(Document::from(after.clone())))
    }

    /// With no work left every policy fails that is not known to: nothing is proven then.
    fn evaluate(&mut self, review: &Review) -> Verdict {
        self.evaluations += 1;
        let given = self.left.min(MAX_REVIEW_WORK);
        let (verdict, left) = self.set.evaluate_within(review, given);
        self.left -= given - left;
        verdict
    }

    /// Whether the same object would pass in another request. The form of the request changes, and with it which policies look at
    /// it: so this proves no change, and is only for the reason why there is none.
    pub(super) fn passes_with(&mut self, name: &str, value: Document, aim: &Aim<'_>) -> bool {
        let review = Review {
            request: self.review.request.with(name, value),
            ..self.review.clone()
        };
        let verdict = self.evaluate(&review);
        let mut mine = verdict.violations().filter(|violation| violation.policy == aim.policy);
        let has_failed = verdict.failures().iter().any(|failure| failure.policy == aim.policy);
        !has_failed && mine.next().is_none()
    }

    /// What would have to be otherwise for a policy to say nothing of this object; but what it said before and is not aimed at
    /// may stay.
    pub(super) fn goals(
        &mut self,
        object: &Json,
        (policy, aim): (&str, &Aim<'_>),
        host: &mut Host,
    ) -> Vec<(Option<&'static Workload>, Goal)> {
        let review = self.review.with_object(Document::from(object.clone()));
        let known = self.verdict.violations().filter(|known| known.policy == policy);
        let aside: Vec<&Violation> = known.filter(|known| !aim.has(known)).collect();
        let asks = |said: &Value| {
            !aside.iter().any(|violation| is_said(violation, said))
                || aim.violations.iter().any(|violation| is_said(violation, said))
        };
        self.set.goals(&review, policy, &asks, host)
    }

    pub(super) fn trial(&mut self, after: &Json, aim: &Aim<'_>) -> Trial {
        let verdict = self.verdict_on(after);
        let mut objecting: Vec<String> = Vec::new();
        let new = verdict.violations().filter(|violation| !self.is_known(violation));
        let failed = verdict
            .failures()
            .iter()
            .filter(|failure| !self.has_failed(&failure.policy));
        let mine = verdict.violations().filter(|violation| aim.has(violation));
        let said = mine
            .map(|violation| &violation.policy)
            .chain(new.map(|violation| &violation.policy));
        for id in said.chain(failed.map(|failure| &failure.policy)) {
            if !objecting.contains(id) {
                objecting.push(id.clone());
            }
        }
        self.note_clash(&verdict, aim);
        let messages = |verdict: &Verdict| -> Vec<String> {
            let mine = verdict.violations().filter(|violation| violation.policy == aim.policy);
            mine.map(|violation| violation.message.clone()).collect()
        };
        Trial {
            holds: self.holds(&verdict, std::slice::from_ref(aim)),
            moved: messages(&verdict) != messages(self.verdict),
            objecting,
        }
    }

    fn note_clash(&mut self, after: &Verdict, aim: &Aim<'_>) {
        let is_mended = after.failures().is_empty() && !after.violations().any(|violation| aim.has(violation));
        let new = after.violations().filter(|violation| !self.is_known(violation));
        let broken: Vec<(String, String)> = new
            .map(|violation| (violation.policy.clone(), violation.message.clone()))
            .collect();
        // A policy that says the same of another value is not mended.
        let is_same_rule = |(policy, said): &(String, String)| {
            policy == aim.policy && aim.violations.iter().any(|own| alike(&own.message, said))
        };
        if is_mended && !broken.is_empty() && !broken.iter().any(is_same_rule) {
            self.clashes.push(Clash {
                mended: own_words(aim),
                broken,
            });
        }
    }

    /// What every change that is for this breaks: the object as it is passes it, and each one that mends the aim does not.
    pub(super) fn clash(&self, aim: &Aim<'_>) -> Option<(&str, &str)> {
        let mended = own_words(aim);
        let mut all = self.clashes.iter().filter(|clash| clash.mended == mended);
        let first = all.next()?;
        let others: Vec<&Clash> = all.collect();
        let broken = first
            .broken
            .iter()
            .find(|broken| others.iter().all(|clash| clash.broken.contains(broken)))?;
        Some((&broken.0, &broken.1))
    }

    /// What was aimed at is gone, nothing is said that was not said before, and no policy was dodged.
    pub(super) fn holds(&self, after: &Verdict, aims: &[Aim<'_>]) -> bool {
        after
            .violations()
            .all(|violation| self.is_known(violation) && !aims.iter().any(|aim| aim.has(violation)))
            && after.failures().iter().all(|failure| self.has_failed(&failure.policy))
            && after.evaluated() >= self.verdict.evaluated()
    }

    fn is_known(&self, violation: &Violation) -> bool {
        self.verdict.violations().any(|before| is_same(before, violation))
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
