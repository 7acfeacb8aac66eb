//! No output of `whynot check` shows what may be a secret; `--fix` writes it all the same.

use serde_json::{Value, json};

use crate::check::{check, check_with, folder};
use crate::cli::write;

/// All of these are near something that is changed, or changed themselves.
const MANIFESTS: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: keys}
data:
  key: aHVudGVyMg==
stringData: {pin: hunter2}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app.kubernetes.io/name: web}
  annotations:
    api-token: hunter2
spec:
  hostNetwork: true
  containers:
    - name: app
      image: a.example/b:1
      command: [run, --password=hunter2]
      env:
        # once: hunter2
        - {name: KEY, value: hunter2}
        - name: SCRIPT
          value: |
            hunter2
      securityContext:
        privileged: true # the password is hunter2
    - {name: side, image: 'a.example/b:1', env: [{name: K, value: hunter2}], securityContext: {privileged: true}}
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Secret
    metadata: {name: more}
    data: {a: aHVudGVyMg==}
  - {apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {hostPID: true, containers: [{name: a, image: 'b:1', args: [hunter2]}]}}
";

#[test]
fn no_output_shows_a_secret() {
    let folder = folder();
    write(&folder, "manifests/shop.yaml", MANIFESTS);
    for arguments in [
        &["--diff"][..],
        &["--output", "json"],
        &["--output", "sarif"],
        &["--output", "junit", "--diff"],
        &["--output", "github", "--fail-on", "audit"],
        &["--diff", "--fail-on", "warn"],
    ] {
        let run = check(&folder, arguments);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.out.contains("privileged"), "{}", run.out);
        for secret in ["hunter2", "aHVudGVyMg"] {
            assert!(!run.out.contains(secret), "{arguments:?} shows {secret}:\n{}", run.out);
            assert!(!run.err.contains(secret), "{arguments:?} shows {secret}:\n{}", run.err);
        }
    }
    let piped = check_with(&folder, &["--policies", "policies", "-ojson"], MANIFESTS.as_bytes());
    assert!(
        piped.out.contains("\"-\"") && !piped.out.contains("hunter2"),
        "{}",
        piped.out
    );
}

#[test]
fn a_diff_hides_values_and_keeps_the_rest() {
    let folder = folder();
    write(&folder, "manifests/shop.yaml", MANIFESTS);
    let run = check(&folder, &["--output", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let diffs: Vec<&str> = [1, 3]
        .map(|index| report["results"][index]["fix"]["diff"].as_str().unwrap())
        .into();
    insta::assert_snapshot!(diffs.join("\n"));
}

#[test]
fn what_is_written_is_whole() {
    let folder = folder();
    write(&folder, "manifests/shop.yaml", MANIFESTS);
    let run = check(&folder, &["--fix", "--yes"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert!(!run.err.contains("hunter2"), "{}", run.err);
    let expected = MANIFESTS
        .replace("privileged: true", "privileged: false")
        .replace("hostNetwork: true", "hostNetwork: false")
        .replace("hostPID: true", "hostPID: false");
    let written = std::fs::read_to_string(folder.path().join("manifests/shop.yaml")).unwrap();
    assert_eq!(written, expected);
}

/// A policy says what it likes.
#[test]
fn a_message_that_quotes_a_secret_hides_it() {
    let folder = folder();
    write(
        &folder,
        "policies/general/open/policy.rego",
        "package general.open\n\nimport rego.v1\n\n\
         containers := input.request.object.spec.containers\n\n\
         deny contains sprintf(\"%s holds %s\", [e.name, e.value]) if some e in containers[_].env\n\n\
         deny contains sprintf(\"%s is old\", [c.image]) if some c in containers\n\n\
         deny contains sprintf(\"%s=%s\", [k, v]) if some k, v in input.request.object.data\n",
    );
    write(
        &folder,
        "policies/policy-set.yaml",
        "policies: {'*': {enabled: false}, general/open: {enabled: true}}\n",
    );
    write(
        &folder,
        "manifests/shop.yaml",
        "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: app,\n\
           image: 'user:hunter2@r.io/shop/web:1', env: [{name: KEY, value: hunter2-x}]}]}}\n\
         ---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {key: hunter2-y}}\n",
    );
    for output in ["text", "json", "sarif", "junit", "github"] {
        let run = check(&folder, &["--output", output]);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(!run.out.contains("hunter2"), "{}", run.out);
        for words in ["KEY holds (hidden)", "(hidden)@r.io/shop/web:1 is old", "key=(hidden)"] {
            assert!(run.out.contains(words), "{words}: {}", run.out);
        }
    }
}

/// One that cannot be read may be anything.
#[test]
fn a_mistake_is_told_without_its_text() {
    let folder = folder();
    for text in [
        "apiVersion: v1\nkind: Secret\nstringData: {a: !!int hunter2}\n",
        "apiVersion: v1\nkind: Secret\nstringData:\n  a: hunter2\n b: hunter2: [\n",
        "apiVersion: v1\nkind: Secret\nstringData: {a: \"hunter2}\n",
        "apiVersion: v1\nkind: Secret\nstringData: {a: *hunter2}\n",
    ] {
        write(&folder, "manifests/shop.yaml", text);
        for output in ["text", "json", "sarif", "junit", "github"] {
            let run = check(&folder, &["--output", output]);
            assert_eq!(run.code, Some(2), "{text}");
            assert!(
                !format!("{}{}", run.out, run.err).contains("hunter2"),
                "{}{}",
                run.out,
                run.err
            );
        }
    }
}

#[test]
fn how_a_key_is_made_is_shown() {
    let folder = folder();
    let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "a"},
        "spec": {"privateKey": {"algorithm": "RSA", "size": 1024}, "secretName": "a"}});
    write(
        &folder,
        "policies/general/key/policy.rego",
        "package general.key\n\nimport rego.v1\n\ndeny contains {\"msg\": \"too short\", \"path\": \"/spec/privateKey/size\"} if input.request.object.spec.privateKey.size < 4096\n",
    );
    write(
        &folder,
        "policies/policy-set.yaml",
        "policies: {'*': {enabled: false}, general/key: {enabled: true}}\n",
    );
    write(
        &folder,
        "manifests/shop.yaml",
        &serde_json::to_string_pretty(&certificate).unwrap(),
    );
    let run = check(&folder, &["--diff"]);
    assert!(run.out.contains("spec.privateKey.size: 1024"), "{}", run.out);
    assert!(run.out.contains("+      \"size\": 4096"), "{}", run.out);
}
