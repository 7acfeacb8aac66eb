//! Runs the filter where it will run, and the stack around it.

pub mod delivery;
pub mod fixtures;
#[cfg(feature = "host")]
pub mod host;
pub mod library;
pub mod opa;
pub mod provider;
pub mod psa;
pub mod stack;
pub mod webhook;
