//! What of an object may be a secret, and texts without it: a policy quotes what it likes in its message.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{credentials, hides};
use crate::admission::Review;
use crate::verdict::{Failure, Violation};

/// Stands for what is not shown.
const HIDDEN: &str = "(hidden)";

/// What has fewer letters and digits is no secret, and stands in any text.
const MIN_LETTERS: usize = 4;

/// A part that is no value by its place has at least so many, and a digit.
const MIN_PART: usize = 6;

/// So long a text is found inside of words too.
const LONG: usize = 8;

/// With more texts than this, of each value only the whole is looked for: somebody waits.
const MAX_TEXTS: usize = 2000;

/// So deep documents in texts are read.
const MAX_DEPTH: usize = 4;

/// The texts of an object that are not shown.
#[derive(Debug, Clone, Default)]
pub struct Hidden {
    /// Longest first.
    texts: Vec<String>,
}

/// What of an object is secret, and what it shows anyway.
#[derive(Default)]
struct Found {
    secret: BTreeSet<String>,
    open: BTreeSet<String>,
}

impl Hidden {
    /// What a review must not show: of the object, and of the object as it was.
    pub fn of_review(review: &Review) -> Self {
        let mut found = Found::default();
        for object in [review.object(), review.old_object()] {
            found.object(&review.kind.kind, &object.to_json(), 0);
        }
        for open in [&review.name, &review.namespace, &review.kind.kind] {
            found.open(open);
        }
        found.hidden()
    }

    /// What an object must not show.
    pub fn of(kind: &str, object: &Value) -> Self {
        let mut found = Found::default();
        found.object(kind, object, 0);
        found.hidden()
    }

    /// A text without it, and without passwords in addresses.
    pub fn mask(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.texts {
            shown = without(&shown, secret);
        }
        without_credentials(&shown)
    }

    /// A violation whose texts are without it.
    pub fn mask_violation(&self, violation: &Violation) -> Violation {
        Violation {
            message: self.mask(&violation.message),
            remediation: self.mask(&violation.remediation),
            ..violation.clone()
        }
    }

    /// A failure whose detail is without it: errors of the evaluator quote values.
    pub fn mask_failure(&self, failure: &Failure) -> Failure {
        Failure {
            detail: self.mask(&failure.detail),
            ..failure.clone()
        }
    }
}

impl Found {
    fn object(&mut self, kind: &str, object: &Value, depth: usize) {
        self.value(kind, "", object, depth);
    }

    fn value(&mut self, kind: &str, path: &str, value: &Value, depth: usize) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    // What is said of a Secret's data is no word of it.
                    self.open(key);
                    let key = key.replace('~', "~0").replace('/', "~1");
                    self.value(kind, &format!("{path}/{key}"), member, depth);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.value(kind, path, item, depth)),
            Value::String(text) => self.text(kind, path, text, depth),
            Value::Number(_) if !is_reference(path) && hides(kind, path, value) => self.secret(&value.to_string()),
            Value::Number(_) => self.open(&value.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, kind: &str, path: &str, text: &str, depth: usize) {
        let inside = if depth < MAX_DEPTH && text.trim_start().starts_with(['{', '[']) {
            serde_json::from_str::<Value>(text).ok()
        } else {
            None
        };
        let value = Value::from(text);
        let is_named = !is_reference(path) && hides(kind, path, &value);
        if !is_named {
            self.open(text);
            return;
        }
        // A whole object that was applied once has the same open places.
        if path.ends_with("last-applied-configuration")
            && let Some(object) = inside
        {
            self.object(kind, &object, depth + 1);
            return;
        }
        if !hides(kind, path, &Value::from("")) {
            // Secret by its form alone: of an address what is before its host.
            if let Some(secret) = credentials(text) {
                self.secret(secret);
                return;
            }
        }
        self.secret(text);
        if let Some(document) = inside {
            self.scalars(&document);
        }
        if kind == "Secret"
            && let Some(decoded) = STANDARD
                .decode(text.trim())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
        {
            self.secret(&decoded);
        }
    }

    /// Every text of a document that is secret as a whole.
    fn scalars(&mut self, value: &Value) {
        match value {
            Value::Object(members) => members.values().for_each(|member| self.scalars(member)),
            Value::Array(items) => items.iter().for_each(|item| self.scalars(item)),
            Value::String(text) => self.secret(text),
            _ => {}
        }
    }

    fn open(&mut self, text: &str) {
        self.open.insert(text.to_lowercase());
        let words = text.split(|character: char| !character.is_alphanumeric());
        self.open.extend(words.map(str::to_lowercase));
    }

    fn secret(&mut self, text: &str) {
        let text = text.trim();
        if letters(text) < MIN_LETTERS || matches!(text, "true" | "false" | "null" | "none" | "None") {
            return;
        }
        self.secret.insert(text.to_owned());
        if self.secret.len() > MAX_TEXTS {
            return;
        }
        self.secret.insert(STANDARD.encode(text));
        self.secret.extend(text.lines().map(str::trim).map(str::to_owned));
        self.secret.extend(credentials(text).map(str::to_owned));
        for word in text.split(|character: char| character.is_whitespace() || "'\"`,;&|?<>()[]{}".contains(character)) {
            let mut is_value = false;
            for (place, part) in word.split_inclusive(['=', ':', '@', '/']).enumerate() {
                let ends = part.ends_with(['=', ':']);
                let bare = part.trim_end_matches(['=', ':', '@', '/']);
                let has_digit = bare.chars().any(|character| character.is_ascii_digit());
                let is_part = letters(bare) >= MIN_PART && has_digit && bare.chars().any(char::is_alphabetic);
                if !ends && (is_part || (place > 0 && is_value)) || (ends && is_part && is_value) {
                    self.secret.insert(bare.to_owned());
                }
                is_value = ends;
            }
        }
    }

    fn hidden(self) -> Hidden {
        let Self { secret, open } = self;
        let is_secret = |text: &String| letters(text) >= MIN_LETTERS && !open.contains(&text.to_lowercase());
        let mut texts: Vec<String> = secret.into_iter().filter(is_secret).collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Hidden { texts }
    }
}

