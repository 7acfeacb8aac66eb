//! `GET /v1/context`: what policies know of the cluster, its namespaces one by one, and how well it is known.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppState, Problem};
use crate::config::Document;
use crate::context::{Current, Lookup, Status};

/// How old the knowledge is.
const AGE: HeaderName = HeaderName::from_static("whynot-context-age-ms");
/// How long a question may wait for another revision.
pub(super) const MAX_WAIT: u64 = 30;

/// How to ask for the context.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    #[serde(default)]
    wait: u64,
}

/// A namespace, as policies see it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Namespace {
    name: String,
    labels: std::collections::BTreeMap<String, String>,
    annotations: std::collections::BTreeMap<String, String>,
}

/// What policies know of the cluster, as `whynot envoy render` takes it.
///
/// Every answer says how old the knowledge is: 0 while all changes arrive as they are made.
#[utoipa::path(get, path = "/v1/context", tag = "policies", operation_id = "context",
    params(
        ("wait" = Option<u64>, Query, maximum = 30,
            description = "How many seconds to wait for another revision than the one of If-None-Match"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer before"),
    ),
    responses(
        (status = 200, description = "The context", body = Object, content_type = "application/json",
            headers(("ETag" = String, description = "Its revision"),
                ("whynot-context-age-ms" = u64, description = "How old the knowledge is, in milliseconds"))),
        (status = 304, description = "It is the one of If-None-Match"),
        (status = 400, description = "`wait` is no number up to 30", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The server was started without policies, context and cluster", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The cluster was not read yet", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn context(
    State(state): State<AppState>,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let expected = || Problem::bad_request(format!("Expected wait=SECONDS, at most {MAX_WAIT}.")).at("wait");
    let Query(Wait { wait }) = wait.map_err(|_| expected())?;
    if wait > MAX_WAIT {
        return Err(expected());
    }
    let context = &state.context;
    if wait > 0
        && let Current::Known(document) = context.current()
        && is_known(&document, &headers)
    {
        context.changed(&document.etag, Duration::from_secs(wait)).await;
    }
    // Before the document: knowledge that arrives in between makes it younger, not older.
    let age = context.age();
    let mut response = match context.current() {
        Current::Known(document) => answer(&document, &headers),
        Current::Absent => {
            let text =
                "This explainer was started without a context; start it with --policies, --context or --kubernetes.";
            return Err(Problem::new(StatusCode::NOT_FOUND, text));
        }
        Current::Unknown(reason) => {
            let text = format!("The cluster is not known yet: {reason}.");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
    };
    response.headers_mut().insert(AGE, aged(age));
    Ok(response)
}

/// One namespace: as the watch has it, else as the cluster says at this moment.
#[utoipa::path(get, path = "/v1/context/namespaces/{name}", tag = "policies", operation_id = "contextNamespace",
    params(("name" = String, Path, description = "The namespace")),
    responses(
        (status = 200, description = "The namespace", body = Namespace, content_type = "application/json",
            headers(("whynot-context-age-ms" = u64, description = "How old the knowledge is, in milliseconds"))),
        (status = 404, description = "The cluster has no such namespace", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The cluster did not answer", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn namespace(State(state): State<AppState>, Path(name): Path<String>) -> Result<Response, Problem> {
    match state.context.namespace(&name).await {
        Lookup::Known(namespace, age) => {
            let body = Namespace {
                name,
                labels: namespace.labels,
                annotations: namespace.annotations,
            };
            let mut response = Json(body).into_response();
            response.headers_mut().insert(AGE, aged(age));
            Ok(response)
        }
        Lookup::Missing => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "The cluster has no such namespace.",
        )),
        Lookup::Unknown(reason) => {
            let text = format!("The namespace cannot be told: {reason}.");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

/// How well the cluster is known: what is watched, and what fails.
#[utoipa::path(get, path = "/v1/context/status", tag = "operations", operation_id = "contextStatus",
    responses((status = 200, description = "What is watched", body = Status, content_type = "application/json")))]
pub(super) async fn status(State(state): State<AppState>) -> Json<Status> {
    Json(state.context.status())
}

fn aged(age: Duration) -> HeaderValue {
    HeaderValue::from(crate::context::milliseconds(age))
}

fn is_known(document: &Document, headers: &HeaderMap) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut tags = known.map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == document.etag || tag == "*")
}

fn answer(document: &Document, headers: &HeaderMap) -> Response {
    let mut response = if is_known(document, headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (kind, document.json.to_vec()).into_response()
    };
    let headers = response.headers_mut();
    // Another revision may be there at any time.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}
