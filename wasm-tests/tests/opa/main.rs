//! Our evaluator against OPA.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod conformance;
mod corpus;
#[cfg(feature = "host")]
mod gatekeeper;
mod generate;
mod mutate;
mod policies;
mod programs;
#[cfg(feature = "host")]
mod reviews;
mod settings;
#[cfg(feature = "host")]
mod shown;
mod shrink;
mod tree;
#[cfg(feature = "host")]
mod trial;
