//! `whynot gateway evaluate` as a process, and the gate that its result is.

use std::path::Path;
use std::sync::Arc;

use explainer_svc::gateway::call::CacheKey;
use explainer_svc::gateway::release::Evaluated;
use explainer_svc::gateway::{Call, Gateway, GatewayMetrics, Refused, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::provider::{Provider, Seen, Step, answer};
use super::{TestTrail, call, parts};
use crate::cli::{Run, whynot, write};

const POLICY: &str = r#"# METADATA
# title: Pods must not use the host's network
# description: On the host's network a Pod reaches what listens on the node.
# custom:
#   remediation: Set `hostNetwork` to `false`.
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package demo.host_network

deny contains {"msg": "uses the host's network", "path": "/spec/hostNetwork"} if input.request.object.spec.hostNetwork == true
"#;

const CASES: &str = "
cases:
  - name: on the host's network
    object: {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {hostNetwork: true, containers: [{name: app, image: web:1}]}}
    expect: deny
  - name: with two containers
    object: {apiVersion: v1, kind: Pod, metadata: {name: two}, spec: {hostNetwork: true, containers: [{name: a, image: a:1}, {name: b, image: b:1}]}}
    expect: deny
  - name: not on it
    object: {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: app, image: web:1}]}}
    expect: allow
";

const THRESHOLDS: &str = "apiVersion: whynot.dev/v1\nkind: EvaluationGate\nthresholds:
  - {figure: schemaValid, min: 1}\n  - {figure: grounded, min: 1}\n  - {figure: fixesUnverified, max: 0}\n  - {figure: inTime, min: 1}\n";

fn folder(url: &str, more: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/demo/host-network/policy.rego", POLICY);
    write(&folder, "policies/demo/host-network/cases/denied.yaml", CASES);
    write(&folder, "gate.yaml", THRESHOLDS);
    write(
        &folder,
        "prices.yaml",
        "asOf: 2026-11-01\nmodels:\n  m: {input: 1, output: 2}\n",
    );
    let settings = format!(
        "
apiVersion: whynot.dev/v1
kind: Gateway
prices: prices.yaml
providers:
  - {{name: a, kind: openai, url: {url:?}, region: here, models: [m], stream: false}}
routes:
  - {{model: default, targets: [{{provider: a, model: m}}], attempts: 1}}
agents:
  - {{name: explainer, team: '*', models: ['*'], purposes: [explain]}}
{more}"
    );
    write(&folder, "gateway.yaml", &settings);
    folder
}

const EVALUATE: [&str; 12] = [
    "gateway",
    "evaluate",
    "gateway.yaml",
    "--policies",
    "policies",
    "--gate",
    "gate.yaml",
    "--result",
    "evaluation.json",
    "--state",
    "state",
    "--changes=all",
];

async fn evaluate(folder: &TempDir, more: &[&str]) -> Run {
    let (path, mut arguments) = (folder.path().to_owned(), EVALUATE.map(str::to_owned).to_vec());
    arguments.extend(more.iter().map(|&text| text.to_owned()));
    let run = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        whynot(&path, &arguments)
    });
    run.await.unwrap()
}

/// A model that says this, and proposes this where a change is asked for.
fn model(words: &'static str, change: Value) -> impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static {
    move |_, seen| {
        let text = seen.body["messages"].to_string();
        if text.contains("You propose") {
            return answer(&json!({"change": change}).to_string(), 100, 10);
        }
        let said = json!({"explanation": words, "steps": [], "policies": ["demo/host-network"], "fields": ["/spec/hostNetwork"]});
        answer(&said.to_string(), 100, 10)
    }
}

const GOOD: &str =
    "The Pod uses the host's network. There it reaches what listens on the node. Set hostNetwork to false.";

