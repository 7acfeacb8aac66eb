//! Compiled expressions, kept from one request to the next.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use super::super::operands::units;
use super::super::{Fault, Host};

/// So many are kept; then all are dropped. What is in use is back after one request.
const KEPT: usize = 1_000;
/// Of those that are larger than `SMALL`, this many: patterns may come from a request.
const KEPT_LARGE: usize = 16;
/// Bytes of a compiled expression.
const SMALL: usize = 128 << 10;
/// Larger ones are refused.
const LARGE: usize = 2 << 20;

/// The key of a pattern of Go's. The patterns of other functions have keys that begin with a NUL.
pub(super) fn key(pattern: &str) -> Cow<'_, str> {
    if pattern.starts_with('\0') {
        Cow::Owned(format!("\0regex\0{pattern}"))
    } else {
        Cow::Borrowed(pattern)
    }
}

/// What compiling a pattern costs. It is charged for every use, since what a request costs may not depend on those before it.
pub(super) fn weight(pattern: &str) -> u64 {
    let (mut repeats, mut number, mut inside) = (0_usize, 0_usize, false);
    for byte in pattern.bytes() {
        match byte {
            b'{' => (inside, number) = (true, 0),
            b'0'..=b'9' if inside => number = (number * 10 + usize::from(byte - b'0')).min(1_000),
            b',' if inside => number = 0,
            b'}' => {
                repeats += if inside { number } else { 0 };
                inside = false;
            }
            _ => inside = false,
        }
    }
    units(pattern.len() * 2 + repeats * 8)
}

/// The expression under a key; `translate` gives its pattern when it is not there.
pub(crate) fn compiled<'a>(
    host: &'a mut Host,
    key: &str,
    translate: impl FnOnce() -> Result<String, &'static str>,
) -> Result<&'a Regex, Fault> {
    if !host.patterns.contains_key(key) {
        let pattern = translate().ok();
        let small = pattern.as_deref().and_then(|pattern| compile(pattern, SMALL));
        let large = small
            .is_none()
            .then(|| pattern.as_deref().and_then(|pattern| compile(pattern, LARGE)))
            .flatten();
        let kept = if large.is_some() { KEPT_LARGE } else { KEPT };
        if host.patterns.len() >= kept {
            host.patterns.clear();
        }
        host.patterns.insert(key.to_owned(), small.or(large));
    }
    match host.patterns.get(key) {
        Some(Some(regex)) => Ok(regex),
        _ => Err(Fault::new("invalid pattern, or one that is too large")),
    }
}

/// An expression of so many bytes at most.
fn compile(pattern: &str, size: usize) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(size)
        .dfa_size_limit(SMALL)
        .build()
        .ok()
}
