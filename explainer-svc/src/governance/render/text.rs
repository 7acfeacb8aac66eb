//! For a terminal.

use super::super::report::{Report, Status};
use super::{evidence, found, frameworks, id, log, reason, tally};

/// Colours a status.
pub type Paint<'p> = &'p dyn Fn(Status, &str) -> String;

/// A report as text.
pub fn text(report: &Report, paint: Paint<'_>) -> String {
    let mut out = format!("Controls at {}\n{}\n", report.at, log(report));
    for problem in &report.log.problems {
        out.push_str(&format!("  {problem}\n"));
    }
    for framework in frameworks(report) {
        out.push_str(&format!(
            "\n{} {}: {}\n",
            framework.name,
            framework.version,
            tally(report, &framework.id)
        ));
        let width = report
            .of(&framework.id)
            .map(|control| id(control).chars().count())
            .max()
            .unwrap_or(0);
        for control in report.of(&framework.id) {
            let id = format!("{:width$}", id(control));
            let status = paint(control.status, &format!("{:19}", control.status.words()));
            out.push_str(&format!("  {status}  {id}  {}\n", control.title));
            let mut line = |text: &str| out.push_str(&format!("  {:19}  {:width$}    {text}\n", "", ""));
            if let Some(reason) = reason(control) {
                line(reason);
            }
            for evidence in evidence(control) {
                line(&found(evidence));
            }
        }
    }
    if !report.regressions.is_empty() {
        out.push_str("\nNot any more:\n");
        for one in &report.regressions {
            let name = format!("{} {}", one.framework, one.id);
            let name = paint(Status::NotEvidenced, &name);
            out.push_str(&format!("  {name} since {}: {}\n", one.since, one.reason));
        }
    }
    out
}
