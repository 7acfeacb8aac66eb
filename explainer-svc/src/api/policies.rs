//! `GET /v1/policies`: what `whynot check --server` decides with.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{AppState, Problem};
use crate::config::Document;

/// The policies that this server was started with, as the bundle that `whynot policy build` writes.
#[utoipa::path(get, path = "/v1/policies", tag = "policies", operation_id = "policies",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag of an answer before")),
    responses(
        (status = 200, description = "The bundle; its ETag is its revision", body = Object, content_type = "application/json"),
        (status = 304, description = "It is the one of If-None-Match"),
        (status = 404, description = "The server was started without policies", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn policies(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    let published = state.published.policies.as_ref();
    let document = published.ok_or_else(|| missing("policies; start it with --policies"))?;
    Ok(answer(document, &headers))
}

fn missing(what: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("This explainer was started without {what}."),
    )
}

fn answer(document: &Document, headers: &HeaderMap) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut tags = known.map(|tag| tag.trim().trim_start_matches("W/"));
    let mut response = if tags.any(|tag| tag == document.etag || tag == "*") {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (kind, document.json.to_vec()).into_response()
    };
    let headers = response.headers_mut();
    // Another revision may be there after a restart.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}
