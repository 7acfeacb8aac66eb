//! Controls, evaluated for a real service and for the database that it leaves.

mod commands;
mod guards;
mod schedule;
mod service;
mod words;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use explainer_svc::delivery::Token;
use explainer_svc::gateway::call::{Message, Role};
use explainer_svc::gateway::guards::Part;
use explainer_svc::gateway::seams::{Answer, Clean, Fired, Guarded, Sample};
use explainer_svc::gateway::{Call, Content, Guarding, Guards, Setup};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{folder, settings};
use crate::support::TestServer;

pub(crate) const ADMINISTRATOR: &str = "token-of-the-administrator";
pub(crate) const AGENT: &str = "token-of-the-triage-agent";

/// The guards of this program, of which one can be taken out: what it should stop passes.
pub(crate) struct Removable {
    guards: Guarding,
    pub(crate) missing: Arc<Mutex<Option<&'static str>>>,
}

impl Removable {
    pub(crate) fn without(missing: Option<&'static str>) -> Self {
        Self {
            guards: Guarding { answer_bytes: 65_536 },
            missing: Arc::new(Mutex::new(missing)),
        }
    }
}

/// What a call says before any guard.
fn raw(call: &Call) -> String {
    match &call.content {
        Content::Chat(messages) => messages.iter().map(|message| message.content.as_str()).collect(),
        Content::Explanation { outgoing, .. } => {
            let parts = outgoing.messages.iter().flat_map(|message| &message.parts);
            let text = |part: &Part| match part {
                Part::Template(text) | Part::Caller(text) | Part::Untrusted { text, .. } => text.clone(),
                Part::Facts(_) => "note-to-self".to_owned(),
            };
            parts.map(text).collect()
        }
    }
}

fn sent(content: String) -> Vec<Message> {
    vec![Message {
        role: Role::User,
        content,
    }]
}

impl Guards for Removable {
    fn samples(&self) -> Vec<Sample> {
        self.guards.samples()
    }

    fn inbound(&self, call: &Call) -> Result<Guarded, Fired> {
        let missing = *self.missing.lock().unwrap();
        let Some(missing) = missing else {
            return self.guards.inbound(call);
        };
        let mut guarded = match self.guards.inbound(call) {
            Err(fired) if fired.guard == missing => {
                return Ok(Guarded {
                    messages: sent(raw(call)),
                    form: call.form.clone(),
                    sampling: call.sampling.clone(),
                    report: Value::Null,
                    counts: Vec::new(),
                    outbound: Box::new(|answer| Ok(passed(answer))),
                });
            }
            guarded => guarded?,
        };
        if missing == "marking" {
            for message in &mut guarded.messages {
                message.content = message.content.replace('\u{02C6}', " ");
            }
        } else if guarded.counts.iter().any(|(guard, _)| *guard == missing) {
            guarded.messages = sent(raw(call));
            guarded.form.clone_from(&call.form);
            guarded.sampling = call.sampling.clone();
        }
        let outbound = guarded.outbound;
        guarded.outbound = Box::new(move |answer| match outbound(answer) {
            Err(fired) if fired.guard == missing => Ok(passed(answer)),
            Ok(clean) if clean.counts.iter().any(|(guard, _)| *guard == missing) => Ok(passed(answer)),
            checked => checked,
        });
        Ok(guarded)
    }
}

/// An answer that nothing stopped.
fn passed(answer: &Answer<'_>) -> Clean {
    Clean {
        text: answer.text.to_owned(),
        ..Clean::default()
    }
}

/// A service with an administrator; and a gateway, where there are providers.
pub(crate) struct Service {
    pub(crate) server: TestServer,
    pub(crate) folder: TempDir,
}

impl Service {
    pub(crate) async fn start(
        providers: Option<(&str, &str)>,
        adjust: impl FnOnce(&mut explainer_svc::config::Config, &Path),
    ) -> Self {
        let folder = folder();
        std::fs::write(folder.path().join("agent"), AGENT).unwrap();
        std::fs::write(folder.path().join("administrator"), ADMINISTRATOR).unwrap();
        let token = Token::open(folder.path().join("administrator")).unwrap();
        let setup = providers.map(|(first, second)| {
            let more = "budgets:\n  - {name: all, period: month, requests: {hard: 1000}}\n\
                        allow: {providers: [a, b], models: [m, claude], regions: [eu-west-1, us-east-1]}\n";
            let text =
                settings(first, second, more).replace("team: platform,", "team: platform, token: {file: agent},");
            let file = folder.path().join("gateway.yaml");
            std::fs::write(&file, crate::gateway::unhurried(&text)).unwrap();
            Setup {
                file,
                kill_file: None,
                neighbours: None,
            }
        });
        let database = folder.path().join("state/whynot.db");
        let server = TestServer::at(&database, |config| {
            config.policies.administrator = Some(token);
            config.gateway = setup;
            adjust(config, folder.path());
        })
        .await;
        // As who collects them does.
        assert_eq!(server.get("/metrics").await.status(), 200);
        Self { server, folder }
    }

    pub(crate) async fn admin(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.server.url);
        self.server
            .client
            .get(url)
            .bearer_auth(ADMINISTRATOR)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn report(&self) -> Value {
        let response = self.admin("/v1/governance").await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    pub(crate) async fn ask(&self, model: &str) -> u16 {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "my token is ghp_Ab3dEf6hIj9kLmNoPqRsTuVwXyZ012345678"}], "max_tokens": 10});
        let url = format!("{}/v1/chat/completions", self.server.url);
        let asked = self.server.client.post(url).bearer_auth(AGENT).json(&body).send().await;
        asked.unwrap().status().as_u16()
    }

    pub(crate) async fn switch(&self, off: bool) {
        let url = format!("{}/v1/gateway/kill", self.server.url);
        let body = json!({"off": off, "reason": "a drill"});
        let switched = self
            .server
            .client
            .post(url)
            .bearer_auth(ADMINISTRATOR)
            .json(&body)
            .send()
            .await;
        assert_eq!(switched.unwrap().status(), 200);
    }

    /// Once events of a kind are in the log.
    pub(crate) async fn logged(&self, kind: &str, number: usize) -> Vec<Value> {
        for _ in 0..200 {
            let page = self
                .server
                .json(&format!("/v1/audit/events?kind={kind}&limit=1000"))
                .await;
            let items = page["items"].as_array().unwrap();
            if items.len() >= number {
                return items.clone();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no {number} {kind} in the log");
    }
}

/// How a control stands.
pub(crate) fn control<'r>(report: &'r Value, name: &str) -> &'r Value {
    let (framework, id) = name.split_once('/').unwrap();
    let controls = report["controls"].as_array().unwrap();
    let found = controls
        .iter()
        .find(|control| control["framework"] == framework && control["id"] == id);
    found.unwrap_or_else(|| panic!("{name}"))
}

pub(crate) fn status<'r>(report: &'r Value, name: &str) -> &'r str {
    control(report, name)["status"].as_str().unwrap()
}
