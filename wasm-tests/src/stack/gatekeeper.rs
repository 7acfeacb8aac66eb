//! Gatekeeper's webhook beside a stack's API server: what the bench compares the filter with, and what the filter wraps in a
//! test. No part of a stack of its own, because little else asks for it, and building it takes minutes.

use std::{ffi::OsStr, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};

use super::{
    Stack,
    kubernetes::run,
    probe,
    process::{self, Owned, Running},
    settings::free_port,
};

const NAMESPACE: &str = "gatekeeper-system";
const PATIENCE: Duration = Duration::from_mins(1);

/// A Gatekeeper that serves its validating webhook, and ends with this.
#[derive(Debug)]
pub struct Gatekeeper {
    process: Owned,
    url: String,
}

impl Gatekeeper {
    /// Starts it against the API server of `stack`, applies templates and constraints, and waits until `violating`, a review
    /// that violates every constraint, is denied by each of them.
    ///
    /// `folder` is what `scripts/gatekeeper-build.sh` prints. `workers` is how many threads may run at once.
    pub fn start(
        stack: &Stack,
        folder: &Path,
        workers: u32,
        templates: &[Value],
        constraints: &[Value],
        violating: &[u8],
    ) -> Result<Self> {
        Self::start_at(free_port()?, stack, folder, workers, templates, constraints, violating)
    }

    /// The same on a port that somebody knows already.
    pub fn start_at(
        port: u16,
        stack: &Stack,
        folder: &Path,
        workers: u32,
        templates: &[Value],
        constraints: &[Value],
        violating: &[u8],
    ) -> Result<Self> {
        let arguments = ["apply", "--server-side", "--filename"].map(OsStr::new);
        let definitions = folder.join("crds");
        run(
            stack.kubectl(arguments.into_iter().chain([definitions.as_os_str()])),
            None,
        )?;
        let waited = [
            "wait",
            "--for=condition=Established",
            "customresourcedefinitions",
            "--all",
            "--timeout=60s",
        ];
        // kubectl fails at once where one has no conditions yet.
        probe::until(PATIENCE, || {
            Ok(run(stack.kubectl(waited), None).err().map(|error| format!("{error:#}")))
        })?;
        apply(
            stack,
            &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})],
        )?;

        let gatekeeper = Self::spawn(port, stack, folder, workers)?;
        gatekeeper
            .configure(stack, templates, constraints, violating)
            .map_err(|error| {
                let log = stack.settings().run_dir.join("gatekeeper.log");
                anyhow!(
                    "Gatekeeper: {error:#}\nThe end of {}:\n{}",
                    log.display(),
                    probe::tail(&log)
                )
            })?;
        Ok(gatekeeper)
    }

    /// Where it answers admission reviews.
    pub fn admission_url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn process(&self) -> &Running {
        self.process.running()
    }

    fn spawn(port: u16, stack: &Stack, folder: &Path, workers: u32) -> Result<Self> {
        let settings = stack.settings();
        // It looks for these names in a folder.
        let certificates = settings.run_dir.join("gatekeeper-tls");
        fs::create_dir_all(&certificates)?;
        for (from, to) in [("admission.crt", "tls.crt"), ("admission.key", "tls.key")] {
            fs::copy(settings.run_dir.join("tls").join(from), certificates.join(to))?;
        }
        let (health, metrics) = (free_port()?, free_port()?);
        let mut command = Command::new(folder.join("gatekeeper"));
        command
            .env("GOMAXPROCS", workers.to_string())
            .env("POD_NAMESPACE", NAMESPACE)
            .env("NO_PROXY", "127.0.0.1")
            .arg(format!("--kubeconfig={}", stack.kubeconfig().display()))
            .arg(format!("--cert-dir={}", certificates.display()))
            .args([format!("--port={port}"), format!("--health-addr=127.0.0.1:{health}")])
            .arg(format!("--prometheus-port={metrics}"))
            // As its chart starts the pods that serve the webhook: `generate` makes the constraints' kinds. Left out is what needs
            // a pod, and mutation; and CEL, so that it is Rego that is compared where a template has both.
            .args(["--operation=webhook", "--operation=generate", "--host=127.0.0.1"])
            .args(["--log-level=ERROR", "--disable-cert-rotation", "--debug-use-fake-pod"])
            .arg("--enable-k8s-native-validation=false")
            .arg("--shutdown-delay=0");
        let running = process::spawn(&command, "gatekeeper", &settings.run_dir).context("starting Gatekeeper")?;
        let gatekeeper = Self {
            process: Owned::new(running, Duration::from_secs(5)),
            url: format!("https://127.0.0.1:{port}/v1/admit"),
        };
        let ready = format!("http://127.0.0.1:{health}/readyz");
        probe::wait_ready(&ready, &stack.ca_file(), gatekeeper.process(), PATIENCE).map_err(|error| {
            let log = settings.run_dir.join("gatekeeper.log");
            anyhow!(
                "Gatekeeper is not ready: {error:#}\nThe end of {}:\n{}",
                log.display(),
                probe::tail(&log)
            )
        })?;
        Ok(gatekeeper)
    }

    fn configure(&self, stack: &Stack, templates: &[Value], constraints: &[Value], violating: &[u8]) -> Result<()> {
        apply(stack, templates)?;
        // The API server serves a constraint's kind a moment after Gatekeeper has made it from the template.
        probe::until(PATIENCE, || {
            Ok(apply(stack, constraints).err().map(|error| format!("{error:#}")))
        })?;
        let names: Vec<&str> = constraints
            .iter()
            .filter_map(|constraint| constraint.pointer("/metadata/name")?.as_str())
            .collect();
        let client = probe::client(&stack.ca_file())?;
        probe::until(PATIENCE, || {
            let answer = client
                .post(&self.url)
                .header("content-type", "application/json")
                .send(violating);
            let said = match answer {
                Ok(mut answer) => answer.body_mut().read_to_string()?,
                Err(error) => error.to_string(),
            };
            let missing: Vec<&&str> = names
                .iter()
                .filter(|name| !said.contains(&format!("[{name}]")))
                .collect();
            Ok(if missing.is_empty() {
                None
            } else {
                Some(format!("{missing:?} do not deny; it answered {said}"))
            })
        })
    }
}

fn apply(stack: &Stack, objects: &[Value]) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    run(stack.kubectl(["apply", "--server-side", "--filename=-"]), Some(&list)).map(drop)
}
