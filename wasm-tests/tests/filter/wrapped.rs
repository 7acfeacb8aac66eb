//! A path under the wrap prefix: what is allowed goes on to the webhook behind, what is denied does not; of what comes back only
//! the words of a denial are others.

use serde_json::{Value, json};
use wasm_tests::fixtures::{PRIVILEGED, configuration, pod, policies, review_bytes};
use wasm_tests::host::{Delivered, Host, Options, Outcome, Request, Status};

use crate::support::{
    allowed_review, answer, assert_is_safe, denied_review, fail_last_call, host, host_of, host_with, send_to,
};

const PATH: &str = "/wrap/gatekeeper/v1/admit?timeout=10s";

/// The uid of the reviews that are sent.
const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// Objects to everything, and lets it pass.
const WARNS: &str = "# METADATA\n# custom: {action: warn}\npackage tests.warns\n\ndeny contains \"hm\"\n";

#[test]
fn what_is_allowed_goes_on_at_once() {
    let host = host();
    let mut request = host.request(
        "POST",
        PATH,
        [("content-type", "application/json"), ("accept-encoding", "gzip")],
    );
    request.body(allowed_review(), true);
    assert_eq!(request.outcome(), Outcome::Continue);
    assert!(request.responses().is_empty() && host.calls().is_empty());
    let names: Vec<String> = request.headers().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"content-type".to_owned()) && !names.contains(&"accept-encoding".to_owned()));
}

#[test]
fn what_is_denied_is_answered_here() {
    let host = host();
    let request = send_to(&host, PATH, &denied_review());
    assert_eq!(request.outcome(), Outcome::Pending);
    fail_last_call(&host);
    assert!(!answer(&host, &request).allowed);
}

#[test]
fn what_is_warned_of_goes_on_after_it_was_recorded() {
    for is_answered in [true, false] {
        let host = host_with(&[WARNS]);
        let request = send_to(&host, PATH, &review_bytes(&pod(false)));
        assert_eq!(request.outcome(), Outcome::Pending, "the explainer is told first");
        if is_answered {
            let words = br#"{"id":"a","url":"http://x/e/a","message":"","source":"engine"}"#;
            host.answer_call(host.calls()[0].token, [(":status", "200")], words);
        } else {
            fail_last_call(&host);
        }
        assert_eq!(request.outcome(), Outcome::Continue);
        assert!(request.responses().is_empty());
    }
}

#[test]
fn a_path_that_only_begins_like_the_prefix_is_nothing() {
    let host = host();
    for path in [
        "/wrap",
        "/wrap/",
        "/wrap//x",
        "/wrap/a%20b/x",
        "/wrapped/x",
        "/validate/x",
        "/validated",
        "/",
    ] {
        let Outcome::Local(response) = send_to(&host, path, &allowed_review()).outcome() else {
            panic!("{path} was not answered");
        };
        assert_eq!(response.status, 404, "{path}");
    }
}

/// The filter with a webhook behind it that is known by name.
fn wrapping() -> Host {
    wrapping_with(Options::default())
}

fn wrapping_with(options: Options) -> Host {
    let mut configuration = configuration(&policies(&[PRIVILEGED])).unwrap();
    configuration["wrapped"] = json!({"gatekeeper": {}, "mutating": {"policies": false}});
    Host::with_options(configuration.to_string(), options).unwrap_or_else(|error| panic!("{error}"))
}

fn denial(message: &str) -> String {
    let status = json!({"code": 403, "message": message, "reason": "Because"});
    format!(
        r#"{{"kind":"AdmissionReview", "apiVersion":"admission.k8s.io/v1","response":{{"uid":"{UID}","allowed":false,"status":{status},"warnings":["w\u0021"]}}}}"#
    )
}

/// A request that went on to the webhook behind.
fn passed<'h>(host: &'h Host, path: &str) -> Request<'h> {
    let request = send_to(host, path, &allowed_review());
    assert_eq!(request.outcome(), Outcome::Continue, "{}", host.log_text());
    request
}

