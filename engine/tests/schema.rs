//! No object of the library's cases, and none that an API server sent, has a problem that is not there.

#![cfg(test)]
#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use engine::cases::CaseFile;
use engine::explain::wire::GroupVersionKind;
use engine::schema::problems;
use serde_json::Value;

/// What a case does not say when it says what a Pod is like and lets it be put into a template.
const OF_TEMPLATES: [&str; 4] = [
    "/spec/selector",
    "/spec/schedule",
    "/spec/template/spec/restartPolicy",
    "/spec/jobTemplate/spec/template/spec/restartPolicy",
];

/// What is wrong with some objects of the cases, on purpose: the folder, and how the path ends.
const EXPLAINED: [(&str, &str); 13] = [
    ("allowed-registries", "/containers/0/image"),
    ("no-latest-tag", "/containers/0/image"),
    ("apparmor", "/appArmorProfile/type"),
    ("host-path-volumes", "/hostPath/path"),
    ("host-ports", "/ephemeralContainers/0/ports"),
    ("host-probes", "/ephemeralContainers/0/lifecycle"),
    ("host-probes", "/readinessProbe"),
    ("seccomp", "/seccompProfile/type"),
    // A process of the node needs more than what the policy is about.
    ("windows-host-process", "/hostNetwork"),
    ("windows-host-process", "/containers/0"),
    ("volume-types", "/requests/storage"),
    ("volume-claims", "/requests/storage"),
    ("volume-types", "/quantumDisk"),
];

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|ending| ending == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The objects of a review, with their kind.
fn objects(review: &Value) -> Vec<(GroupVersionKind, Value)> {
    let request = &review["request"];
    let kind: GroupVersionKind = serde_json::from_value(request["kind"].clone()).unwrap();
    ["object", "oldObject"]
        .into_iter()
        .filter_map(|member| {
            Some((
                kind.clone(),
                request.get(member).filter(|object| object.is_object())?.clone(),
            ))
        })
        .collect()
}

#[test]
fn the_library_s_cases_are_right() {
    let mut wrong = Vec::new();
    let mut explained = BTreeSet::new();
    let mut count = 0;
    for file in files_below(&repository("policies"), "yaml") {
        if !file.components().any(|part| part.as_os_str() == "cases") {
            continue;
        }
        let cases = CaseFile::parse(&fs::read_to_string(&file).unwrap()).unwrap_or_else(|error| panic!("{error}"));
        for case in &cases.cases {
            for variant in case.variants().unwrap() {
                for (kind, object) in objects(&variant.review_json()) {
                    count += 1;
                    for problem in problems(&kind, &object) {
                        let is_explained = |(folder, path): &(&str, &str)| {
                            problem.path.ends_with(path) && file.components().any(|part| part.as_os_str() == *folder)
                        };
                        if let Some(at) = EXPLAINED.iter().position(is_explained) {
                            explained.insert(at);
                        } else if !OF_TEMPLATES.contains(&&*problem.path) {
                            wrong.push(format!("{}: {}: {problem}", file.display(), variant.name));
                        }
                    }
                }
            }
        }
    }
    assert!(count > 200, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        explained.len(),
        EXPLAINED.len(),
        "an explanation that nothing needs any more"
    );
}

#[test]
fn recorded_reviews_are_right() {
    let mut count = 0;
    for file in files_below(&repository("wasm-tests/fixtures/admission-reviews"), "json") {
        let review: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        for (kind, object) in objects(&review) {
            count += 1;
            let found = problems(&kind, &object);
            assert!(found.is_empty(), "{}: {found:?}", file.display());
        }
    }
    assert!(count > 20, "{count}");
}
