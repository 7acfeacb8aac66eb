//! Objects that rules make in parts.

use std::collections::BTreeMap;

use crate::rego::builtins::Halt;
use crate::rego::plan::{Branch, Template};
use crate::rego::value::Value;

pub(super) fn unique(mut entries: Vec<(Value, Value)>) -> Result<Value, Halt> {
    entries.sort();
    entries.dedup();
    let is_double = entries.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0));
    if is_double {
        return Err(Halt::Error("object keys must be unique".to_owned()));
    }
    Ok(Value::object(entries))
}

/// What is there of rules such as `p.q[1][x]` though their bodies have no result: all up to the first place where one of them has
/// a key that is no constant, and whether a set is at the end.
#[expect(clippy::mutable_key_type, reason = "what is read late is the same before and after")]
pub(super) fn fixed_parts(branches: &[&Branch], path: &mut Vec<Value>, fixed: &mut Vec<(Vec<Value>, bool)>) {
    let depth = path.len();
    let constant = |branch: &&Branch| match branch.keys.get(depth) {
        Some(Template::Const(key)) => !matches!(key, Value::Array(_) | Value::Object(_) | Value::Set(_)),
        _ => false,
    };
    if !branches.iter().all(constant) {
        return;
    }
    let mut by_key: BTreeMap<&Value, Vec<&Branch>> = BTreeMap::new();
    for branch in branches {
        if let Some(Template::Const(key)) = branch.keys.get(depth) {
            by_key.entry(key).or_default().push(branch);
        }
    }
    for (key, below) in by_key {
        path.push(key.clone());
        let ends = |branch: &&Branch| branch.keys.len() == depth + 1;
        if below.iter().all(|branch| ends(branch) && branch.is_member) {
            fixed.push((path.clone(), true));
        } else if !below.iter().any(ends) {
            fixed.push((path.clone(), false));
            fixed_parts(&below, path, fixed);
        }
        path.pop();
    }
}

/// An object of parts that each know their keys.
#[expect(clippy::mutable_key_type, reason = "what is read late is the same before and after")]
pub(super) fn assemble(
    parts: Vec<(Vec<Value>, Value, bool)>,
    fixed: Vec<(Vec<Value>, bool)>,
    depth: usize,
) -> Result<Value, Halt> {
    let conflict = || Halt::Error("object keys must be unique".to_owned());
    // All parts end here: a set, or one value.
    if parts.iter().any(|(keys, _, _)| keys.len() == depth) {
        let is_set = parts
            .iter()
            .all(|(keys, _, is_member)| keys.len() == depth && *is_member);
        if is_set && depth > 0 {
            return Ok(Value::set(parts.into_iter().map(|(_, value, _)| value).collect()));
        }
        let mut values = parts.into_iter();
        let Some((keys, first, _)) = values.next() else {
            return Err(conflict());
        };
        let agrees = keys.len() == depth
            && values.all(|(keys, value, is_member)| keys.len() == depth && !is_member && value == first);
        return if agrees { Ok(first) } else { Err(conflict()) };
    }
    if parts.is_empty() && fixed.iter().any(|(keys, is_set)| keys.len() == depth && *is_set) {
        return Ok(Value::set(Vec::new()));
    }
    let mut by_key: BTreeMap<Value, (Vec<_>, Vec<_>)> = BTreeMap::new();
    for part in parts {
        if let Some(key) = part.0.get(depth).cloned() {
            by_key.entry(key).or_default().0.push(part);
        }
    }
    for part in fixed {
        if let Some(key) = part.0.get(depth).cloned() {
            by_key.entry(key).or_default().1.push(part);
        }
    }
    let entries = by_key
        .into_iter()
        .map(|(key, (parts, fixed))| Ok((key, assemble(parts, fixed, depth + 1)?)));
    Ok(Value::object(entries.collect::<Result<Vec<_>, Halt>>()?))
}
