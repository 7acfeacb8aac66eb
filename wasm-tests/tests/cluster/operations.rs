//! Every way to change a cluster, as kubectl shows its end.

use serde_json::json;

use crate::support::{Cluster, deployment, pod};

#[test]
fn a_pod_by_every_road() {
    let cluster = Cluster::with_namespace("roads");
    let mut out = String::new();
    let bad = pod("web", "roads", true);
    for arguments in [
        &["apply", "-f", "-"][..],
        &["create", "-f", "-"],
        &["apply", "--server-side", "-f", "-"],
        &["apply", "--dry-run=server", "-f", "-"],
    ] {
        assert!(!cluster.transcript(&mut out, arguments, Some(&bad)), "{out}");
        // The count of this team's denials grows: it has its own test.
        out = without_notes(&out);
    }
    assert!(
        cluster.transcript(&mut out, &["apply", "-f", "-"], Some(&pod("web", "roads", false))),
        "{out}"
    );
    assert!(
        cluster.transcript(&mut out, &["label", "pod", "web", "colour=blue"], None),
        "{out}"
    );
    assert!(
        cluster.transcript(&mut out, &["delete", "pod", "web", "--wait=false"], None),
        "{out}"
    );
    insta::assert_snapshot!("pod", out);
}

#[test]
fn a_deployment_from_its_start_to_its_end() {
    let cluster = Cluster::with_namespace("life");
    let mut out = String::new();
    let mut run = |arguments: &[&str], manifest, is_admitted: bool| {
        assert_eq!(cluster.transcript(&mut out, arguments, manifest), is_admitted, "{out}");
        out = without_notes(&out);
    };
    let (good, bad) = (deployment("web", "life", false), deployment("web", "life", true));
    run(&["apply", "-f", "-"], Some(&bad), false);
    run(&["apply", "-f", "-"], Some(&good), true);
    run(&["apply", "-f", "-"], Some(&bad), false);
    let to_latest = r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx"}]"#;
    run(
        &["patch", "deployment", "web", "--type=json", "-p", to_latest],
        None,
        false,
    );
    run(&["scale", "deployment", "web", "--replicas=3"], None, true);
    run(&["rollout", "restart", "deployment", "web"], None, true);
    run(&["delete", "deployment", "web"], None, true);
    insta::assert_snapshot!("deployment", out);
}

#[test]
fn what_only_warns_is_admitted_with_its_warnings() {
    let cluster = Cluster::with_namespace("warned");
    let mut out = String::new();
    let bare = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "app", "image": "nginx:1.27.3"}]},
    });
    assert!(
        cluster.transcript(&mut out, &["create", "-f", "-"], Some(&bare)),
        "{out}"
    );
    insta::assert_snapshot!("warnings", out);
}

#[test]
fn several_policies_deny_at_once() {
    let cluster = Cluster::with_namespace("several");
    let mut out = String::new();
    let mut worst = pod("worst", "several", true);
    if let Some(spec) = worst.pointer_mut("/spec") {
        *spec = json!({
            "automountServiceAccountToken": false, "hostNetwork": true, "hostPID": true,
            "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
            "containers": [
                {"name": "app", "image": "nginx", "securityContext": {"privileged": true}, "ports": [{"containerPort": 80, "hostPort": 80}]},
                {"name": "helper", "image": "busybox:latest", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
            ],
        });
    }
    assert!(
        !cluster.transcript(&mut out, &["create", "-f", "-"], Some(&worst)),
        "{out}"
    );
    insta::assert_snapshot!("several", out);
}

#[test]
fn a_shell_and_an_eviction_are_judged_too() {
    let cluster = Cluster::with_namespace("connect");
    let mut out = String::new();
    for name in ["open", "locked"] {
        assert!(
            cluster.transcript(&mut out, &["create", "-f", "-"], Some(&pod(name, "connect", false))),
            "{out}"
        );
    }
    // Nothing runs the Pods here: what is allowed fails later, for want of a node.
    cluster.transcript(&mut out, &["exec", "open", "--", "id"], None);
    assert!(out.contains("does not have a host assigned"), "{out}");
    assert!(
        !cluster.transcript(&mut out, &["exec", "locked", "--", "id", "-u"], None),
        "{out}"
    );
    for name in ["locked", "open"] {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "connect"},
        });
        let path = format!("/api/v1/namespaces/connect/pods/{name}/eviction");
        let is_admitted = cluster.transcript(&mut out, &["create", "--raw", &path, "-f", "-"], Some(&eviction));
        assert_eq!(is_admitted, name == "open", "{out}");
    }
    insta::assert_snapshot!("connect", out);
}

/// Without the line that counts a team's denials, which may be wrapped.
fn without_notes(text: &str) -> String {
    let mut is_note = false;
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        is_note = line.starts_with("  Note: ") || (is_note && line.starts_with("        "));
        if !is_note {
            kept.push_str(line);
        }
    }
    kept
}
