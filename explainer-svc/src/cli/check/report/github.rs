//! Annotations of pull requests: workflow commands of GitHub Actions
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use engine::verdict::Action;

use super::Report;

pub(super) fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    for checked in report.checked {
        for objection in &checked.violations {
            let violation = &objection.violation;
            let level = match violation.action {
                Action::Deny => "error",
                Action::Warn => "warning",
                Action::Audit => "notice",
            };
            let line = objection.lines.first().copied().unwrap_or(checked.place.line);
            let mut message = format!("{}: {}", checked.subject, violation.message);
            if !violation.remediation.is_empty() {
                message.push('\n');
                message.push_str(&violation.remediation);
            }
            out.push_str(&command(
                level,
                &checked.place.file,
                (line, 0),
                &violation.policy,
                &message,
            ));
        }
    }
    for trouble in report.troubles {
        let place = (trouble.line, trouble.column);
        out.push_str(&command(
            "error",
            &trouble.file,
            place,
            "cannot be judged",
            &trouble.message,
        ));
    }
    out
}

fn command(level: &str, file: &str, (line, column): (usize, usize), title: &str, message: &str) -> String {
    let mut properties = format!("file={}", property(file));
    for (name, value) in [("line", line), ("col", column)] {
        if value > 0 {
            properties.push_str(&format!(",{name}={value}"));
        }
    }
    format!("::{level} {properties},title={}::{}\n", property(title), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        assert_eq!(
            command("error", "a,b:c.yaml", (3, 0), "x%y", "100%\n::end"),
            "::error file=a%2Cb%3Ac.yaml,line=3,title=x%25y::100%25%0A::end\n"
        );
    }
}
