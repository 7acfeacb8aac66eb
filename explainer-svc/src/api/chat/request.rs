//! What `OpenAI`'s clients send, as far as it means something here. What would be silently ignored is refused.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::response::Wrong;
use crate::gateway::call::{Form, Message, Role, Sampling};

/// Parameters that change nothing of the answer, or do so at the provider's side only.
const HARMLESS: [&str; 7] = [
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
];

/// Characters of a model's name.
const MODEL: usize = 128;

#[derive(Debug, Deserialize)]
struct Body {
    model: Option<String>,
    messages: Vec<RawMessage>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    stop: Option<OneOrMany>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    response_format: Option<Format>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct RawMessage {
    role: Role,
    content: Option<Content>,
    tool_calls: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format {
    Text,
    JsonObject,
    JsonSchema { json_schema: Named },
}

#[derive(Debug, Deserialize)]
struct Named {
    schema: Option<Value>,
}

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) messages: Vec<Message>,
    pub(super) form: Option<Form>,
    pub(super) sampling: Sampling,
    pub(super) max_tokens: u32,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

impl Asked {
    pub(super) fn parse(body: &[u8], most_tokens: u32) -> Result<Self, Wrong> {
        let deserializer = &mut serde_json::Deserializer::from_slice(body);
        let body: Body = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            // The inner error has the line and the column.
            match error.path().to_string().as_str() {
                "." | "?" => Wrong::bad(&format!("The body is not understood: {}", error.inner())),
                path => Wrong::bad(&format!("{path}: {}", error.inner())).at(path),
            }
        })?;
        for (name, value) in &body.rest {
            if !is_nothing(name, value) {
                let wrong = Wrong::bad(&format!("The parameter {name} is not supported here."));
                return Err(wrong.at(name).because("unsupported_parameter"));
            }
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
        if let Some(model) = &body.model
            && (model.is_empty() || model.len() > MODEL || !model.chars().all(is_name))
        {
            return Err(Wrong::bad(&format!(
                "model: expected up to {MODEL} letters, digits and any of . _ - / : @"
            ))
            .at("model"));
        }
        let max_tokens = body.max_completion_tokens.or(body.max_tokens).unwrap_or(most_tokens);
        if max_tokens == 0 || max_tokens > most_tokens {
            return Err(Wrong::bad(&format!("max_tokens: expected 1 to {most_tokens}.")).at("max_tokens"));
        }
        let within = |name: &str, value: Option<f64>, most: f64| match value {
            Some(value) if !(0.0..=most).contains(&value) => {
                Err(Wrong::bad(&format!("{name}: expected 0 to {most}.")).at(name))
            }
            _ => Ok(value),
        };
        let sampling = Sampling {
            temperature: within("temperature", body.temperature, 2.0)?,
            top_p: within("top_p", body.top_p, 1.0)?,
            stop: match body.stop {
                None => Vec::new(),
                Some(OneOrMany::One(one)) => vec![one],
                Some(OneOrMany::Many(many)) => many,
            },
        };
        if sampling.stop.len() > 4 {
            return Err(Wrong::bad("stop: expected up to 4 texts.").at("stop"));
        }
        let form = match body.response_format {
            None | Some(Format::Text) => None,
            Some(Format::JsonObject) => Some(Form::Object),
            Some(Format::JsonSchema {
                json_schema: Named { schema: Some(schema) },
            }) if schema.is_object() => Some(Form::Schema(schema)),
            Some(Format::JsonSchema { .. }) => {
                return Err(Wrong::bad("response_format: expected json_schema.schema.").at("response_format"));
            }
        };
        let messages: Result<Vec<Message>, Wrong> = body.messages.into_iter().enumerate().map(message).collect();
        let messages = messages?;
        if messages.is_empty() {
            return Err(Wrong::bad("messages: expected one or more.").at("messages"));
        }
        Ok(Self {
            model: body.model,
            messages,
            form,
            sampling,
            max_tokens,
            stream: body.stream.unwrap_or(false),
            include_usage: body.stream_options.is_some_and(|options| options.include_usage),
        })
    }
}

/// A parameter that asks for nothing.
fn is_nothing(name: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Number(number) if name == "n" => number.as_u64() == Some(1),
        Value::Number(number) if name.ends_with("_penalty") => number.as_f64() == Some(0.0),
        Value::String(text) if name == "tool_choice" => text == "none",
        _ => HARMLESS.contains(&name),
    }
}

fn message((index, raw): (usize, RawMessage)) -> Result<Message, Wrong> {
    let at = |detail: &str| Wrong::bad(&format!("messages[{index}]: {detail}")).at(&format!("messages[{index}]"));
    if raw.tool_calls.is_some_and(|calls| !calls.is_empty()) {
        return Err(at("models have no tools here."));
    }
    let content = match raw.content {
        None => return Err(at("expected content.")),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let mut texts = Vec::new();
            for part in parts {
                match part.text {
                    Some(text) if part.kind == "text" => texts.push(text),
                    _ => return Err(at("only text is taken.")),
                }
            }
            texts.join("\n")
        }
    };
    Ok(Message {
        role: raw.role,
        content,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: &Value) -> Result<Asked, String> {
        Asked::parse(body.to_string().as_bytes(), 100).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn what_clients_send_is_understood() {
        let body = json!({
            "model": "small", "n": 1, "user": "u", "tools": [], "presence_penalty": 0, "seed": null, "stop": "\n", "max_tokens": 7,
            "messages": [{"role": "developer", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        });
        let asked = asked(&body).unwrap();
        let roles: Vec<Role> = asked.messages.iter().map(|message| message.role).collect();
        assert_eq!((roles, asked.max_tokens), (vec![Role::System, Role::User], 7));
        assert_eq!(asked.form, Some(Form::Schema(json!({"type": "object"}))));
    }

    #[test]
    fn what_is_no_json_has_its_line_and_column() {
        let wrong = Asked::parse(b"{bad", 100).unwrap_err().to_string();
        assert!(wrong.ends_with("at line 1 column 2") && !wrong.contains('?'), "{wrong}");
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        let messages = json!([{"role": "user", "content": "a"}]);
        for (name, value) in [
            ("tools", json!([{"type": "function"}])),
            ("functions", json!([{}])),
            ("n", json!(2)),
            ("model", json!("")),
            ("model", json!("x".repeat(129))),
            ("model", json!("a b")),
            ("logprobs", json!(true)),
            ("max_tokens", json!(101)),
            ("temperature", json!(3)),
            ("messages", json!([])),
            (
                "messages",
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
            ),
            (
                "messages",
                json!([{"role": "assistant", "content": "x", "tool_calls": [{}]}]),
            ),
            ("messages", json!([{"role": "wizard", "content": "x"}])),
        ] {
            let mut body = json!({"messages": messages});
            body[name] = value;
            let problem = asked(&body).unwrap_err();
            assert!(problem.contains(name), "{problem}");
        }
    }
}
