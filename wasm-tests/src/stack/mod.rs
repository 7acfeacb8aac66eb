//! The real stack on one machine: etcd, an API server, the explainer and Envoy with the filter, on loopback.
//!
//! `just up` leaves it running, the end-to-end tests start one each on free ports and end it when they drop it. Everything
//! of a stack is in its run folder: certificates, kubeconfig, logs, and `state.json` with the processes, by which a
//! later `just down` finds them.

mod certs;
mod demo;
mod gatekeeper;
mod kubernetes;
mod models;
mod opa;
mod probe;
mod process;
mod proxy;
mod server;
mod settings;
mod witness;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

pub use self::{
    demo::run_demo,
    gatekeeper::Gatekeeper,
    models::{AGENT, AGENT_ROUTE, ModelServer, Models},
    opa::Opa,
    probe::client,
    process::Running,
    server::Server,
    settings::{Live, Part, Ports, Programs, Settings, free_port},
};

/// A stack that was started. Dropping it leaves it running: see [`TestStack`] for one that ends with its owner.
#[derive(Debug)]
pub struct Stack {
    settings: Settings,
    running: BTreeMap<Part, Running>,
}

/// What `state.json` holds: enough for another process to find the stack, to restart a part and to end it.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    settings: Settings,
    running: BTreeMap<Part, Running>,
}

/// What [`Stack::up`] had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// Everything ran already.
    Nothing,
    /// Some parts had ended and were started again, with their data.
    Missing,
    /// A new stack, from nothing.
    Everything,
}

impl Stack {
    /// Starts what does not run yet and waits until all of it answers.
    ///
    /// A stack that runs in the run folder is taken over with the settings it was started with.
    pub fn up(settings: Settings) -> Result<(Self, Started)> {
        let _lock = lock(&settings.run_dir)?;
        if let Some(mut stack) = Self::load(&settings.run_dir)? {
            let missing: Vec<Part> = stack
                .settings
                .parts
                .iter()
                .copied()
                .filter(|part| !stack.is_running(*part))
                .collect();
            if missing.is_empty() {
                return Ok((stack, Started::Nothing));
            }
            if missing.len() < stack.settings.parts.len() {
                stack.start_all(&missing)?;
                return Ok((stack, Started::Missing));
            }
        }
        settings.check()?;
        clear(&settings.run_dir)?;
        let mut stack = Self {
            settings,
            running: BTreeMap::new(),
        };
        if let Err(error) = stack.start_new() {
            stack.stop_all();
            return Err(error);
        }
        Ok((stack, Started::Everything))
    }

    /// The stack whose state is in this run folder, if there is one with at least one process alive.
    pub fn running_in(run_dir: &Path) -> Result<Option<Self>> {
        Ok(Self::load(run_dir)?.filter(|stack| stack.settings.parts.iter().any(|part| stack.is_running(*part))))
    }

    /// Ends every part, Envoy first, so that the API server's last requests do not wait for it. Logs stay.
    pub fn down(mut self) -> Result<()> {
        let _lock = lock(&self.settings.run_dir)?;
        self.stop_all();
        let left: Vec<_> = self.running.keys().map(ToString::to_string).collect();
        if !left.is_empty() {
            bail!("still running: {}", left.join(", "));
        }
        remove_if_there(&self.state_file())
    }

    /// Ends one part and leaves the others, as a failure would.
    pub fn stop(&mut self, part: Part) -> Result<()> {
        if let Some(running) = self.running.get(&part) {
            running.stop(part.grace())?;
            self.running.remove(&part);
            self.save()?;
        }
        Ok(())
    }

    /// Starts one part again, with the data it had, and waits until it answers.
    pub fn start(&mut self, part: Part) -> Result<()> {
        if self.is_running(part) {
            return Ok(());
        }
        self.start_all(&[part])
    }

    /// Whether the process of this part is alive.
    pub fn is_running(&self, part: Part) -> bool {
        self.running.get(&part).is_some_and(Running::is_alive)
    }

    /// The process of a part, if one was started.
    pub fn process(&self, part: Part) -> Option<&Running> {
        self.running.get(&part)
    }

    /// What the stack was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where Envoy answers admission reviews.
    pub fn admission_url(&self) -> String {
        format!("https://127.0.0.1:{}/validate", self.settings.ports.admission)
    }

