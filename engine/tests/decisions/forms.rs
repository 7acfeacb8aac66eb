//! In which form a policy is asked, and what is said about it from elsewhere.

use engine::explain::wire::Decision;
use engine::policy::format::Form;
use engine::verdict::FailureKind;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{failure, refused, review, set};

fn form(policies: &[&str]) -> Form {
    set(policies).policies()[0].form
}

fn denied_by(policies: &[&str], changes: Value) -> Vec<String> {
    let verdict = set(policies).evaluate(&review(changes));
    assert!(verdict.failures().is_empty(), "{verdict:?}");
    let found: Vec<_> = verdict.violations().collect();
    found.iter().map(|found| found.message.clone()).collect()
}

#[test]
fn a_policy_that_leaves_the_object_to_a_library_is_shown_the_object() {
    let library = "package kubernetes\n\nis_pod if input.kind == \"Pod\"\n";
    for package in ["main", "checks"] {
        let policy =
            format!("package {package}\n\nimport data.kubernetes\n\ndeny contains \"no\" if kubernetes.is_pod\n");
        assert_eq!(form(&[&policy, library]), Form::Object);
        assert_eq!(denied_by(&[&policy, library], json!({})), ["no"]);
    }
    let of_requests = "package kubernetes\n\nis_pod if input.request.kind.kind == \"Pod\"\n";
    let policy = "package main\n\ndeny contains \"no\" if data.kubernetes.is_pod\n";
    assert_eq!(form(&[policy, of_requests]), Form::Admission);
    assert_eq!(denied_by(&[policy, of_requests], json!({})), ["no"]);
}

#[test]
fn a_policy_for_conftest_may_have_custom_metadata() {
    let policy = "# METADATA\n# title: No Pods\n# custom: {id: POD-1}\npackage main\n\ndeny contains \"no\" if input.kind == \"Pod\"\n";
    assert_eq!(form(&[policy]), Form::Object);
    assert_eq!(denied_by(&[policy], json!({})), ["no"]);
    assert_eq!(set(&[policy]).policies()[0].meta.title, "No Pods");
}

const EXCEPTED: &str = r#"package main

deny contains "plain" if input.kind == "Pod"

deny_root contains "root" if input.kind == "Pod"

warn_root contains "warned" if input.kind == "Pod"

violation_tag contains {"msg": "tag"} if input.kind == "Pod"

exception contains rules if {
	rules := input.metadata.exempt
}
"#;

#[test]
fn a_policy_for_conftest_takes_its_own_rules_back() {
    let found = |exempt: Value| {
        let mut found = denied_by(&[EXCEPTED], json!({"object": {"metadata": {"exempt": exempt}}}));
        found.sort();
        found.join(" ")
    };
    assert_eq!(found(Value::Null), "plain root tag warned");
    assert_eq!(found(json!(["root"])), "plain tag");
    assert_eq!(found(json!(["", "tag"])), "root warned");
    assert_eq!(found(json!(["deny", "deny_root"])), "plain root tag warned");
    let wrong = set(&[EXCEPTED]).evaluate(&review(json!({"object": {"metadata": {"exempt": "root"}}})));
    assert_eq!(wrong.decision(), Decision::Deny);
    assert_eq!(failure(&wrong).0, FailureKind::Shape);
}

#[test]
fn other_policies_may_have_a_rule_of_that_name() {
    let policy = "package a\n\ndeny contains \"no\" if input.request.object\n\nexception contains [\"\"]\n";
    assert_eq!(denied_by(&[policy], json!({})), ["no"]);
}

#[test]
fn a_webhook_in_rego_decides_of_what_it_asks_and_of_nothing_else() {
    let webhook = "package system\n\nmain := {\"response\": {\"allowed\": count(data.asked.deny) == 0}}\n";
    let asked = "package asked\n\ndeny contains \"asked\" if data.lib.kind(input.request.object) == \"Secret\"\n";
    let other = "package main\n\ndeny contains \"other\" if data.lib.kind(input) == \"Pod\"\n";
    let library = "package lib\n\nkind(object) := object.kind\n";
    let set = set(&[webhook, asked, other, library]);
    let ids: Vec<&str> = set.policies().iter().map(|policy| policy.meta.id.as_str()).collect();
    assert_eq!(ids, ["main", "system"]);
    assert_eq!(denied_by(&[webhook, asked, other, library], json!({})), ["other"]);
}

const ABOVE: &str = "# METADATA\n# scope: subpackages\n# title: Shop\n# description: Of the shop.\n# custom:\n#   severity: high\n\
    #   action: warn\n#   match: {kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}\npackage shop\n";

#[test]
fn what_is_said_of_subpackages_holds_for_them() {
    let own = "# METADATA\n# title: Own\n# custom: {action: deny}\npackage shop.own\n\n\
               deny contains \"own\" if input.request.object\n";
    let plain = "package shop.a.b\n\ndeny contains msg if msg := rego.metadata.chain()[1].annotations.title\n";
    let other = "package shopping\n\ndeny contains \"other\" if input.request.object\n";
    let set = set(&[ABOVE, own, plain, other]);
    let said: Vec<(&str, &str, &str, String)> = set
        .policies()
        .iter()
        .map(|policy| {
            let meta = &policy.meta;
            let action = format!("{:?} {:?}", meta.custom.severity, meta.custom.action);
            (meta.id.as_str(), meta.title.as_str(), meta.why.as_str(), action)
        })
        .collect();
    assert_eq!(
        said,
        [
            ("shop/a/b", "Shop", "Of the shop.", "High Warn".to_owned()),
            ("shop/own", "Own", "Of the shop.", "High Deny".to_owned()),
            ("shopping", "", "", "Medium Deny".to_owned()),
        ]
    );
    let messages = |changes| {
        let verdict = set.evaluate(&review(changes));
        let mut messages: Vec<String> = verdict.violations().map(|found| found.message.clone()).collect();
        messages.sort();
        messages.join(" ")
    };
    assert_eq!(messages(json!({})), "Shop other own");
    assert_eq!(messages(json!({"kind": {"kind": "Secret"}})), "other");
}

#[test]
fn what_is_wrong_above_is_said_where_it_stands() {
    let wrong = ABOVE.replace("high", "enormous");
    let policy = "package shop.a\n\ndeny contains \"x\" if input.request.object\n";
    let found = refused(&[policy, &wrong]);
    assert!(
        found.starts_with("1.rego:1: METADATA: custom.severity: unknown variant"),
        "{found}"
    );
    // Nothing is said of packages below: a file that decides nothing.
    let idle = refused(&["package shop\n", policy]);
    assert!(idle.starts_with("0.rego: there is no rule `deny`"), "{idle}");
}

#[test]
fn a_document_that_nobody_gives_says_where_else_it_is() {
    let policy = |path: &str| format!("package a\n\ndeny contains \"x\" if {path}[input.request.namespace]\n");
    let found = refused(&[&policy("data.kubernetes.namespaces")]);
    assert!(found.contains("data.context.namespaces[name]"), "{found}");
    let found = refused(&[&policy("data.shop.owners")]);
    assert!(found.contains("data.yaml"), "{found}");
}
