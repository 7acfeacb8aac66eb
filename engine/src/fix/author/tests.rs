use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::admission::Review;
use crate::context::Context;
use crate::eval::PolicySet;
use crate::fix::{Class, Effort, Remedies, Remedy, Source, remedies};
use crate::policy::bundle::Bundle;
use crate::policy::compile::compile;

/// A policy with these words in METADATA; `body` is what it denies.
fn set(fix: &Json, body: &str) -> PolicySet {
    let custom = json!({"fix": fix, "parameters": {"registries": ["r.example"], "classes": ["fast"]}});
    let text = format!("# METADATA\n# custom: {custom}\npackage shop\n\n{body}\n");
    let bundle = Bundle::from_parts(None, vec![("shop.rego".to_owned(), text)]).unwrap();
    compile(&bundle, Context::default()).unwrap_or_else(|problems| panic!("{}", crate::policy::list(&problems)))
}

fn review(object: &Json) -> Review {
    let (group, version) = object["apiVersion"]
        .as_str()
        .unwrap()
        .split_once('/')
        .unwrap_or(("", "v1"));
    let request = json!({
        "uid": "u", "kind": {"group": group, "version": version, "kind": object["kind"]}, "operation": "CREATE",
        "namespace": "shop", "name": "web", "userInfo": {"username": "jane"}, "object": object, "oldObject": null,
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    Review::parse(review.to_string().as_bytes()).unwrap()
}

/// A kind that nobody knows the fields of.
fn thing(spec: impl Into<Json>) -> Json {
    let spec = spec.into();
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn tried(fix: &Json, body: &str, object: &Json, authors: bool) -> Remedies {
    let (set, review) = (set(fix, body), review(object));
    let verdict = set.evaluate(&review);
    assert!(verdict.failures().is_empty(), "{:?}", verdict.failures());
    let effort = Effort {
        warnings: true,
        authors,
    };
    remedies(&set, &review, &verdict, effort)
}

/// The author's change.
#[track_caller]
fn change(fix: &Json, body: &str, object: &Json) -> Json {
    let remedies = tried(fix, body, object, true);
    let fix = remedies.whole.unwrap_or_else(|| panic!("{:?}", remedies.policies));
    assert_eq!(fix.source(), Source::Author, "{:?}", fix.patch());
    serde_json::to_value(fix.patch()).unwrap()
}

const OPEN: &str = r#"deny contains {"msg": "The port is open.", "path": "/spec/type"} if {
	some port in input.request.object.spec.ports
	port.node
}"#;

const IMAGES: &str = r#"deny contains {"msg": "Another registry.", "path": sprintf("/spec/images/%v", [i])} if {
	some i
	image := input.request.object.spec.images[i]
	not startswith(image, "r.example/")
}"#;

#[test]
fn a_target_is_elsewhere_or_in_the_same_element() {
    let object = thing(json!({"type": "Open", "ports": [{"node": 1}, {"inner": 2}, {"node": 3}]}));
    let fix = json!({"target": "/spec/ports/*/node", "action": "remove"});
    assert_eq!(
        change(&fix, OPEN, &object),
        json!([{"op": "remove", "path": "/spec/ports/2/node"}, {"op": "remove", "path": "/spec/ports/0/node"}])
    );
    let body = r#"deny contains {"msg": "No name.", "path": sprintf("/spec/ports/%v", [i])} if {
	some i, port in input.request.object.spec.ports
	not port.name
}"#;
    let object = thing(json!({"ports": [{"name": "a"}, {}]}));
    for target in ["{path}/name", "/spec/ports/*/name"] {
        let fix = json!({"target": target, "action": "set", "value": "{name}"});
        assert_eq!(
            change(&fix, body, &object),
            json!([{"op": "add", "path": "/spec/ports/1/name", "value": "web"}])
        );
    }
}

#[test]
fn templates_see_the_old_value_and_the_parameters() {
    let fix = json!([
        {"action": "set", "value": "{parameters.registries[0]}/{old.path}:{old.tag}", "placeholder": "where it was pushed to"},
        {"action": "set", "value": "{parameters.registries[0]}/{old.path}"},
    ]);
    let object = thing(json!({"images": ["r.example/ok", "other.example/shop/web:1", "nginx"]}));
    let remedies = tried(&fix, IMAGES, &object, true);
    let fix = remedies.whole.unwrap();
    assert_eq!(
        fix.after()["spec"]["images"],
        json!(["r.example/ok", "r.example/shop/web:1", "r.example/nginx"])
    );
    assert_eq!((fix.class(), fix.placeholders().len()), (Class::Placeholder, 1));
    assert_eq!(fix.placeholders()[0].path, "/spec/images/1");
    assert_eq!(fix.placeholders()[0].meaning, "where it was pushed to");
}

#[test]
fn elements_and_keys_are_added() {
    let body = r#"deny contains {"msg": "No toleration.", "path": "/spec/tolerations"} if {
	not has_it
}

