//! What `whynot check` reads: files, folders, lists, reviews, and what is none of these.

use serde_json::{Value, json};

use crate::check::{check, check_with, folder, names, piped, privileged};
use crate::cli::write;

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

#[test]
fn nothing_to_check_is_a_mistake() {
    let folder = folder();
    let with = |arguments: &[&str], input: &str| {
        let run = check_with(
            &folder,
            &[&["--policies", "policies"], arguments].concat(),
            input.as_bytes(),
        );
        (run.code, run.err)
    };
    let empty = "-: standard input is empty: expected objects of Kubernetes in YAML or JSON, as `helm template` and \
                 `kustomize build` print them\n";
    for arguments in [&["-f", "-"][..], &[]] {
        assert_eq!(with(arguments, ""), (Some(2), empty.to_owned()));
    }
    let (code, err) = with(&["--fix"], "");
    assert_eq!((code, err.ends_with(empty)), (Some(2), true), "{err}");
    for input in ["# nothing\n", "---\n---\n", "\n\n", "\u{feff}", "null\n"] {
        let (code, err) = with(&[], input);
        assert_eq!(code, Some(2), "{input:?}");
        assert!(
            err.starts_with("-: standard input has only comments and empty documents: expected objects"),
            "{err}"
        );
    }
    write(&folder, "empty.yaml", "");
    write(&folder, "comments.yaml", "# one\n---\n# two\n");
    write(&folder, "folder/README.md", "no manifest");
    write(&folder, "folder/.hidden.yaml", "a: 1\n");
    write(&folder, "quiet/empty.yaml", "");
    write(&folder, "quiet/comments.yaml", "# one\n");
    write(&folder, "values/values.yaml", "a: 1\n");
    for (path, expected) in [
        ("empty.yaml", "empty.yaml: is empty: expected objects of Kubernetes"),
        (
            "comments.yaml",
            "comments.yaml: has only comments and empty documents: expected objects",
        ),
        (
            "folder",
            "error: folder has no manifests: expected files that end in .yaml, .yml or .json",
        ),
        (
            "quiet",
            "error: there is nothing to check in what was named: expected objects of Kubernetes",
        ),
        ("values", "note: values/values.yaml:1: is no object of Kubernetes"),
        ("values", "\nerror: there is nothing to check"),
        ("nowhere", "error: nowhere does not exist"),
    ] {
        let (code, err) = with(&["-f", path], "");
        assert_eq!(code, Some(2), "{path}: {err}");
        assert!(
            format!("\n{err}").contains(&format!("\n{}", expected.trim_start())),
            "{path}: {err}"
        );
    }
    // One is a mistake beside others too; in a folder such files are left by templates that made nothing.
    let (code, err) = with(&["-f", "manifests", "-f", "empty.yaml"], "");
    assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
    write(&folder, "manifests/empty.yaml", "");
    assert_eq!(with(&["-f", "manifests"], ""), (Some(1), String::new()));
    // A list says itself that there are none.
    let list = json!({"apiVersion": "v1", "kind": "List", "items": []}).to_string();
    assert_eq!(with(&[], &list), (Some(0), "note: -:1: the list is empty\n".to_owned()));
}

#[test]
fn programs_are_told_of_nothing_too() {
    let folder = folder();
    let run = check_with(&folder, &["--policies", "policies", "-o", "json"], b"");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, names(&report).len()), (Some(2), 0));
    assert_eq!(report["errors"][0]["file"], "-");
}

/// What editors, templates and other systems leave in files.
#[test]
fn odd_files_are_read_as_kubectl_reads_them() {
    let folder = folder();
    let pod = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, labels: {{app.kubernetes.io/name: a}}}}\nspec:\n{spec}"
        )
    };
    let denied = |text: &str| {
        let run = check_with(&folder, &["--policies", "policies", "-o", "json"], text.as_bytes());
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
        assert_eq!(report["errors"], json!([]), "{text:?}");
        let violations = report["results"][0]["violations"].as_array().unwrap().iter();
        violations
            .map(|violation| violation["lines"][0].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let host = pod("  hostNetwork: true\n  containers: []\n");
    assert_eq!(denied(&host), [5]);
    assert_eq!(denied(&host.replace('\n', "\r\n")), [5], "line ends of Windows");
    assert_eq!(denied(&format!("\u{feff}{host}")), [5], "a byte order mark");
    assert_eq!(denied(&format!("---\n# x\n---\n\n{host}...\n")), [9], "empty documents");
    assert_eq!(
        denied(&pod("  hostNetwork: yes\n  containers: []\n")),
        [5],
        "a boolean of YAML 1.1"
    );
    assert_eq!(
        denied(&pod("  hostNetwork: false\n  hostNetwork: true\n  containers: []\n")),
        [6],
        "a key twice"
    );
    assert_eq!(
        denied(&pod("  hostNetwork: &yes true\n  hostPID: *yes\n  containers: []\n")),
        [5, 6],
        "an alias"
    );
    assert_eq!(
        denied(&pod("  <<: {hostNetwork: true}\n  containers: []\n")),
        [4],
        "a merge has no line of its own"
    );
    let run = check_with(
        &folder,
        &["--policies", "policies"],
        pod("\thostNetwork: true\n").as_bytes(),
    );
    assert_eq!(run.code, Some(2));
    assert!(
        run.err.starts_with("-:5:2: cannot be read: tabs disallowed"),
        "{}",
        run.err
    );
    let run = check_with(&folder, &["--policies", "policies"], b"a: 1\n\xff\n");
    assert_eq!(
        (run.code, &*run.err),
        (Some(2), "-: cannot be read: line 2 is not UTF-8\n")
    );
}
