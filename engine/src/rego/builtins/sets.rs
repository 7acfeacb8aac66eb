//! Sets. `-` of sets is found as `minus`, among the operators of numbers.

use super::operands::{any, units, wrong};
use super::{Builtin, Fault, Host};
use crate::rego::value::{Set, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("and", 2, and),
    Builtin::new("intersection", 1, intersection),
    Builtin::new("or", 2, or),
    Builtin::new("set_diff", 2, difference),
    Builtin::new("union", 1, union),
];

fn set(args: &[Value], place: usize) -> Result<&Set, Fault> {
    let value = any(args, place)?;
    value.as_set().ok_or_else(|| wrong(place, value, "set"))
}

/// The members of the first set of which the second has as many as asked for: none or one.
fn filtered(host: &mut Host, a: &Set, b: &Set, wanted: bool) -> Result<Value, Fault> {
    host.spend(units((a.len() + b.len()) * 16))?;
    Ok(Value::set(
        a.iter()
            .filter(|member| b.contains(member) == wanted)
            .cloned()
            .collect(),
    ))
}

pub(super) fn difference(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    filtered(host, set(args, 0)?, set(args, 1)?, false)
}

fn and(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    filtered(host, set(args, 0)?, set(args, 1)?, true)
}

fn or(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (a, b) = (set(args, 0)?, set(args, 1)?);
    if a.is_empty() {
        return Ok(any(args, 1)?.clone());
    }
    if b.is_empty() {
        return Ok(any(args, 0)?.clone());
    }
    host.spend(units((a.len() + b.len()) * 16))?;
    Ok(Value::set(a.iter().chain(b.iter()).cloned().collect()))
}

/// The sets in a set.
fn sets(args: &[Value]) -> Result<Vec<&Set>, Fault> {
    let of = set(args, 0)?.iter();
    of.map(|member| member.as_set().ok_or_else(|| wrong(0, member, "set")))
        .collect()
}

fn intersection(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let sets = sets(args)?;
    host.spend(units(sets.iter().map(|set| set.len() * 16).sum()))?;
    let Some((first, others)) = sets.split_first() else {
        return Ok(Value::set(Vec::new()));
    };
    let in_all = |member: &&Value| others.iter().all(|other| other.contains(member));
    Ok(Value::set(first.iter().filter(in_all).cloned().collect()))
}

fn union(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let sets = sets(args)?;
    host.spend(units(sets.iter().map(|set| set.len() * 16).sum()))?;
    Ok(Value::set(sets.into_iter().flat_map(Set::iter).cloned().collect()))
}
