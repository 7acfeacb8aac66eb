//! Rego, evaluated as OPA evaluates it.
//!
//! ```text
//! text -> tokens (rewritten where the parser reads less than OPA) -> parse -> resolve (names) -> body (order) -> planner
//!   -> plan (steps) -> machine: a value
//! ```
//!
//! The parser is regorus'. Its evaluators are not used: where a part of an expression is undefined they differ from OPA, and a
//! policy engine may not.

mod annotations;
mod ast;
mod body;
pub mod builtins;
mod inputs;
pub mod json;
mod machine;
pub mod number;
mod order;
mod outline;
mod parse;
mod plan;
mod planner;
mod program;
mod resolve;
mod tokens;
pub mod value;
pub mod why;

pub use builtins::plain_scalar;
pub use outline::{Body, Message, Outline};
pub use parse::dialect_of;
pub use program::{Location, Program, Read, Source};

/// Which of Rego's two syntaxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Before OPA 1.0: no `if` and `contains` without an import.
    V0,
    /// OPA 1.0 and later.
    #[default]
    V1,
}
