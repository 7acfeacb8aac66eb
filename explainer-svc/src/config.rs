//! What `whynot serve` runs with: arguments and environment become a [`Config`], whole or refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use clap::Args;

use crate::audit::{self, AuditArgs};
use crate::clients::Clients;
use crate::context::{ClusterArgs, Source};
use crate::delivery::{PolicyArgs, Settings};
use crate::gateway::{GatewayArgs, Setup};
use crate::governance::{self, GovernanceArgs};
use crate::ledger::Rules;
use crate::telemetry::LogFormat;
use crate::words::{self, Prompts, WordsArgs};

/// The arguments of `whynot serve`. Each has an environment variable; the argument wins.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "WHYNOT_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080",
        value_parser = listen)]
    listen: SocketAddr,
    /// The ledger's database: `sqlite://PATH`, for example `sqlite:///var/lib/whynot/whynot.db`.
    ///
    /// Default: whynot/whynot.db under `$XDG_STATE_HOME`, else under ~/.local/state, else whynot.db in the working folder. The
    /// file and its folder are made when missing.
    #[arg(long, env = "WHYNOT_DATABASE", value_name = "URL", value_parser = database)]
    database: Option<PathBuf>,
    /// The address that people reach this server by; permanent links begin with it. Default: where it listens.
    #[arg(long, env = "WHYNOT_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// A label that names the team; repeatable, the first one that the object or else its namespace has is taken.
    #[arg(long = "team-label", env = "WHYNOT_TEAM_LABELS", value_name = "LABEL", value_delimiter = ',',
        default_value = "team", value_parser = label)]
    team_labels: Vec<String>,
    /// How far back a team's repeats are counted.
    #[arg(long, env = "WHYNOT_WINDOW_DAYS", value_name = "DAYS", default_value_t = 14,
        value_parser = clap::value_parser!(u32).range(1..=365))]
    window_days: u32,
    /// How long explanations and violations are kept after they were last seen.
    #[arg(long, env = "WHYNOT_RETENTION_DAYS", value_name = "DAYS", default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    retention_days: u32,
    /// Requests that are worked on at a time; more are refused with 503.
    #[arg(long, env = "WHYNOT_MAX_CONCURRENCY", value_name = "N", default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_concurrency: u32,
    /// How long a request may take, its body included.
    #[arg(long, env = "WHYNOT_REQUEST_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(10..=60_000))]
    request_timeout_ms: u64,
    /// How long a shutdown waits for requests that are being answered.
    #[arg(long, env = "WHYNOT_SHUTDOWN_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(0..=300_000))]
    shutdown_timeout_ms: u64,
    /// A file with the tokens of who may ask for words (POST /v1/explain), as lines of `NAME TOKEN` or `NAME sha256:HEX`; read
    /// again when it changes. Without it whoever reaches this server may ask.
    #[arg(long, env = "WHYNOT_API_TOKEN_FILE", value_name = "FILE")]
    api_token_file: Option<PathBuf>,
    /// What policies know of the cluster, in YAML or JSON, read again when it changes; with --kubernetes all but namespaces and
    /// inventory.
    #[arg(long, env = "WHYNOT_CONTEXT", value_name = "FILE")]
    pub(crate) context: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    audit: AuditArgs,
    /// How log lines look.
    #[arg(long, env = "WHYNOT_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// How much is logged: error, warn, info, debug or trace.
    #[arg(long, env = "WHYNOT_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: tracing::Level,
    #[command(flatten)]
    policies: PolicyArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    words: WordsArgs,
    #[command(flatten)]
    governance: GovernanceArgs,
}

/// What the server runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The file of the database.
    pub database: PathBuf,
    /// Where links begin, without a slash at its end; `None` for the address it listens at.
    pub public_url: Option<String>,
    /// How the ledger counts.
    pub rules: Rules,
    /// How long things are kept, in days.
    pub retention_days: u32,
    /// The limits.
    pub limits: Limits,
    /// How long a shutdown waits.
    pub shutdown_timeout: Duration,
    /// Where the context comes from.
    pub context: Source,
    /// How policies get in.
    pub policies: Settings,
    /// The audit log.
    pub audit: audit::Settings,
    /// Who may ask for words; `None`: whoever reaches the server.
    pub clients: Option<Clients>,
    /// How models are asked; `None` when none is.
    pub gateway: Option<Setup>,
    /// When models are asked for words.
    pub words: words::Settings,
    /// How long it is kept what was used of models, in days.
    pub usage_retention_days: u32,
    /// How controls are evaluated.
    pub governance: governance::Settings,
}

/// A JSON document with its entity tag.
#[derive(Debug, Clone)]
pub struct Document {
    /// The document.
    pub json: Arc<[u8]>,
    /// With its quotes.
    pub etag: String,
}

impl Document {
    /// A document that has a name.
    pub fn named(json: Vec<u8>, name: &str) -> Self {
        Self {
            json: json.into(),
            etag: format!("\"{name}\""),
        }
    }
}

