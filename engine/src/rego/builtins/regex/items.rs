//! Escapes, classes and counts of Go's expressions.

use super::classes;
use super::translate::{NOTHING, Refused};

const BAD_ESCAPE: Refused = "invalid escape sequence";
pub(super) const BAD_CLASS: Refused = "invalid character class";

/// `{2}`, `{2,}`, `{2,3}` behind the brace. Counts that are too big to read are `None`.
#[expect(clippy::type_complexity, reason = "the counts, and what follows")]
pub(super) fn counts(text: &str) -> Option<(Option<u32>, Option<Option<u32>>, &str)> {
    fn number(text: &str) -> Option<(Option<u32>, &str)> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        Some((if digits.len() > 8 { None } else { digits.parse().ok() }, rest))
    }
    let (least, rest) = number(text)?;
    let Some(rest) = rest.strip_prefix(',') else {
        return Some((least, Some(least), rest.strip_prefix('}')?));
    };
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, None, rest));
    }
    let (most, rest) = number(rest)?;
    Some((least, Some(most), rest.strip_prefix('}')?))
}

/// `[:alpha:]` within a class.
pub(super) fn posix(text: &mut &str) -> Result<Option<String>, Refused> {
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) else {
        return Ok(None);
    };
    *text = rest;
    let members = classes::posix(name.strip_prefix('^').unwrap_or(name)).ok_or(BAD_CLASS)?;
    Ok(Some(bracketed(members, name.starts_with('^'))))
}

/// `\d`, `\pL`, `\P{Greek}` and the like behind the backslash: a class that stands by itself and within others.
pub(super) fn named(text: &mut &str) -> Result<Option<String>, Refused> {
    let mut chars = text.chars();
    let Some(letter) = chars.next() else { return Ok(None) };
    if let Some(members) = classes::perl(letter) {
        *text = chars.as_str();
        return Ok(Some(bracketed(members, letter.is_ascii_uppercase())));
    }
    if !matches!(letter, 'p' | 'P') {
        return Ok(None);
    }
    let inner = chars.as_str();
    let name = match inner.strip_prefix('{') {
        Some(braced) => braced.split_once('}').map(|(name, rest)| {
            *text = rest;
            name
        }),
        None => chars.next().and_then(|_| {
            *text = chars.as_str();
            inner.strip_suffix(chars.as_str())
        }),
    };
    let name = name.ok_or(BAD_CLASS)?;
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, letter == 'p'),
        None => (name, letter == 'P'),
    };
    let name = classes::unicode(name).ok_or(BAD_CLASS)?;
    Ok(Some(match (name.as_str(), negated) {
        ("", true) => r"[\x{0}-\x{10FFFF}]".to_owned(),
        ("", false) => NOTHING.to_owned(),
        (name, true) => format!(r"\P{{{name}}}"),
        (name, false) => format!(r"\p{{{name}}}"),
    }))
}

fn bracketed(members: &str, negated: bool) -> String {
    format!("[{}{members}]", if negated { "^" } else { "" })
}

/// One character of a class as its number, which may be that of a surrogate.
pub(super) fn class_char(text: &mut &str) -> Result<u32, Refused> {
    let mut chars = text.chars();
    let c = chars.next().ok_or("missing closing ]")?;
    *text = chars.as_str();
    if c == '\\' {
        escaped_number(text)
    } else {
        Ok(u32::from(c))
    }
}

/// The character that an escape stands for, behind its backslash. None: a surrogate, which no text has.
pub(super) fn escape(text: &mut &str) -> Result<Option<char>, Refused> {
    escaped_number(text).map(char::from_u32)
}

fn escaped_number(text: &mut &str) -> Result<u32, Refused> {
    let mut chars = text.chars();
    let c = chars.next().ok_or("trailing backslash at end of expression")?;
    let octal = |c: Option<char>| c.and_then(|c| c.to_digit(8));
    let number = match c {
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        'x' => {
            *text = chars.as_str();
            return hexadecimal(text);
        }
        '0'..='7' if c == '0' || octal(chars.clone().next()).is_some() => {
            let mut number = u32::from(c) - u32::from('0');
            for _ in 0..2 {
                let Some(digit) = octal(chars.clone().next()) else {
                    break;
                };
                number = number * 8 + digit;
                chars.next();
            }
            number
        }
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return Err(BAD_ESCAPE),
    };
    *text = chars.as_str();
    Ok(number)
}

/// `{263A}` or two digits.
fn hexadecimal(text: &mut &str) -> Result<u32, Refused> {
    let braced = text.strip_prefix('{').map(|braced| braced.split_once('}'));
    let (digits, rest) = braced.unwrap_or_else(|| text.split_at_checked(2)).ok_or(BAD_ESCAPE)?;
    *text = rest;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(BAD_ESCAPE);
    }
    let significant = digits.trim_start_matches('0');
    let number = if significant.is_empty() {
        Ok(0)
    } else {
        u32::from_str_radix(significant, 16)
    };
    number
        .ok()
        .filter(|number| *number <= u32::from(char::MAX))
        .ok_or(BAD_ESCAPE)
}

/// A range without the surrogates, which Rust's expressions do not know.
pub(super) fn write_range(class: &mut String, low: u32, high: u32) {
    for (from, to) in [(0, 0xD7FF), (0xE000, 0x0010_FFFF)] {
        let (low, high) = (low.max(from), high.min(to));
        if let (true, Some(first), Some(last)) = (low <= high, char::from_u32(low), char::from_u32(high)) {
            write_char(class, first);
            if first != last {
                class.push('-');
                write_char(class, last);
            }
        }
    }
}

pub(super) fn write_char(text: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        text.push(c);
    } else {
        text.push_str(&format!(r"\x{{{:X}}}", u32::from(c)));
    }
}
