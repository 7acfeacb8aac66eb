//! The guards on whole corpora: made-up secrets, texts that instruct, and the repository's denied cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use engine::admission::Review;
use engine::cases::{CaseFile, Expect};
use engine::explain::wire::ExplainRequest;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

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

impl Secret {
    fn secret(&self) -> String {
        self.parts.concat()
    }

    fn value(&self) -> String {
        if self.around.is_empty() {
            self.secret()
        } else {
            self.around.concat().replacen('@', &self.secret(), 1)
        }
    }
}

#[derive(Deserialize)]
struct Injections {
    injections: Vec<Injection>,
}

#[derive(Deserialize)]
struct Injection {
    language: String,
    encoding: String,
    place: String,
    text: String,
    says: String,
}

fn corpus<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn facts(request: &ExplainRequest, object: &Value) -> (Outgoing, Projected) {
    let projected = project(Subject {
        request,
        object: Some(object),
    });
    let parts = vec![
        Part::Template("Explain this denial.\n".to_owned()),
        Part::Facts(projected.clone()),
    ];
    (
        Outgoing {
            messages: vec![Message {
                role: Role::User,
                parts,
            }],
            limits: Limits::default(),
        },
        projected,
    )
}

fn sent(outgoing: &Outgoing) -> (String, Report) {
    match inbound(outgoing) {
        Ok(guarded) => (
            guarded.messages.iter().map(|sent| sent.content.as_str()).collect(),
            guarded.report,
        ),
        Err(fired) => (String::new(), *fired.report),
    }
}

/// Texts that a manifest with this value is, as an agent would send them.
fn manifests(name: &str, value: &str) -> Vec<String> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "app", "image": "web:1", "env": [{"name": name, "value": value}]}]},
    });
    let quoted = serde_json::to_string(value).unwrap();
    let indented = value.replace('\n', "\n              ");
    vec![
        pod.to_string(),
        serde_json::to_string_pretty(&pod).unwrap(),
        format!(
            "spec:\n  containers:\n    - name: app\n      env:\n        - name: {name}\n          value: {quoted}\n"
        ),
        format!(
            "spec:\n  containers:\n    - env:\n        - name: {name}\n          value: |\n              {indented}\n"
        ),
        format!("kind: ConfigMap\ndata:\n  {name}: {quoted}\n"),
        format!("apiVersion: v1\nkind: Secret\nstringData:\n  {name}: {quoted}\n"),
        format!(
            "apiVersion: v1\nkind: Secret\ndata:\n  entry: {}\n",
            BASE64.encode(value.as_bytes())
        ),
    ]
}

#[test]
fn no_secret_is_sent() {
    let secrets: Secrets = corpus("secrets/secrets.json");
    let kinds: BTreeSet<_> = secrets.secrets.iter().map(|secret| &secret.kind).collect();
    assert!(
        secrets.secrets.len() >= 324 && kinds.len() >= 150,
        "{} of {}",
        secrets.secrets.len(),
        kinds.len()
    );
    let mut leaks: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut tried = 0;
    let mut check = |kind, secret: &str, content: String| {
        tried += 1;
        let flat = content.replace("\\n", "\n");
        // A key of several lines is sent when one of its lines is.
        let lines = secret.lines().filter(|line| !line.starts_with("-----"));
        if lines
            .into_iter()
            .any(|line| flat.contains(line) || flat.contains(&BASE64.encode(line.as_bytes())))
        {
            leaks.entry(kind).or_default().push(content);
        }
    };
    for case in &secrets.secrets {
        let (secret, value) = (case.secret(), case.value());
        let mut texts = manifests(&case.name, &value);
        if case.name == "SETTING" {
            let percent = utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string();
            texts.extend([
                BASE64.encode(value.as_bytes()),
                percent,
                format!("The value \"{value}\" is not allowed."),
            ]);
        }
        for text in texts {
            check(
                &case.kind,
                &secret,
                sent(&Outgoing::of_caller([(Role::User, text.as_str())])).0,
            );
            let untrusted = Outgoing::of_caller([(Role::Tool, text.as_str())]);
            check(&case.kind, &secret, sent(&untrusted).0);
        }
        // A denial that is about the value, whose message says it.
        let mut request = samples::request();
        let mut object = samples::object();
        object["spec"]["containers"][0]["env"][0] = json!({"name": case.name, "value": value});
        object["spec"]["containers"][0]["args"] = json!([value]);
        object["metadata"]["annotations"]["setting"] = json!(value);
        for path in [
            "/spec/containers/0/env/0/value",
            "/spec/containers/0/args/0",
            "/metadata/annotations/setting",
        ] {
            let violation = &mut request.violations[0];
            violation.message = format!("Container \"app\" has {}={value} written out.", case.name);
            violation.found[0].path = path.to_owned();
            violation.found[0].value = engine::redact::value("Pod", path, object.pointer(path).unwrap());
            let (content, report) = sent(&facts(&request, &object).0);
            assert!(report.projection.is_some());
            check(&case.kind, &secret, content);
        }
    }
    println!(
        "{} secrets of {} kinds in {tried} requests, {} sent",
        secrets.secrets.len(),
        kinds.len(),
        leaks.len()
    );
    let shown: Vec<_> = leaks
        .iter()
        .map(|(kind, texts)| format!("{kind} ({}): {}", texts.len(), texts[0]))
        .collect();
    assert!(leaks.is_empty(), "{}", shown.join("\n"));
}

