//! What operators see: Envoy's statistics and its log.

use std::fs;
use std::time::{Duration, Instant};

use wasm_tests::fixtures::{PRIVILEGED, pod, policies, review_bytes};
use wasm_tests::stack::Part;

use crate::support::{Envoy, Explainer};

/// A counter or a histogram's count, by the end of its name.
fn value(statistics: &str, name: &str) -> Option<f64> {
    let is_it =
        |line: &&str| !line.starts_with('#') && line.split(['{', ' ']).next().is_some_and(|own| own.ends_with(name));
    statistics.lines().find(is_it)?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn verdicts_policies_evaluation_and_the_explainer_are_counted() {
    let envoy = Envoy::start("metrics", &policies(&[PRIVILEGED]), Explainer::Real);
    for _ in 0..2 {
        assert!(!envoy.review(&review_bytes(&pod(true))).is_allowed());
    }
    assert!(envoy.review(&review_bytes(&pod(false))).is_allowed());
    assert_eq!(envoy.review(b"no review").status, 400);
    let started = Instant::now();
    loop {
        let url = format!("{}/stats/prometheus", envoy.stack.admin_url());
        let statistics = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
        let values = [
            "whynot_review_denied",
            "whynot_review_allowed",
            "whynot_review_malformed",
            "whynot_explainer_answered",
            "whynot_evaluation_us_count",
        ]
        .map(|name| value(&statistics, name));
        let policy = statistics
            .lines()
            .any(|line| line.contains("whynot_policy_") && line.ends_with("_denied{} 2"));
        if values == [Some(2.0), Some(1.0), Some(1.0), Some(2.0), Some(4.0)] && policy {
            return;
        }
        // Workers' histograms are merged every five seconds.
        assert!(started.elapsed() < Duration::from_secs(15), "{values:?} {policy}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_policy_that_cannot_be_evaluated_is_named_in_the_answer_and_in_the_log() {
    let looping = "package tests.looping\n\ndeny contains \"x\" if {\n\tsome i in numbers.range(1, 3000)\n\t\
                   some j in numbers.range(1, 3000)\n\ti * j == -1\n}\n";
    let undefined = "package tests.undefined\n\ndeny := {\"x\"} if input.request.nothing\n";
    let shape = "package tests.shape\n\ndeny := \"no\"\n";
    let envoy = Envoy::start("failing", &policies(&[looping, undefined, shape]), Explainer::Real);
    let reply = envoy.review(&review_bytes(&pod(false)));
    assert!(!reply.is_allowed(), "what cannot be judged is refused");
    let log = fs::read_to_string(envoy.stack.log_file(Part::Envoy)).unwrap();
    for (id, reason) in [
        ("tests/looping", "it took more than 2000000 steps"),
        ("tests/undefined", "`deny` is undefined"),
        ("tests/shape", "`deny` is a text"),
    ] {
        let message = reply.message().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            message.contains(&format!("Policy {id} could not be evaluated: {reason}")),
            "{message}"
        );
        assert!(
            log.lines().any(|line| line.contains(id) && line.contains(reason)),
            "{id} in the log"
        );
    }
}
