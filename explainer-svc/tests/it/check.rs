//! `whynot check` as a process: what it reads, says and exits with, and that admission says the same.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engine::admission::Review;
use engine::answer;
use engine::eval::PolicySet;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::policy::settings::Settings;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{Run, write};
use crate::support::TestServer;

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

fn piped(folder: &TempDir, input: &Value, arguments: &[&str]) -> Value {
    let arguments = [&["--policies", "policies", "-o", "json"], arguments].concat();
    let run = check_with(folder, &arguments, input.to_string().as_bytes());
    serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err))
}

fn privileged(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {"containers": [{"name": "app", "image": "a.example/b:1", "securityContext": {"privileged": true}}]}})
}

fn names(report: &Value) -> Vec<String> {
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
fn json_has_everything() {
    let folder = folder();
    write(&folder, "manifests/values.yaml", "replicas: 2\n");
    write(
        &folder,
        "manifests/z-broken.yaml",
        "apiVersion: v1\nkind: [Pod\nmetadata: {}\n",
    );
    let run = check(&folder, &["--output", "json"]);
    assert_eq!(run.code, Some(2), "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let revision = report["revision"].as_str().unwrap();
    assert_snapshot!("check_json", run.out.replace(revision, "REVISION"));
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
    assert_eq!(code("", &[]), Some(0));
    assert_eq!(code("kind: Pod\n", &[]), Some(2));
    assert_eq!(code(&format!("{MANIFESTS}---\na: [\n"), &[]), Some(2));
    let unlabelled = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n";
    assert_eq!(code(unlabelled, &[]), Some(0));
    assert_eq!(code(unlabelled, &["--fail-on", "warn"]), Some(1));
    // Wrong arguments, and policies that do not compile.
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

#[test]
fn mistakes_name_file_line_and_column_and_the_rest_is_judged() {
    let folder = folder();
    write(
        &folder,
        "manifests/a.yaml",
        "# one\n---\nkind: Pod\n---\nspec: [1\nb: 2\n",
    );
    write(
        &folder,
        "manifests/b.yaml",
        "apiVersion: v1\nkind: {{ .Values.kind }}\n",
    );
    let run = check(&folder, &[]);
    assert_eq!(run.code, Some(2));
    assert!(run.out.contains("Pod shop/web denied"), "{}", run.out);
    let lines: Vec<&str> = run.err.lines().collect();
    assert_eq!(lines.first(), Some(&"manifests/a.yaml:3: the Pod has no apiVersion"));
    assert!(
        lines[1].starts_with("manifests/a.yaml:6:2: cannot be read: "),
        "{}",
        run.err
    );
    assert!(lines[2].contains("helm template"), "{}", run.err);
}

#[test]
fn lists_and_streams_of_json_are_taken_apart() {
    let folder = folder();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [privileged("a"), privileged("b")]});
    let report = piped(&folder, &list, &[]);
    assert_eq!(names(&report), ["Pod default/a", "Pod default/b"]);
    assert_eq!(report["results"][1]["allowed"], false);
    // As jq writes them.
    let stream = format!("{}\n{}\n", privileged("a"), privileged("c"));
    let arguments = ["--policies", "policies", "-o", "json", "-f", "-"];
    let run = check_with(&folder, &arguments, stream.as_bytes());
    assert_eq!(
        names(&serde_json::from_str(&run.out).unwrap()),
        ["Pod default/a", "Pod default/c"]
    );
}

#[test]
fn reviews_are_taken_as_they_are() {
    let folder = folder();
    write(
        &folder,
        "policies/who/policy.rego",
        "package general.who\n\nimport rego.v1\n\ndeny contains msg if {\n\tinput.request.operation == \"UPDATE\"\n\tmsg := sprintf(\"%s replaces %s\", [input.request.userInfo.username, input.request.oldObject.metadata.name])\n}\n",
    );
    write(
        &folder,
        "policies/policy-set.yaml",
        "policies:\n  '*': {enabled: false}\n  general/who: {enabled: true}\n",
    );
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "UPDATE",
        "name": "a", "namespace": "shop", "userInfo": {"username": "joe"}, "object": privileged("a"), "oldObject": privileged("a")}});
    let report = piped(&folder, &review, &[]);
    assert_eq!(report["results"][0]["violations"][0]["message"], "joe replaces a");
    let broken = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}});
    let report = piped(&folder, &broken, &[]);
    assert_eq!(report["errors"][0]["message"], "request.uid is missing");
}

