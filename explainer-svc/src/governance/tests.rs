//! What turns a control red, and what does not.

use std::collections::BTreeSet;

use serde_json::json;

use super::attestation::Attestations;
use super::control::{Controls, Query};
use super::evaluate::evaluate;
use super::facts::Facts;
use super::report::{Assessed, Report, Status};
use super::samples::{event, events, facts, metrics};
use crate::audit::{Kind, RecordedEvent};
use crate::gateway::guards::Guard;

pub(super) fn report(facts: &Facts) -> Report {
    evaluate(
        &Controls::shipped().unwrap(),
        &Attestations::default(),
        facts,
        Some("https://whynot.example.com"),
    )
}

pub(super) fn status(report: &Report, name: &str) -> Status {
    report
        .controls
        .iter()
        .find(|control| control.name() == name)
        .unwrap()
        .status
}

pub(super) fn control<'r>(report: &'r Report, name: &str) -> &'r Assessed {
    let mut all = report.controls.iter();
    all.find(|control| control.name() == name).unwrap()
}

fn open(report: &Report) -> Vec<String> {
    let not = report
        .controls
        .iter()
        .filter(|control| control.status == Status::NotEvidenced);
    not.map(|control| format!("{}: {}", control.name(), control.reason))
        .collect()
}

fn without(kind: Kind, subject: Option<&str>) -> Vec<RecordedEvent> {
    let is =
        |event: &RecordedEvent| event.kind == kind.name() && subject.is_none_or(|subject| subject == event.subject);
    events().into_iter().filter(|event| !is(event)).collect()
}

#[test]
fn what_is_shown_is_evidenced_and_what_only_a_person_can_say_is_never_passed() {
    let report = report(&facts(events()));
    assert_eq!(open(&report), Vec::<String>::new());
    let controls = Controls::shipped().unwrap();
    for control in &controls.controls {
        let expected = if control.attest.is_some() {
            Status::AttestationMissing
        } else {
            Status::Evidenced
        };
        assert_eq!(status(&report, &control.name()), expected, "{}", control.name());
    }
    let redacted = report.controls.iter().find(|control| control.id == "A004").unwrap();
    let counted = &redacted.evidence[1];
    assert_eq!(
        (counted.found.as_str(), counted.figure, counted.leaves[0].index),
        ("3 in 1 model-called in 30 days: password 2, token 1", Some(3.0), 5)
    );
    assert_eq!(
        report.proof(&counted.leaves[0]).unwrap(),
        "https://whynot.example.com/v1/audit/proof?index=5"
    );
}

#[test]
fn each_guard_that_is_not_in_the_path_turns_its_controls_red_and_no_others() {
    let controls = Controls::shipped().unwrap();
    for guard in Guard::ALL.into_iter().map(Guard::name) {
        let mut events = without(Kind::Canary, None);
        // As the gateway says it: only what is missing.
        events.push(event(10, Kind::Canary, "guards", json!({"missing": [guard]})));
        let report = report(&facts(events));
        let resting: BTreeSet<String> = controls
            .controls
            .iter()
            .filter(|control| {
                let mut checks = control.checks.iter().chain(&control.model_checks);
                checks.any(|name| {
                    matches!(&controls.checks[name].query, Query::Guards(guards) if guards.names.iter().any(|name| name == guard))
                })
            })
            .map(super::control::Control::name)
            .collect();
        let red: BTreeSet<String> = report
            .controls
            .iter()
            .filter(|control| control.status == Status::NotEvidenced)
            .map(Assessed::name)
            .collect();
        assert_eq!(red, resting, "{guard}");
        assert!(red.len() > 3, "{guard}: {red:?}");
        let one = report
            .controls
            .iter()
            .find(|control| control.status == Status::NotEvidenced)
            .unwrap();
        assert!(one.reason.contains(guard), "{}", one.reason);
    }
}

#[test]
fn a_canary_that_is_old_or_of_an_earlier_start_is_no_evidence() {
    let mut late = facts(events());
    late.now = "2026-11-26T12:00:00Z".parse().unwrap();
    let said = report(&late);
    let control = said.controls.iter().find(|control| control.id == "C006").unwrap();
    assert_eq!(control.status, Status::NotEvidenced);
    assert!(control.reason.contains("more than 48 hours ago"), "{}", control.reason);

    // Started again, and the gateway never got as far as its guards.
    let mut events = events();
    let service = events[0].payload.clone().unwrap();
    events.push(event(10, Kind::ConfigurationLoaded, "0.1.0", service));
    let said = report(&facts(events));
    for name in ["aiuc-1/C006", "aiuc-1/E011", "aiuc-1/B009"] {
        assert_eq!(status(&said, name), Status::NotEvidenced, "{name}");
    }
}

