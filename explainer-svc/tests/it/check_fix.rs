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

/// What `kubectl get -o yaml` prints is one list of everything: it must not be written anew for each of its items.
#[test]
fn a_long_list_takes_no_longer_than_its_objects() {
    let folder = folder();
    let item = "- apiVersion: v1\n  kind: Pod\n  metadata: {name: a, labels: {app.kubernetes.io/name: a}}\n  spec:\n    hostNetwork: true\n    containers: [{name: a, image: 'b:1'}]\n";
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}", item.repeat(600));
    write(&folder, "manifests/shop.yaml", &list);
    let start = std::time::Instant::now();
    let run = check(&folder, &["--fix", "--yes", "--output", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
    let expected = list.replace("hostNetwork: true", "hostNetwork: false");
    assert!(text(&folder, "manifests/shop.yaml") == expected);
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

#[test]
fn what_only_a_person_knows_is_never_written() {
    let folder = folder();
    let policy = "# METADATA\n# custom:\n#   fix: {action: set, target: /metadata/labels/owner, value: someone, placeholder: the team that is called}\n#   match: {kinds: [{apiGroups: [''], kinds: [ConfigMap]}]}\npackage general.owner\n\nimport rego.v1\n\ndeny contains \"nobody owns it\" if not input.request.object.metadata.labels.owner\n";
    write(&folder, "policies/general/owner/policy.rego", policy);
    write(
        &folder,
        "policies/policy-set.yaml",
        "policies: {'*': {enabled: false}, general/owner: {enabled: true}}\n",
    );
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {app: a}}\n";
    write(&folder, "manifests/shop.yaml", map);
    // Nor is the example that was tried shown as if it were right.
    let run = check(&folder, &["--diff"]);
    let line = "+metadata: {name: a, labels: {app: a, owner: 'FILL IN: the team that is called'}}\n";
    assert!(run.out.contains(line), "{}", run.out);
    for arguments in [&["--fix", "--yes"][..], &["--fix", "--yes", "--fix-removals"]] {
        let run = check(&folder, arguments);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.out.contains("the team that is called"), "{}", run.out);
        assert!(!run.out.contains("Run: "), "{}", run.out);
        assert_eq!(
            run.err,
            "manifests/shop.yaml:1: ConfigMap default/a: its fix has values that only a person can fill in\n"
        );
        assert_eq!(text(&folder, "manifests/shop.yaml"), map);
    }
    assert_eq!(
        check(&folder, &["--fix", "--yes", "--fix-placeholders"]).code,
        Some(2),
        "there is no such way"
    );
}

#[test]
fn every_document_of_a_file_and_every_file_is_changed() {
    let folder = folder();
    let pod = |name: &str| {
        format!(
            "# {name}\n---\nkind: Pod # first\napiVersion: v1\nmetadata:\n  labels: {{app.kubernetes.io/name: {name}}}\n  name: {name}\nspec:\n  hostPID: true   # {name}\n\n  containers:\n  - image: 'b:1'\n    name: \"a\"\n"
        )
    };
    let several = format!(
        "{}---\nkind: ConfigMap\napiVersion: v1\nmetadata: {{name: m}}\n{}",
        pod("a"),
        pod("b")
    );
    write(&folder, "manifests/shop.yaml", &several);
    write(&folder, "manifests/more/c.yml", &pod("c").replace('\n', "\r\n"));
    let run = check(&folder, &["--fix", "--yes"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.ends_with("changed 3 objects in 2 files\n"), "{}", run.err);
    let expected = several.replace("hostPID: true", "hostPID: false");
    assert_eq!(text(&folder, "manifests/shop.yaml"), expected);
    assert_eq!(
        text(&folder, "manifests/more/c.yml"),
        pod("c")
            .replace("hostPID: true", "hostPID: false")
            .replace('\n', "\r\n")
    );
}

/// Only a person who may write the file may have it changed; the others are changed all the same.
#[test]
fn a_file_keeps_its_rights_and_one_that_is_read_only_is_left() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let path = |name: &str| folder.path().join("manifests").join(name);
    let set = |name: &str, mode| {
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write(&folder, "manifests/closed.yaml", MANIFESTS);
    write(&folder, "manifests/shop.yaml.new", "somebody's own");
    set("closed.yaml", 0o444);
    set("shop.yaml", 0o640);
    std::os::unix::fs::symlink("shop.yaml", path("z-link.yaml")).unwrap();
    let run = check(&folder, &["--fix", "--yes"]);
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(
        run.err
            .contains("manifests/closed.yaml: was left as it is: it is read-only\n"),
        "{}",
        run.err
    );
    assert_eq!(text(&folder, "manifests/closed.yaml"), MANIFESTS);
    let expected = MANIFESTS.replace("privileged: true # for", "privileged: false # for");
    assert_eq!(text(&folder, "manifests/shop.yaml"), expected);
    let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("closed.yaml"), mode("shop.yaml")), (0o444, 0o640));
    assert!(std::fs::symlink_metadata(path("z-link.yaml")).unwrap().is_symlink());
    assert_eq!(text(&folder, "manifests/shop.yaml.new"), "somebody's own");
    let mut left: Vec<_> = std::fs::read_dir(folder.path().join("manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["closed.yaml", "shop.yaml", "shop.yaml.new", "z-link.yaml"]);
}
