//! JSON and YAML as OPA reads them: numbers keep their text, of equal keys the last one stays.
//!
//! A tree of its own, because the digests of OPA's signatures are over the text of numbers, which `serde_json::Value`
//! drops.

use std::collections::BTreeMap;
use std::fmt;

use jiter::{Jiter, JiterError, Peek};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Deeper than any data, and less than what `serde_json` reads again.
const DEPTH: usize = 100;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    String(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Json {
    /// Reads one JSON text.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let bytes = without_mark(bytes);
        let mut json = Jiter::new(bytes);
        let value = read(&mut json, DEPTH)?;
        json.finish().map_err(|error| error.description(&json))?;
        Ok(value)
    }

    /// Reads JSON or one YAML document.
    pub(super) fn parse_yaml(bytes: &[u8]) -> Result<Self, String> {
        if let Ok(value) = Self::parse(bytes) {
            return Ok(value);
        }
        let text = std::str::from_utf8(without_mark(bytes)).map_err(|error| format!("is not UTF-8: {error}"))?;
        let mut options = serde_saphyr::Options::default();
        // As go-yaml: `yes` is a word, `0644` is octal, of equal keys the last one stays.
        options.strict_booleans = true;
        options.legacy_octal_numbers = true;
        options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::LastWins;
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let text = error.without_snippet().to_string();
            text.lines().next().unwrap_or_default().to_owned()
        })
    }

    /// The members, when it is an object.
    pub(super) fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The text of the member, when there is one.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.as_object()?.get(key)? {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Without spaces, keys sorted, numbers as they were written: also the text that OPA makes digests of.
    pub(super) fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => quote(text, out),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    quote(key, out);
                    out.push(':');
                    member.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// A text in quotes, escaped as Go's encoder does without its escapes for HTML.
fn quote(text: &str, out: &mut String) {
    // A text always serialises.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    if quoted.contains(['\u{2028}', '\u{2029}']) {
        out.push_str(&quoted.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
    } else {
        out.push_str(&quoted);
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn read(json: &mut Jiter<'_>, depth: usize) -> Result<Json, String> {
    let peek = json.peek().map_err(|error| error.description(json))?;
    value(json, peek, depth)
}

fn value(json: &mut Jiter<'_>, peek: Peek, depth: usize) -> Result<Json, String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("is nested deeper than {DEPTH} levels"));
    };
    match peek {
        Peek::Null => say(json.known_null(), json).map(|()| Json::Null),
        Peek::True | Peek::False => say(json.known_bool(peek), json).map(Json::Bool),
        Peek::String => match json.known_str() {
            Ok(text) => Ok(Json::String(text.to_owned())),
            Err(error) => Err(error.description(json)),
        },
        Peek::Array => array(json, depth),
        Peek::Object => object(json, depth),
        Peek::NaN | Peek::Infinity => Err("holds a number that is not finite".to_owned()),
        _ => {
            let start = json.current_index();
            if let Err(error) = json.known_number_bytes(peek) {
                return Err(error.description(json));
            }
            let text = String::from_utf8_lossy(json.slice_to_current(start)).into_owned();
            if text.contains(['I', 'N']) {
                return Err("holds a number that is not finite".to_owned());
            }
            Ok(Json::Number(text))
        }
    }
}

fn say<T>(result: Result<T, JiterError>, json: &Jiter<'_>) -> Result<T, String> {
    result.map_err(|error| error.description(json))
}

fn array(json: &mut Jiter<'_>, depth: usize) -> Result<Json, String> {
    let mut items = Vec::new();
    let mut next = json.known_array();
    while let Some(peek) = say(next, json)? {
        items.push(value(json, peek, depth)?);
        next = json.array_step();
    }
    Ok(Json::Array(items))
}

fn object(json: &mut Jiter<'_>, depth: usize) -> Result<Json, String> {
    let mut members = BTreeMap::new();
    let mut next = json.known_object().map(|key| key.map(str::to_owned));
    while let Some(key) = say(next, json)? {
        let member = read(json, depth)?;
        members.insert(key, member);
        next = json.next_key().map(|key| key.map(str::to_owned));
    }
    Ok(Json::Object(members))
}

/// What a YAML scalar, list or map is.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that JSON has")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        Json::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Json, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Json, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        if value.is_finite() {
            Ok(Json::Number(float(value)))
        } else {
            Err(E::custom("JSON has no number that is not finite"))
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((key, member)) = entries.next_entry::<Json, Json>()? {
            let key = match key {
                Json::String(text) | Json::Number(text) => text,
                Json::Bool(value) => value.to_string(),
                Json::Null | Json::Array(_) | Json::Object(_) => {
                    return Err(A::Error::custom("a key has to be a text, a number, true or false"));
                }
            };
            members.insert(key, member);
        }
        Ok(Json::Object(members))
    }
}