#[test]
fn without_a_model_its_controls_do_not_apply_and_the_others_stand() {
    let mut events = without(Kind::ModelCalled, None);
    events[0].payload.as_mut().unwrap()["models"] = false.into();
    let report = report(&facts(events));
    assert_eq!(report.models, Some(false));
    let controls = Controls::shipped().unwrap();
    for control in controls.controls.iter().filter(|control| control.needs.is_some()) {
        let assessed = report
            .controls
            .iter()
            .find(|assessed| assessed.name() == control.name())
            .unwrap();
        assert_eq!(assessed.status, Status::NotApplicable);
        assert_eq!(assessed.reason, "No model is configured.");
    }
    assert_eq!(
        status(&report, "aiuc-1/E015"),
        Status::Evidenced,
        "without what concerns models"
    );
}

#[test]
fn missing_evidence_is_red_whatever_else_there_is() {
    for (kind, subject, name) in [
        (Kind::ModelCalled, None, "aiuc-1/E009"),
        (Kind::EvaluationRun, None, "aiuc-1/C002"),
        (Kind::KillSwitch, Some("off"), "nist-ai-rmf/GOVERN 1.7"),
        (Kind::RetentionRun, None, "nist-ai-600-1/GV-1.5-003"),
        (Kind::VerdictExplained, None, "aiuc-1/E015"),
        (Kind::ConfigurationLoaded, Some("gateway"), "aiuc-1/E011"),
        (Kind::PolicyRolledOut, None, "nist-ai-rmf/MAP 3.5"),
    ] {
        let report = report(&facts(without(kind, subject)));
        assert_eq!(status(&report, name), Status::NotEvidenced, "{name}");
    }
    let with = |kind, subject: &str, payload| {
        let mut events = events();
        events.push(event(10, kind, subject, payload));
        report(&facts(events))
    };
    let lost = with(Kind::EventsLost, "3", json!({}));
    assert_eq!(status(&lost, "aiuc-1/E015"), Status::NotEvidenced);
    let tooled = with(
        Kind::ModelCalled,
        "x",
        json!({"purpose": "chat", "tools": 1, "guardsIn": {"redacted": {}}}),
    );
    assert_eq!(status(&tooled, "aiuc-1/B006"), Status::NotEvidenced);
    let worse = with(
        Kind::EvaluationRun,
        "x",
        json!({
            "provider": "b", "model": "n", "resultDigest": "g", "evaluatedAt": "2026-11-20T05:00:00Z", "thresholds": [1],
            "passed": true, "prompts": [{"hash": "h"}], "figures": {"grounded": 0.1, "fixesUnverified": 1},
        }),
    );
    assert_eq!(status(&worse, "aiuc-1/C002"), Status::NotEvidenced);
    let unlabelled = with(
        Kind::VerdictExplained,
        "x",
        json!({"decision": "deny", "revision": "", "policies": [], "source": "model"}),
    );
    assert_eq!(status(&unlabelled, "aiuc-1/E016"), Status::NotEvidenced);

    let mut alone = facts(events());
    alone.witness = Err("no witness".to_owned());
    assert_eq!(
        status(&report(&alone), "nist-ai-600-1/MS-2.8-003"),
        Status::NotEvidenced
    );
    let mut silent = facts(events());
    silent.metrics = None;
    assert_eq!(
        status(&report(&silent), "nist-ai-rmf/MEASURE 2.4"),
        Status::NotEvidenced
    );
}

#[test]
fn a_log_that_does_not_verify_evidences_nothing() {
    let mut facts = facts(events());
    facts.log.verified = false;
    facts.log.problems = vec!["leaf 3 was changed".to_owned()];
    let report = report(&facts);
    let green: Vec<_> = report
        .controls
        .iter()
        .filter(|control| control.status == Status::Evidenced)
        .collect();
    assert_eq!(
        green.iter().map(|control| control.id.as_str()).collect::<Vec<_>>(),
        ["MEASURE 2.4"],
        "metrics only"
    );
}

#[test]
fn attestations_count_from_when_until_when_and_for_nothing_else() {
    let controls = Controls::shipped().unwrap();
    let with = |entry: &str| {
        let text = format!("apiVersion: whynot.dev/v1\nkind: Attestations\nattestations: [{entry}]\n");
        let attestations = Attestations::parse(&text, &controls).unwrap();
        evaluate(&controls, &attestations, &facts(events()), None)
    };
    let said = with("{control: aiuc-1/E001, by: Ada, on: 2026-10-01, until: 2026-11-23}");
    assert_eq!(status(&said, "aiuc-1/E001"), Status::Attested);
    let said = with("{control: aiuc-1/E001, by: Ada, on: 2025-11-01, until: 2026-11-22}");
    assert_eq!(status(&said, "aiuc-1/E001"), Status::AttestationMissing);
    let said = with("{control: aiuc-1/E001, by: Ada, on: 2026-11-24, until: 2027-10-22}");
    assert_eq!(status(&said, "aiuc-1/E001"), Status::AttestationMissing);
    // With evidence of its own, which a person cannot replace.
    let said = with("{control: aiuc-1/F002, by: Ada, on: 2026-10-01, until: 2027-10-22}");
    assert_eq!(status(&said, "aiuc-1/F002"), Status::Evidenced);
    let said =
        with("{control: aiuc-1/B006, by: Ada, on: 2026-10-01, until: 2027-10-22, applies: false, note: not here}");
    let control = said.controls.iter().find(|control| control.id == "B006").unwrap();
    assert_eq!(
        (control.status, control.reason.as_str()),
        (Status::NotApplicable, "Ada says: not here")
    );
}

