//! What `whynot serve` is told about models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Gateway, GatewayMetrics, Guarding, Guards, Parts, Settings, Trail};
use crate::audit::Log;

/// The arguments of `whynot serve` about models.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Models")]
pub struct GatewayArgs {
    /// The gateway to models: providers, routes, agents, budgets. Without it no model is asked.
    #[arg(long, env = "WHYNOT_GATEWAY", value_name = "FILE")]
    pub gateway: Option<PathBuf>,
    /// While this file is there, no model is asked; words go on without them.
    #[arg(long, env = "WHYNOT_GATEWAY_KILL_FILE", value_name = "FILE", requires = "gateway")]
    pub gateway_kill_file: Option<PathBuf>,
    /// How long it is kept what was used and spent, by day.
    #[arg(long, env = "WHYNOT_GATEWAY_RETENTION_DAYS", value_name = "DAYS", default_value_t = 400, requires = "gateway",
        value_parser = clap::value_parser!(u32).range(32..=3650))]
    pub gateway_retention_days: u32,
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
    /// Others than the program's own guards and the server's audit log.
    pub neighbours: Option<Neighbours>,
}

impl GatewayArgs {
    /// What was asked for.
    pub fn setup(self) -> Option<Setup> {
        let Self {
            gateway,
            gateway_kill_file,
            gateway_retention_days: _,
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
    pub async fn open(&self, ledger: &Path, log: &Log, metrics: GatewayMetrics) -> anyhow::Result<Gateway> {
        let settings = Settings::load(&self.file).map_err(|problem| anyhow::anyhow!("--gateway: {problem}"))?;
        let own = || Neighbours {
            guards: Arc::new(Guarding {
                answer_bytes: settings.limits.answer_bytes,
            }),
            trail: Arc::new(log.clone()),
        };
        let Neighbours { guards, trail } = self.neighbours.clone().unwrap_or_else(own);
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
