//! What a policy concerns, and what it sees.

use engine::explain::wire::Decision;
use serde_json::Value;
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{DENY_ALL, review, set, set_with};

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
