//! Shows a report.

mod html;
mod markdown;
mod oscal;
#[cfg(test)]
mod tests;
mod text;

pub use html::html;
pub use markdown::markdown;
pub use oscal::oscal;
pub use text::{Paint, text};

use super::report::{Assessed, Evidence, FrameworkSummary, Report, Status};

/// How many controls stand how, in the order of [`Status::ALL`], without what is zero.
fn tally(report: &Report, framework: &str) -> String {
    let each = Status::ALL.into_iter().filter_map(|status| {
        let number = report.of(framework).filter(|control| control.status == status).count();
        (number > 0).then(|| format!("{number} {}", status.words()))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The audit log in a sentence.
fn log(report: &Report) -> String {
    let log = &report.log;
    let state = if log.verified { "verified" } else { "NOT VERIFIED" };
    format!(
        "audit log {}: {} leaves, {} signed, {state}",
        log.origin, log.leaves, log.signed
    )
}

/// The frameworks that have controls here.
fn frameworks(report: &Report) -> impl Iterator<Item = &FrameworkSummary> {
    let has_some = |framework: &&FrameworkSummary| report.of(&framework.id).next().is_some();
    report.frameworks.iter().filter(has_some)
}

/// Why a control stands as it does, where its evidence does not say so.
fn reason(control: &Assessed) -> Option<&str> {
    (control.status != Status::NotEvidenced && !control.reason.is_empty()).then_some(&control.reason)
}

/// Its evidence: what is missing first.
fn evidence(control: &Assessed) -> impl Iterator<Item = &Evidence> {
    let missing = control.evidence.iter().filter(|evidence| !evidence.holds);
    missing.chain(control.evidence.iter().filter(|evidence| evidence.holds))
}

/// Before evidence that is missing.
const MISSING: &str = "Not shown: ";

/// Before what did not occur: the control's status says whether that is enough.
const NONE_YET: &str = "None yet: ";

fn missing(evidence: &Evidence) -> &'static str {
    match evidence {
        Evidence { holds: true, .. } => "",
        Evidence { none_yet: true, .. } => NONE_YET,
        _ => MISSING,
    }
}

/// What was found, with the numbers of leaves.
fn found(evidence: &Evidence) -> String {
    let leaves: Vec<String> = evidence.leaves.iter().map(|leaf| leaf.index.to_string()).collect();
    let leaves = match leaves.len() {
        0 => String::new(),
        1 => format!(" [leaf {}]", leaves.join(", ")),
        _ => format!(" [leaves {}]", leaves.join(", ")),
    };
    let missing = missing(evidence);
    format!("{missing}{}: {}{leaves}", evidence.means, evidence.found)
}

/// The id, and that the framework does not demand it.
fn id(control: &Assessed) -> String {
    if control.optional {
        format!("{} (optional)", control.id)
    } else {
        control.id.clone()
    }
}
