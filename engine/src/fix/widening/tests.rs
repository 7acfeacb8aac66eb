use serde_json::{Value as Json, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::change::steps;
use super::*;

fn object(api: &str, kind: &str, spec: &Json) -> Json {
    let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "a"}});
    object
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    object
}

/// To set a value, or with none to remove it; a last `-` is a new element.
fn edit(path: &str, value: Option<Json>) -> Edit {
    let mut path = steps(path);
    for step in &mut path {
        if *step == Step::Key("-".to_owned()) {
            *step = Step::New(0);
        }
    }
    let action = value.map_or(Action::Remove, Action::Set);
    Edit {
        path,
        action,
        placeholder: None,
    }
}

#[track_caller]
fn widens(object: &Json, path: &str, value: Json, shown: &str) {
    assert_eq!(
        places(object, &[edit(path, Some(value).filter(|value| !value.is_null()))]),
        [shown],
        "{path}"
    );
}

#[track_caller]
fn stays(object: &Json, path: &str, value: Json) {
    let found = places(object, &[edit(path, Some(value).filter(|value| !value.is_null()))]);
    assert!(found.is_empty(), "{path}: {found:?}");
}

fn policy() -> Json {
    object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        &json!({"spec": {
            "podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Ingress", "Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "b"}}}, {"ipBlock": {"cidr": "203.0.113.0/24"}}],
                "ports": [{"port": 80}]}],
        }}),
    )
}

#[test]
fn a_network_policy_without_peers_lets_everybody_through() {
    let policy = policy();
    widens(&policy, "/spec/egress/0/to", Json::Null, "/spec/egress/0/to");
    widens(&policy, "/spec/egress/0/to/0", Json::Null, "/spec/egress/0/to");
    widens(&policy, "/spec/ingress/0/from", json!([]), "/spec/ingress/0/from");
    widens(&policy, "/spec/ingress/0/ports/0", Json::Null, "/spec/ingress/0/ports");
    let both = [
        edit("/spec/ingress/0/from/0", None),
        edit("/spec/ingress/0/from/1", None),
    ];
    assert_eq!(places(&policy, &both), ["/spec/ingress/0/from"]);
    assert_eq!(emptied(&policy, &both), [["spec", "ingress", "0", "from"]]);
    stays(&policy, "/spec/ingress/0/from/0", Json::Null);
    stays(&policy, "/spec/ingress/0", Json::Null);
    widens(&policy, "/spec/policyTypes/0", Json::Null, "/spec/policyTypes");
    widens(
        &policy,
        "/spec/podSelector/matchLabels/tier",
        json!("x"),
        "/spec/podSelector/matchLabels/tier",
    );
    widens(&policy, "/spec/ingress/-/from", json!([]), "/spec/ingress");
    widens(
        &policy,
        "/spec/ingress/0/from/-/ipBlock/cidr",
        json!("10.0.0.0/8"),
        "/spec/ingress/0/from",
    );
    let open = object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        &json!({"spec": {"ingress": [{"ports": [{"port": 80}]}]}}),
    );
    stays(&open, "/spec/ingress/0/from/-/ipBlock/cidr", json!("10.0.0.0/8"));
}

#[test]
fn a_range_is_wider_unless_it_lies_in_the_old_one() {
    let policy = policy();
    let egress = "/spec/egress/0/to/0/ipBlock/cidr";
    widens(&policy, egress, json!("0.0.0.0/0"), egress);
    widens(&policy, egress, json!("172.16.0.0/16"), egress);
    stays(&policy, egress, json!("10.0.0.0/16"));
    let except = "/spec/egress/0/to/0/ipBlock/except";
    widens(&policy, except, Json::Null, except);
    widens(&policy, "/spec/egress/0/to/0/ipBlock/except/0", Json::Null, except);
    stays(&policy, &format!("{except}/0"), json!("10.0.0.0/15"));
    let ranges = json!({"spec": {"type": "ClusterIP", "loadBalancerSourceRanges": ["10.0.0.0/8", "192.0.2.0/24"]}});
    let service = object("v1", "Service", &ranges);
    let list = "/spec/loadBalancerSourceRanges";
    stays(&service, &format!("{list}/0"), Json::Null);
    stays(&service, &format!("{list}/0"), json!("10.2.0.0/16"));
    widens(
        &service,
        &format!("{list}/0"),
        json!("11.0.0.0/8"),
        &format!("{list}/0"),
    );
    widens(&service, &format!("{list}/-"), json!("0.0.0.0/0"), list);
    let both = [edit(&format!("{list}/0"), None), edit(&format!("{list}/1"), None)];
    assert_eq!(places(&service, &both), [list]);
    widens(&service, "/spec/type", json!("NodePort"), "/spec/type");
    widens(&service, "/spec/externalIPs/-", json!("192.0.2.1"), "/spec/externalIPs");
}

