//! The HTTP interface: one file a resource. Extract, call, answer.

mod audit;
mod explain;
mod explanations;
mod health;
mod limits;
mod negotiate;
mod openapi;
mod policies;
mod problem;
mod schema;
mod violations;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};

pub use limits::{hardened, limited};
pub use openapi::document;
pub use problem::Problem;

pub(crate) use audit::Proof;

use crate::config::{Limits, Published};
use crate::explain::Explainer;
use crate::telemetry::Metrics;

/// What handlers work with.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Proves what happened.
    pub audit: crate::audit::Log,
    /// Explains, and remembers.
    pub explainer: Explainer,
    /// Counts.
    pub metrics: Metrics,
    /// What is given to whoever asks.
    pub published: Arc<Published>,
}

/// Every route, with its limits.
pub fn router(state: AppState, limits: &Limits) -> Router {
    let metrics = state.metrics.clone();
    let work = Router::new()
        .route("/v1/explain", post(explain::post))
        .route("/v1/violations", get(violations::list))
        .route("/v1/policies", get(policies::policies))
        .route("/v1/context", get(policies::context))
        .route("/e/{id}", get(explanations::get))
        .merge(audit::routes());
    let routes = limited(work, limits)
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::get))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state);
    hardened(routes, metrics)
}

async fn not_found(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("There is nothing at {path}; /openapi.json says what is where."),
    )
}

async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not possible here; /openapi.json says what is."),
    )
}

/// RFC 3339 in UTC, of milliseconds since 1970.
fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}
