//! Which HTTP requests are reviews, and how long the webhook's own deadline leaves for words.

use std::time::Duration;

use serde_json::Value;
use wasm_tests::fixtures::PRIVILEGED;

use crate::support::{
    JSON, allowed_review, answer, assert_refused, denied_review, fail_last_call, host, send_to, without_explainer,
};

#[test]
fn only_posts_of_json_to_the_path_are_reviews() {
    let host = host();
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        assert_refused(&host, &host.request_without_body(method, "/validate", JSON), 405);
    }
    for path in [
        "/",
        "/validate/",
        "/validatex",
        "/Validate",
        "/v1/explain",
        "//validate",
        "/validate/../x",
    ] {
        let mut request = host.request("POST", path, JSON);
        request.body(allowed_review(), true);
        assert_refused(&host, &request, 404);
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let mut request = host.request("POST", "/validate", [("content-type", content_type)]);
        request.body(allowed_review(), true);
        assert_refused(&host, &request, 415);
    }
}

#[test]
fn a_content_type_may_have_parameters_and_capitals() {
    let host = without_explainer(&[PRIVILEGED]);
    for content_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=UTF-8",
    ] {
        let mut request = host.request("POST", "/validate", [("content-type", content_type)]);
        request.body(allowed_review(), true);
        assert!(answer(&host, &request).allowed, "{content_type}");
    }
}

#[test]
fn the_call_may_take_what_the_webhook_leaves_and_no_more_than_configured() {
    // Configured: 5000 ms, and 200 ms before the deadline.
    let cases = [
        ("/validate", 5000),
        ("/validate?", 5000),
        ("/validate?timeout=", 5000),
        ("/validate?timeout=soon", 5000),
        ("/validate?timeout=-3s", 5000),
        ("/validate?timeout=99999999999999999999s", 5000),
        ("/validate?other=1s", 5000),
        ("/validate?timeout=30s", 5000),
        ("/validate?timeout=10s", 5000),
        ("/validate?timeout=5s", 4800),
        ("/validate?timeout=1s", 800),
        ("/validate?timeout=500ms", 300),
        ("/validate?timeout=1.5s", 1300),
        ("/validate?a=b&timeout=2s&c=d", 1800),
    ];
    for (path, milliseconds) in cases {
        let host = host();
        let request = send_to(&host, path, &denied_review());
        let call = &host.calls()[0];
        assert_eq!(call.timeout, Duration::from_millis(milliseconds), "{path}");
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(body["deadlineMs"], milliseconds, "{path}");
        fail_last_call(&host);
        assert!(!answer(&host, &request).allowed);
    }
}

#[test]
fn without_time_for_a_call_the_engines_words_are_sent_at_once() {
    for path in [
        "/validate?timeout=200ms",
        "/validate?timeout=0s",
        "/validate?timeout=1ms",
    ] {
        let host = host();
        let request = send_to(&host, path, &denied_review());
        assert!(host.calls().is_empty(), "{path}");
        assert!(answer(&host, &request).message.contains("runs privileged"), "{path}");
    }
}