has_it if input.request.object.spec.tolerations[_].key == "gpu"
"#;
    let fix = json!({"action": "add", "value": {"key": "gpu"}});
    let to_list = |spec: Json| change(&fix, body, &thing(spec));
    assert_eq!(
        to_list(json!({"tolerations": [{"key": "a"}]})),
        json!([{"op": "add", "path": "/spec/tolerations/-", "value": {"key": "gpu"}}])
    );
    let end = json!({"target": "{path}/-", "action": "add", "value": {"key": "gpu"}});
    assert_eq!(
        change(&end, body, &thing(json!({}))),
        json!([{"op": "add", "path": "/spec/tolerations", "value": [{"key": "gpu"}]}])
    );
    // The schema knows that it is a list.
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "a", "image": "a"}]}});
    let fix = json!({"action": "add", "value": {"key": "gpu", "operator": "Exists"}});
    assert_eq!(
        change(&fix, body, &pod),
        json!([{"op": "add", "path": "/spec/tolerations", "value": [{"key": "gpu", "operator": "Exists"}]}])
    );
    let body = r#"deny contains {"msg": "No team.", "path": "/metadata/labels"} if {
	not input.request.object.metadata.labels.team
}"#;
    let mut object = thing(json!({}));
    object["metadata"]["labels"] = json!({"app": "web"});
    let fix = json!({"action": "add", "value": {"app": "other", "team": "{parameters.classes[0]}"}});
    assert_eq!(
        change(&fix, body, &object),
        json!([{"op": "add", "path": "/metadata/labels/team", "value": "fast"}]),
        "what is there stays"
    );
}

#[test]
fn the_element_that_holds_the_path_is_removed() {
    let body = r#"deny contains {"msg": "No.", "path": sprintf("/spec/volumes/%v/host/path", [i])} if {
	some i
	input.request.object.spec.volumes[i].host
}"#;
    let object = thing(json!({"volumes": [{"host": {"path": "/"}}, {"empty": {}}]}));
    let fix = json!({"action": "remove-element"});
    assert_eq!(
        change(&fix, body, &object),
        json!([{"op": "remove", "path": "/spec/volumes/0"}])
    );
}

#[test]
fn a_map_over_a_map_changes_what_differs() {
    let body = r#"deny contains {"msg": "No.", "path": "/spec/a"} if input.request.object.spec.a"#;
    let fix = json!({"target": "/spec", "action": "set", "value": {"b": "{old.a}", "c": {"d": 1, "e": 3}}});
    let object = thing(json!({"a": 1, "c": {"d": 1, "e": 2}}));
    assert_eq!(
        change(&fix, body, &object),
        json!([
            {"op": "add", "path": "/spec/b", "value": 1},
            {"op": "replace", "path": "/spec/c/e", "value": 3},
            {"op": "remove", "path": "/spec/a"},
        ])
    );
}

const CLASSES: &str = r#"deny contains {"msg": "The class is not \"fast\".", "path": "/spec/class"} if {
	input.request.object.spec.class != "fast"
	not input.request.object.spec.free == true
}"#;

#[test]
fn unfixable_is_said_and_none_is_silent() {
    let object = thing(json!({"class": "other"}));
    let remedy = |fix: Json, authors: bool| tried(&fix, CLASSES, &object, authors).policies["shop"].clone();
    let reason = json!({"unfixable": "Ask the platform team."});
    assert_eq!(
        remedy(reason.clone(), true),
        Remedy::Unfixable("Ask the platform team.".to_owned())
    );
    assert_eq!(remedy(json!({"action": "none"}), true), Remedy::Unknown);
    assert!(
        matches!(remedy(reason, false), Remedy::Fix(_)),
        "without its author's words it is searched"
    );
    assert!(matches!(remedy(json!({"action": "none"}), false), Remedy::Fix(_)));
    let elsewhere = json!({"target": "/spec/other", "unfixable": "Ask."});
    assert!(
        matches!(remedy(elsewhere, true), Remedy::Fix(_)),
        "it is not about this place"
    );
}

#[test]
fn the_search_heeds_what_is_preferred_and_avoided() {
    let object = thing(json!({"class": "other"}));
    let patch = |fix: Json, authors: bool| {
        let fix = tried(&fix, CLASSES, &object, authors).whole.unwrap();
        assert_eq!(fix.source(), Source::Search);
        serde_json::to_value(fix.patch()).unwrap()
    };
    let class = json!([{"op": "replace", "path": "/spec/class", "value": "fast"}]);
    let free = json!([{"op": "add", "path": "/spec/free", "value": true}]);
    assert_eq!(patch(json!({"avoid": ["{path}"]}), true), free);
    assert_eq!(patch(json!({"avoid": ["/spec/free"]}), true), class);
    assert_eq!(patch(json!({"prefer": ["/spec/free"]}), true), free);
    assert_eq!(patch(json!({"prefer": ["{path}"]}), true), class);
    let alone = patch(Json::Null, false);
    for avoided in ["{path}", "/spec/free"] {
        assert_eq!(
            patch(json!({"avoid": [avoided]}), false),
            alone,
            "it is a word of the author, too"
        );
    }
    let everywhere = tried(&json!({"avoid": ["/spec"]}), CLASSES, &object, true);
    assert!(everywhere.whole.is_none());
}

