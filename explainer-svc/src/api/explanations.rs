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
use crate::explain::MODEL;
use crate::store::{Explanation, KeptWords};
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
    /// Who wrote the words of `message`: `engine`, or `model` when some of them, marked as such, are a model's.
    source: String,
    /// What a model said beside the engine's words, in the message or later.
    words: Option<WordsBody>,
    #[schema(value_type = Vec<schema::Repeat>)]
    repeats: Vec<Repeat>,
    /// The fix that was tried, if there is one; also in `request`, or proposed by a model.
    #[schema(value_type = Option<schema::FixSummary>)]
    fix: Option<FixSummary>,
    /// What the filter asked: the projection of the review, and what the policies found.
    #[schema(value_type = schema::ExplainRequest)]
    request: ExplainRequest,
}

/// A model's words. They decide nothing.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WordsBody {
    /// `model`.
    source: &'static str,
    /// Its name.
    model: String,
    /// Whose it is.
    provider: String,
    /// What it was asked with.
    prompt: PromptBody,
    /// When the words came.
    at: String,
    /// The leaf of the audit log.
    audit: i64,
    /// What is wrong, and why that matters; empty when only a change came.
    text: String,
    /// What to do.
    steps: Vec<String>,
}

/// A prompt, exactly.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PromptBody {
    name: String,
    version: u32,
    /// SHA-256 of its text, in hex.
    hash: String,
}

/// Shows an explanation.
#[utoipa::path(
    get, path = "/e/{id}", tag = "people", operation_id = "explanation",
    params(("id" = String, Path, description = "The id from the denial")),
    responses(
        (status = 200, description = "The explanation", content((ExplanationBody = "application/json"), (String = "text/html"), (String = "text/plain"))),
        (status = 404, description = "There is none, or its retention is over", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 406, description = "The client accepts neither HTML nor JSON nor text", body = Problem, content_type = "application/problem+json"),
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
            "An explanation is text/html, application/json or text/plain.",
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
        (Some(found), Representation::Text) => ui::text(&found, state.explainer.url(&found.id)).into_response(),
        (None, Representation::Json | Representation::Text) => {
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
        words,
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
        fix: request
            .fix
            .clone()
            .or_else(|| words.as_ref().and_then(|words| words.fix.clone())),
        words: words.map(by_model),
        request,
    }
}

fn by_model(words: KeptWords) -> WordsBody {
    let KeptWords {
        at,
        text,
        steps,
        model,
        provider,
        prompt,
        leaf,
        fix: _,
    } = words;
    WordsBody {
        source: MODEL,
        model,
        provider,
        prompt: PromptBody {
            name: prompt.name,
            version: prompt.version,
            hash: prompt.hash,
        },
        at: time(at),
        audit: leaf,
        text,
        steps,
    }
}
