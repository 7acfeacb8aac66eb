use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::context::Context;
use crate::fix::Class;
use crate::policy::bundle::Bundle;
use crate::policy::compile::compile;

const PRIVILEGED: &str = r#"deny contains {"msg": sprintf("Container %q runs privileged.", [c.name]), "path": path} if {
	some i
	c := input.request.object.spec.containers[i]
	c.securityContext.privileged
	path := sprintf("/spec/containers/%d/securityContext/privileged", [i])
	not input.request.object.metadata.labels["policy-exempt"]
}
"#;

const OWNED: &str = r#"deny contains {"msg": "A label owner is missing.", "path": "/metadata/labels/owner"} if {
	not input.request.object.metadata.labels.owner
}
"#;

fn tried(body: &str, object: &Json, patch: &Json) -> Result<Fix, Unproven> {
    let text = format!("# METADATA\n# custom:\n#   action: deny\npackage shop\n\n{body}\n");
    let bundle = Bundle::from_parts(None, [("shop.rego".to_owned(), text)].into()).unwrap();
    let set = compile(&bundle, Context::default()).unwrap();
    let request = json!({
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
        "name": "web", "userInfo": {"username": "jane"}, "object": object,
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let review = Review::parse(review.to_string().as_bytes()).unwrap();
    let verdict = set.evaluate(&review);
    verify(&set, &review, &verdict, &serde_json::from_value(patch.clone()).unwrap())
}

fn pod() -> Json {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [
            {"name": "app", "image": "a.example/web:1", "securityContext": {"privileged": true}},
            {"name": "log", "image": "a.example/log:1"},
        ]},
    })
}

#[test]
fn a_change_that_holds_is_a_fix_of_a_model() {
    let patch = json!([{"op": "replace", "path": "/spec/containers/0/securityContext/privileged", "value": false}]);
    let fix = tried(PRIVILEGED, &pod(), &patch).unwrap();
    assert_eq!(
        (fix.source(), fix.class(), fix.complete()),
        (Source::Model, Class::Fix, true)
    );
    assert_eq!(serde_json::to_value(fix.patch()).unwrap(), patch);
    // The same as a whole new list.
    let mut containers = pod()["spec"]["containers"].clone();
    containers[0]["securityContext"]["privileged"] = json!(false);
    let whole = tried(
        PRIVILEGED,
        &pod(),
        &json!([{"op": "replace", "path": "/spec/containers", "value": containers}]),
    );
    assert_eq!(whole.unwrap().patch(), fix.patch());
}

#[test]
fn what_passes_and_is_not_meant_is_no_fix() {
    let one = |op: &str, path: &str, value: Json| json!([{"op": op, "path": path, "value": value}]);
    let cases = [
        ("dodge", json!([{"op": "remove", "path": "/spec/containers/0"}])),
        ("dodge", one("replace", "/spec/containers", json!([]))),
        (
            "dodge",
            one(
                "replace",
                "/spec/containers",
                json!([{"name": "log", "image": "a.example/log:1"}]),
            ),
        ),
        (
            "dodge",
            one(
                "replace",
                "/spec/containers/0",
                json!({"name": "other", "image": "b.example/x:1"}),
            ),
        ),
        (
            "dodge",
            one("replace", "/spec/containers/0/securityContext", Json::Null),
        ),
        (
            "dodge",
            one("add", "/metadata/labels", json!({"policy-exempt": "true"})),
        ),
        ("identity", one("replace", "/kind", json!("ConfigMap"))),
        ("identity", one("replace", "/metadata/name", json!("other"))),
        (
            "still-denied",
            one("add", "/spec/containers/0/securityContext/runAsUser", json!(1000)),
        ),
        (
            "invalid",
            one("replace", "/spec/containers/0/securityContext/privileged", json!("no")),
        ),
        ("inapplicable", one("replace", "/spec/containers/7/image", json!("x"))),
        (
            "inapplicable",
            json!([{"op": "copy", "from": "/spec", "path": "/metadata/annotations"}]),
        ),
        ("nothing", one("replace", "/spec/containers/0/name", json!("app"))),
        ("nothing", json!([])),
    ];
    for (reason, patch) in cases {
        let refused = tried(PRIVILEGED, &pod(), &patch).map(|fix| fix.patch().clone());
        assert_eq!(
            refused.as_ref().map_err(Unproven::reason),
            Err(reason),
            "{patch}: {refused:?}"
        );
    }
}

#[test]
fn a_value_that_nobody_named_is_to_be_filled_in_and_more_access_is_said() {
    let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"owner": "team-of-a-model"}}]);
    let fix = tried(OWNED, &pod(), &patch).unwrap();
    assert_eq!(fix.class(), Class::Placeholder);
    assert_eq!(fix.placeholders()[0].path, "/metadata/labels/owner");
    // What nobody asked for is left out.
    let patch = json!([
        {"op": "add", "path": "/metadata/labels", "value": {"owner": "web"}},
        {"op": "add", "path": "/spec/hostNetwork", "value": true},
    ]);
    let fix = tried(OWNED, &pod(), &patch).unwrap();
    assert!(
        !fix.widens() && fix.patch().0.len() == 1 && fix.class() == Class::Placeholder,
        "{fix:?}"
    );
    let odd = "deny contains \"The network of the host is used here.\" if not input.request.object.spec.hostNetwork";
    let fix = tried(
        odd,
        &pod(),
        &json!([{"op": "add", "path": "/spec/hostNetwork", "value": true}]),
    )
    .unwrap();
    assert!(fix.widens(), "{fix:?}");
}

