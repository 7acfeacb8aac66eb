//! Answers and errors in the shape of `OpenAI`'s interface.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::gateway::call::Stop;
use crate::gateway::{Completion, Refused};

/// What is the same when it is asked again: clients would do so after each 429 and 5xx, and a model would be paid each time.
const LASTS: [&str; 6] = [
    "content_filter",
    "deadline",
    "insufficient_quota",
    "models_off",
    "no_price",
    "not_allowed",
];

/// Bytes of a piece of a stream, about.
const PIECE: usize = 64;

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(in crate::api) struct Wrong {
    status: StatusCode,
    code: &'static str,
    message: String,
    param: Option<String>,
    retry_after: Option<u64>,
}

impl Wrong {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            param: None,
            retry_after: None,
        }
    }

    pub(super) fn bad(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(super) fn at(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    pub(super) fn because(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }
}

impl From<Refused> for Wrong {
    fn from(refused: Refused) -> Self {
        let (status, code) = match &refused {
            Refused::Killed => (StatusCode::SERVICE_UNAVAILABLE, "models_off"),
            Refused::UnknownModel(_) => (StatusCode::NOT_FOUND, "model_not_found"),
            Refused::Policy(_) => (StatusCode::FORBIDDEN, "not_allowed"),
            Refused::NoPrice(_) => (StatusCode::FORBIDDEN, "no_price"),
            Refused::Budget { .. } => (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota"),
            Refused::Rate { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded"),
            Refused::Busy => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Refused::Guard { inbound: true, .. } => (StatusCode::BAD_REQUEST, "content_filter"),
            Refused::Guard { inbound: false, .. } => (StatusCode::BAD_GATEWAY, "content_filter"),
            Refused::Providers(_) => (StatusCode::BAD_GATEWAY, "provider_error"),
            Refused::Deadline => (StatusCode::GATEWAY_TIMEOUT, "deadline"),
            Refused::Unrecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_recorded"),
        };
        let retry_after = match &refused {
            Refused::Budget { retry_after, .. } | Refused::Rate { retry_after } => Some(retry_after.as_secs().max(1)),
            Refused::Busy => Some(1),
            _ => None,
        };
        Self {
            retry_after,
            ..Self::new(status, code, &refused.to_string())
        }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({"message": self.message, "type": kind, "param": self.param, "code": self.code});
        let mut response = (self.status, Json(json!({"error": error}))).into_response();
        if LASTS.contains(&self.code) {
            let no = HeaderValue::from_static("false");
            response.headers_mut().insert("x-should-retry", no);
        }
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// How a completion is to be answered.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

impl Answering {
    /// The answer. All of it has passed the guards, also when it is sent in pieces.
    pub(super) fn response(&self, completion: &Completion) -> Result<Response, Wrong> {
        let mut id = [0; 12];
        getrandom::fill(&mut id)
            .map_err(|_| Wrong::new(StatusCode::SERVICE_UNAVAILABLE, "not_now", "There is no randomness."))?;
        let id = format!("chatcmpl-{}", data_encoding::HEXLOWER.encode(&id));
        let finish = match completion.stop {
            Stop::Stop => "stop",
            Stop::Length => "length",
        };
        let usage = json!({
            "prompt_tokens": completion.tokens.input, "completion_tokens": completion.tokens.output,
            "total_tokens": completion.tokens.total(),
            "prompt_tokens_details": {"cached_tokens": completion.tokens.cached},
        });
        let around = |object: &str, choices: Value| {
            json!({
                "id": id, "object": object, "created": jiff::Timestamp::now().as_second(), "model": self.model,
                "choices": choices,
            })
        };
        // By whom, for what, and where it is recorded.
        let about = json!({
            "provider": completion.provider, "model": completion.model, "nanodollars": completion.cost,
            "estimated": completion.tokens.estimated, "cached": completion.cached, "audit": completion.audit,
        });
        if !self.stream {
            let message = json!({"role": "assistant", "content": completion.clean.text});
            let mut whole = around(
                "chat.completion",
                json!([{"index": 0, "message": message, "finish_reason": finish}]),
            );
            put(&mut whole, "usage", usage);
            put(&mut whole, "whynot", about);
            return Ok(Json(whole).into_response());
        }
        let chunk = |delta: Value, finish: Value| {
            let mut chunk = around(
                "chat.completion.chunk",
                json!([{"index": 0, "delta": delta, "finish_reason": finish}]),
            );
            if self.include_usage {
                put(&mut chunk, "usage", Value::Null);
            }
            chunk
        };
        let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
        let texts = pieces(&completion.clean.text);
        chunks.extend(texts.map(|text| chunk(json!({"content": text}), Value::Null)));
        let mut last = chunk(json!({}), finish.into());
        put(&mut last, "whynot", about);
        chunks.push(last);
        if self.include_usage {
            let mut told = around("chat.completion.chunk", json!([]));
            put(&mut told, "usage", usage);
            chunks.push(told);
        }
        let mut events = String::new();
        for chunk in &chunks {
            events.push_str(&format!("data: {chunk}\n\n"));
        }
        events.push_str("data: [DONE]\n\n");
        Ok(([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], events).into_response())
    }
}

fn put(value: &mut Value, name: &str, member: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), member);
    }
}

/// A text in pieces, none of which cuts a character.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let end = (PIECE..=text.len())
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(text.len());
        let (piece, rest) = text.split_at(end);
        text = rest;
        Some(piece)
    })
}

pub(super) fn models(names: &[String]) -> Response {
    let each: Vec<Value> = names.iter().map(|name| described(name)).collect();
    Json(json!({"object": "list", "data": each})).into_response()
}

pub(super) fn model(name: &str) -> Response {
    Json(described(name)).into_response()
}

fn described(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "whynot"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text() {
        for text in ["", "a", &"ä".repeat(100), &"x".repeat(64), &"😀b".repeat(99)] {
            assert_eq!(pieces(text).collect::<String>(), *text);
        }
    }
}
