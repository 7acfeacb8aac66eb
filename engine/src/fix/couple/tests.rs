use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn set(path: &str, value: Json) -> Edit {
    Edit {
        path: change::steps(path),
        action: Action::Set(value),
        placeholder: None,
    }
}

/// The object after this edit and what goes with it.
fn coupled(object: &Json, edit: Edit) -> Json {
    let mut edits = vec![edit];
    couple(object, &mut edits);
    let (after, _) = change::apply(object, &edits).unwrap();
    after
}

#[test]
fn probes_and_hooks_follow_a_port() {
    let object = json!({"spec": {"containers": [
        {
            "name": "web",
            "ports": [{"name": "http", "containerPort": 80}, {"name": "metrics", "containerPort": 9090}],
            "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
            "startupProbe": {"tcpSocket": {"port": 9090}},
            "lifecycle": {"preStop": {"httpGet": {"path": "/", "port": 80}}},
        },
        {"name": "other", "livenessProbe": {"tcpSocket": {"port": 80}}},
    ]}});
    let after = coupled(&object, set("/spec/containers/0/ports/0/containerPort", json!(8080)));
    let web = &after["spec"]["containers"][0];
    assert_eq!(web["livenessProbe"]["httpGet"]["port"], 8080);
    assert_eq!(web["readinessProbe"]["httpGet"]["port"], "http");
    assert_eq!(web["startupProbe"]["tcpSocket"]["port"], 9090);
    assert_eq!(web["lifecycle"]["preStop"]["httpGet"]["port"], 8080);
    assert_eq!(after["spec"]["containers"][1], object["spec"]["containers"][1]);

    let after = coupled(&object, set("/spec/containers/0/ports/0/name", json!("https")));
    let web = &after["spec"]["containers"][0];
    assert_eq!(web["livenessProbe"]["httpGet"]["port"], 80);
    assert_eq!(web["readinessProbe"]["httpGet"]["port"], "https");
}

#[test]
fn a_port_that_another_one_has_too_is_left_to_it() {
    let object = json!({"spec": {"containers": [{
        "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}],
        "livenessProbe": {"tcpSocket": {"port": 53}},
    }]}});
    let after = coupled(&object, set("/spec/containers/0/ports/0/containerPort", json!(1053)));
    assert_eq!(after["spec"]["containers"][0]["livenessProbe"]["tcpSocket"]["port"], 53);
}

#[test]
fn mounts_and_devices_follow_the_name_of_a_volume() {
    let object = json!({"spec": {"template": {"spec": {
        "volumes": [{"name": "Data"}, {"name": "tmp"}],
        "containers": [{"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "Data", "mountPath": "/data"}]}],
        "initContainers": [{"volumeDevices": [{"name": "Data", "devicePath": "/dev/x"}]}],
    }}}});
    let after = coupled(&object, set("/spec/template/spec/volumes/0/name", json!("data")));
    let spec = &after["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["volumeMounts"][1]["name"], "data");
    assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], "tmp");
    assert_eq!(spec["initContainers"][0]["volumeDevices"][0]["name"], "data");
}

#[test]
fn what_asks_a_container_for_its_resources_follows_its_name() {
    let field = json!({"resourceFieldRef": {"containerName": "Web", "resource": "limits.cpu"}});
    let object = json!({"spec": {
        "containers": [{"name": "Web", "env": [{"name": "A", "value": "1"}, {"name": "CPU", "valueFrom": field}]}],
        "volumes": [{"name": "v", "downwardAPI": {"items": [
            {"path": "cpu", "resourceFieldRef": {"containerName": "Web", "resource": "limits.cpu"}}]}}],
    }});
    let after = coupled(&object, set("/spec/containers/0/name", json!("web")));
    assert!(!after.to_string().contains("Web"), "{after}");
}
