//! The gateway against a provider that does what it wants.

pub(crate) mod provider;

mod again;
mod budgets;
mod charges;
mod evaluated;
mod faults;
mod guarded;
mod http;
mod process;
mod routes;
mod rules;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use explainer_svc::gateway::call::{CacheKey, Message, Role, Sampling};
use explainer_svc::gateway::seams::{Answer, Appending, Clean, Event, Expected, Fired, Guarded, Sample};
use explainer_svc::gateway::{Call, Content, Gateway, GatewayMetrics, Guards, Parts, Settings, Trail};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

/// Guards that can be seen at work: the real ones are tested where they are.
#[derive(Debug, Default)]
pub(crate) struct TestGuards {
    pub(crate) missing: Vec<&'static str>,
}

impl Guards for TestGuards {
    fn samples(&self) -> Vec<Sample> {
        let sample = |guard, text: &str, expected| Sample {
            guard,
            call: call(text),
            answer: "so".to_owned(),
            tool_calls: 0,
            expected,
        };
        // Nothing stops these.
        let missing = self
            .missing
            .iter()
            .map(|guard| sample(*guard, "why?", Expected::Unsaid));
        let own = [sample("instructions", "STOP-IN", Expected::Unsent)];
        own.into_iter().chain(missing).collect()
    }

    fn inbound(&self, call: &Call) -> Result<Guarded, Fired> {
        let fired = |guard| Fired {
            guard,
            detail: "it says s3cret".to_owned(),
            report: Value::Null,
        };
        let Content::Chat(messages) = &call.content else {
            return Err(fired("not-a-chat"));
        };
        if messages.iter().any(|message| message.content.contains("STOP-IN")) {
            return Err(fired("instructions"));
        }
        let messages = messages.iter().map(|message| Message {
            role: message.role,
            content: message.content.replace("s3cret", "[redacted]"),
        });
        Ok(Guarded {
            messages: messages.collect(),
            form: call.form.clone(),
            sampling: call.sampling.clone(),
            report: Value::Null,
            counts: vec![("redaction", 1)],
            outbound: Box::new(move |answer: &Answer<'_>| {
                if answer.text.contains("STOP-OUT") {
                    return Err(fired("links"));
                }
                Ok(Clean {
                    text: answer.text.replace('\u{202e}', ""),
                    ..Clean::default()
                })
            }),
        })
    }
}

/// Remembers events.
#[derive(Debug, Default)]
pub(crate) struct TestTrail(pub(crate) Mutex<Vec<Event>>);

impl Trail for TestTrail {
    fn append(&self, event: Event) -> Appending<'_> {
        let mut events = self.0.lock().unwrap();
        events.push(event);
        let index = events.len() as u64 - 1;
        Box::pin(async move { Ok(index) })
    }

    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl TestTrail {
    pub(crate) fn of(&self, kind: &str) -> Vec<Event> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|event| event.kind.name() == kind)
            .cloned()
            .collect()
    }
}

pub(crate) struct Stand {
    pub(crate) gateway: Gateway,
    pub(crate) trail: Arc<TestTrail>,
    registry: Registry,
    pub(crate) folder: TempDir,
}

impl Stand {
    pub(crate) async fn at(folder: TempDir, settings: &str) -> Self {
        let trail = Arc::new(TestTrail::default());
        let metrics = GatewayMetrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let settings = Settings::parse(settings, folder.path()).unwrap();
        let parts = parts(settings, folder.path(), trail.clone(), metrics);
        Self {
            gateway: Gateway::open(parts).await.unwrap(),
            trail,
            registry,
            folder,
        }
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

pub(crate) fn parts(settings: Settings, folder: &Path, trail: Arc<dyn Trail>, metrics: GatewayMetrics) -> Parts {
    Parts {
        settings,
        database: folder.join("gateway.db"),
        kill_file: Some(folder.join("kill")),
        guards: Arc::new(TestGuards::default()),
        trail,
        metrics,
    }
}

pub(crate) fn call(text: &str) -> Call {
    Call {
        agent: "triage".to_owned(),
        team: "platform".to_owned(),
        purpose: "chat".to_owned(),
        policy: None,
        model: None,
        content: Content::Chat(vec![Message {
            role: Role::User,
            content: text.to_owned(),
        }]),
        form: None,
        sampling: Sampling::default(),
        max_tokens: 10,
        deadline: Instant::now() + Duration::from_secs(5),
        cache: None,
    }
}

pub(crate) fn cache_key(shape: &str) -> CacheKey {
    CacheKey {
        revision: "r1".to_owned(),
        rule: "general/x".to_owned(),
        shape: shape.to_owned(),
        prompt: "p1".to_owned(),
    }
}

/// The agents and what they cost, for all tests here; `url` for the providers a (`OpenAI`'s protocol) and b
/// (Anthropic's).
pub(crate) fn settings(first: &str, second: &str, more: &str) -> String {
    format!(
        "
apiVersion: whynot.dev/v1
kind: Gateway
prices: prices.yaml
providers:
  - {{name: a, kind: openai, url: {first:?}, region: eu-west-1, models: [m], firstByteTimeoutMs: 400, idleTimeoutMs: 300,
     concurrency: 64, breaker: {{failures: 4, openMs: 60000}}}}
  - {{name: b, kind: anthropic, url: {second:?}, region: us-east-1, models: [claude], firstByteTimeoutMs: 400, idleTimeoutMs: 300}}
routes:
  - {{model: default, targets: [{{provider: a, model: m}}, {{provider: b, model: claude}}], attempts: 2, attemptTimeoutMs: 1500}}
  - {{model: only-a, targets: [{{provider: a, model: m}}], attempts: 1, attemptTimeoutMs: 1500}}
  - {{model: only-b, targets: [{{provider: b, model: claude}}], attempts: 1}}
agents:
  - {{name: triage, team: platform, models: ['*'], purposes: [chat]}}
{more}
"
    )
}

pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    // A dollar for a million tokens of answers, so 1,000 billionths each; questions cost nothing.
    let prices = "asOf: 2026-11-01\nmodels:\n  m: {input: 0, output: 1}\n  claude: {input: 0, output: 1}\n";
    std::fs::write(folder.path().join("prices.yaml"), prices).unwrap();
    folder
}

pub(crate) async fn stand(first: &str, second: &str, more: &str) -> Stand {
    Stand::at(folder(), &settings(first, second, more)).await
}

/// The same, with as much time as a busy machine may need.
pub(crate) async fn patient(first: &str, second: &str, more: &str) -> Stand {
    Stand::at(folder(), &unhurried(&settings(first, second, more))).await
}

pub(crate) fn unhurried(settings: &str) -> String {
    settings
        .replace("firstByteTimeoutMs: 400", "firstByteTimeoutMs: 60000")
        .replace("idleTimeoutMs: 300", "idleTimeoutMs: 60000")
        .replace("attemptTimeoutMs: 1500", "attemptTimeoutMs: 60000")
}
