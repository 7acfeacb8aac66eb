//! `opa run --server` as an admission webhook: what the bench compares the filter with.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, anyhow};

use super::{
    Stack, probe,
    process::{self, Owned, Running},
    settings::free_port,
};

/// An OPA server that ends with this.
#[derive(Debug)]
pub struct Opa {
    process: Owned,
    url: String,
}

impl Opa {
    /// Starts it with the policies and data of `folder`, and the certificate of `stack`. It answers with `data.system.main`.
    ///
    /// `program` is the project's build of OPA (`wasm-tests/opa`). `workers` is how many threads may run at once.
    pub fn start(stack: &Stack, program: &Path, workers: u32, folder: &Path) -> Result<Self> {
        let settings = stack.settings();
        let tls = settings.run_dir.join("tls");
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .env("GOMAXPROCS", workers.to_string())
            // The templates of Gatekeeper are in the old syntax.
            .args(["serve", "--v0-compatible", "--log-level=error", "--disable-telemetry"])
            .arg(format!("--addr=https://127.0.0.1:{port}"))
            .arg(format!("--tls-cert-file={}", tls.join("admission.crt").display()))
            .arg(format!(
                "--tls-private-key-file={}",
                tls.join("admission.key").display()
            ))
            .arg(folder);
        let running = process::spawn(&command, "opa", &settings.run_dir).context("starting OPA")?;
        let opa = Self {
            process: Owned::new(running, Duration::from_secs(5)),
            url: format!("https://127.0.0.1:{port}/"),
        };
        let ready = format!("https://127.0.0.1:{port}/health");
        probe::wait_ready(&ready, &stack.ca_file(), opa.process(), Duration::from_secs(30)).map_err(|error| {
            let log = settings.run_dir.join("opa.log");
            anyhow!(
                "OPA is not ready: {error:#}\nThe end of {}:\n{}",
                log.display(),
                probe::tail(&log)
            )
        })?;
        Ok(opa)
    }

    /// Where it answers admission reviews.
    pub fn admission_url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn process(&self) -> &Running {
        self.process.running()
    }
}
