//! Programs that nobody wrote, on both evaluators: never another result.
//!
//! `WHYNOT_OPA_SEED` and `WHYNOT_OPA_PROGRAMS` say where to begin and how many; any program of a run is the first one of a
//! run that begins at its own seed. `WHYNOT_OPA_REFUSALS=1` also says what is refused here.

use std::collections::BTreeMap;

use wasm_tests::opa::{Answer, Evaluator as _, Native, Oracle, Outcome};

use crate::generate::{self, Program};
use crate::settings::{in_parallel, number, seed};
use crate::shrink::{Comparison, Difference, compare, shrunk};

const INPUTS: usize = 3;
const BATCH: u64 = 250;

/// How many differences are made small and shown.
const SHOWN: u64 = 5;

/// Of a hundred programs that OPA takes, so many have to be taken here too: what is refused compares nothing.
const TAKEN: usize = 95;

#[test]
fn generated_programs_mean_what_opa_says() {
    let (first, wanted) = (seed(), number("WHYNOT_OPA_PROGRAMS", 2000));
    let mut oracle = Oracle::start().unwrap();
    let mut tally = Tally::default();
    let mut differences = Vec::new();
    #[cfg_attr(not(feature = "host"), expect(unused_mut, reason = "wasm is left out then"))]
    let mut elsewhere: Vec<String> = Vec::new();
    let mut next = first;
    while tally.programs < usize::try_from(wanted).unwrap() {
        let batch: Vec<Program> = (next..next + BATCH)
            .map(|seed| generate::program(seed, INPUTS))
            .collect();
        next += BATCH;
        let requests: Vec<_> = batch.iter().map(Program::request).collect();
        let theirs = oracle.ask_all(&requests).unwrap();
        let pairs: Vec<_> = requests.iter().zip(&theirs).collect();
        let ours = in_parallel(&pairs, |(request, theirs)| match theirs {
            // Nothing to compare with.
            Answer::Refused(_) => None,
            Answer::Outcomes(_) => Some(Native.ask(request).unwrap()),
        });
        #[cfg(feature = "host")]
        elsewhere.extend(differing_in_wasm(&batch, &ours));
        for ((program, theirs), ours) in batch.iter().zip(&theirs).zip(&ours) {
            differences.extend(tally.add(program, theirs, ours.as_ref(), &mut oracle));
        }
    }
    eprintln!("programs from seed {first}: {tally}");
    if number("WHYNOT_OPA_REFUSALS", 0) > 0 {
        eprintln!("{}", tally.refusals());
    }
    assert!(
        elsewhere.is_empty(),
        "{} programs mean something else in wasm:\n{}",
        elsewhere.len(),
        elsewhere.join("\n")
    );
    let shown = usize::try_from(number("WHYNOT_OPA_SHOWN", SHOWN)).unwrap();
    let reports: Vec<String> = differences
        .iter()
        .take(shown)
        .map(|difference| shrunk(difference.clone(), &mut oracle).to_string())
        .collect();
    assert!(
        differences.is_empty(),
        "{} programs mean something else:\n\n{}",
        differences.len(),
        reports.join("\n\n")
    );
    assert!(
        tally.taken * 100 >= tally.programs * TAKEN,
        "too many are refused:\n{}",
        tally.refusals()
    );
    for ((form, least), count) in FORMS.iter().zip(&tally.forms) {
        assert!(
            count * 1000 >= tally.taken * least,
            "only {count} programs have {form:?}"
        );
    }
}

/// The programs that the module in wasm does not answer to the letter as this process does.
#[cfg(feature = "host")]
fn differing_in_wasm(batch: &[Program], natively: &[Option<Answer>]) -> Vec<String> {
    use crate::settings::in_parallel_with;
    use wasm_tests::opa::Wasm;

    let pairs: Vec<_> = batch
        .iter()
        .zip(natively)
        .filter_map(|(program, answer)| Some((program, answer.as_ref()?)))
        .collect();
    let differs = in_parallel_with(&pairs, Wasm::default, |wasm, (program, natively)| {
        let in_wasm = wasm.ask(&program.request()).unwrap();
        (in_wasm != **natively).then(|| format!("seed {}: natively {natively:?}, in wasm {in_wasm:?}", program.seed))
    });
    differs.into_iter().flatten().collect()
}

