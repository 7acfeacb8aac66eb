//! For programs of auditors: OSCAL assessment results, a result for each framework.
//!
//! A finding is `satisfied` with the reason `pass` only where software has the evidence; what a person attests has the reason
//! `other`. Controls that do not apply are excluded from the review, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::super::report::{Assessed, Evidence, FrameworkSummary, Report, Status};
use super::{frameworks, log};

/// The version of the format.
const OSCAL: &str = "1.1.3";
/// Of our own properties.
const NAMESPACE: &str = "https://whynot.dev/ns/oscal";
/// In which names of reports are (a random UUID).
const NAMES: [u8; 16] = [
    0x5b, 0x0e, 0x9c, 0x7e, 0x41, 0x2f, 0x4d, 0x3a, 0x9a, 0x61, 0x2c, 0x8d, 0x77, 0x10, 0xe5, 0x94,
];

/// A report as assessment results.
pub fn oscal(report: &Report) -> Value {
    let document = format!("{} {} {}", report.log.origin, report.at, report.log.root);
    let plan = uuid(&format!("plan {}", report.controls_digest));
    let results: Vec<Value> = frameworks(report)
        .map(|framework| result(report, framework, &document))
        .collect();
    json!({"assessment-results": {
        "uuid": uuid(&document),
        "metadata": {
            "title": format!("Controls of {}", report.log.origin),
            "last-modified": report.at,
            "version": report.at,
            "oscal-version": OSCAL,
            "props": [property("whynot-version", &report.version), property("controls-as-of", &report.controls_as_of)],
            "remarks": format!("Evaluated from the {}.", log(report)),
        },
        "import-ap": {"href": format!("#{plan}")},
        "results": results,
        "back-matter": {"resources": [{
            "uuid": plan,
            "title": "The controls of whynot and their checks",
            "description": format!("The controls and the queries for their evidence that whynot {} has built in, SHA-256 {}.",
                report.version, report.controls_digest),
        }]},
    }})
}

fn result(report: &Report, framework: &FrameworkSummary, document: &str) -> Value {
    let document = format!("{document} {}", framework.id);
    let (excluded, included): (Vec<&Assessed>, Vec<&Assessed>) = report
        .of(&framework.id)
        .partition(|control| control.status == Status::NotApplicable);
    let select = |controls: &[&Assessed]| -> Vec<Value> {
        controls
            .iter()
            .map(|control| json!({"control-id": token(control)}))
            .collect()
    };
    let mut selection = Map::new();
    selection.insert(
        "description".into(),
        format!("{} {}", framework.name, framework.version).into(),
    );
    if !included.is_empty() {
        selection.insert("include-controls".into(), select(&included).into());
    }
    if !excluded.is_empty() {
        selection.insert("exclude-controls".into(), select(&excluded).into());
        let why: BTreeSet<String> = excluded
            .iter()
            .map(|control| format!("{}: {}", control.id, control.reason))
            .collect();
        selection.insert("remarks".into(), why.into_iter().collect::<Vec<_>>().join("\n").into());
    }
    // One observation a check, whatever number of controls rest on it.
    let mut checks: BTreeMap<&str, &Evidence> = BTreeMap::new();
    for evidence in included.iter().flat_map(|control| &control.evidence) {
        checks.insert(&evidence.check, evidence);
    }
    let mut observations: Vec<Value> = checks
        .values()
        .map(|evidence| observation(report, evidence, &document))
        .collect();
    let mut attestations = Vec::new();
    for control in &included {
        if let Some(said) = control.attestation.as_ref().filter(|_| control.status.is_met()) {
            let words = format!(
                "{} attests that {}.",
                said.by,
                control.attest.as_deref().unwrap_or(&control.title)
            );
            observations.push(json!({
                "uuid": uuid(&format!("{document} attestation {}", control.id)),
                "title": format!("Attestation of {}", control.id),
                "description": words,
                "methods": ["INTERVIEW"],
                "collected": format!("{}T00:00:00Z", said.on),
                "expires": format!("{}T23:59:59Z", said.until),
            }));
            attestations.push(json!({"parts": [{
                "uuid": uuid(&format!("{document} part {}", control.id)),
                "name": "attestation",
                "title": format!("{} {}", control.id, control.title),
                "prose": format!("{words} {}", said.note).trim(),
            }]}));
        }
    }
    let findings: Vec<Value> = included.iter().map(|control| finding(control, &document)).collect();
    let mut result = json!({
        "uuid": uuid(&format!("{document} result")),
        "title": format!("{} {}", framework.name, framework.version),
        "description": format!("What whynot finds of the controls of {} {}.", framework.name, framework.version),
        "start": report.at,
        "end": report.at,
        "reviewed-controls": {"control-selections": [selection]},
    });
    // An empty list is none, in OSCAL.
    if let Some(members) = result.as_object_mut() {
        let lists = [
            ("attestations", attestations),
            ("observations", observations),
            ("findings", findings),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                members.insert(name.to_owned(), list.into());
            }
        }
    }
    result
}

