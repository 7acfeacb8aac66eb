//! What is about a person: addresses, numbers that are theirs.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Span};
use crate::gateway::guards::pattern::fixed;

/// Finds them.
pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?i)(?:[\pL\pN][\pL\pN._%+'-]*|\\?"[^"@\n\\]{1,64}\\?")(?:@|%40|\s?\[at\]\s?|\s\(at\)\s)[\pL\pN][\pL\pN-]*(?:(?:\.|\s?\[dot\]\s?)[\pL\pN-]+)*(?:\.|\s?\[dot\]\s?)\pL{2,}|[\pL\pN][\pL\pN._+-]*\sat\s[\pL\pN-]+(?:\sdot\s[\pL\pN-]+)*\sdot\s\pL{2,6}\b"#,
        )
    });
    static PHONE: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?:\+|\b00)[1-9]\d{0,2}[ ().\-/]{0,2}\d(?:[ ().\-/]{0,2}\d){6,12}\b|\(?\b[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}\b|\b0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}\b|\b0[1-9]\d{0,3}[ /-]\d{6,8}\b",
        )
    });
    static IBAN: LazyLock<Regex> = LazyLock::new(|| fixed(r"(?i)\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}\b"));
    static CARD: LazyLock<Regex> = LazyLock::new(|| fixed(r"\b\d(?:[ -]?\d){11,18}\b"));
    static SOCIAL: LazyLock<Regex> = LazyLock::new(|| fixed(r"\b\d{3}-\d{2}-\d{4}\b"));
    static V4: LazyLock<Regex> = LazyLock::new(|| fixed(r"\d{1,3}(?:\.\d{1,3}){3}"));
    static V6: LazyLock<Regex> = LazyLock::new(|| {
        fixed(r"(?i)(?:[0-9a-f]{1,4}:){2,7}[0-9a-f]{0,4}(?::[0-9a-f]{1,4})*|(?:[0-9a-f]{1,4}:)+:(?:[0-9a-f]{1,4}:?)*")
    });
    let mut all = |form: &Regex, kind: &'static str, is: &dyn Fn(&str) -> bool| {
        let matches = form.find_iter(text).filter(|one| is(one.as_str()));
        found.extend(matches.map(|one| Span {
            start: one.start(),
            end: one.end(),
            kind: Kind(kind),
        }));
    };
    all(&EMAIL, "e-mail", &|_| true);
    all(&PHONE, "phone", &|_| true);
    all(&CARD, "card-number", &is_card);
    all(&SOCIAL, "social-security-number", &|number| {
        !number.starts_with("000") && !number.starts_with('9')
    });
    all(&V6, "ip-address", &|text| {
        text.parse().is_ok_and(|address| is_public(IpAddr::V6(address)))
    });
    for one in IBAN.find_iter(text) {
        // The words behind it may look like more of it.
        let ends = (15..=one.len()).rev().map(|length| one.start() + length);
        let end = ends
            .into_iter()
            .find(|end| text.get(one.start()..*end).is_some_and(is_iban));
        found.extend(end.map(|end| Span {
            start: one.start(),
            end,
            kind: Kind("iban"),
        }));
    }
    for one in V4.find_iter(text) {
        let before = text.get(..one.start()).unwrap_or_default();
        let after = text.get(one.end()..).unwrap_or_default();
        // Part of a longer version, the tag of an image.
        let is_version = before.ends_with(['.', 'v', ':', '-', '_']) && !before.ends_with(": ")
            || before.ends_with(|c: char| c.is_alphanumeric());
        let goes_on = after.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_')
            || (after.starts_with('.') && after.chars().nth(1).is_some_and(|c| c.is_ascii_digit()));
        if !is_version && !goes_on && one.as_str().parse().is_ok_and(|address| is_public(IpAddr::V4(address))) {
            found.push(Span {
                start: one.start(),
                end: one.end(),
                kind: Kind("ip-address"),
            });
        }
    }
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> {
    text.chars().filter_map(|character| character.to_digit(10))
}

/// The check digit of payment cards (ISO/IEC 7812), and their first digits.
fn is_card(text: &str) -> bool {
    let count = digits(text).count();
    let first = digits(text).next().unwrap_or_default();
    let sum: u32 = digits(text)
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) => doubled / 10 + doubled % 10,
        })
        .sum();
    (13..=19).contains(&count) && (2..=6).contains(&first) && sum.is_multiple_of(10)
}

/// The check digits of ISO 13616.
fn is_iban(text: &str) -> bool {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let (Some(head), Some(tail)) = (plain.get(..4), plain.get(4..)) else {
        return false;
    };
    let remainder = tail
        .chars()
        .chain(head.chars())
        .filter_map(|character| character.to_digit(36))
        .fold(0, |sum, digit| {
            if digit < 10 {
                (sum * 10 + digit) % 97
            } else {
                (sum * 100 + digit) % 97
            }
        });
    (15..=34).contains(&plain.len()) && remainder == 1
}

/// An address on the internet, where it may be somebody's; not of a cluster, a machine or an example.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_mask = first == 255 || first == 0 || first >= 224;
            let is_special = address.is_private() || address.is_loopback() || address.is_link_local();
            !is_special && !address.is_documentation() && !is_shared && !is_mask
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            let is_global = (0x2000..0x4000).contains(&first);
            is_global && !(first == 0x2001 && second == 0xdb8) && address != Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.into_iter().map(|span| span.kind.0).collect()
    }

    #[test]
    fn personal_data_is_found() {
        assert_eq!(kinds("ask jane.doe@example.com"), ["e-mail"]);
        assert_eq!(kinds("call +49 30 1234567 now"), ["phone"]);
        assert!(kinds("DE89 3704 0044 0532 0130 00").contains(&"iban"));
        assert_eq!(kinds("4111 1111 1111 1111"), ["card-number"]);
        assert_eq!(
            kinds("from 8.8.4.4, or 2606:4700:4700::1111"),
            ["ip-address", "ip-address"]
        );
    }

    #[test]
    fn numbers_that_are_nobodys_are_left() {
        for text in [
            "10.0.0.1",
            "192.168.1.0/24",
            "0.0.0.0/0",
            "web:1.2.3.4",
            "v1.29.3.1",
            "4111 1111 1111 1112",
            "12:30:45",
            "1000",
            "169.254.169.254",
            "8080:30080",
            "sha256:0123",
        ] {
            assert_eq!(kinds(text), Vec::<&str>::new(), "{text}");
        }
    }
}
