//! What the Pod Security Standards say about themselves, held against the policies that implement them.

use std::collections::BTreeSet;

use engine::admission::Review;
use engine::cases::Expect;
use engine::eval::PolicySet;
use engine::explain::wire::Decision;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::policy::settings::Settings;
use serde_json::Value;
use wasm_tests::fixtures::{review_of, reviews};
use wasm_tests::library::{Policy, policies};
use wasm_tests::psa;

const CONTROLS: &str = "pod-security/";

fn profile(policies: &[Policy], groups: &[&str]) -> PolicySet {
    let of_profile = policies
        .iter()
        .filter(|policy| groups.iter().any(|group| policy.id.starts_with(group)));
    let files = of_profile.map(|policy| (policy.path.clone(), policy.text.clone()));
    let bundle = Bundle::new(Settings::default(), files);
    compile(&bundle, engine::context::Context::default())
        .unwrap_or_else(|problems| panic!("{}", engine::policy::list(&problems)))
}

fn baseline(policies: &[Policy]) -> PolicySet {
    profile(policies, &["pod-security/baseline/"])
}

/// The standard's restricted profile is everything of the baseline, and more.
fn restricted(policies: &[Policy]) -> PolicySet {
    profile(policies, &["pod-security/baseline/", "pod-security/restricted/"])
}

fn is_denied(set: &PolicySet, pod: &Value) -> bool {
    let review = Review::parse(review_of(pod).to_string().as_bytes()).unwrap();
    set.evaluate(&review).decision() == Decision::Deny
}

/// Every Pod that the cases, the recorded reviews and Kubernetes' own tests have.
fn pods(policies: &[Policy]) -> Vec<(String, Value)> {
    let mut pods = Vec::new();
    for policy in policies {
        for case in &policy.cases {
            pods.push((format!("{}: {}", policy.id, case.name), case.object.clone()));
        }
    }
    for (name, bytes) in reviews().unwrap() {
        let review: Value = serde_json::from_slice(&bytes).unwrap();
        pods.push((name, review["request"]["object"].clone()));
    }
    pods.retain(|(_, object)| object["kind"] == "Pod" && object["apiVersion"] == "v1");
    pods
}

#[test]
fn what_baseline_denies_restricted_denies() {
    let policies = policies().unwrap();
    let (baseline, restricted) = (baseline(&policies), restricted(&policies));
    let pods = pods(&policies);
    let mut denied = 0;
    for (name, pod) in &pods {
        if is_denied(&baseline, pod) {
            denied += 1;
            assert!(is_denied(&restricted, pod), "{name}");
        }
    }
    assert!(
        denied > 20 && denied < pods.len(),
        "{denied} of {} Pods are denied by baseline",
        pods.len()
    );
}

/// A case counts for a kind when it is run as that kind.
fn covers(case: &engine::cases::Case, kind: &str) -> bool {
    if case.kinds.is_empty() {
        case.object["kind"] == kind
    } else {
        case.kinds.iter().any(|known| known == kind)
    }
}

#[test]
fn every_control_has_allowed_and_denied_cases_for_pods_and_templates() {
    let policies = policies().unwrap();
    let mut missing = Vec::new();
    let controls: Vec<_> = policies
        .iter()
        .filter(|policy| policy.id.starts_with(CONTROLS))
        .collect();
    assert!(controls.len() >= 17, "only {} controls", controls.len());
    for policy in controls {
        for expect in [Expect::Allow, Expect::Deny] {
            for kind in ["Pod", "Deployment"] {
                if !policy
                    .cases
                    .iter()
                    .any(|case| case.expect == expect && covers(case, kind))
                {
                    missing.push(format!("{}: no case {expect:?} for {kind}", policy.id));
                }
            }
        }
        // A control that looks at containers looks at all three kinds of them.
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let looks = policy.text.contains(&format!("\"{list}\""));
            // One of the violations is in that list, or names a container of it.
            let has = |case: &&engine::cases::Case| {
                let containers = case.object["spec"][list].as_array().into_iter().flatten();
                let names: Vec<String> = containers
                    .filter_map(|one| Some(format!("\"{}\"", one["name"].as_str()?)))
                    .collect();
                case.violations.iter().flatten().any(|violation| {
                    let is_in = |path: &String| path.starts_with(&format!("/spec/{list}/"));
                    let is_named = |message: &String| names.iter().any(|name| message.contains(name));
                    violation.path.as_ref().is_some_and(is_in) || violation.message.as_ref().is_some_and(is_named)
                })
            };
            if looks
                && !policy
                    .cases
                    .iter()
                    .filter(|case| case.expect == Expect::Deny)
                    .any(|case| has(&case))
            {
                missing.push(format!("{}: no denied case with {list}", policy.id));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn verdicts_are_those_of_kubernetes_own_code() {
    let policies = policies().unwrap();
    let (baseline, restricted) = (baseline(&policies), restricted(&policies));
    let mut pods = pods(&policies);
    let fixtures = psa::fixtures().unwrap();
    assert!(fixtures.len() > 50, "only {} fixtures", fixtures.len());
    pods.extend(fixtures);
    let answers = psa::judge(pods.iter().map(|(_, pod)| pod)).unwrap();
    assert_eq!(answers.len(), pods.len());
    let (mut differences, mut unreadable, mut denied) = (Vec::new(), BTreeSet::new(), 0);
    for ((name, pod), answer) in pods.iter().zip(answers) {
        let Some(theirs) = answer else {
            // A Pod that the API server's types cannot hold never reaches an admission check.
            unreadable.insert(name.clone());
            continue;
        };
        for (level, set, theirs) in [
            ("baseline", &baseline, theirs.baseline),
            ("restricted", &restricted, theirs.restricted),
        ] {
            let ours = !is_denied(set, pod);
            denied += usize::from(!theirs);
            if ours != theirs {
                let word = |allowed: bool| if allowed { "allowed" } else { "denied" };
                differences.push(format!(
                    "{name}: {level}: {} here, {} by Kubernetes",
                    word(ours),
                    word(theirs)
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(denied > 50, "only {denied} denials were compared");
    assert!(
        unreadable.len() * 3 < pods.len(),
        "most Pods must be comparable, these are not: {unreadable:?}"
    );
}
