//! What looks like evidence, and is none.

use std::collections::BTreeSet;

use serde_json::json;

use super::facts::Witnessed;
use super::previous::Previous;
use super::report::Status;
use super::samples::{event, events, facts, retained};
use super::tests::{control, report, status};
use crate::audit::Kind;

#[test]
fn a_measurement_counts_only_as_long_as_it_is_new_and_of_what_may_speak() {
    let names = [
        "aiuc-1/C002",
        "nist-ai-600-1/GV-1.3-002",
        "nist-ai-rmf/MEASURE 2.1",
        "nist-ai-rmf/MEASURE 2.3",
        "nist-ai-rmf/MEASURE 2.5",
    ];
    let all = |member: &str, value: serde_json::Value, expected: Status| {
        let mut events = events();
        let measured = events.iter_mut().find(|event| event.kind == "evaluation-run").unwrap();
        measured.payload.as_mut().unwrap()[member] = value.clone();
        let report = report(&facts(events));
        for name in names {
            assert_eq!(status(&report, name), expected, "{name}: {member} {value}");
        }
    };
    all("evaluatedAt", json!("2026-06-01T00:00:00Z"), Status::Evidenced);
    // Measured long ago, whenever the service was started with it; or some day to come.
    all("evaluatedAt", json!("2026-05-20T00:00:00Z"), Status::NotEvidenced);
    all("evaluatedAt", json!("2019-01-01"), Status::NotEvidenced);
    all("evaluatedAt", json!("2027-01-01T00:00:00Z"), Status::NotEvidenced);
    // Of a model that no route has, or of another file.
    all("model", json!("other"), Status::NotEvidenced);
    all("resultDigest", json!("h"), Status::NotEvidenced);
    all("resultDigest", json!(null), Status::NotEvidenced);
    all("passed", json!(false), Status::NotEvidenced);

    let mut unreleased = events();
    for event in unreleased.iter_mut().filter(|event| event.subject == "gateway") {
        event.payload.as_mut().unwrap()["released"] = json!([]);
    }
    let said = report(&facts(unreleased));
    for name in names {
        assert_eq!(status(&said, name), Status::NotEvidenced, "{name}");
    }
    // The service asks with another prompt than what was measured, or nobody knows with which.
    let other = json!([{"name": "explain", "version": 1, "hash": "h"}, {"name": "change", "version": 1, "hash": "i"}]);
    for prompts in [other, json!([]), json!(null)] {
        let mut reworded = events();
        reworded[0].payload.as_mut().unwrap()["prompts"] = prompts.clone();
        let said = report(&facts(reworded));
        for name in names {
            assert_eq!(status(&said, name), Status::NotEvidenced, "{name}: {prompts}");
        }
    }
    // With no thresholds anything passes.
    let mut boundless = events();
    let measured = boundless
        .iter_mut()
        .find(|event| event.kind == "evaluation-run")
        .unwrap();
    measured.payload.as_mut().unwrap()["thresholds"] = json!([]);
    let said = report(&facts(boundless));
    for name in ["aiuc-1/C002", "nist-ai-rmf/MEASURE 2.1", "nist-ai-rmf/MEASURE 2.5"] {
        assert_eq!(status(&said, name), Status::NotEvidenced, "{name}");
    }
}

#[test]
fn the_worst_of_the_places_that_may_speak_counts() {
    let mut two = events();
    for event in two.iter_mut().filter(|event| event.subject == "gateway") {
        event.payload.as_mut().unwrap()["released"] = json!(["a/m", "b/n"]);
    }
    let mut other = two
        .iter()
        .find(|event| event.kind == "evaluation-run")
        .unwrap()
        .payload
        .clone()
        .unwrap();
    other["provider"] = "a".into();
    other["model"] = "m".into();
    other["figures"]["grounded"] = 0.25.into();
    // The newer one is the better one.
    two.insert(7, event(7, Kind::EvaluationRun, "a/m", other));
    let said = report(&facts(two));
    let control = control(&said, "nist-ai-rmf/MEASURE 2.3");
    assert_eq!(control.status, Status::NotEvidenced);
    assert_eq!(control.evidence[0].figure, Some(0.25), "{control:?}");
}

