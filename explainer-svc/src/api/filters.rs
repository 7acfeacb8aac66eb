//! `POST /v1/filter/status`: what the filters of one Envoy process have.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use engine::explain::wire::API_VERSION;

use super::{AppState, Problem};
use crate::delivery::Report;

/// Takes the report of one Envoy process. It is shown for half a minute.
#[utoipa::path(post, path = "/v1/filter/status", tag = "filter", operation_id = "filterStatus",
    request_body = Report,
    responses(
        (status = 204, description = "It is known"),
        (status = 400, description = "The body is not such a report", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is over 64 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not declared as application/json", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many report", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn report(
    State(state): State<AppState>,
    body: Result<Json<Report>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(report) = body.map_err(Problem::of_json)?;
    if report.api_version != API_VERSION {
        let detail = format!("This server speaks {API_VERSION:?} only.");
        return Err(Problem::bad_request(detail).at("apiVersion"));
    }
    state.delivery.fleet().report(report).map_err(|(is_full, reason)| {
        let status = if is_full {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::BAD_REQUEST
        };
        Problem::new(status, reason)
    })?;
    Ok(StatusCode::NO_CONTENT)
}
