//! A configuration is taken whole or refused with its reason.

use std::time::Duration;

use serde_json::Value;
use wasm_tests::fixtures::{PRIVILEGED, configuration, pod, policies, review_bytes};
use wasm_tests::host::{Host, HostError, LogLevel, Options};

use crate::support::{answer, host_of, send};

fn good() -> Value {
    configuration(&policies(&[PRIVILEGED])).unwrap()
}

/// What the log says at level error or worse.
fn refusal(configuration: impl AsRef<[u8]>) -> String {
    match Host::new(configuration.as_ref()) {
        Err(HostError::Configuration(logs)) => {
            let errors: Vec<_> = logs
                .into_iter()
                .filter(|line| line.level >= LogLevel::Error)
                .map(|line| line.text)
                .collect();
            assert!(!errors.is_empty(), "a refusal says why");
            errors.join("\n")
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted: {}", String::from_utf8_lossy(configuration.as_ref())),
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    for text in ["", "{", "null", "[]", "{}", "\"x\""] {
        refusal(text);
    }
    refusal([0xff, 0xfe]);
}

#[test]
fn without_a_bundle_it_does_not_start() {
    let mut configuration = good();
    configuration["bundle"] = Value::Null;
    assert!(refusal(configuration.to_string()).contains("bundle"));
    let mut configuration = good();
    configuration.as_object_mut().unwrap().remove("bundle");
    assert!(refusal(configuration.to_string()).contains("bundle"));
}

#[test]
fn a_mistake_is_named_with_its_path() {
    let mut configuration = good();
    configuration["explainer"]["timeoutMs"] = "soon".into();
    assert!(refusal(configuration.to_string()).contains("explainer.timeoutMs"));
    let mut configuration = good();
    configuration["maxBodyByte"] = 5.into();
    assert!(refusal(configuration.to_string()).contains("maxBodyByte"));
}

#[test]
fn a_bundle_that_was_changed_is_refused() {
    let configuration = good().to_string().replace("== true", "== 1");
    assert!(refusal(configuration).contains("revision"));
}

#[test]
fn a_policy_that_does_not_compile_is_named() {
    let broken = [
        "package tests.syntax\n\ndeny contains \"x\" if {",
        "package tests.unknown_function\n\ndeny contains \"x\" if { nothing.known(1) }",
        "package tests.no_rule\n\nallow := true",
    ];
    for source in broken {
        let log = refusal(configuration(&policies(&[PRIVILEGED, source])).unwrap().to_string());
        // Files are sorted: the second one is the broken one.
        assert!(log.contains("1/policy.rego"), "{source}: {log}");
        assert!(!log.contains("0/policy.rego"), "{log}");
    }
}

#[test]
fn every_broken_policy_is_named_at_once() {
    let sources = [
        "package tests.a\n\nallow := 1",
        PRIVILEGED,
        "package tests.c\n\nallow := 1",
    ];
    let log = refusal(configuration(&policies(&sources)).unwrap().to_string());
    assert!(log.contains("0/policy.rego") && log.contains("2/policy.rego"), "{log}");
}

#[test]
fn a_new_configuration_is_warmed_up_for_a_bounded_time_and_nothing_of_it_is_seen() {
    let warmed = |clock_step: Duration| {
        let options = Options {
            clock_step,
            ..Options::default()
        };
        let mut configuration = good();
        configuration["explainer"] = Value::Null;
        let host = Host::with_options(configuration.to_string(), options).unwrap();
        assert!(host.metrics().values().all(|value| *value == 0), "{:?}", host.metrics());
        assert!(host.calls().is_empty());
        let log = host.log_text();
        let answer = answer(&host, &send(&host, &review_bytes(&pod(true))));
        assert!(!answer.allowed);
        (log, answer.message)
    };
    let (log, message) = warmed(Duration::ZERO);
    assert!(log.contains("warmed up by 100 reviews in 0 us"), "{log}");
    // The clock is looked at before the first, before each one, and after the last: the second would be too late.
    let (log, same) = warmed(Duration::from_millis(15));
    assert!(log.contains("warmed up by 1 reviews in 45000 us"), "{log}");
    assert_eq!(message, same);
}

/// A policy that fails when it runs: the request is refused, the answer and the log name the policy.
fn assert_fails_closed(source: &str, id: &str) {
    let mut configuration = configuration(&policies(&[source])).unwrap();
    configuration["explainer"] = Value::Null;
    let host = host_of(&configuration);
    let started = std::time::Instant::now();
    let answer = answer(&host, &send(&host, &review_bytes(&pod(false))));
    assert!(!answer.allowed);
    assert!(answer.message.contains(id), "{}", answer.message);
    let is_named = host
        .logs()
        .iter()
        .any(|line| line.level >= LogLevel::Warn && line.text.contains(id));
    assert!(is_named, "the log names {id}:\n{}", host.log_text());
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_policy_that_never_ends_is_stopped_and_denies() {
    assert_fails_closed(
        "package tests.endless\n\ndeny contains \"never\" if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\tsome c in numbers.range(1, 3000)\n\ta * b * c == -1\n}",
        "tests/endless",
    );
}

#[test]
fn a_policy_without_a_value_denies() {
    // A complete rule whose body is false has no value at all.
    assert_fails_closed(
        "package tests.undefined\n\ndeny := {\"x\"} if { input.request.nothing.here }",
        "tests/undefined",
    );
}

#[test]
fn a_policy_of_another_shape_denies() {
    for deny in [
        "deny := true",
        "deny := {\"a\": 1}",
        "deny contains 5",
        "deny contains {\"message\": \"x\"}",
    ] {
        assert_fails_closed(&format!("package tests.shape\n\n{deny}"), "tests/shape");
    }
}

#[test]
fn a_variable_that_nothing_defines_is_refused() {
    for (body, expected) in [
        (
            "deny contains \"x\" if { conteiner.privileged }",
            "var conteiner is unsafe: nothing gives it a value",
        ),
        (
            "deny contains \"x\" if { not conteiner.privileged }",
            "var conteiner is unsafe: nothing gives it a value",
        ),
        (
            "deny contains msg if { input.request }",
            "var msg is unsafe: nothing gives it a value",
        ),
    ] {
        let source = format!("package tests.unsafe\n\n{body}");
        let reason = refusal(configuration(&policies(&[source.as_str()])).unwrap().to_string());
        assert!(reason.contains(&format!(".rego:3: {expected}")), "{reason}");
    }
}

#[test]
fn a_conflict_at_run_time_denies() {
    assert_fails_closed(
        "package tests.conflict\n\ndeny := {\"x\"} if { input.request }\n\ndeny := {\"y\"} if { input.request.uid }",
        "tests/conflict",
    );
}

#[test]
fn a_failure_that_the_set_tolerates_warns() {
    let settings = engine::policy::settings::Settings::from_yaml(
        "apiVersion: whynot.dev/v1\nkind: PolicySet\nfailureMode: allow\n",
    )
    .unwrap();
    let source = "package tests.shape\n\ndeny contains 5".to_owned();
    let bundle = engine::policy::bundle::Bundle::new(settings, [("policy.rego".to_owned(), source)]);
    let mut configuration = configuration(&bundle).unwrap();
    configuration["explainer"] = Value::Null;
    let host = host_of(&configuration);
    let answer = answer(&host, &send(&host, &review_bytes(&pod(false))));
    assert!(answer.allowed);
    assert!(
        answer.warnings.iter().any(|warning| warning.contains("tests/shape")),
        "{:?}",
        answer.warnings
    );
}
