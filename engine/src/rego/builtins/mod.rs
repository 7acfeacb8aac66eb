//! Rego's builtin functions, with OPA's results: a table of names.
//!
//! `walk` and `print` are not here: the first has many results, the second none, and the evaluator knows both.

pub(crate) use self::net::is_net_within;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::value::Value;

pub use encoding::plain_scalar;

mod absent;
mod aggregates;
mod arithmetic;
mod arrays;
mod bits;
#[cfg(test)]
mod calls;
mod casts;
mod crypto;
mod encoding;
mod globs;
mod graph;
mod json_patch;
mod json_paths;
mod misc;
mod net;
mod objects;
mod operands;
mod regex;
mod replacement;
mod semver;
mod sets;
mod sprintf;
mod strings;
mod text;
mod time;
mod types;
mod units;

pub use absent::absent;

/// One function.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Its name in Rego.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arity: usize,
    /// What it does.
    pub run: fn(&mut Host, &[Value]) -> Result<Value, Fault>,
}

impl Builtin {
    const fn new(name: &'static str, arity: usize, run: fn(&mut Host, &[Value]) -> Result<Value, Fault>) -> Self {
        Self { name, arity, run }
    }
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Arguments of a wrong type or value. In OPA the call is then undefined.
    Undefined(String),
    /// Evaluation ends.
    Halt(Halt),
}

/// Why evaluation ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The budget of work is used up.
    Limit,
    /// Rules, functions and loops are in each other too deep, or the values that they make.
    Depth,
    /// A conflict, as OPA words it.
    Error(String),
}

impl Halt {
    /// What [`Halt::Depth`] means for who wrote the policy.
    pub const TOO_DEEP: &str =
        "its rules and loops, or the lists, objects and sets that it makes, are in each other too deep";
}

impl Fault {
    /// The arguments do not fit.
    pub fn new(reason: impl Into<String>) -> Self {
        Self::Undefined(reason.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined(reason) | Self::Halt(Halt::Error(reason)) => out.write_str(reason),
            Self::Halt(Halt::Depth) => out.write_str(Halt::TOO_DEEP),
            Self::Halt(Halt::Limit) => out.write_str("the budget of work is used up"),
        }
    }
}

/// What functions share within one evaluation, and from one to the next.
#[derive(Debug)]
pub struct Host {
    /// Units of work that are left.
    pub budget: u64,
    /// Nanoseconds since 1970, when the caller knows the time. One evaluation has one time.
    pub now: Option<i64>,
    /// The files and lines that ran, when somebody wants to know.
    pub covered: Option<BTreeSet<(usize, u32)>>,
    /// Compiled patterns.
    pub patterns: HashMap<String, Option<::regex::Regex>>,
}

impl Host {
    /// With so much work to do.
    pub fn new(budget: u64) -> Self {
        Self {
            budget,
            now: None,
            covered: None,
            patterns: HashMap::new(),
        }
    }

    /// Takes work off the budget: a function whose cost or result grows with its arguments says so before it begins.
    pub fn spend(&mut self, units: u64) -> Result<(), Fault> {
        if let Some(left) = self.budget.checked_sub(units) {
            self.budget = left;
            Ok(())
        } else {
            self.budget = 0;
            Err(Fault::Halt(Halt::Limit))
        }
    }
}

/// The function of a name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    TABLES.iter().copied().flatten().find(|builtin| builtin.name == name)
}

/// All functions.
pub fn all() -> impl Iterator<Item = &'static Builtin> {
    TABLES.iter().copied().flatten()
}

const TABLES: &[&[Builtin]] = &[
    aggregates::TABLE,
    arithmetic::TABLE,
    arrays::TABLE,
    bits::TABLE,
    casts::TABLE,
    crypto::TABLE,
    encoding::TABLE,
    globs::TABLE,
    graph::TABLE,
    json_patch::TABLE,
    json_paths::TABLE,
    misc::TABLE,
    net::TABLE,
    objects::TABLE,
    regex::TABLE,
    semver::TABLE,
    sets::TABLE,
    sprintf::TABLE,
    strings::TABLE,
    time::TABLE,
    types::TABLE,
    units::TABLE,
];
