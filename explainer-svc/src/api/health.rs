//! Probes and metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{AppState, Problem};
use crate::telemetry;

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", operation_id = "alive",
    responses((status = 200, description = "The process answers", body = String, content_type = "text/plain")))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The ledger can be read and written.
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "ready",
    responses(
        (status = 200, description = "The ledger can be read and written", body = String, content_type = "text/plain"),
        (status = 503, description = "It cannot", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn ready(State(state): State<AppState>) -> Result<String, Problem> {
    // Shorter than a probe waits, so that the probe gets an answer and not a timeout.
    let limit = std::time::Duration::from_millis(900);
    let not_ready = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The ledger cannot be used now.");
    match tokio::time::timeout(limit, state.explainer.store().ready()).await {
        // Denials are explained without the audit log; models are not asked.
        Ok(Ok(())) => Ok(state.audit.problem().map_or_else(
            || "ok\n".to_owned(),
            |problem| format!("ok, but {problem}: models are not asked\n"),
        )),
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready");
            Err(not_ready())
        }
        Err(_) => Err(not_ready()),
    }
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    state.delivery.observe();
    state.metrics.read(jiff::Timestamp::now().as_second());
    match state.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], text).into_response(),
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written.").into_response(),
    }
}