    /// The root of the explainer.
    pub fn explainer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings.ports.explainer)
    }

    /// This project's `whynot`, with the address and the administrator's token of this stack.
    pub fn whynot<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(&self.settings.programs.whynot);
        command
            .env("WHYNOT_SERVER", self.explainer_url())
            .env("WHYNOT_ADMIN_TOKEN_FILE", self.settings.token_file())
            .args(arguments);
        command
    }

    /// Lets the witness of this stack look once; says what it said.
    pub fn witness(&self) -> Result<String> {
        witness::look(self)
    }

    /// The database of the audit log.
    pub fn audit_database(&self) -> PathBuf {
        self.settings.run_dir.join("audit.db")
    }

    /// What a request of the administrator of a live stack has in `authorization`.
    pub fn authorization(&self) -> Result<String> {
        let file = self.settings.token_file();
        let token = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(format!("Bearer {}", token.trim()))
    }

    /// Lets the explainer of a live stack read another folder of policies from now on.
    pub fn switch_policies(&self, folder: &Path) -> Result<()> {
        let new = self.settings.run_dir.join("policies-source.new");
        remove_if_there(&new)?;
        std::os::unix::fs::symlink(folder, &new)?;
        fs::rename(&new, self.settings.policies_link()).context("switching the policies")
    }

    /// The root of Envoy's admin interface.
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings.ports.admin)
    }

    /// The certificate authority of everything in this stack (PEM).
    pub fn ca_file(&self) -> PathBuf {
        self.settings.run_dir.join("ca.crt")
    }

    /// A kubeconfig for the API server's administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.settings.run_dir.join("kubeconfig")
    }

    /// A `kubectl` that talks to this stack's API server, and to nothing else.
    pub fn kubectl<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(&self, arguments: I) -> Command {
        kubernetes::kubectl(&self.settings, arguments)
    }

    /// Where a part writes its log.
    pub fn log_file(&self, part: Part) -> PathBuf {
        log_file(&self.settings, part)
    }

    fn start_new(&mut self) -> Result<()> {
        certs::write(&self.settings).context("making the certificates")?;
        kubernetes::write_kubeconfigs(&self.settings)?;
        proxy::prepare(&self.settings)?;
        let parts: Vec<Part> = self.settings.parts.iter().copied().collect();
        self.start_all(&parts)
    }

    /// Starts the parts together and then waits for each: the API server takes seconds, and the others need not wait.
    fn start_all(&mut self, parts: &[Part]) -> Result<()> {
        // One that follows the cluster needs its rights there, or it is refused and waits for seconds before it asks again.
        let needs_rights = parts.contains(&Part::ApiServer) && self.settings.follows_cluster();
        let is_later = |part: &Part| needs_rights && *part == Part::Explainer;
        for &part in parts.iter().filter(|part| !is_later(part)) {
            self.spawn(part)?;
        }
        if needs_rights {
            self.wait_for(Part::ApiServer)?;
            kubernetes::grant(&self.settings).context("granting the explainer what it reads")?;
            if parts.contains(&Part::Explainer) {
                self.spawn(Part::Explainer)?;
            }
        }
        for &part in parts {
            self.wait_for(part)?;
        }
        if parts.contains(&Part::ApiServer) && self.settings.parts.contains(&Part::Envoy) {
            kubernetes::install_webhook(self)?;
        }
        Ok(())
    }

    fn spawn(&mut self, part: Part) -> Result<()> {
        let command = match part {
            Part::Etcd => kubernetes::etcd(&self.settings),
            Part::ApiServer => kubernetes::api_server(&self.settings),
            Part::Model => {
                let server = self.settings.model_server().context("the stack has no model")?;
                server.command(&self.settings)
            }
            Part::Explainer => proxy::explainer(&self.settings),
            Part::Envoy => {
                proxy::render(&self.settings)?;
                proxy::envoy(&self.settings)
            }
        };
        let running = process::spawn(&command, part.name(), &self.settings.run_dir)
            .with_context(|| format!("starting {part}"))?;
        self.running.insert(part, running);
        self.save()
    }

    fn wait_for(&self, part: Part) -> Result<()> {
        let Some(running) = self.running.get(&part) else {
            bail!("{part} was not started")
        };
        let url = match part {
            Part::Etcd => format!("http://127.0.0.1:{}/readyz", self.settings.ports.etcd),
            Part::ApiServer => format!("https://127.0.0.1:{}/readyz", self.settings.ports.api_server),
            Part::Model => format!("http://127.0.0.1:{}/health", self.settings.ports.model),
            Part::Explainer => format!("{}/readyz", self.explainer_url()),
            Part::Envoy => {
                let Settings { ports, envoy_probe, .. } = &self.settings;
                format!("https://127.0.0.1:{}{envoy_probe}", ports.admission)
            }
        };
        probe::wait_ready(&url, &self.ca_file(), running, part.patience())
            .map_err(|error| self.with_log(part, "is not ready", &error))
    }

    /// An error that ends with what the part itself said last.
    fn with_log(&self, part: Part, what: &str, error: &anyhow::Error) -> anyhow::Error {
        let log = self.log_file(part);
        anyhow!(
            "{part} {what}: {error:#}\nThe end of {}:\n{}",
            log.display(),
            probe::tail(&log)
        )
    }

    fn stop_all(&mut self) {
        for part in [Part::Envoy, Part::Explainer, Part::Model, Part::ApiServer, Part::Etcd] {
            if self
                .running
                .get(&part)
                .is_some_and(|running| running.stop(part.grace()).is_ok())
            {
                self.running.remove(&part);
            }
        }
        // Only what could not be ended is left to be found.
        let _ = self.save();
    }

    fn load(run_dir: &Path) -> Result<Option<Self>> {
        let path = run_dir.join("state.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let state: State = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is not readable: end the processes in {} by hand and remove it",
                path.display(),
                run_dir.display()
            )
        })?;
        Ok(Some(Self {
            settings: state.settings,
            running: state.running,
        }))
    }

    fn save(&self) -> Result<()> {
        let state = State {
            settings: self.settings.clone(),
            running: self.running.clone(),
        };
        write_atomically(&self.state_file(), serde_json::to_string_pretty(&state)?.as_bytes())
    }

    fn state_file(&self) -> PathBuf {
        self.settings.run_dir.join("state.json")
    }
}

