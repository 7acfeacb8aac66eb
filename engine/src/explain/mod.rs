//! A decision in words: what matched, where, why it matters, how to fix it.
//!
//! The words are made from what the policy's author wrote and from what was found, by rules. Nothing here decides.

pub(crate) mod authored;
pub mod by_model;
mod fields;
pub(crate) mod fill_in;
pub(crate) mod origin;
pub mod path;
mod remedy;
pub mod summary;
pub mod text;
pub mod why;
pub mod wire;
