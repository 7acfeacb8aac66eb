//! A denial without what is its own: what is left is the same for every team that hits the rule in the same way.
//!
//! Words are asked for with this alone. A model cannot say what it was not told: so an answer that is kept names nobody's object,
//! and what somebody wrote into a field of an object reaches no model on this way.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use engine::explain::why;
use engine::explain::wire::{ExplainRequest, FixSummary, ReviewSummary};
use engine::verdict::{Found, Violation};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::History;
use crate::gateway::guards::{Projected, Subject, project};

/// Stands for a value.
const WITHHELD: &str = "withheld";
/// Stands for words.
const LEFT_OUT: &str = "…";
/// Words of a message that say nothing about whose object it is.
const PLAIN: &str = "a an the this that these those it its is are was be been being has have had do does did will would can could may \
    might must shall should not no nor none neither and or but if when while then than as at by for from in into of off on onto out \
    over per to under up upon via with within without only also all any both each every either other another more most less least \
    too very same such own there here where which who what how use uses used using run runs running set sets setting missing lacks \
    lack need needs needed require requires required allow allows allowed forbidden denied deny disallowed permitted invalid wrong \
    unknown empty absent present defined undefined expected found got given add added remove removed change changed exceed exceeds \
    exceeded above below between equal equals same different unique duplicate before after container containers pod pods image \
    images label labels annotation annotations name names namespace value values field fields key keys port ports volume volumes \
    host path user group root memory cpu limit limits request requests replica replicas registry tag digest version probe probes \
    secret configmap service ingress deployment job role binding account token capability capabilities kind object resource \
    resources spec metadata template node nodes network policy rule rules list one two three first second last true false null";

/// The facts of a shape, what its answer rests on, and its name.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// The denial, without what is its own.
    pub(super) request: ExplainRequest,
    /// What is sent.
    pub(super) projected: Projected,
    /// Equal for denials of the same shape.
    pub(super) digest: String,
}

impl Shape {
    pub(super) fn of(request: &ExplainRequest, history: History) -> Self {
        let shaped = shaped(request);
        let mut projected = project(Subject {
            request: &shaped,
            object: None,
        });
        surround(&mut projected, request);
        let named = json!([projected.facts, history.times()]);
        Self {
            request: shaped,
            projected,
            digest: digest(&named),
        }
    }
}

pub(super) fn digest(named: &Value) -> String {
    HEXLOWER.encode(&Sha256::digest(named.to_string()))
}

/// What is known of the namespace, as far as it is a word out of a list.
pub(super) fn surround(projected: &mut Projected, request: &ExplainRequest) {
    let known = namespace(&request.review.namespace_labels);
    if !known.is_empty()
        && let Some(facts) = projected.facts.as_object_mut()
    {
        facts.insert("namespace".to_owned(), json!(known));
        projected.record.decision.push("namespace-context");
    }
}

/// The allow-list of a namespace's context: key, and the values that it can have.
fn namespace(labels: &BTreeMap<String, String>) -> BTreeMap<&'static str, &'static str> {
    const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];
    const STAGES: [&str; 14] = [
        "production",
        "prod",
        "live",
        "staging",
        "stage",
        "preprod",
        "development",
        "dev",
        "test",
        "testing",
        "qa",
        "sandbox",
        "preview",
        "integration",
    ];
    const KEYS: [(&str, &str, &[&str]); 8] = [
        ("pod-security.kubernetes.io/enforce", "podSecurityEnforce", &LEVELS),
        ("pod-security.kubernetes.io/warn", "podSecurityWarn", &LEVELS),
        ("pod-security.kubernetes.io/audit", "podSecurityAudit", &LEVELS),
        ("environment", "environment", &STAGES),
        ("env", "environment", &STAGES),
        ("stage", "environment", &STAGES),
        ("tier", "environment", &STAGES),
        ("app.kubernetes.io/environment", "environment", &STAGES),
    ];
    let mut known = BTreeMap::new();
    for (key, name, values) in KEYS {
        let own = labels.get(key).map(|value| value.to_lowercase());
        if let Some(value) = values.iter().find(|value| own.as_deref() == Some(**value)) {
            known.entry(name).or_insert(*value);
        }
    }
    known
}

