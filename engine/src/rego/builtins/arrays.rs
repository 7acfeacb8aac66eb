//! `array.*`

use super::operands::{any, array, int, units};
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("array.concat", 2, concat),
    Builtin::new("array.flatten", 1, flatten),
    Builtin::new("array.reverse", 1, reverse),
    Builtin::new("array.slice", 3, slice),
];

fn concat(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (a, b) = (array(args, 0)?, array(args, 1)?);
    if a.is_empty() {
        return Ok(any(args, 1)?.clone());
    }
    if b.is_empty() {
        return Ok(any(args, 0)?.clone());
    }
    host.spend(units((a.len() + b.len()) * 16))?;
    Ok(Value::array([a, b].concat()))
}

/// By one level.
fn flatten(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let items = array(args, 0)?;
    host.spend(units(
        items
            .iter()
            .map(|item| 16 * item.as_array().map_or(1, <[Value]>::len))
            .sum(),
    ))?;
    let mut flat = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::Array(nested) => flat.extend_from_slice(nested),
            other => flat.push(other.clone()),
        }
    }
    Ok(Value::array(flat))
}

fn reverse(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let items = array(args, 0)?;
    host.spend(units(items.len() * 16))?;
    Ok(Value::Array(items.iter().rev().cloned().collect()))
}

/// What is outside is cut off.
fn slice(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (items, from, to) = (array(args, 0)?, int(args, 1)?, int(args, 2)?);
    let to = usize::try_from(to.max(0)).unwrap_or(usize::MAX).min(items.len());
    let from = usize::try_from(from.max(0)).unwrap_or(usize::MAX).min(to);
    host.spend(units((to - from) * 16))?;
    Ok(Value::Array(items.get(from..to).unwrap_or_default().into()))
}
