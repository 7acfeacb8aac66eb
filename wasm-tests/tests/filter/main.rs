//! The compiled filter under wasmtime.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod call_out;
mod cases;
mod configuration;
mod hot;
mod hot_context;
mod lifecycle;
mod module;
mod pod_security;
mod requests;
mod reviews;
mod support;
mod wrapped;
