//! What is printed as a fix is one: the command, run as it stands in the text, is admitted. For policies of every group and form.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use engine::policy::bundle::Bundle;
use serde_json::{Value, json};
use wasm_tests::fixtures::{library, repository};
use wasm_tests::stack::TestStack;

use crate::support::{kubectl, redacted, start_with};

const NAMESPACE: &str = "fixes";

/// As a team has it in its own cluster: for Gatekeeper, and for conftest.
const FOREIGN: [(&str, &str); 3] = [
    (
        "gatekeeper/template.yaml",
        r"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: k8salwayspull
spec:
  crd:
    spec:
      names:
        kind: K8sAlwaysPull
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8salwayspull

        violation[{'msg': msg}] {
          container := input.review.object.spec.template.spec.containers[_]
          container.imagePullPolicy != `Always`
          msg := sprintf(`container <%v> is not pulled at every start`, [container.name])
        }
",
    ),
    (
        "gatekeeper/constraint.yaml",
        r"apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sAlwaysPull
metadata:
  name: always-pull
spec:
  match:
    kinds: [{apiGroups: [apps], kinds: [Deployment]}]
",
    ),
    (
        "conftest/history.rego",
        r#"package main

deny contains msg if {
	input.kind == "Deployment"
	input.spec.revisionHistoryLimit > 3
	msg := sprintf("%s keeps more than 3 old revisions", [input.metadata.name])
}
"#,
    ),
];

/// The library with all of it on, and policies that were written for something else.
fn policies() -> Bundle {
    let settings = fs::read_to_string(repository("policies/policy-set.yaml"))
        .unwrap()
        .replace(
            "  pod-security/restricted/*:\n    enabled: false",
            "  pod-security/restricted/*:\n    enabled: true",
        )
        .replace(
            "  general/service-account-tokens:\n    enabled: false",
            "  general/service-account-tokens:\n    action: deny\n    enabled: true",
        );
    let mut files: Vec<_> = library()
        .unwrap()
        .files
        .into_iter()
        .map(|file| (file.path, file.text))
        .collect();
    files.extend(FOREIGN.map(|(path, text)| (path.to_owned(), text.replace('\'', "\""))));
    Bundle::from_parts(Some(&settings), files).unwrap_or_else(|problems| panic!("{}", engine::policy::list(&problems)))
}

/// A Deployment that all policies pass.
fn good(name: &str) -> Value {
    let probe = json!({"httpGet": {"path": "/", "port": 8080}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "replicas": 2, "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": name}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}],
                    "containers": [{
                        "name": "app", "image": "registry.example.com/web:1.4.2", "imagePullPolicy": "Always",
                        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
                        "readinessProbe": probe, "livenessProbe": probe,
                    }],
                },
            },
        },
    })
}

/// The command that a text ends with.
fn command(text: &str) -> &str {
    text.lines()
        .find_map(|line| line.strip_prefix("  Run: "))
        .unwrap_or_else(|| panic!("no command in: {text}"))
}

/// Runs a line as a person would, in a shell that knows kubectl.
fn shell(stack: &TestStack, line: &str, file: &Path) -> String {
    let programs = stack.settings().programs.kubectl.parent().unwrap();
    let output = Command::new("/bin/sh")
        .args(["-c", &line.replace("-f FILE", &format!("-f {}", file.display()))])
        .env("PATH", programs)
        .env("KUBECONFIG", stack.kubeconfig())
        .env("HOME", &stack.settings().run_dir)
        .output()
        .unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}\n{text}");
    text
}

#[test]
fn the_command_of_a_denial_is_admitted_as_it_is_printed() {
    let (stack, bundle) = start_with(&policies());
    assert!(kubectl(&stack, "default", &["create", "namespace", NAMESPACE], None).success);
    let file = stack.settings().run_dir.join("manifest.json");
    let mut out = String::new();

    // Each breaks the policies of one group.
    let template = "/spec/template/spec";
    let cases: [(&str, String, Value); 5] = [
        (
            "general",
            format!("{template}/automountServiceAccountToken"),
            json!(true),
        ),
        ("baseline", format!("{template}/hostNetwork"), json!(true)),
        ("restricted", format!("{template}/securityContext"), json!({})),
        (
            "gatekeeper",
            format!("{template}/containers/0/imagePullPolicy"),
            json!("IfNotPresent"),
        ),
        ("conftest", "/spec/revisionHistoryLimit".into(), json!(10)),
    ];
    for (name, pointer, value) in cases {
        for how in [&["apply"][..], &["apply", "--server-side"], &["create"]] {
            let full = format!("{name}-{}", how.last().unwrap().trim_start_matches('-'));
            let mut manifest = good(&full);
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            manifest.pointer_mut(parent).unwrap()[key] = value.clone();
            if name == "restricted" {
                manifest.pointer_mut(&format!("{template}/containers/0")).unwrap()["securityContext"] =
                    json!({"privileged": false});
            }
            fs::write(&file, manifest.to_string()).unwrap();
            let path = file.to_string_lossy().into_owned();
            let arguments: Vec<&str> = how.iter().copied().chain(["-f", &path]).collect();
            let denied = kubectl(&stack, NAMESPACE, &arguments, None);
            assert!(
                !denied.success && denied.text.contains("denied the request"),
                "{full}: {}",
                denied.text
            );
            let text = redacted(&stack, &denied.text).replace(&*path, "FILE");
            let admitted = shell(&stack, command(&text), &file);
            assert!(
                kubectl(&stack, NAMESPACE, &["get", "deployment", &full], None).success,
                "{full}"
            );
            if how.len() == 1 && how.first() == Some(&"apply") {
                write!(
                    out,
                    "# {name}\n$ kubectl apply -f FILE\n{text}$ {}\n{admitted}\n",
                    command(&text)
                )
                .unwrap();
            }
        }
    }
    insta::assert_snapshot!("fixes", out);

    // What is stored is patched to the denied change with the fix in it.
    let stored = kubectl(&stack, NAMESPACE, &["create", "-f", "-"], Some(&good("stored")));
    assert!(stored.success, "{}", stored.text);
    let change = json!([
        {"op": "replace", "path": format!("{template}/containers/0/image"), "value": "registry.example.com/web:1.5.0"},
        {"op": "add", "path": format!("{template}/hostNetwork"), "value": true}]);
    let arguments = [
        "patch",
        "deployment",
        "stored",
        "--type=json",
        "-p",
        &change.to_string(),
    ];
    let denied = kubectl(&stack, NAMESPACE, &arguments, None);
    assert!(!denied.success, "{}", denied.text);
    shell(&stack, command(&denied.text), &file);
    let image = "jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.hostNetwork}";
    let found = kubectl(&stack, NAMESPACE, &["get", "deployment", "stored", "-o", image], None);
    assert!(
        found.text.starts_with("registry.example.com/web:1.5.0") && !found.text.contains("true"),
        "{}",
        found.text
    );
    insta::assert_snapshot!("fixes_stored", redacted(&stack, &denied.text));
    drop(stack);
    let _ = fs::remove_file(bundle);
}