/// Whether only the name of something stands here, which says nothing of what is in it.
fn is_reference(path: &str) -> bool {
    let is_data = ["/data/", "/stringData/", "/binaryData/", "/metadata/"]
        .iter()
        .any(|start| path.starts_with(start));
    let last = path.rsplit('/').next().unwrap_or_default();
    !is_data
        && (path.contains("/valueFrom/")
            || last.ends_with("Name")
            || matches!(last, "name" | "namespace" | "kind" | "apiVersion"))
}

fn letters(text: &str) -> usize {
    text.chars().filter(|character| character.is_alphanumeric()).count()
}

/// A text without another one: a short one is only meant where it stands as a word.
fn without(text: &str, secret: &str) -> String {
    let is_long = letters(secret) >= LONG;
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (
            rest.get(..at).unwrap_or_default(),
            rest.get(at + secret.len()..).unwrap_or_default(),
        );
        let is_word = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        shown.push_str(before);
        shown.push_str(if is_long || is_word { HIDDEN } else { secret });
        rest = after;
    }
    shown + rest
}

/// A text without what is before the host of its addresses.
fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(|character: char| character.is_whitespace() || "'\"`,;()<>".contains(character)) {
        match credentials(word) {
            Some(own) => shown.push_str(&word.replacen(own, HIDDEN, 1)),
            None => shown.push_str(word),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_a_policy_quotes_is_hidden() {
        let pod = json!({"metadata": {"name": "payments", "annotations": {
                "vault-token": "s3cr3t-ANN",
                "kubectl.kubernetes.io/last-applied-configuration":
                    "{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"password\":\"s3cr3t-LAST\"}}"}},
            "spec": {"imagePullSecrets": [{"name": "pull"}], "containers": [{"name": "app",
                "image": "user:s3cr3t-IMG@r.io/a:latest",
                "args": ["--password=s3cr3t-ARG", "--level=debug"],
                "command": ["sh", "-c", "curl -H 'Authorization: Bearer s3cr3t-CMD' x"],
                "env": [{"name": "DB_PASSWORD", "value": "s3cr3t-ENV"}, {"name": "SERVICE", "value": "payments"},
                    {"name": "SHORT", "value": "abcde"}, {"name": "FLAG", "value": "true"},
                    {"name": "URL", "value": "postgres://u:s3cr3t-URL@db/x"},
                    {"name": "REF", "valueFrom": {"secretKeyRef": {"name": "vault", "key": "pass"}}}]}]}});
        let hidden = Hidden::of("Pod", &pod);
        for text in [
            "s3cr3t-ANN",
            "s3cr3t-LAST",
            "s3cr3t-IMG",
            "s3cr3t-ARG",
            "s3cr3t-CMD",
            "s3cr3t-ENV",
            "s3cr3t-URL",
            "xs3cr3t-ENVx",
            "czNjcjN0LUVOVg==",
            "curl -H 'Authorization: Bearer s3cr3t-CMD' x",
            "--password=s3cr3t-ARG",
        ] {
            let shown = hidden.mask(&format!("it holds {text} here"));
            assert!(
                shown.contains(HIDDEN) && !shown.contains("s3cr3t") && !shown.contains("czNj"),
                "{shown}"
            );
        }
        assert_eq!(
            hidden.mask("image user:s3cr3t-IMG@r.io/a:latest of app"),
            "image (hidden)@r.io/a:latest of app"
        );
        assert_eq!(hidden.mask("abcde is (abcde)"), "(hidden) is ((hidden))");
        for open in [
            "DB_PASSWORD of payments is true",
            "secret vault, pull",
            "abcdefg",
            "no --password",
            "sh -c curl",
        ] {
            assert_eq!(hidden.mask(open), open);
        }
    }

    #[test]
    fn data_is_hidden_also_decoded() {
        let secret = json!({"metadata": {"name": "db"}, "data": {"key": "aHVudGVyMg==", "name": "aHVudGVyMw=="}});
        let hidden = Hidden::of("Secret", &secret);
        assert_eq!(
            hidden.mask("key=hunter2, name=hunter3, aHVudGVyMg=="),
            "key=(hidden), name=(hidden), (hidden)"
        );
        let map = Hidden::of(
            "ConfigMap",
            &json!({"data": {"key": "s3cr3t-CM", "many": "a=hunter2\nb: other-words"}}),
        );
        assert_eq!(map.mask("key=s3cr3t-CM has hunter2"), "key=(hidden) has (hidden)");
    }

    #[test]
    fn addresses_lose_their_passwords() {
        let none = Hidden::default();
        assert_eq!(
            none.mask("see https://u:p4ss@h/x, \"u:p4ss@tcp(h)\""),
            "see https://(hidden)@h/x, \"(hidden)@tcp(h)\""
        );
        for open in [
            "nginx:1.2@sha256:abc",
            "r.io:5000/app@sha256:abc",
            "a@b.io",
            "https://h/a:b@c",
        ] {
            assert_eq!(none.mask(open), open);
        }
    }
}
