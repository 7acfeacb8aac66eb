//! The HTTP interface: one file a resource. Extract, call, answer.

mod audit;
mod body;
mod change;
mod chat;
mod client;
mod context;
mod explain;
mod explanations;
mod filters;
mod gateway;
mod governance;
mod health;
mod limits;
mod negotiate;
mod openapi;
mod policies;
mod problem;
mod schema;
mod violations;
mod webhook;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};

pub use body::Bodies;
pub(crate) use change::Change;
pub use limits::{hardened, limited};
pub use openapi::document;
pub use problem::Problem;

pub(crate) use audit::Proof;

use crate::clients::Clients;
use crate::config::Limits;
use crate::context::LiveContext;
use crate::delivery::{Delivery, LARGEST_REPORT};
use crate::explain::Explainer;
use crate::gateway::Gateway;
use crate::governance::Governance;
use crate::telemetry::Metrics;
use crate::upstream::Upstreams;

/// What handlers work with.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Has the policies.
    pub delivery: Delivery,
    /// Proves what happened.
    pub audit: crate::audit::Log,
    /// Explains, and remembers.
    pub explainer: Explainer,
    /// Counts.
    pub metrics: Metrics,
    /// What policies know of the cluster.
    pub context: LiveContext,
    /// Explains what other webhooks say.
    pub upstreams: Upstreams,
    /// Who may ask for words; `None`: whoever reaches the server.
    pub clients: Option<Clients>,
    /// How their questions are read.
    pub bodies: Bodies,
    /// Asks models; `None` when none is asked.
    pub gateway: Option<Gateway>,
    /// Knows how controls stand.
    pub governance: Governance,
}

/// Every route, with its limits.
pub fn router(state: AppState, limits: &Limits) -> Router {
    let metrics = state.metrics.clone();
    let work = Router::new()
        .route("/v1/explain", post(explain::post))
        .route("/v1/violations", get(violations::list))
        .route(
            "/v1/filter/status",
            post(filters::report).layer(DefaultBodyLimit::max(LARGEST_REPORT)),
        )
        .route("/v1/policies/status", get(policies::status))
        .route("/v1/gateway/kill", post(gateway::kill).get(gateway::is_killed))
        .route("/v1/gateway/usage", get(gateway::usage))
        .route("/e/{id}", get(explanations::get))
        .merge(audit::routes());
    // An administrator's bundle is large, and its tests take their time; a second one need not be read meanwhile.
    let administration = Router::new()
        .route("/v1/policies", post(policies::push))
        .route("/v1/policies/rollback", post(policies::rollback));
    // All of the audit log may be read for it.
    let administration = administration.route("/v1/governance", get(governance::report));
    let administration = limited(
        administration,
        &Limits {
            concurrency: 2,
            body: 32 << 20,
            request: Duration::from_secs(150),
            ..limits.clone()
        },
    );
    // Who waits for a change does no work, and takes no place from who does. Those that wait for policies have places of their
    // own (`delivery`).
    let policies = Router::new()
        .route("/v1/policies", get(policies::policies))
        .layer(DefaultBodyLimit::max(0));
    let waiting = Limits {
        concurrency: limits.connections,
        request: limits.request + Duration::from_secs(context::MAX_WAIT),
        ..limits.clone()
    };
    let waits = Router::new()
        .route("/v1/context", get(context::context))
        .route("/v1/context/namespaces/{name}", get(context::namespace))
        .route("/v1/context/status", get(context::status));
    // A model takes its time. The gateway has places and deadlines of its own; these are beyond them.
    let of_models = state.gateway.as_ref().map(|gateway| gateway.settings().limits.clone());
    let models = Router::new()
        .route("/v1/chat/completions", post(chat::completions))
        .route("/v1/models", get(chat::models))
        .route("/v1/models/{id}", get(chat::model));
    let models = limited(
        models,
        &Limits {
            concurrency: limits.connections,
            body: of_models.as_ref().map_or(1 << 20, |of| of.request_bytes),
            request: of_models.map_or(limits.request, |of| of.deadline + Duration::from_secs(5)),
            ..limits.clone()
        },
    );
    let routes = limited(work, limits)
        .merge(models)
        .merge(administration)
        .merge(policies)
        .merge(limited(waits, &waiting))
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
