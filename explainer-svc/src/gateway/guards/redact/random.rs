//! Texts that nobody would think of: long, and of no pattern.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Span};
use crate::gateway::guards::pattern::fixed;

const RANDOM: Kind = Kind("high-entropy");

/// Finds them. Digests of images and UUIDs are random and public.
pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    static TOKENS: LazyLock<Regex> = LazyLock::new(|| fixed(r"[A-Za-z0-9+/_=~-]{16,}"));
    static UUID: LazyLock<Regex> =
        LazyLock::new(|| fixed(r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"));
    // What a name beside it calls the digest of something.
    static CHECKSUM: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?i)(?:checksum|digest|sha-?\d+|md5|revision|commit|fingerprint|etag)[\w./-]{0,40}["']?\s*[:=]\s*["']?$"#,
        )
    });
    for token in TOKENS.find_iter(text) {
        let before = text.get(..token.start()).unwrap_or_default();
        let is_digest = ["sha256:", "sha512:", "sha1:", "sha384:", "md5:"]
            .iter()
            .any(|start| before.ends_with(start))
            || (is_hex(token.as_str()) && CHECKSUM.is_match(before));
        if is_digest || UUID.is_match(token.as_str()) {
            continue;
        }
        // What is left without words and counts: names are made of them, noise is not.
        let noise: String = token.as_str().split(SEPARATORS).filter(|part| !is_word(part)).collect();
        if is_random(&noise) {
            found.push(Span {
                start: token.start(),
                end: token.end(),
                kind: RANDOM,
            });
        }
    }
}

fn is_hex(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

const SEPARATORS: [char; 6] = ['/', '_', '-', '=', '~', '+'];

fn is_word(part: &str) -> bool {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        fixed(r"^(?:[A-Za-z]?[a-z]+(?:[A-Z]{1,4}[a-z]+)*[A-Z]{0,4}\d{0,2}|[A-Z]+\d{0,2}|v?\d{1,5})?$")
    });
    // Words of camel case are longer than two letters as a rule.
    let capitals = part.bytes().filter(u8::is_ascii_uppercase).count();
    WORD.is_match(part) && (capitals * 4 <= part.len() || capitals == part.len() || part.len() < 12)
}

fn is_random(token: &str) -> bool {
    let count = |is: fn(&u8) -> bool| token.bytes().filter(is).count();
    let digits = count(u8::is_ascii_digit);
    let upper = count(u8::is_ascii_uppercase);
    let lower = count(u8::is_ascii_lowercase);
    let length = token.len();
    let letters = upper + lower;
    if digits + letters == length
        && count(u8::is_ascii_hexdigit) == length
        && length >= 32
        && digits >= 4
        && letters >= 2
    {
        return true;
    }
    // How often the sort of character changes: in words hardly ever, in noise all the time.
    let sort = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        _ => 3,
    };
    let bytes = token.as_bytes();
    let changes = bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .filter(|(one, next)| sort(one) != sort(next))
        .count();
    let is_mixed = upper >= 2 && lower >= 2 && digits >= 1;
    if is_mixed && length >= 16 {
        return changes * 100 >= length * 30 && entropy(token) >= 3.3;
    }
    let is_cased = upper >= 4 && lower >= 4 && length >= 28;
    if is_cased {
        return changes * 100 >= length * 38 && entropy(token) >= 3.8;
    }
    length >= 20 && digits >= 4 && letters >= 6 && changes >= 7 && entropy(token) >= 3.3 && changes * 100 >= length * 25
}

/// Bits for each character.
fn entropy(token: &str) -> f64 {
    let mut counts: BTreeMap<u8, u32> = BTreeMap::new();
    for byte in token.bytes() {
        *counts.entry(byte).or_default() += 1;
    }
    let length = f64::from(u32::try_from(token.len()).unwrap_or(u32::MAX));
    counts
        .values()
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(text: &str) -> bool {
        let mut found = Vec::new();
        find(text, &mut found);
        !found.is_empty()
    }

    #[test]
    fn noise_is_told_from_names() {
        for noise in [
            "k7Jx2mQp9ZtR4vLw8nYs",
            "4f9a1c7be02d48f6a3951d7c0eb28f64",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        ] {
            assert!(is_found(noise), "{noise}");
        }
        for name in [
            "registry-proxy-configuration-v2",
            "containers/0/securityContext/allowPrivilegeEscalation",
            "checkout-frontend-7d4b9c6f5d-x2x9z",
            "ValidatingWebhookConfiguration",
            "/spec/containers/0/securityContext/runAsUser",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "kubernetes-io-metadata-name",
        ] {
            assert!(!is_found(name), "{name}");
        }
    }
}
