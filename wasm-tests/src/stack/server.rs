//! A server that needs nothing else of a stack.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use ureq::Agent;

use super::{
    probe,
    process::{self, Owned, Running},
};

/// A server that ends with this.
#[derive(Debug)]
pub struct Server(Owned);

impl Server {
    /// Starts it, with its log in `folder`, and waits until `ready` answers 200.
    pub fn start(name: &str, command: &Command, folder: &Path, ready: &str, patience: Duration) -> Result<Self> {
        let running = process::spawn(command, name, folder).with_context(|| format!("starting {name}"))?;
        let server = Self(Owned::new(running, Duration::from_secs(5)));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .proxy(None);
        let client: Agent = config.build().into();
        let answers = probe::until(patience, || {
            let answer = match client.get(ready).call() {
                Ok(answer) if answer.status().as_u16() == 200 => return Ok(None),
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.to_string(),
            };
            if !server.process().is_alive() {
                bail!("the process has ended");
            }
            Ok(Some(answer))
        });
        answers.map_err(|error| {
            let log = folder.join(format!("{name}.log"));
            let end = probe::tail(&log);
            anyhow!("{name} is not ready: {error:#}\nThe end of {}:\n{end}", log.display())
        })?;
        Ok(server)
    }

    /// Its process.
    pub fn process(&self) -> &Running {
        self.0.running()
    }
}
