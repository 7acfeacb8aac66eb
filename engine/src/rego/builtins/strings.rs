//! Texts. Places in them are counted in characters, as OPA counts them.

use super::operands::{any, int, items, object, text, units, wrong};
use super::replacement::{replace, replace_many};
use super::text::{lower, upper};
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("concat", 2, concat),
    Builtin::new("contains", 2, |host, args| {
        compare(host, args, |text, part| text.contains(part))
    }),
    Builtin::new("endswith", 2, |host, args| {
        compare(host, args, |text, part| text.ends_with(part))
    }),
    Builtin::new("indexof", 2, index_of),
    Builtin::new("indexof_n", 2, index_of_all),
    Builtin::new("lower", 1, |host, args| changed(host, args, lower)),
    Builtin::new("replace", 3, |host, args| {
        replace(host, text(args, 0)?, text(args, 1)?, text(args, 2)?)
    }),
    Builtin::new("split", 2, split),
    Builtin::new("startswith", 2, |host, args| {
        compare(host, args, |text, part| text.starts_with(part))
    }),
    Builtin::new("strings.any_prefix_match", 2, |host, args| {
        any_match(host, args, |text, part| text.starts_with(part))
    }),
    Builtin::new("strings.any_suffix_match", 2, |host, args| {
        any_match(host, args, |text, part| text.ends_with(part))
    }),
    Builtin::new("strings.count", 2, count),
    Builtin::new("strings.replace_n", 2, replace_n),
    Builtin::new("strings.reverse", 1, |host, args| {
        changed(host, args, |text| text.chars().rev().collect())
    }),
    Builtin::new("strings.split_n", 3, split_n),
    Builtin::new("substring", 3, substring),
    Builtin::new("trim", 2, |host, args| {
        cut(host, args, |text, set| text.trim_matches(|c| set.contains(c)))
    }),
    Builtin::new("trim_left", 2, |host, args| {
        cut(host, args, |text, set| text.trim_start_matches(|c| set.contains(c)))
    }),
    Builtin::new("trim_prefix", 2, |host, args| {
        cut(host, args, |text, part| text.strip_prefix(part).unwrap_or(text))
    }),
    Builtin::new("trim_right", 2, |host, args| {
        cut(host, args, |text, set| text.trim_end_matches(|c| set.contains(c)))
    }),
    Builtin::new("trim_space", 1, |host, args| {
        changed(host, args, |text| text.trim().to_owned())
    }),
    Builtin::new("upper", 1, |host, args| changed(host, args, upper)),
    Builtin::new("trim_suffix", 2, |host, args| {
        cut(host, args, |text, part| text.strip_suffix(part).unwrap_or(text))
    }),
];

fn compare(host: &mut Host, args: &[Value], run: fn(&str, &str) -> bool) -> Result<Value, Fault> {
    let (text, part) = (text(args, 0)?, text(args, 1)?);
    host.spend(units(text.len()))?;
    Ok(run(text, part).into())
}

fn changed(host: &mut Host, args: &[Value], run: fn(&str) -> String) -> Result<Value, Fault> {
    let text = text(args, 0)?;
    host.spend(units(text.len()))?;
    Ok(run(text).into())
}

fn cut(host: &mut Host, args: &[Value], run: for<'a> fn(&'a str, &str) -> &'a str) -> Result<Value, Fault> {
    let (text, part) = (text(args, 0)?, text(args, 1)?);
    // A set of characters is looked through for each character that falls.
    host.spend(units(text.len().saturating_mul(1 + part.len() / 16)))?;
    Ok(run(text, part).into())
}

/// The texts of a list or a set.
fn texts(args: &[Value], place: usize) -> Result<Vec<&str>, Fault> {
    let of = items(args, place)?.iter().map(|item| {
        item.as_str().ok_or_else(|| {
            let list = any(args, place).map_or("array", Value::type_name);
            let wanted = format!("{list} of strings but got {list} containing {}", item.type_name());
            Fault::new(format!("operand {} must be {wanted}", place + 1))
        })
    });
    of.collect()
}

fn concat(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (between, parts) = (text(args, 0)?, texts(args, 1)?);
    let size = parts.iter().map(|part| part.len()).sum::<usize>();
    host.spend(units(
        size.saturating_add(parts.len().saturating_mul(between.len() + 16)),
    ))?;
    Ok(parts.join(between).into())
}