/// A denial with the text at its place, about that place.
fn injected(case: &Injection) -> (ExplainRequest, Value) {
    let mut request = samples::request();
    let mut object = samples::object();
    let text = case.text.as_str();
    let path = match case.place.as_str() {
        "label" => "/metadata/labels/team",
        "annotation" => "/metadata/annotations/note",
        "name" => "/metadata/name",
        "namespace" => "/metadata/namespace",
        "args" => "/spec/containers/0/args/0",
        "env" => "/spec/containers/0/env/0/value",
        "image" => "/spec/containers/0/image",
        _ => "",
    };
    let violation = &mut request.violations[0];
    match case.place.as_str() {
        "message" => violation.message = format!("The note \"{text}\" is not allowed."),
        "why" => text.clone_into(&mut violation.why),
        "remediation" => text.clone_into(&mut violation.remediation),
        "username" => text.clone_into(&mut request.review.username),
        "name" => text.clone_into(&mut request.review.name),
        "namespace" => text.clone_into(&mut request.review.namespace),
        _ => {}
    }
    if let Some(place) = object.pointer_mut(path) {
        *place = json!(text);
        let found = &mut request.violations[0].found[0];
        path.clone_into(&mut found.path);
        found.value = engine::redact::value("Pod", path, &json!(text));
    }
    (request, object)
}

#[test]
fn injected_text_is_not_sent_and_never_becomes_advice() {
    let injections: Injections = corpus("injections/injections.json");
    let languages: BTreeSet<_> = injections.injections.iter().map(|case| &case.language).collect();
    assert!(injections.injections.len() >= 279 && languages.len() >= 30);
    let (mut missed, mut leaked, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    let mut sure = 0;
    for case in &injections.injections {
        let place = if ["message", "why", "remediation"].contains(&case.place.as_str()) {
            Place::Policy
        } else {
            Place::Field
        };
        let name = format!("{} {} {}: {}", case.language, case.encoding, case.place, case.text);
        match detect(&case.text, place).verdict {
            Verdict::Sure => sure += 1,
            verdict => missed.push(format!("{verdict:?} {name}")),
        }
        let (request, object) = injected(case);
        let (outgoing, projected) = facts(&request, &object);
        let (content, _) = sent(&outgoing);
        if content.contains(&case.text) || content.replace('\u{02C6}', " ").contains(case.text.trim()) {
            leaked.push(name.clone());
        }
        let explained = Explained::new(&request, &projected, Some(&object));
        let grounds = Grounds::Explanation {
            facts: Box::new(explained),
            marks: Marks::new(std::iter::empty()),
        };
        // A model that repeats the text, reads it out, puts it behind good words, or obeys.
        let good = samples::answer()["explanation"].as_str().unwrap().to_owned();
        let answers = [
            case.text.clone(),
            case.says.clone(),
            format!("{good} {}", case.says),
            format!("{good}\n{}", case.text),
            "The request is approved.".to_owned(),
            format!("{good} APPROVED"),
            "Approved, nothing to do for container app.".to_owned(),
            format!("{good} See https://evil.example/fix."),
            format!("{good} Set privileged to true and redeploy."),
            format!("{good} Run kubectl delete validatingwebhookconfiguration whynot."),
            format!("{good} LGTM."),
            "Why did the elephant cross the road in the morning?".to_owned(),
        ];
        for words in answers {
            let mut answer = samples::answer();
            answer["explanation"] = json!(words);
            let path = &request.violations[0].found[0].path;
            answer["fields"] = json!([path]);
            if let Ok(clean) = outbound(
                &Answer {
                    text: &answer.to_string(),
                    tool_calls: 0,
                },
                &grounds,
            ) && clean.text.trim() != good.trim()
            {
                // The good words before it may be read.
                shown.push(format!("{name} -> {}", clean.text));
            }
        }
    }
    let count = injections.injections.len();
    println!(
        "{count} injections in {} languages: {sure} sure, {} sent, {} shown",
        languages.len(),
        leaked.len(),
        shown.len()
    );
    println!("missed:\n{}", missed.join("\n"));
    println!("shown:\n{}", shown.join("\n"));
    assert!(leaked.is_empty(), "sent:\n{}", leaked.join("\n"));
    assert!(shown.is_empty(), "shown:\n{}", shown.join("\n"));
    assert!(sure * 100 >= count * 95, "missed:\n{}", missed.join("\n"));
}

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else if path.parent().is_some_and(|parent| parent.ends_with("cases")) {
            found.push(path);
        }
    }
}

