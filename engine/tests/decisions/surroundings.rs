//! Other contexts for the same policies; what is not known, and what is too old.

use engine::context::{Context, Namespace};
use engine::eval::PolicySet;
use engine::explain::wire::Decision;
use engine::surroundings::Prepared;
use engine::verdict::FailureKind;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::support::{failure, review, set, set_with};

/// One for each way to look at the surroundings, and one that looks at nothing.
const BY_LABEL: &str = "package by_label\n\ndeny contains \"locked\" if input.namespace.labels.locked == \"yes\"\n";
const BY_SELECTOR: &str = "# METADATA\n# custom: {match: {namespaceSelector: {matchLabels: {locked: \"yes\"}}}}\npackage by_selector\n\ndeny contains \"selected\"\n";
const BY_DATA: &str = "package by_data\n\ndeny contains \"data\" if data.context.namespaces[input.request.namespace].labels.locked == \"yes\"\n";
const BY_TEAM: &str = "package by_team\n\ndeny contains \"team\" if input.namespace.team == \"checkout\"\n";
const PLAIN: &str = "package plain\n\ndeny contains \"plain\" if input.request.name == \"other\"\n";

fn prepared(context: Value, revision: &str) -> Prepared {
    let context: Context = serde_json::from_value(context).unwrap();
    Prepared::new(context, Some(revision.to_owned()))
}

fn locked(is_locked: bool) -> Namespace {
    let labels = is_locked.then(|| ("locked".to_owned(), "yes".to_owned()));
    Namespace {
        labels: labels.into_iter().collect(),
        ..Namespace::default()
    }
}

fn messages(set: &PolicySet) -> Vec<String> {
    let verdict = set.evaluate(&review(json!({})));
    assert!(verdict.failures().is_empty(), "{verdict:?}");
    verdict
        .violations()
        .map(|violation| violation.message.clone())
        .collect()
}

#[test]
fn another_context_is_taken_without_compiling_again_and_nothing_is_remembered_wrongly() {
    let set = set(&[BY_LABEL, BY_DATA, BY_TEAM, PLAIN]);
    set.forget(0);
    assert_eq!(messages(&set), [""; 0]);
    let with = |is_locked: bool, team: &str, revision: &str| {
        let namespace = serde_json::to_value(locked(is_locked)).unwrap();
        let context =
            json!({"namespaces": {"shop": namespace}, "teams": {team: {"namespaces": ["shop"], "contact": ""}}});
        let set = set.with_context(&prepared(context, revision));
        set.forget(0);
        set
    };
    let (open, closed) = (with(false, "other", "1"), with(true, "checkout", "2"));
    assert_eq!(
        (open.context_revision(), closed.context_revision()),
        (Some("1"), Some("2"))
    );
    for _ in 0..3 {
        assert_eq!(messages(&open), [""; 0]);
        assert_eq!(messages(&closed), ["data", "locked", "team"]);
    }
}

#[test]
fn a_namespace_that_was_asked_for_counts_everywhere() {
    let set = set_with(
        "{}",
        &[BY_LABEL, BY_SELECTOR, BY_DATA, PLAIN],
        json!({"namespaces": {"other": {}}}),
    );
    assert!(set.lacks_namespace(&review(json!({}))));
    // A selector that cannot be told to fail applies.
    assert_eq!(messages(&set), ["selected"]);
    for (is_locked, expected) in [(true, &["data", "locked", "selected"][..]), (false, &[])] {
        let with = set.with_namespace("shop", Ok(locked(is_locked)));
        assert!(!with.lacks_namespace(&review(json!({}))));
        assert_eq!(messages(&with), expected);
    }
    for known in ["other", ""] {
        assert!(!set.lacks_namespace(&review(json!({"namespace": known}))), "{known}");
    }
}

#[test]
fn who_looks_at_no_namespace_needs_none() {
    let set = set_with("{}", &[PLAIN], json!({}));
    assert!(!set.lacks_namespace(&review(json!({}))));
}

#[test]
fn what_nobody_knows_fails_those_that_need_it_and_no_others() {
    for (policy, is_failing) in [
        (BY_LABEL, true),
        (BY_SELECTOR, true),
        (BY_DATA, false),
        (BY_TEAM, false),
        (PLAIN, false),
    ] {
        let set = set(&[policy]).with_namespace("shop", Err("nobody answers".to_owned()));
        let verdict = set.evaluate(&review(json!({})));
        assert_eq!(verdict.decision() == Decision::Deny, is_failing, "{policy}");
        if is_failing {
            let (kind, detail) = failure(&verdict);
            assert_eq!(kind, FailureKind::Context);
            assert!(
                detail.contains("\"shop\"") && detail.contains("nobody answers"),
                "{detail}"
            );
        }
    }
}

#[test]
fn a_context_that_is_too_old_is_not_used_at_all() {
    let context = json!({"namespaces": {"shop": serde_json::to_value(locked(true)).unwrap()}});
    for (policy, with_namespace) in [
        (BY_LABEL, Ok(true)),
        (BY_SELECTOR, Ok(true)),
        (BY_DATA, Err(())),
        (BY_TEAM, Err(())),
        (PLAIN, Ok(false)),
    ] {
        let set = set_with("{}", &[policy], context.clone()).without_context("the context is too old");
        let verdict = set.evaluate(&review(json!({})));
        if policy == PLAIN {
            assert!(verdict.is_silent());
        } else {
            assert_eq!(failure(&verdict).0, FailureKind::Context, "{policy}");
        }
        // One that was asked for just now is not too old.
        let set = set.with_namespace("shop", Ok(locked(true)));
        let verdict = set.evaluate(&review(json!({})));
        match with_namespace {
            Ok(denies) => assert_eq!(
                (verdict.failures().len(), verdict.violations().count() > 0),
                (0, denies)
            ),
            Err(()) => assert_eq!(failure(&verdict).0, FailureKind::Context, "{policy}"),
        }
    }
}
