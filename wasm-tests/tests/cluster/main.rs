//! kubectl, the API server, Envoy and the explainer, as they are: what a person sees.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod context;
mod fixes;
mod gitops;
mod models;
mod operations;
mod repeats;
mod schema;
mod support;
mod wrapped;
mod wrapped_gatekeeper;
