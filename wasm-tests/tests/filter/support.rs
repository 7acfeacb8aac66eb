//! Reviews to the filter, answers out of it.

use serde_json::Value;
use wasm_tests::fixtures::{PRIVILEGED, configuration, pod, policies, review_bytes};
use wasm_tests::host::{Host, LocalResponse, Outcome, Request};

pub(crate) const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// The filter with one policy, and an explainer.
pub(crate) fn host() -> Host {
    host_with(&[PRIVILEGED])
}

pub(crate) fn host_with(sources: &[&str]) -> Host {
    host_of(&configuration(&policies(sources)).unwrap())
}

pub(crate) fn host_of(configuration: &Value) -> Host {
    Host::new(configuration.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn without_explainer(sources: &[&str]) -> Host {
    let mut configuration = configuration(&policies(sources)).unwrap();
    configuration["explainer"] = Value::Null;
    host_of(&configuration)
}

pub(crate) fn denied_review() -> Vec<u8> {
    review_bytes(&pod(true))
}

pub(crate) fn allowed_review() -> Vec<u8> {
    review_bytes(&pod(false))
}

/// A review, sent in one piece.
pub(crate) fn send<'h>(host: &'h Host, body: &[u8]) -> Request<'h> {
    send_to(host, "/validate?timeout=10s", body)
}

pub(crate) fn send_to<'h>(host: &'h Host, path: &str, body: &[u8]) -> Request<'h> {
    let mut request = host.request("POST", path, JSON);
    request.body(body, true);
    request
}

/// Fails every call that waits for an answer, as if nobody were there to explain.
pub(crate) fn fail_last_call(host: &Host) {
    let calls = host.calls();
    assert_eq!(calls.len(), 1, "one call for one denial; log:\n{}", host.log_text());
    host.fail_call(calls[0].token);
}

/// The one response of a request.
pub(crate) fn response(host: &Host, request: &Request<'_>) -> LocalResponse {
    let outcome = request.outcome();
    assert!(!matches!(outcome, Outcome::Trap(_)), "{outcome:?}");
    let mut responses = request.responses();
    assert_eq!(responses.len(), 1, "exactly one response; log:\n{}", host.log_text());
    assert!(
        !request.released(),
        "nothing of a request may go on before, or beside, the filter's own answer"
    );
    responses.remove(0)
}

/// What the API server would read.
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    pub(crate) uid: String,
    pub(crate) message: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) annotations: Value,
}

pub(crate) fn answer(host: &Host, request: &Request<'_>) -> Answer {
    read(&response(host, request))
}

/// Checks everything that the API server would refuse.
pub(crate) fn read(response: &LocalResponse) -> Answer {
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    let content_type = response
        .headers
        .iter()
        .find(|(name, _)| name == "content-type")
        .map(|(_, value)| value.as_slice());
    assert_eq!(content_type, Some(&b"application/json"[..]));
    let review: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(review["kind"], "AdmissionReview");
    let answer = &review["response"];
    assert!(answer.get("patch").is_none() && answer.get("patchType").is_none());
    let allowed = answer["allowed"].as_bool().unwrap();
    if !allowed {
        assert_eq!(answer["status"]["code"], 403);
        assert_eq!(answer["status"]["reason"], "Forbidden");
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let warnings: Vec<String> = answer["warnings"].as_array().into_iter().flatten().map(text).collect();
    let message = text(&answer["status"]["message"]);
    assert!(allowed || !message.is_empty(), "a denial has a message");
    assert_is_safe(&message);
    for warning in &warnings {
        // The API server drops a warning with any control character in it.
        assert!(!warning.chars().any(char::is_control), "{warning:?}");
        assert!(warning.chars().count() <= 256, "{warning:?}");
    }
    Answer {
        allowed,
        uid: text(&answer["uid"]),
        message,
        warnings,
        annotations: answer["auditAnnotations"].clone(),
    }
}

/// A terminal prints what the message holds.
pub(crate) fn assert_is_safe(message: &str) {
    assert!(
        !message
            .chars()
            .any(|character| character.is_control() && character != '\n'),
        "{message:?}"
    );
    assert!(message.len() <= 32 * 1024, "{} bytes", message.len());
}

/// A request that is no review of an object: refused with a status that no API server takes for "allowed".
pub(crate) fn assert_refused(host: &Host, request: &Request<'_>, status: u32) {
    let response = response(host, request);
    assert_eq!(response.status, status, "{}", String::from_utf8_lossy(&response.body));
    assert_is_safe(std::str::from_utf8(&response.body).unwrap());
    assert!(!String::from_utf8_lossy(&response.body).contains("\"allowed\":true"));
}
