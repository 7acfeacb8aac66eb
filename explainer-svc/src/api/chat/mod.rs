//! `POST /v1/chat/completions`, `GET /v1/models` and `GET /v1/models/{id}`: the gateway for agents, as `OpenAI`'s clients know it.

mod request;
mod response;

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use tokio::time::Instant;

use self::response::{Answering, Wrong};
use super::AppState;
use crate::gateway::agents::Agent;
use crate::gateway::{Call, Content, Gateway, Refused};

/// What for, when a caller does not say.
const PURPOSE: &str = "chat";

/// Asks a model. Takes and returns what `OpenAI`'s interface does, without tools; a stream is sent once the whole
/// answer has passed the guards.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "models", operation_id = "chatCompletions",
    security(("agent" = [])),
    params(
        ("x-whynot-purpose" = Option<String>, Header, description = "What for; by default chat"),
        ("x-whynot-deadline-ms" = Option<u64>, Header, description = "When the answer is of no use any more"),
    ),
    request_body(description = "A chat completion request", content((Object = "application/json"))),
    responses(
        (status = 200, description = "The answer", content((Object = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "The request is wrong, or a guard stopped it", body = Object),
        (status = 401, description = "The token is nobody's", body = Object),
        (status = 403, description = "The policy on agents says no", body = Object),
        (status = 404, description = "There is no such model, or no gateway", body = Object),
        (status = 413, description = "The body is over the limit", body = Object),
        (status = 429, description = "A rate, a budget or the places are used up; Retry-After says until when", body = Object),
        (status = 502, description = "No provider answered, or a guard stopped the answer", body = Object),
        (status = 503, description = "Models are turned off, or the call could not be recorded", body = Object),
        (status = 504, description = "Not before the deadline", body = Object),
    ))]
pub(super) async fn completions(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Wrong> {
    let begun = Instant::now();
    let (gateway, agent) = authenticated(&state, &headers)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Wrong::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "The body is over the limit.",
        ),
        _ => Wrong::bad("The body could not be read."),
    })?;
    let limits = &gateway.settings().limits;
    let asked = request::Asked::parse(&body, limits.max_tokens)?;
    let purpose = text(&headers, "x-whynot-purpose")?.unwrap_or(PURPOSE);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if purpose.is_empty() || purpose.len() > 63 || !purpose.chars().all(is_name) {
        return Err(Wrong::bad(
            "x-whynot-purpose: expected up to 63 letters, digits, dots, dashes and underscores.",
        ));
    }
    let given = text(&headers, "x-whynot-deadline-ms")?
        .map(str::parse::<u64>)
        .transpose();
    let given = given.map_err(|_| Wrong::bad("x-whynot-deadline-ms: expected a number."))?;
    let deadline = given.map_or(limits.deadline, |given| {
        Duration::from_millis(given).min(limits.deadline)
    });
    let model = asked
        .model
        .clone()
        .unwrap_or_else(|| gateway.settings().default_route.clone());
    let answering = Answering {
        model,
        stream: asked.stream,
        include_usage: asked.include_usage,
    };
    let call = Call {
        agent: agent.name.clone(),
        team: agent.team.clone(),
        purpose: purpose.to_owned(),
        policy: None,
        model: asked.model,
        content: Content::Chat(asked.messages),
        form: asked.form,
        sampling: asked.sampling,
        max_tokens: asked.max_tokens,
        deadline: begun + deadline,
        cache: None,
    };
    let completion = gateway.complete(call).await?;
    answering.response(&completion)
}

/// The models that the agent may use.
#[utoipa::path(get, path = "/v1/models", tag = "models", operation_id = "models",
    security(("agent" = [])),
    responses(
        (status = 200, description = "Their names", body = Object),
        (status = 401, description = "The token is nobody's", body = Object),
        (status = 404, description = "There is no gateway", body = Object),
    ))]
pub(super) async fn models(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Wrong> {
    let (gateway, agent) = authenticated(&state, &headers)?;
    Ok(response::models(&gateway.models(agent, PURPOSE)))
}

/// One model that the agent may use.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models", operation_id = "model",
    security(("agent" = [])),
    params(("id" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The model", body = Object),
        (status = 401, description = "The token is nobody's", body = Object),
        (status = 404, description = "There is no such model for this agent, or no gateway", body = Object),
    ))]
pub(super) async fn model(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Wrong> {
    let (gateway, agent) = authenticated(&state, &headers)?;
    if !gateway.models(agent, PURPOSE).contains(&id) {
        return Err(Refused::UnknownModel(id.chars().take(64).collect()).into());
    }
    Ok(response::model(&id))
}

fn authenticated<'s>(state: &'s AppState, headers: &HeaderMap) -> Result<(&'s Gateway, &'s Agent), Wrong> {
    let Some(gateway) = &state.gateway else {
        return Err(Wrong::new(
            StatusCode::NOT_FOUND,
            "no_gateway",
            "There are no models here: the server runs without --gateway.",
        ));
    };
    let token = text(headers, header::AUTHORIZATION.as_str())?.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let agent = gateway.agent(token.unwrap_or_default()).map_err(|problem| {
        tracing::error!(
            event = "agent_token_unreadable",
            problem,
            "an agent's token cannot be read"
        );
        Wrong::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_now",
            "The token cannot be checked now.",
        )
    })?;
    match agent {
        Some(agent) if token.is_some() => Ok((gateway, agent)),
        _ => Err(Wrong::new(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "This needs an agent's token: authorization: Bearer TOKEN.",
        )),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Wrong> {
    let value = headers.get(name).map(|value| value.to_str()).transpose();
    value.map_err(|_| Wrong::bad(&format!("{name}: expected ASCII.")))
}