fn shaped(request: &ExplainRequest) -> ExplainRequest {
    let ExplainRequest {
        api_version,
        revision,
        decision,
        deadline_ms,
        review,
        violations,
        failures: _,
        fix,
        unfixable,
        origin: _,
        defaulted: _,
        upstream: _,
    } = request;
    let said = Said::of(violations, fix.as_ref());
    let mut shaped: Vec<Violation> = Vec::new();
    for violation in violations {
        let own = Violation {
            message: said.masked(&violation.message),
            found: violation.found.iter().map(|found| said.found(found)).collect(),
            why: why::reason(request, violation).text.to_owned(),
            ..violation.clone()
        };
        // Ten containers with one mistake are one mistake.
        if !shaped.contains(&own) {
            shaped.push(own);
        }
    }
    ExplainRequest {
        api_version: api_version.clone(),
        revision: revision.clone(),
        decision: *decision,
        deadline_ms: *deadline_ms,
        review: ReviewSummary {
            operation: review.operation.clone(),
            kind: review.kind.clone(),
            sub_resource: review.sub_resource.clone(),
            ..ReviewSummary::default()
        },
        fix: fix.as_ref().map(|fix| said.fix(fix)),
        unfixable: unfixable
            .iter()
            .map(|(policy, reason)| (policy.clone(), said.masked(reason)))
            .collect(),
        violations: shaped,
        failures: Vec::new(),
        origin: None,
        defaulted: Vec::new(),
        upstream: None,
    }
}

/// What the policies' authors wrote: it is the same whosever object is denied.
struct Said {
    text: String,
    /// Their words.
    authored: BTreeSet<String>,
    /// And everybody's.
    words: BTreeSet<String>,
    /// What the engine's change adds: nobody's object has it, so the policy asks for it.
    added: BTreeSet<String>,
}

impl Said {
    fn of(violations: &[Violation], fix: Option<&FixSummary>) -> Self {
        let mut text = String::new();
        for violation in violations {
            let Violation {
                policy,
                title,
                why,
                remediation,
                example,
                controls,
                ..
            } = violation;
            for part in [policy, title, why, remediation, example].into_iter().chain(controls) {
                text.push_str(&part.to_lowercase());
                text.push('\n');
            }
        }
        let authored: BTreeSet<String> = words(&text).collect();
        let mut words = authored.clone();
        words.extend(PLAIN.split_whitespace().map(str::to_owned));
        Self {
            text,
            authored,
            words,
            added: fix.map(added).unwrap_or_default(),
        }
    }

    /// A sentence with the words that the rule's author, or everybody, has.
    fn masked(&self, text: &str) -> String {
        let mut kept: Vec<&str> = Vec::new();
        for word in text.split_whitespace() {
            let small = word.to_lowercase();
            // What is quoted is a value, also when it is an ordinary word.
            let is_quoted = word.starts_with(['"', '\'', '`', '“', '‘']);
            let mut parts = words(&small);
            let is_known = if is_quoted {
                parts.all(|part| self.authored.contains(&part))
            } else {
                parts.all(|part| self.words.contains(&part))
            };
            let word = if is_known { word } else { LEFT_OUT };
            if word != LEFT_OUT || kept.last() != Some(&LEFT_OUT) {
                kept.push(word);
            }
        }
        kept.join(" ")
    }

    fn found(&self, found: &Found) -> Found {
        Found {
            path: self.path(&found.path),
            value: found.value.as_deref().map(|value| match value {
                "true" | "false" => value.to_owned(),
                _ => WITHHELD.to_owned(),
            }),
        }
    }

