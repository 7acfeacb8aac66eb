//! `POST /v1/explain`: the filter, or a webhook of anybody's, asks for words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use engine::admission::Review;
use engine::explain::wire::ExplainRequest;
use engine::upstream::with_original;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::{self, Question};
use super::client::Client;
use super::webhook::{WebhookRequest, WebhookResponse};
use super::{AppState, Change, Problem, schema};

/// Who asks, and what.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) enum ExplainBody {
    /// The filter, with what it decided: no `kind`.
    Filter(Box<schema::ExplainRequest>),
    /// A webhook, with what it said.
    Webhook(WebhookRequest),
}

/// The answer for who asked.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what is answered elsewhere")]
pub(super) enum ExplainAnswer {
    /// For the filter.
    Filter(schema::ExplainResponse),
    /// For a webhook.
    Webhook(WebhookResponse),
}

/// Records a decision and words it.
///
/// The filter sends what it decided; without the object, unless it is told to send it where no change was found. A webhook of anybody's sends its own words and the `AdmissionReview`; the
/// policies that say the same are looked for, and a fix is searched that they pass.
#[utoipa::path(
    post, path = "/v1/explain", tag = "filter", operation_id = "explain",
    security(("client" = []), ()),
    request_body = ExplainBody,
    responses(
        (status = 200, description = "The words, and where they stay readable", body = ExplainAnswer),
        (status = 400, description = "The body is not such a request; `path` says where", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Tokens are configured, and this is none of them", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is over 4 MiB, with an AdmissionReview over 16 MiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not declared as application/json", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No words in time; the caller uses its own", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn post(
    Client(client): Client,
    State(state): State<AppState>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Problem> {
    let begun = Instant::now();
    body::require_json(&headers)?;
    let (bytes, _place) = state.bodies.read(sent).await?;
    let client = client.as_deref();
    match state.bodies.parse(&bytes)? {
        Question::Filter(request, review) => {
            drop(bytes);
            let review = match review {
                Some(review) => same(&request, review).await?,
                None => None,
            };
            let deadline = Duration::from_millis(request.deadline_ms);
            let now = jiff::Timestamp::now().as_millisecond();
            tracing::debug!(client, uid = request.review.uid, "the filter asks");
            Ok(Json(state.explainer.explain(*request, review, now, deadline).await?).into_response())
        }
        Question::Webhook(request) => {
            drop(bytes);
            tracing::debug!(client, webhook = request.webhook, "a webhook asks");
            Ok(Json(webhook(&state, *request, begun).await?).into_response())
        }
    }
}

/// The review, when it is that of the request. It is for trying a change; without it there are words all the same.
async fn same(request: &ExplainRequest, review: Box<RawValue>) -> Result<Option<Arc<Review>>, Problem> {
    let bytes = Box::<str>::from(review).into_string().into_bytes();
    let Ok(parsed) = tokio::task::spawn_blocking(move || Review::parse(&bytes)).await else {
        return Ok(None);
    };
    let review = parsed.map_err(|error| Problem::bad_request(error.reason).at("admissionReview"))?;
    let is_same = review.uid == request.review.uid && review.kind == request.review.kind;
    Ok(is_same.then(|| Arc::new(review)))
}

async fn webhook(state: &AppState, sent: WebhookRequest, begun: Instant) -> Result<WebhookResponse, Problem> {
    let now = jiff::Timestamp::now().as_millisecond();
    let deadline = Duration::from_millis(sent.deadline_ms);
    let left = || deadline.saturating_sub(begun.elapsed());
    let review = Box::<str>::from(sent.admission_review).into_string().into_bytes();
    let explained = state
        .upstreams
        .explain(review, &sent.webhook, &sent.message, left())
        .await;
    let (mut request, review, revision) = explained?;
    request.deadline_ms = sent.deadline_ms;
    let items = request.upstream.as_ref().map(|upstream| upstream.items.clone());
    let fix = request.fix.clone().and_then(Change::new);
    let worded = state.explainer.explain(request, Some(review), now, left()).await?;
    Ok(WebhookResponse {
        id: worded.id,
        url: worded.url,
        message: with_original(&worded.message, &sent.webhook, &sent.message),
        explanation: worded.message,
        warnings: worded.warnings,
        fix: fix.or_else(|| worded.fix.and_then(Change::new)),
        items: items.unwrap_or_default(),
        source: worded.source,
        model: worded.model,
        prompt: worded.prompt,
        revision,
    })
}
