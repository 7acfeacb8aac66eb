//! The policy library's cases: natively as they expect, and in the module to the byte as natively.

use std::collections::HashMap;

use engine::admission::Review;
use engine::answer::decide;
use serde_json::{Value, json};
use wasm_tests::fixtures::configuration;
use wasm_tests::host::Host;
use wasm_tests::library::{Policy, policies};

use crate::support::{response, send};

/// Every case of one policy; the result is how many ran and what went wrong.
fn run(policy: &Policy) -> (usize, Vec<String>) {
    let mut hosts: HashMap<String, Host> = HashMap::new();
    let (mut count, mut faults) = (0, Vec::new());
    for case in &policy.cases {
        let set = match case.policy_set(&policy.id, &policy.path, &policy.text) {
            Ok(set) => set,
            Err(problems) => {
                faults.push(format!("{}: {}", policy.id, engine::policy::list(&problems)));
                continue;
            }
        };
        let mut configuration = configuration(&policy.bundle(case)).unwrap();
        configuration["explainer"] = Value::Null;
        configuration["context"] = json!(case.context());
        let configuration = configuration.to_string();
        let host = hosts
            .entry(configuration.clone())
            .or_insert_with(|| Host::new(&configuration).unwrap_or_else(|error| panic!("{}: {error}", policy.id)));
        for variant in case.variants().unwrap_or_else(|error| panic!("{}: {error}", policy.id)) {
            count += 1;
            if let Err(fault) = variant.check(&set) {
                faults.push(format!("{}: natively: {fault}", policy.id));
            }
            let bytes = variant.review_bytes();
            let native = decide(&set, &Review::parse(&bytes).unwrap()).own_answer().to_bytes();
            let mut request = send(host, &bytes);
            let answer = response(host, &request);
            request.end();
            if answer.body != native {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let (native, wasm) = (text(&native), text(&answer.body));
                faults.push(format!(
                    "{}: {}:\nnatively {native}\nin wasm  {wasm}",
                    policy.id, variant.name
                ));
            }
        }
    }
    (count, faults)
}

#[test]
fn every_case_has_the_expected_outcome_and_the_same_answer_in_wasm() {
    let policies = policies().unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut results = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let share = policies.iter().skip(worker).step_by(threads);
                scope.spawn(move || share.map(run).collect::<Vec<_>>())
            })
            .collect();
        results.extend(workers.into_iter().flat_map(|worker| worker.join().unwrap()));
    });
    let count: usize = results.iter().map(|(count, _)| count).sum();
    let faults: Vec<String> = results.into_iter().flat_map(|(_, faults)| faults).collect();
    assert!(
        faults.is_empty(),
        "{} of {count} cases:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(count > 100, "only {count} cases were found");
}
