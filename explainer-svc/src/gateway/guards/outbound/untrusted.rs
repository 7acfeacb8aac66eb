//! What others than the policy's authors wrote into a decision, as rows of words: an answer that repeats one has it from there.

use std::collections::BTreeSet;

use engine::explain::wire::ExplainRequest;
use serde_json::Value;

use super::said::words;
use crate::gateway::guards::inbound::{WITHHELD, in_prose};
use crate::gateway::guards::injection::{Place, Verdict, decoded, detect};

/// How many words in a row make a repetition.
const SHINGLE: usize = 4;

/// Rows of words from what others wrote: prose in the object, and messages that instruct.
pub(super) fn rows_of(request: &ExplainRequest, object: Option<&Value>, authored_words: &str) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    let mut take = |text: &str| {
        for text in std::iter::once(text.to_owned()).chain(decoded(text)) {
            rows.extend(shingles(&words(&text)).filter(|row| !authored_words.contains(row.as_str())));
        }
    };
    let mut field = |text: &str| {
        if text != WITHHELD
            && (text.split_whitespace().count() >= SHINGLE || detect(text, Place::Field).verdict > Verdict::Clean)
        {
            take(text);
        }
    };
    if let Some(object) = object {
        texts(object, &mut field);
    }
    let review = &request.review;
    for text in [&review.name, &review.username, &review.namespace, &review.field_manager]
        .into_iter()
        .chain(review.labels.keys())
        .chain(review.labels.values())
    {
        field(text);
    }
    if let Some(origin) = &request.origin {
        field(&origin.name);
    }
    for violation in &request.violations {
        violation
            .found
            .iter()
            .filter_map(|found| found.value.as_deref())
            .for_each(&mut field);
        for (name, text) in [
            ("message", &violation.message),
            ("why", &violation.why),
            ("title", &violation.title),
            ("remediation", &violation.remediation),
            ("example", &violation.example),
        ] {
            if in_prose(text, name).verdict == Verdict::Sure {
                field(text);
            }
        }
    }
    rows
}

/// All rows of words of a text.
pub(super) fn shingles(words: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    words
        .windows(SHINGLE)
        .map(|window| window.join(" "))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Calls with each text of a value, names and plain values too.
pub(super) fn texts(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, each)),
        Value::Object(members) => {
            for (key, member) in members {
                each(key);
                texts(member, each);
            }
        }
        Value::Null => {}
        plain => each(&plain.to_string()),
    }
}
