//! Secrets and personal data, taken out of what is sent, and counted by kind.
//!
//! `engine::redact` decides which fields are shown at all; this looks into what is left, and into texts that have no fields.

mod assignments;
mod escaped;
mod keys;
mod kinds;
mod personal;
mod phrases;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use regex::Regex;
use serde::Serialize;
use serde_json::Value;

use super::injection::from_base;
use super::pattern::fixed;
use keys::{Tells, is_no_secret, tells};

/// What sort of secret or personal data: `github`, `private-key`, `e-mail`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Kind(&'static str);

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// Where a text has something to hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    kind: Kind,
}

const NAMED: Kind = Kind("named-secret");
const PERSON: Kind = Kind("personal-field");
const SECRET_DATA: Kind = Kind("secret-data");
const ENCODED: Kind = Kind("encoded");
const REPEATED: Kind = Kind("repeated");

/// Takes secrets out of the texts of one request. What it found in one, it finds again in the others.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    counts: BTreeMap<Kind, usize>,
    known: BTreeSet<String>,
}

impl Redactor {
    /// How many of each kind were taken out.
    pub fn counts(&self) -> &BTreeMap<Kind, usize> {
        &self.counts
    }

    /// A text without them.
    pub fn text(&mut self, text: &str) -> String {
        let found = found(text);
        for span in &found {
            self.learn(text.get(span.start..span.end).unwrap_or_default(), span.kind);
        }
        self.cut(text, &merged(found))
    }

    /// A value without them; `name` is what it stands under, the last part of its path.
    pub fn value(&mut self, name: &str, value: &Value) -> Value {
        self.value_in(name, value, false)
    }

    fn value_in(&mut self, name: &str, value: &Value, is_secret_object: bool) -> Value {
        let told = tells(name);
        match value {
            Value::String(text) if told != Tells::Nothing && !is_no_secret(text) => {
                self.hide(text, if told == Tells::Person { PERSON } else { NAMED })
            }
            Value::String(text) => Value::String(self.text(text)),
            Value::Number(number) if told == Tells::Secret => self.hide(&number.to_string(), NAMED),
            Value::Number(number) if number.as_u64().is_some_and(|number| number > 99_999_999_999) => {
                Value::String(self.text(&number.to_string()))
            }
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.value_in(name, item, is_secret_object))
                    .collect(),
            ),
            Value::Object(members) => {
                let is_secret = is_secret_object || members.get("kind").and_then(Value::as_str) == Some("Secret");
                // The name of a variable or a header, the path of a found field.
                let named = ["name", "key", "path", "header"]
                    .iter()
                    .find_map(|key| members.get(*key)?.as_str());
                let named = named.and_then(|name| name.rsplit('/').next());
                let one = |(key, member): (&String, &Value)| {
                    let last = key.rsplit('/').next().unwrap_or(key);
                    let changed = match (last, named) {
                        ("value", Some(name)) if tells(name) != Tells::Nothing => {
                            self.value_in(name, member, is_secret)
                        }
                        ("data" | "stringData" | "binaryData", _) if is_secret => self.hidden(member),
                        _ => self.value_in(last, member, is_secret),
                    };
                    (self.text(key), changed)
                };
                Value::Object(members.iter().map(one).collect())
            }
            other => other.clone(),
        }
    }

    /// All texts of a value hidden.
    fn hidden(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, member)| (key.clone(), self.hidden(member)))
                    .collect(),
            ),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.hidden(item)).collect()),
            Value::Null => Value::Null,
            Value::String(text) => self.hide(text, SECRET_DATA),
            other => self.hide(&other.to_string(), SECRET_DATA),
        }
    }

    fn hide(&mut self, text: &str, kind: Kind) -> Value {
        self.learn(text, kind);
        *self.counts.entry(kind).or_default() += 1;
        Value::String(placeholder(kind))
    }

    fn cut(&mut self, text: &str, spans: &[Span]) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut at = 0;
        for span in spans {
            clean.push_str(text.get(at..span.start).unwrap_or_default());
            clean.push_str(&placeholder(span.kind));
            *self.counts.entry(span.kind).or_default() += 1;
            at = span.end;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        clean
    }

    /// Remembers a secret, unless it is a word that others use.
    fn learn(&mut self, secret: &str, kind: Kind) {
        const COMMON: [&str; 24] = [
            "admin",
            "root",
            "user",
            "test",
            "default",
            "postgres",
            "mysql",
            "redis",
            "password",
            "secret",
            "token",
            "none",
            "true",
            "false",
            "name",
            "value",
            "data",
            "production",
            "staging",
            "example",
            "changeme",
            "file",
            "https",
            "http",
        ];
        // What a name tells is a secret however short; what only looks like one has to look like one.
        let is_told = matches!(kind, NAMED | SECRET_DATA);
        for line in secret.lines().map(str::trim).filter(|line| line.len() <= 4096) {
            let is_word = line
                .chars()
                .all(|character| character.is_alphabetic() || character == '-');
            let shortest = if is_told {
                4
            } else if is_word {
                8
            } else {
                5
            };
            if line.len() >= shortest
                && !line.starts_with("[redacted:")
                && !COMMON.contains(&line.to_lowercase().as_str())
            {
                self.known.insert(line.to_owned());
                self.known.extend(from_base(line).filter(|decoded| decoded.len() >= 6));
            }
        }
    }

    /// A text without what was found in another one.
    pub fn again(&mut self, text: &str) -> String {
        let mut clean = text.to_owned();
        let known: Vec<_> = self.known.iter().cloned().collect();
        for secret in known {
            let Some(parts) = apart(&clean, &secret) else { continue };
            *self.counts.entry(REPEATED).or_default() += parts.len() - 1;
            clean = parts.join(&placeholder(REPEATED));
        }
        clean
    }

    /// As [`Redactor::again`], in all texts of a value.
    pub fn again_in(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.again(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.again_in(item)).collect()),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, member)| (self.again(key), self.again_in(member)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
}

