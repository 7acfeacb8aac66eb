//! `uuid.parse`, `trace` and `opa.runtime`.

use super::encoding::hexadecimal;
use super::operands::text;
use super::{Builtin, Fault, Host};
use crate::rego::number::Number;
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("uuid.parse", 1, uuid_parse),
    Builtin::new("trace", 1, trace),
    Builtin::new("opa.runtime", 0, runtime),
];

/// Nobody listens.
fn trace(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    text(args, 0).map(|_| Value::Bool(true))
}

/// What OPA tells when it is a library.
#[expect(clippy::unnecessary_wraps, reason = "all functions have this signature")]
fn runtime(_: &mut Host, _: &[Value]) -> Result<Value, Fault> {
    Ok(Value::object(Vec::new()))
}

fn uuid_parse(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    host.spend(1)?;
    let text = text(args, 0)?;
    let uuid = uuid(text).ok_or_else(|| Fault::new("invalid UUID"))?;
    let bytes = uuid.to_be_bytes();
    let [_, _, _, _, _, _, version, _, variant, domain, node @ ..] = bytes;
    let version = version >> 4;
    let variant = match variant {
        0x00..0x80 => "Reserved",
        0x80..0xC0 => "RFC4122",
        0xC0..0xE0 => "Microsoft",
        _ => "Future",
    };
    let mut members = vec![("version", number(version)), ("variant", variant.into())];
    if matches!(version, 1 | 2) {
        let pairs: Vec<String> = node.iter().map(|byte| hexadecimal(&[*byte])).collect();
        let scope = match node[0] & 3 {
            3 => "local:multicast",
            1 => "global:multicast",
            2 => "local:unicast",
            _ => "global:unicast",
        };
        members.extend([
            ("time", nanoseconds(uuid).into()),
            ("nodeid", pairs.join("-").into()),
            ("macvariables", scope.into()),
            ("clocksequence", bits(uuid, 48, 0x3FFF).into()),
        ]);
    }
    if version == 2 {
        let domain = match domain {
            0 => "Person".to_owned(),
            1 => "Group".to_owned(),
            2 => "Org".to_owned(),
            other => format!("Domain{other}"),
        };
        members.extend([("id", bits(uuid, 96, 0xFFFF_FFFF).into()), ("domain", domain.into())]);
    }
    Ok(Value::object(
        members.into_iter().map(|(name, value)| (name.into(), value)).collect(),
    ))
}

fn number(value: impl Into<i64>) -> Value {
    Value::Number(Number::from(value.into()))
}

/// So many bits from a place on, fewer than 63.
fn bits(uuid: u128, place: u32, mask: u128) -> i64 {
    i64::try_from((uuid >> place) & mask).unwrap_or(i64::MAX)
}

/// Nanoseconds since 1970, which overflow as in Go.
fn nanoseconds(uuid: u128) -> i64 {
    /// From 15 October 1582 to 1970 in steps of 100 ns.
    const GREGORIAN: i64 = 122_192_928_000_000_000;
    let steps = bits(uuid, 96, 0xFFFF_FFFF) | bits(uuid, 80, 0xFFFF) << 32 | bits(uuid, 64, 0xFFF) << 48;
    let steps = steps - GREGORIAN;
    (steps / 10_000_000)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(steps % 10_000_000 * 100)
}

/// The forms of RFC 4122, the one in braces, and digits alone.
fn uuid(text: &str) -> Option<u128> {
    let hex = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| digits)
    };
    let dashed = match text.len() {
        32 => return hex(text),
        36 => text,
        38 => text.get(1..37)?,
        45 if text.get(..9)?.eq_ignore_ascii_case("urn:uuid:") => text.get(9..)?,
        _ => return None,
    };
    let parts: Vec<&str> = dashed.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    (lengths == [8, 4, 4, 4, 12]).then(|| hex(&parts.concat())).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::{Host, find};
    use crate::rego::value::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn uuids_are_taken_apart() {
        let parse = |text: &str| {
            let result = (find("uuid.parse").unwrap().run)(&mut Host::new(10), &[Value::string(text)]);
            result.map_or_else(|_| "undefined".to_owned(), |value| value.to_string())
        };
        let v4 = r#"{"variant": "RFC4122", "version": 4}"#;
        assert_eq!(parse("00000000-0000-4000-8000-000000000000"), v4);
        assert_eq!(parse("URN:UUID:00000000-0000-4000-8000-000000000000"), v4);
        assert_eq!(parse("x00000000-0000-4000-8000-000000000000x"), v4);
        assert_eq!(parse("00000000000040008000000000000000"), v4);
        assert_eq!(
            parse("{00000000-0000-1000-8000-00000000000f}"),
            r#"{"clocksequence": 0, "macvariables": "global:unicast", "nodeid": "00-00-00-00-00-0f", "time": 6227451273709551616, "variant": "RFC4122", "version": 1}"#
        );
        for wrong in [
            "",
            "00000000-0000-4000-8000-00000000000g",
            "0000000000000-4000-8000-000000000000",
            "+0000000000040008000000000000000",
        ] {
            assert_eq!(parse(wrong), "undefined", "{wrong}");
        }
    }
}
