//! Which fields are sent: an allow-list. What is not on it stays, whatever it is called.

use std::collections::{BTreeMap, BTreeSet};

use engine::explain::wire::ExplainRequest;
use engine::redact;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::redact::Redactor;

/// One decision, and the object when the caller has it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What was decided.
    pub request: &'a ExplainRequest,
    /// The denied object.
    pub object: Option<&'a Value>,
}

/// Why a field stays here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is not near a violation.
    NotListed,
    /// It may be a secret by its place.
    MayBeSecret,
    /// It is prose, which explains nothing and may instruct.
    Prose,
    /// There are enough others.
    TooMany,
}

/// What was sent and what was not, for the audit log: paths, never values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Paths in the object whose values are in the request.
    pub sent: BTreeSet<String>,
    /// How many values were not sent, by reason.
    pub withheld: BTreeMap<Reason, usize>,
    /// The first of their paths.
    pub withheld_paths: BTreeMap<Reason, BTreeSet<String>>,
    /// Members of the decision that were sent.
    pub decision: Vec<&'static str>,
}

const MAX_PATHS: usize = 64;
const MAX_NEIGHBOURS: usize = 24;
const MAX_VALUE: usize = 256;
const MAX_VIOLATIONS: usize = 16;

impl Record {
    fn keep(&mut self, reason: Reason, path: &str) {
        *self.withheld.entry(reason).or_default() += 1;
        let paths = self.withheld_paths.entry(reason).or_default();
        if paths.len() < MAX_PATHS {
            paths.insert(path.chars().take(MAX_VALUE).collect());
        }
    }
}

/// What may be sent about a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    /// As JSON.
    pub facts: Value,
    /// What is in it.
    pub record: Record,
}

/// Takes what is on the list: names of the object, the violations with their policies' metadata, the violating fields and their
/// neighbours, the fix. Not the labels, the user, the origin or the rest of the object.
pub fn project(subject: Subject<'_>) -> Projected {
    let ExplainRequest {
        review,
        violations,
        fix,
        unfixable,
        ..
    } = subject.request;
    let kind = review.kind.kind.as_str();
    let mut record = Record {
        decision: vec![
            "kind",
            "operation",
            "namespace",
            "name",
            "violations",
            "fix",
            "unfixable",
        ],
        ..Record::default()
    };
    let policies: Vec<Value> = violations
        .iter()
        .take(MAX_VIOLATIONS)
        .map(|violation| {
            let found: Vec<Value> = violation
                .found
                .iter()
                .map(|found| {
                    let shown = found.value.as_deref().filter(|value| is_short(value));
                    if shown.is_some() {
                        record.sent.insert(found.path.clone());
                    } else if found.value.is_some() {
                        record.keep(Reason::Prose, &found.path);
                    }
                    json!({"path": found.path, "value": shown})
                })
                .collect();
            json!({
                "policy": violation.policy, "action": violation.action, "severity": violation.severity, "title": violation.title,
                "message": violation.message, "why": violation.why, "remediation": violation.remediation,
                "example": violation.example, "controls": violation.controls, "found": found,
            })
        })
        .collect();
    let fields = subject.object.map_or_else(Vec::new, |object| {
        let mut fields = BTreeMap::new();
        for found in violations
            .iter()
            .take(MAX_VIOLATIONS)
            .flat_map(|violation| &violation.found)
        {
            neighbours(kind, object, &found.path, &mut fields, &mut record);
        }
        leaves("", object, &mut |path| {
            if !record.sent.contains(path) && !is_recorded(&record, path) {
                record.keep(Reason::NotListed, path);
            }
        });
        fields
            .into_iter()
            .map(|(path, value)| json!({"path": path, "value": value}))
            .collect()
    });
    let mut facts = json!({
        "object": {
            "apiGroup": review.kind.group, "kind": kind, "operation": review.operation, "namespace": name(&review.namespace),
            "name": name(if review.name.is_empty() { &review.generate_name } else { &review.name }),
        },
        "violations": policies,
    });
    if let Some(facts) = facts.as_object_mut() {
        if !fields.is_empty() {
            facts.insert("fields".to_owned(), Value::Array(fields));
        }
        if let Some(fix) = fix {
            let fix =
                json!({"snippet": fix.snippet, "class": fix.class, "policies": fix.policies, "complete": fix.complete});
            facts.insert("fix".to_owned(), fix);
        }
        if !unfixable.is_empty() {
            let why = unfixable
                .iter()
                .map(|(policy, why)| json!({"policy": policy, "text": why}))
                .collect();
            facts.insert("unfixable".to_owned(), Value::Array(why));
        }
    }
    if let Some(object) = subject.object {
        // What its name makes a secret anywhere in the object is one where it stands under another name.
        let mut redactor = Redactor::default();
        redactor.value("", object);
        facts = redactor.again_in(&facts);
    }
    Projected { facts, record }
}