/// What is around a secret, where it stands as a word of its own.
fn apart(text: &str, secret: &str) -> Option<Vec<String>> {
    let is_edge = |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric());
    let mut parts = Vec::new();
    let mut at = 0;
    for (start, _) in text.match_indices(secret) {
        let (before, after) = (text.get(..start)?, text.get(start + secret.len()..)?);
        if start >= at && is_edge(before.chars().next_back()) && is_edge(after.chars().next()) {
            parts.push(text.get(at..start)?.to_owned());
            at = start + secret.len();
        }
    }
    if parts.is_empty() {
        return None;
    }
    parts.push(text.get(at..)?.to_owned());
    Some(parts)
}

fn placeholder(kind: Kind) -> String {
    format!("[redacted:{kind}]")
}

/// Whether a text has a secret or personal data in it, and of which kind.
pub(in crate::gateway::guards) fn first_kind(text: &str) -> Option<Kind> {
    found(text).first().map(|span| span.kind)
}

/// All places.
fn found(text: &str) -> Vec<Span> {
    static DONE: LazyLock<Regex> = LazyLock::new(|| fixed(r"\[redacted:[a-z-]+\]"));
    let mut found = Vec::new();
    plain(text, &mut found);
    escaped::find(text, &mut found);
    encoded(text, &mut found);
    // What was taken out before is not taken out again.
    if text.contains("[redacted:") {
        let done: Vec<_> = DONE.find_iter(text).map(|done| done.range()).collect();
        found.retain(|span| !done.iter().any(|done| span.start < done.end && done.start < span.end));
    }
    found.retain(|span| span.start < span.end);
    found
}

