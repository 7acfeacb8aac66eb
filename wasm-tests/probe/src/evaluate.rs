//! Programs, evaluated.

use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::rego::builtins::{Halt, Host};
use engine::rego::json;
use engine::rego::value::Value;
use engine::rego::{Dialect, Program, Source};

use crate::protocol::{Answer, Module, Outcome, Request};

/// More than anything takes that ends at all.
const BUDGET: u64 = 20_000_000;

/// Each query on each input.
///
/// # Errors
/// A document is no JSON. What is wrong with the modules is an answer.
pub fn answer(request: &Request) -> Result<Answer, String> {
    let Request {
        modules,
        data,
        inputs,
        queries,
    } = request;
    // A panic is a bug, and the work list has to name its case. In wasm it is a trap, which the host reports.
    let program = match catch_unwind(AssertUnwindSafe(|| compile(modules))) {
        Ok(Ok(program)) => program,
        Ok(Err(reasons)) => return Ok(Answer::Refused(reasons)),
        Err(_) => {
            let outcomes = vec![vec![Outcome::Panicked; queries.len()]; inputs.len()];
            return Ok(Answer::Outcomes(outcomes));
        }
    };
    let data = document(if data.is_empty() { "{}" } else { data })?;
    let mut host = Host::new(BUDGET);
    let outcomes = inputs.iter().map(|input| {
        let input = input.as_deref().map(document).transpose()?;
        let outcome = |query: &String| evaluate(&program, query, input.as_ref(), &data, &mut host);
        Ok(queries.iter().map(outcome).collect())
    });
    Ok(Answer::Outcomes(outcomes.collect::<Result<_, String>>()?))
}

/// The modules as a program, or why not.
pub(crate) fn compile(modules: &[Module]) -> Result<Program, Vec<String>> {
    let sources: Vec<Source<'_>> = modules
        .iter()
        .map(|module| Source {
            file: &module.file,
            text: &module.text,
            dialect: if module.version == "v0" {
                Dialect::V0
            } else {
                Dialect::V1
            },
        })
        .collect();
    Program::compile(&sources).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// What a reference is.
pub(crate) fn evaluate(
    program: &Program,
    query: &str,
    input: Option<&Value>,
    data: &Value,
    host: &mut Host,
) -> Outcome {
    host.budget = BUDGET;
    let value = catch_unwind(AssertUnwindSafe(|| program.eval(query, input, data, host)));
    match value {
        Ok(Ok(Some(value))) => Outcome::Value(value),
        Ok(Ok(None)) => Outcome::Undefined,
        Ok(Err(Halt::Limit | Halt::Depth)) => Outcome::Limit,
        Err(_) => Outcome::Panicked,
        Ok(Err(Halt::Error(error))) => Outcome::Error(error),
    }
}

pub(crate) fn document(text: &str) -> Result<Value, String> {
    json::parse(text.as_bytes()).map_err(|error| format!("{error}: {text}"))
}