fn is_recorded(record: &Record, path: &str) -> bool {
    record.withheld_paths.values().any(|paths| paths.contains(path))
}

/// A name as Kubernetes has them; a webhook's client may put anything there.
fn name(written: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    written.bytes().all(is_plain).then_some(written)
}

/// A value of a field, not a text, and nothing that has to be decoded first.
fn is_short(value: &str) -> bool {
    let signs: BTreeSet<char> = value
        .chars()
        .filter(|character| {
            !character.is_alphanumeric() && !character.is_whitespace() && !"\"-._/:,".contains(*character)
        })
        .collect();
    value.len() <= MAX_VALUE && value.split_whitespace().count() <= 3 && (value.len() < 24 || signs.len() < 4)
}

/// The field itself, the plain values beside it, and the names of what it is in.
fn neighbours(kind: &str, object: &Value, path: &str, fields: &mut BTreeMap<String, String>, record: &mut Record) {
    let mut offer = |path: String, value: &Value| {
        if fields.contains_key(&path) || value.is_object() || value.is_array() {
            return;
        }
        if fields.len() >= MAX_NEIGHBOURS {
            record.keep(Reason::TooMany, &path);
        } else if !is_listed(&path, kind) {
            record.keep(Reason::MayBeSecret, &path);
        } else if let Some(shown) = redact::value(kind, &path, value) {
            let is_text = value.as_str().is_some_and(|text| !is_short(text));
            if is_text {
                record.keep(Reason::Prose, &path);
            } else {
                record.sent.insert(path.clone());
                fields.insert(path, shown);
            }
        } else {
            record.keep(Reason::MayBeSecret, &path);
        }
    };
    if let Some(value) = object.pointer(path) {
        offer(path.to_owned(), value);
    }
    let mut place = path;
    let mut is_parent = true;
    while let Some((above, last)) = place.rsplit_once('/') {
        if let Some(Value::Object(members)) = object.pointer(above) {
            for (key, value) in members {
                let is_name = matches!(key.as_str(), "name" | "image") && above.starts_with("/spec");
                // Labels and annotations have no neighbours: each stands for itself.
                if (is_parent && !is_map(above) && !above.is_empty()) || is_name {
                    offer(format!("{above}/{}", key.replace('~', "~0").replace('/', "~1")), value);
                }
            }
        }
        is_parent = is_parent && last.parse::<usize>().is_ok();
        place = above;
    }
}

fn is_map(path: &str) -> bool {
    ["labels", "annotations", "matchLabels", "data", "stringData", "metadata"]
        .iter()
        .any(|map| path.ends_with(map))
}

/// Never, also when a violation is about it: data of Secrets, the managers' notes, the status.
fn is_listed(path: &str, kind: &str) -> bool {
    let holds_data = matches!(kind, "Secret" | "ConfigMap");
    let first = path.split('/').nth(1).unwrap_or_default();
    !(path.contains("/managedFields")
        || first == "status"
        || (holds_data && matches!(first, "data" | "stringData" | "binaryData")))
}

/// Calls with the path of each plain value.
pub(super) fn leaves(path: &str, value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => members_of(members, |key, member| leaves(&format!("{path}/{key}"), member, each)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(&format!("{path}/{index}"), item, each);
            }
        }
        _ => each(path),
    }
}

fn members_of(members: &Map<String, Value>, mut each: impl FnMut(String, &Value)) {
    for (key, member) in members {
        each(key.replace('~', "~0").replace('/', "~1"), member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::guards::samples;

    #[test]
    fn only_what_is_near_a_violation_is_sent() {
        let request = samples::request();
        let object = samples::object();
        let projected = project(Subject {
            request: &request,
            object: Some(&object),
        });
        let sent = projected.facts.to_string();
        assert!(sent.contains("/spec/containers/0/securityContext/privileged"), "{sent}");
        assert!(sent.contains("registry.example.com/shop/web:1.4.2"), "{sent}");
        for kept in ["hunter2", "jane", "checkout-team", "--flag", "note-to-self", "second"] {
            assert!(!sent.contains(kept), "{kept}: {sent}");
        }
        let record = projected.record;
        assert!(
            record.sent.contains("/spec/containers/0/securityContext/privileged"),
            "{record:?}"
        );
        assert!(
            record.withheld_paths[&Reason::NotListed].contains("/spec/containers/0/env/0/value"),
            "{record:?}"
        );
    }
}
