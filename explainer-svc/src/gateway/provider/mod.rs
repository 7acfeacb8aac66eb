//! Asking one provider once. What comes back is read whole, within limits of size and time, before anybody sees it.

mod anthropic;
mod bounds;
mod events;
mod faults;
mod gathered;
mod openai;
mod rehearsed;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, Url};
use serde_json::Value;

use self::bounds::believed;
pub(super) use self::bounds::{bounds, input_bound, most};
use self::events::Events;
pub(super) use self::faults::Fault;
pub use self::faults::FaultKind;
use self::faults::{code, instead};
use self::gathered::Gathered;
pub(super) use self::rehearsed::Script;
use super::call::{Form, Message, Sampling, Stop, Usage};
use super::config::{Kind, Provider};

/// Bytes of an error's body that are looked at.
const ERROR_BYTES: usize = 16 << 10;
/// How much larger a stream is than the text in it.
const FRAMING: usize = 64;
/// The longest wait that a provider can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What a provider is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) model: &'a str,
    pub(super) messages: &'a [Message],
    pub(super) form: Option<&'a Form>,
    pub(super) sampling: &'a Sampling,
    pub(super) max_tokens: u32,
}

/// What it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) text: String,
    pub(super) tool_calls: usize,
    pub(super) stop: Stop,
    /// `None` when it did not say.
    pub(super) usage: Option<Usage>,
}

/// A provider with its connections.
#[derive(Debug)]
pub(super) struct Remote {
    provider: Provider,
    wire: Wire,
    answer_bytes: usize,
}

/// Where a request goes.
#[derive(Debug)]
enum Wire {
    Network(Client),
    /// To a model that says what the canary wants said.
    Rehearsed(Arc<Script>),
}

impl Remote {
    pub(super) fn new(provider: Provider, answer_bytes: usize) -> Result<Self, String> {
        // The first one of the process counts.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(provider.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .https_only(provider.url.starts_with("https:"))
            .tcp_nodelay(true)
            // Who sees questions and keys is in the gateway's file, and in no variable of the environment.
            .no_proxy()
            .user_agent(concat!("whynot/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &provider.ca_file {
            let wrong = |error: &dyn std::fmt::Display| format!("caFile: {}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(&error))?;
            builder = builder.tls_certs_only(certificates);
        }
        if let Some(proxy) = &provider.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|error| format!("proxy: {}", chain(&error)))?;
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| chain(&error))?;
        Ok(Self {
            provider,
            wire: Wire::Network(client),
            answer_bytes,
        })
    }

    /// One that follows a script: its requests and answers are made and read as those of the network are.
    pub(super) fn rehearsed(provider: Provider, script: Arc<Script>) -> Self {
        Self {
            provider,
            wire: Wire::Rehearsed(script),
            // Whatever is too long, guards have to see.
            answer_bytes: usize::MAX,
        }
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// How long it may be silent, before that is a fault of this kind.
    pub(super) fn time_for(&self, kind: FaultKind) -> Duration {
        match kind {
            FaultKind::Slow => self.provider.first_byte_timeout,
            FaultKind::Stalled => self.provider.idle_timeout,
            _ => Duration::ZERO,
        }
    }

    /// What is sent for a question.
    pub(super) fn body(&self, question: &Question<'_>) -> Value {
        match self.provider.kind {
            Kind::Openai | Kind::Azure => openai::body(&self.provider, question),
            Kind::Anthropic => anthropic::body(&self.provider, question),
        }
    }

    /// Asks once, with the body of the question, and waits for nothing longer than `patience`. Whoever calls this bounds the whole of
    /// it in time.
    pub(super) async fn ask(
        &self,
        question: &Question<'_>,
        body: &Value,
        patience: Duration,
    ) -> Result<Answered, Fault> {
        let request = self.request(question, body)?;
        let sending = async {
            match &self.wire {
                Wire::Network(client) => client.execute(request).await,
                Wire::Rehearsed(script) => Ok(script.answered(self.provider.kind, &request)),
            }
        };
        let first_byte = self.provider.first_byte_timeout.min(patience);
        let sent = tokio::time::timeout(first_byte, sending).await;
        let response = match sent {
            // It has the question, and may go on answering it.
            Err(_) => {
                return Err(Fault {
                    began: Some(most(question)),
                    ..Fault::new(FaultKind::Slow, "no headers in time")
                });
            }
            Ok(Err(error)) => {
                let began = (!error.is_connect()).then(|| bounds(question, ""));
                return Err(Fault {
                    began,
                    ..Fault::new(FaultKind::Connection, chain(&error.without_url()))
                });
            }
            Ok(Ok(response)) => response,
        };
        if response.status() != reqwest::StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let mut gathered = Gathered::new(self.answer_bytes);
        let idle = self.provider.idle_timeout.min(patience);
        let read = self.read(response, &mut gathered, idle).await;
        let whole = match read {
            Ok(()) => gathered.answered(),
            Err(fault) => Err(fault),
        };
        match whole {
            Ok(answered) => Ok(Answered {
                usage: answered.usage.map(|usage| believed(usage, question, &answered.text)),
                ..answered
            }),
            Err(fault) => {
                let used = gathered.used().map(|usage| believed(usage, question, &gathered.text));
                Err(Fault {
                    began: Some(used.unwrap_or_else(|| bounds(question, &gathered.text))),
                    ..fault
                })
            }
        }
    }

    fn request(&self, question: &Question<'_>, body: &Value) -> Result<Request, Fault> {
        let provider = &self.provider;
        let path: &[&str] = match provider.kind {
            Kind::Openai => &["chat", "completions"],
            Kind::Azure => &["openai", "deployments", question.model, "chat", "completions"],
            Kind::Anthropic => &["messages"],
        };
        let wrong = |detail: &str| Fault::new(FaultKind::Rejected, detail);
        let mut url = Url::parse(&provider.url).map_err(|_| wrong("its url is none"))?;
        // As segments: a model's name cannot lead elsewhere.
        url.path_segments_mut()
            .map_err(|()| wrong("its url has no path"))?
            .pop_if_empty()
            .extend(path);
        if let Some(version) = provider.api_version.as_ref().filter(|_| provider.kind == Kind::Azure) {
            url.query_pairs_mut().append_pair("api-version", version);
        }
        let mut request = Request::new(Method::POST, url);
        *request.body_mut() = Some(body.to_string().into());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(source) = &provider.key {
            let key = source.read().map_err(|problem| Fault::new(FaultKind::Key, problem))?;
            let mut value = match provider.kind {
                Kind::Openai => HeaderValue::from_str(&format!("Bearer {}", key.reveal())),
                Kind::Azure | Kind::Anthropic => HeaderValue::from_str(key.reveal()),
            }
            .map_err(|_| Fault::new(FaultKind::Key, "its key is none"))?;
            value.set_sensitive(true);
            let header = match provider.kind {
                Kind::Openai => "authorization",
                Kind::Azure => "api-key",
                Kind::Anthropic => "x-api-key",
            };
            headers.insert(header, value);
        }
        if provider.kind == Kind::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
        }
        Ok(request)
    }

