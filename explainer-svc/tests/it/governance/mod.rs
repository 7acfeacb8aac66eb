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
use explainer_svc::gateway::seams::{Fired, Guarded};
use explainer_svc::gateway::{Call, Guarding, Guards, Setup};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{folder, settings};
use crate::support::TestServer;

pub(crate) const ADMINISTRATOR: &str = "token-of-the-administrator";
pub(crate) const AGENT: &str = "token-of-the-triage-agent";

/// The guards of this program, of which one can be taken out.
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

impl Guards for Removable {
    fn canary(&self) -> Result<Vec<&'static str>, Vec<&'static str>> {
        let present = self.guards.canary()?;
        match *self.missing.lock().unwrap() {
            Some(missing) => Err(vec![missing]),
            None => Ok(present),
        }
    }

    fn inbound(&self, call: &Call) -> Result<Guarded, Fired> {
        self.guards.inbound(call)
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
            let more = "budgets:\n  - {name: all, period: month, requests: {hard: 1000}}\n";
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
