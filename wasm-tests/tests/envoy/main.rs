//! The filter in a real Envoy, over TLS, with and without somebody who explains.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod answers;
mod explainer;
mod failures;
mod fake;
mod hot;
mod live;
mod observed;
mod reload;
mod support;
mod wrapped;
