//! What a stack is made of: which parts, on which ports, from which files and programs.

use std::{
    collections::BTreeSet,
    env, fmt, fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::models::{ModelServer, Models};

/// What brings the small model.
const MODEL_SETUP: &str = "scripts/model-setup.sh";

/// A process of the stack, in the order in which they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The API server's store.
    Etcd,
    /// `kube-apiserver`.
    ApiServer,
    /// A small model's server, where the explainer asks one.
    Model,
    /// `whynot serve`.
    Explainer,
    /// Envoy with the filter.
    Envoy,
}

impl Part {
    /// Those that a stack has unless it is told otherwise.
    const USUAL: [Self; 4] = [Self::Etcd, Self::ApiServer, Self::Explainer, Self::Envoy];

    /// The name in `state.json`, of the log file, and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "api-server",
            Self::Model => "model",
            Self::Explainer => "explainer",
            Self::Envoy => "envoy",
        }
    }

    /// How long it may take to answer: several times what a loaded machine with two cores needs.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(match self {
            // Envoy compiles the filter first, the explainer runs the tests of its policies, and a model is read from the disk.
            Self::ApiServer | Self::Envoy | Self::Explainer | Self::Model => 120,
            Self::Etcd => 40,
        })
    }

    /// How long it may take to end by itself after it was asked to.
    pub(super) fn grace(self) -> Duration {
        Duration::from_secs(match self {
            // The API server waits for its watches; nothing that it would save matters here.
            Self::ApiServer => 3,
            Self::Etcd | Self::Envoy | Self::Explainer | Self::Model => 5,
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Below the ports that Linux uses for outgoing connections, and clear of the documented ones.
const FIRST: u32 = 20_000;
const RANGE: u32 = 12_000;

/// The ports on 127.0.0.1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ports {
    /// Envoy's admission listener (TLS).
    pub admission: u16,
    /// The explainer.
    pub explainer: u16,
    /// Envoy's admin interface.
    pub admin: u16,
    /// The API server (TLS).
    pub api_server: u16,
    /// etcd, for the API server.
    pub etcd: u16,
    /// etcd, for its peers: it has none, but listens.
    pub etcd_peer: u16,
    /// The model's server.
    #[serde(default)]
    pub model: u16,
}

impl Ports {
    /// The documented ports, each of which an environment variable can change.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            admission: port("WHYNOT_ADMISSION_PORT", 8443)?,
            explainer: port("WHYNOT_EXPLAINER_PORT", 8080)?,
            admin: port("WHYNOT_ADMIN_PORT", 9901)?,
            api_server: port("WHYNOT_API_SERVER_PORT", 16443)?,
            etcd: port("WHYNOT_ETCD_PORT", 12379)?,
            etcd_peer: port("WHYNOT_ETCD_PEER_PORT", 12380)?,
            model: port("WHYNOT_MODEL_PORT", 8081)?,
        })
    }

    /// Ports that nobody listens on now.
    pub fn free() -> Result<Self> {
        Ok(Self {
            admission: free_port()?,
            explainer: free_port()?,
            admin: free_port()?,
            api_server: free_port()?,
            etcd: free_port()?,
            etcd_peer: free_port()?,
            model: free_port()?,
        })
    }

    fn of(&self, part: Part) -> Vec<(u16, &'static str)> {
        match part {
            Part::Etcd => vec![
                (self.etcd, "WHYNOT_ETCD_PORT"),
                (self.etcd_peer, "WHYNOT_ETCD_PEER_PORT"),
            ],
            Part::ApiServer => vec![(self.api_server, "WHYNOT_API_SERVER_PORT")],
            Part::Model => vec![(self.model, "WHYNOT_MODEL_PORT")],
            Part::Explainer => vec![(self.explainer, "WHYNOT_EXPLAINER_PORT")],
            Part::Envoy => vec![
                (self.admission, "WHYNOT_ADMISSION_PORT"),
                (self.admin, "WHYNOT_ADMIN_PORT"),
            ],
        }
    }
}

/// A port that nobody listens on now.
///
/// Not one that the kernel would give out: it gives the same ones to outgoing connections, of which there may be one in the way
/// when the part starts. Each process begins elsewhere, and none uses a port twice.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..RANGE {
        let offset = std::process::id()
            .wrapping_mul(97)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
            % RANGE;
        let port = u16::try_from(FIRST + offset)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + RANGE);
}