    /// What a status that is not 200 means. Bodies of errors may repeat the question, so only codes are taken out of
    /// them.
    async fn refusal(&self, mut response: Response) -> Fault {
        let status = response.status();
        let kind = match status.as_u16() {
            429 => FaultKind::RateLimited,
            401 | 403 => FaultKind::Key,
            408 | 500..=599 => FaultKind::Server,
            _ => FaultKind::Rejected,
        };
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while body.len() < ERROR_BYTES {
            match tokio::time::timeout(Duration::from_millis(500), response.chunk()).await {
                Ok(Ok(Some(piece))) => body.extend_from_slice(&piece),
                _ => break,
            }
        }
        let error: Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = error.get("error").map(code).unwrap_or_default();
        Fault {
            retry_after,
            ..Fault::new(kind, format!("status {} {code}", status.as_u16()).trim().to_owned())
        }
    }

    async fn read(&self, mut response: Response, gathered: &mut Gathered, idle: Duration) -> Result<(), Fault> {
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let is_stream = match essence.to_ascii_lowercase().as_str() {
            "text/event-stream" => true,
            "application/json" => false,
            _ => {
                return Err(Fault::new(
                    FaultKind::ContentType,
                    "neither JSON nor a stream of events",
                ));
            }
        };
        let most = self.answer_bytes.saturating_mul(FRAMING);
        let too_large = || Fault::new(FaultKind::TooLarge, "the answer is over the limit");
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(too_large());
        }
        let anthropic = self.provider.kind == Kind::Anthropic;
        let mut events = Events::default();
        let mut whole = Vec::new();
        let mut wire = 0_usize;
        loop {
            let piece = match tokio::time::timeout(idle, response.chunk()).await {
                Err(_) => return Err(Fault::new(FaultKind::Stalled, "the answer stopped coming")),
                Ok(Err(error)) => return Err(Fault::new(FaultKind::Cut, chain(&error.without_url()))),
                Ok(Ok(None)) => break,
                Ok(Ok(Some(piece))) => piece,
            };
            wire = wire.saturating_add(piece.len());
            if wire > most {
                return Err(too_large());
            }
            if !is_stream {
                whole.extend_from_slice(&piece);
                continue;
            }
            for data in events.push(&piece) {
                if anthropic {
                    anthropic::event(&data, gathered)?;
                } else {
                    openai::event(&data, gathered)?;
                }
                if gathered.is_done {
                    return Ok(());
                }
            }
        }
        if is_stream {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(&whole).map_err(|_| Fault::new(FaultKind::Malformed, "no JSON"))?;
        if anthropic {
            anthropic::message(&value, gathered)
        } else {
            openai::completion(&value, gathered)
        }
    }
}

/// How many tools a body gives to a model, by any name that a protocol has for them.
pub(super) fn tools(body: &Value) -> usize {
    let named = ["tools", "functions", "mcp_servers"];
    let given = named.iter().filter_map(|name| body.get(name));
    given.map(|tools| tools.as_array().map_or(1, Vec::len)).sum()
}

/// Seconds only: the other form, a date, needs two clocks that agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_are_counted_by_any_name() {
        for (body, number) in [
            (
                json!({"messages": [{"role": "user", "content": "tools"}], "stream": true}),
                0,
            ),
            (json!({"tools": []}), 0),
            (json!({"tools": [{"type": "function"}, {"type": "function"}]}), 2),
            (
                json!({"functions": [{"name": "kubectl"}], "mcp_servers": [{"url": "x"}]}),
                2,
            ),
            (json!({"tools": {"kubectl": {}}}), 1),
        ] {
            assert_eq!(tools(&body), number, "{body}");
        }
    }
}
