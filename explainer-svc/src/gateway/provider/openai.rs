//! Chat completions, as `OpenAI` has them and most others copy: <https://platform.openai.com/docs/api-reference/chat>.

use serde::Deserialize;
use serde_json::{Value, json};

use super::gathered::Gathered;
use super::{Fault, FaultKind, Question};
use crate::gateway::call::{Form, Role, Stop, Usage};
use crate::gateway::config::{Kind, MaxTokensField, Output, Provider};

/// The request. It has no tools, so that a model has none.
pub(super) fn body(provider: &Provider, question: &Question<'_>) -> Value {
    let message = |message: &super::Message| {
        let role = match message.role {
            Role::System => "system",
            Role::Assistant => "assistant",
            // Without the call that it answers, a message of a tool is refused; guards have marked it.
            Role::User | Role::Tool => "user",
        };
        json!({"role": role, "content": message.content})
    };
    let messages: Vec<Value> = question.messages.iter().map(message).collect();
    let mut body = json!({"messages": messages});
    let mut set = |name: &str, value: Value| {
        if let Some(body) = body.as_object_mut() {
            body.insert(name.to_owned(), value);
        }
    };
    if provider.kind == Kind::Openai {
        set("model", question.model.into());
    }
    let limit = match provider.max_tokens_field {
        MaxTokensField::MaxTokens => "max_tokens",
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
    };
    set(limit, question.max_tokens.into());
    if provider.stream {
        set("stream", true.into());
        set("stream_options", json!({"include_usage": true}));
    }
    match (question.form, provider.output) {
        (Some(Form::Schema(schema)), Output::Schema) => {
            let schema = json!({"name": "answer", "strict": true, "schema": schema});
            set("response_format", json!({"type": "json_schema", "json_schema": schema}));
        }
        (Some(_), Output::Schema | Output::Object) => set("response_format", json!({"type": "json_object"})),
        (Some(_), Output::Text) | (None, _) => {}
    }
    if let Some(temperature) = question.sampling.temperature {
        set("temperature", temperature.into());
    }
    if let Some(top_p) = question.sampling.top_p {
        set("top_p", top_p.into());
    }
    if !question.sampling.stop.is_empty() {
        set("stop", json!(question.sampling.stop));
    }
    body
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Used>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default, alias = "delta")]
    message: Option<Said>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Value>>,
    #[serde(default)]
    function_call: Option<Value>,
}

#[derive(Deserialize)]
struct Used {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

/// One event of a stream.
pub(super) fn event(data: &str, gathered: &mut Gathered) -> Result<(), Fault> {
    if data.trim() == "[DONE]" {
        gathered.is_done = true;
        return Ok(());
    }
    let chunk: Chunk =
        serde_json::from_str(data).map_err(|_| Fault::new(FaultKind::Malformed, "an event is no chunk"))?;
    chunk.into(gathered)
}

/// An answer that is no stream.
pub(super) fn completion(value: &Value, gathered: &mut Gathered) -> Result<(), Fault> {
    let malformed = || Fault::new(FaultKind::Malformed, "no chat completion");
    let chunk = Chunk::deserialize(value).map_err(|_| malformed())?;
    if chunk.error.is_none() && chunk.choices.is_empty() {
        return Err(malformed());
    }
    chunk.into(gathered)
}

impl Chunk {
    fn into(self, gathered: &mut Gathered) -> Result<(), Fault> {
        if let Some(error) = &self.error {
            return Err(super::instead(error));
        }
        if let Some(used) = self.usage {
            let cached = used.prompt_tokens_details.and_then(|details| details.cached_tokens);
            gathered.usage = Some(Usage {
                input: used.prompt_tokens,
                cached: cached.unwrap_or(0),
                output: used.completion_tokens,
                estimated: false,
            });
        }
        for choice in self.choices {
            if choice.index != 0 {
                return Err(Fault::new(FaultKind::Malformed, "more than one answer"));
            }
            if let Some(said) = choice.message {
                gathered.tool_calls += said.tool_calls.map_or(0, |calls| calls.len());
                gathered.tool_calls += usize::from(said.function_call.is_some());
                gathered.filtered |= said.refusal.is_some_and(|refusal| !refusal.is_empty());
                gathered.push(&said.content.unwrap_or_default())?;
            }
            match choice.finish_reason.as_deref() {
                None => {}
                Some("length") => gathered.stop = Some(Stop::Length),
                Some("content_filter") => gathered.filtered = true,
                Some("tool_calls" | "function_call") => gathered.tool_calls = gathered.tool_calls.max(1),
                Some(_) => gathered.stop = Some(Stop::Stop),
            }
        }
        Ok(())
    }
}
