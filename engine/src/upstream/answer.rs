//! The answer of a webhook behind: read as far as is needed, and changed in one place.

use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::admission::Version;

/// The largest answer that is read; a larger one passes as it is.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The request may pass.
    Allowed,
    /// It may not.
    Denied(Denial),
    /// Not what an API server takes, or nothing that is surely read as the API server reads it.
    Odd,
}

/// A denial, and the place of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What a person would be told; empty when the webhook gave no reason.
    pub message: String,
    place: Place,
}

/// Where the message stands, or would stand: bytes of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Here.
    Value(Range<usize>),
    /// There is a status without a message: the first member of it.
    Status { at: usize, is_empty: bool },
    /// There is no status: `null` here.
    NoStatus(Range<usize>),
    /// Nor a member for it: the first of the response, which has others.
    Response(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: String,
    kind: String,
    #[serde(borrow)]
    response: &'a RawValue,
}

#[derive(Deserialize)]
struct Response<'a> {
    uid: String,
    allowed: bool,
    #[serde(borrow, default, deserialize_with = "present")]
    status: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
    #[serde(default)]
    reason: Option<String>,
}

/// Also `null` has a place.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads an answer to the request of this version and uid. A member that is there twice makes it odd: readers differ in which one they take.
pub fn read(body: &[u8], version: Version, uid: &str) -> Read {
    parse(body, version, uid).unwrap_or(Read::Odd)
}

fn parse(body: &[u8], version: Version, uid: &str) -> Option<Read> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    if envelope.api_version != version.as_str() || envelope.kind != "AdmissionReview" {
        return None;
    }
    let response: Response<'_> = serde_json::from_str(envelope.response.get()).ok()?;
    if response.uid != uid {
        return None;
    }
    if response.allowed {
        return Some(Read::Allowed);
    }
    let within = |raw: &RawValue| -> Option<Range<usize>> {
        let text = raw.get();
        let start = text.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        let range = start..start.checked_add(text.len())?;
        // The value is a part of the body, and not a copy of it.
        (body.get(range.clone())? == text.as_bytes()).then_some(range)
    };
    let Some(raw) = response.status else {
        let place = Place::Response(within(envelope.response)?.start + 1);
        return Some(denied(String::new(), place));
    };
    if raw.get() == "null" {
        return Some(denied(String::new(), Place::NoStatus(within(raw)?)));
    }
    let status: Status<'_> = serde_json::from_str(raw.get()).ok()?;
    let (message, place) = if let Some(message) = status.message {
        let text: Option<String> = serde_json::from_str(message.get()).ok()?;
        (text.unwrap_or_default(), Place::Value(within(message)?))
    } else {
        let rest = raw.get().get(1..).unwrap_or_default();
        let is_empty = rest.trim_start().starts_with('}');
        let at = within(raw)?.start + 1;
        (String::new(), Place::Status { at, is_empty })
    };
    // The API server shows the reason when there is no message.
    let message = if message.is_empty() {
        status.reason.unwrap_or_default()
    } else {
        message
    };
    Some(denied(message, place))
}

fn denied(message: String, place: Place) -> Read {
    Read::Denied(Denial { message, place })
}