#[test]
fn another_version_is_set_only_where_it_is_allowed() {
    let body = r#"deny contains {"msg": "Use \"example.com/v2\".", "path": "/apiVersion"} if {
	input.request.object.apiVersion != "example.com/v2"
}"#;
    let object = thing(json!({}));
    let set = json!([{"op": "replace", "path": "/apiVersion", "value": "example.com/v2"}]);
    let fix = json!({"action": "set", "value": "example.com/v2", "allowIdentity": true});
    assert_eq!(change(&fix, body, &object), set);
    let searched = |fix: Json| tried(&fix, body, &object, true).whole;
    let found = searched(json!({"allowIdentity": true})).unwrap();
    assert_eq!(serde_json::to_value(found.patch()).unwrap(), set);
    assert!(searched(json!({"allowIdentity": false})).is_none());
    let kind = r#"deny contains {"msg": "No.", "path": "/kind"} if input.request.object.kind != "Other""#;
    let fix = json!({"action": "set", "value": "Other", "allowIdentity": true});
    assert!(tried(&fix, kind, &object, true).whole.is_none(), "the kind stays");
    let name = r#"deny contains {"msg": "No.", "path": "/metadata/name"} if input.request.object.metadata.name != "b""#;
    assert!(
        tried(&json!({"action": "set", "value": "b"}), name, &object, true)
            .whole
            .is_none()
    );
}

#[test]
fn a_violations_own_fix_wins_and_is_a_word_of_the_author_too() {
    let body = r#"deny contains {
	"msg": "The class is not allowed.",
	"path": "/spec/class",
	"fix": {"action": "set", "value": "{parameters.classes[0]}-{old}", "placeholder": "which"},
} if {
	not startswith(input.request.object.spec.class, "fast")
}"#;
    let object = thing(json!({"class": "other"}));
    let metadata = json!({"unfixable": "Never said."});
    assert_eq!(
        change(&metadata, body, &object),
        json!([{"op": "replace", "path": "/spec/class", "value": "fast-other"}])
    );
    let alone = tried(&metadata, body, &object, false);
    let patch = alone.whole.map(|fix| serde_json::to_value(fix.patch()).unwrap());
    assert_ne!(
        patch,
        Some(json!([{"op": "replace", "path": "/spec/class", "value": "fast-other"}]))
    );
    assert!(!matches!(&alone.policies["shop"], Remedy::Unfixable(reason) if reason == "Never said."));
}

#[test]
fn the_first_that_is_for_the_place_is_taken() {
    let body = r#"deny contains {"msg": "No image.", "path": path} if {
	some list in ["containers", "volumes"]
	some i
	input.request.object.spec[list][i].image == "bad"
	path := sprintf("/spec/%s/%v/image", [list, i])
}"#;
    let fix = json!([
        {"target": "/spec/containers/*/image", "action": "set", "value": "good"},
        {"target": "/spec/volumes/*/image", "action": "remove-element"},
        {"unfixable": "Never said."},
    ]);
    let object = thing(json!({"containers": [{"image": "ok"}, {"image": "bad"}], "volumes": [{"image": "bad"}, {}]}));
    assert_eq!(
        change(&fix, body, &object),
        json!([
            {"op": "replace", "path": "/spec/containers/1/image", "value": "good"},
            {"op": "remove", "path": "/spec/volumes/0"},
        ])
    );
}

#[test]
fn targets_are_where_the_policy_sees_them() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"hostNetwork": true, "containers": [{"name": "a", "image": "a"}]}}}});
    let text = r#"# METADATA
# custom:
#   fix: {target: /spec/hostNetwork, action: remove}
#   match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
package shop

deny contains {"msg": "No.", "path": "/spec"} if input.request.object.spec.hostNetwork == true
"#;
    let bundle = Bundle::from_parts(None, vec![("shop.rego".to_owned(), text.to_owned())]).unwrap();
    let set = compile(&bundle, Context::default()).unwrap();
    let review = review(&deployment);
    let fix = remedies(&set, &review, &set.evaluate(&review), Effort::ALL)
        .whole
        .unwrap();
    assert_eq!(fix.source(), Source::Author);
    assert_eq!(
        serde_json::to_value(fix.patch()).unwrap(),
        json!([{"op": "remove", "path": "/spec/template/spec/hostNetwork"}])
    );
}

#[test]
fn what_does_not_hold_is_not_shown() {
    let object = thing(json!({"class": "other"}));
    let fix = json!({"action": "set", "value": "slower", "avoid": ["/spec/free"]});
    let found = tried(&fix, CLASSES, &object, true).whole.unwrap();
    assert_eq!(found.source(), Source::Search);
    assert_eq!(found.after()["spec"]["class"], json!("fast"));
}
