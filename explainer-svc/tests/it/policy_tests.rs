//! `policy test`: Rego tests and cases, their reports and exit codes.

use std::collections::BTreeMap;
use std::path::Path;

use insta::assert_snapshot;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{whynot, write};

const POLICY: &str = r#"# METADATA
# title: Pods must not use the host's network
# custom:
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
#   parameters: {exempt: []}
package demo.host_network

deny contains {"msg": "uses the host's network", "path": "/spec/hostNetwork"} if {
	input.request.object.spec.hostNetwork
	not is_exempt
}

is_exempt if {
	input.request.object.metadata.name in input.parameters.exempt
}
"#;

const TESTS: &str = r#"package demo.host_network_test

import data.demo.host_network

pod := {"request": {"object": {"metadata": {"name": "web"}, "spec": {"hostNetwork": true}}}, "parameters": {"exempt": []}}

test_denied if count(host_network.deny) == 1 with input as pod

todo_test_later if false
"#;

const CASES: &str = r"cases:
  - name: the host's network
    object:
      apiVersion: v1
      kind: Pod
      metadata: {name: web, namespace: shop}
      spec: {hostNetwork: true}
    as: [Pod, Deployment]
    expect: deny
    violations: [{path: /spec/hostNetwork}]

  - name: exempt
    parameters: {exempt: [web]}
    object:
      apiVersion: v1
      kind: Pod
      metadata: {name: web, namespace: shop}
      spec: {hostNetwork: true}
    expect: allow
";

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "set/demo/host-network/policy.rego", POLICY);
    write(&folder, "set/demo/host-network/policy_test.rego", TESTS);
    write(&folder, "set/demo/host-network/cases/all.yaml", CASES);
    write(
        &folder,
        "set/policy-set.yaml",
        "policies: {demo/host-network: {enabled: false}}\n",
    );
    folder
}

/// Everything that can come out of a test, with characters that XML does not like.
fn failing() -> TempDir {
    let folder = folder();
    let tests = format!(
        "{TESTS}\ntest_wrong if count(host_network.deny) == 7 with input as pod\n\n\
         test_conflict if two(true)\n\ntwo(x) := 1 if x\n\ntwo(x) := 2 if x\n"
    );
    write(&folder, "set/demo/host-network/policy_test.rego", &tests);
    let cases = format!(
        "{CASES}\n  - name: \"wrong <&\\\"'> \\u0001\"\n    object: {{apiVersion: v1, kind: Pod, spec: {{hostNetwork: true}}}}\n    \
         expect: allow\n  - name: another place\n    object: {{apiVersion: v1, kind: Pod, spec: {{hostNetwork: true}}}}\n    \
         expect: deny\n    violations: [{{path: /spec/hostPID, message: uses it}}]\n"
    );
    write(&folder, "set/demo/host-network/cases/all.yaml", &cases);
    folder
}

#[test]
fn tests_and_cases_pass() {
    let folder = folder();
    let run = whynot(folder.path(), &["policy", "test", "set"]);
    assert_eq!(
        (run.code, run.out.as_str(), run.err.as_str()),
        (Some(0), "4 passed, 0 failed, 1 skipped\n", "")
    );
    let run = whynot(folder.path(), &["policy", "test", "set", "-v"]);
    assert_snapshot!(run.out);
    let run = whynot(folder.path(), &["policy", "test", "set", "--filter", "exempt$", "-v"]);
    assert_eq!(
        run.out,
        "ok    demo/host-network: exempt\n\n1 passed, 0 failed, 0 skipped\n"
    );
    // No expression, so as it stands.
    let run = whynot(folder.path(), &["policy", "test", "set", "--filter", "work (Dep"]);
    assert_eq!(run.out, "1 passed, 0 failed, 0 skipped\n", "{}", run.err);
    let run = whynot(folder.path(), &["policy", "test", "set", "--filter", "nothing like it"]);
    assert_eq!(run.code, Some(2));
}

#[test]
fn failures_say_where_what_was_expected_and_what_was_found() {
    let folder = failing();
    let run = whynot(folder.path(), &["policy", "test", "set"]);
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    assert_snapshot!(run.out.replace('\u{1}', "\\u0001"));
}

