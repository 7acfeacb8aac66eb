//! How controls stand, for administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::policies::Administrator;
use super::{AppState, Problem};
use crate::governance::Report;

/// Evaluates all controls now: their statuses, with figures and the leaves of the audit log that say so.
#[utoipa::path(get, path = "/v1/governance", tag = "governance", operation_id = "governance",
    security(("administrator" = [])),
    responses(
        (status = 200, description = "How all controls stand", body = Report),
        (status = 401, description = "The token is missing, or is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "No token is configured", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The attestations cannot be read", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn report(_: Administrator, State(state): State<AppState>) -> Result<Json<Report>, Problem> {
    let report = state.governance.report().await.map_err(|error| {
        tracing::error!(%error, "the controls cannot be evaluated");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The controls cannot be evaluated now; the log of the service says why.",
        )
    })?;
    Ok(Json(report))
}
