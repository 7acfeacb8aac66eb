//! What `whynot serve` is told about models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::{Gateway, GatewayMetrics, Guards, Parts, Settings, Trail};

/// The arguments of `whynot serve` about models.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Models")]
pub struct GatewayArgs {
    /// The gateway to models: providers, routes, agents, budgets. Without it no model is asked.
    #[arg(long, env = "WHYNOT_GATEWAY", value_name = "FILE")]
    pub gateway: Option<PathBuf>,
    /// While this file is there, no model is asked; words go on without them.
    #[arg(long, env = "WHYNOT_GATEWAY_KILL_FILE", value_name = "FILE", requires = "gateway")]
    pub gateway_kill_file: Option<PathBuf>,
}

/// What the gateway needs beside its file.
#[derive(Clone)]
pub struct Neighbours {
    /// Of both ways.
    pub guards: Arc<dyn Guards>,
    /// Where it says what happened.
    pub trail: Arc<dyn Trail>,
}

impl std::fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Neighbours")
    }
}

/// The gateway that a server is to have.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its file.
    pub file: PathBuf,
    /// While this file is there, no model is asked.
    pub kill_file: Option<PathBuf>,
    /// Without them there is no gateway.
    pub neighbours: Option<Neighbours>,
}

impl GatewayArgs {
    /// What was asked for.
    pub fn setup(self) -> Option<Setup> {
        let Self {
            gateway,
            gateway_kill_file,
        } = self;
        gateway.map(|file| Setup {
            file,
            kill_file: gateway_kill_file,
            neighbours: None,
        })
    }
}

impl Setup {
    /// Opens the gateway, with its database beside the ledger's.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(&self, ledger: &Path, metrics: GatewayMetrics) -> anyhow::Result<Gateway> {
        let settings = Settings::load(&self.file).map_err(|problem| anyhow::anyhow!("--gateway: {problem}"))?;
        let Neighbours { guards, trail } = self
            .neighbours
            .clone()
            .context("--gateway: models are not asked without guards and an audit log")?;
        let gateway = Gateway::open(Parts {
            settings,
            database: ledger.with_file_name("gateway.db"),
            kill_file: self.kill_file.clone(),
            guards,
            trail,
            metrics,
        })
        .await?;
        Ok(gateway)
    }
}
