//! The smallest program and input on which two evaluators still differ.

use std::fmt;

use serde_json::Value;
use wasm_tests::opa::{Answer, Evaluator, Native, Oracle, Outcome, Request};

use crate::generate::Program;

/// How many smaller programs are tried.
const ATTEMPTS: usize = 1500;

/// A program with one input and one query, and what both make of it.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    program: Program,
    theirs: Outcome,
    ours: Outcome,
}

impl Difference {
    pub(crate) fn new(program: Program, theirs: Outcome, ours: Outcome) -> Self {
        Self { program, theirs, ours }
    }
}

/// Takes away whatever does not change that they differ.
pub(crate) fn shrunk(mut difference: Difference, oracle: &mut Oracle) -> Difference {
    let mut left = ATTEMPTS;
    // A smaller query first: a whole package is only as wrong as one of its rules.
    while let Some(smaller) = candidates(&difference.program).into_iter().find_map(|program| {
        left = left.checked_sub(1)?;
        differs(program, oracle)
    }) {
        difference = smaller;
    }
    difference
}

fn candidates(program: &Program) -> Vec<Program> {
    let mut found = Vec::new();
    for (place, rules) in program.packages.iter().enumerate() {
        found.extend(rules.smaller().into_iter().map(|rules| {
            let mut program = program.clone();
            program.packages[place] = rules;
            program
        }));
    }
    found.extend(smaller_json(&program.inputs[0]).into_iter().map(|input| Program {
        inputs: vec![input],
        ..program.clone()
    }));
    found.extend(smaller_json(&program.data).into_iter().map(|data| Program {
        data,
        ..program.clone()
    }));
    found
}

/// The document without one of its parts.
pub(crate) fn smaller_json(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            for key in members.keys() {
                let mut members = members.clone();
                members.remove(key);
                found.push(Value::Object(members));
            }
            for (key, member) in members {
                found.extend(smaller_json(member).into_iter().map(|member| {
                    let mut members = members.clone();
                    members.insert(key.clone(), member);
                    Value::Object(members)
                }));
            }
        }
        Value::Array(items) => {
            for place in 0..items.len() {
                let mut items = items.clone();
                items.remove(place);
                found.push(Value::Array(items));
            }
            for (place, item) in items.iter().enumerate() {
                found.extend(smaller_json(item).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[place] = item;
                    Value::Array(items)
                }));
            }
        }
        _ => {}
    }
    found
}

fn differs(program: Program, oracle: &mut Oracle) -> Option<Difference> {
    let request = program.request();
    let (Answer::Outcomes(theirs), Answer::Outcomes(ours)) = (oracle.ask(&request).ok()?, Native.ask(&request).ok()?)
    else {
        return None;
    };
    let (theirs, ours) = (theirs.concat().pop()?, ours.concat().pop()?);
    let compared = compare(&request, (&theirs, &ours), oracle);
    (compared == Comparison::Different).then_some(Difference { program, theirs, ours })
}

/// How two outcomes of one query relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same,
    /// Both fail, were OPA not to pass over rules whose result is not needed.
    PassedOver,
    /// OPA has a bug there.
    Unanswered,
    Different,
}

/// The request has one input and one query.
pub(crate) fn compare(request: &Request, (theirs, ours): (&Outcome, &Outcome), oracle: &mut Oracle) -> Comparison {
    if theirs.is_internal_error() {
        return Comparison::Unanswered;
    }
    if theirs.agrees(ours) {
        return Comparison::Same;
    }
    if !matches!(ours, Outcome::Error(_)) {
        return Comparison::Different;
    }
    match oracle.ask_thoroughly(request) {
        Ok(Answer::Outcomes(outcomes)) if outcomes.concat().iter().all(|outcome| outcome.agrees(ours)) => {
            Comparison::PassedOver
        }
        _ => Comparison::Different,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, theirs, ours } = self;
        writeln!(out, "--- seed {} ---", program.seed)?;
        for module in program.modules() {
            if !module
                .text
                .trim_end()
                .ends_with(&format!("package {}", module.file.trim_end_matches(".rego")))
            {
                writeln!(out, "{}", module.text.trim_end())?;
            }
        }
        writeln!(out, "query:  {}", program.queries[0])?;
        writeln!(out, "data:   {}", program.data)?;
        writeln!(out, "input:  {}", program.inputs[0])?;
        writeln!(out, "OPA:    {theirs}")?;
        write!(out, "whynot: {ours}")
    }
}
