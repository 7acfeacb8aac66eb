//! The recorded reviews under the library's default policy set: one answer, natively and in the module.

use engine::admission::Review;
use engine::answer::decide;
use engine::policy::compile::compile;
use serde_json::Value;
use std::fmt::Write as _;
use wasm_tests::fixtures::{configuration, context, library, reviews};

use crate::support::{answer, host_of, response, send_to};

#[test]
fn recorded_reviews_are_answered_alike_natively_and_in_wasm() {
    let bundle = library().unwrap();
    let set = compile(&bundle, serde_json::from_value(context().unwrap()).unwrap()).unwrap_or_else(|problems| {
        panic!("{}", engine::policy::list(&problems));
    });
    let mut configuration = configuration(&bundle).unwrap();
    configuration["explainer"] = Value::Null;
    let host = host_of(&configuration);
    let reviews = reviews().unwrap();
    assert_eq!(reviews.len(), 26);
    for (name, bytes) in reviews {
        let mut request = send_to(&host, "/validate?timeout=5s", &bytes);
        let native = decide(&set, &Review::parse(&bytes).unwrap()).own_answer().to_bytes();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&response(&host, &request).body), text(&native), "{name}");
        insta::assert_snapshot!(name, shown(&answer(&host, &request), set.revision()));
        request.end();
    }
    assert_eq!(host.trap(), None);
}

/// As a person would want to compare it. The revision changes with every policy, and says nothing here.
fn shown(answer: &crate::support::Answer, revision: &str) -> String {
    let mut text = format!("allowed: {}\nuid: {}\n", answer.allowed, answer.uid);
    for warning in &answer.warnings {
        writeln!(text, "warning: {warning}").unwrap();
    }
    for (key, value) in answer.annotations.as_object().into_iter().flatten() {
        writeln!(text, "audit {key}: {}", value.as_str().unwrap_or_default()).unwrap();
    }
    if !answer.message.is_empty() {
        writeln!(text, "message:\n{}", answer.message).unwrap();
    }
    text.replace(revision, "[revision]")
}
