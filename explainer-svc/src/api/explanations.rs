//! `GET /e/{id}`: the permanent link of an explanation, as a page or as JSON.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use engine::explain::wire::{Decision, ExplainRequest, FixSummary, Repeat};
use serde::Serialize;
use utoipa::ToSchema;

use super::negotiate::{Representation, representation};
use super::{AppState, Problem, schema, time};
use crate::store::Explanation;
use crate::ui;

/// The letters of an id are 26; nothing longer is looked up.
const MAX_ID: usize = 64;

/// Everything that is kept about one answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplanationBody {
    id: String,
    url: String,
    /// When it was first given.
    at: String,
    /// When it was last given.
    last_seen: String,
    /// How often: more than once when a controller retried.
    attempts: u64,
    /// The team, or `unknown`.
    team: String,
    #[schema(value_type = schema::Decision)]
    decision: Decision,
    /// The revision of the policy set that decided.
    revision: String,
    message: String,
    warnings: Vec<String>,
    /// Who wrote the words.
    source: String,
    #[schema(value_type = Vec<schema::Repeat>)]
    repeats: Vec<Repeat>,
    /// The fix that was tried, if there is one; also in `request`.
    #[schema(value_type = Option<schema::FixSummary>)]
    fix: Option<FixSummary>,
    /// What the filter asked: the projection of the review, and what the policies found.
    #[schema(value_type = schema::ExplainRequest)]
    request: ExplainRequest,
}

/// Shows an explanation.
#[utoipa::path(
    get, path = "/e/{id}", tag = "people", operation_id = "explanation",
    params(("id" = String, Path, description = "The id from the denial")),
    responses(
        (status = 200, description = "The explanation", content((ExplanationBody = "application/json"), (String = "text/html"))),
        (status = 404, description = "There is none, or its retention is over", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 406, description = "The client accepts neither HTML nor JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(representation) = representation(&headers) else {
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "An explanation is text/html or application/json.",
        ));
    };
    let found = if id.len() > MAX_ID {
        None
    } else {
        state.explainer.store().explanation(&id).await?
    };
    let mut response = match (found, representation) {
        (Some(found), Representation::Json) => {
            let url = state.explainer.url(&found.id);
            Json(body(found, url)).into_response()
        }
        (Some(found), Representation::Html) => page(StatusCode::OK, ui::explanation(&found))?,
        (None, Representation::Json) => {
            let detail = "There is no such explanation, or it is older than what is kept.";
            Problem::new(StatusCode::NOT_FOUND, detail).into_response()
        }
        (None, Representation::Html) => page(StatusCode::NOT_FOUND, ui::not_found())?,
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    // A retry may change it, and it is nobody's business on the way.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

fn page(status: StatusCode, html: Result<String, askama::Error>) -> Result<Response, Problem> {
    let html = html.map_err(|error| {
        tracing::error!(%error, "cannot render a page");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The page cannot be shown; ask for application/json.",
        )
    })?;
    let mut response = (status, Html(html)).into_response();
    let policy =
        HeaderValue::from_str(ui::content_security_policy()).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

fn body(found: Explanation, url: String) -> ExplanationBody {
    let Explanation {
        id,
        at,
        last_seen,
        attempts,
        team,
        request,
        message,
        warnings,
        repeats,
        source,
    } = found;
    ExplanationBody {
        id,
        url,
        at: time(at),
        last_seen: time(last_seen),
        attempts,
        team,
        decision: request.decision,
        revision: request.revision.clone(),
        message,
        warnings,
        source,
        repeats,
        fix: request.fix.clone(),
        request,
    }
}
