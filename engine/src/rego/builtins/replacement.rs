//! Replacing as Go's `strings.Replacer` does: from left to right, and where several fit, the first in the list.

use super::operands::{from_bytes, units};
use super::{Fault, Host};
use crate::rego::value::Value;

/// As many bytes are written before the budget is asked again.
const STRIDE: usize = 4096;

/// All of one text by another.
pub(super) fn replace(host: &mut Host, text: &str, old: &str, new: &str) -> Result<Value, Fault> {
    if old.is_empty() {
        return replace_many(host, text, &[(old.to_owned(), new.to_owned())]);
    }
    host.spend(units(text.len()))?;
    let added = text.matches(old).count().saturating_mul(new.len());
    host.spend(units(text.len().saturating_add(added)))?;
    Ok(text.replace(old, new).into())
}

/// All of several texts, each by another. Nothing, when it is looked for, is between any two bytes, inside of
/// characters also.
pub(super) fn replace_many(host: &mut Host, text: &str, pairs: &[(String, String)]) -> Result<Value, Fault> {
    host.spend(units(text.len().saturating_mul(1 + pairs.len())))?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut after_nothing = false;
    let mut unpaid = 0;
    loop {
        let fits =
            |(old, _): &&(String, String)| rest.starts_with(old.as_bytes()) && !(after_nothing && old.is_empty());
        let found = pairs.iter().find(fits);
        let read = if let Some((old, new)) = found {
            unpaid += new.len();
            if unpaid >= STRIDE {
                host.spend(units(unpaid))?;
                unpaid = 0;
            }
            out.extend_from_slice(new.as_bytes());
            old.len()
        } else {
            let Some(byte) = rest.first() else {
                return Ok(from_bytes(out));
            };
            out.push(*byte);
            1
        };
        after_nothing = read == 0;
        rest = rest.get(read..).unwrap_or_default();
    }
}
