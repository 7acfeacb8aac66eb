//! What may be shown and sent: text without control characters, values without secrets.

mod hidden;

pub use self::hidden::Hidden;

/// The longest message of a denial, in bytes. The API server keeps more; a person does not read more.
pub const MAX_MESSAGE: usize = 16 * 1024;

/// The longest warning, in characters; the API server advises 120 and cuts at 256 when there are many.
pub const MAX_WARNING: usize = 240;

/// How many warnings one answer carries.
pub const MAX_WARNINGS: usize = 12;

const MAX_VALUE: usize = 120;

/// Text for a terminal: lines are kept, every other control character, bidirectional mark and invisible tag is dropped, and what
/// is longer than `max` bytes is cut.
pub fn lines(text: &str, max: usize) -> String {
    let mut clean: String = text
        .chars()
        .filter(|&character| character == '\n' || is_plain(character))
        .collect();
    if clean.len() > max {
        let end = (0..=max.saturating_sub(4))
            .rev()
            .find(|&index| clean.is_char_boundary(index))
            .unwrap_or(0);
        clean.truncate(end);
        clean.push_str("\n...");
    }
    clean
}

/// Text of somebody else, whole: without what a terminal would take for more than text.
pub fn verbatim(text: &str) -> String {
    let is_kept = |&character: &char| matches!(character, '\n' | '\t') || is_plain(character);
    text.chars().filter(is_kept).collect()
}

/// Text for one line of at most `max` characters. A warning with a line feed in it is dropped by the API server.
pub fn line(text: &str, max: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(max));
    for character in text.chars() {
        let character = if character.is_whitespace() { ' ' } else { character };
        if is_plain(character) && !(character == ' ' && (clean.is_empty() || clean.ends_with(' '))) {
            clean.push(character);
        }
    }
    let clean = clean.trim_end();
    if clean.chars().count() <= max {
        return clean.to_owned();
    }
    let mut cut: String = clean.chars().take(max.saturating_sub(3)).collect();
    cut.push_str("...");
    cut
}

/// Warnings as the API server passes them on: one line each, none empty, not too many.
pub fn warnings(warnings: &[String]) -> Vec<String> {
    let clean = warnings.iter().map(|warning| line(warning, MAX_WARNING));
    clean.filter(|warning| !warning.is_empty()).take(MAX_WARNINGS).collect()
}

/// Neither a control character nor one that changes how others are shown.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// The value at a path as short JSON, unless the path or the kind says that it may be a secret.
pub fn value(kind: &str, path: &str, value: &serde_json::Value) -> Option<String> {
    // A boolean is no secret, whatever it is called (automountServiceAccountToken).
    if value.is_null() || (!value.is_boolean() && may_be_secret(kind, path)) {
        return None;
    }
    let shown = match value {
        // What holds more than plain values may hold env or args somewhere below: where it is says enough.
        // A header, an environment variable.
        serde_json::Value::Object(members) if members.contains_key("name") && members.contains_key("value") => {
            return None;
        }
        serde_json::Value::Object(members) => {
            let is_open = |(key, member): (&String, &serde_json::Value)| {
                !is_structure(member) && !is_secret_text(member) && !may_be_secret(kind, &format!("{path}/{key}"))
            };
            members.iter().all(is_open).then(|| value.to_string())?
        }
        serde_json::Value::String(text) if is_credential(text) => return None,
        serde_json::Value::Array(items) => {
            let is_closed = |item| is_structure(item) || is_secret_text(item);
            (!items.iter().any(is_closed)).then(|| value.to_string())?
        }
        plain => plain.to_string(),
    };
    Some(line(&shown, MAX_VALUE))
}

fn is_structure(value: &serde_json::Value) -> bool {
    value.is_object() || value.is_array()
}

fn is_secret_text(value: &serde_json::Value) -> bool {
    value.as_str().is_some_and(is_credential)
}

