//! The gateway for administrators: turning models off, and what they cost.

#![expect(unused_qualifications, reason = "in what utoipa makes of `params`")]

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::policies::Administrator;
use super::{AppState, Problem};
use crate::gateway::Gateway;
use crate::gateway::usage::UsageRow;

/// Whether models are off.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// No model is asked.
    off: bool,
    /// Why, for the audit log.
    #[serde(default)]
    reason: String,
}

/// Turns models off, or on again. Words go on without them. While the file of --gateway-kill-file is there, they stay
/// off.
#[utoipa::path(post, path = "/v1/gateway/kill", tag = "models", operation_id = "turnModelsOff",
    security(("administrator" = [])),
    request_body = Switch,
    responses(
        (status = 200, description = "What holds now", body = Switch),
        (status = 400, description = "The body is not such a request", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The token is missing, or is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "No token is configured", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no gateway", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not declared as application/json", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It holds until a restart, and could not be kept", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn kill(
    _: Administrator,
    State(state): State<AppState>,
    body: Result<Json<Switch>, JsonRejection>,
) -> Result<Json<Switch>, Problem> {
    let Json(Switch { off, reason }) = body.map_err(Problem::of_json)?;
    let gateway = gateway(&state)?;
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(500).collect();
    gateway.kill(off, &reason).await.map_err(|error| {
        tracing::error!(%error, "the kill switch cannot be kept");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The switch could not be kept; turned off, models stay off until a restart.",
        )
    })?;
    Ok(Json(Switch {
        off: gateway.is_killed(),
        reason,
    }))
}

/// Whether models are off, by a call or by the file of --gateway-kill-file.
#[utoipa::path(get, path = "/v1/gateway/kill", tag = "models", operation_id = "modelsAreOff",
    security(("administrator" = [])),
    responses(
        (status = 200, description = "What holds now", body = Switch),
        (status = 401, description = "The token is missing, or is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "No token is configured", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no gateway", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn is_killed(_: Administrator, State(state): State<AppState>) -> Result<Json<Switch>, Problem> {
    Ok(Json(Switch {
        off: gateway(&state)?.is_killed(),
        reason: String::new(),
    }))
}

/// Which days.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// The first day, for example 2026-11-01.
    since: String,
}

/// What was used and spent by day, agent, team, policy and model.
#[utoipa::path(get, path = "/v1/gateway/usage", tag = "models", operation_id = "modelUsage",
    security(("administrator" = [])),
    params(Since),
    responses(
        (status = 200, description = "The newest day first", body = Vec<UsageRow>),
        (status = 400, description = "`since` is no day", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The token is missing, or is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "No token is configured", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no gateway", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read now", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn usage(
    _: Administrator,
    State(state): State<AppState>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Json<Vec<UsageRow>>, Problem> {
    let day = || Problem::bad_request("Expected a day, for example 2026-11-01.").at("since");
    let Query(Since { since }) = since.map_err(|_| day())?;
    let since: jiff::civil::Date = since.parse().map_err(|_| day())?;
    let rows = gateway(&state)?.usage(&since.to_string()).await.map_err(|error| {
        tracing::error!(%error, "what was used cannot be read");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "What was used cannot be read now.")
    })?;
    Ok(Json(rows))
}

fn gateway(state: &AppState) -> Result<&Gateway, Problem> {
    let none = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "There are no models here: the server runs without --gateway.",
        )
    };
    state.gateway.as_ref().ok_or_else(none)
}
