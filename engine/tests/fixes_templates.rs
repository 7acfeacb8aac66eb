//! The corpus of fixes holds what it says: each object is denied, and each change that is written down lets it pass.

#![cfg(test)]
// The corpus is files.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use std::collections::BTreeSet;

use engine::cases::{self, Class, Expect};
use engine::eval::PolicySet;
use serde_json::Value;
use support::fixes::{Denied, HELD_OUT, Policy, TUNED, load};

#[test]
fn every_written_fix_is_one() {
    let mut problems = Vec::new();
    for half in [TUNED, HELD_OUT] {
        match load(half) {
            Ok(policies) => policies.iter().for_each(|policy| check(policy, &mut problems)),
            Err(unreadable) => problems.extend(unreadable),
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[test]
fn the_corpus_is_large_and_has_every_class() {
    let policies = load(TUNED).unwrap();
    assert!(policies.len() >= 24, "{} folders", policies.len());
    let cases: Vec<&Denied> = policies.iter().flat_map(|policy| &policy.cases).collect();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for class in [Class::Placeholder, Class::None] {
        let count = cases.iter().filter(|denied| denied.fix.class == class).count();
        assert!(count >= 5, "{count} of {class:?}");
    }
}

fn check(policy: &Policy, problems: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    if policy.cases.is_empty() {
        problems.push(format!("{}: has no cases", policy.name));
    }
    for denied in &policy.cases {
        let mut found = Vec::new();
        if !names.insert(&denied.name) {
            found.push("the name is there twice".to_owned());
        }
        shape(denied, &mut found);
        match policy.policy_set(denied) {
            Ok(set) => changes(denied, &set, &mut found),
            Err(refused) => found.push(format!("does not compile: {refused}")),
        }
        problems.extend(
            found
                .iter()
                .map(|problem| format!("{}: {}: {problem}", policy.name, denied.name)),
        );
    }
}

/// What each class has and has not.
fn shape(denied: &Denied, problems: &mut Vec<String>) {
    let fix = &denied.fix;
    let mut wrong = |is_wrong: bool, what: &str| {
        if is_wrong {
            problems.push(what.to_owned());
        }
    };
    if fix.class == Class::None {
        wrong(fix.reason.is_empty(), "class none without a reason");
        wrong(
            !fix.patch.is_empty() || !fix.or.is_empty() || !fix.any.is_empty(),
            "class none with a change",
        );
    } else {
        wrong(fix.patch.is_empty(), "no patch");
        wrong(!fix.reason.is_empty(), "a reason is for class none");
    }
    wrong(
        fix.class == Class::Placeholder && fix.any.is_empty(),
        "class placeholder says nowhere in `any` what a person fills in",
    );
}

/// The object is denied as it is, and allowed after every change.
fn changes(denied: &Denied, set: &PolicySet, problems: &mut Vec<String>) {
    let (before, said) = judged(denied, set, &denied.object);
    if before != Expect::Deny {
        problems.push(format!("expected deny, found {}{said}", before.as_str()));
    }
    if denied.fix.class == Class::None {
        return;
    }
    let changed = match denied.fix.after(&denied.object, None) {
        Ok(changed) => changed,
        Err(error) => {
            problems.push(format!("a patch does not apply: {error}"));
            return;
        }
    };
    for (index, object) in changed.iter().enumerate() {
        let which = if index == 0 {
            "patch".to_owned()
        } else {
            format!("or {}", index - 1)
        };
        let (after, said) = judged(denied, set, object);
        if after != Expect::Allow {
            problems.push(format!("{which}: expected allow, found {}{said}", after.as_str()));
        }
        if changed.iter().take(index).any(|earlier| earlier == object) {
            problems.push(format!("{which}: the object is the same as after an earlier change"));
        }
    }
    for path in &denied.fix.any {
        if !changed.iter().any(|object| object.pointer(path).is_some()) {
            problems.push(format!("any: nothing is at {path} after any of the changes"));
        }
    }
}

/// The outcome, and what was said.
fn judged(denied: &Denied, set: &PolicySet, object: &Value) -> (Expect, String) {
    let verdict = set.evaluate(&denied.review(object));
    let violations = verdict.violations().map(|violation| violation.message.clone());
    let failures = verdict.failures().iter().map(|failure| failure.detail.clone());
    let said: Vec<String> = violations.chain(failures).collect();
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {}", said.join(" | "))
    };
    (cases::outcome(&verdict), said)
}
