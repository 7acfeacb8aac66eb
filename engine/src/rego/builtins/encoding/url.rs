//! `urlquery.*`, as Go's `net/url` escapes.

use std::collections::BTreeMap;

use super::super::operands::{any, from_bytes, object, text, units, wrong};
use super::super::{Fault, Host};
use super::hex_digit;
use super::json::key_text;
use crate::rego::value::Value;

pub(super) fn encode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let plain = text(args, 0)?;
    host.spend(units(plain.len() * 3))?;
    Ok(Value::string(escape(plain)))
}

pub(super) fn decode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let escaped = text(args, 0)?;
    host.spend(units(escaped.len()))?;
    unescape(escaped)
}

pub(super) fn encode_object(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let invalid = || Fault::new("operand 1 values must be string, array[string], or set[string]");
    let mut parameters: BTreeMap<String, &[Value]> = BTreeMap::new();
    for (key, value) in object(args, 0)?.iter() {
        let values = match value {
            Value::String(_) => std::slice::from_ref(value),
            Value::Array(items) => items,
            Value::Set(set) => set.as_slice(),
            _ => return Err(invalid()),
        };
        parameters.insert(key_text(key), values);
    }
    let mut query = String::new();
    for (key, values) in parameters {
        let key = escape(&key);
        for value in values {
            let value = value.as_str().ok_or_else(invalid)?;
            host.spend(units(key.len() + value.len() * 3))?;
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&format!("{key}={}", escape(value)));
        }
    }
    Ok(Value::string(query))
}

pub(super) fn decode_object(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let Some(query) = any(args, 0)?.as_str() else {
        return Err(wrong(0, any(args, 0)?, "string"));
    };
    host.spend(units(query.len() * 4))?;
    let mut parameters: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        if part.contains(';') {
            return Err(Fault::new("invalid semicolon separator in query"));
        }
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        parameters
            .entry(key_text(&unescape(key)?))
            .or_default()
            .push(unescape(value)?);
    }
    Ok(Value::object(
        parameters
            .into_iter()
            .map(|(key, values)| (Value::string(key), Value::array(values)))
            .collect(),
    ))
}

fn escape(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for byte in plain.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn unescape(escaped: &str) -> Result<Value, Fault> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(hex_digit);
                match (digit(), digit()) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(Fault::new(format!("invalid URL escape in {escaped}"))),
                }
            }
            _ => byte,
        });
    }
    Ok(from_bytes(bytes))
}
