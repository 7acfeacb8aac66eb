//! `base64.*`, `base64url.*`, `hex.*`, `urlquery.*`, `json.*` and `yaml.*`: texts of other formats.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::operands::{any, from_bytes, text, units};
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

mod json;
mod url;
mod yaml;
mod yaml_scalar;
mod yaml_writer;

/// What an unquoted scalar of YAML is to go-yaml when it is no text; `None` when it is one, or a number that JSON cannot hold.
pub fn plain_scalar(text: &str) -> Option<serde_json::Value> {
    let value = yaml_scalar::resolve(text)?.into_value().ok()?;
    Some(value.to_json())
}

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("base64.encode", 1, base64_encode),
    Builtin::new("base64.decode", 1, base64_decode),
    Builtin::new("base64.is_valid", 1, base64_is_valid),
    Builtin::new("base64url.encode", 1, base64url_encode),
    Builtin::new("base64url.encode_no_pad", 1, base64url_encode_no_pad),
    Builtin::new("base64url.decode", 1, base64url_decode),
    Builtin::new("hex.encode", 1, hex_encode),
    Builtin::new("hex.decode", 1, hex_decode),
    Builtin::new("urlquery.encode", 1, url::encode),
    Builtin::new("urlquery.decode", 1, url::decode),
    Builtin::new("urlquery.encode_object", 1, url::encode_object),
    Builtin::new("urlquery.decode_object", 1, url::decode_object),
    Builtin::new("json.marshal", 1, json::marshal),
    Builtin::new("json.marshal_with_options", 2, json::marshal_with_options),
    Builtin::new("json.unmarshal", 1, json::unmarshal),
    Builtin::new("json.is_valid", 1, json::is_valid),
    Builtin::new("yaml.marshal", 1, yaml::marshal),
    Builtin::new("yaml.unmarshal", 1, yaml::unmarshal),
    Builtin::new("yaml.is_valid", 1, yaml::is_valid),
];

/// Go does not mind bits behind the last byte, but wants the padding.
const GO: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, GO);
const URL_PADDED: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, GO);
const URL_PLAIN: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, GO.with_encode_padding(false));

fn encode(host: &mut Host, args: &[Value], engine: &GeneralPurpose) -> Result<Value, Fault> {
    let plain = text(args, 0)?;
    host.spend(units(plain.len()))?;
    Ok(Value::string(engine.encode(plain)))
}

/// Line breaks are skipped wherever they are.
fn decoded(text: &str, engine: &GeneralPurpose) -> Result<Vec<u8>, Fault> {
    let bytes: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    engine
        .decode(bytes)
        .map_err(|error| Fault::new(format!("illegal base64 data: {error}")))
}

fn base64_encode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    encode(host, args, &PADDED)
}

fn base64url_encode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    encode(host, args, &URL_PADDED)
}

fn base64url_encode_no_pad(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    encode(host, args, &URL_PLAIN)
}

fn base64_decode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let encoded = text(args, 0)?;
    host.spend(units(encoded.len()))?;
    decoded(encoded, &PADDED).map(from_bytes)
}

fn base64_is_valid(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let Some(encoded) = any(args, 0)?.as_str() else {
        return Ok(Value::Bool(false));
    };
    host.spend(units(encoded.len()))?;
    Ok(Value::Bool(decoded(encoded, &PADDED).is_ok()))
}

fn base64url_decode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let encoded = text(args, 0)?;
    host.spend(units(encoded.len()))?;
    // The padding may be missing.
    let padding = if encoded.ends_with('=') {
        ""
    } else {
        ["", "", "==", "="].get(encoded.len() % 4).unwrap_or(&"")
    };
    decoded(&format!("{encoded}{padding}"), &URL_PADDED).map(from_bytes)
}

fn hex_encode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let plain = text(args, 0)?;
    host.spend(units(plain.len() * 2))?;
    Ok(Value::string(hexadecimal(plain.as_bytes())))
}

fn hex_decode(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let encoded = text(args, 0)?;
    host.spend(units(encoded.len()))?;
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = encoded.as_bytes().chunks(2).map(byte).collect();
    bytes
        .map(from_bytes)
        .ok_or_else(|| Fault::new("invalid hexadecimal text"))
}

/// Two lower-case digits for each byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The value of a digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
