//! What admission would print, headed by file and object.

use super::super::super::style::{Looks, count};
use super::super::judge::Checked;
use super::Report;

pub(super) fn render(report: &Report<'_>, looks: Looks) -> String {
    let mut out = String::new();
    for checked in report.checked {
        object(report, checked, looks, &mut out);
    }
    out.push_str(&summary(report, looks));
    out.push('\n');
    out
}

fn object(report: &Report<'_>, checked: &Checked, looks: Looks, out: &mut String) {
    let is_bad = checked.is_bad(report.fail_on);
    if !is_bad && checked.warnings.is_empty() {
        return;
    }
    let place = format!("{}:{}:", checked.place.file, checked.place.line);
    let verdict = if checked.allowed {
        looks.doubtful("allowed")
    } else {
        looks.bad("denied")
    };
    out.push_str(&format!(
        "{} {} {verdict}\n",
        looks.strong(&place),
        looks.strong(&checked.subject)
    ));
    if let Some(denial) = &checked.denial {
        out.push_str(denial.trim_end());
        out.push('\n');
    }
    for warning in &checked.warnings {
        out.push_str(&format!("{} {warning}\n", looks.doubtful("Warning:")));
    }
    // Admission says nothing of what it only records.
    let recorded = checked.violations.iter().map(|objection| &objection.violation);
    for violation in recorded.filter(|violation| violation.action == engine::verdict::Action::Audit) {
        if is_bad && report.fail_on.counts(violation.action) {
            out.push_str(&format!("Recorded: [{}] {}\n", violation.policy, violation.message));
        }
    }
    if let (true, Some(fix)) = (report.diffs, &checked.fix) {
        out.push('\n');
        out.push_str(&coloured(&fix.shown.diff, looks));
    }
    out.push('\n');
}

/// A diff with the colours that everybody knows.
pub(in super::super) fn coloured(diff: &str, looks: Looks) -> String {
    let mut out = String::new();
    for line in diff.lines() {
        // A file may hold what a terminal would obey.
        let line: String = line.chars().filter(|&c| c == '\t' || !c.is_control()).collect();
        let line = line.as_str();
        out.push_str(&match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => looks.strong(line),
            Some(b'+') => looks.good(line),
            Some(b'-') => looks.bad(line),
            Some(b'@') => looks.dim(line),
            _ => line.to_owned(),
        });
        out.push('\n');
    }
    out
}

fn summary(report: &Report<'_>, looks: Looks) -> String {
    let number = |of: &dyn Fn(&Checked) -> bool| report.checked.iter().filter(|checked| of(checked)).count();
    let denied = number(&|checked| !checked.allowed);
    let warned = number(&|checked| checked.allowed && !checked.warnings.is_empty());
    let mut text = format!(
        "{} in {}: ",
        count(report.checked.len(), "object"),
        count(report.files, "file")
    );
    let mut parts = match denied {
        0 if report.checked.is_empty() && !report.troubles.is_empty() => Vec::new(),
        0 => vec![looks.good("none is denied")],
        denied => vec![looks.bad(&format!("{denied} denied"))],
    };
    if warned > 0 {
        parts.push(looks.doubtful(&format!("{warned} allowed with warnings")));
    }
    if !report.troubles.is_empty() {
        parts.push(looks.bad(&format!("{} could not be told", report.troubles.len())));
    }
    text.push_str(&parts.join(", "));
    text
}