impl Denial {
    /// The same answer with another message. Every other byte stays.
    pub fn reworded(&self, body: &[u8], message: &str) -> Vec<u8> {
        let text = serde_json::Value::from(message).to_string();
        let (range, new) = match &self.place {
            Place::Value(range) => (range.clone(), text),
            Place::Status { at, is_empty } => {
                let comma = if *is_empty { "" } else { "," };
                (*at..*at, format!("\"message\":{text}{comma}"))
            }
            Place::NoStatus(range) => (range.clone(), format!("{{\"message\":{text}}}")),
            Place::Response(at) => (*at..*at, format!("\"status\":{{\"message\":{text}}},")),
        };
        let (Some(before), Some(after)) = (body.get(..range.start), body.get(range.end..)) else {
            return body.to_vec();
        };
        [before, new.as_bytes(), after].concat()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn answer(response: &str) -> String {
        format!(
            r#" {{ "kind":"AdmissionReview","apiVersion": "admission.k8s.io/v1", "response" : {response} , "x":[1] }} "#
        )
    }

    fn reworded(response: &str) -> (String, String) {
        let body = answer(response);
        let Read::Denied(denial) = read(body.as_bytes(), Version::V1, "u") else {
            panic!("{body}");
        };
        let new = String::from_utf8(denial.reworded(body.as_bytes(), "a \"b\"\nc")).unwrap();
        let parsed: Value = serde_json::from_str(&new).unwrap();
        assert_eq!(parsed["response"]["status"]["message"], "a \"b\"\nc");
        assert_eq!(parsed["response"]["allowed"], false);
        (denial.message, new)
    }

    #[test]
    fn the_message_alone_changes() {
        let (message, new) = reworded(
            r#"{"uid":"u","warnings":["w\u0041"],"allowed":false,"status":{"code": 418, "message" : "no\u0021" ,"reason":"R"},"auditAnnotations":{"k":"v"}}"#,
        );
        assert_eq!(message, "no!");
        assert_eq!(
            new,
            answer(
                r#"{"uid":"u","warnings":["w\u0041"],"allowed":false,"status":{"code": 418, "message" : "a \"b\"\nc" ,"reason":"R"},"auditAnnotations":{"k":"v"}}"#
            )
        );
    }

    #[test]
    fn a_message_finds_a_place_where_there_was_none() {
        for (response, message) in [
            (r#"{"uid":"u","allowed":false}"#, ""),
            (r#"{"uid":"u","allowed":false,"status":null}"#, ""),
            (r#"{"uid":"u","allowed":false,"status":{}}"#, ""),
            (r#"{"uid":"u","allowed":false,"status":{ }}"#, ""),
            (r#"{"uid":"u","allowed":false,"status":{"code":400}}"#, ""),
            (
                r#"{"uid":"u","allowed":false,"status":{"message":null,"reason":"Because"}}"#,
                "Because",
            ),
            (r#"{"uid":"u","allowed":false,"status":{"message":"","code":1}}"#, ""),
        ] {
            assert_eq!(reworded(response).0, message, "{response}");
        }
    }

    #[test]
    fn what_is_not_surely_a_denial_is_odd() {
        let good = r#"{"uid":"u","allowed":false,"status":{"message":"m"}}"#;
        assert!(matches!(
            read(answer(good).as_bytes(), Version::V1, "u"),
            Read::Denied(_)
        ));
        assert_eq!(
            read(
                answer(r#"{"uid":"u","allowed":true,"patch":1}"#).as_bytes(),
                Version::V1,
                "u"
            ),
            Read::Allowed
        );
        for odd in [
            r#"{"uid":"other","allowed":false}"#,
            r#"{"allowed":false}"#,
            r#"{"uid":"u"}"#,
            r#"{"uid":"u","allowed":"false"}"#,
            r#"{"uid":"u","allowed":false,"allowed":true}"#,
            r#"{"uid":"u","allowed":false,"status":"no"}"#,
            r#"{"uid":"u","allowed":false,"status":{"message":7}}"#,
            r#"{"uid":"u","allowed":false,"status":{"message":"a","message":"b"}}"#,
            "null",
            "[]",
        ] {
            assert_eq!(read(answer(odd).as_bytes(), Version::V1, "u"), Read::Odd, "{odd}");
        }
        let whole = answer(good);
        for end in 0..whole.trim_end().len() {
            assert_eq!(read(&whole.as_bytes()[..end], Version::V1, "u"), Read::Odd);
        }
        let older = whole.replace("/v1", "/v1beta1");
        assert_eq!(read(older.as_bytes(), Version::V1, "u"), Read::Odd);
        assert_eq!(read(whole.as_bytes(), Version::V1beta1, "u"), Read::Odd);
        assert!(matches!(read(older.as_bytes(), Version::V1beta1, "u"), Read::Denied(_)));
        assert_eq!(read(&[0x1f, 0x8b, 8, 0], Version::V1, "u"), Read::Odd);
        assert_eq!(read(b"\xff", Version::V1, "u"), Read::Odd);
        assert_eq!(
            read(json!({"response": null}).to_string().as_bytes(), Version::V1, "u"),
            Read::Odd
        );
    }

    /// Bytes of an answer changed, taken away and put in: whatever is still read as a denial differs in its message alone.
    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn whatever_is_read_as_a_denial_is_changed_in_one_place() {
        const PIECES: [&str; 12] = [
            "{",
            "}",
            "\"status\":",
            "\"message\":",
            "null",
            "\"",
            ",",
            " ",
            "\\u0000",
            "\u{e4}",
            "\"allowed\":false",
            "[]",
        ];
        let mut random = fastrand::Rng::with_seed(11);
        let whole =
            answer(r#"{"uid":"u","allowed":false,"status":{"code":403,"message":"m\u00e4"},"warnings":["\u{e4}"]}"#);
        let mut denials = 0;
        for _ in 0..200_000 {
            let mut body = whole.clone().into_bytes();
            for _ in 0..random.usize(1..3) {
                let start = random.usize(..body.len());
                let end = (start + random.usize(..12)).min(body.len());
                let piece = PIECES[random.usize(..PIECES.len())].as_bytes();
                body.splice(start..end, piece.iter().copied());
            }
            let Read::Denied(denial) = read(&body, Version::V1, "u") else {
                continue;
            };
            denials += 1;
            let new = denial.reworded(&body, "other");
            let parsed = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap() };
            let (mut before, mut after) = (parsed(&body), parsed(&new));
            assert_eq!(after["response"]["status"]["message"].take(), "other");
            if before["response"]["status"].is_null() {
                before["response"]["status"] = json!({});
            }
            before["response"]["status"]["message"] = Value::Null;
            assert_eq!(before, after, "{}", String::from_utf8_lossy(&body));
        }
        assert!(denials > 100, "{denials}");
    }
}
