//! What `whynot serve` is told about governance.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Url;

use crate::audit::Cosigner;

/// The arguments of `whynot serve` about governance.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Governance")]
pub struct GovernanceArgs {
    /// How often the controls are evaluated and the guards tried again; 0 for never.
    #[arg(long, env = "WHYNOT_GOVERNANCE_INTERVAL", value_name = "SECONDS", default_value_t = 3600,
        value_parser = clap::value_parser!(u64).range(0..=604_800))]
    pub governance_interval: u64,
    /// What people attest about controls that software cannot evidence; read again at each evaluation.
    #[arg(long, env = "WHYNOT_ATTESTATIONS", value_name = "FILE")]
    pub attestations: Option<PathBuf>,
    /// Told by a POST when a control that was evidenced is not any more.
    #[arg(long, env = "WHYNOT_ALERT_WEBHOOK", value_name = "URL", value_parser = webhook)]
    pub alert_webhook: Option<Url>,
    /// The checkpoint that a witness of the audit log keeps (whynot audit witness --state).
    #[arg(
        long,
        env = "WHYNOT_WITNESS_CHECKPOINT",
        value_name = "FILE",
        requires = "witness_key"
    )]
    pub witness_checkpoint: Option<PathBuf>,
    /// That witness's public key.
    #[arg(long, env = "WHYNOT_WITNESS_KEY", value_name = "KEY", value_parser = Cosigner::parse, requires = "witness_checkpoint")]
    pub witness_key: Option<Cosigner>,
}

/// How controls are evaluated.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How often; `None` for only when somebody asks.
    pub interval: Option<Duration>,
    /// What people attest.
    pub attestations: Option<PathBuf>,
    /// Who is told of regressions.
    pub webhook: Option<Url>,
    /// What a witness keeps.
    pub witness: Option<WitnessSource>,
}

/// Where a witness's word is.
#[derive(Debug, Clone)]
pub struct WitnessSource {
    /// The checkpoint that it keeps.
    pub checkpoint: PathBuf,
    /// Its public key.
    pub key: Cosigner,
}

impl GovernanceArgs {
    /// What was asked for.
    pub fn settings(self) -> Settings {
        let Self {
            governance_interval,
            attestations,
            alert_webhook,
            witness_checkpoint,
            witness_key,
        } = self;
        Settings {
            interval: (governance_interval > 0).then(|| Duration::from_secs(governance_interval)),
            attestations,
            webhook: alert_webhook,
            witness: witness_checkpoint
                .zip(witness_key)
                .map(|(checkpoint, key)| WitnessSource { checkpoint, key }),
        }
    }
}

/// An address to post to. What is wrong is said without it: it may be a secret.
fn webhook(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
        .ok_or_else(|| "expected http(s)://HOST/PATH".to_owned())
}