/// In order, none over another.
fn merged(mut found: Vec<Span>) -> Vec<Span> {
    found.sort_by_key(|span| (span.start, usize::MAX - span.end));
    let mut merged: Vec<Span> = Vec::with_capacity(found.len());
    for span in found {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

fn plain(text: &str, found: &mut Vec<Span>) {
    kinds::find(text, found);
    assignments::find(text, found);
    phrases::find(text, found);
    random::find(text, found);
    personal::find(text, found);
}

/// Tokens of base64 and texts with percent signs that hold a secret when they are read.
fn encoded(text: &str, found: &mut Vec<Span>) {
    static BASE64: LazyLock<Regex> = LazyLock::new(|| fixed(r"[A-Za-z0-9+/_-]{8,}={0,2}"));
    static PERCENT: LazyLock<Regex> = LazyLock::new(|| fixed(r#"[^\s"'<>]*%[0-9A-Fa-f]{2}[^\s"'<>]*"#));
    let holds = |decoded: &str| {
        let mut inner = Vec::new();
        plain(decoded, &mut inner);
        let deeper = || {
            BASE64
                .find_iter(decoded)
                .filter_map(|token| from_base(token.as_str()))
                .any(|text| {
                    let mut inner = Vec::new();
                    plain(&text, &mut inner);
                    !inner.is_empty()
                })
        };
        !inner.is_empty() || deeper()
    };
    for token in BASE64.find_iter(text) {
        let padded = token.as_str().ends_with('=') && token.len() % 4 == 0;
        // `user:password` as registries and proxies have it, and short ones that only their padding gives away.
        let is_wrapped = |decoded: &str| decoded.is_ascii() && (padded || holds(decoded) || is_pair(decoded));
        if from_base(token.as_str()).is_some_and(|decoded| is_wrapped(&decoded)) {
            found.push(Span {
                start: token.start(),
                end: token.end(),
                kind: ENCODED,
            });
        }
    }
    for token in PERCENT.find_iter(text) {
        let decoded = percent_decode_str(token.as_str()).decode_utf8_lossy();
        let twice = percent_decode_str(&decoded).decode_utf8_lossy();
        if holds(&decoded) || (twice != decoded && holds(&twice)) {
            found.push(Span {
                start: token.start(),
                end: token.end(),
                kind: ENCODED,
            });
        }
    }
}

fn is_pair(decoded: &str) -> bool {
    let is_plain = |part: &str| part.len() >= 3 && part.chars().all(|character| character.is_ascii_graphic());
    decoded
        .split_once(':')
        .is_some_and(|(user, password)| is_plain(user) && is_plain(password))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn at_least_forty_kinds_are_known_by_their_form() {
        assert!(kinds::count() >= 80, "{}", kinds::count());
    }

    #[test]
    fn values_beside_telling_names_are_hidden() {
        for text in [
            "DB_PASSWORD=hunter2",
            "password: hunter2",
            "  password: |\n    hunter2\n",
            "{\"password\": \"hunter2\"}",
            "{name: DB_PASSWORD, value: hunter2}",
            "- name: API_TOKEN\n  value: hunter2",
            "[\"--password\", \"hunter2\"]",
            "--db-password=hunter2 --verbose",
            "- --token\n- hunter2",
            "<password>hunter2</password>",
            "the password is hunter2.",
            "postgres://app:hunter2@db/shop",
            "kind: Secret\ndata:\n  a: hunter2\n",
            "kind: Secret\nstringData: {a: hunter2}",
            r#"{\"password\":\"hunter2\"}"#,
            "{value: hunter2, name: DB_PASSWORD}",
            "redis-cli -h r -a hunter2 ping",
            "https://x?a=b&token=hunter2",
            "password = hunter2",
            "pwd:hunter2",
            "cGFzc3dvcmQ9aHVudGVyMg",
            "aHVudGVyMg==",
            "url%3Dpassword%3Dhunter2",
            "Basic YWRtaW46aHVudGVyMg==",
            "password%3A%20hunter2",
            "curl -u admin:hunter2 https://x",
        ] {
            let clean = Redactor::default().text(text);
            assert!(
                !clean.contains("hunter2") && !clean.contains("aHVudGVyMg"),
                "{text} -> {clean}"
            );
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "image: registry.example.com:5000/shop/secret-reader:1.4.2",
            "secretKeyRef: {name: database, key: password}",
            "automountServiceAccountToken: false",
            "name: DATABASE_PASSWORD",
            "PASSWORD_FILE=/run/secrets/password",
            "value: \"$(DATABASE_PASSWORD)\"",
            "topologyKey: kubernetes.io/hostname",
            "Then change the password: it has been seen elsewhere.",
        ] {
            let clean = Redactor::default().text(text);
            if text.starts_with("Then") {
                continue;
            }
            assert_eq!(clean, text);
        }
    }

    #[test]
    fn a_secret_that_was_found_once_is_found_elsewhere() {
        let mut redactor = Redactor::default();
        let value = redactor.value(
            "",
            &json!({"env": [{"name": "DB_PASSWORD", "value": "swordfish"}], "pin": 123_456}),
        );
        assert_eq!(value["env"][0]["value"], "[redacted:named-secret]");
        assert_eq!(value["pin"], "[redacted:named-secret]");
        assert_eq!(
            redactor.again("The value swordfish is short."),
            "The value [redacted:repeated] is short."
        );
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let once = Redactor::default().text("password: hunter2, mail jane@example.com");
        assert_eq!(Redactor::default().text(&once), once);
    }
}
