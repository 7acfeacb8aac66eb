//! `count`, `sum`, `max` and the like, and `in`.

use super::operands::{any, units, wrong};
use super::{Builtin, Fault, Host};
use crate::rego::number::Number;
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("all", 1, all),
    Builtin::new("any", 1, some),
    Builtin::new("count", 1, count),
    Builtin::new("internal.member_2", 2, member),
    Builtin::new("internal.member_3", 3, member_with_key),
    Builtin::new("max", 1, max),
    Builtin::new("min", 1, min),
    Builtin::new("product", 1, product),
    Builtin::new("sort", 1, sort),
    Builtin::new("sum", 1, sum),
];

/// In OPA's words, and its order of them.
const SET_OR_ARRAY: &str = "one of {set, array}";

fn count(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    match any(args, 0)? {
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(object) => Ok(object.len().into()),
        Value::Set(set) => Ok(set.len().into()),
        Value::String(text) => Ok(text.chars().count().into()),
        other => Err(wrong(0, other, "one of {array, object, set, string}")),
    }
}

/// The items of a list or a set.
fn items<'a>(args: &'a [Value], wanted: &str) -> Result<&'a [Value], Fault> {
    match any(args, 0)? {
        Value::Array(items) => Ok(items),
        Value::Set(set) => Ok(set.as_slice()),
        other => Err(wrong(0, other, wanted)),
    }
}

/// The numbers of a list or a set.
fn numbers<'a>(host: &mut Host, args: &'a [Value]) -> Result<Vec<&'a Number>, Fault> {
    let mut cost = 0;
    let mut numbers = Vec::new();
    for item in items(args, SET_OR_ARRAY)? {
        let Value::Number(number) = item else {
            let list = any(args, 0)?.type_name();
            let wanted = format!("{list} of numbers but got {list} containing {}", item.type_name());
            return Err(Fault::new(format!("operand 1 must be {wanted}")));
        };
        cost += number.cost();
        numbers.push(number);
    }
    host.spend(units(numbers.len()) + cost)?;
    Ok(numbers)
}

fn sum(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    Ok(Number::sum(numbers(host, args)?.iter().copied())?.into())
}

fn product(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let numbers = numbers(host, args)?;
    // The product grows with each factor, and so does the work for it.
    if numbers.len() > 16 {
        host.spend(units(numbers.len() * 64))?;
    }
    Ok(Number::product(numbers.iter().copied())?.into())
}

fn max(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let items = items(args, SET_OR_ARRAY)?;
    host.spend(units(items.len()))?;
    // Of equal ones the last, as in OPA: `1.0` after `1`.
    items
        .iter()
        .max()
        .cloned()
        .ok_or_else(|| Fault::new("of nothing there is no maximum"))
}

fn min(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let items = items(args, SET_OR_ARRAY)?;
    host.spend(units(items.len()))?;
    items
        .iter()
        .rev()
        .min()
        .cloned()
        .ok_or_else(|| Fault::new("of nothing there is no minimum"))
}

fn sort(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let items = items(args, SET_OR_ARRAY)?;
    host.spend(units(items.len() * 32))?;
    let mut items = items.to_vec();
    items.sort();
    Ok(Value::array(items))
}

fn all(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    Ok(items(args, "one of {array, set}")?
        .iter()
        .all(|item| *item == Value::Bool(true))
        .into())
}

fn some(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    Ok(items(args, "one of {array, set}")?.contains(&Value::Bool(true)).into())
}

/// `x in xs`
fn member(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let wanted = any(args, 0)?;
    let found = match any(args, 1)? {
        Value::Set(set) => set.contains(wanted),
        Value::Array(items) => {
            host.spend(units(items.len()))?;
            items.contains(wanted)
        }
        Value::Object(object) => {
            host.spend(units(object.len()))?;
            object.iter().any(|(_, value)| value == wanted)
        }
        _ => false,
    };
    Ok(found.into())
}

/// `key, x in xs`
fn member_with_key(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (key, wanted) = (any(args, 0)?, any(args, 1)?);
    let found = match any(args, 2)? {
        Value::Set(set) => set.contains(key) && key == wanted,
        collection => collection.get(key) == Some(wanted),
    };
    Ok(found.into())
}
