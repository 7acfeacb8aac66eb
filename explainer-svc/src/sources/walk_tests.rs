use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn names(folder: &Path) -> Vec<String> {
    walk(folder, &Limits::default())
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

fn refused(folder: &Path, limits: Limits) -> String {
    engine::policy::list(&walk(folder, &limits).unwrap_err())
}

#[test]
fn files_of_policy_sets_are_found_and_hidden_ones_are_not() {
    let files = [
        ("b/policy.rego", ""),
        ("a.yaml", ""),
        ("b/c/data.json", ""),
        ("README.md", ""),
        (".git/x.rego", ""),
        ("b/.hidden.rego", ""),
        ("b/.manifest", ""),
        (".manifest", "{}"),
    ];
    assert_eq!(
        names(folder(&files).path()),
        [".manifest", "a.yaml", "b/c/data.json", "b/policy.rego"]
    );
}

#[test]
fn a_mounted_config_map_is_read_once() {
    let folder = folder(&[("..2026_11_01/policy.rego", "package a")]);
    symlink("..2026_11_01", folder.path().join("..data")).unwrap();
    symlink("..data/policy.rego", folder.path().join("policy.rego")).unwrap();
    assert_eq!(names(folder.path()), ["policy.rego"]);
    // Named by its link.
    assert_eq!(names(&folder.path().join("..data")), ["policy.rego"]);
}

#[test]
fn links_stay_inside() {
    let outside = folder(&[("secret.rego", "")]);
    let folder = folder(&[("a/policy.rego", "")]);
    symlink(outside.path().join("secret.rego"), folder.path().join("b.rego")).unwrap();
    symlink("nowhere.rego", folder.path().join("c.rego")).unwrap();
    symlink("nowhere.txt", folder.path().join("d.txt")).unwrap();
    let text = refused(folder.path(), Limits::default());
    assert!(
        text.contains("b.rego: is a link that leads out of the folder, to "),
        "{text}"
    );
    assert!(text.contains("c.rego: is a link that leads nowhere"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn nobody_waits_for_a_pipe() {
    let folder = folder(&[]);
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("a.rego"))
        .status();
    assert!(made.unwrap().success());
    symlink("a.rego", folder.path().join("b.rego")).unwrap();
    let text = refused(folder.path(), Limits::default());
    assert_eq!(text.matches("is a pipe or a device").count(), 2, "{text}");
}

#[test]
fn links_to_folders_are_told_and_not_followed() {
    let folder = folder(&[("a/policy.rego", "")]);
    symlink(".", folder.path().join("a/circle")).unwrap();
    let found = walk(folder.path(), &Limits::default()).unwrap();
    assert_eq!(found.entries.len(), 1);
    assert_eq!(found.notes[0].file, "a/circle");
    assert!(found.notes[0].message.contains("was passed over"));
}

#[test]
fn every_limit_fires() {
    let limits = Limits {
        unpacked: 100,
        file: 60,
        files: 3,
        depth: 2,
        ..Limits::default()
    };
    let text = |files: &[(&str, &str)]| refused(folder(files).path(), limits);
    let sixty = "x".repeat(60);
    assert_eq!(
        text(&[("a.rego", &"x".repeat(61))]),
        "a.rego: is larger than 60 bytes, the limit for a file"
    );
    assert_eq!(
        text(&[("a.rego", &sixty), ("b.rego", &sixty), ("c.rego", &sixty)]),
        ": holds more than 100 bytes, the limit"
    );
    let five = ["a.rego", "b.rego", "c.rego", "d.rego", "e.rego"].map(|name| (name, ""));
    assert_eq!(text(&five), ": holds more than 3 files, the limit");
    assert_eq!(
        text(&[("a/b/c/d.rego", "")]),
        "a/b/c: is deeper than 2 folders, the limit"
    );
    assert_eq!(
        walk(folder(&[("a/b/c.rego", &sixty)]).path(), &limits)
            .unwrap()
            .entries
            .len(),
        1
    );
}

#[test]
fn a_folder_that_is_not_there_is_a_problem() {
    assert!(refused(Path::new("/nowhere/at/all"), Limits::default()).contains("cannot be read"));
}