fn port(variable: &str, default: u16) -> Result<u16> {
    match env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text} is not a port")),
        Err(_) => Ok(default),
    }
}

/// The programs, as `just setup` found them (`build/tools.json`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Programs {
    /// Envoy itself, not a launcher.
    pub envoy: PathBuf,
    /// `kube-apiserver`.
    pub kube_apiserver: PathBuf,
    /// `etcd`.
    pub etcd: PathBuf,
    /// `kubectl`, of the API server's version.
    pub kubectl: PathBuf,
    /// This project's `whynot`; `WHYNOT_BIN` if that is set.
    #[serde(default)]
    pub whynot: PathBuf,
}

impl Programs {
    fn find(root: &Path) -> Result<Self> {
        let path = root.join("build/tools.json");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("reading {} (`just setup` writes it)", path.display()))?;
        let mut programs: Self =
            serde_json::from_str(&text).with_context(|| format!("{} (`just setup` writes it)", path.display()))?;
        programs.whynot = env::var_os("WHYNOT_BIN").map_or_else(|| root.join("build/bin/whynot"), PathBuf::from);
        Ok(programs)
    }
}

/// Everything that a stack needs to know before it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Certificates, logs, data and `state.json`. Emptied when a new stack starts.
    pub run_dir: PathBuf,
    /// Which processes. One that is left out may be played by the test on its port.
    pub parts: BTreeSet<Part>,
    /// Where they listen.
    pub ports: Ports,
    /// What they are started from.
    pub programs: Programs,
    /// The compiled filter.
    pub filter: PathBuf,
    /// The bundle of policies (`whynot policy build`).
    pub bundle: PathBuf,
    /// The context that the policies see.
    pub context: PathBuf,
    /// Envoy's configuration, with variables.
    pub envoy_template: PathBuf,
    /// Further arguments for `whynot envoy render`.
    pub render_arguments: Vec<String>,
    /// The `ValidatingWebhookConfiguration`, with variables.
    pub webhook: PathBuf,
    /// Envoy's worker threads.
    pub concurrency: u32,
    /// Envoy reads its listeners, and the policies with them, from [`Settings::listeners_file`], also when that is replaced.
    #[serde(default)]
    pub listeners_in_file: bool,
    /// Envoy takes policies and, in a stack with an API server, the context from the explainer, while both run.
    #[serde(default)]
    pub live: Option<Live>,
    /// What Envoy has to answer before it counts as started: `/readyz`, or `/healthz` when it is to have no policies yet.
    #[serde(default = "readiness")]
    pub envoy_probe: String,
}

/// How policies get into a stack in which they may change.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Live {
    /// The folder that the explainer reads; without it policies are pushed.
    ///
    /// It is read through a link in the run folder ([`Settings::policies_link`]), which another folder can take over at once.
    pub policies: Option<PathBuf>,
    /// Further arguments for `whynot serve`.
    pub serve_arguments: Vec<String>,
    /// The models that the explainer asks.
    #[serde(default)]
    pub models: Option<Models>,
    /// Whether the explainer knows a witness of its audit log, which looks when [`super::Stack::witness`] tells it to.
    #[serde(default)]
    pub witness: bool,
}

fn readiness() -> String {
    "/readyz".to_owned()
}

impl Settings {
    /// The stack of `just up`: documented ports, `build/run`, the project's policies; and a small model's server.
    pub fn local(with_model: bool) -> Result<Self> {
        let root = root();
        let mut settings = Self::new(Self::local_run_dir(), Ports::from_env()?)?;
        let models = if with_model {
            settings.parts.insert(Part::Model);
            Some(Models {
                url: format!("http://127.0.0.1:{}/v1", settings.ports.model),
                model: "gemma3-270m".to_owned(),
                server: Some(ModelServer::from_env(&root)?),
            })
        } else {
            None
        };
        settings.live = Some(Live {
            policies: Some(root.join("policies")),
            models,
            witness: true,
            ..Live::default()
        });
        Ok(settings)
    }

    /// Where the stack of `just up` is.
    pub fn local_run_dir() -> PathBuf {
        env::var_os("WHYNOT_RUN_DIR").map_or_else(|| root().join("build/run"), PathBuf::from)
    }

