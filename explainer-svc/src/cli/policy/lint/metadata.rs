//! What policies do not say about themselves, and whether anything tests them.

use std::collections::BTreeSet;

use engine::eval::{Policy, PolicySet};
use engine::policy::bundle::Bundle;
use engine::policy::format::Form;
use engine::policy::{id_of, metadata};

use super::finding::{Finding, Rule};
use super::program::Roots;
use crate::assembly::{folder_of, parent};
use crate::sources::Sources;

pub(super) fn check(sources: &Sources, bundle: &Bundle, set: &PolicySet, roots: &[Roots]) -> Vec<Finding> {
    let with_cases: BTreeSet<&str> = sources.cases.iter().map(|file| folder_of(&file.path)).collect();
    let mut findings = Vec::new();
    for policy in set.policies() {
        let file = &policy.meta.file;
        let Some(text) = bundle
            .files
            .iter()
            .find(|known| known.path == *file)
            .map(|known| known.text.as_str())
        else {
            continue;
        };
        let is_tested = with_cases.contains(parent(file)) || roots.iter().any(|roots| is_asked_by_tests(policy, roots));
        let mut find = |rule, line, message: String, remedy: &str| {
            findings.push(Finding {
                rule,
                file: file.clone(),
                line,
                message,
                remedy: remedy.to_owned(),
            });
        };
        let id = &policy.meta.id;
        let line = if policy.form == Form::Gatekeeper {
            line_of_constraint(text, id)
        } else {
            line_of(text, "package ")
        };
        if !is_tested {
            let remedy = match policy.form {
                Form::Gatekeeper => "put cases beside it (cases/*.yaml)",
                _ => "put cases beside it (cases/*.yaml), or Rego tests (*_test.rego)",
            };
            find(Rule::UntestedPolicy, line, format!("nothing tests {id}"), remedy);
        }
        // Templates say it in annotations; a webhook words its answers itself.
        if matches!(policy.form, Form::Gatekeeper | Form::Response) {
            continue;
        }
        let meta = &policy.meta;
        let remediation = meta.custom.remediation.trim();
        let annotations = metadata::parse(file, text).unwrap_or_default();
        // Another file of the package may have it.
        if annotations.is_empty() && meta.title.is_empty() && meta.why.is_empty() && remediation.is_empty() {
            let message = format!("{id} has no METADATA: its denials cannot say why it matters, nor what to do");
            find(
                Rule::MissingMetadata,
                line,
                message,
                "add title, description and custom.remediation before `package`",
            );
            continue;
        }
        let line = annotations.first().map_or(line, |first| first.line);
        if meta.title.is_empty() {
            let remedy = "add one line that names the rule: `title: Containers must not run privileged`";
            find(
                Rule::MissingTitle,
                line,
                format!("the METADATA of {id} has no title"),
                remedy,
            );
        }
        if meta.why.is_empty() {
            let remedy = "say why it matters, for somebody who has never read the policy";
            find(
                Rule::MissingDescription,
                line,
                format!("the METADATA of {id} has no description"),
                remedy,
            );
        }
        if remediation.is_empty() {
            let remedy = "say how to fix a violation, in one or two sentences";
            find(
                Rule::MissingRemediation,
                line,
                format!("the METADATA of {id} has no custom.remediation"),
                remedy,
            );
        }
    }
    findings
}

/// Whether a test leads to one of the rules that are asked.
fn is_asked_by_tests(policy: &Policy, roots: &Roots) -> bool {
    let is_own = |entry: &&String| {
        entry
            .rsplit_once('.')
            .is_some_and(|(package, _)| id_of(package) == policy.meta.id)
    };
    roots
        .entries
        .iter()
        .filter(is_own)
        .any(|entry| roots.tested.contains(entry))
}

/// The first line that begins like this; 1 when none does.
fn line_of(text: &str, start: &str) -> usize {
    text.lines()
        .position(|line| line.trim_start().starts_with(start))
        .map_or(1, |place| place + 1)
}

/// The line where the constraint's document has its name.
fn line_of_constraint(text: &str, id: &str) -> usize {
    let name = id.split('/').nth(1).unwrap_or_default();
    let is_name = |line: &str| {
        let value = line.trim().trim_start_matches("- ").strip_prefix("name:");
        value.is_some_and(|value| value.trim().trim_matches(['"', '\'']) == name)
    };
    text.lines().position(is_name).map_or(1, |place| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found() {
        assert_eq!(line_of("# METADATA\n# title: x\npackage a\n", "package "), 3);
        let yaml = "kind: A\nmetadata:\n  name: first\n---\nkind: A\nmetadata:\n  name: \"second\"\n";
        assert_eq!(line_of_constraint(yaml, "a/second"), 7);
    }
}
