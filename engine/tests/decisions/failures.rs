//! What is decided, natively and in wasm: matching, failures, limits, answers.

#![cfg(test)]

use engine::admission::{Review, salvage_uid};
use engine::answer::{self, decide};
use engine::context::Context;
use engine::eval::PolicySet;
use engine::explain::wire::Decision;
use engine::policy::bundle::Bundle;
use engine::policy::{self, compile::compile};
use engine::verdict::{FailureKind, Verdict};
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn bundle(settings: &str, policies: &[&str]) -> Bundle {
    let files = policies
        .iter()
        .enumerate()
        .map(|(index, text)| (format!("{index}.rego"), (*text).to_owned()))
        .collect();
    Bundle::from_parts(Some(settings), files).unwrap()
}

fn set_with(settings: &str, policies: &[&str], context: Value) -> PolicySet {
    let context: Context = serde_json::from_value(context).unwrap();
    compile(&bundle(settings, policies), context).unwrap_or_else(|problems| panic!("{}", policy::list(&problems)))
}

fn set(policies: &[&str]) -> PolicySet {
    set_with("{}", policies, json!({}))
}

fn refused(policies: &[&str]) -> String {
    policy::list(&compile(&bundle("{}", policies), Context::default()).unwrap_err())
}

fn review(changes: impl Into<Value>) -> Review {
    let mut request = json!({
        "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
        "name": "web", "userInfo": {"username": "jane"}, "oldObject": null,
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"a": 1}},
    });
    json_patch::merge(&mut request, &changes.into());
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    Review::parse(review.to_string().as_bytes()).unwrap()
}

fn failure(verdict: &Verdict) -> (FailureKind, String) {
    assert_eq!(verdict.failures().len(), 1, "{verdict:?}");
    (verdict.failures()[0].kind, verdict.failures()[0].detail.clone())
}

fn fails(policy: &str) -> (FailureKind, String) {
    let verdict = set(&[policy]).evaluate(&review(json!({})));
    assert_eq!(
        verdict.decision(),
        Decision::Deny,
        "a policy that cannot be evaluated denies"
    );
    failure(&verdict)
}

const DENY_ALL: &str = "package everything\n\ndeny contains \"no\"\n";

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
    assert_eq!(
        (kind, detail),
        (
            FailureKind::Limit,
            "its rules and loops are in each other too deep".to_owned()
        )
    );
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
    assert_eq!(unknown, "0.rego:3: function http.send is not available here");
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

fn matched(criteria: &str, context: Value, changes: Value) -> bool {
    let policy = format!("# METADATA\n# custom:\n#   match: {criteria}\npackage everything\n\ndeny contains \"no\"\n");
    let settings = "excludedNamespaces: [kube-system]\n";
    set_with(settings, &[&policy], context)
        .evaluate(&review(changes))
        .decision()
        == Decision::Deny
}

