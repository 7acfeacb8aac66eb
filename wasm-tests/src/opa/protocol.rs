//! What evaluators are asked and what they answer.

use std::fmt;

use anyhow::{Context as _, Result, anyhow, bail};
use engine::rego::json;
use engine::rego::value::Value;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Default, Serialize)]
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

/// A request as the oracle reads it.
#[derive(Debug, Serialize)]
pub(super) struct WireRequest<'a> {
    #[serde(flatten)]
    pub(super) request: &'a Request,
    pub(super) thorough: bool,
}

/// What an evaluator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The modules are not taken. Why.
    Refused(Vec<String>),
    /// For each input, for each query.
    Outcomes(Vec<Vec<Outcome>>),
}

/// What a query is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    Undefined,
    /// A value.
    Value(Value),
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

#[derive(Deserialize)]
struct WireAnswer {
    #[serde(default)]
    refused: Vec<WireRefusal>,
    #[serde(default)]
    outcomes: Vec<Option<Vec<WireOutcome>>>,
    #[serde(default)]
    failure: String,
}

#[derive(Deserialize)]
struct WireRefusal {
    code: String,
    message: String,
    #[serde(default)]
    row: usize,
}

#[derive(Deserialize)]
struct WireOutcome {
    value: Option<String>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireError {
    code: String,
    message: String,
}

impl Answer {
    /// Reads a line of the oracle.
    pub(super) fn parse(line: &str) -> Result<Self> {
        let wire: WireAnswer = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let WireAnswer {
            refused,
            outcomes,
            failure,
        } = wire;
        if !failure.is_empty() {
            bail!("OPA cannot answer: {failure}");
        }
        if !refused.is_empty() {
            let reason = |WireRefusal { code, message, row }| format!("{code} in line {row}: {message}");
            return Ok(Self::Refused(refused.into_iter().map(reason).collect()));
        }
        let outcomes = outcomes
            .into_iter()
            .map(|of_input| of_input.unwrap_or_default().into_iter().map(outcome).collect())
            .collect::<Result<_>>()?;
        Ok(Self::Outcomes(outcomes))
    }
}

fn outcome(WireOutcome { value, error }: WireOutcome) -> Result<Outcome> {
    if let Some(WireError { code, message }) = error {
        return Ok(if code == "eval_cancel_error" {
            Outcome::Limit
        } else {
            Outcome::Error(format!("{code}: {message}"))
        });
    }
    let Some(text) = value else {
        return Ok(Outcome::Undefined);
    };
    let value = json::parse(text.as_bytes()).map_err(|error| anyhow!("{error}: {text}"))?;
    Ok(Outcome::Value(unmarked(&value)))
}

/// Sets, and objects with keys that are no texts, are marked in what the oracle writes: JSON has neither.
fn unmarked(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(unmarked).collect()),
        Value::Object(object) => {
            if let Some(members) = value.member("__set").and_then(Value::as_array) {
                return Value::set(members.iter().map(unmarked).collect());
            }
            if let Some(entries) = value.member("__object").and_then(Value::as_array) {
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
