//! A run of all tests of a policy set: which ones, until when, and what came out.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::policy::Problem;
use engine::policy::bundle::Bundle;
use regex::Regex;

use super::coverage::Coverage;
use super::{cases, rego};
use crate::sources::Sources;

/// One test, or one case for one kind.
#[derive(Debug)]
pub(crate) struct Test {
    /// The policy's id, or the package of a test.
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) is_case: bool,
    /// As it can be opened from here.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) outcome: Outcome,
    pub(crate) time: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// What was expected, and what was found.
    Failed(String),
    /// Why it could not be evaluated.
    Broken(String),
    Skipped,
}

impl Test {
    pub(crate) fn full_name(&self) -> String {
        full_name(self.is_case, &self.group, &self.name)
    }
}

pub(super) fn full_name(is_case: bool, group: &str, name: &str) -> String {
    let between = if is_case { ": " } else { "." };
    format!("{group}{between}{name}")
}

/// Which tests are wanted.
#[derive(Debug)]
pub(crate) struct Filter {
    pattern: Option<Regex>,
    /// Nothing more is begun after this.
    deadline: Option<Instant>,
    overdue: Cell<bool>,
}

impl Filter {
    /// Those whose name contains the text, or matches it as a regular expression.
    pub(crate) fn new(text: Option<&str>) -> Self {
        // What is no expression is meant as it stands.
        let pattern = |text: &str| Regex::new(text).or_else(|_| Regex::new(&regex::escape(text))).ok();
        Self {
            pattern: text.and_then(pattern),
            deadline: None,
            overdue: Cell::new(false),
        }
    }

    /// All, as far as they begin in time.
    pub(crate) fn until(deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            ..Self::new(None)
        }
    }

    /// Whether something was left out because it was too late for it.
    pub(crate) fn is_overdue(&self) -> bool {
        self.overdue.get()
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.overdue.set(true);
            return false;
        }
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(name))
    }
}

/// What a run is given beside the policies.
pub(crate) struct Trial<'a> {
    pub(crate) filter: &'a Filter,
    /// A file as it can be opened from here.
    pub(crate) located: &'a dyn Fn(&str) -> String,
    /// Told what begins.
    pub(crate) step: &'a mut dyn FnMut(&str),
}

/// What came out, and which lines ran; or every problem that kept tests from running.
pub(crate) type Ran = Result<(Vec<Test>, Coverage), Vec<Problem>>;

impl Trial<'_> {
    /// Runs the Rego tests, then the cases.
    pub(crate) fn run(mut self, sources: &Sources, bundle: &Bundle) -> Ran {
        let found = rego::run(sources, bundle, &mut self);
        let cases = cases::run(sources, bundle, &mut self);
        match (found, cases) {
            (Ok((mut tests, coverage)), Ok(cases)) => {
                tests.extend(cases);
                Ok((tests, coverage))
            }
            (found, cases) => {
                // The same file may be wrong for both.
                let all = found
                    .err()
                    .into_iter()
                    .flatten()
                    .chain(cases.err().into_iter().flatten());
                let unique: BTreeMap<(String, usize, String), Problem> = all
                    .map(|problem| ((problem.file.clone(), problem.line, problem.message.clone()), problem))
                    .collect();
                Err(unique.into_values().collect())
            }
        }
    }
}
