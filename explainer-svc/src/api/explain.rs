//! `POST /v1/explain`: the filter asks for words.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use engine::explain::wire::{API_VERSION, ExplainRequest, ExplainResponse};
use mediatype::{MediaType, names};

use super::{AppState, Problem, schema};

/// Records a decision and words it.
#[utoipa::path(
    post, path = "/v1/explain", tag = "filter", operation_id = "explain",
    request_body = schema::ExplainRequest,
    responses(
        (status = 200, description = "The words, and where they stay readable", body = schema::ExplainResponse),
        (status = 400, description = "The body is not such a request; `path` says where", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is over 4 MiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not declared as application/json", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No words in time; the caller uses its own", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn post(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ExplainResponse>, Problem> {
    require_json(&headers)?;
    let request = parse(&body?)?;
    let deadline = Duration::from_millis(request.deadline_ms);
    let now = jiff::Timestamp::now().as_millisecond();
    Ok(Json(state.explainer.explain(request, now, deadline).await?))
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = declared
        .and_then(|text| MediaType::parse(text).ok())
        .is_some_and(|media| media.ty == names::APPLICATION && media.subty == names::JSON && media.suffix.is_none());
    if is_json {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Send the body as content-type application/json.",
    ))
}

/// The place of an error; `.` is the whole body, also when it is no JSON.
fn place(path: &serde_path_to_error::Path) -> String {
    match path.to_string() {
        unknown if unknown == "?" => ".".to_owned(),
        known => known,
    }
}

fn parse(body: &[u8]) -> Result<ExplainRequest, Problem> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let request: ExplainRequest = serde_path_to_error::deserialize(&mut *deserializer)
        .map_err(|error| Problem::bad_request(error.inner().to_string()).at(place(error.path())))?;
    deserializer
        .end()
        .map_err(|error| Problem::bad_request(error.to_string()).at("."))?;
    if request.api_version != API_VERSION {
        let detail = format!("This server speaks {API_VERSION:?} only.");
        return Err(Problem::bad_request(detail).at("apiVersion"));
    }
    Ok(request)
}
