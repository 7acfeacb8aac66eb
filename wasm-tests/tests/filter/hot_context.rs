//! A context that changes while requests are served, that lacks a namespace, or that nobody confirms any more.

use std::time::Duration;

use serde_json::{Value, json};
use wasm_tests::fixtures::{configuration, pod, policies, review_bytes};
use wasm_tests::host::{Call, Host, Request};

use crate::support::{Answer, answer, fail_last_call, send};

const BY_LABEL: &str =
    "package tests.by_label\n\ndeny contains \"locked\" if input.namespace.labels.locked == \"yes\"\n";
const BY_DATA: &str =
    "package tests.by_data\n\ndeny contains \"twin\" if data.inventory.namespace.shop.v1.Pod[input.request.name]\n";
const PLAIN: &str = "package tests.plain\n\ndeny contains \"never\" if input.request.name == \"never\"\n";

fn host(sources: &[&str], context: Value) -> Host {
    let mut configuration = configuration(&policies(sources)).unwrap();
    configuration["explainer"] = Value::Null;
    configuration["context"] = context;
    configuration["live"] =
        json!({"cluster": "explainer", "authority": "explainer", "context": true, "maxContextAgeSeconds": 60});
    Host::new(configuration.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

fn path(call: &Call) -> String {
    let value = call.headers.iter().find(|(name, _)| name == ":path");
    value
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

fn tick(host: &Host, times: usize) {
    for _ in 0..times {
        host.advance_clock(Duration::from_millis(20));
        host.tick();
    }
}

/// Answers the last question for the context.
fn serve(host: &Host, revision: &str, age_ms: u64, context: &Value) {
    let call = last(host, "/v1/context?");
    let (tag, age) = (format!("\"{revision}\""), age_ms.to_string());
    let headers = [(":status", "200"), ("etag", &tag), ("whynot-context-age-ms", &age)];
    host.answer_call(call.token, headers, context.to_string());
    tick(host, 4);
}

fn last(host: &Host, start: &str) -> Call {
    let mut calls = host.calls().into_iter();
    calls
        .rfind(|call| path(call).starts_with(start))
        .unwrap_or_else(|| panic!("nobody asks for {start}; log:\n{}", host.log_text()))
}

fn shop(is_locked: bool) -> Value {
    let labels = if is_locked { json!({"locked": "yes"}) } else { json!({}) };
    json!({"namespaces": {"shop": {"labels": labels, "annotations": {}}}})
}

fn ask(host: &Host) -> Request<'_> {
    send(host, &review_bytes(&pod(false)))
}

/// Why a request was denied, or empty.
fn reason(answer: &Answer) -> &str {
    answer
        .message
        .lines()
        .find(|line| line.contains('*'))
        .unwrap_or_default()
}

#[test]
fn another_context_is_taken_and_named() {
    let host = host(&[BY_LABEL, BY_DATA, PLAIN], shop(false));
    let first = answer(&host, &ask(&host));
    assert!(first.allowed && first.annotations.get("context").is_none());
    tick(&host, 1);
    serve(&host, "c1", 0, &shop(true));
    let second = answer(&host, &ask(&host));
    assert!(!second.allowed);
    assert_eq!(second.annotations["context"], "c1");
    assert_eq!(second.annotations["revision"], first.annotations["revision"]);
    let mut twin = shop(false);
    twin["inventory"] = json!({"namespace": {"shop": {"v1": {"Pod": {"web": {}}}}}});
    tick(&host, 1);
    serve(&host, "c2", 0, &twin);
    let third = answer(&host, &ask(&host));
    assert!(third.message.contains("twin"), "{}", third.message);
    assert_eq!(third.annotations["context"], "c2");
}

#[test]
fn a_namespace_that_is_missing_is_asked_for_once() {
    let host = host(&[BY_LABEL], json!({"namespaces": {}}));
    let request = ask(&host);
    assert!(request.responses().is_empty());
    let call = last(&host, "/v1/context/namespaces/shop");
    let body = json!({"name": "shop", "labels": {"locked": "yes"}, "annotations": {}});
    host.answer_call(call.token, [(":status", "200")], body.to_string());
    assert!(!answer(&host, &request).allowed);
    // It is known now.
    let calls = host.calls().len();
    assert!(!answer(&host, &ask(&host)).allowed);
    assert_eq!(host.calls().len(), calls);
    // A context of a later time that does not have it: it is gone.
    tick(&host, 1);
    serve(&host, "c1", 0, &json!({"namespaces": {}}));
    assert!(ask(&host).responses().is_empty());
    assert_eq!(host.metrics()["whynot.context.misses"], 2);
}

#[test]
fn a_namespace_that_does_not_exist_is_unknown_and_one_that_nobody_knows_is_a_failure() {
    let host = host(&[BY_LABEL, PLAIN], json!({"namespaces": {}}));
    for (status, is_allowed) in [("404", true), ("503", false)] {
        let request = ask(&host);
        host.answer_call(
            last(&host, "/v1/context/namespaces/shop").token,
            [(":status", status)],
            "{}",
        );
        let answer = answer(&host, &request);
        assert_eq!(answer.allowed, is_allowed, "{status}");
        if !is_allowed {
            assert_eq!(answer.annotations["failed"], "tests/by-label");
        }
    }
    let request = ask(&host);
    host.fail_call(last(&host, "/v1/context/namespaces/shop").token);
    assert!(answer(&host, &request).message.contains("does not answer"));
}

#[test]
fn a_namespace_that_is_known_from_before_the_bound_is_not_used() {
    let host = host(&[BY_LABEL], json!({"namespaces": {}}));
    let body = json!({"name": "shop", "labels": {}, "annotations": {}}).to_string();
    let told = |age: &str| {
        let request = ask(&host);
        let headers = [(":status", "200"), ("whynot-context-age-ms", age)];
        host.answer_call(last(&host, "/v1/context/namespaces/shop").token, headers, body.as_str());
        answer(&host, &request)
    };
    let stale = told("61000");
    assert_eq!(
        (stale.allowed, &stale.annotations["failed"]),
        (false, &json!("tests/by-label"))
    );
    assert!(stale.message.contains("too old"), "{}", stale.message);
    assert!(told("59000").allowed);
    // It ages here too: a second later it may be used, three seconds later it is asked for again.
    let calls = host.calls().len();
    assert!(answer(&host, &ask(&host)).allowed);
    assert_eq!(host.calls().len(), calls);
    host.advance_clock(Duration::from_secs(3));
    tick(&host, 1);
    assert!(ask(&host).responses().is_empty());
}

#[test]
fn who_looks_at_no_namespace_asks_for_none() {
    let host = host(&[PLAIN], json!({"namespaces": {}}));
    assert!(answer(&host, &ask(&host)).allowed);
    assert!(host.calls().is_empty());
}

#[test]
fn a_context_that_nobody_confirms_is_not_used_past_its_bound() {
    let host = host(&[BY_DATA, BY_LABEL, PLAIN], shop(false));
    tick(&host, 1);
    serve(&host, "c1", 0, &shop(false));
    assert!(answer(&host, &ask(&host)).allowed);
    host.advance_clock(Duration::from_secs(59));
    assert!(answer(&host, &ask(&host)).allowed);
    host.advance_clock(Duration::from_secs(2));
    let request = ask(&host);
    let body = json!({"name": "shop", "labels": {}, "annotations": {}});
    host.answer_call(
        last(&host, "/v1/context/namespaces/shop").token,
        [(":status", "200")],
        body.to_string(),
    );
    let stale = answer(&host, &request);
    assert!(!stale.allowed);
    // The namespace is known, the inventory is not.
    assert_eq!(stale.annotations["failed"], "tests/by-data");
    assert!(stale.message.contains("older than 60 s"), "{}", reason(&stale));
    assert!(stale.annotations.get("context").is_none());
    assert_eq!(host.metrics()["whynot.context.stale"], 1);
    tick(&host, 1);
    assert!(
        host.metrics()["whynot.context.age_ms"] >= 61_000,
        "{:?}",
        host.metrics()
    );
    // Confirmed: how old it is, the one who watches says.
    let call = last(&host, "/v1/context?");
    host.answer_call(call.token, [(":status", "304"), ("whynot-context-age-ms", "5000")], "");
    tick(&host, 2);
    let fresh = answer(&host, &ask(&host));
    assert!(fresh.allowed, "{}", fresh.message);
    assert_eq!(fresh.annotations["context"], "c1");
    let age = host.metrics()["whynot.context.age_ms"];
    assert!((5_000..6_000).contains(&age), "{age}");
}

/// A process that starts again with what was rendered long ago.
#[test]
fn an_embedded_context_is_as_old_as_the_configuration() {
    let denied = |as_of: u64| {
        let mut configuration = configuration(&policies(&[BY_LABEL])).unwrap();
        configuration["explainer"] = Value::Null;
        configuration["context"] = shop(false);
        configuration["live"] = json!({
            "cluster": "explainer", "authority": "explainer", "context": true, "maxContextAgeSeconds": 60, "contextAsOf": as_of,
        });
        let host = Host::new(configuration.to_string()).unwrap_or_else(|error| panic!("{error}"));
        let request = ask(&host);
        if request.responses().is_empty() {
            // For the namespace, which nobody is there to tell.
            fail_last_call(&host);
        }
        let answer = answer(&host, &request);
        (!answer.allowed).then_some(answer.message)
    };
    assert_eq!(denied(u64::MAX), None);
    let message = denied(1_000_000_000).unwrap();
    assert!(message.contains("could not be evaluated"), "{message}");
}

#[test]
fn without_any_context_policies_that_need_it_fail() {
    let host = host(&[BY_DATA, PLAIN], Value::Null);
    let request = ask(&host);
    host.answer_call(
        last(&host, "/v1/context/namespaces/shop").token,
        [(":status", "404")],
        "{}",
    );
    let answer = answer(&host, &request);
    assert!(
        answer.message.contains("has not been fetched yet"),
        "{}",
        answer.message
    );
    assert_eq!(answer.annotations["failed"], "tests/by-data");
}

#[test]
fn what_is_no_context_is_refused_and_the_old_one_counts() {
    let host = host(&[BY_LABEL], shop(false));
    tick(&host, 1);
    serve(&host, "c1", 0, &shop(true));
    tick(&host, 1);
    serve(&host, "c2", 0, &json!({"namespaces": 5}));
    tick(&host, 20);
    let answer = answer(&host, &ask(&host));
    assert_eq!((answer.allowed, &answer.annotations["context"]), (false, &json!("c1")));
    let refusals = host
        .logs()
        .iter()
        .filter(|line| line.text.contains("context c2 is refused"))
        .count();
    assert_eq!(refusals, 1);
}
