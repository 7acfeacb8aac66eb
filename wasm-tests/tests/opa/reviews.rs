//! Whole reviews that were tampered with: the filter under wasmtime answers as the engine natively, and both as OPA.
//!
//! `WHYNOT_OPA_SEED` and `WHYNOT_OPA_PAIRS` say where to begin and how many.

use engine::admission::Review;
use fastrand::Rng;
use serde_json::{Value, json};
use wasm_tests::opa::Oracle;

use crate::corpus::policies;
use crate::mutate::mutated;
use crate::settings::{in_parallel_with, number, seed};
use crate::shrink::smaller_json;
use crate::trial::{Tally, Trial, bytes};

const CHANGES: usize = 4;

/// What is asked at once.
const BATCH: usize = 100;

/// How many differences of one policy are made small and shown.
const SHOWN: usize = 2;

const BELOW: [&str; 6] = [
    "request/object",
    "request/object",
    "request/object",
    "request/object",
    "request/oldObject",
    "request",
];

#[test]
fn reviews_are_answered_by_the_filter_as_natively_and_as_by_opa() {
    let (first, pairs) = (seed(), usize::try_from(number("WHYNOT_OPA_PAIRS", 10_000)).unwrap());
    let policies = policies();
    let each = pairs.div_ceil(policies.len());
    let numbered: Vec<_> = (0_u64..).zip(&policies).collect();
    let results = in_parallel_with(
        &numbered,
        || Oracle::start().unwrap(),
        |oracle, (place, policy)| {
            let mut random = Rng::with_seed(first.wrapping_mul(1_000_003).wrapping_add(*place));
            tried(Trial::new(policy, oracle), &mut random, each)
        },
    );
    let mut tally = Tally::default();
    let mut reports = Vec::new();
    for (of_policy, differences) in results {
        tally.add(&of_policy);
        reports.extend(differences);
    }
    eprintln!(
        "{} policies, reviews from seed {first}: {tally:?}, {} differ",
        policies.len(),
        reports.len()
    );
    assert!(
        reports.is_empty(),
        "{} reviews differ:\n\n{}",
        reports.len(),
        reports.join("\n\n")
    );
    // Else nothing much was compared.
    assert!(
        tally.reviews >= pairs && tally.concerned * 2 > tally.reviews,
        "{tally:?}"
    );
    assert!(tally.denied * 5 > tally.concerned, "{tally:?}");
}

/// Tampers with reviews that concern the policy; with others there is little to compare.
fn tried(mut trial: Trial<'_>, random: &mut Rng, count: usize) -> (Tally, Vec<String>) {
    let evaluated = |request: &&Value| {
        let review = Review::parse(&bytes(request)).unwrap();
        trial.set.evaluate(&review).evaluated() > 0
    };
    let originals: Vec<&Value> = trial.policy.requests.iter().filter(evaluated).collect();
    let requests: Vec<Value> = (0..count)
        .map(|_| {
            let document = json!({"request": originals[random.usize(0..originals.len())]});
            mutated(random, &document, CHANGES, &BELOW)["request"].take()
        })
        .collect();
    let mut different = Vec::new();
    for requests in requests.chunks(BATCH) {
        let differences = trial.differences(requests);
        different.extend(
            requests
                .iter()
                .zip(differences)
                .filter_map(|(request, difference)| difference.is_some().then(|| request.clone())),
        );
    }
    let tally = std::mem::take(&mut trial.tally);
    let reports = different.into_iter().enumerate().map(|(place, request)| {
        if place < SHOWN {
            report(&mut trial, request)
        } else {
            format!("--- {} --- {request}", trial.policy.name)
        }
    });
    let reports = reports.collect();
    (tally, reports)
}

/// The smallest request on which they still differ.
fn report(trial: &mut Trial<'_>, mut request: Value) -> String {
    let mut differs = |request: &Value| trial.differences(std::slice::from_ref(request)).remove(0);
    while let Some(smaller) = smaller_json(&request)
        .into_iter()
        .find(|request| differs(request).is_some())
    {
        request = smaller;
    }
    let difference = differs(&request).unwrap_or_default();
    format!("--- {} ---\n{request}\n{difference}", trial.policy.name)
}
