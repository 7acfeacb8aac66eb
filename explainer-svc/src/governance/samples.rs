//! Facts for tests: a service whose models are asked, and everything is as it should be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::control::{Controls, Query};
use super::facts::{Facts, Seen, Witnessed};
use super::report::LogState;
use crate::audit::{Kind, RecordedEvent};
use crate::gateway::guards::Guard;

/// When tests are.
pub(super) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// An event of an hour ago.
pub(super) fn event(index: u64, kind: Kind, subject: &str, payload: Value) -> RecordedEvent {
    RecordedEvent {
        index,
        at: "2026-11-23T11:00:00.000Z".to_owned(),
        kind: kind.name().to_owned(),
        subject: subject.to_owned(),
        commitment: String::new(),
        payload: Some(payload),
    }
}

/// What a run of retention deleted; of what was used of models, so much.
pub(super) fn retained(usage: Option<u64>) -> Value {
    json!({"explanations": 0, "usage": usage, "payloads": 3})
}

/// All guards but these.
pub(super) fn canary(index: u64, missing: &[&str]) -> RecordedEvent {
    let present: Vec<&str> = Guard::ALL
        .into_iter()
        .map(Guard::name)
        .filter(|name| !missing.contains(name))
        .collect();
    event(
        index,
        Kind::Canary,
        "guards",
        json!({"guards": present, "missing": missing}),
    )
}

/// What a service does that asks models and is all right.
pub(super) fn events() -> Vec<RecordedEvent> {
    let service = json!({
        "version": "1", "models": true, "prompts": [{"name": "explain", "version": 1, "hash": "h"}], "administrator": true, "clients": true, "retentionDays": 90, "auditRetentionDays": 400,
        "limits": {"bodyBytes": 1, "requestMs": 1, "concurrency": 1},
    });
    let gateway = json!({
        "releaseGate": "g", "released": ["b/n"], "digest": "d", "policy": "p", "routes": {"default": ["a/m", "b/n"]}, "regions": {"a": "eu"}, "alternatives": 1,
        "providers": {"a": {"region": "eu"}}, "allow": {"providers": ["a"], "models": ["m"], "regions": ["eu"]}, "encrypted": true, "agents": {"explainer": {}}, "agentsLimited": true, "agentsScoped": true,
        "budgets": ["all"], "limits": {"maxTokens": 1, "deadlineMs": 1, "answerBytes": 1, "concurrency": 1},
    });
    let called = json!({
        "purpose": "explain", "called": {"provider": "b", "model": "n"}, "region": "us", "promptDigest": "x", "tools": 0,
        "fallbacks": [{"provider": "a"}],
        "guardsIn": {"projection": {"sent": ["/spec"]}, "redacted": {"password": 2, "token": 1}},
    });
    let explained = json!({"decision": "deny", "revision": "r1", "policies": ["p"], "source": "model", "model": "b/n", "prompt": {"name": "explain"}});
    let measured = json!({
        "provider": "b", "model": "n", "resultDigest": "g", "evaluatedAt": "2026-11-20T05:00:00Z",
        "thresholds": [{"figure": "grounded", "min": 0.9}], "passed": true, "cases": "c", "prompts": [{"name": "explain", "version": 1, "hash": "h"}],
        "figures": {"grounded": 0.95, "fixesUnverified": 0},
    });
    vec![
        event(0, Kind::ConfigurationLoaded, "0.1.0", service),
        canary(1, &[]),
        event(2, Kind::ConfigurationLoaded, "gateway", gateway),
        event(3, Kind::PolicyRolledOut, "r1", json!({"revision": "r1"})),
        event(4, Kind::RetentionRun, "2026-11-23", retained(Some(0))),
        event(5, Kind::ModelCalled, "explainer", called),
        event(6, Kind::VerdictExplained, "id", explained),
        event(7, Kind::EvaluationRun, "b/n", measured),
        event(8, Kind::KillSwitch, "off", json!({"models": "off"})),
        event(9, Kind::KillSwitch, "on", json!({"models": "on"})),
    ]
}

/// Metrics that were collected so many seconds ago.
pub(super) fn metrics(ago: i64) -> String {
    let read = now().as_second() - ago;
    format!("whynot_metrics_read_timestamp_seconds {read}\nwhynot_audit_failing 0\n")
}

/// What a report is made of.
pub(super) fn facts(events: Vec<RecordedEvent>) -> Facts {
    let mut seen: BTreeMap<Kind, Seen> = BTreeMap::new();
    let controls = Controls::shipped().unwrap();
    for event in events.into_iter().rev() {
        let kind: Kind = serde_json::from_value(event.kind.clone().into()).unwrap();
        seen.entry(kind).or_default().newest.push(event);
    }
    for check in controls.checks.values() {
        if let Query::Events(events) = &check.query {
            let seen = seen.entry(events.kind).or_default();
            let number = u64::try_from(seen.newest.len()).unwrap();
            seen.counts.insert(events.days, number);
        }
    }
    Facts {
        now: now(),
        events: seen,
        log: LogState {
            origin: "audit.example.com".to_owned(),
            leaves: 10,
            signed: 10,
            root: "cm9vdA==".to_owned(),
            verified: true,
            ..LogState::default()
        },
        witness: Ok(Witnessed {
            name: "witness.example.com".to_owned(),
            at: "2026-11-23T11:30:00Z".parse().unwrap(),
            size: 9,
        }),
        older: BTreeMap::from([(24, 9)]),
        metrics: Some(metrics(60)),
        previous: None,
    }
}
