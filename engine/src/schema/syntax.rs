//! Names and other texts with a form of their own.

/// Letters, digits and `-`, a letter or digit at both ends; at most 63.
pub(super) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_label(text)
}

/// Labels with dots between them; at most 253.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
        && bytes.iter().all(|byte| is_end(byte) || *byte == b'-')
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The key of a label or an annotation, the name of a resource: a name, with a domain before it or without.
pub(super) fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_dns_subdomain(domain) && is_name(name),
        None => is_name(text),
    }
}

/// The value of a label.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// The name of a port.
pub(super) fn is_port_name(text: &str) -> bool {
    text.len() <= 15 && is_label(text) && !text.contains("--") && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// A key of a `ConfigMap` or a Secret.
pub(super) fn is_config_key(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text != "."
        && !text.starts_with("..")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The name of an environment variable.
pub(super) fn is_variable_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

/// A name that can be one segment of a URL's path.
pub(super) fn is_path_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['/', '%'])
}

/// A time as in RFC 3339.
pub(super) fn is_time(text: &str) -> bool {
    let Some((day, rest)) = text.split_once('T') else {
        return false;
    };
    let (clock, is_zoned) = match rest.strip_suffix('Z') {
        Some(clock) => (clock, true),
        None => match rest.rfind(['+', '-']).and_then(|at| rest.split_at_checked(at)) {
            Some((clock, zone)) => (clock, is_form(zone, b"+00:00") || is_form(zone, b"-00:00")),
            None => (rest, false),
        },
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    is_zoned && is_fraction && is_form(day, b"0000-00-00") && is_form(clock, b"00:00:00")
}

/// Whether a text has the digits of a form where the form has them, and the same elsewhere.
fn is_form(text: &str, form: &[u8]) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| {
            if *form == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == *form
            }
        })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn check(is: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(is(text), "{text}");
        }
        for text in bad {
            assert!(!is(text), "{text}");
        }
    }

    #[test]
    fn names_have_their_forms() {
        let long = "a".repeat(64);
        check(
            is_dns_label,
            &["a", "a-1", "0"],
            &["", "-a", "a-", "A", "a.b", "a_b", &long],
        );
        check(
            is_dns_subdomain,
            &["a.b", "a-b.c", &long],
            &["a..b", ".a", "a.", "A.b", &"a.".repeat(130)],
        );
        check(
            is_qualified_name,
            &["a", "A_b.c", "example.com/name"],
            &["", "/a", "a/", "a/b/c", "-a", "Example.com/name", &long],
        );
        check(is_label_value, &["", "v1.2_3"], &["a b", "-a", "a/b", &long]);
        check(
            is_port_name,
            &["http", "http-2"],
            &["", "80", "http--2", "HTTP", "-a", "a234567890123456"],
        );
        check(
            is_config_key,
            &["a", ".a", "A_b-c.d"],
            &["", ".", "..", "..a", "a/b", "a b"],
        );
        check(is_variable_name, &["A", "a.b", "1"], &["", "a=b", "ä"]);
        check(is_path_segment, &["system:node"], &["", ".", "..", "a/b", "a%b"]);
        check(
            is_time,
            &[
                "2006-01-02T15:04:05Z",
                "2006-01-02T15:04:05.000000Z",
                "2006-01-02T15:04:05+02:00",
            ],
            &[
                "",
                "2006-01-02",
                "2006-01-02T15:04:05",
                "2006-1-2T15:04:05Z",
                "2006-01-02T15:04:05.Z",
            ],
        );
    }
}
