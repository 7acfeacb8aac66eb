//! A model of the canary: it says what it is to say, and shows what it was sent.

use std::sync::{Mutex, PoisonError};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Request, Response};
use serde_json::{Value, json};

use crate::gateway::config::Kind;

/// What it says next, and what it was sent last.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Script(Mutex<Scene>);

#[derive(Debug, Default)]
struct Scene {
    text: String,
    tool_calls: usize,
    sent: Option<String>,
}

impl Script {
    fn with<T>(&self, work: impl FnOnce(&mut Scene) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next answer; nothing was sent for it yet.
    pub(in crate::gateway) fn say(&self, text: &str, tool_calls: usize) {
        self.with(|scene| {
            *scene = Scene {
                text: text.to_owned(),
                tool_calls,
                sent: None,
            };
        });
    }

    /// The body of the last request since [`Self::say`].
    pub(in crate::gateway) fn sent(&self) -> Option<String> {
        self.with(|scene| scene.sent.take())
    }

    pub(super) fn answered(&self, kind: Kind, request: &Request) -> Response {
        let bytes = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let sent = String::from_utf8_lossy(bytes).into_owned();
        let body = self.with(|scene| {
            scene.sent = Some(sent);
            match kind {
                Kind::Openai | Kind::Azure => completion(&scene.text, scene.tool_calls),
                Kind::Anthropic => message(&scene.text, scene.tool_calls),
            }
        });
        let mut response = axum::http::Response::new(body.to_string());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response.into()
    }
}

fn completion(text: &str, tool_calls: usize) -> Value {
    let call = json!({"id": "1", "type": "function", "function": {"name": "canary", "arguments": "{}"}});
    json!({
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": text, "tool_calls": vec![call; tool_calls]},
        }],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    })
}

fn message(text: &str, tool_calls: usize) -> Value {
    let mut content = vec![json!({"type": "text", "text": text})];
    let call = json!({"type": "tool_use", "id": "1", "name": "canary", "input": {}});
    content.extend(vec![call; tool_calls]);
    json!({"content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}})
}
