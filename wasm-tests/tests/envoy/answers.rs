//! Through Envoy comes what the engine says natively, to the byte.

use std::collections::BTreeSet;

use wasm_tests::fixtures::{library, reviews};
use wasm_tests::library::policies;

use crate::support::{Envoy, Explainer};

/// With the library's own settings, so also the cases of policies that it turns off are judged by those that are on.
#[test]
fn recorded_reviews_and_all_cases_are_answered_as_natively() {
    let envoy = Envoy::start("answers", &library().unwrap(), Explainer::Other);
    let mut bodies: Vec<(String, Vec<u8>)> = reviews().unwrap();
    for policy in policies().unwrap() {
        for case in &policy.cases {
            let variants = case.variants().unwrap_or_else(|error| panic!("{}: {error}", policy.id));
            bodies.extend(
                variants
                    .iter()
                    .map(|variant| (format!("{}: {}", policy.id, variant.name), variant.review_bytes())),
            );
        }
    }
    assert!(bodies.len() > 500, "only {} reviews", bodies.len());
    let mut verdicts = BTreeSet::new();
    let mut faults = Vec::new();
    for (name, body) in &bodies {
        let reply = envoy.review(body);
        verdicts.insert(reply.is_allowed());
        let native = envoy.native(body);
        if reply.body != native {
            faults.push(format!(
                "{name}:\nnatively {}\nin Envoy {}",
                String::from_utf8_lossy(&native),
                reply.text()
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        bodies.len(),
        faults.join("\n")
    );
    assert_eq!(verdicts.len(), 2, "some are allowed and some are denied");
}

#[test]
fn callers_at_once_get_their_own_answers() {
    let envoy = Envoy::start("parallel", &library().unwrap(), Explainer::Other);
    let reviews = reviews().unwrap();
    let expected: Vec<_> = reviews.iter().map(|(_, body)| envoy.native(body)).collect();
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let (envoy, reviews, expected) = (&envoy, &reviews, &expected);
            scope.spawn(move || {
                for round in 0..3 * reviews.len() {
                    let index = (round * 7 + caller * 5) % reviews.len();
                    let (Some((name, body)), Some(expected)) = (reviews.get(index), expected.get(index)) else {
                        continue;
                    };
                    assert_eq!(&envoy.review(body).body, expected, "{name}");
                }
            });
        }
    });
}