/// Denies what none of the exemptions lets pass.
fn unless(exemption: &str) -> String {
    let deny = "deny contains {\"msg\": \"The annotation tier is not one that is scheduled.\", \"path\": path} if {";
    let body = "path := \"/metadata/annotations/tier\"\n\tnot exempt\n}";
    format!("{deny}\n\t{body}\nexempt if {exemption}\n")
}

#[test]
fn taking_what_a_policy_lets_pass_is_no_fix() {
    let spec = "input.request.object.spec";
    let exempt =
        format!("some c in {spec}.containers\n\tstartswith(c.image, \"exempt.example/\")\n\tc.name == \"app\"");
    let set = |path: &str, value: Json| json!([{"op": "add", "path": path, "value": value}]);
    let cases = [
        // Also one that another container has.
        (
            format!("{{\n\t{exempt}\n}}"),
            set("/spec/containers/0/image", json!("exempt.example/log:1")),
        ),
        (
            format!("{spec}.serviceAccountName == \"builder\""),
            set("/spec/serviceAccountName", json!("builder")),
        ),
        (
            format!("{spec}.schedulerName == \"other\""),
            set("/spec/schedulerName", json!("other")),
        ),
        (
            format!("{spec}.restartPolicy == \"Never\""),
            set("/spec/restartPolicy", json!("Never")),
        ),
        (
            format!("{spec}.nodeSelector.pool == \"log\""),
            set("/spec/nodeSelector", json!({"pool": "log"})),
        ),
        // Part of a word that the policy says.
        (
            "input.request.object.metadata.labels.sched".to_owned(),
            set("/metadata/labels", json!({"sched": "yes"})),
        ),
        // Below what the policy names, and not that.
        (
            "input.request.object.metadata.annotations[\"tier-2\"]".to_owned(),
            set("/metadata/annotations", json!({"tier-2": "yes"})),
        ),
    ];
    let mut object = pod();
    object["spec"]["containers"][1]["image"] = json!("exempt.example/log:1");
    for (exemption, patch) in cases {
        let refused = tried(&unless(&exemption), &object, &patch).map(|fix| fix.patch().clone());
        assert_eq!(
            refused.as_ref().map_err(Unproven::reason),
            Err("dodge"),
            "{patch}: {refused:?}"
        );
    }
}

#[test]
fn a_label_that_another_policy_names_is_not_asked_for() {
    let body = format!(
        "{}{}",
        unless("input.request.object.metadata.labels.skip"),
        r#"warn contains {"msg": "The label skip is not known.", "path": "/metadata/labels/skip"}
"#
    );
    let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"skip": "yes"}}]);
    let refused = tried(&body, &pod(), &patch);
    assert_eq!(refused.map_err(|error| error.reason()).err(), Some("dodge"));
}

#[test]
fn an_image_keeps_its_repository_and_a_named_field_may_be_set() {
    let pinned = r#"deny contains {"msg": "The image has no digest.", "path": "/spec/containers/0/image"} if {
	not contains(input.request.object.spec.containers[0].image, "@")
}
"#;
    let image = |image: String| json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}]);
    let digest = format!("@sha256:{}", "a".repeat(64));
    let fix = tried(pinned, &pod(), &image(format!("a.example/web:1{digest}"))).unwrap();
    assert_eq!(fix.class(), Class::Placeholder, "the digest is a guess: {fix:?}");
    let refused = tried(pinned, &pod(), &image(format!("b.example/web:1{digest}")));
    assert_eq!(refused.map_err(|error| error.reason()).err(), Some("dodge"));

    let named = r#"deny contains "Set spec.restartPolicy to Never." if input.request.object.spec.restartPolicy != "Never"
"#;
    let mut object = pod();
    object["spec"]["restartPolicy"] = json!("Always");
    let patch = json!([{"op": "replace", "path": "/spec/restartPolicy", "value": "Never"}]);
    assert_eq!(tried(named, &object, &patch).unwrap().class(), Class::Fix);
}

#[test]
fn a_text_in_a_list_or_in_another_field_is_a_guess_too() {
    let groups = "deny contains {\"msg\": \"No finalizer is set.\", \"path\": \"/metadata/finalizers\"} if {\n\t\
                  not input.request.object.metadata.finalizers\n}";
    let patch = json!([{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/a"]}]);
    let fix = tried(groups, &pod(), &patch).unwrap();
    assert_eq!(fix.class(), Class::Placeholder, "{fix:?}");
    // Part of a word that the policy says.
    let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"owner": "mis"}}]);
    assert_eq!(tried(OWNED, &pod(), &patch).unwrap().class(), Class::Placeholder);
}
