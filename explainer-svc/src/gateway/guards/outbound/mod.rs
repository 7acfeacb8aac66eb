//! What comes back from a model: read by its schema, cleaned, and refused when it says what it has no grounds for.

mod change;
mod founded;
mod grounds;
mod said;
mod untrusted;
mod urged;
mod vocabulary;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use json_patch::Patch;
use jsonschema::{PatternOptions, Validator};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

pub use grounds::Explained;
#[cfg(test)]
pub(crate) use urged::AT_THE_SOURCE;

use super::inbound::Report;
use super::injection::{Place, Verdict, detect};
use super::pattern::fixed;
use super::redact::Redactor;
use super::spotlight::Marks;
use super::{Fired, Guard, characters};

/// What a model returned, whole: answers are never passed on in pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Its text.
    pub text: &'a str,
    /// How many tools it wanted to call.
    pub tool_calls: usize,
}

/// What an answer is checked against.
#[derive(Debug, Clone)]
pub enum Grounds {
    /// The explanation of a decision.
    Explanation {
        /// The facts.
        facts: Box<Explained>,
        /// The marks of the request.
        marks: Marks,
    },
    /// An answer to an agent that calls the gateway.
    Plain {
        /// The form that the agent asked for.
        schema: Option<Value>,
        /// Its longest length, in bytes.
        max_bytes: usize,
        /// The marks of the request.
        marks: Marks,
    },
}

/// An answer that may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Clean {
    /// The words; for an explanation with its steps.
    pub text: String,
    /// The policies that it names.
    pub policies: Vec<String>,
    /// The fields that it names.
    pub fields: Vec<String>,
    /// A change to be verified: never shown before.
    pub change: Option<Patch>,
    /// Why a proposed change was dropped.
    pub dropped: Option<String>,
    /// What the guards did.
    pub report: Report,
}

const MAX_ANSWER: usize = 16 * 1024;
const MAX_WORDS: usize = 1200;
const MAX_STEPS: usize = 6;
const MAX_STEP: usize = 300;
/// Sentences of an explanation that are looked at one by one.
const SENTENCES: usize = 8;

/// The form of an explanation, for the provider and for us.
pub fn answer_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["explanation", "policies", "fields"],
        "properties": {
            "explanation": {"type": "string", "minLength": 20, "maxLength": MAX_WORDS},
            "steps": {"type": "array", "maxItems": MAX_STEPS, "items": {"type": "string", "minLength": 1, "maxLength": MAX_STEP}},
            "policies": {"type": "array", "minItems": 1, "maxItems": 16, "items": {"type": "string", "maxLength": 256}},
            "fields": {"type": "array", "maxItems": 32, "items": {"type": "string", "maxLength": 512}},
            "change": operations(),
        },
    })
}

/// The form of an answer that is only a change.
pub fn change_schema() -> Value {
    json!({"type": "object", "required": ["change"], "properties": {"change": operations()}})
}

fn operations() -> Value {
    json!({
        "type": ["array", "null"],
        "maxItems": 16,
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "additionalProperties": false,
            "properties": {
                "op": {"enum": ["add", "remove", "replace", "test"]},
                "path": {"type": "string", "maxLength": 512},
                "value": {},
            },
        },
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    explanation: String,
    #[serde(default)]
    steps: Vec<String>,
    policies: Vec<String>,
    fields: Vec<String>,
    #[serde(default)]
    change: Option<Value>,
}

/// All guards of the way out.
pub fn outbound(answer: &Answer<'_>, grounds: &Grounds) -> Result<Clean, Fired> {
    let mut report = Report::default();
    if answer.tool_calls > 0 {
        let detail = format!("{} tool calls; a model has no tools here", answer.tool_calls);
        return Err(Fired::new(Guard::ToolCalls, detail, report));
    }
    let limit = match grounds {
        Grounds::Explanation { .. } => MAX_ANSWER,
        Grounds::Plain { max_bytes, .. } => *max_bytes,
    };
    if answer.text.len() > limit {
        let detail = format!("{} bytes; {limit} are the limit", answer.text.len());
        return Err(Fired::new(Guard::Length, detail, report));
    }
    let (text, tricks) = characters::visible(answer.text);
    report.count(Guard::Characters, tricks.total());
    if tricks.is_hidden_text() {
        return Err(Fired::new(
            Guard::Characters,
            "a hidden text in the answer".to_owned(),
            report,
        ));
    }
    match grounds {
        Grounds::Explanation { facts, marks } if facts.is_only_change() => {
            only_change(&marks.unmark(&text), facts, report)
        }
        Grounds::Explanation { facts, marks } => explanation(&marks.unmark(&text), facts, report),
        Grounds::Plain { schema, marks, .. } => plain(&marks.unmark(&text), schema.as_ref(), report),
    }
}

fn plain(text: &str, schema: Option<&Value>, mut report: Report) -> Result<Clean, Fired> {
    let mut redactor = Redactor::default();
    let text = if let Some(schema) = schema {
        let validator = match validator(schema) {
            Ok(validator) => validator,
            Err(problem) => return Err(Fired::new(Guard::Schema, problem, report)),
        };
        let value = match read(text, &validator) {
            Ok(value) => value,
            Err(problem) => return Err(Fired::new(Guard::Schema, problem, report)),
        };
        redactor.value("", &value).to_string()
    } else {
        redactor.text(text)
    };
    report.count(Guard::Redaction, redactor.counts().values().sum());
    report.redacted.clone_from(redactor.counts());
    Ok(Clean {
        text,
        policies: Vec::new(),
        fields: Vec::new(),
        change: None,
        dropped: None,
        report,
    })
}

/// A schema's validator. Nothing is fetched, and patterns are matched in linear time.
fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| format!("the schema is none: {error}"))
}

