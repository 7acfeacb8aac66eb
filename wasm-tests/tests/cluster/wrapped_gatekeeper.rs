//! Gatekeeper itself behind Envoy: its denials arrive explained, with a change that it admits; all else as it said it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use engine::policy::bundle::Bundle;
use serde_json::{Value, json};
use wasm_tests::fixtures::{files_below, pod, repository, review_bytes, reviews};
use wasm_tests::stack::{Gatekeeper, TestStack, client};

use crate::support::{kubectl, redacted};
use crate::wrapped::Wrapping;

const FOLDERS: [&str; 3] = ["required-labels", "allowed-repositories", "privileged-containers"];

/// What Gatekeeper only warns of.
const WARNS: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sRequiredLabels\nmetadata: {name: prefer-a-cost-center}\n\
                     spec:\n  enforcementAction: warn\n  match: {kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}\n  \
                     parameters: {labels: [{key: cost-center}]}\n";

/// The folder with Gatekeeper: built, which takes minutes, when it is not there yet.
fn folder() -> PathBuf {
    let output = Command::new(repository("scripts/gatekeeper-build.sh"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

fn files() -> Vec<(String, String)> {
    let mut files = vec![("warns.yaml".to_owned(), WARNS.to_owned())];
    for folder in FOLDERS {
        for path in files_below(&repository(&format!("wasm-tests/fixtures/gatekeeper/{folder}"))).unwrap() {
            let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

/// Templates, and constraints.
fn objects(files: &[(String, String)]) -> (Vec<Value>, Vec<Value>) {
    let all = files
        .iter()
        .map(|(_, text)| serde_saphyr::from_str::<Value>(text).unwrap());
    all.partition(|object| object["kind"] == "ConstraintTemplate")
}

/// Runs a line as a person would, in a shell that knows kubectl.
fn shell(stack: &TestStack, line: &str) -> String {
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .env("PATH", stack.settings().programs.kubectl.parent().unwrap())
        .env("KUBECONFIG", stack.kubeconfig())
        .env("HOME", &stack.settings().run_dir)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{line}\n{text}");
    text
}

/// Objects that break one or the other, in ways of their own.
fn altered() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for labels in [
        json!({}),
        json!({"owner": "x"}),
        json!({"owner": "X1", "app": "a"}),
        json!({"owner": "x", "app": "a"}),
    ] {
        for image in [
            "nginx",
            "registry.example.com/web:1",
            "registry.example.com/node/csi-driver:2",
        ] {
            for is_privileged in [true, false] {
                let mut object = pod(is_privileged);
                object["metadata"]["labels"] = labels.clone();
                object["spec"]["containers"][0]["image"] = image.into();
                all.push(review_bytes(&object));
            }
        }
    }
    all
}

#[test]
fn gatekeeper_behind_envoy_denies_the_same_and_says_why() {
    let gatekeeper_folder = folder();
    let files = files();
    let (templates, constraints) = objects(&files);
    let explains = "policies:\n  'k8s*': {action: explain}\n";
    let bundle = Bundle::from_parts(Some(explains), files)
        .unwrap_or_else(|problems| panic!("{}", engine::policy::list(&problems)));
    let cluster = Wrapping::start("cluster-gatekeeper", &bundle, "");
    let stack = &cluster.stack;
    for namespace in ["shop", "team-a"] {
        let made = kubectl(stack, "default", &["create", "namespace", namespace], None);
        assert!(made.success, "{}", made.text);
    }
    let mut violating = pod(true);
    violating["spec"]["containers"][0]["image"] = "docker.io/nginx".into();
    let gatekeeper = Gatekeeper::start_at(
        cluster.port,
        stack,
        &gatekeeper_folder,
        2,
        &templates,
        &constraints,
        &review_bytes(&violating),
    )
    .unwrap_or_else(|error| panic!("{error:#}"));

    equal_verdicts(stack, gatekeeper.admission_url());
    explained_to_a_person(&cluster);
    drop(gatekeeper);
}

fn wrapped_url(stack: &TestStack) -> String {
    stack.admission_url().replace("/validate", "/wrap/behind/v1/admit")
}

/// The same verdicts, warnings and codes with and without us.
fn equal_verdicts(stack: &TestStack, direct_url: &str) {
    let agent = client(&stack.ca_file()).unwrap();
    let wrapped_url = wrapped_url(stack);
    let mut recorded: Vec<Vec<u8>> = reviews().unwrap().into_iter().map(|(_, review)| review).collect();
    recorded.extend(altered());
    let (mut denied, mut warned) = (0, 0);
    for review in &recorded {
        let ask = |url: &str| -> Value {
            let request = agent
                .post(&format!("{url}?timeout=10s"))
                .header("content-type", "application/json");
            let text = request
                .send(review.as_slice())
                .unwrap()
                .body_mut()
                .read_to_string()
                .unwrap();
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        let (mut direct, mut wrapped) = (ask(direct_url), ask(&wrapped_url));
        if direct["response"]["allowed"] == false {
            denied += 1;
            let own = direct["response"]["status"]["message"].take();
            let said = wrapped["response"]["status"]["message"].take();
            let (own, said) = (own.as_str().unwrap(), said.as_str().unwrap());
            // Gatekeeper's own order differs from one time to the next.
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let (_, below) = said.split_once("In the words of the webhook behind:\n").unwrap();
            assert_eq!(sorted(below), sorted(own));
        }
        for answer in [&mut direct, &mut wrapped] {
            if let Some(warnings) = answer["response"]["warnings"].as_array_mut() {
                warnings.sort_by_key(Value::to_string);
                warned += 1;
            }
        }
        assert_eq!(direct, wrapped);
    }
    assert!(
        denied > 10 && warned > 10 && denied < recorded.len(),
        "{denied} denied, {warned} warned"
    );
}

/// kubectl's words, and the change in them.
fn explained_to_a_person(cluster: &Wrapping) {
    let stack = &cluster.stack;
    cluster.namespace("people", "ValidatingWebhookConfiguration", &wrapped_url(stack), "Fail");
    let probe = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"automountServiceAccountToken": false, "containers": [
            {"name": "app", "image": "registry.example.com/web:1.4.2", "securityContext": {"privileged": true}}]}});
    let file = stack.settings().run_dir.join("pod.json");
    fs::write(&file, probe.to_string()).unwrap();
    let path = file.to_string_lossy().into_owned();
    let mut said = kubectl(stack, "people", &["apply", "--dry-run=server", "-f", &path], None);
    for _ in 0..100 {
        if !said.success {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        said = kubectl(stack, "people", &["apply", "--dry-run=server", "-f", &path], None);
    }
    let denied = kubectl(stack, "people", &["apply", "-f", &path], None);
    assert!(!denied.success, "{}", denied.text);
    // In Gatekeeper's order, which is not the same each time.
    for says in [
        "2 problems in Pod people/web found by the webhook behind",
        "* The label owner is missing.",
        "Fill in the marked values (checked with an example against the policy as whynot has it",
    ] {
        assert!(denied.text.contains(says), "{}", denied.text);
    }

    // What a person owns is filled in; what else is wrong is mended by the command, and Gatekeeper admits it.
    let mut owned = probe.clone();
    owned["metadata"]["labels"]["owner"] = "checkout".into();
    fs::write(&file, owned.to_string()).unwrap();
    let denied = kubectl(stack, "people", &["apply", "-f", &path], None);
    assert!(
        denied.text.contains("Fix (checked against the policy as whynot has it"),
        "{}",
        denied.text
    );
    assert!(
        denied
            .text
            .contains("Warning: [prefer-a-cost-center] The label cost-center is missing."),
        "{}",
        denied.text
    );
    insta::assert_snapshot!(
        "wrapped_gatekeeper",
        redacted(stack, &denied.text).replace(&*path, "FILE")
    );
    let command = denied
        .text
        .lines()
        .find_map(|line| line.strip_prefix("  Run: "))
        .unwrap_or_else(|| panic!("no command in: {}", denied.text));
    let admitted = shell(stack, &command.replace("-f FILE", &format!("-f {path}")));
    assert!(
        admitted.contains("created") && admitted.contains("Warning: [prefer-a-cost-center]"),
        "{admitted}"
    );
}
