//! The proxy-wasm shell around the engine: Envoy's callbacks become events, effects become host calls.
//!
//! ```text
//! Envoy -> shell.rs -> Event -> flow::step (pure: state in, state and effects out) -> Effect -> shell.rs -> host.rs -> Envoy
//!                                   |
//!                                engine (the verdict, the words)
//! ```
//!
//! Nothing here decides. `flow` is where each way that a request can take ends in exactly one answer.

pub mod config;
pub mod flow;
mod host;
mod hot;
mod metrics;
mod root;
mod shell;
pub mod upstream;

/// What Envoy calls first; the SDK's macro exports it.
#[cfg(target_arch = "wasm32")]
mod entry {
    proxy_wasm::main! {{ crate::root::start(); }}
}