#[test]
fn more_rights_are_told() {
    let api = "rbac.authorization.k8s.io/v1";
    let rules = json!({"rules": [{"verbs": ["list"], "resources": ["pods"], "resourceNames": ["x"]},
        {"nonResourceURLs": ["/healthz"], "verbs": ["get"]}]});
    let role = object(api, "ClusterRole", &rules);
    widens(&role, "/rules/0/verbs/-", json!("get"), "/rules/0/verbs");
    widens(
        &role,
        "/rules/1/nonResourceURLs/-",
        json!("/metrics"),
        "/rules/1/nonResourceURLs",
    );
    widens(&role, "/rules/0/resourceNames", Json::Null, "/rules/0/resourceNames");
    widens(&role, "/rules/0/verbs", json!(["*"]), "/rules/0/verbs");
    widens(
        &role,
        "/aggregationRule",
        json!({"clusterRoleSelectors": []}),
        "/aggregationRule",
    );
    stays(&role, "/rules/1", Json::Null);
    let binding = object(
        api,
        "RoleBinding",
        &json!({"roleRef": {"name": "view"}, "subjects": [{"kind": "Group", "name": "devs"}, {"kind": "User", "name": "ann"}]}),
    );
    widens(
        &binding,
        "/subjects/0/name",
        json!("system:authenticated"),
        "/subjects/0/name",
    );
    widens(&binding, "/roleRef/name", json!("edit"), "/roleRef/name");
    stays(&binding, "/subjects/0", Json::Null);
}

#[test]
fn less_is_checked_at_admission() {
    let webhook =
        json!({"name": "a", "failurePolicy": "Fail", "timeoutSeconds": 10, "rules": [{"resources": ["pods"]}]});
    let hook = object(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        &json!({"webhooks": [webhook]}),
    );
    widens(
        &hook,
        "/webhooks/0/failurePolicy",
        json!("Ignore"),
        "/webhooks/0/failurePolicy",
    );
    let exempt = "/webhooks/0/namespaceSelector/matchLabels/checked";
    widens(&hook, exempt, json!("yes"), exempt);
    let objects = "/webhooks/0/objectSelector";
    widens(&hook, objects, json!({"matchLabels": {"a": "b"}}), objects);
    widens(
        &hook,
        "/webhooks/0/rules/0/resources",
        json!(["secrets"]),
        "/webhooks/0/rules/0/resources",
    );
    stays(&hook, "/webhooks/0/rules/0/resources/-", json!("secrets"));
    stays(&hook, "/webhooks/0/timeoutSeconds", json!(5));
}

#[test]
fn a_process_that_is_held_less_is_told() {
    let spec = json!({"spec": {
        "securityContext": {"runAsUser": 1000, "seLinuxOptions": {"type": "container_t"}, "windowsOptions": {"hostProcess": false},
            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "ports": [{"containerPort": 80}], "volumeMounts": [{"name": "x", "readOnly": true}],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["NET_RAW"]}}}],
    }});
    let pod = object("v1", "Pod", &spec);
    let own = "/spec/containers/0";
    for (path, value) in [
        ("/spec/securityContext/runAsUser", json!(0)),
        ("/spec/securityContext/runAsUser", Json::Null),
        ("/spec/securityContext/seLinuxOptions/type", json!("spc_t")),
        ("/spec/securityContext/windowsOptions/hostProcess", json!(true)),
        ("/spec/securityContext/seccompProfile", Json::Null),
        ("/spec/securityContext/seccompProfile/type", json!("Unconfined")),
        ("/spec/securityContext/appArmorProfile/type", json!("Unconfined")),
        ("/spec/hostPID", json!(true)),
        ("/spec/automountServiceAccountToken", json!(true)),
        ("/spec/containers/0/securityContext/procMount", json!("Unmasked")),
        (
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            Json::Null,
        ),
        (
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
        ),
        ("/spec/containers/0/ports/0/hostPort", json!(80)),
        ("/spec/containers/0/volumeMounts/0/readOnly", json!(false)),
    ] {
        widens(&pod, path, value, path);
    }
    widens(
        &pod,
        "/spec/securityContext/sysctls/-/name",
        json!("kernel.msgmax"),
        "/spec/securityContext/sysctls",
    );
    widens(&pod, "/spec/tolerations/-/key", json!("gpu"), "/spec/tolerations");
    widens(&pod, "/spec/volumes/-/hostPath/path", json!("/var"), "/spec/volumes");
    let add = format!("{own}/securityContext/capabilities/add");
    widens(&pod, &format!("{add}/-"), json!("SYS_ADMIN"), &add);
    stays(
        &pod,
        &format!("{own}/securityContext/capabilities/drop"),
        json!(["ALL"]),
    );
    stays(&pod, "/spec/securityContext/runAsUser", json!(2000));
    stays(&pod, "/spec/securityContext/runAsNonRoot", json!(true));
    stays(
        &pod,
        own,
        json!({"name": "a", "securityContext": {"allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}}}),
    );
}

#[test]
fn an_ingress_without_tls_and_a_weaker_budget_are_told() {
    let spec = json!({"spec": {"tls": [{"hosts": ["a.example", "b.example"]}], "rules": [{"host": "a.example"}]}});
    let web = object("networking.k8s.io/v1", "Ingress", &spec);
    widens(&web, "/spec/tls/0", Json::Null, "/spec/tls");
    widens(&web, "/spec/tls/0/hosts/1", Json::Null, "/spec/tls/0/hosts");
    widens(&web, "/spec/rules/0/host", json!("*.example"), "/spec/rules/0/host");
    widens(&web, "/spec/rules/0/host", Json::Null, "/spec/rules/0/host");
    stays(&web, "/spec/rules/0/host", json!("a.apps.example"));
    let budget = object(
        "policy/v1",
        "PodDisruptionBudget",
        &json!({"spec": {"minAvailable": 2}}),
    );
    widens(&budget, "/spec/minAvailable", json!(1), "/spec/minAvailable");
    widens(&budget, "/spec/minAvailable", json!("90%"), "/spec/minAvailable");
    stays(&budget, "/spec/minAvailable", json!(3));
}