#[test]
fn json_has_every_test() {
    let folder = failing();
    let run = whynot(
        folder.path(),
        &["policy", "test", "set", "--output", "json", "--coverage"],
    );
    assert_eq!(run.code, Some(1));
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(
        (&report["ok"], &report["passed"], &report["failed"], &report["skipped"]),
        (&json!(false), &json!(4), &json!(4), &json!(1))
    );
    let tests = report["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 9);
    let of = |name: &str| tests.iter().find(|test| test["name"] == name).unwrap();
    assert_eq!(of("test_conflict")["outcome"], "error");
    assert_eq!(of("todo_test_later")["outcome"], "skipped");
    let case = of("another place");
    assert_eq!(
        (&case["kind"], &case["group"], &case["outcome"], &case["file"]),
        (
            &json!("case"),
            &json!("demo/host-network"),
            &json!("failed"),
            &json!("set/demo/host-network/cases/all.yaml")
        )
    );
    assert_eq!(case["line"], 24);
    let coverage = &report["coverage"];
    assert_eq!(coverage["policies"][0]["policy"], "demo/host-network");
    assert_eq!(coverage["policies"][0]["files"][0]["missed"], json!([14]));
}

#[test]
fn junit_is_xml_that_says_the_same() {
    let folder = failing();
    let run = whynot(folder.path(), &["policy", "test", "set", "--output", "junit"]);
    assert_eq!(run.code, Some(1));
    let mut reader = Reader::from_str(&run.out);
    let mut elements: BTreeMap<String, usize> = BTreeMap::new();
    let (mut names, mut totals) = (Vec::new(), BTreeMap::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                let kind = element.name().as_ref().to_owned();
                let mut attributes = BTreeMap::new();
                for attribute in element.attributes() {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.as_ref().to_owned();
                    let value = attribute
                        .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                        .unwrap()
                        .into_owned();
                    attributes.insert(key, value);
                }
                if kind == "testcase" {
                    names.push(attributes["name"].clone());
                }
                if kind == "testsuites" {
                    totals = attributes;
                }
                *elements.entry(kind).or_default() += 1;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let expected = [
        ("error", 1),
        ("failure", 3),
        ("skipped", 1),
        ("testcase", 9),
        ("testsuite", 2),
        ("testsuites", 1),
    ];
    assert_eq!(elements, expected.map(|(name, count)| (name.to_owned(), count)).into());
    let total = |name: &str| totals[name].as_str();
    assert_eq!(
        [total("tests"), total("failures"), total("errors"), total("skipped")],
        ["9", "3", "1", "1"]
    );
    assert!(names.contains(&"wrong <&\"'> \u{fffd}".to_owned()), "{names:?}");
}

#[test]
fn coverage_is_told_and_can_be_demanded() {
    let folder = folder();
    let run = whynot(folder.path(), &["policy", "test", "set", "--coverage"]);
    assert_eq!(run.code, Some(0));
    assert_snapshot!(run.out);
    let percent: usize = run
        .out
        .lines()
        .find_map(|line| line.trim().strip_suffix("%  in all"))
        .unwrap()
        .parse()
        .unwrap();
    let enough = percent.to_string();
    assert_eq!(
        whynot(folder.path(), &["policy", "test", "set", "--threshold", &enough]).code,
        Some(0)
    );
    for output in ["text", "json", "junit"] {
        let run = whynot(
            folder.path(),
            &["policy", "test", "set", "--threshold", "100", "--output", output],
        );
        assert_eq!(run.code, Some(1), "{output}");
    }
    assert_eq!(
        whynot(folder.path(), &["policy", "test", "set", "--threshold", "101"]).code,
        Some(2)
    );
}

#[test]
fn what_cannot_be_tested_is_told_apart_from_what_fails() {
    let folder = folder();
    write(
        &folder,
        "set/demo/host-network/cases/wrong.yaml",
        "cases:\n  - name: a\n    expects: deny\n",
    );
    write(&folder, "set/elsewhere/cases/lost.yaml", "cases: []\n");
    write(
        &folder,
        "set/demo/host-network/broken_test.rego",
        "package x\n\ntest_a if {\n",
    );
    let run = whynot(folder.path(), &["policy", "test", "set"]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(
        run.err.contains("set/demo/host-network/cases/wrong.yaml:3: "),
        "{}",
        run.err
    );
    assert!(
        run.err
            .contains("set/elsewhere/cases/lost.yaml: no policy is in elsewhere"),
        "{}",
        run.err
    );
    assert!(
        run.err.contains("set/demo/host-network/broken_test.rego:"),
        "{}",
        run.err
    );
    assert!(
        run.err.ends_with("error: 3 problems; nothing was tested\n"),
        "{}",
        run.err
    );
    let run = whynot(folder.path(), &["policy", "test", "set", "--output", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, report["problems"].as_array().unwrap().len()), (Some(2), 3));
    assert_eq!(whynot(folder.path(), &["policy", "test", "missing"]).code, Some(2));
}

#[test]
fn constraints_have_cases_too() {
    let folder = TempDir::new().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm-tests/fixtures/gatekeeper/required-labels");
    for name in ["template.yaml", "constraint.yaml"] {
        let text = std::fs::read_to_string(fixture.join(name)).unwrap();
        write(&folder, &format!("set/owner/{name}"), &text);
    }
    let cases = "cases:\n  - name: no owner\n    object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}\n    expect: deny\n";
    write(&folder, "set/owner/cases/denied.yaml", cases);
    let run = whynot(folder.path(), &["policy", "test", "set"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
}

#[test]
fn the_library_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let run = whynot(
        &root,
        &["policy", "test", "policies", "--threshold", "90", "--output", "json"],
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert!(report["passed"].as_u64().unwrap() > 900, "{}", report["passed"]);
}