/// A stack that ends when it is dropped, whatever the test's outcome; the logs of a failed test are kept.
#[derive(Debug)]
pub struct TestStack(Option<Stack>);

impl TestStack {
    /// Starts a stack of these settings from nothing.
    pub fn start(settings: Settings) -> Result<Self> {
        Ok(Self(Some(Stack::up(settings)?.0)))
    }
}

impl std::ops::Deref for TestStack {
    type Target = Stack;

    #[expect(clippy::expect_used, reason = "the stack is only taken out in `drop`")]
    fn deref(&self) -> &Stack {
        self.0.as_ref().expect("present until dropped")
    }
}

impl std::ops::DerefMut for TestStack {
    #[expect(clippy::expect_used, reason = "the stack is only taken out in `drop`")]
    fn deref_mut(&mut self) -> &mut Stack {
        self.0.as_mut().expect("present until dropped")
    }
}

impl Drop for TestStack {
    fn drop(&mut self) {
        let Some(stack) = self.0.take() else { return };
        let run_dir = stack.settings.run_dir.clone();
        let ended = stack.down();
        if ended.is_ok() && !std::thread::panicking() {
            let _ = fs::remove_dir_all(&run_dir);
            let _ = fs::remove_file(run_dir.with_extension("lock"));
        }
    }
}

fn log_file(settings: &Settings, part: Part) -> PathBuf {
    settings.run_dir.join(format!("{}.log", part.name()))
}

/// Two runs at once would start everything twice.
fn lock(run_dir: &Path) -> Result<File> {
    let path = run_dir.with_extension("lock");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// Empties a run folder, and only a run folder: one that holds something else is refused.
fn clear(run_dir: &Path) -> Result<()> {
    let marker = run_dir.join(".whynot-run");
    if run_dir.exists() {
        if !marker.exists() && fs::read_dir(run_dir)?.next().is_some() {
            bail!(
                "{} is not empty and was not made by a stack: choose another run folder",
                run_dir.display()
            );
        }
        fs::remove_dir_all(run_dir).with_context(|| format!("emptying {}", run_dir.display()))?;
    }
    fs::create_dir_all(run_dir).with_context(|| format!("creating {}", run_dir.display()))?;
    fs::write(&marker, "")?;
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("writing {}", path.display()))
}
