//! Values as Rego writes them.

use std::fmt;

use super::{Object, Set, Value};

/// As Rego writes it: JSON, and `{1, 2}` or `set()` for sets.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<'a>(
            out: &mut fmt::Formatter<'_>,
            ends: [&str; 2],
            items: impl Iterator<Item = &'a Value>,
        ) -> fmt::Result {
            out.write_str(ends[0])?;
            for (place, item) in items.enumerate() {
                write!(out, "{}{item}", if place == 0 { "" } else { ", " })?;
            }
            out.write_str(ends[1])
        }
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => value.fmt(out),
            Self::Number(number) => number.fmt(out),
            Self::String(text) => out.write_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::Array(items) => list(out, ["[", "]"], items.iter()),
            Self::Set(set) if set.is_empty() => out.write_str("set()"),
            Self::Set(set) => list(out, ["{", "}"], set.iter()),
            Self::Object(object) => {
                out.write_str("{")?;
                for (place, (key, value)) in object.iter().enumerate() {
                    write!(out, "{}{key}: {value}", if place == 0 { "" } else { ", " })?;
                }
                out.write_str("}")
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(&self.members).finish()
    }
}
