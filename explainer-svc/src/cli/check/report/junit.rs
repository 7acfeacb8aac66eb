//! The report as `JUnit` XML: a suite for each file, a test for each object.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::super::super::Failed;
use super::super::judge::Checked;
use super::super::work::Trouble;
use super::Report;

pub(super) fn render(report: &Report<'_>) -> Result<String, Failed> {
    Ok(String::from_utf8(xml(report)?)? + "\n")
}

/// What is in one file.
struct Suite<'a> {
    file: &'a str,
    checked: Vec<&'a Checked>,
    troubles: Vec<&'a Trouble>,
}

fn suites<'a>(report: &Report<'a>) -> Vec<Suite<'a>> {
    let mut suites: std::collections::BTreeMap<&str, Suite<'a>> = std::collections::BTreeMap::new();
    let empty = |file| Suite {
        file,
        checked: Vec::new(),
        troubles: Vec::new(),
    };
    for checked in report.checked {
        let file: &str = &checked.place.file;
        suites.entry(file).or_insert_with(|| empty(file)).checked.push(checked);
    }
    for trouble in report.troubles {
        let file = trouble.file.as_str();
        suites.entry(file).or_insert_with(|| empty(file)).troubles.push(trouble);
    }
    suites.into_values().collect()
}

fn xml(report: &Report<'_>) -> io::Result<Vec<u8>> {
    let failed = report
        .checked
        .iter()
        .filter(|checked| checked.is_bad(report.fail_on))
        .count();
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let tests = (report.checked.len() + report.troubles.len()).to_string();
    let time = format!("{:.3}", report.time.as_secs_f64());
    writer
        .create_element("testsuites")
        .with_attributes([
            ("name", "whynot check"),
            ("tests", &tests),
            ("failures", &failed.to_string()),
            ("errors", &report.troubles.len().to_string()),
            ("time", &time),
        ])
        .write_inner_content(|writer| suites(report).iter().try_for_each(|one| suite(writer, report, one)))?;
    Ok(writer.into_inner())
}

fn suite(writer: &mut Writer<Vec<u8>>, report: &Report<'_>, suite: &Suite<'_>) -> io::Result<()> {
    let failed = suite
        .checked
        .iter()
        .filter(|checked| checked.is_bad(report.fail_on))
        .count();
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", &*clean(suite.file)),
            ("tests", &(suite.checked.len() + suite.troubles.len()).to_string()),
            ("failures", &failed.to_string()),
            ("errors", &suite.troubles.len().to_string()),
        ])
        .write_inner_content(|writer| {
            for checked in &suite.checked {
                let problem = checked.is_bad(report.fail_on).then(|| ("failure", words(checked)));
                case(writer, &checked.subject, (suite.file, checked.place.line), problem)?;
            }
            for trouble in &suite.troubles {
                let problem = Some(("error", trouble.message.clone()));
                case(writer, "cannot be judged", (suite.file, trouble.line), problem)?;
            }
            Ok(())
        })?;
    Ok(())
}

/// What admission would say; of what it allows, what counts all the same.
fn words(checked: &Checked) -> String {
    let mut lines: Vec<String> = checked.denial.iter().cloned().collect();
    lines.extend(checked.warnings.iter().map(|warning| format!("Warning: {warning}")));
    if lines.is_empty() {
        let recorded = checked.violations.iter().map(|objection| &objection.violation);
        lines.extend(recorded.map(|violation| format!("[{}] {}", violation.policy, violation.message)));
    }
    lines.join("\n")
}

fn case(
    writer: &mut Writer<Vec<u8>>,
    name: &str,
    (file, line): (&str, usize),
    problem: Option<(&str, String)>,
) -> io::Result<()> {
    let (name, file, line) = (clean(name), clean(file), line.to_string());
    let element = writer.create_element("testcase").with_attributes([
        ("name", &*name),
        ("classname", &*file),
        ("file", &*file),
        ("line", &*line),
    ]);
    let Some((kind, text)) = problem else {
        return element.write_empty().map(|_| ());
    };
    let text = clean(&text);
    let first = text.lines().next().unwrap_or_default().to_owned();
    element.write_inner_content(|writer| {
        let element = writer.create_element(kind).with_attribute(("message", first.as_str()));
        element.write_text_content(BytesText::new(&text)).map(|_| ())
    })?;
    Ok(())
}

/// Without the characters that XML cannot have at all.
fn clean(text: &str) -> String {
    let is_fine = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_fine(c) { c } else { '\u{fffd}' }).collect()
}