fn counted(host: &Host) -> Vec<(String, u64)> {
    let metrics = host.metrics().into_iter();
    let mine =
        metrics.filter_map(|(name, value)| Some((name.strip_prefix("whynot.upstream.gatekeeper.")?.to_owned(), value)));
    mine.filter(|(_, value)| *value > 0).collect()
}

fn message_of(delivered: &Delivered) -> String {
    assert!(delivered.is_whole);
    let length = delivered.header("content-length").unwrap();
    assert_eq!(length, delivered.body.len().to_string());
    let review: Value = serde_json::from_slice(&delivered.body).unwrap();
    assert_eq!(review["response"]["allowed"], false);
    let message = review["response"]["status"]["message"].as_str().unwrap().to_owned();
    // The message apart, every byte is as it was.
    let body = String::from_utf8(delivered.body.clone()).unwrap();
    let same = body.replacen(&Value::from(message.clone()).to_string(), "\"[a-b] no\"", 1);
    assert_eq!(same, denial("[a-b] no"));
    assert_is_safe(&message);
    message
}

const HEADERS: [(&str, &str); 2] = [("content-type", "application/json"), ("x-own", "1")];

#[test]
fn a_denial_is_explained_and_its_own_words_stay() {
    for (is_answered, with_trailers, has_length) in [
        (true, false, true),
        (true, true, false),
        (false, false, false),
        (false, true, true),
    ] {
        let host = wrapping();
        let mut request = passed(&host, PATH);
        let body = denial("[a-b] no");
        let length = body.len().to_string();
        let mut headers = HEADERS.to_vec();
        if has_length {
            headers.push(("content-length", &length));
        }
        request.answer_headers(200, headers, false);
        for chunk in body.as_bytes().chunks(40) {
            request.answer_body(chunk, false);
        }
        assert_eq!(
            request.delivered(),
            Delivered::default(),
            "nothing goes on before it is read"
        );
        if with_trailers {
            request.answer_trailers();
        } else {
            request.answer_body("", true);
        }
        let calls = host.calls();
        assert_eq!(calls.len(), 1, "{}", host.log_text());
        let asked: Value = serde_json::from_slice(&calls[0].body).unwrap();
        assert_eq!(asked["decision"], "deny");
        assert_eq!(asked["upstream"]["webhook"], "gatekeeper");
        assert_eq!(asked["upstream"]["items"][0]["policy"], "a-b");
        assert_eq!(asked["violations"][0]["policy"], "webhook/gatekeeper/a-b");
        assert_eq!(request.delivered(), Delivered::default());
        if is_answered {
            let words = br#"{"id":"a","url":"http://x/e/a","message":"said so\n","source":"engine"}"#;
            host.answer_call(calls[0].token, [(":status", "200")], words);
        } else {
            host.fail_call(calls[0].token);
        }
        let delivered = request.delivered();
        let message = message_of(&delivered);
        assert!(
            message.ends_with("\n\nIn the words of the webhook gatekeeper:\n[a-b] no"),
            "{message}"
        );
        assert_eq!(message.starts_with("said so\n\n"), is_answered, "{message}");
        assert_eq!(
            message.starts_with("1 problem in Pod shop/web found by"),
            !is_answered,
            "{message}"
        );
        assert_eq!(delivered.header("x-own").as_deref(), Some("1"));
        assert_eq!(counted(&host), [("denied".to_owned(), 1)]);
        request.end();
        assert_eq!(host.trap(), None);
    }
}

