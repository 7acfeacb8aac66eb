//! Texts as Go handles them: what it quotes and escapes, and its letters, of which each becomes one other.

use std::fmt::Write;

use crate::rego::value::Value;

/// A value as OPA writes it into a text: JSON, with texts quoted as Go quotes them, and `set()` or `{1, 2}`.
pub(super) fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(&quote(text, '"', false)),
        Value::Array(items) => write_list(out, ['[', ']'], items.iter()),
        Value::Set(set) if set.is_empty() => out.push_str("set()"),
        Value::Set(set) => write_list(out, ['{', '}'], set.iter()),
        Value::Object(object) => {
            out.push('{');
            for (place, (key, value)) in object.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                write_value(out, key);
                out.push_str(": ");
                write_value(out, value);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn write_list<'a>(out: &mut String, [open, close]: [char; 2], items: impl Iterator<Item = &'a Value>) {
    out.push(open);
    for (place, item) in items.enumerate() {
        out.push_str(if place == 0 { "" } else { ", " });
        write_value(out, item);
    }
    out.push(close);
}

/// A text as Go writes it in source: `"a\n\u200b"`.
pub(super) fn quote(text: &str, mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for letter in text.chars() {
        escape(&mut out, letter, mark, ascii);
    }
    out.push(mark);
    out
}

fn escape(out: &mut String, letter: char, mark: char, ascii: bool) {
    let short = match letter {
        '\\' => '\\',
        _ if letter == mark => mark,
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        _ => {
            if is_printed(letter) && (letter.is_ascii() || !ascii) {
                out.push(letter);
                return;
            }
            let code = u32::from(letter);
            // Writing to a text does not fail.
            let _ = match code {
                0..0x80 => write!(out, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            return;
        }
    };
    out.push('\\');
    out.push(short);
}

/// Letters, marks, numbers, punctuation, symbols and the plain space: what Go calls printable.
pub(super) fn is_printed(letter: char) -> bool {
    if letter.is_ascii() {
        return matches!(letter, ' '..='~');
    }
    // Rust escapes the same ones, and marks where a text begins, which is why there is something before it.
    let mut probe = String::from("a");
    probe.push(letter);
    probe.escape_debug().nth(1) == Some(letter)
}

/// Whether the text can stand between backquotes.
pub(super) fn fits_backquotes(text: &str) -> bool {
    text.chars()
        .all(|letter| letter == '\t' || letter >= ' ' && !matches!(letter, '`' | '\u{7f}' | '\u{feff}'))
}

/// Small letters, one for one: Go does not know that some become two.
pub(super) fn lower(text: &str) -> String {
    text.chars()
        .map(|letter| {
            let mut small = letter.to_lowercase();
            match (small.next(), small.next()) {
                (Some(one), None) => one,
                // The only one.
                _ => 'i',
            }
        })
        .collect()
}

/// Capital letters, one for one.
pub(super) fn upper(text: &str) -> String {
    text.chars()
        .map(|letter| {
            let mut capital = letter.to_uppercase();
            match (capital.next(), capital.next()) {
                (Some(one), None) => one,
                _ => upper_of_two(letter),
            }
        })
        .collect()
}

/// The one capital of a letter that Unicode's full mapping writes as several: Greek ones with an iota below have one,
/// all others stay as they are.
fn upper_of_two(letter: char) -> char {
    let distance = match letter {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(letter) + distance).unwrap_or(letter)
}
