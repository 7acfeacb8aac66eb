//! `whynot check` as a process: what it reads, says and exits with, and that admission says the same.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engine::admission::Review;
use engine::answer;
use engine::eval::PolicySet;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{Run, write};

pub(crate) const MANIFESTS: &str = "\
# the shop
apiVersion: v1
kind: Pod
metadata:
  name: web # front
  namespace: shop
  labels: {app.kubernetes.io/name: web}
spec:
  containers:
    - name: app
      image: registry.example.com/shop/web:1.4.2
      securityContext:
        privileged: true # for debugging
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tier: gold}}
---
apiVersion: v1
kind: Pod
metadata: {name: quiet, labels: {app.kubernetes.io/name: quiet}}
spec:
  # it needs the node's
  hostNetwork: false
  containers: [{name: app, image: 'registry.example.com/shop/web:1.4.2'}]
";

/// The library with what denies here and one that warns.
const SETTINGS: &str = "\
apiVersion: whynot.dev/v1
kind: PolicySet
policies:
  '*': {enabled: false}
  pod-security/baseline/privileged-containers: {enabled: true}
  pod-security/baseline/host-namespaces: {enabled: true}
  general/required-labels: {enabled: true, action: warn}
";

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A folder with the library, these settings and manifests.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(repository("policies"))
        .arg(folder.path().join("policies"))
        .status();
    assert!(copied.unwrap().success());
    write(&folder, "policies/policy-set.yaml", SETTINGS);
    write(&folder, "manifests/shop.yaml", MANIFESTS);
    folder
}

/// `whynot check` with this on standard input.
pub(crate) fn check_with(folder: &TempDir, arguments: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_whynot"))
        .arg("check")
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .env("COLUMNS", "100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn check(folder: &TempDir, arguments: &[&str]) -> Run {
    check_with(
        folder,
        &[&["--policies", "policies", "-f", "manifests"], arguments].concat(),
        b"",
    )
}

pub(crate) fn piped(folder: &TempDir, input: &Value, arguments: &[&str]) -> Value {
    let arguments = [&["--policies", "policies", "-o", "json"], arguments].concat();
    let run = check_with(folder, &arguments, input.to_string().as_bytes());
    serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err))
}

pub(crate) fn privileged(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {"containers": [{"name": "app", "image": "a.example/b:1", "securityContext": {"privileged": true}}]}})
}

pub(crate) fn names(report: &Value) -> Vec<String> {
    let results = report["results"].as_array().unwrap().iter();
    results
        .map(|result| {
            let object = &result["object"];
            format!("{} {}/{}", object["kind"], object["namespace"], object["name"]).replace('"', "")
        })
        .collect()
}

#[test]
fn text_is_what_admission_prints() {
    let folder = folder();
    let run = check(&folder, &["--diff"]);
    assert_eq!((run.code, &*run.err), (Some(1), ""));
    assert_snapshot!("check_text", run.out);
}

#[test]
fn exit_codes_say_what_there_is() {
    let folder = folder();
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let code = |input: &str, arguments: &[&str]| {
        let arguments = [&["--policies", "policies"], arguments].concat();
        check_with(&folder, &arguments, input.as_bytes()).code
    };
    assert_eq!(code(good, &[]), Some(0));
    assert_eq!(code(MANIFESTS, &[]), Some(1));
    assert_eq!(code("", &[]), Some(2));
    assert_eq!(code("kind: Pod\n", &[]), Some(2));
    assert_eq!(code(&format!("{MANIFESTS}---\na: [\n"), &[]), Some(2));
    let unlabelled = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n";
    assert_eq!(code(unlabelled, &[]), Some(0));
    assert_eq!(code(unlabelled, &["--fail-on", "warn"]), Some(1));
    // Wrong arguments, a context that is none, and policies that do not compile.
    write(&folder, "context.yaml", "cluster: [\n");
    assert_eq!(code(good, &["--context", "context.yaml"]), Some(2));
    assert_eq!(code(good, &["--context", "nowhere.yaml"]), Some(2));
    assert_eq!(check_with(&folder, &[], b"").code, Some(2));
    assert_eq!(code(good, &["-f", "nowhere"]), Some(2));
    write(&folder, "policies/wrong.rego", "package wrong\n\nallow if nothing\n");
    let run = check(&folder, &[]);
    assert_eq!((run.code, &*run.out), (Some(2), ""));
    assert!(run.err.contains("policies/wrong.rego"), "{}", run.err);
}

