//! What cannot be evaluated is refused: limits, shapes, errors; and what differs from what one would expect.

use engine::answer::decide;
use engine::context::Context;
use engine::eval::PolicySet;
use engine::explain::wire::Decision;
use engine::policy;
use engine::policy::compile::compile;
use engine::rego::builtins::Halt;
use engine::verdict::FailureKind;
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{DENY_ALL, bundle, fails, failure, refused, review, set, set_with};

#[test]
fn a_policy_that_loops_reaches_the_limit_and_denies() {
    let looping = "package looping\n\ndeny contains \"x\" if {\n\tsome i in numbers.range(1, 3000)\n\t\
                   some j in numbers.range(1, 3000)\n\ti * j == -1\n}\n";
    let (kind, detail) = fails(looping);
    assert_eq!(
        (kind, detail.as_str()),
        (FailureKind::Limit, "it took more than 2000000 steps")
    );
}

#[test]
fn policies_that_loop_share_what_a_review_has() {
    let looping = |name: &str| {
        format!(
            "package {name}\n\ndeny contains \"x\" if {{\n\tsome i in numbers.range(1, 3000)\n\t\
             some j in numbers.range(1, 3000)\n\ti * j == -1\n}}\n"
        )
    };
    let policies: Vec<String> = ["a", "b", "c", "d", "e"].map(looping).into();
    let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
    let verdict = set(&policies).evaluate(&review(json!({})));
    let details: Vec<&str> = verdict
        .failures()
        .iter()
        .map(|failure| failure.detail.as_str())
        .collect();
    assert_eq!(details.len(), 5);
    assert!(details[0].starts_with("it took more than 2000000 steps"), "{details:?}");
    assert!(
        details[4].starts_with("the policies before it took all of the 6000000 steps"),
        "{details:?}"
    );
}

#[test]
fn undefined_is_a_failure() {
    let policy = "package undefined\n\ndeny := reasons if {\n\treasons := input.request.object.nothing\n}\n";
    assert_eq!(
        fails(policy),
        (FailureKind::Undefined, "`deny` is undefined".to_owned())
    );
}

#[test]
fn wrong_shapes_are_failures() {
    for (deny, reason) in [
        ("deny := true", "`deny` is a boolean"),
        ("deny := \"no\"", "`deny` is a text"),
        ("deny := [\"no\"]", "`deny` is an array"),
        ("deny := {\"msg\": \"no\"}", "`deny` is an object"),
        ("deny contains 7", "an element of `deny` is a number"),
        (
            "deny contains {\"message\": \"no\"}",
            "an element of `deny` is an object",
        ),
        ("deny contains {\"msg\": 7}", "an element of `deny` is an object"),
        ("deny contains \"\"", "an element of `deny` is a text"),
        (
            "deny contains {\"msg\": \"no\", \"path\": \"spec.x\"}",
            "`path` must be a JSON pointer",
        ),
        (
            "deny contains {\"msg\": \"no\", \"path\": 7}",
            "`path` must be a JSON pointer",
        ),
        (
            "deny contains {\"msg\": \"no\", \"path\": \"/a\", \"fix\": {\"action\": \"explode\"}}",
            "`fix` must be",
        ),
    ] {
        let (kind, detail) = fails(&format!("package shape\n\n{deny}\n"));
        assert_eq!(kind, FailureKind::Shape, "{deny}");
        assert!(detail.starts_with(reason), "{deny}: {detail}");
    }
}

#[test]
fn too_many_and_too_long_are_failures() {
    let many = "package many\n\ndeny contains sprintf(\"%d\", [i]) if some i in numbers.range(1, 501)\n";
    assert_eq!(fails(many).0, FailureKind::Limit);
    let long = "package long\n\ndeny contains concat(\"\", [\"x\" | some i in numbers.range(1, 9000)])\n";
    assert_eq!(fails(long).0, FailureKind::Limit);
}

#[test]
fn an_error_of_the_evaluator_is_a_failure() {
    let conflict = "package conflict\n\nvalue := 1\n\nvalue := 2\n\ndeny contains \"x\" if value == 1\n";
    let (kind, detail) = fails(conflict);
    assert_eq!(kind, FailureKind::Error, "{detail}");
}

