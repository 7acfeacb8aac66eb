//! Models behind the explainer: what a person sees of them, what a provider gets, and what an auditor is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_tests::provider::Provider;
use wasm_tests::stack::{AGENT_ROUTE, Live, Models, Settings, TestStack, client};

use crate::support::{kubectl, pod};

const MODEL: &str = "model-1";
/// What a good model says of a privileged container.
const WORDS: &str = "A privileged container has every right that root has on the node, so it must not run privileged.";
/// What the engine says in any case.
const ENGINES: [&str; 3] = [
    "* Container \"app\" runs privileged.",
    "Rule: pod-security/baseline/privileged-containers",
    "Fix (checked: all policies pass after it):",
];
/// Nobody's: it only looks like one.
const SECRET: &str = "ghp_Ab3dEf6hIj9kLmNoPqRsTuVwXyZ012345678";
/// What no stack evidences that has measured no model: its checks hold after `whynot gateway evaluate`.
const MEASURED: [&str; 5] = [
    "released",
    "gated",
    "groundedness-measured",
    "set-hashed",
    "no-unverified-fix",
];
const SOON: Duration = Duration::from_mins(1);

fn says(asked: &Value) -> String {
    if !asked.to_string().contains("privileged-containers") {
        return "Kubernetes runs containers on many machines.".to_owned();
    }
    json!({
        "explanation": WORDS, "steps": ["Set privileged to false, or leave it out."],
        "policies": ["pod-security/baseline/privileged-containers"],
        "fields": ["/spec/containers/*/securityContext/privileged"],
    })
    .to_string()
}

fn start(provider: &Provider) -> TestStack {
    let mut settings = Settings::for_test("models").unwrap();
    if let Some(filter) = std::env::var_os("WHYNOT_FILTER_WASM") {
        settings.filter = filter.into();
    }
    settings.live = Some(Live {
        policies: Some(root().join("policies")),
        models: Some(Models {
            url: provider.url(),
            model: MODEL.to_owned(),
            server: None,
        }),
        witness: true,
        ..Live::default()
    });
    TestStack::start(settings).unwrap_or_else(|error| panic!("{error:#}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What kubectl says to a privileged Pod of a team, which has all that the engine says.
fn denied(stack: &TestStack, name: &str) -> String {
    let said = kubectl(stack, "default", &["create", "-f", "-"], Some(&pod(name, name, true)));
    assert!(!said.success, "{}", said.text);
    for part in ENGINES {
        assert!(said.text.contains(part), "{part} is not in {}", said.text);
    }
    said.text
}

fn get(stack: &TestStack, url: &str) -> Value {
    let mut answer = client(&stack.ca_file())
        .unwrap()
        .get(url)
        .header("accept", "application/json")
        .header("authorization", stack.authorization().unwrap())
        .call()
        .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
}

/// What an agent of the platform is answered.
fn chat(stack: &TestStack) -> (u16, Value) {
    let token = fs::read_to_string(stack.settings().agent_token_file()).unwrap();
    let question = format!("Our pipeline uses the token {SECRET}. What is Kubernetes?");
    let body = json!({"model": AGENT_ROUTE, "messages": [{"role": "user", "content": question}], "max_tokens": 40});
    let mut answer = client(&stack.ca_file())
        .unwrap()
        .post(format!("{}/v1/chat/completions", stack.explainer_url()))
        .config()
        .timeout_global(Some(SOON))
        .build()
        .header("authorization", &format!("Bearer {token}"))
        .send(body.to_string())
        .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
}

fn whynot(stack: &TestStack, arguments: &[&str]) -> String {
    let output = stack.whynot(arguments).output().unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{arguments:?}: {said}{complained}");
    said.into_owned()
}

/// Repeats a step until it gives something.
fn until<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = step() {
            return found;
        }
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The checks that a condition is true of, as `controls.yaml` has them.
fn checks(is: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("explainer-svc/src/governance/controls.yaml")).unwrap();
    let controls: Value = serde_saphyr::from_str(&text).unwrap();
    let checks: BTreeMap<String, Value> = serde_json::from_value(controls["checks"].clone()).unwrap();
    let meant = checks.into_iter().filter(|(_, check)| is(check));
    meant.map(|(name, _)| name).collect()
}

#[test]
fn words_at_the_link_and_in_the_next_denial_a_secret_that_stays_and_all_controls() {
    let provider = Provider::listen(says).unwrap();
    let stack = start(&provider);
    words(&stack);
    a_secret_stays(&stack, &provider);
    turned_off(&stack);
    controls(&stack);
    let database = stack.audit_database().display().to_string();
    let verified = whynot(&stack, &["audit", "verify", "--database", &database]);
    assert!(verified.starts_with("verified: "), "{verified}");
}

fn words(stack: &TestStack) {
    let prefix = format!("{}/e/", stack.explainer_url());
    let first = denied(stack, "first");
    let id = first.split_once(&prefix).unwrap().1.split_whitespace().next().unwrap();
    let words = until("no words at the link", || {
        let page = get(stack, &format!("{prefix}{id}"));
        page.get("words").filter(|words| !words.is_null()).cloned()
    });
    assert_eq!(
        (&words["text"], &words["source"], &words["model"]),
        (&json!(WORDS), &json!("model"), &json!(MODEL))
    );
    // Another team that meets the rule in the same way is told what was kept. Each of these is a team that meets it for the first
    // time; a busy machine may be too late for one.
    let mut number = 0;
    let next = until("no words of a model in a denial", || {
        number += 1;
        let text = denied(stack, &format!("next-{number}"));
        text.contains("These words are by a model").then_some(text)
    });
    assert!(
        next.contains(&format!("These words are by a model ({MODEL});")),
        "{next}"
    );
    let unwrapped = next.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains(WORDS), "{next}");
}

fn a_secret_stays(stack: &TestStack, provider: &Provider) {
    let before = provider.asked().len();
    let (status, answer) = chat(stack);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], says(&Value::Null));
    let asked = provider.asked();
    assert_eq!(asked.len(), before + 1);
    assert_eq!(asked[before]["stream"], true);
    let all = json!(asked).to_string();
    assert!(
        all.contains("Our pipeline uses the token") && !all.contains(SECRET),
        "{all}"
    );
    let called = until("no leaf of the call", || {
        let page = get(
            stack,
            &format!("{}/v1/audit/events?kind=model-called&limit=1000", stack.explainer_url()),
        );
        let mut calls = page["items"].as_array().unwrap().iter();
        calls.find(|call| call["payload"]["purpose"] == "chat").cloned()
    });
    let payload = &called["payload"];
    assert!(payload["fallbacks"].to_string().contains("absent"), "{payload}");
    assert!(
        !payload["guardsIn"]["redacted"].as_object().unwrap().is_empty(),
        "{payload}"
    );
}

