//! Policies: what filters and `whynot check --server` decide with, and what administrators do with them.

#![expect(unused_qualifications, reason = "in what utoipa makes of `params`")]

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{AppState, Problem};
use crate::delivery::{LONGEST_WAIT, Outcome, Rejected, Status};

/// How long to wait.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waiting {
    /// Seconds to wait for another revision than that of If-None-Match, from 0 to 30; 0 when not said. It does not wait when too many do.
    #[serde(default)]
    #[param(minimum = 0, maximum = 30)]
    wait: u64,
}

/// The policies that are current, as the bundle that `whynot policy build` writes: read, compiled and tested.
#[utoipa::path(get, path = "/v1/policies", tag = "policies", operation_id = "policies",
    params(Waiting, ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer before")),
    responses(
        (status = 200, description = "The bundle; its ETag is its revision", body = Object, content_type = "application/json"),
        (status = 304, description = "It is still the one of If-None-Match"),
        (status = 400, description = "`wait` is no number", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There are none, and why", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn policies(
    State(state): State<AppState>,
    waiting: Result<Query<Waiting>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(Waiting { wait }) =
        waiting.map_err(|rejection| Problem::bad_request(rejection.body_text()).at("wait"))?;
    if wait > LONGEST_WAIT.as_secs() {
        return Err(Problem::bad_request("Expected a number from 0 to 30.").at("wait"));
    }
    let tags: Vec<&str> = tags(&headers).collect();
    let is_known = |revision: &str| tags.iter().any(|tag| *tag == "*" || tag.trim_matches('"') == revision);
    let Some(current) = state.delivery.after(is_known, Duration::from_secs(wait)).await else {
        return Err(Problem::new(StatusCode::NOT_FOUND, state.delivery.absence()));
    };
    let mut response = if is_known(&current.revision) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (kind, current.json.clone()).into_response()
    };
    tagged(&mut response, &format!("\"{}\"", current.revision));
    Ok(response)
}

/// Which policies are current, where they come from, what was refused and why, and which worker of Envoy has which.
#[utoipa::path(get, path = "/v1/policies/status", tag = "policies", operation_id = "policyStatus",
    responses((status = 200, description = "What is known", body = Status)))]
pub(super) async fn status(State(state): State<AppState>) -> Json<Status> {
    Json(state.delivery.status())
}

/// What became of a push or a rollback.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct Taken {
    /// The revision that is current.
    revision: String,
    /// It was not current before.
    changed: bool,
}

impl From<Outcome> for Taken {
    fn from(outcome: Outcome) -> Self {
        let Outcome { revision, changed } = outcome;
        Self { revision, changed }
    }
}

/// Makes a bundle current, once it was verified, compiled and tested. Pushing what is current changes nothing.
#[utoipa::path(post, path = "/v1/policies", tag = "policies", operation_id = "pushPolicies",
    security(("administrator" = [])),
    request_body(description = "What `whynot policy build` writes, or an OPA bundle (.tar.gz)",
        content((Object = "application/json"), (Vec<u8> = "application/gzip"))),
    responses(
        (status = 200, description = "It is current", body = Taken),
        (status = 401, description = "The token is missing, or is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "No token is configured", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Policies come from another source", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is over 32 MiB", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is refused; `reasons` has everything that is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many at a time, or it cannot be kept on disk", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn push(
    _: Administrator,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Taken>, Problem> {
    Ok(Json(state.delivery.push(body?).await?.into()))
}

/// Where to go back to.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// One of the history; by default the one before the current one.
    #[serde(default)]
    revision: Option<String>,
}

/// Makes policies of before current. What was current is not taken from the source again, until the source has something else.
#[utoipa::path(post, path = "/v1/policies/rollback", tag = "policies", operation_id = "rollBackPolicies",
    security(("administrator" = [])),
    request_body = Rollback,
    responses(
        (status = 200, description = "They are current", body = Taken),
        (status = 400, description = "The body is not such a request", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The token is missing, or is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "No token is configured", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such revision", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not declared as application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "They cannot be used any more", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many at a time, or it cannot be kept on disk", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn rollback(
    _: Administrator,
    State(state): State<AppState>,
    body: Result<Json<Rollback>, JsonRejection>,
) -> Result<Json<Taken>, Problem> {
    let Json(Rollback { revision }) = body.map_err(Problem::of_json)?;
    Ok(Json(state.delivery.rollback(revision).await?.into()))
}

/// That whoever asks has the administrator's token. Taken before the body is read.
#[derive(Debug)]
pub(super) struct Administrator;

impl FromRequestParts<AppState> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Some(token) = &state.delivery.settings().administrator else {
            let detail = "Nobody may change policies here: no token is configured. Start the server with \
                          --admin-token-file FILE.";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response());
        };
        let given = super::client::bearer(&parts.headers);
        let is_administrator = token.is(given.unwrap_or_default()).map_err(|reason| {
            tracing::error!(
                event = "admin_token_unreadable",
                reason,
                "the administrator's token cannot be read"
            );
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The token cannot be checked now.").into_response()
        })?;
        if is_administrator && given.is_some() {
            return Ok(Self);
        }
        tracing::warn!(
            event = "admin_refused",
            path = parts.uri.path(),
            "somebody without the token wanted to change policies"
        );
        let detail = "This needs the administrator's token: authorization: Bearer TOKEN.";
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail).into_response())
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Refused(reasons) => {
                let detail = "The policies are refused; those before them serve on.";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail).because(reasons)
            }
            Rejected::Elsewhere(source) => {
                let detail = format!(
                    "Policies come from {source} here: change them there, or start the server without --policies."
                );
                Self::new(StatusCode::CONFLICT, detail)
            }
            Rejected::Nothing(detail) => Self::new(StatusCode::NOT_FOUND, detail),
            Rejected::Disk(error) => {
                tracing::error!(
                    event = "policies_not_kept",
                    error,
                    "policies were not taken: they cannot be kept on disk"
                );
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The policies cannot be kept on disk, and were not taken; the server's log says why.",
                )
            }
            Rejected::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "The server ends."),
        }
    }
}

/// What the caller has already, as it is written there.
fn tags(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
}

/// Names an answer, which may be another one next time.
fn tagged(response: &mut Response, etag: &str) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
}
