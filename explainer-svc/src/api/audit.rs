//! The audit log, read-only: checkpoint, tiles and entries as C2SP's `tlog-tiles` has them; proofs and events as JSON.
//!
//! Open as the rest that only reads, but for one thing: what agents ask of models and what that costs is behind a token at
//! `/v1/gateway/usage`, so it is here too, where there is a token. Their leaves are open: without them nobody could check the log.

#![expect(unused_qualifications, reason = "in what utoipa makes of `params`")]

use std::convert::Infallible;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::client::bearer;
use super::{AppState, Problem};
use crate::audit::{self, Kind, RecordedEvent, TilePath};

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1000;

/// The routes of the log.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/audit/checkpoint", get(checkpoint))
        .route("/audit/tile/{*path}", get(tile))
        .route("/v1/audit/proof", get(proof))
        .route("/v1/audit/consistency", get(consistency))
        .route("/v1/audit/events", get(events))
}

impl From<audit::Error> for Problem {
    fn from(error: audit::Error) -> Self {
        if let audit::Error::NotThere(detail) = error {
            return Self::new(StatusCode::NOT_FOUND, detail);
        }
        tracing::error!(%error, "cannot read the audit log");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The audit log cannot be read now.")
    }
}

/// Whether whoever asks may read what agents asked of models, and what that cost: the administrator where one has a token, else clients
/// where they have tokens, else everybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeesCosts(bool);

impl FromRequestParts<AppState> for SeesCosts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let given = bearer(&parts.headers);
        let known = match (&state.delivery.settings().administrator, &state.clients) {
            (Some(administrator), _) => given.map(|given| administrator.is(given)),
            (None, Some(clients)) => given.map(|given| clients.named(given).map(|name| name.is_some())),
            (None, None) => Some(Ok(true)),
        };
        let known = known.unwrap_or(Ok(false)).unwrap_or_else(|reason| {
            tracing::error!(event = "tokens_unusable", reason, "tokens cannot be checked");
            false
        });
        Ok(Self(known))
    }
}

impl SeesCosts {
    fn withholds(self, kind: &str) -> bool {
        let of_models = [
            Kind::ModelCalled,
            Kind::ModelRefused,
            Kind::BudgetChanged,
            Kind::BudgetExhausted,
        ];
        !self.0 && of_models.iter().any(|of_models| of_models.name() == kind)
    }
}

/// The last signed checkpoint.
#[utoipa::path(get, path = "/audit/checkpoint", tag = "audit", operation_id = "auditCheckpoint",
    responses((status = 200, description = "A signed note (C2SP tlog-checkpoint)", body = String, content_type = "text/plain")))]
pub(super) async fn checkpoint(State(state): State<AppState>) -> Response {
    let note = state.audit.checkpoint().note().to_owned();
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response()
}

/// A tile of hashes, `LEVEL/NUMBER`, or of entries, `entries/NUMBER`; with `.p/WIDTH` when it is not full.
#[utoipa::path(get, path = "/audit/tile/{path}", tag = "audit", operation_id = "auditTile",
    params(("path" = String, Path, description = "As C2SP tlog-tiles names it, for example 0/x001/234 or entries/000.p/17")),
    responses(
        (status = 200, description = "Hashes one after the other, or entries with their lengths", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "There is no such tile", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The log cannot be read", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn tile(State(state): State<AppState>, Path(path): Path<String>) -> Result<Response, Problem> {
    let no_tile = || Problem::new(StatusCode::NOT_FOUND, "There is no tile of this name.");
    let path = TilePath::parse(&path).ok_or_else(no_tile)?;
    let bytes = state.audit.tile(path).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        // What is in a log stays as it is.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    Ok((headers, bytes).into_response())
}

/// Of which leaf.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProofOf {
    /// The leaf's number.
    index: u64,
}

/// That a leaf is in the log: `whynot audit verify --proof` checks it without a server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Proof {
    /// The leaf's number.
    pub(crate) index: u64,
    /// The leaf's bytes: its hash is SHA-256 of a zero byte and these.
    pub(crate) leaf: String,
    /// The salt of the payload in hexadecimal; null when retention has deleted it, or it is withheld.
    pub(crate) salt: Option<String>,
    /// The payload's bytes: the leaf's commitment is SHA-256 of salt and these.
    pub(crate) payload: Option<String>,
    /// Salt and payload are there, and not for whoever asks: it takes the administrator's token.
    #[serde(default)]
    pub(crate) withheld: bool,
    /// The hashes from the leaf up (RFC 6962, audit path), in base64.
    pub(crate) hashes: Vec<String>,
    /// The signed checkpoint of the tree that the leaf is in.
    pub(crate) checkpoint: String,
}

