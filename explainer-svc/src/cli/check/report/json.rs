//! The report as JSON: the schema of docs/check.md.

use engine::verdict::{Action, Failure, Severity, Violation};
use serde::Serialize;

use super::super::judge::{Checked, Objection, Proposal, Reference};
use super::super::work::Trouble;
use super::Report;
use crate::api::Change;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    revision: &'a str,
    results: Vec<Entry<'a>>,
    errors: &'a [Trouble],
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'a Reference,
    file: &'a str,
    line: usize,
    allowed: bool,
    /// What the API server would answer.
    message: Option<&'a str>,
    warnings: &'a [String],
    fix: Option<Change>,
    violations: Vec<Problem<'a>>,
    failures: &'a [Failure],
}

#[derive(Serialize)]
struct Problem<'a> {
    policy: &'a str,
    severity: Severity,
    action: Action,
    message: &'a str,
    paths: Vec<&'a str>,
    lines: &'a [usize],
    explanation: String,
    fix: Option<Change>,
    unfixable: Option<&'a str>,
}

/// Where to look when a violation has no fix of its own.
const TOGETHER: &str =
    "No change for this rule alone is known; the fix of the whole object, in `fix` of the result, solves it.";

pub(super) fn render(report: &Report<'_>) -> Result<String, serde_json::Error> {
    let document = Document {
        api_version: engine::explain::wire::API_VERSION,
        kind: "CheckReport",
        revision: report.revision,
        results: report.checked.iter().map(entry).collect(),
        errors: report.troubles,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn entry(checked: &Checked) -> Entry<'_> {
    Entry {
        object: &checked.object,
        file: &checked.place.file,
        line: checked.place.line,
        allowed: checked.allowed,
        message: checked.denial.as_deref(),
        warnings: &checked.warnings,
        fix: checked.fix.as_ref().map(change),
        violations: checked.violations.iter().map(problem).collect(),
        failures: &checked.failures,
    }
}

fn problem(objection: &Objection) -> Problem<'_> {
    let violation = &objection.violation;
    Problem {
        policy: &violation.policy,
        severity: violation.severity,
        action: violation.action,
        message: &violation.message,
        paths: violation.found.iter().map(|found| found.path.as_str()).collect(),
        lines: &objection.lines,
        explanation: match (explanation(violation), objection.only_together) {
            (words, false) => words,
            (words, true) if words.is_empty() => TOGETHER.to_owned(),
            (words, true) => format!("{words}\n{TOGETHER}"),
        },
        fix: objection.fix.as_ref().map(change),
        unfixable: objection.unfixable.as_deref(),
    }
}

/// Why it matters and what to do, in the author's words.
pub(super) fn explanation(violation: &Violation) -> String {
    let parts = [&violation.title, &violation.why, &violation.remediation];
    let parts = parts
        .into_iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty());
    parts.collect::<Vec<_>>().join("\n")
}

fn change(proposal: &Proposal) -> Change {
    let Proposal {
        patch,
        class,
        source,
        placeholders,
        removes,
        widens,
        complete,
        snippet,
        shown,
    } = proposal;
    Change {
        verified: true,
        class: *class,
        source: *source,
        patch: patch.clone(),
        placeholders: placeholders.clone(),
        snippet: snippet.clone(),
        diff: shown.diff.clone(),
        removes: *removes,
        widens: *widens,
        complete: *complete,
    }
}
