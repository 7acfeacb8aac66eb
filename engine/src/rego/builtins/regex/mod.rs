//! `regex.*`, with the semantics of Go's `regexp`.

use regex::{Captures, Regex};

use super::operands::{int, text, units};
use super::{Builtin, Fault, Halt, Host};
use crate::rego::value::Value;

mod cache;
mod classes;
mod items;
mod template;
mod translate;

pub(super) use cache::compiled;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("regex.match", 2, is_match),
    Builtin::new("re_match", 2, is_match),
    Builtin::new("regex.is_valid", 1, is_valid),
    Builtin::new("regex.find_n", 3, find_n),
    Builtin::new("regex.find_all_string_submatch_n", 3, find_submatches),
    Builtin::new("regex.replace", 3, replace),
    Builtin::new("regex.split", 2, split),
    Builtin::new("regex.template_match", 4, template::run),
];

/// The expression in a place, after its work on so many bytes was paid for.
fn expression<'a>(host: &'a mut Host, pattern: &str, bytes: usize) -> Result<&'a Regex, Fault> {
    host.spend(cache::weight(pattern) + units(bytes) * (1 + units(pattern.len()) / 4))?;
    compiled(host, &cache::key(pattern), || translate::translate(pattern))
}

fn is_match(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (pattern, subject) = (text(args, 0)?, text(args, 1)?);
    Ok(Value::Bool(expression(host, pattern, subject.len())?.is_match(subject)))
}

fn is_valid(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let Ok(pattern) = text(args, 0) else {
        return Ok(Value::Bool(false));
    };
    host.spend(cache::weight(pattern))?;
    // Not by compiling it: one that is too large for us is still a valid one.
    Ok(Value::Bool(translate::translate(pattern).is_ok()))
}

/// How many matches are wanted: all, when the number is negative.
fn limit(args: &[Value], place: usize) -> Result<usize, Fault> {
    Ok(usize::try_from(int(args, place)?).unwrap_or(usize::MAX))
}

fn find_n(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (pattern, subject, limit) = (text(args, 0)?, text(args, 1)?, limit(args, 2)?);
    let budget = host.budget;
    let mut found = Vec::new();
    for part in expression(host, pattern, subject.len())?.find_iter(subject).take(limit) {
        found.push(Value::string(part.as_str()));
        check(budget, found.len())?;
    }
    pay(host, found.len())?;
    Ok(Value::array(found))
}

fn find_submatches(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (pattern, subject, limit) = (text(args, 0)?, text(args, 1)?, limit(args, 2)?);
    let budget = host.budget;
    let (mut found, mut parts) = (Vec::new(), 0);
    for captures in expression(host, pattern, subject.len())?
        .captures_iter(subject)
        .take(limit)
    {
        let group = |group: Option<regex::Match<'_>>| Value::string(group.map_or("", |group| group.as_str()));
        found.push(Value::array(captures.iter().map(group).collect()));
        parts += captures.len();
        check(budget, parts)?;
    }
    pay(host, parts)?;
    Ok(Value::array(found))
}

fn split(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (pattern, subject) = (text(args, 0)?, text(args, 1)?);
    let budget = host.budget;
    let expression = expression(host, pattern, subject.len())?;
    if !pattern.is_empty() && subject.is_empty() {
        return Ok(Value::array(vec![Value::string("")]));
    }
    let (mut parts, mut start, mut end) = (Vec::new(), 0, 0);
    for separator in expression.find_iter(subject) {
        end = separator.start();
        // An empty match at the beginning separates nothing.
        if separator.end() != 0 {
            parts.push(Value::string(subject.get(start..end).unwrap_or_default()));
        }
        start = separator.end();
        check(budget, parts.len())?;
    }
    if end != subject.len() {
        parts.push(Value::string(subject.get(start..).unwrap_or_default()));
    }
    pay(host, parts.len())?;
    Ok(Value::array(parts))
}

fn replace(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (subject, pattern, replacement) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    let budget = host.budget;
    let (mut result, mut end) = (String::new(), 0);
    for captures in expression(host, pattern, subject.len())?.captures_iter(subject) {
        let Some(whole) = captures.get(0) else { continue };
        result.push_str(subject.get(end..whole.start()).unwrap_or_default());
        expand(&mut result, replacement, &captures);
        end = whole.end();
        check(budget, result.len() / 4)?;
    }
    result.push_str(subject.get(end..).unwrap_or_default());
    pay(host, result.len() / 4)?;
    Ok(Value::string(result))
}

/// Fails as soon as a result of so many items cannot be paid for.
fn check(budget: u64, items: usize) -> Result<(), Fault> {
    if units(items * 4) > budget {
        return Err(Fault::Halt(Halt::Limit));
    }
    Ok(())
}

fn pay(host: &mut Host, items: usize) -> Result<(), Fault> {
    host.spend(units(items * 4))
}

/// Writes a replacement in which `$1`, `$name` and `${name}` stand for groups and `$$` for a dollar sign.
fn expand(result: &mut String, mut replacement: &str, captures: &Captures<'_>) {
    while let Some((before, after)) = replacement.split_once('$') {
        result.push_str(before);
        replacement = after;
        if let Some(rest) = after.strip_prefix('$') {
            result.push('$');
            replacement = rest;
        } else if let Some((name, rest)) = group_name(after) {
            result.push_str(group(captures, name));
            replacement = rest;
        } else {
            result.push('$');
        }
    }
    result.push_str(replacement);
}

/// The name after a dollar sign, and what follows it.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{').unwrap_or(text);
    let end = inner
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    let rest = if inner.len() == text.len() {
        rest
    } else {
        rest.strip_prefix('}')?
    };
    (!name.is_empty()).then_some((name, rest))
}

/// What a group matched. Groups that did not take part and groups that do not exist are empty.
fn group<'a>(captures: &Captures<'a>, name: &str) -> &'a str {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let padded = name.len() > 1 && name.starts_with('0');
    if digits && !padded && name.len() <= 8 {
        let number = name.parse().unwrap_or(usize::MAX);
        return captures.get(number).map_or("", |group| group.as_str());
    }
    translate::groups_of(name, captures).map_or("", |group| group.as_str())
}

#[cfg(test)]
mod tests;