/// Proves that a leaf is in the tree of the last checkpoint.
#[utoipa::path(get, path = "/v1/audit/proof", tag = "audit", operation_id = "auditProof", params(ProofOf),
    security((), ("administrator" = [])),
    responses(
        (status = 200, description = "The proof", body = Proof),
        (status = 400, description = "The question is not understood", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such leaf, or it is not signed yet", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The log cannot be read", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn proof(
    sees: SeesCosts,
    State(state): State<AppState>,
    question: Result<Query<ProofOf>, QueryRejection>,
) -> Result<Json<Proof>, Problem> {
    let Query(ProofOf { index }) = question.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let signed = state.audit.checkpoint();
    let inclusion = state.audit.inclusion(index, Some(signed.checkpoint.size)).await?;
    let has_payload = inclusion.payload.is_some();
    let (salt, payload) = inclusion.payload.filter(|_| !sees.withholds(&inclusion.kind)).unzip();
    Ok(Json(Proof {
        index,
        leaf: inclusion.leaf,
        withheld: has_payload && payload.is_none(),
        salt,
        payload,
        hashes: inclusion.hashes.iter().map(ToString::to_string).collect(),
        checkpoint: signed.note().to_owned(),
    }))
}

/// Between which trees.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Sizes {
    /// The leaves of the smaller tree.
    from: u64,
    /// The leaves of the larger one; those of the last checkpoint when not said.
    to: Option<u64>,
}

/// That one tree begins with another.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Consistency {
    from: u64,
    to: u64,
    /// RFC 6962, consistency proof, in base64.
    hashes: Vec<String>,
    /// The last signed checkpoint; of the larger tree unless `to` was said.
    checkpoint: String,
}

/// Proves that nothing was changed in what the log was before.
#[utoipa::path(get, path = "/v1/audit/consistency", tag = "audit", operation_id = "auditConsistency", params(Sizes),
    responses(
        (status = 200, description = "The proof", body = Consistency),
        (status = 400, description = "The question is not understood", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The log has no such trees", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The log cannot be read", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn consistency(
    State(state): State<AppState>,
    question: Result<Query<Sizes>, QueryRejection>,
) -> Result<Json<Consistency>, Problem> {
    let Query(Sizes { from, to }) = question.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let signed = state.audit.checkpoint();
    let to = to.unwrap_or(signed.checkpoint.size);
    let (to, hashes) = state.audit.consistency(from, Some(to)).await?;
    Ok(Json(Consistency {
        from,
        to,
        hashes: hashes.iter().map(ToString::to_string).collect(),
        checkpoint: signed.note().to_owned(),
    }))
}

/// Which events; all conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Conditions {
    /// Of this kind, for example `verdict-explained`.
    #[param(value_type = Option<String>)]
    kind: Option<Kind>,
    /// From this leaf on: `next` of the page before.
    from: Option<u64>,
    /// Not written before this time, for example 2026-11-22T10:00:00Z.
    since: Option<String>,
    /// At most this many, from 1 to 1000; 100 when not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// A page of the log, the oldest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(super) struct Page {
    items: Vec<Item>,
    /// The `from` of the next page; null when there are no more now.
    next: Option<u64>,
}

/// One event.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(super) struct Item {
    /// The leaf's number.
    index: u64,
    at: String,
    kind: String,
    subject: String,
    /// What the leaf says of its payload.
    commitment: String,
    /// The details; null when retention has deleted them, or they are withheld.
    payload: Option<serde_json::Value>,
    /// The details are there, and not for whoever asks: it takes the administrator's token.
    withheld: bool,
}

/// Lists what is in the log up to the last checkpoint.
#[utoipa::path(get, path = "/v1/audit/events", tag = "audit", operation_id = "auditEvents", params(Conditions),
    security((), ("administrator" = [])),
    responses(
        (status = 200, description = "A page, the oldest first", body = Page),
        (status = 400, description = "A condition is not understood; `path` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The log cannot be read", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn events(
    sees: SeesCosts,
    State(state): State<AppState>,
    conditions: Result<Query<Conditions>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(conditions) = conditions.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let Conditions {
        kind,
        from,
        since,
        limit,
    } = conditions;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("Expected a number from 1 to {MAX_LIMIT}.")).at("limit"));
    }
    if from.is_some_and(|from| i64::try_from(from).is_err()) {
        return Err(Problem::bad_request("Expected the number of a leaf.").at("from"));
    }
    let since = since.map(|since| since.parse::<jiff::Timestamp>()).transpose();
    let since = since.map_err(|_| Problem::bad_request("Expected a time like 2026-11-22T10:00:00Z.").at("since"))?;
    let query = audit::Query {
        kind,
        from: from.unwrap_or(0),
        since: since.map(jiff::Timestamp::as_millisecond),
        limit: limit + 1,
    };
    let mut events = state.audit.events(&query).await?;
    let next = usize::try_from(limit).ok().and_then(|limit| events.get(limit));
    let next = next.map(|event| event.index);
    events.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let items = events.into_iter().map(|event| item(event, sees)).collect();
    Ok(Json(Page { items, next }))
}

fn item(event: RecordedEvent, sees: SeesCosts) -> Item {
    let RecordedEvent {
        index,
        at,
        kind,
        subject,
        commitment,
        payload,
    } = event;
    let is_withheld = payload.is_some() && sees.withholds(&kind);
    Item {
        index,
        at,
        kind,
        subject,
        commitment,
        payload: payload.filter(|_| !is_withheld),
        withheld: is_withheld,
    }
}
