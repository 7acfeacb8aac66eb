//! What can be said of a program's rules without running them.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Branch, Op, Pattern, RuleId, RuleSet, Slot, Sort, Step, Template};
use super::program::Program;
use super::value::Value;

/// All rules of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Below `data`.
    pub path: String,
    /// The file of the first.
    pub file: String,
    /// The line of the first.
    pub line: u32,
    /// It takes arguments.
    pub is_function: bool,
    /// The paths of the rules that it reads.
    pub reads: BTreeSet<String>,
    /// Each rule, in the order of the files; the links of an `else` chain count as rules.
    pub bodies: Vec<Body>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The line of an expression that is never true, whatever the input.
    pub never: Option<u32>,
    /// What the rule says: the member of a set, and of that `msg` when it is an object.
    pub message: Option<Message>,
    /// The member is an object with `path` or `paths`.
    pub has_path: bool,
}

/// A text, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Always this one.
    Constant(String),
    /// Made when the rule runs.
    Made,
}

impl Program {
    /// What is known of each rule, functions included, in the order of their paths.
    pub fn outlines(&self) -> Vec<Outline> {
        let path = |rule: &RuleId| self.rules.get(*rule).map(|set| set.path.join("."));
        let outline = |(id, set): (RuleId, &RuleSet)| Outline {
            path: set.path.join("."),
            file: self.file(set.file),
            line: set.line,
            is_function: matches!(set.sort, Sort::Function(_)),
            reads: self.reads.get(id).into_iter().flatten().filter_map(path).collect(),
            bodies: self.bodies(set),
        };
        self.rules.iter().enumerate().map(outline).collect()
    }

    fn file(&self, number: usize) -> String {
        self.files.get(number).cloned().unwrap_or_default()
    }

    fn bodies(&self, set: &RuleSet) -> Vec<Body> {
        let body = |(file, branch): (usize, &Branch)| Body {
            file: self.file(file),
            line: branch.line,
            never: branch.steps.iter().find(|step| is_never(step)).map(|step| step.line),
            message: (set.sort == Sort::Set).then(|| message(branch)),
            has_path: has_path(branch),
        };
        let branches = set
            .definitions
            .iter()
            .flat_map(|rule| rule.branches.iter().map(move |branch| (rule.file, branch)));
        branches.map(body).collect()
    }
}

/// Whether a step fails on every input.
fn is_never(step: &Step) -> bool {
    match &step.op {
        Op::Fail => true,
        Op::Match {
            value: Template::Const(value),
            pattern: Pattern::True,
        } => *value == Value::Bool(false),
        Op::Match {
            value: Template::Const(value),
            pattern: Pattern::Equal(Template::Const(other)),
        } => value != other,
        _ => false,
    }
}

fn message(branch: &Branch) -> Message {
    let known = known(branch);
    let text = match follow(&known, &branch.value) {
        Some(Template::Object(members)) => {
            let msg = members.iter().find(|(key, _)| is_named(key, "msg"));
            msg.and_then(|(_, value)| follow(&known, value).cloned())
        }
        Some(Template::Const(value)) if value.as_object().is_some() => {
            value.member("msg").cloned().map(Template::Const)
        }
        other => other.cloned(),
    };
    match text {
        Some(Template::Const(value)) => value
            .as_str()
            .map_or(Message::Made, |text| Message::Constant(text.to_owned())),
        _ => Message::Made,
    }
}

fn has_path(branch: &Branch) -> bool {
    let is_path = |key: &Template| is_named(key, "path") || is_named(key, "paths");
    match follow(&known(branch), &branch.value) {
        Some(Template::Object(members)) => members.iter().any(|(key, _)| is_path(key)),
        Some(Template::Const(value)) => value.member("path").or(value.member("paths")).is_some(),
        _ => false,
    }
}

fn is_named(key: &Template, name: &str) -> bool {
    matches!(key, Template::Const(Value::String(key)) if key == name)
}

/// Places that get a value which is written in the rule.
fn known(branch: &Branch) -> Known<'_> {
    branch.steps.iter().filter_map(written).collect()
}

type Known<'a> = BTreeMap<Slot, &'a Template>;

fn follow<'a>(known: &Known<'a>, mut template: &'a Template) -> Option<&'a Template> {
    // A place is filled once, so this ends.
    while let Template::Slot(slot) = template {
        template = known.get(slot)?;
    }
    Some(template)
}

fn written(step: &Step) -> Option<(Slot, &Template)> {
    match &step.op {
        Op::Match {
            value,
            pattern: Pattern::Bind(slot),
        } => Some((*slot, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::{Dialect, Source};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn outlines(text: &str) -> Vec<Outline> {
        Program::compile(&[Source {
            file: "a.rego",
            text,
            dialect: Dialect::V1,
        }])
        .unwrap()
        .outlines()
    }

    fn deny(body: &str) -> Body {
        let text = format!("package a\n\ndeny contains msg if {{\n\t{body}\n}}\n");
        outlines(&text).remove(0).bodies.remove(0)
    }

    #[test]
    fn rules_know_what_they_read() {
        let found = outlines("package a\n\ndeny contains \"x\" if f(input.x)\n\nf(x) if x == limit\n\nlimit := 3\n");
        let reads: Vec<(&str, bool, Vec<&str>)> = found
            .iter()
            .map(|rule| {
                (
                    rule.path.as_str(),
                    rule.is_function,
                    rule.reads.iter().map(String::as_str).collect(),
                )
            })
            .collect();
        assert_eq!(
            reads,
            [
                ("a.deny", false, vec!["a.f"]),
                ("a.f", true, vec!["a.limit"]),
                ("a.limit", false, vec![])
            ]
        );
    }

    #[test]
    fn what_is_never_true_is_told_with_its_line() {
        assert_eq!(deny("input.x\n\tfalse\n\tmsg := \"x\"").never, Some(5));
        assert_eq!(deny("1 == 2\n\tmsg := \"x\"").never, Some(4));
        assert_eq!(deny("not input.x\n\tinput.y == false\n\tmsg := \"x\"").never, None);
    }

    #[test]
    fn constant_messages_are_told_from_made_ones() {
        let constant = |text: &str| Some(Message::Constant(text.to_owned()));
        assert_eq!(deny("msg := \"no\"").message, constant("no"));
        assert_eq!(
            deny("text := \"no\"\n\tmsg := {\"msg\": text, \"path\": input.path}").message,
            constant("no")
        );
        assert_eq!(deny("msg := {\"msg\": \"no\"}").message, constant("no"));
        assert!(!deny("msg := {\"msg\": \"no\"}").has_path);
        assert!(deny("msg := {\"msg\": \"no\", \"path\": \"/spec\"}").has_path);
        assert!(deny("msg := {\"msg\": \"no\", \"path\": input.path}").has_path);
        assert_eq!(deny("msg := sprintf(\"%v\", [input.x])").message, Some(Message::Made));
        assert_eq!(deny("msg := {\"msg\": input.x}").message, Some(Message::Made));
        assert_eq!(
            outlines("package a\n\nf(x) := \"no\" if x\n")[0].bodies[0].message,
            None
        );
    }
}
