//! Kubernetes' own kinds: what their fields are, and what is wrong with an object of one of them.
//!
//! ```text
//! kubernetes.bin -> table -> types -> check (fields, types, required, values, keys) -> Problem
//!                                       +-> rules (what the API server's validation adds)
//! ```
//!
//! Who changes an object asks [`new_problems`]: what was wrong before may come from a newer Kubernetes, and is not the change's
//! matter. Kinds that are not built in have no problems. The check is not the API server: admission, quotas, what exists in the
//! cluster and what an update may change are not known here.

mod check;
mod path;
mod quantity;
mod rules;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod types;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

pub use self::types::{Field, Form, ListType, Type};
use crate::explain::wire::GroupVersionKind;

/// Something that the API server would refuse, or that could not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON pointer.
    pub path: String,
    /// What is wrong there.
    pub what: What,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The type has no such field.
    UnknownField,
    /// The value has another type.
    WrongType {
        /// What it should be.
        expected: &'static str,
    },
    /// A required field is absent or empty.
    Missing,
    /// The value is none of those that are allowed.
    NotListed {
        /// Those that are.
        allowed: Vec<&'static str>,
    },
    /// An element of a list has the keys of another one.
    Duplicate,
    /// A rule of validation that the schema does not state.
    Invalid(Cow<'static, str>),
}

/// What is wrong with an object of this kind; nothing, when the kind is not built in.
pub fn problems(kind: &GroupVersionKind, object: &Value) -> Vec<Problem> {
    Type::of_kind(&kind.group, &kind.version, &kind.kind)
        .map(|of| check::problems(&kind.kind, of, object))
        .unwrap_or_default()
}

/// What is wrong with a changed object that was not wrong with it before. Elements of lists may have moved.
pub fn new_problems(kind: &GroupVersionKind, before: &Value, after: &Value) -> Vec<Problem> {
    let found = problems(kind, after);
    if found.is_empty() {
        return found;
    }
    let known = problems(kind, before);
    let mut counts = BTreeMap::<_, usize>::new();
    for problem in &known {
        *counts.entry(problem.anywhere()).or_default() += 1;
    }
    // Exact matches first: of two equal problems in one list, the one that moved is not the new one.
    let (same, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|problem| known.contains(problem));
    for problem in &same {
        if let Some(count) = counts.get_mut(&problem.anywhere()) {
            *count = count.saturating_sub(1);
        }
    }
    let is_new = |problem: &Problem| match counts.get_mut(&problem.anywhere()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    others.into_iter().filter(is_new).collect()
}

impl Problem {
    /// The problem, wherever in its lists it is.
    fn anywhere(&self) -> (String, What) {
        let steps = self.path.split('/');
        let steps = steps.map(|step| if step.parse::<usize>().is_ok() { "-" } else { step });
        (steps.collect::<Vec<_>>().join("/"), self.what.clone())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(out, "{path}: {}", self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField => out.write_str("is no field of this kind"),
            Self::WrongType { expected } => write!(out, "must be {expected}"),
            Self::Missing => out.write_str("is required"),
            Self::NotListed { allowed } => write!(out, "must be one of {}", allowed.join(", ")),
            Self::Duplicate => out.write_str("is there twice"),
            Self::Invalid(text) => out.write_str(text),
        }
    }
}