/// The text and what is looked for in it, which is not nothing.
fn search<'a>(host: &mut Host, args: &'a [Value]) -> Result<(&'a str, &'a str), Fault> {
    let (text, wanted) = (text(args, 0)?, text(args, 1)?);
    if wanted.is_empty() {
        return Err(Fault::new("empty search character"));
    }
    host.spend(units(text.len()))?;
    Ok((text, wanted))
}

fn index_of(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (text, wanted) = search(host, args)?;
    match text.split_once(wanted) {
        Some((before, _)) => Ok(before.chars().count().into()),
        None => Ok(Value::from(-1_i64)),
    }
}

/// Those that overlap also.
fn index_of_all(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (text, wanted) = search(host, args)?;
    let mut places = Vec::new();
    let (mut place, mut rest) = (0, text);
    while let Some((before, _)) = rest.split_once(wanted) {
        host.spend(units(wanted.len()))?;
        place += before.chars().count();
        places.push(place.into());
        // On behind the first character of this one.
        let mut behind = rest.get(before.len()..).unwrap_or_default().chars();
        behind.next();
        place += 1;
        rest = behind.as_str();
    }
    Ok(Value::array(places))
}

fn count(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (text, wanted) = (text(args, 0)?, text(args, 1)?);
    host.spend(units(text.len()))?;
    Ok(text.matches(wanted).count().into())
}

fn substring(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (text, from, length) = (text(args, 0)?, int(args, 1)?, int(args, 2)?);
    let Ok(from) = usize::try_from(from) else {
        return Err(Fault::new("negative offset"));
    };
    host.spend(units(text.len()))?;
    // The byte at which this character begins.
    let byte = |text: &str, place: usize| text.char_indices().nth(place).map_or(text.len(), |(byte, _)| byte);
    let rest = text.get(byte(text, from)..).unwrap_or_default();
    // A negative length: all the rest.
    let end = usize::try_from(length).map_or(rest.len(), |length| byte(rest, length));
    Ok(rest.get(..end).unwrap_or_default().into())
}

/// The parts; without anything between them, the characters.
fn parts<'a>(host: &mut Host, text: &'a str, between: &str) -> Result<Vec<&'a str>, Fault> {
    host.spend(units(text.len()))?;
    host.spend(units(text.matches(between).count() * 16))?;
    Ok(if between.is_empty() {
        text.split("").filter(|part| !part.is_empty()).collect()
    } else {
        text.split(between).collect()
    })
}

fn list(parts: &[&str]) -> Value {
    Value::Array(parts.iter().copied().map(Value::from).collect())
}

fn split(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (text, between) = (text(args, 0)?, text(args, 1)?);
    Ok(list(&parts(host, text, between)?))
}

/// The first parts, or the last ones for a negative number.
fn split_n(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (text, between, count) = (text(args, 0)?, text(args, 1)?, int(args, 2)?);
    let parts = parts(host, text, between)?;
    let size = usize::try_from(count.unsigned_abs())
        .unwrap_or(usize::MAX)
        .min(parts.len());
    let range = if count < 0 {
        parts.len() - size..parts.len()
    } else {
        0..size
    };
    Ok(list(parts.get(range).unwrap_or_default()))
}

fn replace_n(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (patterns, subject) = (object(args, 0)?, text(args, 1)?);
    let pair = |(old, new): (&'_ Value, &'_ Value)| -> Result<_, Fault> {
        let wrong = |what: &str| Fault::new(format!("operand 1 non-string {what} found in pattern object"));
        let old = old.as_str().ok_or_else(|| wrong("key"))?.to_owned();
        Ok((old, new.as_str().ok_or_else(|| wrong("value"))?.to_owned()))
    };
    let pairs = patterns.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    replace_many(host, subject, &pairs)
}

/// One text, or those of a list or a set.
fn one_or_more(args: &[Value], place: usize) -> Result<Vec<&str>, Fault> {
    match any(args, place)? {
        Value::String(text) => Ok(vec![text]),
        Value::Array(_) | Value::Set(_) => texts(args, place),
        other => Err(wrong(place, other, "one of {string, set, array}")),
    }
}

fn any_match(host: &mut Host, args: &[Value], run: fn(&str, &str) -> bool) -> Result<Value, Fault> {
    let (texts, parts) = (one_or_more(args, 0)?, one_or_more(args, 1)?);
    host.spend(units(texts.len().saturating_mul(parts.len()).saturating_mul(4)))?;
    Ok(texts.iter().any(|text| parts.iter().any(|part| run(text, part))).into())
}
