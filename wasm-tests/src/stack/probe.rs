//! Waiting for something to answer, and saying why it does not.

use std::{
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use ureq::{
    Agent,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::process::Running;

/// How many lines of a log an error shows, and how much of each: Envoy prints a refused configuration whole, on one line.
const TAIL_LINES: usize = 15;
const TAIL_WIDTH: usize = 400;

/// An HTTP client that trusts this authority only, and takes every status for an answer.
pub fn client(ca_file: &Path) -> Result<Agent> {
    let pem = fs::read(ca_file).with_context(|| format!("reading {}", ca_file.display()))?;
    let roots: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| {
            if let Ok(PemItem::Certificate(certificate)) = item {
                Some(certificate)
            } else {
                None
            }
        })
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .proxy(None);
    Ok(config.build().into())
}

/// Asks until the answer is 200, the process ends, or patience does.
pub(super) fn wait_ready(url: &str, ca_file: &Path, running: &Running, patience: Duration) -> Result<()> {
    let client = client(ca_file)?;
    until(patience, || {
        let answer = match client.get(url).call() {
            Ok(answer) if answer.status().as_u16() == 200 => return Ok(None),
            Ok(mut answer) => format!(
                "{} {}",
                answer.status(),
                answer.body_mut().read_to_string().unwrap_or_default()
            ),
            Err(error) => error.to_string(),
        };
        if !running.is_alive() {
            bail!("the process has ended");
        }
        Ok(Some(answer))
    })
    .with_context(|| format!("asking {url}"))
}

/// Repeats a step until it has nothing to say (`None`); its last words are in the error.
pub(super) fn until(patience: Duration, mut step: impl FnMut() -> Result<Option<String>>) -> Result<()> {
    let deadline = Instant::now() + patience;
    while let Some(reason) = step()? {
        if Instant::now() > deadline {
            bail!("not within {} s: {}", patience.as_secs(), reason.trim());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The end of a log.
pub(super) fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    let cut: Vec<String> = lines
        .iter()
        .skip(from)
        .map(|line| line.chars().take(TAIL_WIDTH).collect())
        .collect();
    cut.join("\n")
}
