//! Each form of a report, of few controls.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::super::attestation::Attestations;
use super::super::control::Controls;
use super::super::evaluate::evaluate;
use super::super::report::{Report, Status};
use super::super::samples::{canary, event, events, facts};
use super::{html, markdown, oscal, text};
use crate::audit::Kind;

/// One of each status, and a regression.
fn report() -> Report {
    let shipped = Controls::shipped().unwrap();
    let few = ["B006", "C006", "E001", "E005", "B002", "MS-2.8-003"];
    let controls = Controls {
        controls: shipped
            .controls
            .iter()
            .filter(|control| few.contains(&control.id.as_str()))
            .cloned()
            .collect(),
        as_of: "2026-11-01".to_owned(),
        digest: "d1".to_owned(),
        ..shipped.clone()
    };
    let attestations = "
apiVersion: whynot.dev/v1
kind: Attestations
attestations:
  - {control: aiuc-1/E001, by: 'Ada <ada|example>', on: 2026-10-01, until: 2027-10-01, note: plan 3}
  - {control: aiuc-1/B002, by: Ada, on: 2026-10-01, until: 2027-10-01, note: nobody writes here, applies: false}
";
    let attestations = Attestations::parse(attestations, &shipped).unwrap();
    let mut events = events();
    events.push(canary(10, &["links"]));
    let before = json!({"statuses": {"aiuc-1/C006": "evidenced"}});
    events.push(event(11, Kind::GovernanceEvaluated, "x", before));
    let mut report = evaluate(
        &controls,
        &attestations,
        &facts(events),
        Some("https://whynot.example.com"),
    );
    report.version = "0.1.0".to_owned();
    report
}

#[test]
fn as_text() {
    let paint = |status: Status, text: &str| {
        if status == Status::NotEvidenced {
            format!("!{text}!")
        } else {
            text.to_owned()
        }
    };
    assert_snapshot!(text(&report(), &paint));
}

#[test]
fn as_markdown() {
    assert_snapshot!(markdown(&report()));
}

#[test]
fn as_a_page_that_loads_nothing() {
    let page = html(&report()).unwrap();
    let body = page.split_once("<body>").unwrap().1;
    assert!(
        !page.contains("<script") && !page.contains("src=") && !page.contains("url("),
        "{page}"
    );
    assert!(body.contains("Ada &#60;ada|example&#62;"), "{body}");
    assert_snapshot!(body);
}

#[test]
fn as_oscal() {
    assert_snapshot!(serde_json::to_string_pretty(&oscal(&report())).unwrap());
}

/// What NIST's JSON schema of assessment results 1.1 demands of the parts that are written here.
fn schema() -> Value {
    let uuid = json!({"type": "string", "pattern": "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[45][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$"});
    let token = json!({"type": "string", "pattern": "^(\\p{L}|_)(\\p{L}|\\p{N}|[.\\-_])*$"});
    let words = json!({"type": "string", "pattern": "^\\S(.*\\S)?$"});
    let prose = json!({"type": "string", "minLength": 1});
    let time = json!({"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$"});
    let closed = |required: &[&str], properties: Value| json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties});
    let list = |items: &Value| json!({"type": "array", "minItems": 1, "items": items});
    let properties = list(&closed(
        &["name", "value"],
        json!({"name": token, "ns": {"type": "string", "format": "uri"}, "value": words, "uuid": uuid, "class": token, "remarks": prose}),
    ));
    let select = list(&closed(
        &["control-id"],
        json!({"control-id": token, "statement-ids": list(&token)}),
    ));
    let selection = closed(
        &[],
        json!({"description": prose, "include-all": {"type": "object"}, "include-controls": select, "exclude-controls": select, "remarks": prose}),
    );
    let evidence = closed(
        &["description"],
        json!({"href": words, "description": prose, "props": properties, "remarks": prose}),
    );
    let observation = closed(
        &["uuid", "description", "methods", "collected"],
        json!({
            "uuid": uuid, "title": prose, "description": prose, "props": properties,
            "methods": list(&json!({"enum": ["EXAMINE", "INTERVIEW", "TEST", "UNKNOWN"]})), "types": list(&token),
            "relevant-evidence": list(&evidence), "collected": time, "expires": time, "remarks": prose,
        }),
    );
    let status = closed(
        &["state"],
        json!({"state": {"enum": ["satisfied", "not-satisfied"]}, "reason": {"enum": ["pass", "fail", "other"]}, "remarks": prose}),
    );
    let target = closed(
        &["type", "target-id", "status"],
        json!({"type": {"enum": ["statement-id", "objective-id"]}, "target-id": token, "title": prose, "description": prose, "status": status}),
    );
    let finding = closed(
        &["uuid", "title", "description", "target"],
        json!({
            "uuid": uuid, "title": prose, "description": prose, "props": properties, "target": target,
            "related-observations": list(&closed(&["observation-uuid"], json!({"observation-uuid": uuid}))), "remarks": prose,
        }),
    );
    let part = closed(
        &["name"],
        json!({"uuid": uuid, "name": token, "title": prose, "prose": prose}),
    );
    let result = closed(
        &["uuid", "title", "description", "start", "reviewed-controls"],
        json!({
            "uuid": uuid, "title": prose, "description": prose, "start": time, "end": time, "props": properties,
            "reviewed-controls": closed(&["control-selections"], json!({"control-selections": list(&selection)})),
            "attestations": list(&closed(&["parts"], json!({"parts": list(&part)}))),
            "observations": list(&observation), "findings": list(&finding),
        }),
    );
    let metadata = closed(
        &["title", "last-modified", "version", "oscal-version"],
        json!({"title": prose, "last-modified": time, "version": words, "oscal-version": words, "props": properties, "remarks": prose}),
    );
    let resource = closed(&["uuid"], json!({"uuid": uuid, "title": prose, "description": prose}));
    closed(
        &["assessment-results"],
        json!({"assessment-results": closed(
            &["uuid", "metadata", "import-ap", "results"],
            json!({
                "uuid": uuid, "metadata": metadata, "import-ap": closed(&["href"], json!({"href": words})),
                "results": list(&result), "back-matter": closed(&[], json!({"resources": list(&resource)})),
            }),
        )}),
    )
}

#[test]
fn oscal_has_the_members_that_its_schema_demands_and_no_uuid_twice() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let all = evaluate(
        &Controls::shipped().unwrap(),
        &Attestations::default(),
        &facts(events()),
        None,
    );
    for report in [report(), all] {
        let document = oscal(&report);
        let wrong: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let mut defined = Vec::new();
        let mut used = Vec::new();
        collect(&document, &mut defined, &mut used);
        let number = defined.len();
        defined.sort();
        defined.dedup();
        assert_eq!(defined.len(), number);
        for one in used {
            assert!(defined.contains(&one), "{one} is nowhere");
        }
    }
}

/// UUIDs that are given, and those that are referred to.
fn collect(value: &Value, defined: &mut Vec<String>, used: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member.as_str()) {
                    ("uuid", Some(uuid)) => defined.push(uuid.to_owned()),
                    ("observation-uuid", Some(uuid)) => used.push(uuid.to_owned()),
                    ("href", Some(href)) => used.extend(href.strip_prefix('#').map(ToOwned::to_owned)),
                    _ => collect(member, defined, used),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, defined, used)),
        _ => {}
    }
}