#[test]
fn what_was_met_and_is_not_any_more_is_a_regression_until_it_is_met_again() {
    let evaluated = |index, statuses, regressed| {
        event(
            index,
            Kind::GovernanceEvaluated,
            "x",
            json!({"statuses": statuses, "regressed": regressed}),
        )
    };
    let mut gone = without(Kind::KillSwitch, None);
    gone.push(evaluated(
        10,
        json!({"nist-ai-rmf/GOVERN 1.7": "evidenced", "aiuc-1/C002": "not-evidenced", "aiuc-1/E001": "attested"}),
        json!({}),
    ));
    let said = report(&facts(gone));
    let names: Vec<&str> = said.regressions.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(names, ["E001", "GOVERN 1.7"]);
    assert_eq!(said.regressions[0].since, said.at);

    let mut still = without(Kind::KillSwitch, None);
    still.push(evaluated(
        11,
        json!({"nist-ai-rmf/GOVERN 1.7": "not-evidenced"}),
        json!({"nist-ai-rmf/GOVERN 1.7": "2026-11-20T00:00:00Z"}),
    ));
    let said = report(&facts(still));
    assert_eq!(said.regressions.len(), 1);
    assert_eq!(said.regressions[0].since, "2026-11-20T00:00:00Z");

    let mut again = events();
    again.push(evaluated(
        12,
        json!({"nist-ai-rmf/GOVERN 1.7": "not-evidenced"}),
        json!({"nist-ai-rmf/GOVERN 1.7": "2026-11-20T00:00:00Z"}),
    ));
    assert!(report(&facts(again)).regressions.is_empty());
}

#[test]
fn a_service_that_nobody_scrapes_is_not_watched() {
    let never = "whynot_metrics_read_timestamp_seconds 0\nwhynot_audit_failing 0\n".to_owned();
    for (metrics, said) in [(never, "so never"), (metrics(601), "601 s ago, at most 600 s allowed")] {
        let mut facts = facts(events());
        facts.metrics = Some(metrics);
        let report = report(&facts);
        for name in ["nist-ai-rmf/MEASURE 2.4", "nist-ai-rmf/MEASURE 3.1", "aiuc-1/C008"] {
            let control = control(&report, name);
            assert_eq!(control.status, Status::NotEvidenced, "{name}");
            let reason = &control.reason;
            assert!(reason.contains("/metrics") && reason.contains(said), "{reason}");
        }
    }
    let mut lately = facts(events());
    lately.metrics = Some(metrics(600));
    assert_eq!(status(&report(&lately), "nist-ai-rmf/MEASURE 2.4"), Status::Evidenced);
}

#[test]
fn what_did_not_occur_yet_shows_nothing_by_itself() {
    // Nothing was refused, stopped or spent, and what would be recorded is watched.
    let whole = report(&facts(events()));
    let incidents = control(&whole, "nist-ai-600-1/MG-4.3-002");
    assert_eq!(incidents.status, Status::Evidenced);
    for one in incidents.evidence.iter().filter(|one| one.check != "all-guards") {
        assert_eq!((one.holds, one.none_yet), (false, true), "{one:?}");
        assert!(one.found.ends_with(": none yet"), "{}", one.found);
    }
    // It is evidence once it occurred.
    let mut some = events();
    some.push(event(10, Kind::GuardFired, "links", json!({})));
    let whole = report(&facts(some));
    let fired = |report: &Report| {
        let evidence = &control(report, "nist-ai-600-1/MG-4.3-002").evidence;
        evidence.iter().find(|one| one.check == "guards-log").unwrap().clone()
    };
    assert_eq!((fired(&whole).holds, fired(&whole).none_yet), (true, false));
    // Without what shows that it would be recorded, it counts as not shown.
    let unwatched = report(&facts(without(Kind::Canary, None)));
    let reason = &control(&unwatched, "nist-ai-600-1/MG-4.3-002").reason;
    assert!(reason.contains("what guards stopped: 0 guard-fired"), "{reason}");
    let unlimited = {
        let mut events = events();
        for event in events.iter_mut().filter(|event| event.subject == "gateway") {
            event.payload.as_mut().unwrap()["budgets"] = json!([]);
        }
        report(&facts(events))
    };
    let reason = &control(&unlimited, "nist-ai-rmf/MEASURE 3.1").reason;
    assert!(
        reason.contains("budgets that were spent: 0 budget-exhausted"),
        "{reason}"
    );
}

#[test]
fn providers_that_no_list_closes_are_not_approved() {
    let mut events = events();
    for event in events.iter_mut().filter(|event| event.subject == "gateway") {
        event.payload.as_mut().unwrap()["allow"] = json!({"providers": ["a"], "models": ["m"]});
    }
    let report = report(&facts(events));
    for name in ["aiuc-1/E011", "nist-ai-rmf/GOVERN 6.1", "nist-ai-600-1/GV-6.1-007"] {
        assert_eq!(status(&report, name), Status::NotEvidenced, "{name}");
    }
}
