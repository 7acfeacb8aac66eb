//! What the explainer knows of a cluster, used by the filter: kubectl, the API server, Envoy, the explainer.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_tests::fixtures::review_bytes;
use wasm_tests::stack::{Live, Part, Settings, TestStack, client};

use crate::support::{kubectl, pod};

const SOON: Duration = Duration::from_mins(1);

/// What it says is the namespace's own label, so nobody can guess it.
const POLICY: &str = r#"# METADATA
# title: Only where it is allowed
# custom:
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package tests.tier

deny contains "the namespace is not known" if not input.namespace.labels.tier

deny contains sprintf("no Pods in tier %v", [input.namespace.labels.tier]) if input.namespace.labels.tier != "gold"
"#;

/// A stack whose explainer follows the API server, with the rights that `whynot context rbac` prints.
fn live(name: &str, render_arguments: &[&str]) -> TestStack {
    let mut settings = Settings::for_test(name).unwrap();
    if let Some(filter) = std::env::var_os("WHYNOT_FILTER_WASM") {
        settings.filter = filter.into();
    }
    let policies = settings.run_dir.with_extension("policies");
    fs::create_dir_all(policies.join("tests/tier")).unwrap();
    fs::write(policies.join("tests/tier/policy.rego"), POLICY).unwrap();
    // Nothing to begin with: what serves has come from the explainer.
    settings.bundle = policies.join("none.json");
    settings
        .render_arguments
        .extend(render_arguments.iter().map(|&argument| argument.to_owned()));
    settings.live = Some(Live {
        policies: Some(policies),
        ..Live::default()
    });
    TestStack::start(settings).unwrap_or_else(|error| panic!("{error:#}"))
}

fn end(stack: TestStack) {
    let policies = stack.settings().run_dir.with_extension("policies");
    drop(stack);
    let _ = fs::remove_dir_all(policies);
}

fn namespace(name: &str, tier: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"tier": tier}}})
}

/// What Envoy answers to the creation of a Pod in a namespace.
struct Judged {
    is_allowed: bool,
    text: String,
    failed: String,
}

fn judged(stack: &TestStack, namespace: &str) -> Judged {
    let mut object = pod("web", "a", false);
    object["metadata"]["namespace"] = json!(namespace);
    let mut review: Value = serde_json::from_slice(&review_bytes(&object)).unwrap();
    review["request"]["namespace"] = json!(namespace);
    let client = client(&stack.ca_file()).unwrap();
    let mut answer = client
        .post(format!("{}?timeout=5s", stack.admission_url()))
        .header("content-type", "application/json")
        .send(review.to_string())
        .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    Judged {
        is_allowed: body["response"]["allowed"] == true,
        failed: body["response"]["auditAnnotations"]["failed"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        // Lines are as wide as a terminal.
        text: body["response"]["status"]["message"]
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// A figure of the filter's or the explainer's; zero when it is not there yet.
fn figure(url: &str, name: &str) -> f64 {
    let text = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
    let values = text.lines().filter_map(|line| line.split_once(name));
    let mut figures = values.filter_map(|(_, value)| value.trim_start_matches(':').trim().parse().ok());
    figures.next().unwrap_or_default()
}

fn of_filter(stack: &TestStack, name: &str) -> f64 {
    figure(&format!("{}/stats?filter={name}", stack.admin_url()), name)
}

fn of_explainer(stack: &TestStack, name: &str) -> f64 {
    figure(&format!("{}/metrics", stack.explainer_url()), name)
}

fn wait(what: &str, mut is_there: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

#[test]
fn a_namespace_that_is_used_at_once_is_judged_by_its_own_labels() {
    let stack = live("used", &[]);
    for number in 0..10 {
        for (tier, is_allowed) in [("gold", true), ("lead", false)] {
            let name = format!("{tier}-{number}");
            let manifests = json!({"apiVersion": "v1", "kind": "List", "items": [
                namespace(&name, tier),
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": name},
                    "spec": pod("web", "a", false)["spec"]},
            ]});
            let begun = Instant::now();
            let said = kubectl(&stack, &name, &["create", "-f", "-"], Some(&manifests));
            println!("{name}: {:?}", begun.elapsed());
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "{name}: {:?}",
                begun.elapsed()
            );
            assert_eq!(said.success, is_allowed, "{}", said.text);
            assert!(
                is_allowed || said.text.contains("no Pods in tier lead"),
                "{}",
                said.text
            );
        }
    }
    end(stack);
}

#[test]
fn what_is_known_of_a_cluster_that_is_away_is_used_up_to_its_bound() {
    let mut stack = live("away", &["--max-context-age-seconds", "6", "--live-wait-seconds", "1"]);
    let made = kubectl(
        &stack,
        "default",
        &["create", "-f", "-"],
        Some(&namespace("known", "gold")),
    );
    assert!(made.success, "{}", made.text);
    wait("it is known", || judged(&stack, "known").is_allowed);
    wait("nothing is old", || {
        of_explainer(&stack, "whynot_context_age_seconds") < 0.001
    });

    let away = Instant::now();
    stack.process(Part::ApiServer).unwrap().kill().unwrap();
    let (mut used, mut grew) = (0, 0.0_f64);
    let failed = loop {
        let age = of_explainer(&stack, "whynot_context_age_seconds");
        let now = judged(&stack, "known");
        if !now.is_allowed {
            break now;
        }
        assert!(age < 7.0, "what is {age} s old is used: {}", now.text);
        assert!(
            age >= grew,
            "the age goes back while the cluster is away: {age} after {grew}"
        );
        assert!(away.elapsed() < SOON, "the age does not grow: {age}");
        (used, grew) = (used + 1, age);
        std::thread::sleep(Duration::from_millis(100));
    };
    let after = away.elapsed();
    println!("used {used} times; not any more after {after:?}, at an age of {grew} s");
    assert!(after > Duration::from_secs(4) && used > 3, "{after:?}, {used}");
    assert_eq!(failed.failed, "tests/tier", "{}", failed.text);
    assert!(
        failed
            .text
            .contains("What the policy has to know of the cluster is not there"),
        "{}",
        failed.text
    );
    wait("the filter says how old it is", || {
        of_filter(&stack, "whynot.context.age_ms") > 6000.0
    });
    assert!(of_filter(&stack, "whynot.context.stale") >= 1.0);
    assert!(of_explainer(&stack, "whynot_context_age_seconds") > 6.0);
    let up = "whynot_context_watch_up{kind=\"v1/Namespace\",purpose=\"namespaces\"}";
    assert!(of_explainer(&stack, up) < 0.5);

    stack.start(Part::ApiServer).unwrap();
    let took = wait("the watch has resumed", || judged(&stack, "known").is_allowed);
    println!("used again {took:?} after the API server was ready");
    wait("nothing is old", || {
        of_explainer(&stack, "whynot_context_age_seconds") < 0.001
    });
    assert!(of_explainer(&stack, up) > 0.5);
    let made = kubectl(
        &stack,
        "default",
        &["create", "-f", "-"],
        Some(&namespace("later", "lead")),
    );
    assert!(made.success, "{}", made.text);
    let later = judged(&stack, "later");
    assert!(later.text.contains("no Pods in tier lead"), "{}", later.text);
    end(stack);
}
