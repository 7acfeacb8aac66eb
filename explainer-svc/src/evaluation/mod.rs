//! How good a model's words are with a prompt, measured on the denied cases of policies; and whether that is good enough.
//!
//! ```text
//! cases -> denials (decided by the engine, as admission does) -> words -> attempts -> figures -> gate -> file, audit log
//! ```
//!
//! Everything goes the way that it goes in `whynot serve`: the same gateway, guards, prompt and verifier. What is shown as a fix is
//! tried again here, by the policies, so that a verifier that is wrong is found. The file is what `releaseGate` of the gateway's
//! file names.

pub mod figures;
pub mod gate;
mod pairs;
pub mod readability;
mod report;
mod run;
mod stalls;

pub use figures::{Attempt, Change, Figures, Outcome, Used};
pub use gate::Gate;
pub(crate) use pairs::Plan;
pub(crate) use report::text as report;
pub(crate) use run::sampled;
