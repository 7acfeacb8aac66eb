//! For people and auditors: one file, that loads nothing.

use askama::Template;

use super::super::report::{Assessed, FrameworkSummary, Report, Status};
use super::{evidence, frameworks, id, log, missing, reason, tally};

const CSS: &str = include_str!("../../../templates/style.css");

#[derive(Template)]
#[template(path = "governance.html")]
struct Page<'r> {
    css: &'static str,
    report: &'r Report,
    log: String,
    frameworks: Vec<Framework<'r>>,
}

struct Framework<'r> {
    summary: &'r FrameworkSummary,
    tally: String,
    controls: Vec<Row<'r>>,
}

struct Row<'r> {
    id: String,
    class: &'static str,
    control: &'r Assessed,
    reason: &'r str,
    evidence: Vec<Found<'r>>,
}

struct Found<'r> {
    missing: &'static str,
    means: &'r str,
    figure: &'r str,
    leaves: Vec<(u64, String)>,
}

/// A report as a page.
///
/// # Errors
/// The template fails, which a test excludes.
pub fn html(report: &Report) -> Result<String, askama::Error> {
    let frameworks = frameworks(report).map(|summary| Framework {
        summary,
        tally: tally(report, &summary.id),
        controls: report.of(&summary.id).map(|control| row(report, control)).collect(),
    });
    Page {
        css: CSS,
        report,
        log: log(report),
        frameworks: frameworks.collect(),
    }
    .render()
}

fn row<'r>(report: &Report, control: &'r Assessed) -> Row<'r> {
    let evidence = evidence(control).map(|evidence| Found {
        missing: missing(evidence),
        means: &evidence.means,
        figure: &evidence.found,
        leaves: evidence
            .leaves
            .iter()
            .map(|leaf| (leaf.index, report.proof(leaf).unwrap_or_default()))
            .collect(),
    });
    Row {
        id: id(control),
        class: match control.status {
            Status::Evidenced | Status::Attested => "tried",
            Status::NotEvidenced => "denied",
            Status::AttestationMissing => "missing",
            Status::NotApplicable => "small",
        },
        control,
        reason: reason(control).unwrap_or_default(),
        evidence: evidence.collect(),
    }
}
