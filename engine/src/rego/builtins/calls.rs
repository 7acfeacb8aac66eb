//! Calls written as in Rego, with what OPA makes of them: `("plus(0.1, 0.2)", "0.3")`.

use super::text::write_value;
use super::{Fault, Halt, Host, find};
use crate::rego::json;
use crate::rego::number::Number;
use crate::rego::value::Value;

mod collections;
mod formats;
mod limits;
mod numbers;
mod texts;

/// Compares the results of all calls, and shows all that differ.
fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(call, wanted)| (call, wanted, result(call)))
        .filter(|(_, wanted, found)| *wanted != found)
        .map(|(call, wanted, found)| format!("{call}\n  wanted {wanted}\n  found  {found}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} calls:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// The result as Rego writes it, or `undefined: why`, or `limit`.
fn result(call: &str) -> String {
    let (name, args) = call.strip_suffix(')').unwrap().split_once('(').unwrap();
    let args = format!("[{args}]");
    let args = Reader { rest: &args }.value();
    let builtin = find(name).unwrap_or_else(|| panic!("there is no {name}"));
    let args = args.as_array().unwrap();
    assert_eq!(args.len(), builtin.arity, "arguments of {name}");
    match (builtin.run)(&mut Host::new(1_000_000), args) {
        Ok(value) => {
            let mut out = String::new();
            write_value(&mut out, &value);
            out
        }
        Err(Fault::Undefined(reason)) => format!("undefined: {reason}"),
        Err(Fault::Halt(Halt::Limit | Halt::Depth)) => "limit".to_owned(),
        Err(Fault::Halt(Halt::Error(reason))) => format!("error: {reason}"),
    }
}

/// Reads JSON and sets.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn next_is(&mut self, sign: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self) -> Value {
        for (name, value) in [
            ("null", Value::Null),
            ("true", true.into()),
            ("false", false.into()),
            ("set()", Value::set(vec![])),
        ] {
            if self.next_is(name) {
                return value;
            }
        }
        if self.next_is("[") {
            let mut items = Vec::new();
            while !self.next_is("]") {
                items.push(self.value());
                self.next_is(",");
            }
            return Value::array(items);
        }
        if self.next_is("{") {
            return self.object_or_set();
        }
        let end = match self.rest.strip_prefix('"') {
            Some(text) => {
                let mut escaped = false;
                let ends = |byte: u8| {
                    let ends = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    ends
                };
                2 + text.bytes().position(ends).unwrap()
            }
            None => self.rest.find([',', ']', '}', ':', ' ']).unwrap(),
        };
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        // Not all that Rego reads as a number is JSON.
        Number::parse(text).map_or_else(|| json::parse(text.as_bytes()).unwrap(), Value::Number)
    }

    fn object_or_set(&mut self) -> Value {
        let (mut members, mut entries) = (Vec::new(), Vec::new());
        while !self.next_is("}") {
            let member = self.value();
            if self.next_is(":") {
                entries.push((member, self.value()));
            } else {
                members.push(member);
            }
            self.next_is(",");
        }
        if members.is_empty() {
            Value::object(entries)
        } else {
            Value::set(members)
        }
    }
}
