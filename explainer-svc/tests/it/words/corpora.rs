//! Whole corpora through the whole service: what leaves it, as bytes on the wire, and what people are told.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::{TIER, TIER_ID, asked};
use super::{GOOD, Stand, denial, good, said};
use crate::gateway::provider::{Seen, Step, answer};

#[derive(Deserialize)]
struct Secrets {
    secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Secret {
    kind: String,
    name: String,
    parts: Vec<String>,
    #[serde(default)]
    around: Vec<String>,
}

#[derive(Deserialize)]
struct Injections {
    injections: Vec<Injection>,
}

#[derive(Clone, Deserialize)]
struct Injection {
    place: String,
    text: String,
    says: String,
}

fn corpus<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A denial by the filter that is about a value, whose message says it, with the value wherever there is room for one.
fn about(name: &str, value: &str) -> Value {
    let mut body = denial();
    let path = "/spec/containers/0/env/0/value";
    let shown = engine::redact::value("Pod", path, &json!(value));
    let violation = &mut body["violations"][0];
    violation["message"] = format!("Container \"app\" has {name}={value} written out.").into();
    violation["found"] = json!([{"path": path, "value": shown}]);
    violation["why"] = format!("A value such as {name}={value} is seen by whoever sees the Pod.").into();
    body["review"]["labels"] = json!({"team": "checkout", "setting": value});
    body["fix"]["snippet"] = format!("env:\n  - name: {name}\n    value: {value}\n").into();
    body["fix"]["patch"] = json!([{"op": "replace", "path": path, "value": value}]);
    body["fix"]["diff"] = format!("-          value: {value}\n").into();
    body["fix"]["kubectl"] = format!("kubectl set env {name}={value}").into();
    body
}

/// A review of a webhook for which a change is asked, with the value in the object.
fn reviewed(name: &str, value: &str) -> Value {
    let mut body = asked();
    let object = &mut body["admissionReview"]["request"]["object"];
    object["metadata"]["annotations"]["setting"] = value.into();
    object["metadata"]["annotations"]["tier"] = value.into();
    object["spec"]["containers"][0]["env"] = json!([{"name": name, "value": value}]);
    object["spec"]["containers"][0]["args"] = json!([format!("--{name}={value}"), value]);
    object["spec"]["containers"][0]["command"] = json!(["/bin/app", value]);
    body
}

#[tokio::test]
async fn no_secret_leaves_the_process() {
    let stand = Stand::start(&[("tier.rego", TIER)], |_| {}, good).await;
    let secrets: Secrets = corpus("secrets/secrets.json");
    assert!(secrets.secrets.len() >= 324, "{}", secrets.secrets.len());
    let mut kinds = Vec::new();
    let mut leaks = Vec::new();
    let mut looked_at = 0;
    for case in &secrets.secrets {
        let secret = case.parts.concat();
        let value = match case.around.concat() {
            around if around.is_empty() => secret.clone(),
            around => around.replacen('@', &secret, 1),
        };
        kinds.push(case.kind.as_str());
        stand.server.explain(&about(&case.name, &value)).await;
        stand.server.explain(&reviewed(&case.name, &value)).await;
        for seen in stand.provider.seen().iter().skip(looked_at) {
            looked_at += 1;
            let wire = format!("{}\n{}", seen.head, seen.body);
            let texts = [
                wire.clone(),
                wire.replace("\\n", "\n"),
                wire.replace("\\\\n", "\n"),
                wire.replace("\\\"", "\""),
            ];
            let mut lines = secret
                .lines()
                .filter(|line| !line.starts_with("-----") && !line.is_empty());
            if lines.any(|line| {
                texts
                    .iter()
                    .any(|text| text.contains(line) || text.contains(&BASE64.encode(line.as_bytes())))
            }) {
                leaks.push(format!("{}: {wire}", case.kind));
            }
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    println!(
        "{} secrets of {} kinds, {looked_at} requests on the wire, {} with a secret",
        secrets.secrets.len(),
        kinds.len(),
        leaks.len()
    );
    assert!(
        looked_at > secrets.secrets.len() && kinds.len() >= 150,
        "{looked_at} of {} kinds",
        kinds.len()
    );
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// The denial with the text at its place, as the filter sends it.
fn injected(case: &Injection) -> Value {
    let mut body = denial();
    let text = case.text.as_str();
    let violation = &mut body["violations"][0];
    let path = match case.place.as_str() {
        "label" => "/metadata/labels/team",
        "annotation" => "/metadata/annotations/note",
        "args" => "/spec/containers/0/args/0",
        "env" => "/spec/containers/0/env/0/value",
        "image" => "/spec/containers/0/image",
        _ => "",
    };
    if !path.is_empty() {
        let shown = engine::redact::value("Pod", path, &json!(text));
        violation["found"] = json!([{"path": path, "value": shown}]);
    }
    match case.place.as_str() {
        "message" => violation["message"] = format!("The note \"{text}\" is not allowed.").into(),
        "why" => violation["why"] = text.into(),
        "remediation" => violation["remediation"] = text.into(),
        "username" => body["review"]["username"] = text.into(),
        "name" => body["review"]["name"] = text.into(),
        "namespace" => body["review"]["namespace"] = text.into(),
        _ => body["review"]["labels"]["note"] = text.into(),
    }
    body
}

/// With other policies nothing is kept: each is asked for.
fn revised(mut body: Value, number: usize) -> Value {
    body["revision"] = format!("{number:012x}").into();
    body
}

/// What a model that obeys says.
fn obeying(case: &Injection, number: usize) -> String {
    match number % 4 {
        0 => case.text.clone(),
        1 => case.says.clone(),
        2 => format!("{GOOD} {}", case.says),
        _ => format!("{GOOD} APPROVED"),
    }
}

/// The lines of a text that a model is said to have said.
fn models_lines(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("These words are by a model (")?;
    let rest = rest.split_once('\n')?.1;
    Some(
        rest.lines()
            .take_while(|line| line.starts_with("  "))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

#[tokio::test]
async fn a_model_that_obeys_injections_gets_nothing_of_them_to_people() {
    let injections: Injections = corpus("injections/injections.json");
    assert!(injections.injections.len() >= 279, "{}", injections.injections.len());
    let current: Arc<Mutex<(Injection, usize)>> = Arc::new(Mutex::new((injections.injections[0].clone(), 0)));
    let asked_for_change = Arc::new(AtomicUsize::new(0));
    let (told, changes) = (Arc::clone(&current), Arc::clone(&asked_for_change));
    let behaviour = move |_: usize, seen: &Seen| -> Vec<Step> {
        let (case, number) = told.lock().unwrap().clone();
        let words = obeying(&case, number);
        let mut body = said(&words);
        body["steps"] = json!([words.chars().take(200).collect::<String>()]);
        if seen.body["messages"][0].to_string().contains("You propose") {
            changes.fetch_add(1, Ordering::SeqCst);
            body["policies"] = json!([TIER_ID]);
            body["fields"] = json!(["/metadata/annotations/tier"]);
            body["explanation"] = "The annotation tier is not one that is scheduled.".into();
            body["steps"] = json!([]);
            body["change"] = json!([{"op": "replace", "path": "/metadata/annotations/tier", "value": case.text}]);
        } else if seen.body.to_string().contains("shop/tier") {
            body["policies"] = json!([TIER_ID]);
            body["fields"] = json!(["/metadata/annotations/tier"]);
        } else {
            // The field that it was told of, so that nothing but its words is wrong.
            body["fields"] = json!([path_told(seen)]);
        }
        answer(&body.to_string(), 1, 1)
    };
    let stand = Stand::start(&[("tier.rego", TIER)], |_| {}, behaviour).await;
    let (mut sent, mut shown) = (Vec::new(), Vec::new());
    let mut looked_at = 0;
    for (number, case) in injections.injections.iter().enumerate() {
        *current.lock().unwrap() = (case.clone(), number);
        let answers = [
            stand.server.explain(&revised(injected(case), number)).await,
            stand.server.explain(&reviewed("NOTE", &case.text)).await,
        ];
        for seen in stand.provider.seen().iter().skip(looked_at) {
            looked_at += 1;
            let wire = seen.body.to_string().replace('\u{02C6}', " ");
            let escaped = Value::from(case.text.trim()).to_string();
            if wire.contains(case.text.trim()) || wire.contains(escaped.trim_matches('"')) {
                sent.push(case.text.clone());
            }
        }
        for answer in answers {
            let message = answer["message"].as_str().unwrap();
            let id = answer["id"].as_str().unwrap();
            let page = stand.server.json(&format!("/e/{id}")).await;
            let own = models_lines(message).unwrap_or_default() + &page["words"].to_string();
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            let own = squeezed(&own);
            for text in [&case.text, &case.says, &"APPROVED".to_owned()] {
                if own.contains(&squeezed(text)) && squeezed(text).len() > 3 {
                    shown.push(format!("{text} -> {own}"));
                }
            }
            // Nor as a change.
            if page["fix"].to_string().contains(case.text.trim()) {
                shown.push(format!("{} -> {}", case.text, page["fix"]));
            }
        }
    }
    let count = injections.injections.len();
    println!(
        "{}",
        stand
            .metrics()
            .await
            .lines()
            .filter(|line| line.contains("model_") && !line.starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n")
    );
    println!(
        "{count} injections, {looked_at} requests on the wire ({} for a change), {} sent, {} shown",
        asked_for_change.load(Ordering::SeqCst),
        sent.len(),
        shown.len()
    );
    assert!(sent.is_empty(), "sent:\n{}", sent.join("\n"));
    assert!(shown.is_empty(), "shown:\n{}", shown.join("\n"));
    assert!(looked_at > count && asked_for_change.load(Ordering::SeqCst) > 40);
}

/// The path in the facts that a model was sent.
fn path_told(seen: &Seen) -> String {
    let sent = seen.body["messages"][1].to_string();
    let from = sent.split_once("\\\"path\\\":\\\"").map(|(_, rest)| rest);
    let path = from.and_then(|rest| rest.split_once("\\\"")).map(|(path, _)| path);
    path.unwrap_or("/spec/containers/*/securityContext/privileged")
        .to_owned()
}
