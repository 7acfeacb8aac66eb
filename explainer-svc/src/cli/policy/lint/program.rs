//! Rules that nothing leads to, expressions that are never true, prints.

use std::collections::{BTreeMap, BTreeSet};

use engine::policy::{format, metadata, modules};
use engine::rego::{Outline, Source};

use super::Group;
use super::finding::{Finding, Rule};
use crate::sources::tokens::{Token, tokens};

/// Where one can begin in a group, and how far one gets.
pub(super) struct Roots {
    pub(super) outlines: Vec<Outline>,
    /// The rules that are asked, by their paths.
    pub(super) entries: BTreeSet<String>,
    /// What is reached from tests.
    pub(super) tested: BTreeSet<String>,
    /// What is reached from anywhere.
    used: BTreeSet<String>,
}

impl Roots {
    pub(super) fn new(group: &Group<'_>) -> Self {
        let outlines = group.program.outlines();
        let packages: BTreeSet<String> = group
            .sources
            .iter()
            .map(|source| modules::package(source.text))
            .collect();
        // As when the set is compiled: a webhook in Rego decides alone.
        let answers = outlines.iter().any(|rule| rule.path == "system.main");
        let mut entries = BTreeSet::new();
        for package in packages.iter().filter(|package| !answers || *package == "system") {
            let rules = outlines.iter().filter(|rule| !rule.is_function);
            let names: BTreeSet<&str> = rules.filter_map(|rule| below(&rule.path, package)).collect();
            let asked = format::entries(package, &names);
            entries.extend(asked.into_iter().map(|entry| format!("{package}.{}", entry.rule)));
        }
        let is_test = |rule: &&Outline| is_test_file(&rule.file);
        let tests: BTreeSet<String> = outlines.iter().filter(is_test).map(|rule| rule.path.clone()).collect();
        let tested = reached(&outlines, tests);
        // OPA itself asks for these.
        let of_system = outlines
            .iter()
            .filter(|rule| rule.path.starts_with("system."))
            .map(|rule| rule.path.clone());
        let exceptions = packages
            .iter()
            .map(|package| format!("{package}.{}", format::EXCEPTION));
        let named = entry_points(&group.sources);
        let used = reached(
            &outlines,
            entries
                .iter()
                .cloned()
                .chain(of_system)
                .chain(exceptions)
                .chain(named)
                .collect(),
        );
        Self {
            used: used.union(&tested).cloned().collect(),
            outlines,
            entries,
            tested,
        }
    }

    /// Whether a package has rules that are asked.
    pub(super) fn is_policy(&self, package: &str) -> bool {
        self.entries.iter().any(|entry| below(entry, package).is_some())
    }
}

/// The name of a rule directly in a package.
fn below<'a>(path: &'a str, package: &str) -> Option<&'a str> {
    let name = path.strip_prefix(package)?.strip_prefix('.')?;
    (!name.contains('.')).then_some(name)
}

pub(super) fn is_test_file(file: &str) -> bool {
    file.ends_with("_test.rego")
}

/// Rules that their METADATA calls entry points: somebody else asks for them.
fn entry_points(sources: &[Source<'_>]) -> Vec<String> {
    let of = |source: &Source<'_>| {
        let package = modules::package(source.text);
        let annotations = metadata::parse(source.file, source.text).unwrap_or_default();
        let is_entry = |annotation: &metadata::Annotation| {
            annotation
                .written
                .get("entrypoint")
                .and_then(serde_json::Value::as_bool)
                == Some(true)
        };
        let named = annotations.into_iter().filter(is_entry);
        named
            .map(|annotation| format!("{package}.{}", annotation.rule))
            .collect::<Vec<_>>()
    };
    sources.iter().flat_map(of).collect()
}

fn reached(outlines: &[Outline], from: BTreeSet<String>) -> BTreeSet<String> {
    let by_path: BTreeMap<&str, &Outline> = outlines.iter().map(|rule| (rule.path.as_str(), rule)).collect();
    let mut open: Vec<String> = from.iter().cloned().collect();
    let mut seen = from;
    while let Some(path) = open.pop() {
        let reads = by_path.get(path.as_str()).map(|rule| &rule.reads);
        for next in reads.into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

pub(super) fn check(group: &Group<'_>, roots: &Roots) -> Vec<Finding> {
    let mut findings = never_true(&roots.outlines);
    for rule in &roots.outlines {
        let source = group.sources.iter().find(|source| source.file == rule.file);
        let package = source.map(|source| modules::package(source.text)).unwrap_or_default();
        // A library may have more than this set needs.
        if roots.used.contains(&rule.path) || is_test_file(&rule.file) || !roots.is_policy(&package) {
            continue;
        }
        let what = if rule.is_function { "function" } else { "rule" };
        let name = rule.path.strip_prefix(&format!("{package}.")).unwrap_or(&rule.path);
        findings.push(Finding {
            rule: Rule::Unused,
            file: rule.file.clone(),
            line: usize::try_from(rule.line).unwrap_or(0),
            message: format!("no rule that is asked, and no test, leads to the {what} `{name}`"),
            remedy: "remove it, or use it; asked are deny, violation and warn, also with a suffix (deny_images)"
                .to_owned(),
        });
    }
    let sources = group.sources.iter().filter(|source| !is_test_file(source.file));
    findings.extend(sources.flat_map(|source| prints(source.file, source.text)));
    findings
}

/// Rules with an expression that fails on every input.
pub(super) fn never_true(outlines: &[Outline]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in outlines.iter().filter(|rule| !is_test_file(&rule.file)) {
        let bodies = rule.bodies.iter().filter_map(|body| Some((body, body.never?)));
        findings.extend(bodies.map(|(body, line)| Finding {
            rule: Rule::NeverTrue,
            file: body.file.clone(),
            line: usize::try_from(line).unwrap_or(0),
            message: format!("`{}` has no result: this is never true", rule.path),
            remedy: "remove the rule, or correct the expression".to_owned(),
        }));
    }
    findings
}

/// Calls of print.
pub(super) fn prints(file: &str, text: &str) -> Vec<Finding> {
    let cut = tokens(text);
    let mut findings = Vec::new();
    for (index, placed) in cut.list.iter().enumerate() {
        let is_sign = |index: Option<usize>, sign: &'static str| {
            index
                .and_then(|index| cut.list.get(index))
                .is_some_and(|other| other.token == Token::Sign(sign))
        };
        let is_print = matches!(&placed.token, Token::Name(name) if name == "print");
        if is_print && is_sign(Some(index + 1), "(") && !is_sign(index.checked_sub(1), ".") {
            findings.push(Finding {
                rule: Rule::PrintCall,
                file: file.to_owned(),
                line: placed.line,
                message: "print is not evaluated here: nobody sees what it prints".to_owned(),
                remedy: "remove it; to look into a policy, write a test".to_owned(),
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_are_found_and_what_only_looks_like_one_is_not() {
        let text =
            "package a\n# print(1)\ndeny contains \"print(x)\" if {\n\tprint(input)\n\tf.print(1)\n\tprint_it(1)\n}\n";
        let lines: Vec<usize> = prints("a.rego", text).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [4]);
    }
}