#[test]
fn match_decides_what_a_policy_concerns() {
    let deployment = json!({"kind": {"group": "apps", "kind": "Deployment"}});
    for (criteria, changes, expected) in [
        ("{}", json!({}), true),
        (
            "{}",
            json!({"operation": "DELETE", "object": null, "oldObject": {}}),
            false,
        ),
        (
            "{operations: [DELETE]}",
            json!({"operation": "DELETE", "object": null, "oldObject": {}}),
            true,
        ),
        ("{operations: [DELETE]}", json!({}), false),
        ("{kinds: [{apiGroups: [''], kinds: [Service]}]}", json!({}), false),
        ("{kinds: [{apiGroups: ['*'], kinds: ['*']}]}", json!({}), true),
        ("{kinds: [{kinds: [Pod]}]}", json!({"subResource": "status"}), false),
        (
            "{kinds: [{kinds: [Pod]}]}",
            json!({"subResource": "ephemeralcontainers"}),
            true,
        ),
        ("{kinds: [{kinds: [Pod]}]}", json!({"subResource": "resize"}), true),
        (
            "{subresources: [exec], operations: [CONNECT]}",
            json!({"operation": "CONNECT", "subResource": "exec"}),
            true,
        ),
        (
            "{subresources: [exec], operations: [CONNECT]}",
            json!({"operation": "CONNECT", "subResource": "attach"}),
            false,
        ),
        ("{subresources: ['*']}", json!({"subResource": "scale"}), true),
        (
            "{kinds: [{kinds: [PodExecOptions]}], operations: [CONNECT]}",
            json!({"operation": "CONNECT", "subResource": "exec", "kind": {"kind": "PodExecOptions"}}),
            true,
        ),
        (
            "{kinds: [{kinds: [Scale]}]}",
            json!({"subResource": "scale", "kind": {"kind": "Scale"}}),
            true,
        ),
        (
            "{labelSelector: {matchLabels: {a: b}}}",
            json!({"operation": "UPDATE", "oldObject": {"metadata": {"labels": {"a": "b"}}}}),
            true,
        ),
        ("{namespaces: ['sh*']}", json!({}), true),
        ("{namespaces: ['x*']}", json!({}), false),
        ("{excludedNamespaces: ['shop']}", json!({}), false),
        ("{}", json!({"namespace": "kube-system"}), false),
        ("{labelSelector: {matchLabels: {a: b}}}", json!({}), false),
        (
            "{labelSelector: {matchLabels: {a: b}}}",
            json!({"object": {"metadata": {"labels": {"a": "b"}}}}),
            true,
        ),
        (
            "{labelSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}",
            json!({}),
            true,
        ),
        (
            "{labelSelector: {matchExpressions: [{key: a, operator: Exists}]}}",
            json!({}),
            false,
        ),
        // A policy on Pods judges templates, one on everything judges the workload.
        ("{kinds: [{kinds: [Pod]}]}", deployment.clone(), true),
        (
            "{kinds: [{kinds: [Pod]}]}",
            json!({"kind": {"group": "apps", "kind": "Deployment"}, "subResource": "scale"}),
            false,
        ),
    ] {
        assert_eq!(
            matched(criteria, json!({}), changes.clone()),
            expected,
            "{criteria} {changes}"
        );
    }
}

#[test]
fn a_namespace_selector_that_cannot_be_told_applies() {
    let selector = "{namespaceSelector: {matchLabels: {env: prod}}}";
    let known = |env: &str| json!({"namespaces": {"shop": {"labels": {"env": env}}}});
    assert!(matched(selector, known("prod"), json!({})));
    assert!(!matched(selector, known("dev"), json!({})));
    assert!(
        matched(selector, json!({}), json!({})),
        "unknown namespaces are not exempt"
    );
}

#[test]
fn an_object_that_is_being_deleted_can_lose_its_finalizer() {
    let old =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "finalizers": ["x"]}, "spec": {"a": 1}});
    let update = |object: Value| {
        let review = review(json!({"operation": "UPDATE", "oldObject": old, "object": object}));
        set(&[DENY_ALL]).evaluate(&review).decision()
    };
    let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(update(leaving), Decision::Allow);
    let time = "2026-01-01T00:00:00Z";
    assert_eq!(
        update(json!({"spec": {"a": 2}, "metadata": {"deletionTimestamp": time}})),
        Decision::Deny
    );
    assert_eq!(
        update(json!({"metadata": {"deletionTimestamp": time, "labels": {"a": "b"}}})),
        Decision::Deny
    );
    assert_eq!(update(json!({"metadata": {"finalizers": null}})), Decision::Deny);
}

#[test]
fn policies_see_the_namespace_the_parameters_and_the_template() {
    let policy = "# METADATA\n# custom:\n#   parameters: {word: hello, kept: 1}\n#   match: {kinds: [{kinds: [Pod]}]}\n\
                  package seen\n\ndeny contains sprintf(\"%s %s %d %s %s\", [input.parameters.word, input.namespace.labels.team,\n\t\
                  input.parameters.kept, input.template.kind, data.context.cluster.name])\n";
    let context = json!({"namespaces": {"shop": {"labels": {"team": "checkout"}}}, "cluster": {"name": "dev"}});
    let set = set_with("policies: {seen: {parameters: {word: bye}}}\n", &[policy], context);
    let verdict = set.evaluate(&review(json!({"kind": {"group": "apps", "kind": "Deployment"}})));
    let messages: Vec<&str> = verdict
        .violations()
        .map(|violation| violation.message.as_str())
        .collect();
    assert_eq!(messages, ["bye checkout 1 Deployment dev"]);
}

