//! Where the log is kept, and under which name.

use std::path::{Path, PathBuf};

use axum::http::Uri;
use clap::Args;

/// The arguments of `whynot serve` that concern the audit log.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_field_names, reason = "the names of the arguments")]
pub struct AuditArgs {
    /// The audit log's database. Default: audit.db beside the ledger's.
    #[arg(long, env = "WHYNOT_AUDIT_DATABASE", value_name = "FILE")]
    audit_database: Option<PathBuf>,
    /// The key that signs the audit log's checkpoints; made at the first start. Default: audit.key beside the database.
    #[arg(long, env = "WHYNOT_AUDIT_KEY", value_name = "FILE")]
    audit_key: Option<PathBuf>,
    /// Where the last checkpoint is kept; best on another disk, in no backup. Default: audit.checkpoint beside the database.
    #[arg(long, env = "WHYNOT_AUDIT_CHECKPOINT", value_name = "FILE")]
    audit_checkpoint: Option<PathBuf>,
    /// The audit log's name, in every checkpoint. Default: the key's, else the host of --public-url.
    #[arg(long, env = "WHYNOT_AUDIT_ORIGIN", value_name = "NAME", value_parser = origin)]
    audit_origin: Option<String>,
    /// Begins an audit log with a key that is there, and no log: for one start, and only where the key has never signed.
    #[arg(long)]
    audit_begin: bool,
    /// How long the details of audited events are kept; the log itself is kept for good.
    #[arg(long, env = "WHYNOT_AUDIT_RETENTION_DAYS", value_name = "DAYS", default_value_t = 400,
        value_parser = clap::value_parser!(u32).range(1..=36_500))]
    audit_retention_days: u32,
}

/// Where the log is kept, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The database's file.
    pub database: PathBuf,
    /// The key's file.
    pub key: PathBuf,
    /// The file of the last checkpoint.
    pub checkpoint: PathBuf,
    /// The name that the key must have; `None` for any.
    pub origin: Option<String>,
    /// The name of a key that is made.
    pub new_origin: String,
    /// A key that is there may begin a log, whatever it has signed.
    pub begin: bool,
    /// How long payloads are kept, in days.
    pub retention_days: u32,
}

impl Settings {
    /// The defaults, beside the file of the ledger.
    pub fn beside(ledger: &Path) -> Self {
        Self::at(ledger.with_file_name("audit.db"))
    }

    /// The defaults, for a database.
    pub fn at(database: PathBuf) -> Self {
        Self {
            key: database.with_extension("key"),
            checkpoint: database.with_extension("checkpoint"),
            database,
            origin: None,
            new_origin: "whynot".to_owned(),
            begin: false,
            retention_days: 400,
        }
    }
}

impl AuditArgs {
    /// With the defaults that follow from the ledger's file and the public address.
    pub(crate) fn settings(self, ledger: &Path, public_url: Option<&str>) -> Settings {
        let Self {
            audit_database,
            audit_key,
            audit_checkpoint,
            audit_origin,
            audit_begin,
            audit_retention_days,
        } = self;
        let default = audit_database.map_or_else(|| Settings::beside(ledger), Settings::at);
        let host = public_url.and_then(|url| Some(url.parse::<Uri>().ok()?.authority()?.to_string()));
        Settings {
            key: audit_key.unwrap_or(default.key),
            checkpoint: audit_checkpoint.unwrap_or(default.checkpoint),
            new_origin: audit_origin.clone().or(host).unwrap_or(default.new_origin),
            origin: audit_origin,
            begin: audit_begin,
            retention_days: audit_retention_days,
            database: default.database,
        }
    }
}

/// The name of a log or a witness.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    if !signed_note::is_key_name_valid(text) || text.len() > 200 {
        return Err("expected a name without spaces and +, for example audit.example.com/whynot".to_owned());
    }
    Ok(text.to_owned())
}
