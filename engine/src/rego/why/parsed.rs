//! A field whose text is JSON or YAML, or is encoded: the text with another value in it.

use super::calls::Wanted;
use super::compare::replaced;
use super::tests_of_values::call;
use super::{Goal, Origin, Seg, Test, Traced, Tracer};
use crate::rego::builtins::Builtin;
use crate::rego::value::Value;

/// How many values are tried in one place.
const MAX_VALUES: usize = 4;

/// The longest text that is written anew, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// The function that reads what is written in this way, and the one that writes it.
fn writer(builtin: &Builtin) -> Option<&'static str> {
    match builtin.name {
        "json.unmarshal" => Some("json.marshal"),
        "yaml.unmarshal" => Some("yaml.marshal"),
        "base64.decode" => Some("base64.encode"),
        "base64url.decode" => Some("base64url.encode_no_pad"),
        "hex.decode" => Some("hex.encode"),
        "urlquery.decode" => Some("urlquery.encode"),
        _ => None,
    }
}

impl<'p> Tracer<'p, '_> {
    /// A test of a text that is decoded, as a test of the text that is there.
    pub(super) fn back_to_encoded(
        &mut self,
        builtin: &Builtin,
        encoded: &Traced<'p>,
        (test, wanted, source): Wanted<'_>,
    ) -> Option<Goal> {
        let writer = writer(builtin)?;
        let values = instead(test, wanted)?;
        let written: Vec<Value> = values
            .iter()
            .filter_map(|value| call(writer, std::slice::from_ref(value), self.host))
            .collect();
        (!written.is_empty()).then(|| self.want(encoded, &Test::Try(written), true, source))
    }

    /// A test of a part of what is written in a text, as a test of the text: with another value in that place.
    pub(super) fn back_to_written(
        &mut self,
        of: &Traced<'p>,
        key: &Value,
        (test, wanted, source): Wanted<'_>,
    ) -> Option<Goal> {
        let mut keys = vec![Seg::Key(key.clone())];
        let mut whole = of.clone();
        loop {
            let from = std::rc::Rc::clone(&whole.from);
            match &*from {
                Origin::Part { of, key } => {
                    keys.insert(0, Seg::Key(key.clone()));
                    whole = of.clone();
                }
                Origin::Call { builtin, args } => {
                    let [encoded] = args.as_slice() else { return None };
                    let texts = self.rewritten(builtin, encoded, &keys, test, wanted)?;
                    return Some(self.want(encoded, &Test::Try(texts), true, source));
                }
                _ => return None,
            }
        }
    }

    /// The texts that say the same but for what is at these keys.
    fn rewritten(
        &mut self,
        builtin: &Builtin,
        encoded: &Traced<'p>,
        keys: &[Seg],
        test: &Test,
        wanted: bool,
    ) -> Option<Vec<Value>> {
        let writer = writer(builtin).filter(|_| matches!(builtin.name, "json.unmarshal" | "yaml.unmarshal"))?;
        let now = encoded.text().filter(|now| now.len() <= MAX_TEXT)?;
        let parsed = call(builtin.name, &[encoded.value.clone()?], self.host)?;
        let mut old = Some(&parsed);
        for seg in keys {
            let Seg::Key(key) = seg else { return None };
            old = old.and_then(|value| value.get(key));
        }
        let mut found = Vec::new();
        for value in instead(test, wanted)? {
            let after = replaced(Some(&parsed), keys, &value);
            let edited = keys.last().zip(old).and_then(|(last, old)| {
                let Seg::Key(Value::String(name)) = last else {
                    return None;
                };
                edits(now, name, old, &value)
                    .into_iter()
                    .find(|text| call(builtin.name, &[Value::string(text)], self.host).as_ref() == Some(&after))
            });
            let written = match edited {
                Some(after) => Some(Value::string(after)),
                None => call(writer, &[after], self.host),
            };
            found.extend(written);
        }
        (!found.is_empty()).then_some(found)
    }
}

/// The values that a test asks for, as far as it names them.
fn instead(test: &Test, wanted: bool) -> Option<Vec<Value>> {
    let values = match (test, wanted) {
        (Test::Among(values) | Test::Try(values), true) => values.iter().take(MAX_VALUES).cloned().collect(),
        (Test::Among(values), false) => match values.as_slice() {
            [Value::Bool(flag)] => vec![Value::Bool(!flag)],
            _ => return None,
        },
        (Test::True, _) => vec![Value::Bool(wanted)],
        _ => return None,
    };
    Some(values)
}

/// A text with another value behind a name, once for each place where the name has the old one. What surrounds it stays.
fn edits(text: &str, name: &str, old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(name) {
        let after = text.get(at + name.len()..).unwrap_or_default();
        let value = after.trim_start_matches(['"', '\'']).trim_start();
        let Some(value) = value.strip_prefix(':').map(|value| value.trim_start_matches(' ')) else {
            continue;
        };
        let start = text.len() - value.len();
        for (old, new) in spellings(old).iter().zip(spellings(new)) {
            if let Some(rest) = value.strip_prefix(old.as_str()) {
                found.push(format!("{}{new}{rest}", text.get(..start).unwrap_or_default()));
            }
        }
    }
    found
}

/// How a plain value can be written: quoted, and where it is no other value then, without quotes.
fn spellings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            let is_plain = text
                .chars()
                .all(|character| character.is_alphanumeric() || "-_./".contains(character));
            let quoted = vec![format!("\"{text}\""), format!("'{text}'")];
            if is_plain {
                [quoted, vec![text.to_string()]].concat()
            } else {
                quoted
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Set(_) => Vec::new(),
        // As many as a text has, so that one may stand for the other.
        other => vec![other.to_json().to_string(); 3],
    }
}