    /// A stack of a test's own: free ports, a folder that nobody else uses.
    pub fn for_test(name: &str) -> Result<Self> {
        let ports = Ports::free()?;
        let folder = format!("{name}-{}-{}", std::process::id(), ports.admission);
        Self::new(root().join("build/test-runs").join(folder), ports)
    }

    fn new(run_dir: PathBuf, ports: Ports) -> Result<Self> {
        let root = root();
        Ok(Self {
            run_dir,
            parts: BTreeSet::from(Part::USUAL),
            ports,
            programs: Programs::find(&root)?,
            filter: root.join("build/whynot_filter.wasm"),
            bundle: root.join("build/bundle.json"),
            context: root.join("wasm-tests/stack/context.json"),
            envoy_template: root.join("envoy/envoy.yaml"),
            render_arguments: Vec::new(),
            webhook: root.join("wasm-tests/stack/webhook.yaml"),
            concurrency: 2,
            listeners_in_file: false,
            live: None,
            envoy_probe: readiness(),
        })
    }

    /// Where the listeners are. In a folder of its own, because Envoy watches all of it.
    pub fn listeners_file(&self) -> PathBuf {
        self.run_dir.join("listeners/listeners.json")
    }

    /// Where the explainer of a live stack keeps the policies that it has taken.
    pub fn state_dir(&self) -> PathBuf {
        self.run_dir.join("policies")
    }

    /// The link by which the explainer of a live stack finds its folder of policies.
    pub fn policies_link(&self) -> PathBuf {
        self.run_dir.join("policies-source")
    }

    /// A file with the token of who may push policies to a live stack and roll them back.
    pub fn token_file(&self) -> PathBuf {
        self.run_dir.join("admin-token")
    }

    /// The models that the explainer asks.
    pub fn models(&self) -> Option<&Models> {
        self.live.as_ref()?.models.as_ref()
    }

    pub(super) fn model_server(&self) -> Option<&ModelServer> {
        self.models()?.server.as_ref()
    }

    /// Whether the explainer follows this stack's API server.
    pub(super) fn follows_cluster(&self) -> bool {
        self.live.is_some() && self.parts.contains(&Part::ApiServer)
    }

    /// Without etcd and the API server: for tests that send reviews to Envoy themselves.
    #[must_use]
    pub fn without_kubernetes(mut self) -> Self {
        self.parts.remove(&Part::Etcd);
        self.parts.remove(&Part::ApiServer);
        self
    }

    /// Says before anything is started what would make it fail, and what to do about it.
    pub(super) fn check(&self) -> Result<()> {
        let mut files: Vec<(&Path, &str)> = Vec::new();
        for part in &self.parts {
            match part {
                Part::Etcd => files.push((&self.programs.etcd, "just setup")),
                Part::ApiServer => files.extend([
                    (&*self.programs.kube_apiserver, "just setup"),
                    (&*self.programs.kubectl, "just setup"),
                ]),
                Part::Model => {
                    let server = self.model_server().context("the stack has no model")?;
                    files.extend([(&*server.python, MODEL_SETUP), (&*server.file, MODEL_SETUP)]);
                }
                Part::Explainer => files.push((&self.programs.whynot, "just build")),
                Part::Envoy => files.extend([
                    (&*self.programs.envoy, "just setup"),
                    (&*self.programs.whynot, "just build"),
                    (&*self.filter, "just wasm"),
                    (&*self.context, "it is a file of the repository"),
                    (&*self.envoy_template, "it is a file of the repository"),
                ]),
            }
            for (port, variable) in self.ports.of(*part) {
                if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
                    bail!(
                        "port {port} for {part} is taken by another program: end that one, or set {variable} to a free port"
                    );
                }
            }
        }
        // A bundle that is fetched need not be there.
        let is_fetched = self
            .render_arguments
            .iter()
            .any(|argument| argument == "--live-policies")
            || self.live.is_some();
        if self.parts.contains(&Part::Envoy) && !is_fetched {
            files.push((&*self.bundle, "just bundle"));
        }
        for (file, remedy) in files {
            if !file.exists() {
                bail!("{} is missing: {remedy}", file.display());
            }
        }
        Ok(())
    }
}

/// The repository's root. From the environment of `cargo` when there is one, so that a program that another clone
/// compiled does not look there.
pub(super) fn root() -> PathBuf {
    if let Some(root) = env::var_os("WHYNOT_ROOT") {
        return PathBuf::from(root);
    }
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
