//! Messages that tell people nothing.

use std::collections::{BTreeMap, BTreeSet};

use engine::rego::{Message, Outline, Source};

use super::Group;
use super::finding::{Finding, Rule};
use super::program::Roots;
use crate::sources::tokens::{Token, tokens};

/// Anything shorter says at most "no".
const SHORT: usize = 8;

/// Words of every policy: they say nothing about this one.
const COMMON: [&str; 30] = [
    "input",
    "request",
    "object",
    "review",
    "parameter",
    "spec",
    "metadata",
    "deny",
    "denied",
    "violation",
    "warn",
    "warning",
    "msg",
    "message",
    "policy",
    "data",
    "package",
    "import",
    "contain",
    "true",
    "false",
    "null",
    "not",
    "some",
    "every",
    "the",
    "and",
    "with",
    "this",
    "allowed",
];

/// Who says one of these names what it is about.
const NAMED: [&str; 24] = [
    "pod",
    "container",
    "image",
    "volume",
    "service",
    "ingress",
    "namespace",
    "deployment",
    "statefulset",
    "daemonset",
    "job",
    "cronjob",
    "role",
    "rolebinding",
    "serviceaccount",
    "secret",
    "configmap",
    "label",
    "annotation",
    "host",
    "port",
    "node",
    "registry",
    "tag",
];

pub(super) fn check(group: &Group<'_>, roots: &Roots) -> Vec<Finding> {
    let asked = roots.outlines.iter().filter(|rule| roots.entries.contains(&rule.path));
    let mut findings = Vec::new();
    let mut by_package: BTreeMap<&str, Vec<&Outline>> = BTreeMap::new();
    for rule in asked.filter(|rule| rule.path != "system.main") {
        let package = rule.path.rsplit_once('.').map_or("", |(package, _)| package);
        by_package.entry(package).or_default().push(rule);
    }
    for rules in by_package.values() {
        let text = |file: &str| {
            group
                .sources
                .iter()
                .find(|source| source.file == file)
                .map(|source: &Source<'_>| source.text)
        };
        findings.extend(of_policy(rules, text));
    }
    findings
}

/// The messages of the rules of one policy. `text` gives a file's text.
pub(super) fn of_policy<'t>(rules: &[&Outline], text: impl Fn(&str) -> Option<&'t str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut said: BTreeMap<&str, u32> = BTreeMap::new();
    for body in rules.iter().flat_map(|rule| &rule.bodies) {
        let Some(Message::Constant(message)) = &body.message else {
            continue;
        };
        let message = message.trim();
        let found = match message.chars().count() {
            0 => Some((
                Rule::EmptyMessage,
                "the message is empty, which is a failure of the policy and denies without a reason".to_owned(),
                "say what is wrong and where",
            )),
            1..SHORT => Some((
                Rule::ShortMessage,
                format!("the message {message:?} does not say what is wrong"),
                "name what is wrong and where, in a sentence",
            )),
            _ if body.has_path => None,
            _ => repeated(message, &said).or_else(|| {
                let text = text(&body.file).unwrap_or_default();
                vague(message, text).then(|| {
                    (
                        Rule::VagueMessage,
                        format!("the message {message:?} names neither a field nor an object"),
                        "name the field or the object that is wrong, or add `path`: {\"msg\": …, \"path\": \"/spec/…\"}",
                    )
                })
            }),
        };
        said.entry(message).or_insert(body.line);
        findings.extend(found.map(|(rule, message, remedy)| Finding {
            rule,
            file: body.file.clone(),
            line: usize::try_from(body.line).unwrap_or(0),
            message,
            remedy: remedy.to_owned(),
        }));
    }
    findings
}

fn repeated(message: &str, said: &BTreeMap<&str, u32>) -> Option<(Rule, String, &'static str)> {
    let line = said.get(message)?;
    let text =
        format!("the message {message:?} is that of the rule on line {line} too: which of them objects is not told");
    Some((
        Rule::RepeatedMessage,
        text,
        "name in each what is wrong there, or add `path`",
    ))
}

/// Whether a message shares no word with what the module reads, and names no kind of object.
fn vague(message: &str, module: &str) -> bool {
    let names: BTreeSet<String> = tokens(module)
        .list
        .iter()
        .filter_map(|placed| match &placed.token {
            Token::Name(name) => Some(name),
            // Keys, and not sentences.
            Token::Text(text) if !text.contains(' ') && text != message => Some(text),
            _ => None,
        })
        .flat_map(|name| words(name))
        .filter(|word| !COMMON.contains(&word.as_str()))
        .collect();
    // What is written in other letters cannot be compared.
    message.is_ascii()
        && !words(message)
            .iter()
            .any(|word| names.contains(word) || NAMED.contains(&word.as_str()))
}

/// The words of a text or of a name (`runAsNonRoot`), in small letters and singular, without the short ones.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in text.chars() {
        let begins = !letter.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase());
        if begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
        .iter()
        .map(|word| word.trim_end_matches('s').to_owned())
        .filter(|word| word.len() > 2)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "package a\ndeny contains msg if {\n\tinput.request.object.spec.hostNetwork\n\tmsg := \"Access denied here\"\n}\n";

    #[test]
    fn names_are_cut_into_words() {
        assert_eq!(words("runAsNonRoot"), ["run", "non", "root"]);
        assert_eq!(
            words("Limits of /spec/hostNetwork"),
            ["limit", "spec", "host", "network"]
        );
    }

    #[test]
    fn a_message_that_names_a_field_or_an_object_is_not_vague() {
        assert!(vague("Access denied here", MODULE));
        assert!(vague("This is not allowed by policy", MODULE));
        for message in [
            "The network is shared",
            "hostNetwork is forbidden",
            "Pods like that are refused",
            "Zugriff verweigert für alle",
        ] {
            assert!(!vague(message, MODULE), "{message}");
        }
    }
}
