//! The repository's policies on documents that were tampered with: every evaluator says what OPA says.
//!
//! `WHYNOT_OPA_SEED` and `WHYNOT_OPA_PAIRS` say where to begin and how many.

use fastrand::Rng;
use serde_json::Value;
use wasm_tests::opa::{Answer, Evaluator, Native, Oracle, Outcome, Request};

use crate::corpus::{Policy, policies};
use crate::mutate::mutated;
use crate::settings::{number, seed};
use crate::shrink::{Comparison, compare, smaller_json};

const CHANGES: usize = 4;

/// What is asked at once: memory is held for this many inputs.
const BATCH: usize = 200;

/// How many differences of one policy are made small and shown.
const SHOWN: usize = 2;

/// Where things are changed. Most often the object.
const BELOW: [&str; 8] = [
    "request/object",
    "request/object",
    "request/object",
    "request/object",
    "request/oldObject",
    "request",
    "parameters",
    "namespace",
];

/// Everybody who is held against OPA.
fn evaluators() -> Vec<Box<dyn Evaluator>> {
    vec![
        Box::new(Native),
        #[cfg(feature = "host")]
        Box::new(wasm_tests::opa::Wasm::default()),
    ]
}

#[test]
fn policies_say_what_opa_says_of_documents_that_were_tampered_with() {
    let (first, pairs) = (seed(), usize::try_from(number("WHYNOT_OPA_PAIRS", 10_000)).unwrap());
    let policies = policies();
    let each = pairs.div_ceil(policies.len());
    let mut oracle = Oracle::start().unwrap();
    let mut evaluators = evaluators();
    let (mut asked, mut compared, mut denied, mut errors) = (0, 0, 0, 0);
    let mut found = Vec::new();
    for (place, policy) in policies.iter().enumerate() {
        let mut random = Rng::with_seed(
            first
                .wrapping_mul(1_000_003)
                .wrapping_add(u64::try_from(place).unwrap()),
        );
        let inputs: Vec<Value> = (0..each).map(|_| tampered(&mut random, policy)).collect();
        let requests: Vec<Request> = inputs.chunks(BATCH).map(|inputs| request(policy, inputs)).collect();
        let theirs: Vec<Outcome> = requests_answered(&policy.name, oracle.ask_all(&requests).unwrap());
        asked += theirs.len();
        denied += theirs.iter().filter(|outcome| says_something(outcome)).count();
        errors += theirs
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Error(_)))
            .count();
        for evaluator in &mut evaluators {
            let answers = requests.iter().map(|request| evaluator.ask(request).unwrap()).collect();
            let ours = requests_answered(&policy.name, answers);
            assert_eq!(theirs.len(), ours.len(), "{}", policy.name);
            compared += ours.len();
            let pairs = theirs.iter().zip(&ours).enumerate();
            let differs = pairs.filter(|(_, (theirs, ours))| !theirs.agrees(ours));
            for (number, (theirs, ours)) in differs {
                let input = inputs[number].clone();
                let request = request(policy, std::slice::from_ref(&input));
                if compare(&request, (theirs, ours), &mut oracle) == Comparison::Different {
                    found.push((policy, evaluator.name(), input));
                }
            }
        }
    }
    eprintln!(
        "{} policies, {asked} pairs from seed {first}: {denied} say something, {errors} errors; {compared} comparisons with OPA",
        policies.len()
    );
    let reports: Vec<String> = found
        .chunk_by(|(policy, ..), (next, ..)| policy.name == next.name)
        .flat_map(|of_policy| of_policy.iter().take(SHOWN))
        .map(|(policy, name, input)| {
            let evaluator = evaluators.iter_mut().find(|evaluator| evaluator.name() == *name);
            report(policy, input.clone(), &mut oracle, evaluator.unwrap().as_mut())
        })
        .collect();
    assert!(
        found.is_empty(),
        "{} pairs differ:\n\n{}",
        found.len(),
        reports.join("\n\n")
    );
    // Else nothing much was compared.
    assert!(denied * 10 > asked, "only {denied} of {asked} say something");
}

fn tampered(random: &mut Rng, policy: &Policy) -> Value {
    let input = &policy.inputs[random.usize(0..policy.inputs.len())];
    let below: Vec<String> = BELOW
        .iter()
        .map(|below| {
            if input.get("review").is_some() {
                below.replace("request", "review")
            } else {
                (*below).to_owned()
            }
        })
        .collect();
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    mutated(random, input, CHANGES, &below)
}

fn request(policy: &Policy, inputs: &[Value]) -> Request {
    Request {
        modules: policy.modules.clone(),
        data: policy.data.to_string(),
        inputs: inputs.iter().map(|input| Some(input.to_string())).collect(),
        queries: vec![policy.query.clone()],
    }
}

fn requests_answered(name: &str, answers: Vec<Answer>) -> Vec<Outcome> {
    answers
        .into_iter()
        .flat_map(|answer| match answer {
            Answer::Refused(reasons) => panic!("{name} is refused: {}", reasons.join("; ")),
            Answer::Outcomes(outcomes) => outcomes.into_iter().flatten(),
        })
        .collect()
}

fn says_something(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Value(value) if value.as_set().is_some_and(|set| !set.is_empty()))
}

/// The smallest input on which they still differ.
fn report(policy: &Policy, mut input: Value, oracle: &mut Oracle, evaluator: &mut dyn Evaluator) -> String {
    let mut both = |input: &Value| {
        let request = request(policy, std::slice::from_ref(input));
        let theirs = requests_answered(&policy.name, vec![oracle.ask(&request).unwrap()]).remove(0);
        let ours = requests_answered(&policy.name, vec![evaluator.ask(&request).unwrap()]).remove(0);
        let compared = compare(&request, (&theirs, &ours), oracle);
        (compared == Comparison::Different).then(|| format!("OPA:    {theirs}\nours:   {ours}"))
    };
    while let Some(smaller) = smaller_json(&input).into_iter().find(|input| both(input).is_some()) {
        input = smaller;
    }
    let outcomes = both(&input).unwrap_or_default();
    format!(
        "--- {} ---\nquery:  {}\ninput:  {input}\n{outcomes}",
        policy.name, policy.query
    )
}
