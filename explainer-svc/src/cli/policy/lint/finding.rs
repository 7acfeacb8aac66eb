//! One finding, and the comment that turns it off.

use engine::policy::bundle::File;
use serde_json::{Value, json};

use super::super::super::style::Looks;
use super::super::inputs::Inputs;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    Refused,
    MissingMetadata,
    MissingTitle,
    MissingDescription,
    MissingRemediation,
    NeverTrue,
    Unused,
    EmptyMessage,
    ShortMessage,
    RepeatedMessage,
    VagueMessage,
    UntestedPolicy,
    TemplateWithoutConstraint,
    PrintCall,
}

const RULES: [(Rule, &str, &str); 14] = [
    (
        Rule::Refused,
        "refused",
        "what stops `whynot policy build`; cannot be turned off",
    ),
    (
        Rule::MissingMetadata,
        "missing-metadata",
        "a policy says nothing about itself",
    ),
    (
        Rule::MissingTitle,
        "missing-title",
        "METADATA, or a template's annotations, have no title",
    ),
    (
        Rule::MissingDescription,
        "missing-description",
        "nothing says why the policy matters",
    ),
    (
        Rule::MissingRemediation,
        "missing-remediation",
        "METADATA has no custom.remediation",
    ),
    (
        Rule::NeverTrue,
        "never-true",
        "an expression is false whatever the input is",
    ),
    (
        Rule::Unused,
        "unused-rule",
        "no entry, test or other rule leads to a rule or function",
    ),
    (Rule::EmptyMessage, "empty-message", "a violation has no text"),
    (
        Rule::ShortMessage,
        "short-message",
        "a message has fewer than 8 characters",
    ),
    (
        Rule::RepeatedMessage,
        "repeated-message",
        "several rules say the same, without a path",
    ),
    (
        Rule::VagueMessage,
        "vague-message",
        "a message names neither a field nor an object, and has no path",
    ),
    (
        Rule::UntestedPolicy,
        "untested-policy",
        "no Rego test asks the policy, and it has no cases",
    ),
    (
        Rule::TemplateWithoutConstraint,
        "template-without-constraint",
        "a ConstraintTemplate is never applied",
    ),
    (
        Rule::PrintCall,
        "print-call",
        "a call of print was left in; nobody sees what it prints",
    ),
];

/// The rules, for `--help`.
pub(super) fn help() -> String {
    let mut text = "Rules:\n".to_owned();
    for (_, name, about) in RULES {
        text.push_str(&format!("  {name:29}{about}\n"));
    }
    text
}

impl Rule {
    fn name(self) -> &'static str {
        RULES
            .iter()
            .find(|(rule, _, _)| *rule == self)
            .map_or("", |(_, name, _)| name)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) file: String,
    /// From 1; 0 for a whole file.
    pub(super) line: usize,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn json(&self, given: &Inputs) -> Value {
        let severity = if self.rule == Rule::Refused { "error" } else { "warning" };
        json!({
            "rule": self.rule.name(), "severity": severity, "file": given.located(&self.file), "line": self.line,
            "message": self.message, "remedy": self.remedy,
        })
    }

    pub(super) fn text(&self, given: &Inputs, looks: Looks) -> String {
        let line = if self.line == 0 {
            String::new()
        } else {
            format!(":{}", self.line)
        };
        let place = looks.strong(&format!("{}{line}:", given.located(&self.file)));
        let kind = if self.rule == Rule::Refused {
            looks.bad("error")
        } else {
            looks.doubtful(&format!("warning[{}]", self.rule.name()))
        };
        let mut text = format!("{place} {kind}: {}\n", self.message);
        if !self.remedy.is_empty() {
            text.push_str(&format!("  {}\n", looks.dim(&self.remedy)));
        }
        text
    }

    /// Whether a comment before the line turns it off. Other comments may stand between: METADATA, for one.
    pub(super) fn is_ignored(&self, rego: &[File], all: &[File]) -> bool {
        let file = rego.iter().chain(all).find(|file| file.path == self.file);
        let lines: Vec<&str> = file.map_or_else(Vec::new, |file| file.text.lines().collect());
        let before = lines.get(..self.line.saturating_sub(1)).unwrap_or_default();
        let mut comments = before.iter().rev().map_while(|line| line.trim().strip_prefix('#'));
        comments.any(|comment| {
            let names = comment.trim().strip_prefix("whynot:ignore").unwrap_or_default();
            names.split([',', ' ']).any(|name| name == self.rule.name())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_before_the_line_turns_a_finding_off() {
        let is_ignored = |text: &str, line| {
            let finding = Finding {
                rule: Rule::Unused,
                file: "a.rego".to_owned(),
                line,
                message: String::new(),
                remedy: String::new(),
            };
            finding.is_ignored(&[File::new("a.rego", text)], &[])
        };
        assert!(is_ignored("package a\n# whynot:ignore unused-rule\nx := 1\n", 3));
        assert!(is_ignored(
            "# whynot:ignore never-true, unused-rule\n# METADATA\n# title: x\npackage a\n",
            4
        ));
        assert!(!is_ignored("package a\n# whynot:ignore unused-rule\n\nx := 1\n", 4));
        assert!(!is_ignored("package a\n# whynot:ignore unused\nx := 1\n", 3));
        assert!(!is_ignored("package a # whynot:ignore unused-rule\nx := 1\n", 2));
    }

    #[test]
    fn each_rule_has_a_name() {
        assert!(RULES.iter().all(|(rule, name, _)| rule.name() == *name));
    }
}
