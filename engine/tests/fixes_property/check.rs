//! What has to be true of a fix that is shown, found out without the search: from the bytes of the review, the patch as it is
//! printed, and policies that were compiled anew.

use engine::admission::Review;
use engine::eval::PolicySet;
use engine::explain::wire::Decision;
use engine::fix::Fix;
use engine::policy::bundle::Bundle;
use engine::schema;
use engine::verdict::{Action, Verdict, Violation};
use json_patch::Patch;
use serde_json::Value;

/// A denied review, and who denied it.
pub(crate) struct Denied<'a> {
    pub(crate) bundle: &'a Bundle,
    /// Compiled for the check alone.
    pub(crate) set: &'a PolicySet,
    pub(crate) body: &'a [u8],
    /// Warnings count too.
    pub(crate) warnings: bool,
}

impl Denied<'_> {
    /// All that is not as it has to be.
    pub(crate) fn exceptions(&self, fix: &Fix) -> Vec<String> {
        let mut found = Vec::new();
        let printed = serde_json::to_string(fix.patch()).unwrap();
        let mut review: Value = serde_json::from_slice(self.body).unwrap();
        let before = review["request"]["object"].take();
        // As `kubectl patch --type=json` does it.
        let mut after = before.clone();
        let patch: Patch = match serde_json::from_str(&printed) {
            Ok(patch) => patch,
            Err(error) => return vec![format!("the printed patch is none: {error}")],
        };
        if let Err(error) = json_patch::patch(&mut after, &patch) {
            return vec![format!("the patch does not apply: {error}")];
        }
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                found.push(what.to_owned());
            }
        };
        let summary = fix.summary();
        let on_the_wire: Patch = serde_json::from_value(summary.patch.clone()).unwrap();
        expect(on_the_wire == patch, "the wire has another patch");
        expect(
            after == *fix.after(),
            "the patched object is not the one that was tried",
        );
        expect(after != before, "nothing changes");
        let removes = summary.patch.as_array().into_iter().flatten();
        let removes = removes.clone().any(|operation| operation["op"] == "remove");
        expect(!removes || fix.removes(), "it removes something without saying so");
        for placeholder in fix.placeholders() {
            let place = &placeholder.path;
            let (old, new) = (before.pointer(place), after.pointer(place));
            expect(new.is_some(), &format!("a placeholder is nowhere: {place}"));
            expect(new != old, &format!("a placeholder is what was there: {place}"));
        }
        self.same_object(&before, &after, &mut expect);

        let verdict_before = self.verdict(&review, &before);
        let verdict = self.verdict(&review, &after);
        for violation in verdict.violations() {
            let (policy, message) = (&violation.policy, &violation.message);
            // Warnings may stay where only denials count; then the change is not for them.
            let is_said = fix.mends(violation) || (summary.policies.contains(policy) && self.counts(violation));
            expect(!is_said, &format!("{policy} is said to pass, and says {message:?}"));
            let is_known = verdict_before.violations().any(|known| is_same(known, violation));
            expect(is_known, &format!("{policy} says what it did not before: {message:?}"));
        }
        let mends = verdict_before.violations().any(|violation| fix.mends(violation));
        expect(mends, "it mends nothing");
        for failure in verdict.failures() {
            let mut known = verdict_before.failures().iter();
            let is_known = known.any(|known| known.policy == failure.policy);
            expect(is_known, &format!("{} fails: {}", failure.policy, failure.detail));
        }
        expect(
            verdict.evaluated() >= verdict_before.evaluated(),
            "fewer policies look at the object",
        );
        expect(
            summary.complete == (verdict.decision() == Decision::Allow),
            "complete, and still denied; or the other way round",
        );
        let kind = Review::parse(self.body).unwrap().kind;
        for problem in schema::new_problems(&kind, &before, &after) {
            expect(false, &format!("not valid: {problem:?}"));
        }
        found
    }

    fn counts(&self, violation: &Violation) -> bool {
        self.warnings || violation.action == Action::Deny
    }

    fn verdict(&self, review: &Value, object: &Value) -> Verdict {
        let mut review = review.clone();
        review["request"]["object"] = object.clone();
        let body = review.to_string().into_bytes();
        self.set.evaluate(&Review::parse(&body).unwrap())
    }

    /// It is the same object, with all that runs in it.
    fn same_object(&self, before: &Value, after: &Value, expect: &mut impl FnMut(bool, &str)) {
        for path in [
            "/kind",
            "/metadata/name",
            "/metadata/generateName",
            "/metadata/namespace",
            "/metadata/uid",
        ] {
            let is_same = before.pointer(path) == after.pointer(path);
            expect(is_same, &format!("{path} is another"));
        }
        // A version that a policy asks for is the same object, said otherwise.
        let (old, new) = (&before["apiVersion"], &after["apiVersion"]);
        let is_asked = || {
            let new = new.as_str().unwrap_or_default();
            !new.is_empty() && self.bundle.files.iter().any(|file| file.text.contains(new))
        };
        expect(
            old == new || is_asked(),
            &format!("apiVersion is {new} in place of {old}"),
        );
        containers_stay(before, after, expect);
    }
}

fn is_same(one: &Violation, other: &Violation) -> bool {
    let said = |violation: &Violation| {
        let paths: Vec<String> = violation.found.iter().map(|found| found.path.clone()).collect();
        (
            violation.policy.clone(),
            violation.action,
            violation.message.clone(),
            paths,
        )
    };
    said(one) == said(other)
}

/// A list of containers is at least as long as it was.
fn containers_stay(before: &Value, after: &Value, expect: &mut impl FnMut(bool, &str)) {
    for pod in ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"] {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let path = format!("{pod}/{list}");
            let length = |object: &Value| object.pointer(&path).and_then(Value::as_array).map_or(0, Vec::len);
            expect(length(after) >= length(before), &format!("{path} has lost one"));
        }
    }
}