fn read(text: &str, validator: &Validator) -> Result<Value, String> {
    let text = text.trim();
    // Models like to put JSON into a fence.
    let inner = text
        .strip_prefix("```json")
        .or_else(|| text.strip_prefix("```"))
        .and_then(|rest| rest.strip_suffix("```"));
    let value: Value = serde_json::from_str(inner.unwrap_or(text)).map_err(|error| format!("no JSON: {error}"))?;
    validator
        .validate(&value)
        .map_err(|error| format!("not of the schema, at `{}`", error.instance_path()))?;
    Ok(value)
}

fn explanation(text: &str, facts: &Explained, mut report: Report) -> Result<Clean, Fired> {
    static ANSWER: LazyLock<Option<Validator>> = LazyLock::new(|| validator(&answer_schema()).ok());
    let said = ANSWER
        .as_ref()
        .ok_or_else(|| "the schema of answers is none".to_owned())
        .and_then(|validator| read(text, validator));
    let said = said.and_then(|value| serde_json::from_value::<Said>(value).map_err(|error| error.to_string()));
    let Said {
        explanation,
        steps,
        policies,
        fields,
        change,
    } = match said {
        Ok(said) => said,
        Err(problem) => return Err(Fired::new(Guard::Schema, problem, report)),
    };
    // JSON has escapes of its own.
    let mut clean = |text: &str| {
        let (text, tricks) = characters::visible(text);
        report.count(Guard::Characters, tricks.total());
        (text, tricks.is_hidden_text())
    };
    let (explanation, mut is_hidden) = clean(&explanation);
    let mut lines = vec![explanation];
    for step in &steps {
        let (step, hidden) = clean(step);
        is_hidden |= hidden;
        lines.push(step);
    }
    if is_hidden {
        return Err(Fired::new(
            Guard::Characters,
            "a hidden text in the answer".to_owned(),
            report,
        ));
    }
    let own = change.as_ref().map(Value::to_string).unwrap_or_default();
    // What has no grounds is left out: the end of an explanation, and steps, all of them; the engine's checked fix stands beside
    // the words anyhow. Whatever else is wrong with a line, nothing of the answer is shown.
    let whole_text = lines.join("\n");
    let mut left_out = false;
    for (index, line) in lines.iter_mut().enumerate() {
        match objection(line, &own, facts, index > 0) {
            Some((Guard::Groundedness, _)) if index > 0 => left_out = true,
            Some((Guard::Groundedness, detail)) => match beginning(line, &own, facts) {
                Some(length) => {
                    line.truncate(length);
                    report.count(Guard::Groundedness, 1);
                }
                None => return Err(Fired::new(Guard::Groundedness, detail, report)),
            },
            Some((guard, detail)) => return Err(Fired::new(guard, detail, report)),
            None => {}
        }
    }
    if let Some((guard, detail)) = whole(&whole_text, facts) {
        return Err(Fired::new(guard, detail, report));
    }
    if left_out {
        report.count(Guard::Groundedness, lines.len().saturating_sub(1));
        lines.truncate(1);
    }
    let all = lines.join("\n");
    let named: Vec<&str> = policies.iter().map(String::as_str).collect();
    let pointed: Vec<&str> = fields.iter().map(String::as_str).collect();
    if let Some(detail) = facts.ungrounded_names(&named, &pointed) {
        return Err(Fired::new(Guard::Groundedness, detail, report));
    }
    let (change, dropped) = proposed(change, facts);
    report.count(Guard::Change, usize::from(dropped.is_some()));
    Ok(Clean {
        text: all,
        policies,
        fields,
        change,
        dropped,
        report,
    })
}