#[test]
fn a_denial_without_an_explainer_is_explained_at_once() {
    let mut configuration = configuration(&policies(&[PRIVILEGED])).unwrap();
    configuration["explainer"] = Value::Null;
    let host = host_of(&configuration);
    let mut request = passed(&host, PATH);
    request
        .answer_headers(200, HEADERS, false)
        .answer_body(denial("[a-b] no"), true);
    message_of(&request.delivered());
    assert!(host.calls().is_empty());
    assert!(
        counted(&host).is_empty(),
        "a name that nobody configured is not counted"
    );

    let host = wrapping();
    host.refuse_dispatch(Status::InternalFailure);
    let mut request = passed(&host, PATH);
    request
        .answer_headers(200, HEADERS, false)
        .answer_body(denial("[a-b] no"), true);
    message_of(&request.delivered());
}

#[test]
fn a_late_denial_is_not_made_later() {
    let host = wrapping();
    let mut request = passed(&host, PATH);
    host.advance_clock(std::time::Duration::from_millis(9_900));
    request
        .answer_headers(200, HEADERS, false)
        .answer_body(denial("[a-b] no"), true);
    assert!(host.calls().is_empty(), "less than the margin is left");
    message_of(&request.delivered());

    let mut request = passed(&host, PATH);
    host.advance_clock(std::time::Duration::from_secs(9));
    request
        .answer_headers(200, HEADERS, false)
        .answer_body(denial("[a-b] no"), true);
    let calls = host.calls();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].timeout.as_millis() <= 800, "{:?}", calls[0].timeout);
    // Answered after the caller has gone.
    request.end();
    host.fail_call(calls[0].token);
    assert_eq!(host.trap(), None);
}

/// What it is called; status, headers and body of the answer; how it is counted.
type Case = (
    &'static str,
    u16,
    &'static [(&'static str, &'static str)],
    Vec<u8>,
    &'static str,
);

#[test]
fn everything_else_goes_on_untouched() {
    let allowed = format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{{"uid":"{UID}","allowed":true,"patch":"W10=","patchType":"JSONPatch","warnings":["a"]}}}}"#
    );
    let large = denial(&"x".repeat(2 << 20));
    let mut gzip = vec![0x1f, 0x8b];
    gzip.extend(denial("x").into_bytes());
    let cases: [Case; 10] = [
        ("allowed", 200, &[], allowed.into_bytes(), "allowed"),
        ("not well", 500, &[], denial("x").into_bytes(), "failed"),
        ("elsewhere", 302, &[], denial("x").into_bytes(), "failed"),
        ("another success", 201, &[], denial("x").into_bytes(), "failed"),
        ("compressed", 200, &[("content-encoding", "gzip")], gzip, "malformed"),
        ("large", 200, &[], large.clone().into_bytes(), "too_large"),
        (
            "says that it is large",
            200,
            &[("content-length", "2000000")],
            large.into_bytes(),
            "too_large",
        ),
        (
            "of another request",
            200,
            &[],
            denial("x").replace(UID, "other").into_bytes(),
            "malformed",
        ),
        ("cut", 200, &[], denial("x").into_bytes()[..60].to_vec(), "malformed"),
        ("nothing", 200, &[], b"OK".to_vec(), "malformed"),
    ];
    for (name, status, headers, body, count) in cases {
        for (chunk, with_trailers) in [(1 << 30, false), (100_000, false), (100_000, true)] {
            let host = wrapping();
            let mut request = passed(&host, PATH);
            request.answer_headers(status, headers.iter().copied(), false);
            let chunks: Vec<&[u8]> = body.chunks(chunk).collect();
            for (place, chunk) in chunks.iter().enumerate() {
                request.answer_body(chunk, !with_trailers && place + 1 == chunks.len());
            }
            if with_trailers {
                request.answer_trailers();
            }
            let delivered = request.delivered();
            assert!(delivered.is_whole && delivered.body == body, "{name}");
            assert_eq!(delivered.header(":status"), Some(status.to_string()));
            assert_eq!(delivered.headers.unwrap().len(), headers.len() + 1, "{name}");
            assert_eq!(counted(&host), [(count.to_owned(), 1)], "{name}");
            assert!(host.calls().is_empty());
            request.end();
            assert_eq!(counted(&host), [(count.to_owned(), 1)], "{name}");
        }
    }
    // Without a body.
    for (status, count) in [(200, "malformed"), (503, "failed")] {
        let host = wrapping();
        let mut request = passed(&host, PATH);
        request.answer_headers(status, HEADERS, true);
        assert!(request.delivered().is_whole);
        assert_eq!(counted(&host), [(count.to_owned(), 1)]);
    }
}

