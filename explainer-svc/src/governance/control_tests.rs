//! Controls as they come along, and what is wrong with others.

use super::*;
use crate::gateway::guards::Guard;
use crate::governance::samples::now;

#[test]
fn all_controls_of_the_frameworks_are_there_and_each_check_is_used() {
    let controls = Controls::shipped().unwrap();
    let of = |framework: &str| {
        let each = controls.controls.iter();
        each.filter(|control| control.framework == framework).count()
    };
    assert_eq!((of("aiuc-1"), of("nist-ai-rmf"), of("nist-ai-600-1")), (49, 21, 12));
    let used: BTreeSet<&String> = controls
        .controls
        .iter()
        .flat_map(|control| control.checks.iter().chain(&control.model_checks))
        .collect();
    let unused: Vec<_> = controls.checks.keys().filter(|name| !used.contains(name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn guards_have_the_names_of_the_program_and_each_is_evidence_for_something() {
    let controls = Controls::shipped().unwrap();
    let known: BTreeSet<&str> = Guard::ALL.into_iter().map(Guard::name).collect();
    let mut named = BTreeSet::new();
    for check in controls.checks.values() {
        if let Query::Guards(guards) = &check.query {
            named.extend(guards.names.iter().map(String::as_str));
        }
    }
    assert_eq!(named, known);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let head =
        "apiVersion: whynot.dev/v1\nkind: Controls\nasOf: 2026-11-01\nframeworks: {f: {name: F, version: '1'}}\n";
    let cases = [
        (
            "checks: {}\ncontrols: [{framework: f, id: A, title: t}]",
            "nothing would evidence it",
        ),
        (
            "checks: {}\ncontrols: [{framework: f, id: A, title: t, checks: [x]}]",
            "no check \"x\"",
        ),
        (
            "checks: {}\ncontrols: [{framework: g, id: A, title: t, attest: x}]",
            "no framework \"g\"",
        ),
        ("checks: {c: {means: m}}\ncontrols: []", "checks.c: expected one query"),
        (
            "checks: {c: {means: m, log: {}, witness: {hours: 1}}}\ncontrols: []",
            "checks.c: expected one query",
        ),
        (
            "checks: {c: {means: m, configuration: {part: gateway, having: {/x: {}}}}}\ncontrols: []",
            "checks.c: \"/x\"",
        ),
        (
            "checks: {c: {means: m, events: {kind: nothing, days: 1, atLeast: 1}}}\ncontrols: []",
            "nothing",
        ),
        (
            "checks: {c: {means: m, events: {kind: guard-fired, days: 1, atLeast: 0}}}\ncontrols: []",
            "checks.c: expected machinery",
        ),
        (
            "checks: {c: {means: m, events: {kind: guard-fired, days: 1, atLeast: 1, machinery: [c]}}}\ncontrols: []",
            "checks.c: expected machinery",
        ),
        (
            "checks: {l: {means: m, log: {}}, c: {means: m, events: {kind: guard-fired, days: 1, atLeast: 0, machinery: [l]}}}\n\
             controls: [{framework: f, id: A, title: t, checks: [c], modelChecks: [l]}]",
            "f/A: c shows nothing without one of l",
        ),
    ];
    for (text, expected) in cases {
        let wrong = Controls::parse(&format!("{head}{text}")).unwrap_err();
        assert!(wrong.contains(expected), "{wrong}");
    }
}

#[test]
fn what_is_not_there_fulfils_nothing() {
    let of = |test: Test, value: Value| test.holds(Some(&value), now());
    let least = || Test {
        at_least: Some(1.0),
        ..Test::default()
    };
    assert!(of(least(), 1.into()) && !of(least(), 0.into()) && !of(least(), "1".into()) && !least().holds(None, now()));
    let present = || Test {
        present: true,
        ..Test::default()
    };
    assert!(of(present(), "x".into()) && !of(present(), "".into()) && !of(present(), Value::Null));
    let not = Test {
        is_not: Some(1.into()),
        ..Test::default()
    };
    assert!(!not.holds(None, now()) && not.holds(Some(&2.into()), now()));
}