/// What one server takes at most.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests at a time.
    pub concurrency: usize,
    /// Bytes of a body.
    pub body: usize,
    /// Time for a request, its body included.
    pub request: Duration,
    /// Time for the headers of the next request, so also for a connection to idle. Longer than bursts are apart, because a
    /// connection that closes while a proxy picks it costs that request its answer.
    pub headers: Duration,
    /// Open connections.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 256,
            // A Pod with hundreds of containers, all wrong.
            body: 4 << 20,
            request: Duration::from_secs(10),
            headers: Duration::from_secs(75),
            connections: 4096,
        }
    }
}

impl Config {
    /// A configuration with the defaults of `whynot serve`, for a database file.
    pub fn new(listen: SocketAddr, database: PathBuf) -> Self {
        Self {
            listen,
            audit: audit::Settings::beside(&database),
            database,
            public_url: None,
            rules: Rules {
                team_labels: vec!["team".to_owned()],
                window_days: 14,
            },
            retention_days: 90,
            limits: Limits::default(),
            shutdown_timeout: Duration::from_secs(10),
            context: Source::default(),
            policies: Settings::default(),
            clients: None,
            gateway: None,
            words: words::Settings::default(),
            usage_retention_days: 400,
            governance: governance::Settings::default(),
        }
    }
}

impl Config {
    /// Where policies are kept.
    pub fn state_dir(&self) -> PathBuf {
        let beside = || self.database.parent().unwrap_or(Path::new("")).join("policies");
        self.policies.state_dir.clone().unwrap_or_else(beside)
    }
}

impl Config {
    /// What the audit log has of it.
    pub(crate) fn event(&self, revision: Option<&str>, prompts: Option<&Prompts>) -> audit::Event {
        let prompts = prompts.map(|prompts| [&prompts.explain.id, &prompts.change.id]);
        let payload = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "policies": revision,
            "windowDays": self.rules.window_days,
            "retentionDays": self.retention_days,
            "auditRetentionDays": self.audit.retention_days,
            "models": self.gateway.is_some(),
            "prompts": prompts,
            "usageRetentionDays": self.usage_retention_days,
            "administrator": self.policies.administrator.is_some(),
            "clients": self.clients.is_some(),
            "limits": {
                "concurrency": self.limits.concurrency,
                "bodyBytes": self.limits.body,
                "requestMs": u64::try_from(self.limits.request.as_millis()).unwrap_or(u64::MAX),
                "connections": self.limits.connections,
            },
        });
        audit::Event::new(audit::Kind::ConfigurationLoaded, env!("CARGO_PKG_VERSION"), payload)
    }
}

impl ServeArgs {
    /// How and how much to log.
    pub fn logs(&self) -> (LogFormat, tracing::Level) {
        (self.log_format, self.log_level)
    }

    /// Checks what single arguments cannot say.
    pub fn config(self) -> Result<Config, String> {
        if self.retention_days < self.window_days {
            return Err(format!(
                "--retention-days {} is shorter than --window-days {}: repeats could not be counted; use at least {1}",
                self.retention_days, self.window_days
            ));
        }
        let database = self.database.unwrap_or_else(default_database);
        let policies = self.policies.settings()?;
        let clients = self.api_token_file.map(Clients::open).transpose()?;
        let concurrency = usize::try_from(self.max_concurrency).unwrap_or(usize::MAX);
        Ok(Config {
            audit: self.audit.settings(&database, self.public_url.as_deref()),
            public_url: self.public_url,
            rules: Rules {
                team_labels: self.team_labels,
                window_days: self.window_days,
            },
            retention_days: self.retention_days,
            limits: Limits {
                concurrency,
                request: Duration::from_millis(self.request_timeout_ms),
                ..Limits::default()
            },
            shutdown_timeout: Duration::from_millis(self.shutdown_timeout_ms),
            policies,
            clients,
            usage_retention_days: self.gateway.gateway_retention_days,
            gateway: self.gateway.setup(),
            words: self.words.settings(),
            governance: self.governance.settings(),
            ..Config::new(self.listen, database)
        })
    }
}

fn default_database() -> PathBuf {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.map_or_else(|| PathBuf::from("whynot.db"), |state| state.join("whynot/whynot.db"))
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an IP address and a port, for example 127.0.0.1:8080 or [::]:8080".to_owned())
}

fn database(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:"));
    match path {
        Some(path) if path.contains(":memory:") => Err("the ledger must outlive the process: name a file".to_owned()),
        Some(path) if !path.is_empty() && !path.contains('?') => Ok(PathBuf::from(path)),
        _ => Err("expected sqlite://PATH, for example sqlite:///var/lib/whynot/whynot.db".to_owned()),
    }
}

fn public_url(text: &str) -> Result<String, String> {
    let expected = || "expected http://HOST or https://HOST, with a path if need be, without ? and #".to_owned();
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if !is_web || uri.query().is_some() || text.contains(['#', '@']) {
        return Err(expected());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn label(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("expected the name of a label, for example team or example.com/team".to_owned());
    }
    Ok(text.to_owned())
}