/// A value that is a secret by its form: a password in an address, a bearer token, a private key, a document with secrets in it.
fn is_credential(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    credentials(text).is_some()
        || ["Bearer ", "Basic ", "-----BEGIN"]
            .iter()
            .any(|start| text.starts_with(start))
        || ["password", "passwd", "secret\"", "token\""]
            .iter()
            .any(|word| lower.contains(word))
}

/// The user and the password of an address.
pub(crate) fn credentials(text: &str) -> Option<&str> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (before, host) = rest.split('/').next().unwrap_or_default().rsplit_once('@')?;
    // The digest of an image stands behind an @ too.
    let is_digest = host.starts_with("sha256:") || host.starts_with("sha512:");
    (before.contains(':') && !is_digest).then_some(before)
}

/// Whether a change at this path would show what [`value`] does not: a secret that stays as it is around the change.
pub fn hides(kind: &str, path: &str, new: &serde_json::Value) -> bool {
    // Then each member is asked for, with what is around it.
    let is_about_a_key = path.ends_with("/privateKey")
        && new
            .as_object()
            .is_some_and(|members| members.keys().all(|key| ABOUT_A_KEY.contains(&key.as_str())));
    (may_be_secret(kind, path) && !is_about_a_key && !new.is_boolean() && !new.is_null())
        || match new {
            serde_json::Value::Object(members) => members
                .iter()
                .any(|(key, member)| hides(kind, &format!("{path}/{key}"), member)),
            serde_json::Value::Array(items) => items.iter().any(|item| hides(kind, path, item)),
            serde_json::Value::String(text) => is_credential(text),
            _ => false,
        }
}

/// Words in the name of a field, label or annotation that say that its value is for few eyes. `last-applied-configuration`
/// holds the whole object.
const SECRET_WORDS: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "api-key",
    "api_key",
    "private",
    "last-applied",
    "authorization",
];

/// What says how a private key is made (in a Certificate of cert-manager, for one), and nothing of the key.
const ABOUT_A_KEY: [&str; 4] = ["algorithm", "encoding", "rotationPolicy", "size"];

