use serde_json::{Value as Json, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::context::Context;
use crate::fix::Class;
use crate::policy::bundle::Bundle;
use crate::policy::compile::compile;

/// Policies by their names, each with what it denies.
fn set(policies: &[(&str, &str)]) -> PolicySet {
    let file = |(name, body): &(&str, &str)| {
        let text = format!("# METADATA\n# custom:\n#   action: deny\npackage {name}\n\n{body}\n");
        (format!("{name}.rego"), text)
    };
    let bundle = Bundle::from_parts(None, policies.iter().map(file).collect()).unwrap();
    compile(&bundle, Context::default()).unwrap_or_else(|problems| panic!("{}", crate::policy::list(&problems)))
}

fn review(object: &Json, old: &Json) -> Review {
    let api = object["apiVersion"].as_str().unwrap();
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    let operation = if old.is_null() { "CREATE" } else { "UPDATE" };
    let request = json!({
        "uid": "u", "kind": {"group": group, "version": version, "kind": object["kind"]}, "operation": operation,
        "namespace": "shop", "name": "web", "userInfo": {"username": "jane", "groups": ["dev"]},
        "object": object, "oldObject": old,
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    Review::parse(review.to_string().as_bytes()).unwrap()
}

fn tried(policies: &[(&str, &str)], object: &Json, effort: Effort) -> (Verdict, Remedies) {
    let (set, review) = (set(policies), review(object, &Json::Null));
    let verdict = set.evaluate(&review);
    assert!(verdict.failures().is_empty(), "{:?}", verdict.failures());
    let remedies = remedies(&set, &review, &verdict, effort);
    (verdict, remedies)
}

/// The one change for everything.
#[track_caller]
fn whole(body: &str, object: &Json) -> Fix {
    let (_, remedies) = tried(&[("shop", body)], object, Effort::ADMISSION);
    remedies.whole.unwrap_or_else(|| panic!("{:?}", remedies.policies))
}

fn pod(spec: Json) -> Json {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}});
    pod["spec"] = json!({"containers": [{"name": "web", "image": "a.example/web:1"}]});
    if let (Some(own), Json::Object(more)) = (pod["spec"].as_object_mut(), spec) {
        own.extend(more);
    }
    pod
}

const HOST: &str = r#"deny contains {"msg": "No network of the host.", "path": "/spec/hostNetwork"} if {
	input.request.object.spec.hostNetwork
}
deny contains {"msg": "No processes of the host.", "path": "/spec/hostPID"} if input.request.object.spec.hostPID
"#;

#[test]
fn warnings_that_stay_are_no_reason_to_leave_the_denials() {
    let body = format!("{HOST}\nwarn contains \"Not by jane.\" if input.request.userInfo.username == \"jane\"");
    let object = pod(json!({"hostNetwork": true}));
    let (verdict, remedies) = tried(&[("shop", &body)], &object, Effort::ADMISSION);
    assert_eq!(verdict.violations().count(), 2);
    let fix = remedies.whole.unwrap_or_else(|| panic!("{:?}", remedies.policies));
    assert!(fix.complete() && fix.policies() == ["shop"]);
    for violation in verdict.violations() {
        assert_eq!(fix.mends(violation), violation.action == verdict::Action::Deny);
    }
}

#[test]
fn who_waits_for_a_denial_does_not_wait_for_every_change_that_could_be_tried() {
    let tried = |slowly: &str| {
        let bodies = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| {
            let body = format!(
                "deny contains \"{name}\" if {{\n\t{slowly}not input.request.object.metadata.labels.{name}\n}}"
            );
            (name, body)
        });
        let policies = bodies.each_ref().map(|(name, body)| (*name, body.as_str()));
        let (verdict, remedies) = tried(&policies, &pod(json!({})), Effort::ADMISSION);
        assert_eq!(verdict.violations().count(), 8);
        remedies
    };
    let all = tried("");
    assert!(
        all.whole.unwrap().complete() && all.evaluations > 10,
        "{}",
        all.evaluations
    );
    // Each evaluation takes about a third of what all of them may.
    let some = tried("count([x | some x in numbers.range(1, 60000); x % 7 == 3]) > 0\n\t");
    assert!((1..=5).contains(&some.evaluations), "{}", some.evaluations);
}

#[test]
fn warnings_are_mended_as_far_as_they_can_be() {
    let body = format!("{HOST}\nwarn contains \"Not by jane.\" if input.request.userInfo.username == \"jane\"");
    let object = pod(json!({"hostNetwork": true}));
    let (verdict, remedies) = tried(&[("shop", &body)], &object, Effort::ALL);
    for violation in verdict.violations() {
        let is_mended = matches!(remedies.of(violation), Some(Remedy::Fix(fix)) if fix.mends(violation));
        assert_eq!(is_mended, violation.action == verdict::Action::Deny, "{violation:?}");
    }
}