/// Several threads judge these, and large files in several pieces.
#[test]
fn results_are_in_the_order_of_the_files() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("manifests/shop.yaml")).unwrap();
    let mut expected = Vec::new();
    for file in 0..10 {
        let mut text = String::new();
        for number in 0..300 {
            let name = format!("map-{file}-{number}");
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            text.push_str(&format!("---\n# {}\n{map}\n", "x".repeat(250)));
            expected.push(format!("ConfigMap default/{name}"));
        }
        write(&folder, &format!("manifests/{file}.yaml"), &text);
    }
    let run = check(&folder, &["--output", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
    assert_eq!(names(&report), expected);
    assert_eq!(report["results"][299]["line"], 900);
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

const NAMESPACES: &str = "package general.gold\n\nimport rego.v1\n\ndeny contains msg if {\n\tinput.namespace.labels.tier == \"gold\"\n\tmsg := sprintf(\"gold, and %s\", [input.namespace.labels[\"kubernetes.io/metadata.name\"]])\n}\n\ndeny contains \"twice\" if data.inventory.namespace.shop.v1.ConfigMap.a\n\ndeny contains \"here\" if data.context.cluster.name == \"prod\"\n";

#[test]
fn policies_know_namespaces_the_inventory_and_the_context() {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/gold.rego", NAMESPACES);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}});
    let messages = |report: &Value| -> Vec<String> {
        let violations = report["results"][0]["violations"].as_array().unwrap().iter();
        violations
            .map(|violation| violation["message"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(messages(&piped(&folder, &pod, &[])).is_empty());
    let gold = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n";
    write(&folder, "namespaces.yaml", gold);
    assert_eq!(
        messages(&piped(&folder, &pod, &["--namespace-file", "namespaces.yaml"])),
        ["gold, and shop"]
    );
    write(
        &folder,
        "objects.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n",
    );
    assert_eq!(
        messages(&piped(&folder, &pod, &["--inventory", "objects.yaml"])),
        ["twice"]
    );
    write(&folder, "context.yaml", "cluster: {name: prod}\n");
    assert_eq!(
        messages(&piped(&folder, &pod, &["--context", "context.yaml"])),
        ["here"]
    );
    // Among the objects themselves.
    let both = format!("{pod}\n---\n{gold}");
    let run = check_with(&folder, &["--policies", "policies", "-o", "json"], both.as_bytes());
    assert_eq!(messages(&serde_json::from_str(&run.out).unwrap()), ["gold, and shop"]);
    let wrong = check_with(
        &folder,
        &["--policies", "policies", "--namespace-file", "objects.yaml"],
        b"",
    );
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.err.contains("expected objects of kind Namespace"),
        "{}",
        wrong.err
    );
}

#[test]
fn excluded_namespaces_are_excluded_and_others_can_be_named() {
    let folder = folder();
    let allowed = |arguments: &[&str]| piped(&folder, &privileged("a"), arguments)["results"][0]["allowed"].clone();
    assert_eq!(allowed(&[]), false);
    assert_eq!(allowed(&["--namespace", "kube-system"]), true);
}

#[test]
fn github_gets_annotations() {
    let folder = folder();
    write(&folder, "manifests/broken.yaml", "a: [\n");
    let run = check(&folder, &["--output", "github"]);
    assert_snapshot!("check_github", run.out);
}

#[test]
fn junit_has_a_test_for_each_object() {
    let folder = folder();
    let run = check(&folder, &["--output", "junit"]);
    let (head, rest) = run.out.split_once(" time=\"").unwrap();
    let (_, rest) = rest.split_once('"').unwrap();
    assert_snapshot!("check_junit", format!("{head}{rest}"));
}

/// The points without which code scanning refuses a report.
#[test]
fn sarif_is_whole() {
    let folder = folder();
    write(&folder, "manifests/broken.yaml", "a: [\n");
    let run = check(&folder, &["--output", "sarif"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["version"], "2.1.0");
    let one = &report["runs"][0];
    let rules = one["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(one["tool"]["driver"]["name"].is_string());
    for rule in rules {
        for text in ["/shortDescription/text", "/fullDescription/text", "/help/text", "/id"] {
            assert!(!rule.pointer(text).unwrap().as_str().unwrap().is_empty(), "{rule}");
        }
    }
    let results = one["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "manifests/shop.yaml");
        assert_eq!(place["region"]["startLine"], 13);
    }
    // The replacement, made by hand, is what --fix writes.
    let replacement = &results[0]["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(
        replacement,
        &json!({"deletedRegion": {"startLine": 13, "startColumn": 1, "endLine": 14, "endColumn": 1},
            "insertedContent": {"text": "        privileged: false # for debugging\n"}})
    );
    assert_eq!(one["invocations"][0]["executionSuccessful"], false);
    let told = &one["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(
        told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "manifests/broken.yaml"
    );
}

#[tokio::test]
async fn a_running_explainer_gives_its_policies_and_context() {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/gold.rego", NAMESPACES);
    let sources = explainer_svc::sources::read(
        &[folder.path().join("policies")],
        &explainer_svc::sources::Options::default(),
    )
    .unwrap();
    let files = sources.files.iter().map(|file| (file.path.clone(), file.text.clone()));
    let bundle = Bundle::new(Settings::default(), files);
    let server = TestServer::with(|config| {
        config.policies.location = explainer_svc::delivery::Location::Files(vec![folder.path().join("policies")]);
        config.published.context = Some(explainer_svc::config::Document::new(
            br#"{"cluster": {"name": "prod"}}"#.to_vec(),
        ));
    })
    .await;
    let response = server.get("/v1/policies").await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", bundle.revision));
    let again = server
        .client
        .get(format!("{}/v1/policies", server.url))
        .header("if-none-match", &etag);
    assert_eq!(again.send().await.unwrap().status(), 304);

    let url = server.url.clone();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}).to_string();
    let run =
        tokio::task::spawn_blocking(move || check_with(&folder, &["--server", &url, "-o", "json"], pod.as_bytes()));
    let run = run.await.unwrap();
    assert_eq!(run.code, Some(1), "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["revision"], bundle.revision);
    assert_eq!(report["results"][0]["violations"][0]["message"], "here");
}

#[tokio::test]
async fn an_explainer_without_policies_says_so() {
    let server = TestServer::start().await;
    let url = server.url.clone();
    let run = tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().unwrap();
        let nowhere = check_with(&folder, &["--server", "http://127.0.0.1:9"], b"");
        (check_with(&folder, &["--server", &url], b""), nowhere)
    });
    let (run, nowhere) = run.await.unwrap();
    assert_eq!(run.code, Some(2));
    let expected = "/v1/policies answers 404: This explainer has no policies; start it with --policies, or give it some with \
                    whynot policy push.\n";
    assert!(run.err.ends_with(expected), "{}", run.err);
    assert_eq!(nowhere.code, Some(2));
    assert!(
        nowhere
            .err
            .starts_with("error: cannot read http://127.0.0.1:9/v1/policies: "),
        "{}",
        nowhere.err
    );
}