fn result(folder: &TempDir) -> Evaluated {
    let text = std::fs::read_to_string(folder.path().join("evaluation.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_model_passes_and_may_speak_with_this_prompt_alone() {
    let change = json!([{"op": "replace", "path": "/spec/hostNetwork", "value": false}]);
    let provider = Provider::start(model(GOOD, change)).await;
    let folder = folder(&provider.url(), "");
    let run = evaluate(&folder, &["--cases", "2"]).await;
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert!(
        run.out.contains("2 with its words (100.0 %)") && run.out.contains("gate         passed"),
        "{}",
        run.out
    );
    let evaluated = result(&folder);
    let figures = &evaluated.pairs[0].figures;
    let count = |name: &str| figures[name].as_u64();
    assert_eq!((count("denials"), count("words")), (Some(2), Some(2)), "{figures}");
    assert_eq!(
        (count("fixesProposed"), count("fixesShown")),
        (Some(2), Some(2)),
        "{figures}"
    );
    assert_eq!(count("fixesUnverified"), Some(0), "{figures}");
    assert_eq!(
        (count("inputTokens"), count("outputTokens")),
        (Some(400), Some(40)),
        "{figures}"
    );
    assert!(
        (figures["dollars"].as_f64().unwrap() - 0.000_48).abs() < 1e-9,
        "{figures}"
    );

    let verified = whynot(folder.path(), &["audit", "verify", "--database", "state/audit.db"]);
    assert_eq!(verified.code, Some(0), "{}", verified.out);

    // The result is the gate.
    let hash = evaluated.pairs[0].prompts[0].hash.clone();
    let (gateway, trail) = gated(folder.path()).await;
    let told = trail.of("evaluation-run");
    assert_eq!((told.len(), &told[0].payload["passed"]), (1, &json!(true)));
    assert!(gateway.complete(explaining(&hash)).await.is_ok());
    let refused = gateway.complete(explaining("another")).await.unwrap_err();
    let Refused::Policy(reasons) = &refused else {
        panic!("{refused:?}")
    };
    assert!(reasons[0].contains("has not passed the evaluation"), "{reasons:?}");
    // What agents ask for themselves has no prompt of ours.
    assert!(
        gateway
            .complete(Call {
                cache: None,
                ..explaining("")
            })
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_invents_does_not_pass_and_may_not_speak() {
    // It takes the container away, and speaks of a field that is not there.
    let change = json!([{"op": "remove", "path": "/spec/containers/0"}]);
    let provider = Provider::start(model(
        "The field spec.hostNetworkPolicy of the Pod has to be 7.",
        change,
    ))
    .await;
    let folder = folder(&provider.url(), "");
    let run = evaluate(&folder, &["--cases", "3", "--output", "json"]).await;
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    let printed: Evaluated = serde_json::from_str(&run.out).unwrap();
    let evaluated = result(&folder);
    assert_eq!(printed, evaluated);
    let pair = &evaluated.pairs[0];
    let figures = &pair.figures;
    assert_eq!(
        (figures["denials"].as_u64(), figures["words"].as_u64()),
        (Some(3), Some(0)),
        "{figures}"
    );
    assert_eq!(
        (figures["schemaValid"].as_f64(), figures["grounded"].as_f64()),
        (Some(1.0), Some(0.0)),
        "{figures}"
    );
    assert_eq!(
        (figures["fixesProposed"].as_u64(), figures["fixesShown"].as_u64()),
        (Some(3), Some(0)),
        "{figures}"
    );
    assert!(
        !pair.passed && pair.failures.iter().any(|failure| failure.contains("grounded")),
        "{:?}",
        pair.failures
    );
    let (gateway, trail) = gated(folder.path()).await;
    assert_eq!(trail.of("evaluation-run")[0].payload["passed"], json!(false));
    let refused = gateway.complete(explaining(&pair.prompts[0].hash)).await.unwrap_err();
    assert!(matches!(refused, Refused::Policy(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_before_a_model_is_asked() {
    let provider = Provider::start(model(GOOD, Value::Null)).await;
    let folder = folder(&provider.url(), "");
    write(
        &folder,
        "wrong.yaml",
        "apiVersion: whynot.dev/v1\nkind: EvaluationGate\nthresholds: [{figure: truth, min: 1}]\n",
    );
    write(&folder, "bare/demo/host-network/policy.rego", POLICY);
    for (policies, more, code, reason) in [
        ("policies", "--gate=wrong.yaml", 2, "there is no figure \"truth\""),
        ("policies", "--model=other", 1, "there is no route \"other\""),
        ("bare", "--cases=1", 2, "no cases that are denied"),
        ("nowhere", "--cases=1", 2, "nowhere"),
    ] {
        let arguments = ["gateway", "evaluate", "gateway.yaml", "--policies", policies, more];
        let run = tokio::task::block_in_place(|| whynot(folder.path(), &arguments));
        assert_eq!(run.code, Some(code), "{}", run.err);
        assert!(run.err.contains(reason), "{}", run.err);
    }
    assert_eq!(provider.count(), 0);
}

async fn gated(folder: &Path) -> (Gateway, Arc<TestTrail>) {
    let text = std::fs::read_to_string(folder.join("gateway.yaml")).unwrap() + "releaseGate: evaluation.json\n";
    let settings = Settings::parse(&text, folder).unwrap();
    let trail = Arc::new(TestTrail::default());
    let gateway = Gateway::open(parts(settings, folder, trail.clone(), GatewayMetrics::default()));
    (gateway.await.unwrap(), trail)
}

fn explaining(prompt: &str) -> Call {
    Call {
        agent: "explainer".to_owned(),
        purpose: "explain".to_owned(),
        cache: Some(CacheKey {
            revision: "r".to_owned(),
            rule: "demo/host-network".to_owned(),
            shape: "s".to_owned(),
            prompt: format!("explain@1 {prompt}"),
        }),
        ..call("why?")
    }
}