/// A float as Go's `encoding/json` writes it: the shortest digits, with an exponent only where ECMAScript has one.
fn float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        }
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> String {
        Json::parse_yaml(text.as_bytes()).map_or_else(|error| format!("error: {error}"), |value| value.canonical())
    }

    #[test]
    fn numbers_keep_their_text_and_keys_are_sorted() {
        let text = br#" { "b" : [1.0, 1e3, -0, 12345678901234567890123], "a": "<\u2028\u0001\/>", "b2": null } "#;
        assert_eq!(
            Json::parse(text).unwrap().canonical(),
            r#"{"a":"<\u2028\u0001/>","b":[1.0,1e3,-0,12345678901234567890123],"b2":null}"#
        );
    }

    #[test]
    fn of_equal_keys_the_last_one_stays() {
        assert_eq!(Json::parse(br#"{"a":1,"a":2}"#).unwrap().canonical(), r#"{"a":2}"#);
        assert_eq!(yaml("a: 1\na: 2\n"), r#"{"a":2}"#);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "NaN",
            "-Infinity",
            "Infinity",
            "1 2",
            "{a:1}",
            "01",
            "'a'",
        ] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        let deep = "[".repeat(DEPTH + 1) + &"]".repeat(DEPTH + 1);
        assert!(Json::parse(deep.as_bytes()).unwrap_err().contains("deeper than 100"));
    }

    // Each pair is what `opa eval 'yaml.unmarshal(input)'` answers. In a list, since `1.0` alone is JSON.
    #[test]
    fn yaml_scalars_are_what_opa_makes_of_them() {
        let cases = [
            ("yes", "\"yes\""),
            ("on", "\"on\""),
            ("True", "true"),
            ("~", "null"),
            ("014", "12"),
            ("0777", "511"),
            ("0o14", "12"),
            ("0x1F", "31"),
            ("08", "8"),
            ("1_000", "1000"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("-0", "0"),
            ("1e21", "1e+21"),
            ("0.1e-7", "1e-8"),
            ("12345678901234567890123", "1.2345678901234568e+22"),
            ("'1'", "\"1\""),
            ("1:30", "\"1:30\""),
            ("2023-01-01", "\"2023-01-01\""),
        ];
        for (text, expected) in cases {
            assert_eq!(yaml(&format!("- {text}\n- a")), format!("[{expected},\"a\"]"), "{text}");
        }
        assert_eq!(yaml("1: a\ntrue: b\n"), r#"{"1":"a","true":"b"}"#);
        assert_eq!(
            yaml("x: &a {b: 1}\ny: {<<: *a, c: 2}"),
            r#"{"x":{"b":1},"y":{"b":1,"c":2}}"#
        );
        assert_eq!(yaml(""), "null");
    }

    #[test]
    fn yaml_that_json_cannot_say_is_refused() {
        for text in [".inf", ".nan", "~: 1", "[1]: 2", "--- 1\n--- 2\n", "a: [1", "\u{0}"] {
            assert!(yaml(text).starts_with("error: "), "{text}: {}", yaml(text));
        }
    }

    #[test]
    fn a_document_that_grows_when_it_is_read_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{},", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(yaml(&text).starts_with("error: "));
    }
}