#[test]
fn what_cannot_be_mended_does_not_hide_the_change_for_the_rest() {
    let who = "deny contains \"Jane may not do this.\" if input.request.userInfo.username == \"jane\"";
    let object = pod(json!({"hostNetwork": true, "hostPID": true}));
    let (verdict, remedies) = tried(&[("shop", &format!("{HOST}\n{who}"))], &object, Effort::ADMISSION);
    assert_eq!(verdict.violations().count(), 3);
    let Some(Remedy::Unfixable(reason)) = remedies.policies.get("shop") else {
        panic!("{:?}", remedies.policies);
    };
    for part in [
        "Jane may not do this.",
        "spec.hostNetwork: false",
        "spec.hostPID: false",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(remedies.whole, None);
    for violation in verdict.violations() {
        match remedies.of(violation) {
            Some(Remedy::Fix(fix)) => {
                assert!(fix.mends(violation) && !violation.message.contains("Jane"));
                assert!(fix.policies().is_empty() && !fix.complete());
            }
            Some(Remedy::Unfixable(_)) => assert!(violation.message.contains("Jane")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn who_asks_and_what_was_before_are_given_as_reasons() {
    let pod_now = pod(json!({}));
    let by_name = r#"deny contains "no" if {
	names := {name | some name in split(input.request.userInfo.username, "-")}
	count(names & {"jane", "john"}) > 0
}"#;
    let (_, remedies) = tried(&[("shop", by_name)], &pod_now, Effort::ADMISSION);
    let said = format!("{:?}", remedies.policies);
    assert!(said.contains("Unfixable") && !said.contains("Unknown"), "{said}");

    let grown = r#"deny contains "no" if {
	old := {name | some name, _ in input.request.oldObject.metadata.annotations}
	gone := {name | some name in old; count(name) > 3}
	count(gone) != count(input.request.object.metadata.labels)
}"#;
    let mut old = pod_now.clone();
    old["metadata"]["annotations"] = json!({"long": "1", "longer": "2"});
    let mut new = pod_now.clone();
    new["metadata"]["labels"] = json!({});
    let (set, update) = (set(&[("shop", grown)]), review(&new, &old));
    let verdict = set.evaluate(&update);
    assert_eq!(verdict.violations().count(), 1);
    let remedies = super::remedies(&set, &update, &verdict, Effort::ADMISSION);
    assert!(
        !matches!(remedies.policies.get("shop"), Some(Remedy::Unknown)),
        "{remedies:?}"
    );
}

fn service(annotations: &Json) -> Json {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}})
}

#[test]
fn another_type_of_service_takes_something_away() {
    let body = r#"deny contains {"msg": "No load balancers.", "path": "/spec/type"} if {
	input.request.object.spec.type == "LoadBalancer"
}"#;
    let fix = whole(body, &service(&json!({})));
    assert!(fix.removes());
    assert_eq!(fix.summary().removes, ["/spec/type"]);
}

#[test]
fn what_a_rule_asks_of_a_load_balancer_comes_before_another_type() {
    let body = r#"deny contains {"msg": "Load balancers have to be internal."} if {
	input.request.object.spec.type == "LoadBalancer"
	not is_internal
}

is_internal if input.request.object.metadata.annotations["cloud.example/internal"] == "true""#;
    for annotations in [json!({}), json!({"cloud.example/internal": "false"})] {
        let fix = whole(body, &service(&annotations));
        assert_eq!(fix.after()["metadata"]["annotations"]["cloud.example/internal"], "true");
        assert_eq!(fix.after()["spec"]["type"], "LoadBalancer");
        assert!(!fix.removes());
    }
}

#[test]
fn one_of_several_names_is_a_persons_choice() {
    let body = r#"deny contains {"msg": "Another class."} if {
	class := object.get(input.request.object.spec, "storageClassName", "")
	not class in {"fast", "slow"}
}"#;
    for class in [json!(null), json!("gold")] {
        let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        if !class.is_null() {
            claim["spec"]["storageClassName"] = class;
        }
        assert_eq!(whole(body, &claim).class(), Class::Placeholder);
    }
    // A typing error is none.
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "Fast"}});
    assert_eq!(whole(body, &claim).class(), Class::Fix);
}

#[test]
fn names_that_are_put_together_are_examples() {
    let start = r#"deny contains {"msg": "Another account."} if {
	not startswith(input.request.object.spec.serviceAccountName, "team-")
}"#;
    let end = r#"deny contains {"msg": "Another class."} if {
	not endswith(input.request.object.spec.priorityClassName, "-low")
}"#;
    let form = r#"deny contains {"msg": "Another account."} if {
	not regex.match("^team-[a-z]+$", input.request.object.spec.serviceAccountName)
}"#;
    let object = pod(json!({"serviceAccountName": "web", "priorityClassName": "web"}));
    for body in [start, end, form] {
        assert_eq!(whole(body, &object).class(), Class::Placeholder, "{body}");
    }
}

