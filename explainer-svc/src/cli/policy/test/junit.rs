//! Results as `JUnit` XML, in the form that systems of continuous integration agree on
//! (<https://github.com/testmoapp/junitxml>).

use std::collections::BTreeMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::super::super::{Failed, Streams};
use super::Results;
use crate::assembly::{Outcome, Test};

pub(super) fn write(results: &Results, streams: &mut Streams<'_>) -> Result<(), Failed> {
    streams.out.write_all(&xml(results)?)?;
    Ok(writeln!(streams.out)?)
}

fn xml(results: &Results) -> io::Result<Vec<u8>> {
    let mut suites: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
    for test in &results.tests {
        suites.entry(&test.group).or_default().push(test);
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<&Test> = results.tests.iter().collect();
    let [tests, failures, errors, skipped] = counts(&all);
    let time = format!("{:.3}", results.time.as_secs_f64());
    writer
        .create_element("testsuites")
        .with_attribute(("name", "whynot policy test"))
        .with_attributes([
            ("tests", &*tests),
            ("failures", &failures),
            ("errors", &errors),
            ("skipped", &skipped),
        ])
        .with_attribute(("time", time.as_str()))
        .write_inner_content(|writer| {
            for (name, tests) in &suites {
                suite(writer, name, tests)?;
            }
            Ok(())
        })?;
    Ok(writer.into_inner())
}

fn suite(writer: &mut Writer<Vec<u8>>, name: &str, all: &[&Test]) -> io::Result<()> {
    let [tests, failures, errors, skipped] = counts(all);
    let element = writer
        .create_element("testsuite")
        .with_attribute(("name", clean(name).as_str()))
        .with_attributes([
            ("tests", &*tests),
            ("failures", &failures),
            ("errors", &errors),
            ("skipped", &skipped),
        ]);
    element.write_inner_content(|writer| all.iter().try_for_each(|test| case(writer, test)))?;
    Ok(())
}

fn counts(tests: &[&Test]) -> [String; 4] {
    let count = |of: fn(&Outcome) -> bool| tests.iter().filter(|test| of(&test.outcome)).count().to_string();
    [
        tests.len().to_string(),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Broken(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped)),
    ]
}

fn case(writer: &mut Writer<Vec<u8>>, test: &Test) -> io::Result<()> {
    let (name, class, file, line) = (
        clean(&test.name),
        clean(&test.group),
        clean(&test.file),
        test.line.to_string(),
    );
    let mut element = writer.create_element("testcase").with_attributes([
        ("name", name.as_str()),
        ("classname", &class),
        ("file", &file),
        ("line", &line),
    ]);
    let time = test.time.map(|time| format!("{:.3}", time.as_secs_f64()));
    if let Some(time) = &time {
        element = element.with_attribute(("time", time.as_str()));
    }
    let (kind, reason) = match &test.outcome {
        Outcome::Passed => return element.write_empty().map(|_| ()),
        Outcome::Skipped => {
            element.write_inner_content(|writer| writer.create_element("skipped").write_empty().map(|_| ()))?;
            return Ok(());
        }
        Outcome::Failed(reason) => ("failure", reason),
        Outcome::Broken(reason) => ("error", reason),
    };
    let message = clean(reason.lines().next().unwrap_or_default());
    let whole = clean(&format!("{}:{}: {reason}", test.file, test.line));
    element.write_inner_content(|writer| {
        let element = writer
            .create_element(kind)
            .with_attribute(("message", message.as_str()));
        element.write_text_content(BytesText::new(&whole)).map(|_| ())
    })?;
    Ok(())
}

/// Without the characters that XML cannot have at all.
fn clean(text: &str) -> String {
    let is_fine = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_fine(c) { c } else { '\u{fffd}' }).collect()
}