fn observation(report: &Report, evidence: &Evidence, document: &str) -> Value {
    let holds = match evidence {
        Evidence { holds: true, .. } => "yes",
        Evidence { none_yet: true, .. } => "none-yet",
        _ => "no",
    };
    let mut observation = json!({
        "uuid": uuid(&format!("{document} check {}", evidence.check)),
        "title": evidence.means,
        "description": evidence.found,
        "props": [property("check", &evidence.check), property("holds", holds)],
        "methods": ["EXAMINE"],
        "collected": report.at,
    });
    let leaves: Vec<Value> = evidence
        .leaves
        .iter()
        .map(|leaf| {
            json!({
                "href": report.proof(leaf).unwrap_or_else(|| leaf.proof.clone()),
                "description": format!("Leaf {} of the audit log: {} at {}", leaf.index, leaf.kind, leaf.at),
            })
        })
        .collect();
    if let Some(members) = observation.as_object_mut().filter(|_| !leaves.is_empty()) {
        members.insert("relevant-evidence".to_owned(), leaves.into());
    }
    observation
}

fn finding(control: &Assessed, document: &str) -> Value {
    let (state, reason) = match control.status {
        Status::Evidenced if control.attest.is_none() => ("satisfied", "pass"),
        Status::Evidenced | Status::Attested => ("satisfied", "other"),
        Status::NotEvidenced => ("not-satisfied", "fail"),
        Status::AttestationMissing | Status::NotApplicable => ("not-satisfied", "other"),
    };
    let said = if control.reason.is_empty() {
        "All checks hold."
    } else {
        &control.reason
    };
    let mut related: Vec<Value> = control
        .evidence
        .iter()
        .map(|evidence| json!({"observation-uuid": uuid(&format!("{document} check {}", evidence.check))}))
        .collect();
    if control.attestation.is_some() && control.status.is_met() {
        related.push(json!({"observation-uuid": uuid(&format!("{document} attestation {}", control.id))}));
    }
    let mut properties = vec![property("status", control.status.name())];
    if control.optional {
        properties.push(property("optional", "yes"));
    }
    let mut finding = json!({
        "uuid": uuid(&format!("{document} finding {}", control.id)),
        "title": format!("{} {}", control.id, control.title),
        "description": said,
        "props": properties,
        "target": {
            "type": "objective-id",
            "target-id": token(control),
            "title": control.title,
            "status": {"state": state, "reason": reason, "remarks": said},
        },
    });
    if let Some(members) = finding.as_object_mut().filter(|_| !related.is_empty()) {
        members.insert("related-observations".to_owned(), related.into());
    }
    finding
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": name, "ns": NAMESPACE, "value": value})
}

/// An id without spaces, that begins with a letter.
fn token(control: &Assessed) -> String {
    format!("{}_{}", control.framework, control.id)
        .replace(' ', "-")
        .to_lowercase()
}

/// The same name is the same UUID (version 5): who compares two reports finds what is the same.
fn uuid(name: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(NAMES);
    hash.update(name);
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(hash.finalize()) {
        *byte = hashed;
    }
    let mut number = u128::from_be_bytes(bytes);
    number = number & !(0xf << 76) | (5 << 76);
    number = number & !(0b11 << 62) | (0b10 << 62);
    let hex = format!("{number:032x}");
    let group = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let groups = [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)];
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_uuids_of_version_5() {
        let one = uuid("a");
        assert_eq!(one, uuid("a"));
        assert_ne!(one, uuid("b"));
        let groups: Vec<&str> = one.split('-').collect();
        assert_eq!(
            groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            groups[2].starts_with('5') && groups[3].starts_with(['8', '9', 'a', 'b']),
            "{one}"
        );
    }
}