fn turned_off(stack: &TestStack) {
    whynot(stack, &["gateway", "kill", "--reason", "a drill"]);
    assert_eq!(chat(stack).1["error"]["code"], "models_off");
    assert!(!denied(stack, "while-off").contains("by a model"));
    whynot(stack, &["gateway", "allow", "--reason", "the drill is over"]);
    assert_eq!(chat(stack).0, 200);
}

fn controls(stack: &TestStack) {
    assert!(stack.witness().unwrap().contains("leaves"), "a witness looked");
    // As a monitoring system does.
    let metrics = format!("{}/metrics", stack.explainer_url());
    let collected = client(&stack.ca_file()).unwrap().get(metrics).call().unwrap();
    assert_eq!(collected.status().as_u16(), 200);
    let report = whynot(stack, &["governance", "report", "--format", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["models"], &report["log"]["verified"]),
        (&json!(true), &json!(true))
    );
    let controls = report["controls"].as_array().unwrap();
    assert_eq!(controls.len(), 82);
    let of_guards = checks(|check| check.get("guards").is_some());
    // What never happened yet lacks nothing, beside what shows that it would be recorded.
    let lacks = |one: &Value| one["holds"] != true && one["noneYet"] != true;
    let mut resting = 0;
    for control in controls {
        let status = control["status"].as_str().unwrap();
        let evidence = control["evidence"].as_array().unwrap();
        if status == "evidenced" {
            assert!(evidence.iter().any(|one| one["holds"] == true), "{control}");
            assert!(!evidence.iter().any(lacks), "{control}");
        } else {
            assert_ne!(control["reason"], "", "{control}");
        }
        let rests = |one: &&Value| of_guards.contains(one["check"].as_str().unwrap());
        let guards: Vec<&Value> = evidence.iter().filter(rests).collect();
        if guards.is_empty() {
            continue;
        }
        resting += 1;
        for one in guards {
            assert_eq!(one["holds"], true, "{control}");
            let proof = one["leaves"][0]["proof"].as_str().unwrap();
            let proof = get(stack, &format!("{}{proof}", stack.explainer_url()));
            assert!(proof.to_string().contains("canary"), "{proof}");
        }
        // What asks for more than guards may lack that; guards are never the reason.
        let lacking = evidence.iter().filter(|one| lacks(one));
        let lacking: Vec<&str> = lacking.map(|one| one["check"].as_str().unwrap()).collect();
        assert!(lacking.iter().all(|check| MEASURED.contains(check)), "{control}");
        let expected = match (lacking.is_empty(), control["attest"].is_null()) {
            (true, true) => "evidenced",
            (true, false) => "attestation-missing",
            (false, _) => "not-evidenced",
        };
        assert_eq!(status, expected, "{control}");
    }
    assert!(resting > 25, "{resting}");
    let status = |framework: &str, id: &str| {
        let mut all = controls.iter();
        let found = all.find(|control| control["framework"] == framework && control["id"] == id);
        found.unwrap_or_else(|| panic!("{id}"))["status"].clone()
    };
    for (framework, id) in [
        ("aiuc-1", "E016"),
        ("aiuc-1", "E011"),
        ("aiuc-1", "A003"),
        ("nist-ai-rmf", "GOVERN 1.7"),
        ("nist-ai-rmf", "GOVERN 6.2"),
        ("nist-ai-rmf", "MEASURE 2.8"),
        ("nist-ai-600-1", "MS-2.8-003"),
    ] {
        assert_eq!(status(framework, id), "evidenced", "{id}");
    }
    assert_eq!(status("aiuc-1", "E006"), "not-applicable", "as its attestation says");
    // A file says what the service says, as far as it has it.
    let database = stack.audit_database().display().to_string();
    let text = whynot(stack, &["governance", "report", "--database", &database]);
    assert!(text.contains("B006") && !text.contains(SECRET), "{text}");
}