fn may_be_secret(kind: &str, path: &str) -> bool {
    let holds_data = kind == "Secret" || kind == "ConfigMap";
    let path = match path.rsplit_once("/privateKey/") {
        Some((above, field)) if ABOUT_A_KEY.contains(&field) => above,
        _ => path,
    };
    path.split('/').skip(1).enumerate().any(|(depth, segment)| {
        let lower = segment.to_ascii_lowercase();
        (holds_data && depth == 0 && matches!(segment, "data" | "stringData" | "binaryData"))
            || matches!(lower.as_str(), "env" | "args" | "command" | "httpheaders")
            || SECRET_WORDS.iter().any(|word| lower.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn lines_keep_line_feeds_and_drop_escapes() {
        assert_eq!(lines("a\x1b[31mb\r\nc\u{202E}d\u{7}", 100), "a[31mb\ncd");
    }

    #[test]
    fn lines_are_cut_at_a_character() {
        let text = "ä".repeat(100);
        let cut = lines(&text, 21);
        assert!(cut.len() <= 21, "{cut}");
        assert!(cut.ends_with("\n..."), "{cut}");
    }

    #[test]
    fn a_line_has_no_line_feed_and_a_limit() {
        assert_eq!(line(" a\n\n b\tc ", 100), "a b c");
        assert_eq!(line("abcdefgh", 6), "abc...");
    }

    #[test]
    fn how_a_key_is_made_is_no_secret() {
        let place = |field: &str| format!("/spec/privateKey/{field}");
        assert_eq!(
            value("Certificate", &place("size"), &json!(4096)),
            Some("4096".to_owned())
        );
        assert!(!hides(
            "Certificate",
            "/spec",
            &json!({"privateKey": {"algorithm": "RSA", "size": 4096}})
        ));
        // The key, what is below it, and what is in a place that holds secrets anyway.
        assert!(hides("Certificate", "/spec/privateKey", &json!("abc")));
        assert!(hides(
            "Certificate",
            "/spec",
            &json!({"privateKey": {"size": 4096, "pem": "abc"}})
        ));
        assert!(hides("App", "/spec/password", &json!({"privateKey": {"size": 4096}})));
        assert!(hides("Certificate", &place("pem"), &json!("abc")));
        assert!(hides("Certificate", &place("size/x"), &json!("abc")));
        assert!(hides("Certificate", &place("encoding"), &json!("-----BEGIN")));
        assert!(hides("Secret", "/data/privateKey/size", &json!(1)));
        assert!(hides("App", "/spec/password/privateKey/size", &json!(1)));
        assert!(hides("App", "/spec/pin/password", &json!(1234)));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(value("Pod", "/spec/containers/0/env/0/value", &json!("hunter2")), None);
        assert_eq!(value("Secret", "/data/x", &json!("aHVudGVyMg==")), None);
        assert_eq!(
            value("Pod", "/metadata/annotations/db-password", &json!("hunter2")),
            None
        );
        assert_eq!(
            value("Pod", "/spec/containers/0", &json!({"env": [{"value": "hunter2"}]})),
            None
        );
        let applied = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
        assert_eq!(value("Secret", applied, &json!("{\"data\":{}}")), None);
        assert_eq!(value("Secret", "/metadata/annotations/token", &json!("x")), None);
        assert_eq!(
            value("Pod", "/metadata/annotations", &json!({"db-password": "hunter2"})),
            None
        );
        assert_eq!(
            value("Pod", "/metadata/labels", &json!({"a": "b"})),
            Some("{\"a\":\"b\"}".to_owned())
        );
        assert_eq!(
            value("Pod", "/spec/automountServiceAccountToken", &json!(true)),
            Some("true".to_owned())
        );
        assert_eq!(
            value("App", "/spec/db", &json!({"url": "postgres://u:hunter2@h/db"})),
            None
        );
        assert_eq!(value("App", "/spec/dbs", &json!(["Bearer abc"])), None);
        assert_eq!(
            value(
                "Pod",
                "/metadata/annotations",
                &json!({"x": "{\"password\":\"hunter2\"}"})
            ),
            None
        );
        assert_eq!(value("App", "/spec/dsn", &json!("user:hunter2@tcp(h:3306)/db")), None);
        let image = json!("registry.example.com:5000/web@sha256:abc");
        assert_eq!(
            value("Pod", "/spec/containers/0/image", &image),
            Some(image.to_string())
        );
        let header = json!({"name": "Authorization", "value": "Bearer hunter2"});
        assert_eq!(value("Pod", "/spec/x/0", &header), None);
        assert_eq!(
            value(
                "Pod",
                "/spec/containers/0/livenessProbe/httpGet/httpHeaders/0/value",
                &json!("x")
            ),
            None
        );
        assert_eq!(value("App", "/spec/dsn", &json!("postgres://u:hunter2@h/db")), None);
        assert_eq!(
            value("App", "/spec/url", &json!("https://h/a:b@c")),
            Some("\"https://h/a:b@c\"".to_owned())
        );
        assert!(hides(
            "Pod",
            "/spec/containers/0",
            &json!({"env": [{"name": "A", "value": "hunter2"}]})
        ));
        assert!(hides("Pod", "/spec/containers/0/env", &json!(["hunter2"])));
        assert!(!hides(
            "Pod",
            "/spec/containers/0/securityContext",
            &json!({"capabilities": {"drop": ["ALL"]}})
        ));
        assert_eq!(value("Pod", "/spec/hostNetwork", &json!(true)), Some("true".to_owned()));
        assert_eq!(
            value("Pod", "/spec/containers/0/image", &json!("nginx:latest")),
            Some("\"nginx:latest\"".to_owned())
        );
    }
}
