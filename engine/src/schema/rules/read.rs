//! Reads an object as the API server does: `null` is absent, and what has the wrong type is not this module's matter.

use serde_json::Value;

use super::Object;
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;

/// A member. Asked for in a hundred places: a search of the map in each of them would be most of this module's code.
#[inline(never)]
pub(super) fn get<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    object.get(key)
}

/// Whether a member is there.
#[inline(never)]
pub(super) fn has(object: &Object, key: &str) -> bool {
    get(object, key).is_some_and(|value| !value.is_null())
}

/// A text that is not empty.
#[inline(never)]
pub(super) fn text<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    get(object, key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[inline(never)]
pub(super) fn number(object: &Object, key: &str) -> Option<i64> {
    get(object, key).and_then(Value::as_i64)
}

#[inline(never)]
pub(super) fn is_true(object: &Object, key: &str) -> bool {
    get(object, key).and_then(Value::as_bool) == Some(true)
}

#[inline(never)]
pub(super) fn is_false(object: &Object, key: &str) -> bool {
    get(object, key).and_then(Value::as_bool) == Some(false)
}

#[inline(never)]
pub(super) fn object<'a>(object: &'a Object, key: &str) -> Option<&'a Object> {
    get(object, key).and_then(Value::as_object)
}

#[inline(never)]
pub(super) fn items<'a>(object: &'a Object, key: &str) -> &'a [Value] {
    get(object, key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The elements of a list that are objects, with their indexes.
pub(super) fn elements<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = (usize, &'a Object)> {
    let items = items(object, key).iter().enumerate();
    items.filter_map(|(index, item)| Some((index, item.as_object()?)))
}

/// The elements of a list that are texts, with their indexes.
pub(super) fn texts<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let items = items(object, key).iter().enumerate();
    items.filter_map(|(index, item)| Some((index, item.as_str()?)))
}

/// Reports unless exactly one of these members is there.
pub(super) fn exactly_one(object: &Object, keys: &[&str], path: &Path<'_>, check: &mut Check<'_>) {
    if keys.iter().filter(|key| has(object, key)).count() == 1 {
        return;
    }
    let text = format!("must have exactly one of {}", keys.join(", "));
    check.report(path, What::Invalid(text.into()));
}

/// Reports each of these numbers that is there and smaller than this.
pub(super) fn at_least(minimum: i64, object: &Object, keys: &[&str], path: &Path<'_>, check: &mut Check<'_>) {
    for key in keys {
        if number(object, key).is_some_and(|number| number < minimum) {
            let text = format!("must be at least {minimum}");
            check.report(&path.key(key), What::Invalid(text.into()));
        }
    }
}

/// Reports each of these members that is there.
pub(super) fn none_of(object: &Object, keys: &[&str], path: &Path<'_>, why: &'static str, check: &mut Check<'_>) {
    for key in keys {
        if has(object, key) {
            check.invalid(&path.key(key), why);
        }
    }
}

/// Reports a port that is none. 0 is as if it was absent.
pub(super) fn port(object: &Object, key: &str, path: &Path<'_>, check: &mut Check<'_>) {
    if let Some(port) = number(object, key).filter(|port| *port != 0)
        && !is_port(port)
    {
        check.invalid(&path.key(key), PORT);
    }
}

pub(super) const PORT: &str = "must be between 1 and 65535";

pub(super) fn is_port(number: i64) -> bool {
    (1..=65535).contains(&number)
}
