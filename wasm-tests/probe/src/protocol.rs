//! What evaluators are asked and what they answer.

use std::fmt;

use engine::rego::json;
use engine::rego::value::Value;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cases::Case;

/// One file of Rego.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its name.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The language's version: `v0` or `v1`.
    pub version: String,
}

/// Modules, and what is asked of them. Documents are JSON as text, so that each evaluator reads them itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Request {
    /// They may refer to each other.
    pub modules: Vec<Module>,
    /// The base document.
    pub data: String,
    /// `None`: `input` is undefined.
    pub inputs: Vec<Option<String>>,
    /// Such as `data.shop.deny`.
    pub queries: Vec<String>,
}

/// What the module in wasm is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// Answered by an [`Answer`].
    Program(Request),
    /// Answered by a [`crate::cases::Verdict`].
    Case(Box<Case>),
}

/// What an evaluator says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The modules are not taken. Why.
    Refused(Vec<String>),
    /// For each input, for each query.
    Outcomes(Vec<Vec<Outcome>>),
}

/// What a query is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing.
    Undefined,
    /// A value.
    Value(#[serde(serialize_with = "write_marked", deserialize_with = "read_marked")] Value),
    /// The evaluation failed, for example because rules contradict each other.
    Error(String),
    /// The evaluation was given up: too much work.
    Limit,
    /// The evaluator has a bug, of which it died.
    Panicked,
}

impl Outcome {
    /// OPA died of a bug of its own: it has said nothing.
    pub fn is_internal_error(&self) -> bool {
        matches!(self, Self::Error(error) if error.starts_with("eval_internal_error"))
    }

    /// The same value, or no value for the same reason. How errors are worded does not matter.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error(_), Self::Error(_)) => true,
            _ => self == other,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined => out.write_str("undefined"),
            Self::Value(value) => value.fmt(out),
            Self::Error(error) => write!(out, "an error: {error}"),
            Self::Limit => out.write_str("given up: too much work"),
            Self::Panicked => out.write_str("a panic"),
        }
    }
}

fn write_marked<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::new();
    marked(value, &mut text);
    serializer.serialize_str(&text)
}

fn read_marked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let text = String::deserialize(deserializer)?;
    let value = json::parse(text.as_bytes()).map_err(|error| D::Error::custom(format!("{error}: {text}")))?;
    Ok(unmarked(&value))
}

const SET: &str = "__set";
const OBJECT: &str = "__object";

/// A value as JSON: sets, and objects with keys that are no texts, are marked, because JSON has neither.
fn marked(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => list(items.iter(), out),
        Value::Set(set) => {
            out.push_str(&format!("{{\"{SET}\":"));
            list(set.iter(), out);
            out.push('}');
        }
        Value::Object(object) => {
            let is_plain = object
                .iter()
                .all(|(key, _)| key.as_str().is_some_and(|key| key != SET && key != OBJECT));
            let (start, between, end) = if is_plain {
                ("{", ":", "}")
            } else {
                ("{\"__object\":[", ",", "]}")
            };
            out.push_str(start);
            for (place, (key, value)) in object.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                if !is_plain {
                    out.push('[');
                }
                marked(key, out);
                out.push_str(between);
                marked(value, out);
                if !is_plain {
                    out.push(']');
                }
            }
            out.push_str(end);
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn list<'a>(items: impl Iterator<Item = &'a Value>, out: &mut String) {
    out.push('[');
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(',');
        }
        marked(item, out);
    }
    out.push(']');
}

/// A value from JSON with such marks.
pub fn unmarked(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(unmarked).collect()),
        Value::Object(object) => {
            if let Some(members) = value.member(SET).and_then(Value::as_array) {
                return Value::set(members.iter().map(unmarked).collect());
            }
            if let Some(entries) = value.member(OBJECT).and_then(Value::as_array) {
                let entry = |entry: &Value| match entry.as_array() {
                    Some([key, value]) => Some((unmarked(key), unmarked(value))),
                    _ => None,
                };
                return Value::object(entries.iter().filter_map(entry).collect());
            }
            Value::object(
                object
                    .iter()
                    .map(|(key, value)| (key.clone(), unmarked(value)))
                    .collect(),
            )
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_through_json() {
        let text = Value::string;
        let number = |text: &str| json::parse(text.as_bytes()).unwrap();
        let odd = Value::object(vec![
            (Value::set(vec![number("1")]), Value::Null),
            (text("a"), number("0.1")),
        ]);
        let values = [
            Value::set(Vec::new()),
            Value::array(vec![Value::set(vec![odd.clone(), text("\u{1}\"é")]), Value::Bool(true)]),
            Value::object(vec![(text("__set"), Value::array(Vec::new()))]),
            Value::object(vec![(text("a"), odd)]),
            number("123456789012345678901234567890.5"),
            number("1e400"),
        ];
        for value in values {
            let outcome = Outcome::Value(value);
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome, "{json}");
        }
    }
}
