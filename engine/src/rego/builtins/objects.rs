//! `object.*`

use super::operands::{any, array, object, units, wrong};
use super::{Builtin, Fault, Host};
use crate::rego::value::{Object, Set, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("object.filter", 2, |host, args| kept(host, args, true)),
    Builtin::new("object.get", 3, get),
    Builtin::new("object.keys", 1, keys),
    Builtin::new("object.remove", 2, |host, args| kept(host, args, false)),
    Builtin::new("object.subset", 2, subset),
    Builtin::new("object.union", 2, union),
    Builtin::new("object.union_n", 1, union_n),
];

/// The members under the given keys, or all others.
fn kept(host: &mut Host, args: &[Value], listed: bool) -> Result<Value, Fault> {
    let object = object(args, 0)?;
    let keys = match any(args, 1)? {
        Value::Array(items) => {
            host.spend(units(items.len() * 32))?;
            Value::set(items.to_vec())
        }
        keys @ (Value::Object(_) | Value::Set(_)) => keys.clone(),
        other => return Err(wrong(1, other, "one of {object, set, array}")),
    };
    host.spend(units(object.len() * 16))?;
    let members = object.iter().filter(|(key, _)| keys.get(key).is_some() == listed);
    Ok(Value::object(
        members.map(|(key, value)| (key.clone(), value.clone())).collect(),
    ))
}

/// Under a key, or at the end of a path, which is a list of keys.
fn get(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let object = object(args, 0)?;
    let found = match any(args, 1)? {
        Value::Array(path) => path.iter().try_fold(any(args, 0)?, |value, key| value.get(key)),
        key => object.get(key),
    };
    found.map_or_else(|| any(args, 2), Ok).cloned()
}

fn keys(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let object = object(args, 0)?;
    host.spend(units(object.len() * 16))?;
    Ok(Value::set(object.iter().map(|(key, _)| key.clone()).collect()))
}

fn union(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (a, b) = (object(args, 0)?, object(args, 1)?);
    merge(host, &[a, b])
}

fn union_n(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let objects = array(args, 0)?.iter().map(|item| {
        let wanted = || {
            format!(
                "operand 1 must be array of objects but got array containing {}",
                item.type_name()
            )
        };
        item.as_object().ok_or_else(|| Fault::new(wanted()))
    });
    merge(host, &objects.collect::<Result<Vec<_>, _>>()?)
}

/// The last value of a key wins, except that objects which follow one another are merged.
fn merge(host: &mut Host, objects: &[&Object]) -> Result<Value, Fault> {
    host.spend(units(objects.iter().map(|object| object.len() * 32).sum()))?;
    let mut entries: Vec<(&Value, &Value)> = objects.iter().flat_map(|object| object.iter()).collect();
    // Stable: values of one key stay in the order of the objects.
    entries.sort_by(|a, b| a.0.cmp(b.0));
    let groups = entries.chunk_by(|a, b| a.0 == b.0).map(|group| {
        let start = group.iter().rposition(|(_, value)| value.as_object().is_none());
        let last: Vec<&Object> = group
            .iter()
            .skip(start.map_or(0, |start| start + 1))
            .filter_map(|(_, value)| value.as_object())
            .collect();
        let value = match group.last() {
            Some((_, value)) if last.len() < 2 => (*value).clone(),
            _ => merge(host, &last)?,
        };
        Ok((group.first().map_or(Value::Null, |(key, _)| (*key).clone()), value))
    });
    Ok(Value::object(groups.collect::<Result<Vec<_>, Fault>>()?))
}

fn subset(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let found = match (any(args, 0)?, any(args, 1)?) {
        (Value::Object(whole), Value::Object(part)) => object_has(host, whole, part)?,
        (Value::Set(whole), Value::Set(part)) => set_has(host, whole, part)?,
        (Value::Array(whole), Value::Array(part)) => array_has(host, whole, part)?,
        (Value::Array(whole), Value::Set(part)) => {
            host.spend(units(whole.len() * 16))?;
            // As in OPA, equal items count each time, and an empty set is in every list but the empty one.
            let mut missing = part.len();
            whole.iter().any(|item| {
                missing = missing.saturating_sub(usize::from(part.contains(item)));
                missing == 0
            })
        }
        _ => {
            return Err(Fault::new(
                "both arguments object.subset must be of the same type or array and set",
            ));
        }
    };
    Ok(found.into())
}

fn object_has(host: &mut Host, whole: &Object, part: &Object) -> Result<bool, Fault> {
    host.spend(units(part.len() * 16))?;
    for (key, part) in part.iter() {
        let Some(whole) = whole.get(key) else {
            return Ok(false);
        };
        let has = match (whole, part) {
            (Value::Object(whole), Value::Object(part)) => object_has(host, whole, part)?,
            (Value::Set(whole), Value::Set(part)) => set_has(host, whole, part)?,
            (Value::Array(whole), Value::Array(part)) => array_has(host, whole, part)?,
            (whole, part) => whole == part,
        };
        if !has {
            return Ok(false);
        }
    }
    Ok(true)
}

fn set_has(host: &mut Host, whole: &Set, part: &Set) -> Result<bool, Fault> {
    host.spend(units(part.len() * 16))?;
    Ok(part.iter().all(|member| whole.contains(member)))
}

/// Whether the part stands in the whole without a gap.
fn array_has(host: &mut Host, whole: &[Value], part: &[Value]) -> Result<bool, Fault> {
    host.spend(units(whole.len().saturating_mul(part.len()).saturating_mul(4)))?;
    Ok(part.is_empty() || whole.windows(part.len()).any(|window| window == part))
}