#[test]
fn regexes_have_the_classes_that_regos_have() {
    for (pattern, text) in [
        ("^\\d+$", "12"),
        ("(?i)^abc$", "ABC"),
        ("^[\\w.-]+$", "a-b.c"),
        ("\\bx\\b", "a x"),
        ("^\\p{L}$", "ä"),
    ] {
        let policy = format!("package regexes\n\ndeny contains \"x\" if regex.match(`{pattern}`, \"{text}\")\n");
        let verdict = set(&[&policy]).evaluate(&review(json!({})));
        assert_eq!(
            (verdict.violations().count(), verdict.failures().len()),
            (1, 0),
            "{pattern}"
        );
    }
}

#[test]
fn walk_walks() {
    let policy = "package walks\n\ndeny contains \"x\" if {\n\tsome path, value\n\twalk(input.request.object, [path, value])\n\t\
                  value == 1\n\tpath == [\"spec\", \"a\"]\n}\n";
    let verdict = set(&[policy]).evaluate(&review(json!({})));
    assert_eq!(
        (verdict.violations().count(), verdict.failures().len()),
        (1, 0),
        "{verdict:?}"
    );
}

#[test]
fn a_builtin_that_fails_is_undefined_as_in_opa() {
    let found = |expression: &str| {
        let policy = format!("package failing\n\ndeny contains \"x\" if {{ {expression} }}\n");
        let verdict = set(&[&policy]).evaluate(&review(json!({"object": {"metadata": {"name": "hunter2"}}})));
        assert_eq!(verdict.failures(), [], "{expression}");
        verdict.violations().count()
    };
    assert_eq!(found("count(input.request.object.metadata.name.x) >= 0"), 0);
    assert_eq!(found("count(1) >= 0"), 0);
    assert_eq!(found("regex.match(\"(\", \"x\")"), 0);
    // What Go words all the same is worded.
    assert_eq!(
        found("sprintf(\"%d\", [input.request.object.metadata.name]) == \"%!d(string=hunter2)\""),
        1
    );
    assert_eq!(found("sprintf(\"%s %s\", [\"a\"]) == \"a %!s(MISSING)\""), 1);
    assert_eq!(found("some x in input.request.object.metadata.name; x"), 0);
}

#[test]
fn of_a_key_that_is_written_twice_the_last_one_counts() {
    for object in [
        "{\"msg\": input.request.none, \"msg\": \"no\"}",
        "{k: input.request.none, k: \"no\"}",
        "{[k][0]: input.request.none, [k][0]: \"no\"}",
        "{lower(k): input.request.none, lower(k): \"no\"}",
    ] {
        let policy = format!("package twice\n\ndeny contains {object} if some k in [\"msg\"]\n");
        let verdict = set(&[&policy]).evaluate(&review(json!({})));
        let messages: Vec<&str> = verdict
            .violations()
            .map(|violation| violation.message.as_str())
            .collect();
        assert_eq!(messages, ["no"], "{object}");
    }
}

#[test]
fn what_takes_a_functions_place_calls_the_function_itself_and_nobody_else_does() {
    let policy = "package mocked\n\nf(x) := \"own\" if x\n\nk(x) := f(x)\n\nmock(x) := concat(\"-\", [\"mock\", k(x)])\n\n\
        found := x if x := [f(true), k(true)] with f as mock\n\ndeny contains concat(\" \", found)\n";
    let verdict = set(&[policy]).evaluate(&review(json!({})));
    let messages: Vec<&str> = verdict
        .violations()
        .map(|violation| violation.message.as_str())
        .collect();
    assert_eq!(messages, ["mock-own mock-own"]);
}

#[test]
fn policies_on_objects_keep_nobody_from_deleting_them() {
    let policy = "package main\n\ndeny contains \"no root\" if not input.spec.securityContext.runAsNonRoot\n";
    let denies = |changes| set(&[policy]).evaluate(&review(changes)).decision() == Decision::Deny;
    assert!(denies(json!({"object": {"spec": {}}})));
    assert!(!denies(
        json!({"operation": "DELETE", "object": null, "oldObject": {"spec": {}}})
    ));
    assert!(!denies(json!({"object": {"spec": {}}, "subResource": "status"})));
}

