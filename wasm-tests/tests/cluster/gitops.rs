//! What Argo CD's and Flux' users read of a denial, as their own libraries show it (`wasm-tests/gitops`).

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};
use wasm_tests::fixtures::repository;

use crate::support::{Cluster, deployment, pod};

/// What the program prints.
#[derive(Debug, Deserialize)]
struct Shown {
    applied: bool,
    message: String,
    status: String,
}

fn program() -> String {
    let output = Command::new(repository("scripts/gitops-build.sh"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "run `just setup`");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn apply(cluster: &Cluster, tool: &str, namespace: &str, manifest: &Value) -> Shown {
    let mut manifest = manifest.clone();
    manifest["metadata"]["namespace"] = namespace.into();
    if tool == "argo" {
        // As Argo CD's controller does before it hands objects to its engine.
        let kind = if manifest["kind"] == "Pod" {
            "/Pod"
        } else {
            "apps/Deployment"
        };
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let id = format!("shop:{kind}:{namespace}/{name}");
        manifest["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": id});
    }
    let mut child = Command::new(program())
        .arg(tool)
        .arg(cluster.stack().kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(manifest.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{tool}: {error}: {said}"))
}

/// Argo CD names the file in which it hands the object to kubectl's code.
fn without_file(text: &str) -> String {
    let Some((start, rest)) = text.split_once("error when patching \"") else {
        return text.to_owned();
    };
    let (_, rest) = rest.split_once('"').unwrap_or_default();
    format!("{start}error when patching \"[file]\"{rest}")
}

const CHANGE: &str = "privileged: false # was: true";

#[test]
fn argo_cd_shows_the_denial_and_its_change() {
    let cluster = Cluster::with_namespace("argo");
    let mut out = String::new();
    let (good, bad) = (deployment("web", "argo", false), deployment("web", "argo", true));
    for (step, manifest, is_admitted) in [
        ("create", &bad, false),
        ("create", &good, true),
        ("update", &bad, false),
    ] {
        let shown = apply(&cluster, "argo", "argo", manifest);
        assert_eq!(shown.applied, is_admitted, "{step}: {shown:?}");
        if !is_admitted {
            assert!(shown.message.contains(CHANGE), "{}", shown.message);
            assert!(cluster.link(&shown.message).contains("/e/"));
            assert!(shown.message.contains("Argo CD applies it from application shop"));
            // The operation says the same once more, behind its own words.
            assert!(shown.status.ends_with(&shown.message), "{}", shown.status);
            let text = without_file(&cluster.redacted(&shown.message));
            out.push_str(&format!("# {step}: the resource's result\n{text}\n\n"));
        }
    }
    insta::assert_snapshot!("argo", out);
}

#[test]
fn flux_shows_the_denial_and_its_change_and_deletes_nothing() {
    let cluster = Cluster::with_namespace("flux");
    let mut out = String::new();
    let (good, bad) = (deployment("web", "flux", false), deployment("web", "flux", true));
    for (step, manifest, is_admitted) in [
        ("create", &bad, false),
        ("create", &good, true),
        ("update", &bad, false),
    ] {
        let shown = apply(&cluster, "flux", "flux", manifest);
        assert_eq!(shown.applied, is_admitted, "{step}: {shown:?}");
        if !is_admitted {
            // The condition is the error, whole.
            assert_eq!(shown.status, shown.message);
            assert!(shown.status.contains(CHANGE), "{}", shown.status);
            assert!(
                shown
                    .status
                    .contains("Flux applies it from Kustomization flux-system/apps")
            );
            out.push_str(&format!(
                "# {step}: the condition\n{}\n\n",
                cluster.redacted(&shown.status)
            ));
        }
    }
    // It was allowed to delete and make anew, and had no cause to.
    let generation = cluster.kubectl(
        &["get", "deployment", "web", "-o", "jsonpath={.metadata.generation}"],
        None,
    );
    assert_eq!(generation.text, "1");
    insta::assert_snapshot!("flux", out);
}

#[test]
fn the_longest_denial_is_whole_in_both() {
    let cluster = Cluster::with_namespace("longest");
    let mut worst = pod("worst", "longest", true);
    let container = worst["spec"]["containers"][0].clone();
    let many = (0..60).map(|number| {
        let mut container = container.clone();
        container["name"] = format!("a-container-with-a-name-that-is-rather-long-{number}").into();
        container
    });
    worst["spec"]["containers"] = many.collect();
    for tool in ["argo", "flux"] {
        let shown = apply(&cluster, tool, "longest", &worst);
        assert!(
            !shown.applied && shown.message.len() > 8 * 1024,
            "{}",
            shown.message.len()
        );
        for text in [&shown.message, &shown.status] {
            assert!(
                text.contains("60 problems in Pod longest/worst") && text.contains(CHANGE),
                "{tool}: {text}"
            );
            assert!(cluster.link(text).contains("/e/"), "{tool}: {text}");
        }
    }
}