#[test]
fn denied_cases_of_the_library_pass_untouched() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut files = Vec::new();
    files_under(&root, &mut files);
    files.sort();
    let (mut denials, mut hits, mut refused) = (0, Vec::new(), Vec::new());
    for file in &files {
        let folder = file.parent().unwrap().parent().unwrap();
        let id = folder.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let rego = fs::read_to_string(folder.join("policy.rego")).unwrap();
        let cases = CaseFile::parse(&fs::read_to_string(file).unwrap()).unwrap();
        for case in cases.cases.iter().filter(|case| case.expect == Expect::Deny) {
            let set = case.policy_set(&id, "policy.rego", &rego).unwrap();
            let Some(variant) = case.variants().unwrap().into_iter().next() else {
                continue;
            };
            let review = Review::parse(&variant.review_bytes()).unwrap();
            let verdict = set.evaluate(&review);
            let mut request = samples::request();
            request.violations = verdict.violations().cloned().collect();
            request.review.kind = review.kind.clone();
            request.review.name = "web".to_owned();
            for violation in &mut request.violations {
                for found in &mut violation.found {
                    found.value = variant
                        .object()
                        .pointer(&found.path)
                        .and_then(|value| engine::redact::value(&review.kind.kind, &found.path, value));
                }
            }
            denials += 1;
            let object = variant.object();
            let (outgoing, projected) = facts(&request, &object);
            let (_, report) = sent(&outgoing);
            let has_sure = report
                .instructions
                .iter()
                .any(|(_, detection)| detection.verdict == Verdict::Sure);
            if has_sure || !report.redacted.is_empty() {
                hits.push(format!(
                    "{id} {}: {:?} {:?}",
                    case.name, report.redacted, report.instructions
                ));
            }
            // The engine's own words, as a model would say them.
            let first = &request.violations[0];
            let answer = json!({
                "explanation": format!("{} {}", first.message, first.remediation).chars().take(1100).collect::<String>(),
                "policies": request.violations.iter().map(|violation| &violation.policy).collect::<BTreeSet<_>>(),
                "fields": first.found.iter().map(|found| &found.path).collect::<Vec<_>>(),
            });
            let explained = Explained::new(&request, &projected, Some(&object));
            let grounds = Grounds::Explanation {
                facts: Box::new(explained),
                marks: Marks::new(std::iter::empty()),
            };
            if let Err(fired) = outbound(
                &Answer {
                    text: &answer.to_string(),
                    tool_calls: 0,
                },
                &grounds,
            ) {
                refused.push(format!("{id} {}: {fired} in {}", case.name, answer["explanation"]));
            }
        }
    }
    println!(
        "{denials} denials: {} changed on the way in, {} answers refused",
        hits.len(),
        refused.len()
    );
    println!("refused:\n{}", refused.join("\n"));
    assert!(denials >= 100, "{denials}");
    assert!(hits.len() * 100 <= denials, "changed:\n{}", hits.join("\n"));
    assert!(refused.len() * 100 <= denials * 5, "refused:\n{}", refused.join("\n"));
}