/// A change, and nothing of the words around it.
fn only_change(text: &str, facts: &Explained, mut report: Report) -> Result<Clean, Fired> {
    static ANSWER: LazyLock<Option<Validator>> = LazyLock::new(|| validator(&change_schema()).ok());
    let said = ANSWER
        .as_ref()
        .ok_or_else(|| "the schema of changes is none".to_owned())
        .and_then(|validator| read(text, validator));
    let mut said = match said {
        Ok(said) => said,
        Err(problem) => return Err(Fired::new(Guard::Schema, problem, report)),
    };
    let (change, dropped) = proposed(said.get_mut("change").map(Value::take), facts);
    report.count(Guard::Change, usize::from(dropped.is_some()));
    Ok(Clean {
        text: String::new(),
        policies: Vec::new(),
        fields: Vec::new(),
        change,
        dropped,
        report,
    })
}

/// The change, or why it is none; neither when none is proposed.
fn proposed(change: Option<Value>, facts: &Explained) -> (Option<Patch>, Option<String>) {
    let change = change.filter(|change| !change.is_null() && change.as_array().is_none_or(|list| !list.is_empty()));
    match change.map(|change| change::parse(&change, facts)) {
        None => (None, None),
        Some(Ok(patch)) => (Some(patch), None),
        Some(Err(problem)) => (None, Some(problem)),
    }
}

/// What speaks against one line.
fn objection(line: &str, own: &str, facts: &Explained, is_step: bool) -> Option<(Guard, String)> {
    said::foreign_link(line, facts)
        .map(|found| (Guard::Links, found))
        .or_else(|| said::foreign_command(line, facts).map(|found| (Guard::Commands, found)))
        .or_else(|| said::out_of_scope(line, facts).map(|found| (Guard::Scope, found)))
        .or_else(|| facts.repeated(line).map(|found| (Guard::Echo, found)))
        .or_else(|| {
            let is_sure = said::sentences(line).any(|sentence| {
                detect(sentence, Place::Prose).verdict == Verdict::Sure
                    && !facts.authored_words().contains(&said::words(sentence))
            });
            is_sure.then(|| (Guard::Instructions, "the answer instructs".to_owned()))
        })
        .or_else(|| facts.invented(line, own).map(|found| (Guard::Groundedness, found)))
        .or_else(|| {
            facts
                .advice()
                .objection(line, is_step)
                .map(|found| (Guard::Groundedness, found))
        })
        .or_else(|| facts.unfounded(line).map(|found| (Guard::Groundedness, found)))
}

/// How many bytes at the beginning of a text may be shown: two sentences or more, without what comes after.
fn beginning(line: &str, own: &str, facts: &Explained) -> Option<usize> {
    static END: LazyLock<Regex> = LazyLock::new(|| fixed(r#"[.!?][)"'`]*(\s+)["'`(]*\p{Lu}"#));
    static ABBREVIATED: LazyLock<Regex> = LazyLock::new(|| fixed(r"(?i)\b(?:e\.g|i\.e|etc|vs|cf|no)\.$"));
    // Whoever goes on like this took back what stands before.
    static TURNS: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)^\s*(?:however|but|yet|that|this|it|in (?:reality|fact|truth)|actually|instead|not so|wrong|neither|both|none)\b",
        )
    });
    let ends: Vec<usize> = END
        .captures_iter(line)
        .filter_map(|found| found.get(1).map(|gap| gap.start()))
        .filter(|end| line.get(..*end).is_some_and(|text| !ABBREVIATED.is_match(text)))
        .take(SENTENCES)
        .collect();
    let holds = |end: &usize| {
        line.get(..*end)
            .is_some_and(|text| objection(text, own, facts, false).is_none())
    };
    let last = ends.iter().rposition(holds)?;
    let turns = |end: usize| line.get(end..).is_some_and(|rest| TURNS.is_match(rest));
    let shown = ends.get(last).copied().filter(|end| !turns(*end));
    let shown = shown.map_or_else(|| last.checked_sub(1), |_| Some(last))?;
    (shown >= 1).then(|| ends.get(shown).copied()).flatten()
}

/// What speaks against all lines together.
fn whole(text: &str, facts: &Explained) -> Option<(Guard, String)> {
    let mut redactor = Redactor::default();
    let _ = redactor.text(text);
    let secret: BTreeMap<_, _> = redactor.counts().clone();
    if let Some((kind, _)) = secret.first_key_value() {
        return Some((Guard::Redaction, format!("a secret of the kind {kind}")));
    }
    facts.repeated(text).map(|found| (Guard::Echo, found))
}

#[cfg(test)]
mod tests;
