//! The report for code scanning: SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).

use std::collections::BTreeMap;

use engine::eval::Policy;
use engine::verdict::{Action, Severity, Violation};
use serde_json::{Value, json};

use super::super::judge::{Checked, Objection, Proposal, severity};
use super::super::work::Trouble;
use super::Report;
use super::json::explanation;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn render(report: &Report<'_>) -> Result<String, serde_json::Error> {
    // Rules are those that were broken; the first violation has the words.
    let mut broken: BTreeMap<&str, &Violation> = BTreeMap::new();
    for objection in report.checked.iter().flat_map(|checked| &checked.violations) {
        broken
            .entry(&objection.violation.policy)
            .or_insert(&objection.violation);
    }
    let rules: Vec<Value> = broken
        .values()
        .map(|violation| rule(violation, report.policies))
        .collect();
    let index: BTreeMap<&str, usize> = broken.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let results: Vec<Value> = report
        .checked
        .iter()
        .flat_map(|checked| checked.violations.iter().map(move |objection| (checked, objection)))
        .map(|(checked, objection)| result(checked, objection, &index))
        .collect();
    let troubles: Vec<Value> = report.troubles.iter().map(notification).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "whynot", "version": env!("CARGO_PKG_VERSION"), "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.troubles.is_empty(),
                "toolExecutionNotifications": troubles,
            }],
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn level(action: Action) -> &'static str {
    match action {
        Action::Deny => "error",
        Action::Warn => "warning",
        Action::Audit => "note",
    }
}

/// What GitHub sorts findings by, from 0 to 10.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "3.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

fn rule(violation: &Violation, policies: &[Policy]) -> Value {
    let id = &violation.policy;
    let title = if violation.title.is_empty() {
        id
    } else {
        &violation.title
    };
    let description = if violation.why.is_empty() {
        title
    } else {
        &violation.why
    };
    let mut tags = vec!["kubernetes".to_owned()];
    tags.extend(violation.controls.iter().cloned());
    let mut help = explanation(violation);
    for link in &violation.links {
        help.push_str(&format!("\n{}", link.reference));
    }
    let mut rule = json!({
        "id": id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": description},
        "help": {"text": if help.is_empty() { id.clone() } else { help }},
        "defaultConfiguration": {"level": level(violation.action)},
        "properties": {"tags": tags, "severity": severity(violation.severity), "security-severity": score(violation.severity)},
    });
    if let (Some(link), Some(members)) = (violation.links.first(), rule.as_object_mut()) {
        members.insert("helpUri".to_owned(), link.reference.clone().into());
    }
    if let (Some(policy), Some(properties)) = (
        policies.iter().find(|policy| policy.meta.id == *id),
        rule.pointer_mut("/properties").and_then(Value::as_object_mut),
    ) {
        properties.insert("policy".to_owned(), policy.meta.file.clone().into());
    }
    rule
}

fn result(checked: &Checked, objection: &Objection, index: &BTreeMap<&str, usize>) -> Value {
    let violation = &objection.violation;
    let uri = uri(&checked.place.file);
    let location = |line: usize, path: &str| {
        json!({
            "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line.max(1)}},
            "logicalLocations": [{"fullyQualifiedName": format!("{}{path}", checked.subject), "kind": "member"}],
        })
    };
    let mut locations: Vec<Value> = violation
        .found
        .iter()
        .zip(&objection.lines)
        .map(|(found, line)| location(*line, &found.path))
        .collect();
    if locations.is_empty() {
        locations.push(location(checked.place.line, ""));
    }
    // One result has one place to show; the others belong to it.
    let related = locations.split_off(1);
    let mut result = json!({
        "ruleId": violation.policy,
        "ruleIndex": index.get(violation.policy.as_str()),
        "level": level(violation.action),
        "message": {"text": format!("{}: {}", checked.subject, violation.message)},
        "locations": locations,
    });
    let Some(members) = result.as_object_mut() else {
        return result;
    };
    if !related.is_empty() {
        members.insert("relatedLocations".to_owned(), related.into());
    }
    let fix = objection.fix.as_ref().filter(|fix| !fix.shown.replacements.is_empty());
    if let Some(fix) = fix {
        members.insert("fixes".to_owned(), json!([change(fix, &uri)]));
    }
    result
}

fn change(fix: &Proposal, uri: &str) -> Value {
    let replacement = |replacement: &super::super::diff::Replacement| {
        json!({
            "deletedRegion": {
                "startLine": replacement.first, "startColumn": 1, "endLine": replacement.end, "endColumn": 1,
            },
            "insertedContent": {"text": replacement.text},
        })
    };
    let replacements: Vec<Value> = fix.shown.replacements.iter().map(replacement).collect();
    let mut text = "Tried: the policy passes with it.".to_owned();
    // Somebody accepts this with one click, and sees no more than this line.
    for (holds, says) in [
        (fix.removes, " It removes something that was there."),
        (fix.widens, " It gives more access than before."),
    ] {
        if holds {
            text.push_str(says);
        }
    }
    if !fix.placeholders.is_empty() {
        let open: Vec<String> = fix
            .placeholders
            .iter()
            .map(|placeholder| format!("{}: {}", placeholder.path, placeholder.meaning))
            .collect();
        text.push_str(&format!(" Fill in {}.", open.join("; ")));
    }
    json!({
        "description": {"text": text},
        "artifactChanges": [{"artifactLocation": {"uri": uri}, "replacements": replacements}],
    })
}

fn notification(trouble: &Trouble) -> Value {
    let mut region = json!({"startLine": trouble.line.max(1)});
    if let (true, Some(members)) = (trouble.column > 0, region.as_object_mut()) {
        members.insert("startColumn".to_owned(), trouble.column.into());
    }
    json!({
        "level": "error",
        "message": {"text": trouble.message},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(&trouble.file)}, "region": region}}],
    })
}

/// A relative reference: everything but what paths are made of is escaped.
fn uri(file: &str) -> String {
    if file == "-" {
        return "stdin".to_owned();
    }
    let mut out = String::new();
    for byte in file.trim_start_matches("./").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    if out.starts_with('/') {
        format!("file://{out}")
    } else {
        out
    }
}
