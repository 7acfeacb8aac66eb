//! `semver.*`. A leading `v` is allowed.

use std::cmp::Ordering;

use super::operands::{any, text, units};
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("semver.compare", 2, compare),
    Builtin::new("semver.is_valid", 1, is_valid),
];

fn compare(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (a, b) = (text(args, 0)?, text(args, 1)?);
    host.spend(units(a.len() + b.len()))?;
    let parse = |place: usize, text: &'static str, version| {
        Version::parse(version).ok_or_else(|| Fault::new(format!("operand {place}: {text}: {version}")))
    };
    let invalid = "not a valid SemVer";
    let order = parse(1, invalid, a)?.cmp(&parse(2, invalid, b)?);
    Ok(Value::from(match order {
        Ordering::Less => -1_i64,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}

fn is_valid(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let version = any(args, 0)?.as_str();
    host.spend(units(version.map_or(0, str::len)))?;
    Ok(Value::Bool(version.and_then(Version::parse).is_some()))
}

struct Version<'a> {
    numbers: [i64; 3],
    pre_release: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, metadata) = cut(text, '+');
        let (text, pre_release) = cut(text, '-');
        if !metadata.is_none_or(are_identifiers) || !pre_release.is_none_or(is_pre_release) {
            return None;
        }
        let mut parts = text.split('.');
        let mut number = || number(parts.next()?);
        let numbers = [number()?, number()?, number()?];
        parts.next().is_none().then_some(Self {
            numbers,
            pre_release: pre_release.unwrap_or_default(),
        })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| match (self.pre_release, other.pre_release) {
                (a, b) if a == b => Ordering::Equal,
                ("", _) => Ordering::Greater,
                (_, "") => Ordering::Less,
                // The longer one is greater when everything before is equal.
                (a, b) => a.split('.').map(Identifier).cmp(b.split('.').map(Identifier)),
            })
    }
}

fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

fn number(text: &str) -> Option<i64> {
    let padded = text.len() > 1 && text.starts_with('0');
    (is_decimal(text) && !padded).then(|| text.parse().ok()).flatten()
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn are_identifiers(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(allowed))
}

fn is_pre_release(text: &str) -> bool {
    let padded = |part: &str| part.len() > 1 && part.starts_with('0') && is_decimal(part);
    are_identifiers(text) && !text.split('.').any(padded)
}

/// A part of a pre-release. Numbers come before words.
struct Identifier<'a>(&'a str);

impl Ord for Identifier<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (is_decimal(self.0), is_decimal(other.0)) {
            // OPA reads numbers that do not fit as the largest that does.
            (true, true) => {
                let value = |text: &str| text.parse().unwrap_or(i64::MAX);
                value(self.0).cmp(&value(other.0))
            }
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.0.cmp(other.0),
        }
    }
}

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Identifier<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Identifier<'_> {}

#[cfg(test)]
mod tests {
    use super::super::{Host, find};
    use crate::rego::value::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn versions_are_ordered() {
        let compare = |a: &str, b: &str| {
            let args = [Value::string(a), Value::string(b)];
            (find("semver.compare").unwrap().run)(&mut Host::new(1_000), &args)
                .ok()
                .and_then(|order| order.as_i64())
        };
        let rising = [
            ("0.0.0-foo", "0.0.0"),
            ("v1.2.3-4", "1.2.3-4-foo"),
            ("1.2.3-5-Foo", "1.2.3-5-foo"),
            ("1.2.3-a.5", "1.2.3-a.10"),
            ("1.2.3-a.5", "1.2.3-a.b"),
            ("1.2.3-a", "1.2.3-a.b"),
            ("1.0.0-beta.2", "1.0.0-beta.11"),
            ("1.0.0-alpha.beta", "1.0.0-beta"),
            ("1.9.0", "1.10.0"),
        ];
        for (a, b) in rising {
            assert_eq!((compare(a, b), compare(b, a)), (Some(-1), Some(1)), "{a} < {b}");
        }
        assert_eq!(compare("1.2.3+a", "v1.2.3+b"), Some(0));
        assert_eq!(compare("1.2", "1.2.3"), None);
    }

    #[test]
    fn versions_are_checked() {
        let cases = [
            ("1.2.3-0a+01.x", true),
            ("v1.2.3", true),
            ("vv1.2.3", false),
            ("1.2", false),
            ("01.2.3", false),
            ("1.2.3.4", false),
            ("1.2.3-01", false),
            ("1.2.3-", false),
            ("1.2.3-+build", false),
            ("0.88.0-11_e4e5dcabb", false),
            ("99999999999999999999.0.0", false),
            ("+1.2.3", false),
        ];
        for (version, expected) in cases {
            let valid = (find("semver.is_valid").unwrap().run)(&mut Host::new(1_000), &[Value::string(version)]);
            assert_eq!(valid, Ok(Value::Bool(expected)), "{version}");
        }
    }
}
