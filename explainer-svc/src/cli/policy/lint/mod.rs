//! `whynot policy lint`: what does not stop a build and is probably not meant.

mod finding;
mod messages;
mod metadata;
mod program;
mod templates;

use std::collections::BTreeSet;

use clap::Args;
use engine::policy::Problem;
use engine::policy::bundle::{self, Bundle};
use engine::policy::{gatekeeper, modules};
use engine::rego::{Program, Source};
use serde_json::json;

use self::finding::{Finding, Rule};
use super::super::style::count;
use super::super::{Failed, Streams};
use super::Output;
use super::inputs::{self, Inputs};
use crate::sources::{self, Sources};

#[derive(Debug, Args)]
#[command(after_long_help = finding::help())]
pub(crate) struct LintArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// How to print the findings.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Findings count as errors: exit code 1.
    #[arg(long)]
    deny_warnings: bool,
}

/// Rego that was compiled together.
struct Group<'a> {
    sources: Vec<Source<'a>>,
    program: Program,
}

/// What was found, with the number of policies that were looked at.
struct Report {
    findings: Vec<Finding>,
    policies: usize,
}

pub(super) fn run(args: &LintArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let options = args.inputs.options()?;
    let (sources, problems) = sources::survey(&args.inputs.paths, &options);
    let report = lint(&sources, problems);
    match args.output {
        Output::Text => text(args, &report, streams)?,
        Output::Json => {
            let findings: Vec<_> = report
                .findings
                .iter()
                .map(|finding| finding.json(&args.inputs))
                .collect();
            let (errors, warnings) = report.counts();
            let report = json!({
                "ok": errors == 0 && (warnings == 0 || !args.deny_warnings), "policies": report.policies,
                "errors": errors, "warnings": warnings, "findings": findings,
            });
            writeln!(streams.out, "{}", serde_json::to_string_pretty(&report)?)?;
        }
    }
    match report.counts() {
        (0, 0) => Ok(()),
        (0, _) if !args.deny_warnings => Ok(()),
        _ => Err(Failed::Reported),
    }
}

impl Report {
    fn counts(&self) -> (usize, usize) {
        let errors = self
            .findings
            .iter()
            .filter(|finding| finding.rule == Rule::Refused)
            .count();
        (errors, self.findings.len() - errors)
    }
}

fn text(args: &LintArgs, report: &Report, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let looks = streams.looks;
    for finding in &report.findings {
        write!(streams.out, "{}", finding.text(&args.inputs, looks))?;
    }
    let (errors, warnings) = report.counts();
    let summary = match (errors, warnings) {
        (0, 0) => looks.good(&format!("{}, nothing to say", count(report.policies, "policy"))),
        (0, warnings) => looks.doubtful(&count(warnings, "warning")),
        (errors, 0) => looks.bad(&count(errors, "error")),
        (errors, warnings) => looks.bad(&format!("{}, {}", count(errors, "error"), count(warnings, "warning"))),
    };
    Ok(writeln!(streams.out, "{summary}")?)
}

/// `problems` are those of reading.
fn lint(sources: &Sources, mut problems: Vec<Problem>) -> Report {
    let mut findings = Vec::new();
    let mut policies = 0;
    match inputs::bundle(sources) {
        Err(more) => problems.extend(more),
        Ok(_) if sources.files.is_empty() => {}
        Ok(bundle) => {
            let tests = sources.tests.iter().map(|file| bundle::File {
                path: file.path.clone(),
                text: file.text.clone(),
                dialect: inputs::dialect(&file.kind),
            });
            let is_rego = |file: &&bundle::File| file.is_rego();
            let files: Vec<bundle::File> = bundle.files.iter().filter(is_rego).cloned().chain(tests).collect();
            let groups = groups(&files, &mut problems);
            let roots: Vec<_> = groups.iter().map(program::Roots::new).collect();
            for (group, roots) in groups.iter().zip(&roots) {
                findings.extend(program::check(group, roots));
                findings.extend(messages::check(group, roots));
            }
            findings.extend(templates::check(&loaded(&bundle)));
            match inputs::compiled(sources, &inputs::all_on(&bundle)) {
                Err(more) => problems.extend(more),
                Ok(set) => {
                    policies = set.policies().len();
                    findings.extend(metadata::check(sources, &bundle, &set, &roots));
                }
            }
            findings.retain(|finding| !finding.is_ignored(&files, &bundle.files));
        }
    }
    findings.extend(problems.into_iter().map(|problem| Finding {
        rule: Rule::Refused,
        file: problem.file,
        line: problem.line,
        message: problem.message,
        remedy: String::new(),
    }));
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert((finding.file.clone(), finding.line, finding.message.clone())));
    findings.sort_by(|a, b| (&a.file, a.line, a.rule).cmp(&(&b.file, b.line, b.rule)));
    Report { findings, policies }
}

fn groups<'a>(files: &'a [bundle::File], problems: &mut Vec<Problem>) -> Vec<Group<'a>> {
    let grouped = match modules::grouped(files.iter()) {
        Ok(grouped) => grouped,
        Err(more) => {
            problems.extend(more);
            return Vec::new();
        }
    };
    let mut groups = Vec::new();
    for sources in grouped {
        match Program::compile(&sources) {
            Ok(program) => groups.push(Group { sources, program }),
            Err(more) => problems.extend(more),
        }
    }
    groups
}

fn loaded(bundle: &Bundle) -> gatekeeper::Loaded {
    let yaml = bundle.files.iter().filter(|file| !file.is_rego());
    // What is wrong with them is told when the set is compiled.
    gatekeeper::load(yaml.map(|file| (file.path.as_str(), file.text.as_str()))).unwrap_or_default()
}