#[test]
fn a_policy_that_fails_cannot_tell() {
    let folder = TempDir::new().unwrap();
    let policy = "package demo.conflict\n\nimport rego.v1\n\nx := 1 if input.request\n\nx := 2 if input.request\n\ndeny contains \"no\" if x == 3\n";
    write(&folder, "policies/conflict.rego", policy);
    write(
        &folder,
        "manifests/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    );
    let run = check(&folder, &[]);
    assert_eq!(run.code, Some(2), "{}", run.out);
    assert!(run.out.contains("ConfigMap default/a denied"), "{}", run.out);
    assert!(run.err.contains("could not be evaluated"), "{}", run.err);
}

/// What the filter answers for the same reviews, word for word.
#[test]
fn admission_says_the_same_of_every_recorded_review() {
    let folder = TempDir::new().unwrap();
    let set = library(&folder);
    let reviews = repository("wasm-tests/fixtures/admission-reviews");
    let mut count = 0;
    for entry in std::fs::read_dir(reviews).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let run = check_with(&folder, &["--policies", "bundle.json", "-o", "json"], &bytes);
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
        let review = Review::parse(&bytes).unwrap();
        let decided = answer::decide(&set, &review);
        let own = decided.own_answer();
        let result = &report["results"][0];
        assert_eq!(result["allowed"], json!(own.denial.is_none()), "{}", path.display());
        assert_eq!(result["message"], json!(own.denial), "{}", path.display());
        assert_eq!(result["warnings"], json!(own.warnings), "{}", path.display());
        let fix = decided.request.fix.map(|fix| fix.patch).unwrap_or_default();
        let shown = result["fix"].get("patch").cloned().unwrap_or_default();
        assert_eq!(shown, fix, "{}", path.display());
        count += 1;
    }
    assert!(count > 20, "{count} reviews");
}

/// The library as a bundle in the folder, and compiled.
fn library(folder: &TempDir) -> PolicySet {
    let built = Command::new(env!("CARGO_BIN_EXE_whynot"))
        .args(["policy", "build"])
        .arg(repository("policies"))
        .arg("-o")
        .arg(folder.path().join("bundle.json"))
        .output()
        .unwrap();
    assert!(built.status.success());
    let bundle = Bundle::from_json(&std::fs::read(folder.path().join("bundle.json")).unwrap()).unwrap();
    compile(&bundle, engine::context::Context::default()).unwrap()
}

/// What a person has here is a file, and nothing that was applied yet.
#[test]
fn the_command_is_for_the_file() {
    let folder = folder();
    let runs = |arguments: &[&str], input: &str| {
        let run = check_with(&folder, arguments, input.as_bytes());
        let lines = run.out.lines().filter_map(|line| line.trim().strip_prefix("Run: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let fix = "whynot check -f manifests/shop.yaml --policies policies --fix";
    assert_eq!(
        runs(&["-f", "manifests", "--policies", "policies", "--diff"], ""),
        [fix]
    );
    assert_eq!(
        runs(&["-f", "manifests/shop.yaml", "--policies", "policies", "-n", "x"], ""),
        ["whynot check -f manifests/shop.yaml --policies policies -n x --fix"]
    );
    // It does what it says.
    let arguments: Vec<&str> = fix.split(' ').skip(2).chain(["--yes"]).collect();
    assert_eq!(check_with(&folder, &arguments, b"").code, Some(0));
    // A pipe is no file, and what it becomes was not applied.
    assert_eq!(runs(&["--policies", "policies"], MANIFESTS), Vec::<String>::new());
    // In a namespace that another file describes, that file is needed too.
    write(
        &folder,
        "manifests/a.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n",
    );
    write(&folder, "manifests/shop.yaml", MANIFESTS);
    assert_eq!(
        runs(&["-f", "manifests", "--policies", "policies"], ""),
        ["whynot check -f manifests --policies policies --fix"]
    );
    // Nothing is written where an anchor shares the field, nor into what Helm made.
    let anchor = MANIFESTS.replace(
        "privileged: true",
        "privileged: &yes true\n        allowPrivilegeEscalation: *yes",
    );
    write(&folder, "manifests/shop.yaml", &anchor);
    assert_eq!(
        runs(&["-f", "manifests", "--policies", "policies"], ""),
        Vec::<String>::new()
    );
    let helm = MANIFESTS.replace(
        "labels: {",
        "labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/instance: web, helm.sh/chart: web-1, ",
    );
    write(&folder, "manifests/shop.yaml", &helm);
    assert_eq!(
        runs(&["-f", "manifests", "--policies", "policies"], ""),
        Vec::<String>::new()
    );
}
