//! `regex.template_match`: a text with expressions between delimiters.

use super::super::operands::{text, units};
use super::super::{Fault, Host};
use super::{cache, compiled, translate};
use crate::rego::value::Value;

pub(super) fn run(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (template, subject) = (text(args, 0)?, text(args, 1)?);
    let delimiter = |place: usize, name: &str| match text(args, place)?.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(Fault::new(format!(
            "{name} delimiter has to be exactly one character long"
        ))),
    };
    let (start, end) = (delimiter(2, "start")?, delimiter(3, "end")?);
    host.spend(cache::weight(template) + units(subject.len()) * (1 + units(template.len()) / 4))?;
    let key = format!("\0template\0{}{}{template}", char::from(start), char::from(end));
    let expression = compiled(host, &key, || translate::translate(&expand(template, start, end)?))?;
    Ok(Value::Bool(expression.is_match(subject)))
}

/// The expression for a whole template.
fn expand(template: &str, start: u8, end: u8) -> Result<String, &'static str> {
    const UNBALANCED: &str = "unbalanced delimiters";
    let (mut depth, mut opened, mut done) = (0_usize, 0, 0);
    let mut pattern = String::from("^");
    for (place, byte) in template.bytes().enumerate() {
        // The start wins when both are the same.
        if byte == start {
            depth += 1;
            if depth == 1 {
                opened = place;
            }
        } else if byte == end {
            depth = depth.checked_sub(1).ok_or(UNBALANCED)?;
            if depth == 0 {
                quote(&mut pattern, template.get(done..opened).unwrap_or_default());
                let inner = template.get(opened + 1..place).unwrap_or_default();
                translate::translate(&format!("^{inner}$"))?;
                pattern.push('(');
                pattern.push_str(inner);
                pattern.push(')');
                done = place + 1;
            }
        }
    }
    if depth != 0 {
        return Err(UNBALANCED);
    }
    quote(&mut pattern, template.get(done..).unwrap_or_default());
    pattern.push('$');
    Ok(pattern)
}

fn quote(pattern: &mut String, text: &str) {
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
}
