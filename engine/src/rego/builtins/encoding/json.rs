//! `json.marshal` and its kin, as Go's encoder writes: keys sorted, and nothing in it that HTML would read.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::de::IgnoredAny;

use super::super::operands::{any, object, text, units};
use super::super::{Fault, Halt, Host};
use crate::rego::json;
use crate::rego::value::{Object, Value};

/// Lists in lists that are read. Go reads 10,000; reading is recursive, and the stack of a filter is small.
const DEPTH: usize = 500;

pub(super) fn marshal(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    Ok(Value::string(written(host, any(args, 0)?, None)?))
}

pub(super) fn marshal_with_options(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (mut prefix, mut indent, mut pretty, mut implied) = ("", "\t", None, false);
    for (key, value) in object(args, 1)?.iter() {
        let wrong = || Fault::new(format!("operand 2 key {key} has a wrong value, or is unknown"));
        match key.as_str() {
            Some("prefix") => (prefix, implied) = (value.as_str().ok_or_else(wrong)?, true),
            Some("indent") => (indent, implied) = (value.as_str().ok_or_else(wrong)?, true),
            Some("pretty") => match value {
                Value::Bool(wanted) => pretty = Some(*wanted),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        }
    }
    if !pretty.unwrap_or(implied) {
        return marshal(host, args);
    }
    let text = written(host, any(args, 0)?, Some((prefix, indent)))?;
    Ok(Value::string(format!("{prefix}{text}")))
}

pub(super) fn unmarshal(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let text = text(args, 0)?;
    host.spend(units(text.len() * 4))?;
    parse(text)
}

pub(super) fn is_valid(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let Some(text) = any(args, 0)?.as_str() else {
        return Ok(Value::Bool(false));
    };
    host.spend(units(text.len()))?;
    Ok(Value::Bool(serde_json::from_str::<IgnoredAny>(text).is_ok()))
}

/// Reads what Go reads.
fn parse(text: &str) -> Result<Value, Fault> {
    if depth(text) > DEPTH {
        return Err(Fault::Halt(Halt::Limit));
    }
    match json::parse(text.as_bytes()) {
        Ok(value) => Ok(value),
        // Halves of surrogate pairs, which Go replaces.
        Err(reason) if text.contains(r"\u") => {
            json::parse(without_surrogates(text).as_bytes()).map_err(|_| Fault::new(reason))
        }
        Err(reason) => Err(Fault::new(reason)),
    }
}

/// How deep lists and objects are in each other.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// With `\ufffd` for each half of a pair that stands alone.
fn without_surrogates(text: &str) -> String {
    let unit = |text: &str| {
        let digits = text.strip_prefix(r"\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        out.push_str(before);
        let pair = escape.get(6..).and_then(unit);
        let (length, replaced) = match (unit(escape), pair) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => (12, false),
            (Some(0xD800..0xE000), _) => (6, true),
            _ => (2, false),
        };
        let (taken, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        out.push_str(if replaced { r"\ufffd" } else { taken });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The JSON of a value; with a prefix for each line and an indent, on many lines.
pub(super) fn written(host: &mut Host, value: &Value, lines: Option<(&str, &str)>) -> Result<String, Fault> {
    let mut writer = Writer {
        out: String::new(),
        lines,
        limit: host.budget,
    };
    writer.value(value, 0)?;
    host.spend(units(writer.out.len()))?;
    Ok(writer.out)
}

/// A key of an object as the text that JSON wants.
pub(super) fn key_text(key: &Value) -> String {
    if let Value::String(text) = key {
        return text.to_string();
    }
    let mut writer = Writer {
        out: String::new(),
        lines: None,
        limit: u64::MAX,
    };
    // Without a limit it does not fail.
    let _ = writer.value(key, 0);
    writer.out
}

/// The members in the order of their texts. Of keys with one text the last one stays.
pub(super) fn members(object: &Object) -> Vec<(String, &Value)> {
    let texts = object.iter().map(|(key, value)| (key_text(key), value));
    if object.iter().all(|(key, _)| key.as_str().is_some()) {
        return texts.collect();
    }
    texts.collect::<BTreeMap<_, _>>().into_iter().collect()
}

struct Writer<'a> {
    out: String,
    lines: Option<(&'a str, &'a str)>,
    limit: u64,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        if units(self.out.len()) > self.limit {
            return Err(Fault::Halt(Halt::Limit));
        }
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Number(number) => {
                let _ = write!(self.out, "{number}");
            }
            Value::String(text) => quote(&mut self.out, text),
            Value::Array(items) => self.list(items, depth)?,
            Value::Set(set) => self.list(set.as_slice(), depth)?,
            Value::Object(object) => {
                self.out.push('{');
                for (place, (key, value)) in members(object).into_iter().enumerate() {
                    self.separate(place, depth + 1);
                    quote(&mut self.out, &key);
                    self.out.push_str(if self.lines.is_some() { ": " } else { ":" });
                    self.value(value, depth + 1)?;
                }
                if !object.is_empty() {
                    self.line(depth);
                }
                self.out.push('}');
            }
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value], depth: usize) -> Result<(), Fault> {
        self.out.push('[');
        for (place, item) in items.iter().enumerate() {
            self.separate(place, depth + 1);
            self.value(item, depth + 1)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.out.push(']');
        Ok(())
    }

    fn separate(&mut self, place: usize, depth: usize) {
        if place > 0 {
            self.out.push(',');
        }
        self.line(depth);
    }

    fn line(&mut self, depth: usize) {
        if let Some((prefix, indent)) = self.lines {
            self.out.push('\n');
            self.out.push_str(prefix);
            (0..depth).for_each(|_| self.out.push_str(indent));
        }
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..=' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if c != ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
