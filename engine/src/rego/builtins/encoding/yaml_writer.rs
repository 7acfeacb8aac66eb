//! YAML as go-yaml 3 writes it with an indent of two.

use std::cmp::Ordering;

use super::super::operands::units;
use super::super::time::is_timestamp;
use super::super::{Fault, Halt, Host};
use super::json::members;
use super::yaml_scalar::{Scalar, general, resolve};
use crate::rego::value::Value;

/// Longer keys are written behind a question mark.
const SIMPLE_KEY: usize = 128;

pub(super) fn write(host: &mut Host, value: &Value) -> Result<String, Fault> {
    let mut writer = Writer {
        out: String::new(),
        limit: host.budget,
    };
    match value {
        Value::Array(_) | Value::Set(_) | Value::Object(_) => writer.block(value, 0)?,
        _ => writer.inline(value, 0)?,
    }
    if !writer.out.ends_with('\n') {
        writer.out.push('\n');
    }
    host.spend(units(writer.out.len()))?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    limit: u64,
}

impl Writer {
    /// A list or a map whose first line is begun already.
    fn block(&mut self, value: &Value, indent: usize) -> Result<(), Fault> {
        if units(self.out.len()) > self.limit {
            return Err(Fault::Halt(Halt::Limit));
        }
        match value {
            Value::Array(items) => self.list(items, indent),
            Value::Set(set) => self.list(set.as_slice(), indent),
            Value::Object(object) if !object.is_empty() => {
                let mut members = members(object);
                members.sort_by(|a, b| natural(&a.0, &b.0));
                for (place, (key, value)) in members.into_iter().enumerate() {
                    self.line(place, indent);
                    self.member(&key, value, indent)?;
                }
                Ok(())
            }
            Value::Object(_) => {
                self.out.push_str("{}");
                Ok(())
            }
            _ => self.inline(value, indent),
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) -> Result<(), Fault> {
        if items.is_empty() {
            self.out.push_str("[]");
        }
        for (place, item) in items.iter().enumerate() {
            self.line(place, indent);
            self.out.push_str("- ");
            self.block(item, indent + 2)?;
        }
        Ok(())
    }

    fn member(&mut self, key: &str, value: &Value, indent: usize) -> Result<(), Fault> {
        if key.len() > SIMPLE_KEY || key.contains(is_break) {
            self.out.push_str("? ");
            self.text(key, indent + 2)?;
            self.line(1, indent);
            self.out.push_str(": ");
            return self.block(value, indent + 2);
        }
        self.text(key, indent + 2)?;
        self.out.push(':');
        let nested = match value {
            Value::Array(items) => !items.is_empty(),
            Value::Set(set) => !set.is_empty(),
            Value::Object(object) => !object.is_empty(),
            _ => false,
        };
        if nested {
            self.line(1, indent + 2);
        } else {
            self.out.push(' ');
        }
        self.block(value, indent + 2)
    }

    /// Begins a line, unless it is the first of its block.
    fn line(&mut self, place: usize, indent: usize) {
        if place > 0 {
            if !self.out.ends_with('\n') {
                self.out.push('\n');
            }
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
    }

    fn inline(&mut self, value: &Value, indent: usize) -> Result<(), Fault> {
        match value {
            Value::String(text) => return self.text(text, indent.max(2)),
            Value::Number(number) => {
                let text = number.to_string();
                match resolve(&text) {
                    Some(Scalar::Float(float)) => self.out.push_str(&general(&format!("{float:e}"))),
                    Some(Scalar::Int(int)) => self.out.push_str(&int.to_string()),
                    // Too large for a float: go-yaml takes it for a text.
                    _ => return self.text(&text, indent),
                }
            }
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            _ => self.out.push_str("null"),
        }
        Ok(())
    }

    fn text(&mut self, text: &str, indent: usize) -> Result<(), Fault> {
        // OPA reads its own JSON as YAML before it writes, and there these are refused.
        let refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
        if text.contains(refused) {
            return Err(Fault::new("control characters are not allowed"));
        }
        let analysis = Analysis::new(text);
        if text.contains('\n') {
            if analysis.block_allowed {
                self.literal(text, indent);
            } else {
                self.double_quoted(text);
            }
        } else if resolve(text).is_some() || is_timestamp(text) || is_ambiguous(text) {
            self.double_quoted(text);
        } else if analysis.plain_allowed {
            self.out.push_str(text);
        } else if analysis.single_allowed {
            self.out.push_str(&format!("'{}'", text.replace('\'', "''")));
        } else {
            self.double_quoted(text);
        }
        Ok(())
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.out.push('2');
        }
        let mut last = text.chars().rev();
        match (last.next().is_some_and(is_break), last.next().is_none_or(is_break)) {
            (false, _) => self.out.push('-'),
            (true, true) => self.out.push('+'),
            (true, false) => {}
        }
        self.out.push('\n');
        let mut begins = true;
        for c in text.chars() {
            if begins && !is_break(c) {
                self.out.extend(std::iter::repeat_n(' ', indent));
            }
            begins = is_break(c);
            self.out.push(c);
        }
    }

    fn double_quoted(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            if is_printable(c) && !is_break(c) && !matches!(c, '"' | '\\') {
                self.out.push(c);
                continue;
            }
            self.out.push('\\');
            let letter = match c {
                '\0' => '0',
                '\u{7}' => 'a',
                '\u{8}' => 'b',
                '\t' => 't',
                '\n' => 'n',
                '\u{b}' => 'v',
                '\u{c}' => 'f',
                '\r' => 'r',
                '\u{1b}' => 'e',
                '"' | '\\' => c,
                '\u{85}' => 'N',
                '\u{2028}' => 'L',
                '\u{2029}' => 'P',
                _ => {
                    let escape = match u32::from(c) {
                        code @ ..0x100 => format!("x{code:02X}"),
                        code @ ..0x1_0000 => format!("u{code:04X}"),
                        code => format!("U{code:08X}"),
                    };
                    self.out.push_str(&escape);
                    continue;
                }
            };
            self.out.push(letter);
        }
        self.out.push('"');
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// To go-yaml, which escapes everything that is longer than three bytes.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Booleans and numbers of base 60 in YAML 1.1.
fn is_ambiguous(text: &str) -> bool {
    let old = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF",
    ];
    if old.contains(&text) {
        return true;
    }
    // `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (text, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut parts = text.split(':');
    let whole = parts.next().unwrap_or_default();
    let mut sixtieths = parts.peekable();
    let sixtieth = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    whole.starts_with(|c: char| c.is_ascii_digit())
        && digits(whole)
        && digits(fraction)
        && sixtieths.peek().is_some()
        && sixtieths.all(sixtieth)
}

/// In which ways a text can be written.
struct Analysis {
    plain_allowed: bool,
    single_allowed: bool,
    block_allowed: bool,
}

impl Analysis {
    fn new(text: &str) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut breaks, mut special, mut tabs) = (false, false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut previous = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let blank_follows = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            let blank_precedes = previous.is_none_or(|c| matches!(c, ' ' | '\t') || is_break(c));
            indicators |= match c {
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    previous.is_none()
                }
                '?' | '-' => previous.is_none() && blank_follows,
                ':' => blank_follows,
                '#' => blank_precedes,
                _ => false,
            };
            tabs |= c == '\t';
            special |= c != '\t' && !is_printable(c);
            breaks |= is_break(c);
            break_space |= c == ' ' && previous.is_some_and(is_break);
            space_break |= is_break(c) && previous == Some(' ');
            previous = Some(c);
        }
        let outer = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
        let outer = outer(text.chars().next()) || outer(previous);
        let single_allowed = !(break_space || space_break || tabs || special);
        Self {
            plain_allowed: single_allowed && !outer && !breaks && !indicators,
            single_allowed,
            block_allowed: previous != Some(' ') && !space_break && !special,
        }
    }
}

/// go-yaml's order of keys: numbers within them count as numbers, and letters come last.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(place) = a.iter().zip(&b).position(|(a, b)| a != b) else {
        return a.len().cmp(&b.len());
    };
    let (Some(x), Some(y)) = (a.get(place), b.get(place)) else {
        return Ordering::Equal;
    };
    let first = |first: bool| if first { Ordering::Less } else { Ordering::Greater };
    let equal = a.get(..place).unwrap_or_default();
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(y),
        (false, false) => {}
        (x_is_letter, y_is_letter) => {
            let digits = equal.last().is_some_and(char::is_ascii_digit);
            return first(if digits { x_is_letter } else { y_is_letter });
        }
    }
    // A zero after other digits counts.
    let within = equal.iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let start = i64::from((*x == '0' || *y == '0') && within);
    let number = |text: &[char]| {
        let digits = text
            .get(place..)
            .unwrap_or_default()
            .iter()
            .map_while(|c| c.to_digit(10));
        let (mut value, mut length) = (start, 0_usize);
        for digit in digits {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            length += 1;
        }
        (value, length)
    };
    number(&a).cmp(&number(&b)).then(x.cmp(y))
}