#[test]
fn one_image_has_one_registry() {
    let of = |registries: &str| {
        format!(
            r#"deny contains {{"msg": "Another registry.", "path": "/spec/containers/0/image"}} if {{
	image := input.request.object.spec.containers[0].image
	count([r | some r in {registries}; startswith(image, r)]) == 0
}}"#
        )
    };
    let (both, second) = (of(r#"["b.example/", "c.example/"]"#), of(r#"["c.example/"]"#));
    let (_, remedies) = tried(
        &[("both", &both), ("second", &second)],
        &pod(json!({})),
        Effort::ADMISSION,
    );
    let whole = remedies.whole.clone().unwrap();
    assert!(whole.complete(), "{remedies:?}");
    let image = |fix: &Fix| fix.after()["spec"]["containers"][0]["image"].clone();
    for (policy, remedy) in &remedies.policies {
        let Remedy::Fix(fix) = remedy else { panic!("{remedy:?}") };
        assert_eq!(image(fix), image(&whole), "{policy}");
    }
}

const SPREAD: &str = r#"deny contains {"msg": "Spread it.", "path": "/spec/template/spec/topologySpreadConstraints"} if {
	not input.request.object.spec.template.spec.topologySpreadConstraints
}"#;

const APART: &str = r#"deny contains {"msg": "Keep them apart."} if {
	not input.request.object.spec.template.spec.affinity.podAntiAffinity
}"#;

fn deployment(labels: &Json) -> Json {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "a.example/web:1"}]}}}})
}

#[test]
fn what_spreads_pods_selects_those_of_the_workload() {
    let mut object = deployment(&json!({"app": "web"}));
    object["spec"]["template"]["metadata"]["labels"]["version"] = json!("2");
    let spread = whole(SPREAD, &object);
    assert_eq!(
        spread.after()["spec"]["template"]["spec"]["topologySpreadConstraints"],
        json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "web"}}}])
    );
    assert_eq!(spread.class(), Class::Fix);
    let apart = whole(APART, &object);
    let preferred = "/spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0";
    assert_eq!(
        apart.after().pointer(preferred),
        Some(
            &json!({"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": {"app": "web"}}}})
        )
    );
}

#[test]
fn a_budget_is_for_the_pods_of_the_same_name() {
    let body = r#"deny contains {"msg": "Say which Pods."} if not input.request.object.spec.selector"#;
    let object = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}}, "spec": {"minAvailable": 1}});
    let fix = whole(body, &object);
    assert_eq!(fix.after()["spec"]["selector"], json!({"matchLabels": {"app": "web"}}));
    assert_eq!(fix.class(), Class::Placeholder);
}

#[test]
fn no_set_of_removals_empties_what_may_not_be_empty() {
    let world = r#"deny contains {"msg": msg} if {
	some range in input.request.object.spec.loadBalancerSourceRanges
	startswith(range, "0.0.0.0")
	msg := sprintf("%v is the whole world", [range])
}"#;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "a"},
            "loadBalancerSourceRanges": ["0.0.0.0/0", "0.0.0.0/1"]}});
    let (_, found) = tried(&[("shop", world)], &service, Effort::ADMISSION);
    if let Some(fix) = found.whole {
        let left = fix.after()["spec"]["loadBalancerSourceRanges"].as_array();
        assert!(left.is_some_and(|left| !left.is_empty()), "{:?}", fix.patch());
    }
    // Each of two policies removes one subject.
    let no = |name: &str| {
        format!(
            "deny contains \"No {name}.\" if {{\n\tsome subject in input.request.object.subjects\n\tsubject.name == \"{name}\"\n}}"
        )
    };
    let (ann, bob) = (no("ann"), no("bob"));
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "web", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "view"},
        "subjects": [{"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"},
            {"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}]});
    let (_, found) = tried(&[("ann", &ann), ("bob", &bob)], &binding, Effort::ADMISSION);
    if let Some(fix) = found.whole {
        let left = fix.after()["subjects"].as_array();
        assert!(left.is_some_and(|left| !left.is_empty()), "{:?}", fix.patch());
    }
}

#[test]
fn rules_that_contradict_each_other_are_named() {
    let must = |value: &str| {
        format!(
            "deny contains \"traffic must be {value}\" if input.request.object.spec.externalTrafficPolicy != \"{value}\""
        )
    };
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}});
    let (local, cluster) = (must("Local"), must("Cluster"));
    let both = format!("{local}\n\n{cluster}");
    for (policies, policy, other) in [
        (&[("shop", both.as_str())][..], "shop", "shop"),
        (&[("one", local.as_str()), ("two", cluster.as_str())], "two", "one"),
    ] {
        let (_, remedies) = tried(policies, &object, Effort::ADMISSION);
        let expected = format!(
            "Two rules contradict each other here, \"traffic must be Cluster\" ({policy}) and \"traffic must be Local\" \
             ({other}): every change that was tried for the first breaks the second. Ask who keeps them."
        );
        assert_eq!(remedies.policies.get(policy), Some(&Remedy::Unfixable(expected)));
        assert!(remedies.whole.is_none());
    }
}