#[test]
fn retention_that_failed_last_is_not_shown_by_what_was_before() {
    let after = |usage| {
        let mut events = events();
        events.push(event(10, Kind::RetentionRun, "2026-11-23", retained(usage)));
        report(&facts(events))
    };
    let failed = after(None);
    for name in ["nist-ai-600-1/GV-1.5-003", "aiuc-1/A002"] {
        let control = control(&failed, name);
        assert_eq!(control.status, Status::NotEvidenced, "{name}");
        assert!(control.reason.contains("leaf 10 lacks /usage"), "{}", control.reason);
    }
    assert_eq!(status(&after(Some(4)), "nist-ai-600-1/GV-1.5-003"), Status::Evidenced);
}

#[test]
fn a_witness_that_sees_the_same_head_for_ever_is_none() {
    let names = ["nist-ai-rmf/MEASURE 2.8", "nist-ai-600-1/MS-2.8-003"];
    let with = |at: &str, size: u64, older: Option<u64>| {
        let mut facts = facts(events());
        facts.witness = Ok(Witnessed {
            name: "witness.example.com".to_owned(),
            at: at.parse().unwrap(),
            size,
        });
        facts.older = older.into_iter().map(|older| (24, older)).collect();
        let report = report(&facts);
        let all: BTreeSet<Status> = names.iter().map(|name| status(&report, name)).collect();
        assert_eq!(all.len(), 1);
        (
            all.into_iter().next().unwrap(),
            control(&report, names[0]).reason.clone(),
        )
    };
    let (now, lately) = (Status::Evidenced, "2026-11-23T11:59:00Z");
    assert_eq!(with(lately, 61, Some(61)).0, now);
    assert_eq!(with(lately, 70, Some(61)).0, now);
    // It cosigned a minute ago, and what it cosigned is the head of the day before.
    let (frozen, why) = with(lately, 61, Some(81));
    assert_eq!(frozen, Status::NotEvidenced);
    assert!(why.contains("81 leaves are older than that"), "{why}");
    assert_eq!(with(lately, 61, None).0, Status::NotEvidenced);
    assert_eq!(with("2026-11-22T11:59:00Z", 81, Some(81)).0, Status::NotEvidenced);
    assert_eq!(with("2036-11-23T11:59:00Z", 81, Some(81)).0, Status::NotEvidenced);
}

#[test]
fn that_people_keep_oversight_is_said_by_a_person_and_never_by_two_logs() {
    let report = report(&facts(events()));
    assert_eq!(status(&report, "nist-ai-rmf/MAP 3.5"), Status::AttestationMissing);
}

#[test]
fn agents_without_a_closed_list_of_purposes_are_not_scoped() {
    let mut events = events();
    for event in events.iter_mut().filter(|event| event.subject == "gateway") {
        event.payload.as_mut().unwrap()["agentsScoped"] = json!(false);
    }
    let report = report(&facts(events));
    for name in [
        "aiuc-1/B007",
        "aiuc-1/C004",
        "nist-ai-rmf/MAP 3.3",
        "nist-ai-rmf/GOVERN 6.1",
    ] {
        assert_eq!(status(&report, name), Status::NotEvidenced, "{name}");
    }
}

#[test]
fn what_this_process_found_before_counts_when_the_log_does_not_say_it_any_more() {
    let before = report(&facts(events()));
    let mut damaged = facts(events());
    damaged.previous = Some(Previous::from_report(&before));
    damaged.events.clear();
    damaged.log = damaged
        .log
        .beside(vec!["the payload of leaf 3 is not as it was written".to_owned()]);
    let said = report(&damaged);
    let regressed: BTreeSet<&str> = said.regressions.iter().map(|one| one.id.as_str()).collect();
    assert!(
        regressed.contains("C006") && regressed.contains("MS-2.8-003"),
        "{regressed:?}"
    );
    assert!(!said.log.verified && said.log.problems.len() == 1);
    damaged.previous = Some(Previous::from_report(&said));
    let still = report(&damaged);
    assert_eq!(still.regressions.len(), said.regressions.len());
}
