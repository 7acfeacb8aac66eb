//! The explainer may say anything, or nothing: only words change.

use serde_json::{Value, json};
use wasm_tests::fixtures::{PRIVILEGED, pod, review_bytes};
use wasm_tests::host::{Outcome, Status};

use crate::support::{
    self, Answer, answer, assert_is_safe, denied_review, fail_last_call, host, send, without_explainer,
};

/// What the filter says when nobody helps it.
fn own_words() -> String {
    let host = without_explainer(&[PRIVILEGED]);
    answer(&host, &send(&host, &denied_review())).message
}

fn good_answer() -> Value {
    json!({
        "id": "01jd", "url": "http://127.0.0.1:8080/e/01jd", "message": "Better words.", "warnings": [],
        "source": "engine", "repeats": [],
    })
}

/// Denies, answers the call, and checks what holds whatever the answer was.
fn denied_with(status: &str, body: impl AsRef<[u8]>) -> Answer {
    let host = host();
    let mut request = send(&host, &denied_review());
    assert_eq!(request.outcome(), Outcome::Pending);
    host.answer_call(
        host.calls()[0].token,
        [(":status", status), ("content-type", "application/json")],
        body,
    );
    let answer = answer(&host, &request);
    assert!(!answer.allowed, "the explainer cannot change a verdict");
    assert_eq!(answer.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(host.calls().len(), 1, "nobody is asked twice");
    request.end();
    assert_eq!(host.trap(), None);
    answer
}

#[test]
fn the_call_holds_the_projection_and_not_the_object() {
    let host = host();
    let mut pod = pod(true);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD", "value": "hunter2"}]);
    pod["metadata"]["annotations"] = json!({"note": "hunter3"});
    let _request = send(&host, &review_bytes(&pod));
    let call = host.calls().remove(0);
    assert_eq!(call.cluster, "explainer");
    let header = |name: &str| {
        let value = call
            .headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default();
        String::from_utf8(value).unwrap()
    };
    assert_eq!(header(":method"), "POST");
    assert_eq!(header(":path"), "/v1/explain");
    assert_eq!(header(":authority"), "explainer");
    assert_eq!(header("content-type"), "application/json");
    let text = String::from_utf8(call.body).unwrap();
    assert!(!text.contains("hunter"), "{text}");
    let request: engine::explain::wire::ExplainRequest = serde_json::from_str(&text).unwrap();
    assert_eq!(request.review.name, "web");
    assert_eq!(request.review.username, "jane");
    assert_eq!(
        request.violations[0].found[0].path,
        "/spec/containers/0/securityContext/privileged"
    );
    assert!(request.fix.is_some(), "the fix is tried before anyone is asked");
}

#[test]
fn its_words_are_used() {
    let answer = denied_with("200", good_answer().to_string());
    assert!(answer.message.contains("Better words."), "{}", answer.message);
    assert!(
        answer.annotations.to_string().contains("01jd"),
        "{}",
        answer.annotations
    );
}

#[test]
fn without_it_the_engines_own_words_are_used() {
    let host = host();
    let request = send(&host, &denied_review());
    fail_last_call(&host);
    assert_eq!(answer(&host, &request).message, own_words());
}

#[test]
fn a_call_that_cannot_be_dispatched_is_like_one_that_failed() {
    for status in [Status::BadArgument, Status::InternalFailure] {
        let host = host();
        host.refuse_dispatch(status);
        let request = send(&host, &denied_review());
        let answer = answer(&host, &request);
        assert!(!answer.allowed);
        assert_eq!(answer.message, own_words());
    }
}

#[test]
fn what_is_no_answer_is_as_good_as_none() {
    let own = own_words();
    let huge = format!(
        r#"{{"id":"1","url":"","source":"engine","message":"{}"}}"#,
        "x".repeat(4 << 20)
    );
    let deep = "[".repeat(100_000);
    let no_answers: [(&str, &[u8]); 14] = [
        ("500", br#"{"id":"1","url":"","message":"ignore me","source":"engine"}"#),
        ("404", b"not found"),
        ("204", b""),
        ("301", b""),
        ("200", b""),
        ("200", b"garbage"),
        ("200", b"\xff\xff\xff"),
        ("200", b"null"),
        ("200", b"[]"),
        ("200", br#"{"message": 5}"#),
        ("200", br#"{"id":"1","url":"","source":"engine","message":["a"]}"#),
        ("200", br#"{"id":"1","url":"","source":"engine","message":""}"#),
        ("200", deep.as_bytes()),
        ("200", huge.as_bytes()),
    ];
    for (status, body) in no_answers {
        let answer = denied_with(status, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        // A message that is only too long may be cut instead.
        assert!(
            answer.message == own || body.len() > 1 << 20,
            "{status} {shown}: {}",
            answer.message
        );
    }
}

#[test]
fn an_answer_without_headers_to_speak_of_is_none() {
    let host = host();
    let request = send(&host, &denied_review());
    let headers: [(&str, &str); 0] = [];
    host.answer_call(host.calls()[0].token, headers, good_answer().to_string());
    assert!(!answer(&host, &request).allowed);

    let host = support::host();
    let request = send(&host, &denied_review());
    host.answer_call(
        host.calls()[0].token,
        [(":status", &[0xff, 0xfe][..])],
        good_answer().to_string(),
    );
    assert!(!answer(&host, &request).allowed);
}

#[test]
fn it_cannot_say_allowed() {
    let mut words = good_answer();
    words["allowed"] = true.into();
    words["decision"] = "allow".into();
    words["response"] = json!({"allowed": true});
    assert!(!denied_with("200", words.to_string()).allowed);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true}});
    assert!(!denied_with("200", review.to_string()).allowed);
}

#[test]
fn escape_sequences_do_not_reach_a_terminal() {
    let mut words = good_answer();
    words["message"] = "red \u{1b}[31mtext\u{1b}[0m\u{7} \u{9b}2J \u{202e}txet\rover\u{8}\0 line\nnext".into();
    let message = denied_with("200", words.to_string()).message;
    assert_is_safe(&message);
    assert!(message.contains("red ") && message.contains("\nnext"), "{message:?}");
    assert!(!message.contains('\u{202e}'), "{message:?}");
}

#[test]
fn a_message_that_is_too_long_is_cut_between_characters() {
    for length in [16_380, 16_384, 16_385, 100_000] {
        for filler in ["x", "é", "💥"] {
            let mut words = good_answer();
            words["message"] = filler.repeat(length / filler.len()).into();
            let message = denied_with("200", words.to_string()).message;
            assert!(message.len() <= 20 * 1024, "{} bytes", message.len());
        }
    }
}

#[test]
fn warnings_become_single_lines_and_few() {
    let mut words = good_answer();
    words["warnings"] = json!(["one\nline", "bell\u{7}", "", "x".repeat(5000)]);
    let answer = denied_with("200", words.to_string());
    assert!(
        answer.warnings.iter().any(|warning| warning == "one line"),
        "{:?}",
        answer.warnings
    );
    words["warnings"] = vec!["again"; 10_000].into();
    let many = denied_with("200", words.to_string()).warnings;
    assert!(many.len() <= 20, "{}", many.len());
    assert!(many.iter().map(String::len).sum::<usize>() <= 4096);
}

#[test]
fn an_id_that_is_no_id_does_not_get_into_the_audit_log() {
    let mut words = good_answer();
    words["id"] = format!("a\nb\u{1b}{}", "c".repeat(100_000)).into();
    let annotations = denied_with("200", words.to_string()).annotations.to_string();
    assert!(annotations.len() < 4096, "{} bytes", annotations.len());
    assert!(
        !annotations.contains("\\u001b") && !annotations.contains("\\n"),
        "{annotations}"
    );
}
