//! Changes after which the policies pass.
//!
//! ```text
//! verdict -> rego::why (what would have to be otherwise) -> ways (which wants together) -> values (how) -> search (in order of
//!   cost) -> proof (all policies again, on the changed object) -> Fix
//! ```
//!
//! A [`Fix`] is made by [`remedies`] and [`verify`] alone: all policies were evaluated again on the changed object, in the same context; those
//! that it is for object no more, none objects that did not before, nothing outside of the change moved, and the object is a
//! valid one of its kind as far as it was before.

mod author;
mod bounds;
mod change;
mod couple;
mod diff;
pub mod kubectl;
mod places;
mod prices;
mod proof;
mod proposed;
mod proven;
mod reasons;
mod remedies;
mod search;
mod sensitivity;
pub mod snippet;
mod texts;
mod values;
mod ways;
mod widening;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::proof::Aim;
pub use self::proposed::{Unproven, verify};
pub use self::proven::Fix;
pub(crate) use self::proven::path_of;
pub use self::remedies::{prove, remedies};
use crate::verdict::Violation;

/// Whether a fix can be applied as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// As it stands.
    #[default]
    Fix,
    /// The shape is right; a person fills in what only a person knows.
    Placeholder,
}

/// Who proposed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The policy's author.
    #[default]
    Author,
    /// The search.
    Search,
    /// A model.
    Model,
}

/// A value that a person has to fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    /// Where it stands in the changed object: a JSON pointer.
    pub path: String,
    /// What belongs there.
    pub meaning: String,
}

/// What can be done about a policy's objections.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// A change of the object.
    Fix(Box<Fix>),
    /// No change of this object helps; why, and what does.
    Unfixable(String),
    /// None was found.
    Unknown,
}

/// What can be done about a denied object.
#[derive(Debug, Clone, Default)]
pub struct Remedies {
    /// The change that is for as many policies as one change can be.
    pub whole: Option<Fix>,
    /// By policy.
    pub policies: BTreeMap<String, Remedy>,
    /// By what is said, for policies of which only a part can be mended.
    pub partly: Vec<(Vec<Violation>, Remedy)>,
    /// How often all policies were evaluated to find them.
    pub evaluations: usize,
}

impl Remedies {
    /// What can be done about a violation.
    pub fn of(&self, violation: &Violation) -> Option<&Remedy> {
        let is_own = |known: &Violation| proof::is_same(known, violation);
        let mut partly = self.partly.iter();
        let own = partly.find(|(known, _)| known.iter().any(is_own));
        own.map_or_else(|| self.policies.get(&violation.policy), |(_, remedy)| Some(remedy))
    }

    /// The same for an object that was read from a file: nothing in it is called a default.
    #[must_use]
    pub fn as_written(mut self) -> Self {
        let partly = self.partly.iter_mut().map(|(_, remedy)| remedy);
        for remedy in self.policies.values_mut().chain(partly) {
            if let Remedy::Fix(fix) = remedy {
                fix.set_written();
            }
        }
        if let Some(fix) = &mut self.whole {
            fix.set_written();
        }
        self
    }

    fn set(&mut self, aim: &Aim<'_>, remedy: Remedy) {
        self.policies.insert(aim.policy.to_owned(), remedy);
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Also what can be done about warnings and what is only recorded.
    pub warnings: bool,
    /// What policies' authors propose comes first.
    pub authors: bool,
}

impl Effort {
    /// While somebody waits: what denies alone.
    pub const ADMISSION: Self = Self {
        warnings: false,
        authors: true,
    };
    /// Everything.
    pub const ALL: Self = Self {
        warnings: true,
        authors: true,
    };
}
