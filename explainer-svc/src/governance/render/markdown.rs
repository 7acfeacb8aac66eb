//! For a document or a ticket.

use super::super::report::Report;
use super::{evidence, found, frameworks, id, log, missing, reason, tally};

/// A report as Markdown: tables, as GitHub and GitLab show them.
pub fn markdown(report: &Report) -> String {
    let mut out = format!(
        "# Controls\n\n{}, whynot {}; {}.\n",
        report.at,
        report.version,
        cell(&log(report))
    );
    for problem in &report.log.problems {
        out.push_str(&format!("\n- {}", cell(problem)));
    }
    if !report.regressions.is_empty() {
        out.push_str("\n## Not evidenced any more\n\n| control | since | why |\n| --- | --- | --- |\n");
        for one in &report.regressions {
            out.push_str(&format!(
                "| {} {} | {} | {} |\n",
                one.framework,
                one.id,
                one.since,
                cell(&one.reason)
            ));
        }
    }
    for framework in frameworks(report) {
        out.push_str(&format!(
            "\n## {} {}\n\n{}\n\n| control | | status | evidence |\n| --- | --- | --- | --- |\n",
            framework.name,
            framework.version,
            tally(report, &framework.id)
        ));
        for control in report.of(&framework.id) {
            let mut shown: Vec<String> = reason(control).map(cell).into_iter().collect();
            for one in evidence(control) {
                let links: Vec<String> = one
                    .leaves
                    .iter()
                    .filter_map(|leaf| Some(format!("[leaf {}]({})", leaf.index, report.proof(leaf)?)))
                    .collect();
                shown.push(if links.is_empty() {
                    cell(&found(one))
                } else {
                    let missing = missing(one);
                    format!(
                        "{missing}{}: {} ({})",
                        cell(&one.means),
                        cell(&one.found),
                        links.join(", ")
                    )
                });
            }
            let status = control.status.words();
            let status = if control.status.is_open() {
                format!("**{status}**")
            } else {
                status.to_owned()
            };
            out.push_str(&format!(
                "| {} | {} | {status} | {} |\n",
                id(control),
                cell(&control.title),
                shown.join("<br>")
            ));
        }
    }
    out
}

/// Text that stays in its cell, and is text.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '|' | '*' | '`' | '[' | ']' | '\\' | '_' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
