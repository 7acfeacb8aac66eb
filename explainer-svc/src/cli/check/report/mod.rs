//! Everything that was found, for people and for programs.

mod github;
mod json;
mod junit;
mod sarif;
mod text;

use clap::ValueEnum;

pub(super) use self::text::coloured;

use super::super::Failed;
use super::super::style::Looks;
use super::judge::{Checked, FailOn};
use super::work::Trouble;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// What admission would print, by file and object.
    Text,
    /// Everything, with patches: see docs/check.md.
    Json,
    /// For code scanning (SARIF 2.1.0), with fixes.
    Sarif,
    /// As most systems of continuous integration read it.
    Junit,
    /// Annotations in a workflow of GitHub.
    Github,
}

/// All results.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) checked: &'a [Checked],
    pub(super) troubles: &'a [Trouble],
    pub(super) files: usize,
    pub(super) revision: &'a str,
    pub(super) policies: &'a [engine::eval::Policy],
    pub(super) fail_on: FailOn,
    pub(super) diffs: bool,
    pub(super) time: std::time::Duration,
}

impl Report<'_> {
    /// The report as text.
    pub(super) fn render(&self, output: Output, looks: Looks) -> Result<String, Failed> {
        Ok(match output {
            Output::Text => text::render(self, looks),
            Output::Json => json::render(self)?,
            Output::Sarif => sarif::render(self)?,
            Output::Junit => junit::render(self)?,
            Output::Github => github::render(self),
        })
    }
}
