//! `whynot check --fix`: files that are changed, and nothing else in them.

use serde_json::json;
use tempfile::TempDir;

use crate::check::{MANIFESTS, check, check_with, folder};
use crate::cli::write;

fn text(folder: &TempDir, path: &str) -> String {
    std::fs::read_to_string(folder.path().join(path)).unwrap()
}

#[test]
fn a_fix_changes_its_line_and_no_other() {
    let folder = folder();
    let run = check(&folder, &["--fix", "--yes"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let expected = MANIFESTS.replace("privileged: true # for", "privileged: false # for");
    assert_eq!(text(&folder, "manifests/shop.yaml"), expected);
    assert!(run.err.ends_with("changed 1 object in 1 file\n"), "{}", run.err);
    let again = check(&folder, &["--fix", "--yes"]);
    assert_eq!((again.code, &*again.err), (Some(0), ""));
}

#[test]
fn nobody_to_ask_means_nothing_is_written() {
    let folder = folder();
    let run = check(&folder, &["--fix"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("give --yes too"), "{}", run.err);
    assert_eq!(text(&folder, "manifests/shop.yaml"), MANIFESTS);
}

#[test]
fn a_pipe_gets_the_changed_stream() {
    let folder = folder();
    let run = check_with(&folder, &["--policies", "policies", "--fix"], MANIFESTS.as_bytes());
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(
        run.out,
        MANIFESTS.replace("privileged: true # for", "privileged: false # for")
    );
    assert!(run.err.contains("Pod shop/web denied"), "{}", run.err);
}

#[test]
fn items_of_lists_are_changed_where_they_stand() {
    let folder = folder();
    let item = |name: &str| {
        format!(
            "  - apiVersion: v1\n    kind: Pod\n    metadata: {{name: {name}, labels: {{app.kubernetes.io/name: a}}}}\n    spec:\n      hostNetwork: true # {name}\n      containers: [{{name: a, image: 'b:1'}}]\n"
        )
    };
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item("a"), item("b"));
    write(&folder, "manifests/shop.yaml", &list);
    let run = check(&folder, &["--fix", "--yes", "--fix-removals"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(
        text(&folder, "manifests/shop.yaml"),
        list.replace("hostNetwork: true", "hostNetwork: false")
    );
}

#[test]
fn what_an_anchor_shares_is_left_and_said() {
    let folder = folder();
    let shared = "\
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app.kubernetes.io/name: a}}
spec:
  containers:
  - name: a
    image: b:1
    securityContext: &context {privileged: true}
  - name: b
    image: b:1
    securityContext: *context
";
    write(&folder, "manifests/shop.yaml", shared);
    let run = check(&folder, &["--fix", "--yes"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(text(&folder, "manifests/shop.yaml"), shared);
    assert!(run.err.contains("was left as it is"), "{}", run.err);
}

/// A policy whose fixes take away, and one whose fixes a person has to finish.
#[test]
fn what_takes_away_has_to_be_allowed() {
    let folder = folder();
    let policy = "# METADATA\n# custom:\n#   fix: {action: remove}\n#   match: {kinds: [{apiGroups: [''], kinds: [ConfigMap]}]}\npackage general.no_secret\n\nimport rego.v1\n\ndeny contains {\"msg\": \"no\", \"path\": \"/data/extra\"} if input.request.object.data.extra\n";
    write(&folder, "policies/general/no-secret/policy.rego", policy);
    write(
        &folder,
        "policies/policy-set.yaml",
        "policies: {'*': {enabled: false}, general/no-secret: {enabled: true}}\n",
    );
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  kept: a # stays\n  extra: b # goes\n";
    write(&folder, "manifests/shop.yaml", map);
    let run = check(&folder, &["--fix", "--yes"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.err
            .contains("its fix takes something away; --fix-removals writes it"),
        "{}",
        run.err
    );
    assert_eq!(text(&folder, "manifests/shop.yaml"), map);
    assert_eq!(check(&folder, &["--fix", "--yes", "--fix-removals"]).code, Some(0));
    assert_eq!(
        text(&folder, "manifests/shop.yaml"),
        map.replace("  extra: b # goes\n", "")
    );
}

#[test]
fn json_files_stay_json() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("manifests/shop.yaml")).unwrap();
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "a"}},
        "spec": {"hostNetwork": true, "containers": [{"name": "a", "image": "b:1"}]}});
    let before = serde_json::to_string_pretty(&pod).unwrap();
    write(&folder, "manifests/pod.json", &before);
    let run = check(&folder, &["--fix", "--yes", "--fix-removals"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(
        text(&folder, "manifests/pod.json"),
        before.replace("\"hostNetwork\": true", "\"hostNetwork\": false")
    );
}