/// Rules that each go through the members of the next one: two bodies in each other a rule.
fn row(length: usize) -> String {
    let mut text = "package row\n\ndeny contains \"end\" if \"end\" in r0\n".to_owned();
    for number in 0..length {
        text += &format!("\nr{number} contains x if some x in r{}\n", number + 1);
    }
    text + &format!("\nr{length} contains \"end\"\n")
}

#[test]
fn rules_are_in_each_other_only_so_deep() {
    let verdict = set(&[&row(120)]).evaluate(&review(json!({})));
    assert_eq!((verdict.violations().count(), verdict.failures().len()), (1, 0));
    // Deep enough to need more stack than there is, were it not stopped.
    let verdict = set(&[&row(5_000)]).evaluate(&review(json!({})));
    let (kind, detail) = failure(&verdict);
    assert_eq!((kind, detail), (FailureKind::Limit, Halt::TOO_DEEP.to_owned()));
}

#[test]
fn a_conflict_is_a_failure_and_shows_no_value() {
    let policy = "package secret\n\ndeny contains \"x\" if names\n\nnames := n if some n in [input.request.object.metadata.name, 1]\n";
    let verdict = set(&[policy]).evaluate(&review(json!({"object": {"metadata": {"name": "hunter2"}}})));
    let (kind, detail) = failure(&verdict);
    assert_eq!(kind, FailureKind::Error);
    assert_eq!(detail, "complete rules must not produce multiple outputs");
}

#[test]
fn one_failing_policy_hides_no_other() {
    let verdict = set(&[DENY_ALL, "package other\n\ndeny := 1\n"]).evaluate(&review(json!({})));
    assert_eq!((verdict.violations().count(), verdict.failures().len()), (1, 1));
}

#[test]
fn a_failure_is_tolerated_only_where_the_set_says_so() {
    let broken = "package broken\n\ndeny := 1\n";
    let decision = |settings| {
        let verdict = set_with(settings, &[broken], json!({})).evaluate(&review(json!({})));
        (
            verdict.decision(),
            decide_warnings(&set_with(settings, &[broken], json!({}))),
        )
    };
    assert_eq!(decision("{}").0, Decision::Deny);
    let (allowed, warnings) = decision("failureMode: allow\n");
    assert_eq!(allowed, Decision::Allow);
    assert!(
        warnings[0].starts_with("[broken] could not be evaluated and was let through"),
        "{warnings:?}"
    );
    assert_eq!(
        decision("policies: {broken: {failureMode: allow}}\n").0,
        Decision::Allow
    );
    assert_eq!(
        decision("failureMode: allow\npolicies: {broken: {failureMode: deny}}\n").0,
        Decision::Deny
    );
}

fn decide_warnings(set: &PolicySet) -> Vec<String> {
    decide(set, &review(json!({}))).own_answer().warnings
}

#[test]
fn what_cannot_work_is_refused_when_it_is_loaded() {
    assert!(refused(&["package a\n"]).contains("0.rego: there is no rule `deny`"));
    assert!(refused(&["package a\n\ndeny contains 1 if {"]).starts_with("0.rego:3: "));
    let unknown = refused(&["package a\n\ndeny contains \"x\" if http.send({}).body\n"]);
    assert!(
        unknown.starts_with("0.rego:3: function http.send is not available here; a policy has no network"),
        "{unknown}"
    );
    let time = refused(&["package a\n\ndeny contains \"x\" if time.now_ns() > 1\n"]);
    assert!(time.starts_with("0.rego:3: time.now_ns has no value here"), "{time}");
    let typo = policy::list(
        &compile(
            &bundle("policies: {evrything: {action: warn}}\n", &[DENY_ALL]),
            Context::default(),
        )
        .unwrap_err(),
    );
    assert_eq!(typo, "policy-set.yaml: policies.evrything: no policy has this id");
    let custom = "# METADATA\n# custom:\n#   severity: enormous\npackage a\n\ndeny contains \"x\"\n";
    assert!(refused(&[custom]).contains("0.rego:1: METADATA: custom.severity: unknown variant `enormous`"));
    // All reasons at once.
    assert_eq!(refused(&["package a\n", "package b\n"]).lines().count(), 2);
}
