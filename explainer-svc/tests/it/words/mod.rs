//! Words from a model in `whynot serve`, against a provider that does what it wants.

mod corpora;
mod faults;
mod messages;
mod shown;

use std::time::Duration;

use explainer_svc::config::Config;
use explainer_svc::delivery::Location;
use explainer_svc::gateway::Setup;
use explainer_svc::words::Mode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::provider::{Provider, Seen, Step, answer};
use crate::support::{PRIVILEGED, TestServer};

/// The name of the model in all tests here.
pub(crate) const MODEL: &str = "model-1";

/// What a good model says of a privileged container.
pub(crate) const GOOD: &str = "A privileged container is root on the node, so it must not run privileged.";

/// A server with a model, and a folder of policies when there are some.
pub(crate) struct Stand {
    pub(crate) server: TestServer,
    pub(crate) provider: Provider,
    folder: TempDir,
}

/// The protocol of most tests here.
pub(crate) const COMPLETIONS: &str = "kind: openai, stream: false";
/// Anthropic's, as it is used: by a stream.
pub(crate) const MESSAGES: &str = "kind: anthropic, stream: true";

/// The gateway's file for a provider at this address.
fn gateway(url: &str, protocol: &str) -> String {
    format!(
        "
apiVersion: whynot.dev/v1
kind: Gateway
prices: prices.yaml
providers:
  - {{name: a, {protocol}, url: {url:?}, region: eu-west-1, models: [{MODEL}], firstByteTimeoutMs: 900, idleTimeoutMs: 400,
     breaker: {{failures: 100, openMs: 100}}}}
routes:
  - {{model: default, targets: [{{provider: a, model: {MODEL}}}], attempts: 1, attemptTimeoutMs: 20000}}
agents:
  - {{name: explainer, team: '*', models: ['*'], purposes: [explain]}}
"
    )
}

impl Stand {
    /// `policies`: files of Rego, by their names.
    pub(crate) async fn start(
        policies: &[(&str, &str)],
        adjust: impl FnOnce(&mut Config),
        behaviour: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::speaking(COMPLETIONS, policies, adjust, behaviour).await
    }

    /// With a provider of this protocol.
    pub(crate) async fn speaking(
        protocol: &str,
        policies: &[(&str, &str)],
        adjust: impl FnOnce(&mut Config),
        behaviour: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let provider = Provider::start(behaviour).await;
        let folder = TempDir::new().unwrap();
        let prices = format!("asOf: 2026-11-01\nmodels:\n  {MODEL}: {{input: 1, output: 2}}\n");
        std::fs::write(folder.path().join("prices.yaml"), prices).unwrap();
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, gateway(&provider.url(), protocol)).unwrap();
        let sources = folder.path().join("policies");
        std::fs::create_dir(&sources).unwrap();
        for (name, text) in policies {
            std::fs::write(sources.join(name), text).unwrap();
        }
        let has_policies = !policies.is_empty();
        let server = TestServer::with(|config| {
            config.gateway = Some(Setup {
                file,
                kill_file: Some(folder.path().join("kill")),
                neighbours: None,
            });
            config.words.mode = Mode::Inline;
            config.words.budget = Duration::from_secs(10);
            config.words.background = Duration::from_secs(20);
            if has_policies {
                config.policies.location = Location::Files(vec![sources]);
            }
            adjust(config);
        })
        .await;
        Self {
            server,
            provider,
            folder,
        }
    }

    /// Turns models off.
    pub(crate) fn kill(&self) {
        std::fs::write(self.folder.path().join("kill"), "").unwrap();
    }

    /// The explanation of an answer, once a model has said something about it.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        for _ in 0..200 {
            let page = self.server.json(&format!("/e/{id}")).await;
            if !page["words"].is_null() {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no words came");
    }

    /// Payloads of the audit log, of a kind.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let page = self
            .server
            .json(&format!("/v1/audit/events?kind={kind}&limit=200"))
            .await;
        page["items"].as_array().unwrap().clone()
    }

    /// Waits for what is recorded behind an answer.
    pub(crate) async fn event(&self, kind: &str) -> Value {
        self.event_that(kind, |_| true).await
    }

    pub(crate) async fn event_that(&self, kind: &str, is: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..100 {
            if let Some(event) = self.events(kind).await.into_iter().find(|event| is(&event["payload"])) {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing was recorded of the kind {kind}");
    }

    pub(crate) async fn metrics(&self) -> String {
        self.server.get("/metrics").await.text().await.unwrap()
    }
}

/// The body of an answer to a prompt for words.
pub(crate) fn said(text: &str) -> Value {
    json!({
        "explanation": text, "steps": ["Set privileged to false, or leave it out."], "policies": [PRIVILEGED],
        "fields": ["/spec/containers/*/securityContext/privileged"],
    })
}

pub(crate) fn good(_: usize, _: &Seen) -> Vec<Step> {
    answer(&said(GOOD).to_string(), 100, 20)
}

/// A denial with enough time for a busy machine.
pub(crate) fn denial() -> Value {
    let mut denial = crate::support::denial();
    denial["deadlineMs"] = 30_000.into();
    denial
}