#[test]
fn whoever_goes_away_is_counted_and_forgotten() {
    for step in 0..4 {
        let host = wrapping();
        let mut request = passed(&host, PATH);
        if step > 0 {
            request.answer_headers(200, HEADERS, false);
        }
        if step > 1 {
            request.answer_body(denial("[a-b] no"), false);
        }
        if step > 2 {
            request.answer_body("", true);
        }
        request.end();
        let expected = if step > 2 { "denied" } else { "failed" };
        assert_eq!(counted(&host), [(expected.to_owned(), 1)], "{step}");
        for call in host.calls() {
            host.answer_call(call.token, [(":status", "200")], b"{}");
        }
        assert_eq!(host.trap(), None);
    }
}

/// More reviews wait for a slow webhook than a VM has room for: the answers go on all the same, only nobody explains some.
#[test]
fn what_there_is_no_room_for_is_not_explained_and_goes_on() {
    let host = wrapping();
    let mut pod = pod(false);
    pod["metadata"]["annotations"] = json!({"note": "x".repeat(7 << 20)});
    let large = review_bytes(&pod);
    let deny = |request: &mut Request<'_>| {
        request.answer_headers(200, HEADERS, false);
        request.answer_body(denial("[a-b] no"), true);
        host.calls().len()
    };
    let mut waiting: Vec<Request<'_>> = (0..20).map(|_| send_to(&host, PATH, &large)).collect();
    assert_eq!(host.trap(), None, "{}", host.log_text());
    let mut last = waiting.pop().unwrap();
    assert_eq!(deny(&mut last), 0);
    assert_eq!(last.delivered().body, denial("[a-b] no").into_bytes());
    last.end();
    assert_eq!(deny(waiting.first_mut().unwrap()), 1, "the first one was kept");
    // When they are gone there is room again.
    waiting.iter_mut().for_each(Request::end);
    let mut next = send_to(&host, PATH, &large);
    assert_eq!(deny(&mut next), 2);
    assert_eq!(host.trap(), None);
}

#[test]
fn before_a_webhook_that_changes_objects_the_policies_may_be_silent() {
    let host = wrapping();
    let mut request = send_to(&host, "/wrap/mutating/m?timeout=10s", &denied_review());
    assert_eq!(request.outcome(), Outcome::Continue);
    assert!(host.calls().is_empty());
    request
        .answer_headers(200, HEADERS, false)
        .answer_body(denial("[a-b] no"), true);
    host.fail_call(host.calls()[0].token);
    message_of(&request.delivered());
    // Nor is it judged what a review is.
    assert_eq!(send_to(&host, "/wrap/mutating/m", b"{}").outcome(), Outcome::Continue);
}

#[test]
fn words_that_move_a_cursor_do_not_arrive() {
    let host = wrapping();
    let mut request = passed(&host, PATH);
    request.answer_headers(200, HEADERS, false);
    request.answer_body(denial("\u{1b}]0;x\u{7}[a-b] no\r\n\u{202e}b"), true);
    host.fail_call(host.calls()[0].token);
    let review: Value = serde_json::from_slice(&request.delivered().body).unwrap();
    let message = review["response"]["status"]["message"].as_str().unwrap();
    assert_is_safe(message);
    assert!(message.ends_with("gatekeeper:\n]0;x[a-b] no\nb"), "{message}");
}
