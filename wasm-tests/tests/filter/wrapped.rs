//! A path under the wrap prefix: what is allowed goes on to the webhook behind, what is denied does not.

use wasm_tests::fixtures::{pod, review_bytes};
use wasm_tests::host::Outcome;

use crate::support::{allowed_review, answer, denied_review, fail_last_call, host, host_with, send_to};

const PATH: &str = "/wrap/gatekeeper/v1/admit?timeout=10s";

/// Objects to everything, and lets it pass.
const WARNS: &str = "# METADATA\n# custom: {action: warn}\npackage tests.warns\n\ndeny contains \"hm\"\n";

#[test]
fn what_is_allowed_goes_on_at_once() {
    let host = host();
    let request = send_to(&host, PATH, &allowed_review());
    assert_eq!(request.outcome(), Outcome::Continue);
    assert!(request.responses().is_empty() && host.calls().is_empty());
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
    for path in ["/wrap", "/wrapped/x", "/validate/x", "/validated", "/"] {
        let Outcome::Local(response) = send_to(&host, path, &allowed_review()).outcome() else {
            panic!("{path} was not answered");
        };
        assert_eq!(response.status, 404, "{path}");
    }
}
