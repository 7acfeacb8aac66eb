//! Arguments of the types that functions want; what does not fit is worded as OPA words it.

use super::Fault;
use crate::rego::value::{Object, Value};

/// The argument in this place.
pub(super) fn any(args: &[Value], place: usize) -> Result<&Value, Fault> {
    args.get(place)
        .ok_or_else(|| Fault::new(format!("operand {} is missing", place + 1)))
}

/// A text.
pub(super) fn text(args: &[Value], place: usize) -> Result<&str, Fault> {
    let value = any(args, place)?;
    value.as_str().ok_or_else(|| wrong(place, value, "string"))
}

/// An object.
pub(super) fn object(args: &[Value], place: usize) -> Result<&Object, Fault> {
    let value = any(args, place)?;
    value.as_object().ok_or_else(|| wrong(place, value, "object"))
}

/// A list.
pub(super) fn array(args: &[Value], place: usize) -> Result<&[Value], Fault> {
    let value = any(args, place)?;
    value.as_array().ok_or_else(|| wrong(place, value, "array"))
}

/// A list or the members of a set.
pub(super) fn items(args: &[Value], place: usize) -> Result<&[Value], Fault> {
    let value = any(args, place)?;
    match value {
        Value::Array(items) => Ok(items),
        Value::Set(set) => Ok(set.as_slice()),
        _ => Err(wrong(place, value, "one of {array, set}")),
    }
}

/// A whole number. OPA takes `2` and `2.0`, not `2e0`.
pub(super) fn int(args: &[Value], place: usize) -> Result<i64, Fault> {
    let value = any(args, place)?;
    let number = value.as_number().ok_or_else(|| wrong(place, value, "number"))?;
    number.as_i64().ok_or_else(|| {
        let place = place + 1;
        Fault::new(format!(
            "operand {place} must be integer number but got floating-point number"
        ))
    })
}

/// The argument in this place is of a wrong type.
pub(super) fn wrong(place: usize, value: &Value, wanted: &str) -> Fault {
    Fault::new(format!(
        "operand {} must be {wanted} but got {}",
        place + 1,
        value.type_name()
    ))
}

/// Units of work for so many bytes.
pub(super) fn units(bytes: usize) -> u64 {
    1 + u64::try_from(bytes / 64).unwrap_or(u64::MAX - 1)
}

/// Bytes as a text. What is not UTF-8 becomes U+FFFD byte by byte, which is how Go reads and counts such texts.
pub(super) fn from_bytes(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::string(text),
        Err(error) => {
            let mut text = String::new();
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            Value::string(text)
        }
    }
}
