//! Policies in every form through `policy build`, `policy inspect` and `policy lint`.

use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{Run, whynot, write};

const CONFTEST: &str = r#"package main

import data.lib.k8s

deny[msg] {
  k8s.is_service
  input.spec.type == "LoadBalancer"
  msg := "Services must not be of type LoadBalancer"
}
"#;

const LIBRARY: &str = "package lib.k8s\n\nis_service {\n  input.kind == \"Service\"\n}\n";

const OPA: &str = r#"package kubernetes.admission

deny contains msg if {
	some container in input.request.object.spec.containers
	not startswith(container.image, data.registry.allowed)
	msg := sprintf("image %q is not from our registry", [container.image])
}
"#;

const TEMPLATE: &str = r#"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: k8sowner
  annotations:
    metadata.gatekeeper.sh/title: Owners
spec:
  crd:
    spec:
      names:
        kind: K8sOwner
      validation:
        openAPIV3Schema:
          type: object
          properties:
            label: {type: string}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8sowner
        violation[{"msg": msg}] {
          not input.review.object.metadata.labels[input.parameters.label]
          msg := sprintf("the label %v is missing", [input.parameters.label])
        }
"#;

const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sOwner
metadata:
  name: all-have-one
spec:
  enforcementAction: warn
  match:
    kinds: [{apiGroups: [apps], kinds: [Deployment]}]
    namespaceSelector: {matchLabels: {tier: prod}}
  parameters: {label: owner}
";

/// One policy in each form.
fn all_forms() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "set/conftest/service.rego", CONFTEST);
    write(&folder, "set/lib/k8s.rego", LIBRARY);
    write(&folder, "set/opa/images.rego", OPA);
    write(
        &folder,
        "set/registry/data.json",
        r#"{"allowed": "registry.example.com/"}"#,
    );
    write(&folder, "set/gatekeeper/template.yaml", TEMPLATE);
    write(&folder, "set/gatekeeper/constraint.yaml", CONSTRAINT);
    write(&folder, "set/values.yaml", "replicas: 1\n");
    write(
        &folder,
        "set/policy-set.yaml",
        "policies:\n  main: {action: audit}\n  kubernetes/admission: {enabled: false, failureMode: allow}\n",
    );
    folder
}

fn fixture(path: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/opa-bundles");
    folder.join(path).display().to_string()
}

fn parsed(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {} {}", run.out, run.err))
}

