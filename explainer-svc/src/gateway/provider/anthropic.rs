//! Anthropic's Messages: <https://docs.anthropic.com/en/api/messages>.

use serde::Deserialize;
use serde_json::{Value, json};

use super::gathered::Gathered;
use super::{Fault, FaultKind, Question};
use crate::gateway::call::{Form, Role, Stop, Usage};
use crate::gateway::config::{Output, Provider};

/// Of the interface.
pub(super) const VERSION: &str = "2023-06-01";

/// The request. It has no tools, so that a model has none.
pub(super) fn body(provider: &Provider, question: &Question<'_>) -> Value {
    let mut system = Vec::new();
    let mut messages: Vec<(&str, String)> = Vec::new();
    for message in question.messages {
        let role = match message.role {
            Role::System => {
                system.push(message.content.as_str());
                continue;
            }
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
        };
        // Roles take turns there.
        match messages.last_mut() {
            Some((last, text)) if *last == role => {
                text.push_str("\n\n");
                text.push_str(&message.content);
            }
            _ => messages.push((role, message.content.clone())),
        }
    }
    let messages: Vec<Value> = messages
        .into_iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect();
    let mut body = json!({
        "model": question.model, "max_tokens": question.max_tokens, "messages": messages, "stream": provider.stream,
    });
    let mut set = |name: &str, value: Value| {
        if let Some(body) = body.as_object_mut() {
            body.insert(name.to_owned(), value);
        }
    };
    if !system.is_empty() {
        set("system", system.join("\n\n").into());
    }
    if let (Some(Form::Schema(schema)), Output::Schema) = (question.form, provider.output) {
        set(
            "output_config",
            json!({"format": {"type": "json_schema", "schema": schema}}),
        );
    }
    if let Some(temperature) = question.sampling.temperature {
        // Its scale ends at 1.
        set("temperature", temperature.min(1.0).into());
    }
    if let Some(top_p) = question.sampling.top_p {
        set("top_p", top_p.into());
    }
    if !question.sampling.stop.is_empty() {
        set("stop_sequences", json!(question.sampling.stop));
    }
    body
}

#[derive(Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the interface")]
struct Used {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Whole {
    content: Vec<Block>,
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Used,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse,
    ServerToolUse,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    MessageDelta {
        delta: Stopped,
        #[serde(default)]
        usage: Used,
    },
    MessageStop,
    Error {
        #[serde(default)]
        error: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Started {
    #[serde(default)]
    usage: Used,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta {
    TextDelta {
        text: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Stopped {
    stop_reason: Option<String>,
}

/// One event of a stream.
pub(super) fn event(data: &str, gathered: &mut Gathered) -> Result<(), Fault> {
    let event: Event = serde_json::from_str(data).map_err(|_| Fault::new(FaultKind::Malformed, "an event is none"))?;
    match event {
        Event::MessageStart { message } => message.usage.into(gathered),
        Event::ContentBlockStart { content_block } => content_block.into(gathered)?,
        Event::ContentBlockDelta {
            delta: Delta::TextDelta { text },
        } => gathered.push(&text)?,
        Event::MessageDelta { delta, usage } => {
            usage.into(gathered);
            stopped(delta.stop_reason.as_deref(), gathered);
        }
        Event::MessageStop => gathered.is_done = true,
        Event::Error { error } => return Err(super::instead(&error)),
        Event::ContentBlockDelta { .. } | Event::Other => {}
    }
    Ok(())
}

/// An answer that is no stream.
pub(super) fn message(value: &Value, gathered: &mut Gathered) -> Result<(), Fault> {
    let whole = Whole::deserialize(value).map_err(|_| Fault::new(FaultKind::Malformed, "no message"))?;
    whole.usage.into(gathered);
    for block in whole.content {
        block.into(gathered)?;
    }
    stopped(whole.stop_reason.as_deref(), gathered);
    Ok(())
}

impl Block {
    fn into(self, gathered: &mut Gathered) -> Result<(), Fault> {
        match self {
            Self::Text { text } => gathered.push(&text)?,
            Self::ToolUse | Self::ServerToolUse => gathered.tool_calls += 1,
            Self::Other => {}
        }
        Ok(())
    }
}

impl Used {
    /// Tokens of its cache are not among `input_tokens` there. A stream says them twice, and more of them later.
    fn into(self, gathered: &mut Gathered) {
        let known = gathered.usage.unwrap_or_default();
        let cached = self.cache_read_input_tokens;
        let input = self.input_tokens.map(|input| {
            let written = self.cache_creation_input_tokens.unwrap_or(0);
            input.saturating_add(cached.unwrap_or(0)).saturating_add(written)
        });
        if input.is_none() && self.output_tokens.is_none() {
            return;
        }
        gathered.usage = Some(Usage {
            input: input.unwrap_or(0).max(known.input),
            cached: cached.unwrap_or(0).max(known.cached),
            output: self.output_tokens.unwrap_or(0).max(known.output),
            estimated: false,
        });
    }
}

fn stopped(reason: Option<&str>, gathered: &mut Gathered) {
    match reason {
        None => {}
        Some("max_tokens" | "model_context_window_exceeded") => gathered.stop = Some(Stop::Length),
        Some("refusal") => gathered.filtered = true,
        Some("tool_use") => gathered.tool_calls = gathered.tool_calls.max(1),
        Some(_) => gathered.stop = Some(Stop::Stop),
    }
}
