//! `docs/rego.md` and the table of builtins say the same.

#![cfg(test)]
// The document is a file of the repository, and the same for all targets.
#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeSet;

use engine::rego::builtins;

const DOCUMENT: &str = include_str!("../../docs/rego.md");

/// Functions that the evaluator knows beside the table.
const OTHERS: [&str; 4] = ["print", "rego.metadata.chain", "rego.metadata.rule", "walk"];

/// The names in backquotes in the table below this heading.
fn named(heading: &str) -> Vec<&'static str> {
    let (_, rest) = DOCUMENT.split_once(&format!("\n### {heading}\n")).expect(heading);
    let section = rest.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn each_builtin_is_in_the_document_and_the_other_way_round() {
    let in_document = named("Builtins that are there");
    let mut once: BTreeSet<&str> = in_document.iter().copied().collect();
    assert_eq!(once.len(), in_document.len(), "a name stands there twice");
    let in_table: BTreeSet<&str> = builtins::all().map(|builtin| builtin.name).chain(OTHERS).collect();
    assert_eq!(in_table.difference(&once).next(), None, "not in docs/rego.md");
    once.retain(|name| !in_table.contains(name));
    assert_eq!(once, BTreeSet::new(), "in docs/rego.md and not there");
}

#[test]
fn builtins_that_are_not_there_are_not_there() {
    let absent = named("Builtins that are not there");
    let mut names = absent.iter().filter(|name| builtins::find(name).is_some());
    assert_eq!(names.next(), None);
    // A function and a group: somebody emptied the section.
    assert!(absent.contains(&"http.send") && absent.contains(&"io.jwt.decode"));
}

/// The tests that the tables name are there.
#[test]
fn tests_that_the_document_names_exist() {
    let tests = concat!(include_str!("refused.rs"), include_str!("differences.rs"));
    let mut count = 0;
    for line in DOCUMENT.lines().filter(|line| line.starts_with('|')) {
        for name in line.split('`').skip(1).step_by(2) {
            let is_test = name.contains('_') && name.chars().all(|each| each.is_ascii_lowercase() || each == '_');
            if is_test && builtins::find(name).is_none() {
                assert!(tests.contains(&format!("fn {name}()")), "{name}");
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count}");
}