#[test]
fn all_forms_are_built_into_one_bundle() {
    let folder = all_forms();
    let run = whynot(folder.path(), &["policy", "build", "set", "-o", "bundle.json"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(
        run.out.starts_with("2 policies (1 turned off), revision "),
        "{}",
        run.out
    );
    assert_eq!(
        run.err,
        "note: set/values.yaml: holds nothing of a policy set and was not read\n"
    );
    let bundle: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("bundle.json")).unwrap()).unwrap();
    assert_eq!(
        bundle["data"],
        json!({"registry": {"allowed": "registry.example.com/"}})
    );
    let dialects: Vec<(&str, &Value)> = bundle["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap(), &file["dialect"]))
        .collect();
    let (old, unsaid) = (json!("v0"), Value::Null);
    assert_eq!(
        dialects,
        [
            ("conftest/service.rego", &old),
            ("gatekeeper/constraint.yaml", &unsaid),
            ("gatekeeper/template.yaml", &unsaid),
            ("lib/k8s.rego", &old),
            ("opa/images.rego", &unsaid),
        ]
    );
    // What was built can be built again, and is the same.
    let again = whynot(folder.path(), &["policy", "build", "bundle.json", "-o", "again.json"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(text("bundle.json"), text("again.json"));
}

#[test]
fn several_paths_are_one_set_and_problems_name_the_path() {
    let folder = all_forms();
    write(
        &folder,
        "more/broken.rego",
        "package broken\n\ndeny contains msg if {\n\tmsg := crypto.nothing(input)\n}\n",
    );
    let run = whynot(folder.path(), &["policy", "build", "set", "more"]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    // Settings count at the top of each path.
    assert!(run.err.starts_with("more/broken.rego:4: "), "{}", run.err);
    std::fs::remove_file(folder.path().join("more/broken.rego")).unwrap();
    write(
        &folder,
        "more/c.rego",
        "package c\n\ndeny contains \"replicas of nothing\" if input.request.object.spec.replicas == 0\n",
    );
    let run = whynot(folder.path(), &["policy", "build", "set/conftest", "set/lib", "more"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.ends_with(", nothing was written: no --out\n"), "{}", run.out);
}

#[test]
fn signed_bundles_are_verified() {
    let folder = TempDir::new().unwrap();
    let (bundle, key) = (fixture("good/es256.tar.gz"), fixture("keys/p256.pem"));
    let build = |more: &[&str]| whynot(folder.path(), &[&["policy", "build", &bundle], more].concat());
    let unverified = build(&[]);
    assert_eq!(unverified.code, Some(1));
    assert!(unverified.err.contains("signature"), "{}", unverified.err);
    for more in [&["--verification-key", &key][..], &["--skip-verify"]] {
        let run = build(more);
        assert_eq!(run.code, Some(0), "{more:?}: {}", run.err);
    }
    let other = fixture("keys/p384.pem");
    assert_eq!(build(&["--verification-key", &other]).code, Some(1));
    for wrong in [
        &["--verification-key", "missing.pem"][..],
        &["--verification-key", &bundle],
        &["--scope", "production"],
        &["--verification-key", &key, "--skip-verify"],
        &["--verification-key", &key, "--signing-alg", "none"],
    ] {
        assert_eq!(build(wrong).code, Some(2), "{wrong:?}");
    }
    let run = whynot(
        folder.path(),
        &[
            "policy",
            "inspect",
            &bundle,
            "--verification-key",
            &key,
            "--output",
            "json",
        ],
    );
    let packed = &parsed(&run)["bundles"][0];
    assert_eq!(packed["roots"], json!(["kubernetes", "legacy", "limits", "teams"]));
    assert_eq!(packed["signed"]["algorithm"], "ES256");
}

#[test]
fn a_policy_set_is_described() {
    let folder = all_forms();
    let run = whynot(folder.path(), &["policy", "inspect", "set"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert!(!run.out.contains('\u{1b}'), "no colours where there is no terminal");
    assert_snapshot!(run.out);

    let report = parsed(&whynot(
        folder.path(),
        &["policy", "inspect", "set", "--output", "json"],
    ));
    assert_eq!(report["ok"], true);
    let gatekeeper = &report["policies"][0];
    assert_eq!(gatekeeper["id"], "k8sowner/all-have-one");
    assert_eq!(gatekeeper["format"]["name"], "gatekeeper");
    assert_eq!(gatekeeper["rules"], json!([{"name": "violation", "action": "warn"}]));
    assert_eq!(gatekeeper["concerns"]["namespaceSelector"], "tier=prod");
    assert_eq!(gatekeeper["parameters"], json!({"label": "owner"}));
    let off = &report["policies"][1];
    assert_eq!((&off["enabled"], &off["failureMode"]), (&json!(false), &json!("allow")));
    assert_eq!(report["policies"][2]["action"], "audit");
}

#[test]
fn what_is_sound_is_shown_beside_the_problems() {
    let folder = all_forms();
    write(&folder, "set/lib/k8s.rego", "package lib.k8s\n\nis_service {\n");
    write(&folder, "set/data.json", "[");
    let run = whynot(folder.path(), &["policy", "inspect", "set", "--output", "json"]);
    assert_eq!(run.code, Some(1));
    let report = parsed(&run);
    let files: Vec<&str> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["file"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["set/data.json", "set/lib/k8s.rego"]);
    let ids: Vec<&Value> = report["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| &policy["id"])
        .collect();
    assert_eq!(ids, ["k8sowner/all-have-one", "kubernetes/admission"], "{report}");
    assert_eq!((&report["ok"], &report["revision"]), (&json!(false), &Value::Null));
    let names: Vec<(&Value, &Value)> = report["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (&package["name"], &package["broken"]))
        .collect();
    assert_eq!(
        names,
        [(&json!("lib.k8s"), &json!(false)), (&json!("main"), &json!(true))]
    );
    assert_eq!(whynot(folder.path(), &["policy", "inspect", "missing"]).code, Some(2));
}

#[test]
fn a_build_says_all_that_is_wrong_at_once() {
    let folder = TempDir::new().unwrap();
    write(&folder, "set/policy-set.yaml", "policies:\n  a: {action: deni}\n");
    write(
        &folder,
        "set/a.rego",
        "package a\n\ndeny contains \"x\" if sprint(input.request.uid)\n",
    );
    write(&folder, "set/template.yaml", &TEMPLATE.replace("sprintf", "http.send"));
    write(&folder, "set/constraint.yaml", &CONSTRAINT.replace("warn", "warning"));
    let run = whynot(folder.path(), &["policy", "build", "set"]);
    assert_eq!(run.code, Some(1));
    let lines: Vec<&str> = run.err.lines().collect();
    for (line, part) in lines.iter().zip([
        "set/policy-set.yaml:2: unknown variant `deni`, expected one of deny, warn, audit",
        "set/a.rego:3: function sprint is not available here; did you mean sprintf?",
        "set/constraint.yaml:6: spec.enforcementAction: \"warning\" is none of deny",
        "set/template.yaml:23: function http.send is not available here; a policy has no network",
        "error: 4 problems; nothing was written",
    ]) {
        assert!(line.starts_with(part), "{}", run.err);
    }
    assert_eq!(lines.len(), 5, "{}", run.err);
}

#[test]
fn settings_of_gatekeeper_have_no_effect_and_that_is_said() {
    let folder = TempDir::new().unwrap();
    let config = "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\n";
    write(
        &folder,
        "set/all.yaml",
        &format!("{TEMPLATE}---\n{CONSTRAINT}---\n{config}"),
    );
    let run = whynot(folder.path(), &["policy", "inspect", "set"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let note = "set/all.yaml: the Config \"config\" has no effect; namespaces are left out by excludedNamespaces";
    assert!(run.out.contains(note), "{}", run.out);
}

const CARELESS: &str = r#"package careless

deny contains msg if {
	input.request.object.spec.hostNetwork
	print("here")
	msg := "no"
}

deny contains "Access denied" if input.request.object.spec.hostPID

deny contains "The Pod shares something" if input.request.object.spec.hostIPC

deny contains "The Pod shares something" if input.request.object.spec.hostUsers

deny contains "never said about Pods" if {
	input.request.object.spec.hostUsers
	false
}

deny contains {"msg": "Access denied", "path": "/spec/hostUsers"} if input.request.object.spec.hostUsers

forgotten(x) if x == 1

# whynot:ignore unused-rule
kept := 2
"#;

#[test]
fn what_is_probably_not_meant_is_found() {
    let folder = TempDir::new().unwrap();
    write(&folder, "set/careless.rego", CARELESS);
    let half = "# METADATA\n# title: Half\n# custom: {severity: low}\npackage half\n\n\
                deny contains \"the host's network\" if input.request.object.spec.hostNetwork\n";
    write(&folder, "set/half.rego", half);
    let unused = TEMPLATE.replace("    metadata.gatekeeper.sh/title: Owners\n", "    other: x\n");
    write(&folder, "set/template.yaml", &unused);
    let run = whynot(folder.path(), &["policy", "lint", "set"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_snapshot!(run.out);
    assert_eq!(
        whynot(folder.path(), &["policy", "lint", "set", "--deny-warnings"]).code,
        Some(1)
    );
    let report = parsed(&whynot(folder.path(), &["policy", "lint", "set", "--output", "json"]));
    assert_eq!(report["ok"], true);
    assert_eq!(
        report["findings"][1],
        json!({
            "rule": "untested-policy", "severity": "warning", "file": "set/careless.rego", "line": 1,
            "message": "nothing tests careless",
            "remedy": "put cases beside it (cases/*.yaml), or Rego tests (*_test.rego)",
        })
    );
}

#[test]
fn what_stops_a_build_is_an_error_of_lint_too() {
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "set/a.rego",
        "package a\n\n# whynot:ignore refused\ndeny contains graphql.parse(\"x\", \"y\") if input.request\n",
    );
    write(&folder, "set/policy-set.yaml", "failureMode: maybe\n");
    let run = whynot(folder.path(), &["policy", "lint", "set", "--output", "json"]);
    assert_eq!(run.code, Some(1));
    let report = parsed(&run);
    assert_eq!(report["findings"][0]["file"], "set/policy-set.yaml");
    std::fs::remove_file(folder.path().join("set/policy-set.yaml")).unwrap();
    let run = whynot(folder.path(), &["policy", "lint", "set"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.out
            .starts_with("set/a.rego:4: error: function graphql.parse is not available"),
        "{}",
        run.out
    );
}

#[test]
fn the_library_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let run = whynot(&root, &["policy", "lint", "policies", "--deny-warnings"]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), "33 policies, nothing to say\n"));
}