    /// A path without positions, and without keys that the object's author chose.
    fn path(&self, path: &str) -> String {
        const MAPS: [&str; 9] = [
            "labels",
            "annotations",
            "matchLabels",
            "nodeSelector",
            "selector",
            "data",
            "stringData",
            "binaryData",
            "parameters",
        ];
        let mut steps: Vec<&str> = Vec::new();
        let mut above = "";
        let mut so_far = String::new();
        for (at, step) in path.split('/').enumerate() {
            if at > 0 {
                so_far.push('/');
            }
            so_far.push_str(step);
            let is_position = step.parse::<usize>().is_ok();
            let plain = step.replace("~1", "/").replace("~0", "~").to_lowercase();
            let is_own = MAPS.contains(&above) && !self.text.contains(&plain) && !self.added.contains(&so_far);
            steps.push(if is_position || is_own { "*" } else { step });
            above = step;
        }
        steps.join("/")
    }

    fn fix(&self, fix: &FixSummary) -> FixSummary {
        let operations = fix.patch.as_array().into_iter().flatten();
        let mut shaped: Vec<Value> = Vec::new();
        for operation in operations {
            let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
            let mut own = json!({"op": text("op"), "path": self.path(text("path"))});
            let value = operation.get("value").and_then(|value| self.value(value));
            if let (Some(members), Some(value)) = (own.as_object_mut(), value) {
                members.insert("value".to_owned(), value);
            }
            if !shaped.contains(&own) {
                shaped.push(own);
            }
        }
        FixSummary {
            snippet: shaped.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
            patch: Value::Array(shaped),
            policies: fix.policies.clone(),
            complete: fix.complete,
            class: fix.class,
            source: fix.source,
            placeholders: Vec::new(),
            removes: Vec::new(),
            widens: Vec::new(),
            lifted: String::new(),
            diff: String::new(),
            kubectl: String::new(),
        }
    }

    /// A value that tells nothing of the object.
    fn value(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Bool(_) | Value::Null => Some(value.clone()),
            Value::String(text) => {
                let small = text.to_lowercase();
                let is_said = !small.trim().is_empty() && words(&small).all(|word| self.words.contains(&word));
                is_said.then(|| value.clone())
            }
            Value::Number(_) => self.words.contains(&value.to_string()).then(|| value.clone()),
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| {
                    let value = self.value(value).unwrap_or_else(|| json!(WITHHELD));
                    (key.clone(), value)
                };
                Some(Value::Object(members.iter().map(member).collect()))
            }
            Value::Array(_) => None,
        }
    }
}

/// The places that a change adds, and the names in what it adds there.
fn added(fix: &FixSummary) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for operation in fix.patch.as_array().into_iter().flatten() {
        let path = operation.get("path").and_then(Value::as_str);
        if let (Some("add"), Some(path)) = (operation.get("op").and_then(Value::as_str), path) {
            places.insert(path.to_owned());
            for name in operation.get("value").and_then(Value::as_object).into_iter().flatten() {
                places.insert(format!("{path}/{}", name.0.replace('~', "~0").replace('/', "~1")));
            }
        }
    }
    places
}

/// Runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::History;

    fn request(message: &str, found: Value, more: Value) -> ExplainRequest {
        let mut request = json!({
            "apiVersion": "whynot.dev/v1", "revision": "r", "decision": "deny", "deadlineMs": 0,
            "review": {"uid": "u", "operation": "CREATE", "kind": {"version": "v1", "kind": "Pod"}, "name": "titan", "namespace": "gold"},
            "violations": [{
                "policy": "shop/registry", "action": "deny", "severity": "high", "title": "Images come from registry.example.com",
                "message": message, "found": found, "why": "Other images are not scanned.",
                "remediation": "Take the image from registry.example.com.", "links": [], "controls": [],
            }],
        });
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(request).unwrap()
    }

    fn of(message: &str, found: Value, more: Value) -> Shape {
        Shape::of(&request(message, found, more), History::default())
    }

    #[test]
    fn of_a_message_stays_what_its_author_and_everybody_says() {
        let found = json!([{"path": "/spec/containers/4/image", "value": "docker.io/titan:1"}]);
        let shape = of(
            "Container \"titan-app\" uses the image docker.io/titan:1, not one from registry.example.com.",
            found,
            json!({}),
        );
        let violation = &shape.request.violations[0];
        assert_eq!(
            violation.message,
            "Container … uses the image … not one from registry.example.com."
        );
        assert_eq!(violation.found[0].path, "/spec/containers/*/image");
        assert_eq!(violation.found[0].value.as_deref(), Some("withheld"));
        let facts = shape.projected.facts.to_string();
        assert!(!facts.contains("titan") && !facts.contains("gold"), "{facts}");
    }

    #[test]
    fn equal_mistakes_are_one_and_shapes_are_told_apart() {
        let found = |at: usize| json!([{"path": format!("/spec/containers/{at}/image"), "value": "x"}]);
        let one = of("Container \"image-a\" is wrong.", found(0), json!({}));
        let mut two = request("Container \"volume-b\" is wrong.", found(7), json!({}));
        two.violations.push(two.violations[0].clone());
        two.violations[1].message = "Container \"c\" is wrong.".to_owned();
        let two = Shape::of(&two, History::default());
        assert_eq!((two.request.violations.len(), &two.digest), (1, &one.digest));
        let other = of("Container \"image-a\" is not allowed.", found(0), json!({}));
        assert_ne!(other.digest, one.digest);
        let again = Shape::of(
            &request("Container \"image-a\" is wrong.", found(0), json!({})),
            History { count: 2 },
        );
        assert_ne!(again.digest, one.digest, "the prompt says that it is the second time");
    }

    #[test]
    fn keys_of_the_object_are_left_out_and_those_of_the_policy_are_not() {
        let found =
            json!([{"path": "/metadata/labels/project-titan", "value": "x"}, {"path": "/metadata/labels/owner"}]);
        let fix = json!({"fix": {
            "patch": [
                {"op": "add", "path": "/metadata/labels/owner", "value": "titans"},
                {"op": "add", "path": "/metadata/annotations", "value": {"cost~center": "titan", "image": "registry.example.com"}},
                {"op": "remove", "path": "/metadata/labels/project-titan"},
                {"op": "replace", "path": "/spec/containers/2/securityContext/privileged", "value": false},
            ],
            "snippet": "name: titan", "policies": ["shop/registry"], "complete": true, "kubectl": "kubectl patch pod titan",
        }});
        let shape = of("Something is wrong.", found, fix);
        let paths: Vec<&str> = shape.request.violations[0]
            .found
            .iter()
            .map(|found| found.path.as_str())
            .collect();
        assert_eq!(paths, ["/metadata/labels/*", "/metadata/labels/owner"]);
        let fix = shape.request.fix.unwrap();
        let expected = json!([
            {"op": "add", "path": "/metadata/labels/owner"},
            {"op": "add", "path": "/metadata/annotations", "value": {"cost~center": "withheld", "image": "registry.example.com"}},
            {"op": "remove", "path": "/metadata/labels/*"},
            {"op": "replace", "path": "/spec/containers/*/securityContext/privileged", "value": false},
        ]);
        assert_eq!(fix.patch, expected);
        assert!(
            !shape.projected.facts.to_string().contains("titan"),
            "{}",
            shape.projected.facts
        );
    }

    #[test]
    fn a_namespaces_context_is_words_of_a_list() {
        let labels = |own: &[(&str, &str)]| -> BTreeMap<String, String> {
            own.iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let known = namespace(&labels(&[
            ("env", "Prod"),
            ("stage", "whatever"),
            ("team", "titan"),
            ("tier", "dev"),
        ]));
        assert_eq!(known, BTreeMap::from([("environment", "prod")]));
        let level = namespace(&labels(&[("pod-security.kubernetes.io/enforce", "restricted")]));
        assert_eq!(level, BTreeMap::from([("podSecurityEnforce", "restricted")]));
    }
}
