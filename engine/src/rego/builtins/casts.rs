//! `to_number`, the `cast_*` functions, and numbers in other bases.

use super::arithmetic::number;
use super::operands::{any, items, text, units, wrong};
use super::{Builtin, Fault, Halt, Host};
use crate::rego::number::{Float, Number};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("cast_array", 1, cast_array),
    Builtin::new("cast_boolean", 1, |_, args| same(args, "boolean")),
    Builtin::new("cast_null", 1, |_, args| same(args, "null")),
    Builtin::new("cast_object", 1, |_, args| same(args, "object")),
    Builtin::new("cast_set", 1, cast_set),
    Builtin::new("cast_string", 1, |_, args| same(args, "string")),
    Builtin::new("format_int", 2, format_int),
    Builtin::new("to_number", 1, to_number),
];

/// The value itself, when it is of this type.
fn same(args: &[Value], wanted: &str) -> Result<Value, Fault> {
    let value = any(args, 0)?;
    if value.type_name() == wanted {
        return Ok(value.clone());
    }
    Err(wrong(0, value, wanted))
}

fn cast_array(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let items = items(args, 0)?;
    host.spend(units(items.len() * 16))?;
    Ok(Value::Array(items.into()))
}

fn cast_set(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let items = items(args, 0)?;
    host.spend(units(items.len() * 32))?;
    Ok(Value::set(items.to_vec()))
}

fn to_number(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let value = any(args, 0)?;
    match value {
        Value::Null => Ok(Value::from(0_i64)),
        Value::Bool(value) => Ok(Value::from(i64::from(*value))),
        Value::Number(_) => Ok(value.clone()),
        Value::String(_) => read(text(args, 0)?).map(Value::from),
        other => Err(wrong(0, other, "one of {null, boolean, number, string}")),
    }
}

/// What Go's `ParseFloat` reads: underscores between digits also, and nothing larger than a float.
fn read(text: &str) -> Result<Number, Fault> {
    let invalid = || Fault::new(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"));
    let unsigned = text.trim_start_matches(['+', '-']);
    if ["inf", "infinity", "nan"]
        .iter()
        .any(|name| unsigned.eq_ignore_ascii_case(name))
    {
        return Err(wrong(0, &Value::from(text), "valid number string"));
    }
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        // A hexadecimal float has an exponent to base two.
        if unsigned.contains(['p', 'P']) {
            return Err(Fault::Halt(Halt::Error(
                "to_number: hexadecimal floats are not supported".to_owned(),
            )));
        }
        return Err(invalid());
    }
    let number = if text.contains('_') {
        let between_digits = |(at, _): (usize, &str)| {
            let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
            let bytes = text.as_bytes();
            digit(at.checked_sub(1).and_then(|before| bytes.get(before))) && digit(bytes.get(at + 1))
        };
        if !text.match_indices('_').all(between_digits) {
            return Err(invalid());
        }
        Number::parse(&text.replace('_', ""))
    } else {
        Number::parse(text)
    };
    // Numbers beyond all bounds are beyond those of floats, the tiny ones apart.
    let number = number.ok_or_else(invalid)?;
    if number.as_f64().is_infinite() {
        return Err(Fault::new(format!(
            "strconv.ParseFloat: parsing {text:?}: value out of range"
        )));
    }
    Ok(number)
}

fn format_int(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (number, base) = (number(args, 0)?, number(args, 1)?);
    let radix = match base {
        Number::Int(2) => 2,
        Number::Int(8) => 8,
        Number::Int(10) => 10,
        Number::Int(16) => 16,
        _ => return Err(Fault::new("operand 2 must be one of {2, 8, 10, 16}")),
    };
    host.spend(number.cost())?;
    // The text of a whole number is read exactly, any other one as a float.
    let integer = if number.is_written_as_float() {
        Float::from(number).truncate()?
    } else {
        number.to_integer().unwrap_or_default()
    };
    Ok(integer.to_str_radix(radix).into())
}