/// The line of a program at `file:line`.
fn line(program: &Program, place: &str) -> String {
    let (file, number) = place.split_once(':').unwrap_or_default();
    let module = program.modules().into_iter().find(|module| module.file == file);
    let number = number.parse::<usize>().unwrap_or_default();
    let line = module.and_then(|module| module.text.lines().nth(number.wrapping_sub(1)).map(str::to_owned));
    line.unwrap_or_default().trim().to_owned()
}

/// What programs have to have in them: so many of a thousand at least.
const FORMS: [(&str, usize); 24] = [
    ("not ", 100),
    (" with input as ", 20),
    (" with input.", 20),
    (" with data.d", 10),
    ("with data.lib.r", 3),
    ("else", 100),
    ("every ", 50),
    ("some ", 100),
    ("walk(", 30),
    ("[_]", 50),
    (" contains ", 100),
    ("] := ", 50),
    ("default ", 50),
    ("(_) := ", 5),
    (" | ", 100),
    (" in ", 100),
    (" = ", 100),
    ("data.lib[", 10),
    ("data.lib.r", 100),
    ("object.get(", 10),
    ("sprintf(", 10),
    (" < ", 50),
    (" / ", 20),
    ("not {", 3),
];

/// What came out of all of them.
#[derive(Debug, Default)]
struct Tally {
    /// That OPA takes.
    programs: usize,
    /// That OPA does not take, by the kind of the error.
    discarded: BTreeMap<String, usize>,
    /// That are taken here too.
    taken: usize,
    /// Why how many programs are refused here, and one such place.
    refused: BTreeMap<String, (usize, String)>,
    undefined: usize,
    values: usize,
    errors: usize,
    passed_over: usize,
    unanswered: usize,
    /// How many programs that are taken here have each of the forms.
    forms: [usize; FORMS.len()],
}

impl Tally {
    /// The first outcome that is not the same.
    fn add(
        &mut self,
        program: &Program,
        theirs: &Answer,
        ours: Option<&Answer>,
        oracle: &mut Oracle,
    ) -> Option<Difference> {
        let theirs = match theirs {
            Answer::Refused(reasons) => {
                let kind = reasons
                    .first()
                    .and_then(|reason| reason.split(' ').next())
                    .unwrap_or_default();
                *self.discarded.entry(kind.to_owned()).or_default() += 1;
                return None;
            }
            Answer::Outcomes(outcomes) => outcomes,
        };
        self.programs += 1;
        let ours = match ours {
            Some(Answer::Outcomes(outcomes)) => outcomes,
            Some(Answer::Refused(reasons)) => {
                let reason = reasons.first().map(String::as_str).unwrap_or_default();
                let (place, reason) = reason.split_once(": ").unwrap_or(("", reason));
                let seen = self.refused.entry(reason.to_owned()).or_default();
                seen.0 += 1;
                if seen.1.is_empty() {
                    seen.1 = format!("seed {}: {}", program.seed, line(program, place));
                }
                return None;
            }
            None => return None,
        };
        self.taken += 1;
        let text: String = program.modules().into_iter().map(|module| module.text).collect();
        for ((form, _), count) in FORMS.iter().zip(&mut self.forms) {
            *count += usize::from(text.contains(form));
        }
        for outcome in theirs.iter().flatten() {
            match outcome {
                Outcome::Undefined => self.undefined += 1,
                Outcome::Value(_) => self.values += 1,
                _ => self.errors += 1,
            }
        }
        for (input, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            for (query, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                if theirs.agrees(ours) {
                    continue;
                }
                let program = program.only(input, query);
                match compare(&program.request(), (theirs, ours), oracle) {
                    Comparison::Same => {}
                    Comparison::PassedOver => self.passed_over += 1,
                    Comparison::Unanswered => self.unanswered += 1,
                    Comparison::Different => return Some(Difference::new(program, theirs.clone(), ours.clone())),
                }
            }
        }
        None
    }

    fn refusals(&self) -> String {
        let mut reasons: Vec<_> = self.refused.iter().collect();
        reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let line = |(reason, (count, place)): &(&String, &(usize, String))| format!("{count:>5}  {reason} ({place})");
        reasons.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            programs,
            discarded,
            taken,
            refused: _,
            undefined,
            values,
            errors,
            passed_over,
            unanswered,
            forms: _,
        } = self;
        write!(out, "{programs} that OPA takes, {taken} of them taken here; ")?;
        write!(
            out,
            "{values} values, {undefined} undefined, {errors} errors, {passed_over} that OPA passes over, \
             {unanswered} bugs of OPA; discarded {discarded:?}"
        )
    }
}
