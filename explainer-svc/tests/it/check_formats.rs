//! How `whynot check` prints what it found, for programs.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::check::{check, folder, repository};
use crate::cli::write;

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

/// The rules' changes are tried alone and together: what holds only together is said to.
#[test]
fn a_violation_without_a_fix_of_its_own_points_to_the_whole_one() {
    let folder = folder();
    write(
        &folder,
        "policies/policy-set.yaml",
        "policies:\n  '*': {enabled: false}\n  pod-security/baseline/privileged-containers: {enabled: true}\n  pod-security/restricted/privilege-escalation: {enabled: true}\n",
    );
    let report: Value = serde_json::from_str(&check(&folder, &["-o", "json"]).out).unwrap();
    let result = &report["results"][0];
    assert_eq!(result["fix"]["complete"], true, "{result:#}");
    let violations = result["violations"].as_array().unwrap();
    assert_eq!(violations.len(), 2);
    let [alone, together] = [&violations[0], &violations[1]];
    assert!(alone["fix"]["patch"].is_array(), "{alone:#}");
    assert_eq!(
        [&together["fix"], &together["unfixable"]],
        [&Value::Null, &Value::Null],
        "{together:#}"
    );
    let explanation = together["explanation"].as_str().unwrap();
    assert!(
        explanation.ends_with("the fix of the whole object, in `fix` of the result, solves it."),
        "{explanation}"
    );
    assert!(!alone["explanation"].as_str().unwrap().contains("whole object"));
}

/// Every member is documented, and every documented one is there.
#[test]
fn the_schema_is_the_documented_one() {
    let folder = folder();
    write(&folder, "manifests/z-broken.yaml", "a: [\n");
    write(
        &folder,
        "policies/fails/policy.rego",
        "package pod_security.fails\n\nimport rego.v1\n\nx := 1 if input.request\n\nx := 2 if input.request\n\ndeny contains \"no\" if x == 3\n",
    );
    write(
        &folder,
        "policies/owner/policy.rego",
        "# METADATA\n# custom:\n#   fix: {action: set, target: /metadata/labels/owner, value: someone, placeholder: the owner}\n#   match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}\npackage general.owner\n\nimport rego.v1\n\ndeny contains \"nobody owns it\" if not input.request.object.metadata.labels.owner\n",
    );
    let settings = std::fs::read_to_string(folder.path().join("policies/policy-set.yaml")).unwrap();
    write(
        &folder,
        "policies/policy-set.yaml",
        &format!("{settings}  pod-security/fails: {{enabled: true}}\n  general/owner: {{enabled: true}}\n"),
    );
    let run = check(&folder, &["-o", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
    assert_eq!(
        [&report["apiVersion"], &report["kind"]],
        ["whynot.dev/v1", "CheckReport"]
    );
    let fix = &report["results"][0]["fix"];
    assert_eq!([&fix["class"], &fix["source"]], ["placeholder", "author"], "{fix:#}");
    let mut found = std::collections::BTreeSet::new();
    members(&report, &mut found);
    let documentation = std::fs::read_to_string(repository("docs/check.md")).unwrap();
    let (_, schema) = documentation.split_once("## `--output json`").unwrap();
    let schema = schema.split("```").nth(1).unwrap();
    let quoted = schema.split('"').skip(1).step_by(2);
    let documented: std::collections::BTreeSet<String> = quoted
        .filter(|text| text.chars().all(|c| c.is_ascii_alphabetic()) && !VALUES.contains(text))
        .map(str::to_owned)
        .collect();
    assert_eq!(found, documented);
}

/// Of the documented schema, what is a value and no member.
const VALUES: [&str; 1] = ["CheckReport"];

fn members(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                found.insert(key.clone());
                // RFC 6902 is not ours.
                if key != "patch" {
                    self::members(member, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, found)),
        _ => {}
    }
}
