//! OPA's own cases.
//!
//! `WHYNOT_OPA_CASES` is a part of the notes of those to run; with it each failing case is shown in full.

use std::fs;

use serde::Deserialize;
use wasm_tests::fixtures::repository;
use wasm_tests::opa::cases::{self, Verdict};

use crate::settings::{filter, in_parallel};

/// Cases that are not answered as OPA answers them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// Notes. One that ends with `*` stands for all that begin so.
    cases: Vec<String>,
    reason: String,
}

impl Exception {
    fn covers(pattern: &str, note: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(start) => note.starts_with(start),
            None => pattern == note,
        }
    }
}

#[test]
fn opas_own_cases_are_answered_as_opa_does() {
    let text = fs::read_to_string(repository("wasm-tests/fixtures/opa-conformance.yaml")).unwrap();
    let exceptions: Vec<Exception> = serde_saphyr::from_str(&text).unwrap();
    let patterns: Vec<&str> = exceptions
        .iter()
        .flat_map(|exception| &exception.cases)
        .map(String::as_str)
        .collect();
    assert!(
        exceptions.iter().all(|exception| !exception.reason.trim().is_empty()),
        "each exception needs its reason"
    );
    let only = filter("WHYNOT_OPA_CASES");
    let mut cases = cases::all().unwrap();
    cases.retain(|case| case.note.contains(&only));
    assert!(!cases.is_empty(), "no case has {only:?} in its note");

    let verdicts = in_parallel(&cases, cases::Case::run);
    let (mut right, mut excepted, mut failed) = (0, 0, Vec::new());
    let mut used = vec![false; patterns.len()];
    for (case, verdict) in cases.iter().zip(&verdicts) {
        let covering: Vec<usize> = (0..patterns.len())
            .filter(|place| {
                patterns
                    .get(*place)
                    .is_some_and(|pattern| Exception::covers(pattern, &case.note))
            })
            .collect();
        for place in &covering {
            used[*place] = true;
        }
        match verdict {
            // A pattern may cover cases that are refused as the others are, where OPA's own answer is an error.
            Verdict::RefusedRightly => right += 1,
            Verdict::Right if covering.is_empty() => right += 1,
            Verdict::Right => failed.push(format!("{}: is right now, take it off the list", case.note)),
            Verdict::Refused(_) | Verdict::Wrong(_) if !covering.is_empty() => excepted += 1,
            Verdict::Refused(reason) => failed.push(format!("{}: refused: {reason}", case.note)),
            Verdict::Wrong(reason) => failed.push(format!("{}: WRONG: {reason}", case.note)),
        }
    }
    if only.is_empty() {
        let unused = patterns.iter().zip(&used).filter(|(_, used)| !**used);
        failed.extend(unused.map(|(pattern, _)| format!("{pattern}: covers no case")));
    }
    eprintln!(
        "{} cases: {right} right, {excepted} excepted, {} failed",
        cases.len(),
        failed.len()
    );
    assert!(failed.is_empty(), "{}", shown(&failed, !only.is_empty()));
}

fn shown(failed: &[String], in_full: bool) -> String {
    let line = |text: &String| {
        let line: String = text
            .replace('\n', " ")
            .chars()
            .take(if in_full { 100_000 } else { 300 })
            .collect();
        line
    };
    failed.iter().map(line).collect::<Vec<_>>().join("\n")
}
