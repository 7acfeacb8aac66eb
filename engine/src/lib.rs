//! Decides admission requests by Rego policies, words the decision and proves its fixes.
//!
//! ```text
//! bytes -> admission::Review -> eval::PolicySet -> verdict::Verdict -> fix (tried again) -> explain -> admission::Answer
//!                                     ^
//!            policy::{bundle, metadata, settings, matching, soundness} -> policy::compile
//! ```
//!
//! No I/O, no clock, no async. The same code runs in Envoy (wasm32) and natively.

pub mod admission;
pub mod answer;
pub mod cases;
pub mod context;
pub mod document;
pub mod eval;
pub mod explain;
pub mod finding;
pub mod fix;
mod memo;
pub mod policy;
pub mod redact;
pub mod rego;
pub mod schema;
pub mod surroundings;
pub mod template;
pub mod testing;
pub mod upstream;
pub mod verdict;
pub mod warm;
