//! The policy library: it compiles as one set, its Rego tests pass, and its folders are what its ids say.

#![cfg(test)]
#![cfg(not(target_arch = "wasm32"))]

use std::fs;
use std::path::{Path, PathBuf};

use engine::context::Context;
use engine::policy::{self, bundle::Bundle};
use engine::rego::value::Value;
use engine::rego::{Dialect, Source};
use engine::testing::{self, Outcome};

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

fn rego_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rego_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rego") {
            files.push(path);
        }
    }
}

fn policies() -> Vec<(String, String)> {
    let mut files = Vec::new();
    rego_files(&library(), &mut files);
    let policies = files
        .into_iter()
        .filter(|path| path.file_name().unwrap() == "policy.rego");
    policies
        .map(|path| {
            let name = path.strip_prefix(library()).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn the_library_compiles_and_every_folder_is_its_policys_id() {
    let settings = fs::read_to_string(library().join("policy-set.yaml")).unwrap();
    let mut bundle = Bundle::from_parts(Some(&settings), policies()).unwrap();
    // With everything on, to see all of it.
    bundle
        .settings
        .policies
        .values_mut()
        .for_each(|policy| policy.enabled = Some(true));
    let bundle = Bundle::new(bundle.settings, policies());
    let set = policy::compile::compile(&bundle, Context::default()).unwrap_or_else(|p| panic!("{}", policy::list(&p)));
    let ids: Vec<&str> = set.policies().iter().map(|policy| policy.meta.id.as_str()).collect();
    let mut folders: Vec<String> = policies()
        .into_iter()
        .map(|(path, _)| path.trim_end_matches("/policy.rego").to_owned())
        .collect();
    folders.sort();
    assert_eq!(ids, folders);
    for policy in set.policies() {
        let meta = &policy.meta;
        assert!(
            !meta.title.is_empty() && !meta.why.is_empty(),
            "{}: title and description",
            meta.id
        );
        assert!(
            !meta.custom.remediation.is_empty() && !meta.links.is_empty(),
            "{}: remediation and links",
            meta.id
        );
    }
}

#[test]
fn the_rego_tests_pass() {
    let mut failed = Vec::new();
    let mut count = 0;
    for (path, text) in policies() {
        let test_path = path.replace("policy.rego", "policy_test.rego");
        let tests = fs::read_to_string(library().join(&test_path)).unwrap_or_else(|_| panic!("{path} has no tests"));
        let source = |file, text| Source {
            file,
            text,
            dialect: Dialect::V1,
        };
        let report = testing::run(
            &[source(&path, &text), source(&test_path, &tests)],
            &Value::object(Vec::new()),
        );
        let report = report.unwrap();
        assert!(
            !report.tests.is_empty(),
            "{test_path} has no rule that begins with test_"
        );
        count += report.tests.len();
        let not_passed = report.tests.iter().filter(|test| test.outcome != Outcome::Passed);
        failed.extend(not_passed.map(|test| format!("{}: {:?}", test.name, test.outcome)));
    }
    assert_eq!(failed, Vec::<String>::new());
    assert!(count >= 75, "{count} Rego tests");
}
