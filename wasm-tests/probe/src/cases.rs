//! OPA's own conformance cases, answered by our evaluator.

use std::collections::BTreeSet;

use engine::rego::builtins::Host;
use engine::rego::value::Value;
use serde::{Deserialize, Serialize};

use crate::evaluate::{compile, document, evaluate};
use crate::protocol::{Module, Outcome};

/// One case. Its documents are JSON as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// The version of the language and the case's own name: `v1/sets/set_diff`.
    pub note: String,
    modules: Vec<Module>,
    query: String,
    #[serde(default)]
    data: String,
    input: Option<String>,
    input_term: Option<String>,
    bindings: Option<String>,
    #[serde(default)]
    unordered: bool,
    #[serde(default)]
    variables: Vec<String>,
    #[serde(default)]
    error: String,
    /// It sets environment variables.
    #[serde(default)]
    pub environment: bool,
    /// It turns on keywords that are off otherwise.
    #[serde(default)]
    pub experimental: bool,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// As OPA has it.
    Right,
    /// OPA fails when it evaluates this; here it is not even taken.
    RefusedRightly,
    /// It is not taken. Why: each reason with its place.
    Refused(Vec<String>),
    /// It is taken and something else comes out.
    Wrong(String),
}

impl Case {
    /// Evaluates the case. `now`: nanoseconds since 1970.
    pub fn run(&self, now: Option<i64>) -> Verdict {
        let mut host = Host::new(0);
        host.now = now;
        let input = match self.input(&mut host) {
            Ok(input) => input,
            Err(reason) => return Verdict::Refused(vec![format!("input: {reason}")]),
        };
        let data = if self.data.is_empty() { "{}" } else { &self.data };
        let data = match document(data) {
            Ok(data) => data,
            Err(error) => return Verdict::Refused(vec![format!("data: {error}")]),
        };
        let (path, modules) = self.question();
        let program = match compile(&modules) {
            Ok(program) => program,
            Err(_) if self.bindings.is_none() => return Verdict::RefusedRightly,
            Err(reasons) => return Verdict::Refused(reasons),
        };
        let outcome = evaluate(&program, &path, input.as_ref(), &data, &mut host);
        let is_whole = path == WHOLE_QUERY;
        self.judge(outcome, is_whole)
    }

    fn judge(&self, outcome: Outcome, is_whole: bool) -> Verdict {
        let Some(bindings) = &self.bindings else {
            return match outcome {
                Outcome::Error(_) => Verdict::Right,
                other => Verdict::Wrong(format!("expected the error {:?}, got {other}", self.error)),
            };
        };
        let wanted = match document(bindings) {
            Ok(wanted) => self.comparable(&wanted),
            Err(error) => return Verdict::Wrong(format!("the bindings: {error}")),
        };
        let found = match outcome {
            Outcome::Undefined => Value::set(Vec::new()),
            Outcome::Value(value) if is_whole => self.comparable(&plain(&value)),
            Outcome::Value(value) => {
                let name = self.variables.first().map_or("x", String::as_str);
                let binding = Value::object(vec![(Value::string(name), plain(&value))]);
                self.comparable(&Value::array(vec![binding]))
            }
            other => return Verdict::Wrong(format!("expected {wanted}, got {other}")),
        };
        if found == wanted {
            Verdict::Right
        } else {
            Verdict::Wrong(format!("expected {wanted}, got {found}"))
        }
    }

    /// The results in no order; where the case says so, also what is in them.
    fn comparable(&self, bindings: &Value) -> Value {
        let results = bindings.as_array().unwrap_or_default().iter();
        let of_result = |result: &Value| match result.as_object() {
            Some(object) if self.unordered => {
                let sorted = |value: &Value| match value {
                    Value::Array(items) => {
                        let mut items = items.to_vec();
                        items.sort();
                        Value::array(items)
                    }
                    other => other.clone(),
                };
                Value::object(
                    object
                        .iter()
                        .map(|(name, value)| (name.clone(), sorted(value)))
                        .collect(),
                )
            }
            _ => result.clone(),
        };
        Value::set(results.map(of_result).collect())
    }

    fn input(&self, host: &mut Host) -> Result<Option<Value>, String> {
        if let Some(term) = &self.input_term {
            let program = compile(&[generated(format!("package whynot_input\n\nvalue := {term}\n"))])
                .map_err(|reasons| reasons.join("; "))?;
            return match evaluate(
                &program,
                "data.whynot_input.value",
                None,
                &Value::object(Vec::new()),
                host,
            ) {
                Outcome::Value(value) => Ok(Some(value)),
                other => Err(other.to_string()),
            };
        }
        self.input.as_deref().map(document).transpose()
    }

    /// The reference to evaluate, in which modules. A query that is more than a reference becomes a rule that collects
    /// what its variables can be.
    fn question(&self) -> (String, Vec<Module>) {
        if let Some((path, variable)) = self.query.split_once(" = ") {
            let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let mut parts = path.split('.');
            if parts.next() == Some("data") && parts.all(is_name) && matches!(variable, "x" | "b") {
                return (path.to_owned(), self.modules.clone());
            }
        }
        let members: BTreeSet<String> = self.variables.iter().map(|name| format!("{name:?}: {name}")).collect();
        let members: Vec<String> = members.into_iter().collect();
        let head = format!("results contains {{{}}} if", members.join(", "));
        let mut modules = self.modules.clone();
        modules.push(generated(format!(
            "package whynot_query\n\n{head} {{\n\t{}\n}}\n",
            self.query
        )));
        (WHOLE_QUERY.to_owned(), modules)
    }
}

const WHOLE_QUERY: &str = "data.whynot_query.results";

fn generated(text: String) -> Module {
    Module {
        file: "generated.rego".to_owned(),
        text,
        version: "v1".to_owned(),
    }
}

/// OPA's cases compare JSON: sets as sorted lists, keys as texts.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(plain).collect()),
        Value::Set(set) => Value::array(set.iter().map(plain).collect()),
        Value::Object(object) => {
            let key = |key: &Value| match key {
                Value::String(_) => key.clone(),
                other => Value::string(plain(other).to_json().to_string()),
            };
            Value::object(object.iter().map(|(k, v)| (key(k), plain(v))).collect())
        }
        other => other.clone(),
    }
}