#[test]
fn a_broken_review_is_answered_when_its_uid_can_be_told() {
    let truncated =
        br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"c7-1","kind":{"gro"#;
    let error = Review::parse(truncated).unwrap_err();
    assert_eq!(error.uid.as_deref(), Some("c7-1"));
    let answer: Value = serde_json::from_slice(&answer::refusal(&error).unwrap().to_bytes()).unwrap();
    assert_eq!(answer["response"]["uid"], "c7-1");
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    assert_eq!(answer::refusal(&Review::parse(b"[]").unwrap_err()), None);
    for (body, uid) in [
        (&br#"{"request":{"uid" : "a-b""#[..], Some("a-b")),
        (br#"{"request":{"uid":"a\u0022"}}"#, None),
        (br#"{"request":{"uid":"unterminated"#, None),
        (br#"{"uid":7}"#, None),
        (b"", None),
    ] {
        assert_eq!(salvage_uid(body).as_deref(), uid, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn reviews_that_are_none_say_which_field() {
    let reason = |body: Value| Review::parse(body.to_string().as_bytes()).unwrap_err().reason;
    assert!(reason(json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"})).contains("v1beta1"));
    assert!(reason(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"})).contains("no request"));
    let request = |request: Value| {
        reason(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}))
    };
    assert!(request(json!({})).contains("request.uid"));
    assert!(request(json!({"uid": "a"})).contains("request.operation"));
    assert!(request(json!({"uid": "a", "operation": "CREATE"})).contains("request.kind"));
    assert!(
        Review::parse(b"{\"uid\": \"\xff\"}")
            .unwrap_err()
            .reason
            .contains("not UTF-8")
    );
}

#[test]
fn the_answer_names_policies_and_revision() {
    let warn = "# METADATA\n# custom: {action: warn, remediation: \"Do it.\"}\npackage soft\n\ndeny contains \"hm\\n\\u001b[31mred\"\n";
    let set = set(&[DENY_ALL, warn]);
    let answer: Value = serde_json::from_slice(&decide(&set, &review(json!({}))).own_answer().to_bytes()).unwrap();
    let response = &answer["response"];
    assert_eq!(response["warnings"], json!(["[soft] hm [31mred Do it."]));
    let annotations = json!({"revision": set.revision(), "denied-by": "everything", "warned-by": "soft"});
    assert_eq!(response["auditAnnotations"], annotations);
    assert_eq!(response["status"]["reason"], "Forbidden");
}

#[test]
fn a_fix_that_breaks_another_policy_is_not_shown() {
    let fixable = |package: &str, wrong: i64, right: i64| {
        format!(
            "# METADATA\n# custom: {{fix: {{action: set, value: {right}}}}}\npackage {package}\n\n\
             deny contains {{\"msg\": \"a is wrong\", \"path\": \"/spec/a\"}} if input.request.object.spec.a == {wrong}\n"
        )
    };
    let fix = |policies: &[&str]| decide(&set(policies), &review(json!({}))).request.fix;
    let (one, other) = (fixable("one", 1, 2), fixable("other", 2, 3));
    let shown = fix(&[&one]).unwrap();
    assert_eq!(shown.patch, json!([{"op": "replace", "path": "/spec/a", "value": 2}]));
    assert!(shown.complete);
    assert_eq!(fix(&[&one, &other]), None, "after the change another policy objects");
    let partial = fix(&[&one, DENY_ALL]).unwrap();
    assert_eq!((partial.complete, partial.policies), (false, vec!["one".to_owned()]));
    let useless = fixable("useless", 1, 1);
    assert_eq!(fix(&[&useless]), None, "the change changes nothing");
}
