//! OPA's own cases.
//!
//! `WHYNOT_OPA_CASES` is a part of the notes of those to run; with it each failing case is shown in full.

use std::fs;

use serde::Deserialize;
use wasm_tests::fixtures::repository;
use wasm_tests::opa::cases::{self, Case, Verdict};

use crate::settings::{filter, in_parallel};

/// Cases that are not answered as OPA answers them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// Notes. One that ends with `*` stands for all that begin so.
    #[serde(default)]
    cases: Vec<String>,
    /// How reasons begin for which a case is refused.
    #[serde(default)]
    refusals: Vec<String>,
    reason: String,
}

/// All exceptions, and which of them were needed.
struct Exceptions {
    cases: Vec<(String, bool)>,
    refusals: Vec<(String, bool)>,
}

impl Exceptions {
    fn read() -> Self {
        let text = fs::read_to_string(repository("wasm-tests/fixtures/opa-conformance.yaml")).unwrap();
        let exceptions: Vec<Exception> = serde_saphyr::from_str(&text).unwrap();
        let (mut cases, mut refusals) = (Vec::new(), Vec::new());
        for exception in exceptions {
            let Exception {
                cases: notes,
                refusals: beginnings,
                reason,
            } = exception;
            assert!(!reason.trim().is_empty(), "each exception needs its reason");
            cases.extend(notes.into_iter().map(|note| (note, false)));
            refusals.extend(beginnings.into_iter().map(|beginning| (beginning, false)));
        }
        Self { cases, refusals }
    }

    /// By its whole name. What a pattern covers may be right in part.
    fn names(&self, note: &str) -> bool {
        self.cases.iter().any(|(pattern, _)| pattern == note)
    }

    fn covers_case(&mut self, note: &str) -> bool {
        mark(&mut self.cases, |pattern| match pattern.strip_suffix('*') {
            Some(start) => note.starts_with(start),
            None => pattern == note,
        })
    }

    fn covers_refusal(&mut self, reasons: &[String]) -> bool {
        reasons.iter().all(|reason| {
            let reason = reason.split_once(": ").map_or(reason.as_str(), |(_, reason)| reason);
            mark(&mut self.refusals, |beginning| reason.starts_with(beginning))
        })
    }

    fn unused(&self) -> impl Iterator<Item = &str> {
        let all = self.cases.iter().chain(&self.refusals);
        all.filter(|(_, used)| !used).map(|(pattern, _)| pattern.as_str())
    }
}

fn mark(patterns: &mut [(String, bool)], fits: impl Fn(&str) -> bool) -> bool {
    let mut covered = false;
    for (pattern, used) in patterns {
        if fits(pattern) {
            *used = true;
            covered = true;
        }
    }
    covered
}

/// The part of the notes of the cases that are asked for, and the cases.
fn asked() -> (String, Vec<Case>) {
    let only = filter("WHYNOT_OPA_CASES");
    let mut cases = cases::all().unwrap();
    cases.retain(|case| case.note.contains(&only));
    assert!(!cases.is_empty(), "no case has {only:?} in its note");
    (only, cases)
}

#[cfg(feature = "host")]
#[test]
fn opas_own_cases_are_answered_in_wasm_as_natively() {
    use crate::settings::in_parallel_with;
    use wasm_tests::opa::Wasm;

    let (_, cases) = asked();
    let in_wasm = in_parallel_with(&cases, Wasm::default, |wasm, case| wasm.run(case).unwrap());
    let natively = in_parallel(&cases, cases::run);
    let pairs = cases.iter().zip(natively.iter().zip(&in_wasm));
    let differs = pairs.filter(|(_, (natively, in_wasm))| natively != in_wasm);
    let line = |(case, (natively, in_wasm)): (&Case, (&Verdict, &Verdict))| {
        format!("{}:\n  natively {natively:?}\n  in wasm  {in_wasm:?}", case.note)
    };
    let differs: Vec<String> = differs.map(line).collect();
    eprintln!("{} cases in wasm: {} differ", cases.len(), differs.len());
    assert!(differs.is_empty(), "{}", differs.join("\n"));
}

#[test]
fn opas_own_cases_are_answered_as_opa_does() {
    let mut exceptions = Exceptions::read();
    let (only, cases) = asked();
    let verdicts = in_parallel(&cases, cases::run);
    let (mut right, mut excepted, mut failed) = (0, 0, Vec::new());
    for (case, verdict) in cases.iter().zip(&verdicts) {
        match verdict {
            Verdict::Right if exceptions.names(&case.note) => {
                failed.push(format!("{}: is right now, take it off the list", case.note));
            }
            // Whatever is refused rightly, OPA has no result for it either.
            Verdict::Right | Verdict::RefusedRightly => right += 1,
            Verdict::Refused(_) | Verdict::Wrong(_) if exceptions.covers_case(&case.note) => excepted += 1,
            Verdict::Refused(reasons) if exceptions.covers_refusal(reasons) => excepted += 1,
            Verdict::Refused(reasons) => failed.push(format!("{}: refused: {}", case.note, reasons.join("; "))),
            Verdict::Wrong(reason) => failed.push(format!("{}: WRONG: {reason}", case.note)),
        }
    }
    if only.is_empty() {
        failed.extend(
            exceptions
                .unused()
                .map(|pattern| format!("{pattern}: is not needed, take it off the list")),
        );
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
