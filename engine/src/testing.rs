//! Policies' own tests in Rego: the rules `test_*` of `*_test.rego`.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::Problem;
use crate::rego::builtins::{Halt, Host};
use crate::rego::value::Value;
use crate::rego::{Program, Source};

/// How much work one test may do.
const MAX_WORK: u64 = 20_000_000;

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The file.
    pub file: String,
    /// The line of the rule.
    pub line: u32,
    /// The package and the name: `shop.test_owner`.
    pub name: String,
    /// What came out.
    pub outcome: Outcome,
}

/// What came out of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is true.
    Passed,
    /// It is undefined or not true.
    Failed,
    /// It could not be evaluated, and why.
    Broken(String),
    /// Its name begins with `todo_test_`.
    Skipped,
}

/// Which lines of a file ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Lines that ran.
    pub covered: BTreeSet<u32>,
    /// Lines that could have run and did not.
    pub missed: BTreeSet<u32>,
}

impl Coverage {
    /// From 0 to 100; a file in which nothing can run is covered.
    pub fn percent(&self) -> usize {
        let all = self.covered.len() + self.missed.len();
        (self.covered.len() * 100).checked_div(all).unwrap_or(100)
    }
}

/// The results of tests that were compiled together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of their names.
    pub tests: Vec<Test>,
    /// By file.
    pub coverage: BTreeMap<String, Coverage>,
}

/// Runs the tests of policies and test files, compiled together.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn run(sources: &[Source<'_>], data: &Value) -> Result<Report, Vec<Problem>> {
    run_some(sources, data, |_| true)
}

/// Runs those tests whose names are wanted.
///
/// # Errors
/// As [`run`].
pub fn run_some(sources: &[Source<'_>], data: &Value, wanted: impl Fn(&str) -> bool) -> Result<Report, Vec<Problem>> {
    let program = Program::compile(sources)?;
    let mut covered = BTreeSet::new();
    let mut report = Report::default();
    let rules: Vec<(String, String, u32)> = program
        .rules()
        .map(|(path, file, line)| (path, file.to_owned(), line))
        .collect();
    for (name, file, line) in rules {
        let last = name.rsplit('.').next().unwrap_or_default();
        if !wanted(&name) {
            continue;
        }
        let outcome = if last.starts_with("todo_test_") {
            Outcome::Skipped
        } else if last.starts_with("test_") {
            let mut host = Host::new(MAX_WORK);
            host.covered = Some(std::mem::take(&mut covered));
            let value = program.eval(&format!("data.{name}"), None, data, &mut host);
            covered = host.covered.take().unwrap_or_default();
            match value {
                Ok(Some(value)) if value != Value::Bool(false) => Outcome::Passed,
                Ok(_) => Outcome::Failed,
                Err(Halt::Error(reason)) => Outcome::Broken(reason),
                Err(Halt::Depth) => Outcome::Broken(Halt::TOO_DEEP.to_owned()),
                Err(Halt::Limit) => Outcome::Broken(format!("it took more than {MAX_WORK} steps")),
            }
        } else {
            continue;
        };
        report.tests.push(Test {
            file,
            line,
            name,
            outcome,
        });
    }
    report.tests.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for (file, line) in program.lines() {
        let Some(name) = program.files().get(file) else {
            continue;
        };
        let coverage = report.coverage.entry(name.clone()).or_default();
        if covered.contains(&(file, line)) {
            coverage.covered.insert(line);
        } else {
            coverage.missed.insert(line);
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::Dialect;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn tests_pass_fail_break_and_cover() {
        let policy = "package a\n\ndeny contains \"big\" if {\n\tinput.n > 3\n}\n\ndeny contains \"odd\" if {\n\tinput.odd\n\ttrue\n}\n\nf(x) := 1 if x\n\nf(x) := 2 if x\n";
        let tests = "package a_test\n\nimport data.a\n\ntest_big if \"big\" in a.deny with input as {\"n\": 4}\n\ntest_small if \"big\" in a.deny with input as {\"n\": 1}\n\ntest_conflict if a.f(true)\n\ntodo_test_more if false\n";
        let source = |file, text| Source {
            file,
            text,
            dialect: Dialect::V1,
        };
        let report = run(
            &[source("a.rego", policy), source("a_test.rego", tests)],
            &Value::object(Vec::new()),
        )
        .unwrap();
        let outcomes: Vec<&Outcome> = report.tests.iter().map(|test| &test.outcome).collect();
        assert!(
            matches!(
                outcomes[..],
                [Outcome::Passed, Outcome::Failed, Outcome::Broken(_), Outcome::Skipped]
            ),
            "{report:?}"
        );
        assert_eq!(report.coverage["a.rego"].missed, BTreeSet::from([7, 9]), "{report:?}");
    }
}
