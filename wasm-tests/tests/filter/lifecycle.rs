//! Every way in which a request can arrive and go away.

use wasm_tests::fixtures::{PRIVILEGED, configuration, policies};
use wasm_tests::host::{Host, Options, Outcome};

use crate::support::{
    JSON, allowed_review, answer, assert_refused, denied_review, fail_last_call, host, host_of, response, send,
    without_explainer,
};

#[test]
fn allowed_at_once_denied_after_the_call() {
    let host = host();
    let request = send(&host, &allowed_review());
    assert!(answer(&host, &request).allowed);
    assert!(
        host.calls().is_empty(),
        "nobody is asked about what is allowed without a word"
    );

    let request = send(&host, &denied_review());
    assert_eq!(request.outcome(), Outcome::Pending);
    fail_last_call(&host);
    let answer = answer(&host, &request);
    assert!(!answer.allowed);
    assert_eq!(answer.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert!(answer.message.contains("runs privileged"), "{}", answer.message);
}

#[test]
fn the_answer_does_not_depend_on_how_the_body_was_cut() {
    for (review, is_allowed) in [(allowed_review(), true), (denied_review(), false)] {
        let mut answers = Vec::new();
        for size in [review.len(), review.len() - 1, 1000, 7, 1] {
            let host = without_explainer(&[PRIVILEGED]);
            let mut request = host.request("POST", "/validate?timeout=10s", JSON);
            let last = review.chunks(size).count() - 1;
            for (index, chunk) in review.chunks(size).enumerate() {
                assert_eq!(request.outcome(), Outcome::Pending, "nothing is decided before the end");
                request.body(chunk, index == last);
            }
            assert_eq!(answer(&host, &request).allowed, is_allowed);
            answers.push(response(&host, &request).body);
        }
        // An empty chunk that only says "end", as HTTP/2 sends it.
        let host = without_explainer(&[PRIVILEGED]);
        let mut request = host.request("POST", "/validate?timeout=10s", JSON);
        request.body(&review, false).body("", true);
        answers.push(response(&host, &request).body);
        answers.dedup();
        assert_eq!(answers.len(), 1);
    }
}

#[test]
fn a_body_that_trailers_end_is_inspected_like_any_other() {
    for (review, is_allowed) in [(allowed_review(), true), (denied_review(), false)] {
        let host = without_explainer(&[PRIVILEGED]);
        let mut request = host.request("POST", "/validate", JSON);
        request.body(&review, false);
        assert_eq!(request.outcome(), Outcome::Pending);
        request.trailers([("grpc-status", "0")]);
        assert_eq!(answer(&host, &request).allowed, is_allowed);
    }
}

#[test]
fn a_request_without_a_body_is_refused() {
    let host = host();
    let request = host.request_without_body("POST", "/validate", JSON);
    assert_refused(&host, &request, 400);

    let mut request = host.request("POST", "/validate", JSON);
    request.body("", true);
    assert_refused(&host, &request, 400);

    let mut request = host.request("POST", "/validate", JSON);
    request.trailers([("a", "b")]);
    assert_refused(&host, &request, 400);
    assert!(host.calls().is_empty());
}

#[test]
fn a_client_that_goes_away_during_the_call_harms_nobody() {
    let host = host();
    let mut gone = send(&host, &denied_review());
    let token = host.calls()[0].token;
    gone.end();
    host.answer_call(
        token,
        [(":status", "200")],
        r#"{"id":"1","url":"","message":"late","source":"engine"}"#,
    );
    assert_eq!(host.trap(), None);
    assert!(gone.responses().is_empty());

    let mut gone = send(&host, &denied_review());
    gone.end();
    host.fail_call(host.calls()[1].token);
    assert_eq!(host.trap(), None);

    let next = send(&host, &allowed_review());
    assert!(answer(&host, &next).allowed);
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_its_body_harms_nobody() {
    let host = host();
    let review = denied_review();
    for length in [0, 1, review.len() / 2] {
        let mut gone = host.request("POST", "/validate", JSON);
        if length > 0 {
            gone.body(&review[..length], false);
        }
        gone.end();
        assert_eq!(host.trap(), None);
    }
    assert!(answer(&host, &send(&host, &allowed_review())).allowed);
}

#[test]
fn streams_end_after_their_answer_without_a_trap() {
    let host = host();
    let mut request = send(&host, &denied_review());
    fail_last_call(&host);
    assert!(!answer(&host, &request).allowed);
    // More of the body, and trailers, reach nobody once an answer is out.
    request.body("{}", true).trailers([("a", "b")]);
    request.end();
    assert_eq!(host.trap(), None);
    assert_eq!(request.responses().len(), 1);
}

#[test]
fn requests_in_flight_at_once_get_their_own_answers() {
    let host = host();
    let names = ["first", "second", "third"];
    let requests: Vec<_> = names
        .iter()
        .map(|name| {
            let review = String::from_utf8(denied_review()).unwrap().replace("705ab4f5", name);
            send(&host, review.as_bytes())
        })
        .collect();
    for (index, call) in host.calls().iter().enumerate().rev() {
        let body = format!(
            r#"{{"id":"{0}","url":"http://e/{0}","message":"words for {0}","source":"engine"}}"#,
            names[index]
        );
        host.answer_call(
            call.token,
            [(":status", "200"), ("content-type", "application/json")],
            body,
        );
    }
    for (name, request) in names.iter().zip(&requests) {
        let answer = answer(&host, request);
        assert!(answer.uid.starts_with(name), "{}", answer.uid);
        assert!(
            answer.message.contains(&format!("words for {name}")),
            "{}",
            answer.message
        );
        assert!(!answer.allowed);
    }
}

#[test]
fn a_body_that_is_not_utf8_is_refused_by_its_uid() {
    let host = without_explainer(&[PRIVILEGED]);
    let mut review = allowed_review();
    let position = review.windows(5).position(|window| window == b"nginx").unwrap();
    review[position] = 0xff;
    let answer = answer(&host, &send(&host, &review));
    assert!(!answer.allowed);
    assert_eq!(answer.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert!(answer.message.contains("UTF-8"), "{}", answer.message);
}

#[test]
fn bytes_that_hold_no_uid_are_refused() {
    let host = without_explainer(&[PRIVILEGED]);
    for body in [
        &b"\xff\xfe\x00"[..],
        b"[]",
        b"null",
        b"{",
        b"{}",
        b"\"\\ud800\"",
        b"POST / HTTP/1.1",
    ] {
        assert_refused(&host, &send(&host, body), 400);
    }
}

#[test]
fn a_truncated_review_is_refused_by_its_uid() {
    let review = allowed_review();
    let host = without_explainer(&[PRIVILEGED]);
    for length in [review.len() - 1, review.len() / 2] {
        let answer = answer(&host, &send(&host, &review[..length]));
        assert!(!answer.allowed);
        assert_eq!(answer.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
        assert!(answer.message.contains("JSON"), "{}", answer.message);
    }
}

#[test]
fn nested_far_too_deep_is_refused_and_no_trap() {
    let host = without_explainer(&[PRIVILEGED]);
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let text = String::from_utf8(allowed_review()).unwrap();
    let review = text.replace("\"oldObject\":null", &format!("\"oldObject\":{deep}"));
    assert_ne!(text, review);
    assert!(!answer(&host, &send(&host, review.as_bytes())).allowed);
    assert!(answer(&host, &send(&host, text.as_bytes())).allowed);
}

#[test]
fn header_values_that_are_not_utf8_do_not_trap() {
    let host = without_explainer(&[PRIVILEGED]);
    let raw: &[u8] = &[b'x', 0xff, 0xc3];
    for name in ["x-anything", "user-agent", "accept-encoding"] {
        let headers = [("content-type", &b"application/json"[..]), (name, raw)];
        let mut request = host.request("POST", "/validate", headers);
        request.body(allowed_review(), true);
        assert!(answer(&host, &request).allowed, "{name}");
    }
    // Those that decide something are refused: what cannot be read cannot be trusted.
    for name in ["content-type", "content-length"] {
        let headers = [("accept", &b"application/json"[..]), (name, raw)];
        let mut request = host.request("POST", "/validate", headers);
        request.body(denied_review(), true);
        assert!(
            response(&host, &request).status >= 400 || !answer(&host, &request).allowed,
            "{name}"
        );
        assert_eq!(host.trap(), None);
    }
}

fn limited(bytes: usize) -> Host {
    let mut configuration = configuration(&policies(&[PRIVILEGED])).unwrap();
    configuration["explainer"] = serde_json::Value::Null;
    configuration["maxBodyBytes"] = bytes.into();
    host_of(&configuration)
}

#[test]
fn a_body_over_the_limit_is_refused_when_it_says_so() {
    let review = allowed_review();
    let host = limited(review.len() - 1);
    let length = review.len().to_string();
    let mut request = host.request(
        "POST",
        "/validate",
        [("content-type", "application/json"), ("content-length", &length)],
    );
    request.body(&review, true);
    assert_over_the_limit(&host, &request);
}

#[test]
fn a_body_over_the_limit_is_refused_when_it_grows_past_it() {
    let review = allowed_review();
    let host = limited(review.len() - 1);
    let mut request = host.request("POST", "/validate", JSON);
    for chunk in review.chunks(100) {
        request.body(chunk, false);
    }
    request.body("", true);
    assert_over_the_limit(&host, &request);

    // A length that lies changes nothing.
    let mut request = host.request(
        "POST",
        "/validate",
        [("content-type", "application/json"), ("content-length", "10")],
    );
    request.body(&review, true);
    assert_over_the_limit(&host, &request);

    let host = limited(review.len());
    assert!(
        answer(&host, &send(&host, &review)).allowed,
        "the limit itself is allowed"
    );
}

fn assert_over_the_limit(host: &Host, request: &wasm_tests::host::Request<'_>) {
    let response = response(host, request);
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(
        response.status == 413 || !crate::support::read(&response).allowed,
        "{text}"
    );
    assert!(
        text.contains("limit") || text.contains("larger") || text.contains("bytes"),
        "says why: {text}"
    );
}

#[test]
fn a_proxy_that_stops_at_the_headers_gets_no_wrong_answer() {
    // Without Envoy's option the body never comes: the request must wait, not pass.
    let options = Options {
        allow_on_headers_stop_iteration: false,
        ..Options::default()
    };
    let configuration = configuration(&policies(&[PRIVILEGED])).unwrap();
    let host = Host::with_options(configuration.to_string(), options).unwrap();
    let mut request = host.request("POST", "/validate", JSON);
    request.body(denied_review(), true);
    match request.outcome() {
        Outcome::Pending => fail_last_call_if_any(&host),
        Outcome::Local(response) => assert!(!crate::support::read(&response).allowed),
        other => panic!("{other:?}"),
    }
    assert!(!request.released());
}

fn fail_last_call_if_any(host: &Host) {
    for call in host.calls() {
        host.fail_call(call.token);
    }
}
