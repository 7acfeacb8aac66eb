//! Whether a value is what a test asks for.

use super::Test;
use crate::rego::builtins::{self, Host};
use crate::rego::value::Value;

impl Test {
    /// Whether it holds; none when that cannot be told from the value alone.
    pub fn holds(&self, value: &Value, host: &mut Host) -> Option<bool> {
        let text = value.as_str();
        Some(match self {
            Self::True => value.is_true(),
            Self::Defined => true,
            Self::Among(values) => values.contains(value),
            Self::Prefix(starts) => any_text(starts, |start| text.is_some_and(|text| text.starts_with(start))),
            Self::Suffix(ends) => any_text(ends, |end| text.is_some_and(|text| text.ends_with(end))),
            Self::Contains(parts) => any_text(parts, |part| text.is_some_and(|text| text.contains(part))),
            Self::Regex(patterns) => patterns.iter().any(|pattern| {
                let args = [pattern.clone(), value.clone()];
                call("regex.match", &args, host) == Some(Value::Bool(true))
            }),
            Self::Glob(patterns) => patterns.iter().any(|pattern| {
                let args = [pattern.clone(), Value::array(Vec::new()), value.clone()];
                call("glob.match", &args, host) == Some(Value::Bool(true))
            }),
            Self::Has(member) => match value {
                Value::Array(items) => items.contains(member),
                Value::Set(set) => set.contains(member),
                Value::Object(object) => object.iter().any(|(_, value)| value == member),
                _ => false,
            },
            Self::AtLeast(least) => size(value)? >= *least,
            Self::AtMost(most) => size(value)? <= *most,
            Self::Type(name) => value.type_name() == *name,
            Self::Part { separator, place, test } => {
                let parts: Vec<&str> = text?.split(separator.as_str()).collect();
                let part = match place {
                    Some(place) => parts.get(*place),
                    None => parts.last(),
                };
                match part {
                    Some(part) => test.holds(&Value::string(part), host)?,
                    None => false,
                }
            }
            Self::Try(_) | Self::Named(_) => return None,
        })
    }
}

fn any_text(texts: &[Value], holds: impl Fn(&str) -> bool) -> bool {
    texts.iter().filter_map(Value::as_str).any(holds)
}

fn size(value: &Value) -> Option<usize> {
    Some(match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Set(set) => set.len(),
        Value::Object(object) => object.len(),
        _ => return None,
    })
}

/// The result of a builtin, when it has one.
pub(super) fn call(name: &str, args: &[Value], host: &mut Host) -> Option<Value> {
    host.budget = host.budget.max(10_000);
    let builtin = builtins::find(name)?;
    (builtin.run)(host, args).ok()
}
