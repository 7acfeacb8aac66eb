//! Models behind the explainer: the gateway's file with its keys, and a small model's server on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{certs::secret, proxy::random_token, settings::Settings};

/// The agent of the platform that may ask for chat completions.
pub const AGENT: &str = "triage";
/// The route that it may ask: nobody answers at its first place.
pub const AGENT_ROUTE: &str = "with-fall-back";

/// Which models the explainer of a live stack asks, through its gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Models {
    /// Where the provider's interface begins.
    pub url: String,
    /// What it calls the model.
    pub model: String,
    /// What is started for it: [`super::Part::Model`].
    pub server: Option<ModelServer>,
}

/// A model on this machine, as `scripts/model-setup.sh` installs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelServer {
    /// The Python that has llama.cpp's server.
    pub python: PathBuf,
    /// `scripts/model-server.py`.
    pub script: PathBuf,
    /// The model.
    pub file: PathBuf,
}

impl ModelServer {
    /// As `scripts/stack.sh` names it.
    pub(super) fn from_env(root: &Path) -> Result<Self> {
        let path = |variable: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from);
            named.with_context(|| format!("{variable} is not set: start the stack with `just up --model`"))
        };
        Ok(Self {
            python: path("WHYNOT_MODEL_PYTHON")?,
            script: root.join("scripts/model-server.py"),
            file: path("WHYNOT_MODEL_FILE")?,
        })
    }

    pub(super) fn command(&self, settings: &Settings) -> Command {
        // The other half is for what asks it.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command = Command::new(&self.python);
        command
            .arg(&self.script)
            .arg(&self.file)
            .args(["--port", &settings.ports.model.to_string()])
            .args(["--threads", &(cores / 2).max(1).to_string()]);
        command
    }
}

impl Settings {
    /// The gateway's file of a stack with models.
    pub fn gateway_file(&self) -> PathBuf {
        self.run_dir.join("gateway/gateway.yaml")
    }

    /// The token of [`AGENT`].
    pub fn agent_token_file(&self) -> PathBuf {
        self.run_dir.join("gateway/agent-token")
    }

    /// What is attested about a stack with models.
    fn attestations_file(&self) -> PathBuf {
        self.run_dir.join("gateway/attestations.yaml")
    }
}

/// Writes the gateway's file and what it names.
pub(super) fn prepare(settings: &Settings, models: &Models) -> Result<()> {
    let file = settings.gateway_file();
    let folder = file.parent().context("a folder")?;
    fs::create_dir_all(folder)?;
    secret(&settings.agent_token_file(), &random_token()?)?;
    fs::write(&file, gateway(models))?;
    // What it computes on this machine costs nothing that it would know of.
    let prices = format!(
        "asOf: 2026-11-01\nmodels:\n  {}: {{input: 0, output: 0}}\n",
        models.model
    );
    fs::write(folder.join("prices.yaml"), prices)?;
    let today = OffsetDateTime::now_utc().date();
    let until = today.saturating_add(Duration::days(365));
    fs::write(
        settings.attestations_file(),
        attestations(&today.to_string(), &until.to_string()),
    )?;
    Ok(())
}

/// What `whynot serve` is told about them.
pub(super) fn serve_arguments(settings: &Settings, command: &mut Command) {
    command
        .arg("--gateway")
        .arg(settings.gateway_file())
        .args(["--model-words", "inline", "--attestations"])
        .arg(settings.attestations_file());
}

fn gateway(Models { url, model, .. }: &Models) -> String {
    format!(
        "\
# Written by the local stack; docs/gateway.md says what else it may have.
apiVersion: whynot.dev/v1
kind: Gateway
providers:
  - {{name: local, kind: openai, url: {url:?}, region: this-machine, models: [{model}], concurrency: 1, \
firstByteTimeoutMs: 60000, idleTimeoutMs: 30000}}
  # Nobody listens there: the next place of a route answers instead.
  - {{name: absent, kind: openai, url: \"http://127.0.0.1:9/v1\", region: this-machine, models: [{model}]}}
allow: {{providers: [local, absent], models: [{model}], regions: [this-machine]}}
routes:
  - {{model: default, targets: [{{provider: local, model: {model}}}], attempts: 1, attemptTimeoutMs: 60000}}
  - {{model: {AGENT_ROUTE}, targets: [{{provider: absent, model: {model}}}, {{provider: local, model: {model}}}], \
attempts: 1, attemptTimeoutMs: 60000}}
defaultRoute: default
agents:
  - {{name: explainer, team: '*', models: ['*'], purposes: [explain]}}
  - {{name: {AGENT}, team: platform, token: {{file: agent-token}}, models: [{AGENT_ROUTE}], purposes: [chat], requestsPerMinute: 60}}
budgets:
  - {{name: everybody, period: month, dollars: {{soft: 1, hard: 2}}}}
  - {{name: {AGENT}, period: day, only: {{agents: [{AGENT}]}}, tokens: {{hard: 100000}}}}
prices: prices.yaml
limits: {{deadlineMs: 120000}}
"
    )
}

/// An example of the form, with what is so on a stack whose models are all on this machine.
fn attestations(today: &str, until: &str) -> String {
    format!(
        "\
# An example, and true of this stack only: docs/governance.md.
apiVersion: whynot.dev/v1
kind: Attestations
attestations:
  - {{control: aiuc-1/E006, by: the local stack, on: {today}, until: {until}, applies: false, \
note: the model computes on this machine and there is no vendor}}
"
    )
}
