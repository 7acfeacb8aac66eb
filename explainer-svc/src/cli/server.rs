//! A running explainer, asked by the commands that change its policies or look at them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::check::remote::Remote;
use super::{Failed, Streams};

/// Bytes of an answer: the status of thousands of workers.
const LARGEST: u64 = 64 << 20;

/// Which explainer.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// The address of the explainer.
    #[arg(long, env = "WHYNOT_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8080",
        value_parser = Remote::parse)]
    server: Remote,
}

/// Who changes its policies.
#[derive(Debug, Args)]
pub(super) struct Administrator {
    /// A file with the token that the explainer was started with (--admin-token-file).
    #[arg(long, env = "WHYNOT_ADMIN_TOKEN_FILE", value_name = "FILE")]
    token_file: PathBuf,
}

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The explainer says no, and why.
    Refused(Problem),
    /// It could not be asked, or its answer is none.
    Unclear(String),
}

/// What the explainer says about an error.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) detail: String,
    #[serde(default)]
    pub(super) reasons: Vec<String>,
}

impl Administrator {
    pub(super) fn token(&self) -> Result<String, Failed> {
        let path = self.token_file.display();
        let text = std::fs::read_to_string(&self.token_file)
            .map_err(|error| Failed::Usage(format!("--token-file: {path} cannot be read: {error}")))?;
        Ok(text.trim().to_owned())
    }
}

impl Server {
    /// Its address, for messages.
    pub(super) fn address(&self) -> String {
        self.server.url("")
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Unanswered> {
        let url = self.server.url(path);
        let sent = agent(Duration::from_secs(15))
            .get(&url)
            .header("accept", "application/json")
            .call();
        read(&url, sent)
    }

    /// What only administrators may see.
    pub(super) fn get_as<T: DeserializeOwned>(&self, path: &str, token: &str) -> Result<T, Unanswered> {
        let url = self.server.url(path);
        // It may read a long log before it answers.
        let sent = agent(Duration::from_mins(3))
            .get(&url)
            .header("accept", "application/json")
            .header("authorization", &format!("Bearer {token}"))
            .call();
        read(&url, sent)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &str,
        kind: &str,
        body: &[u8],
    ) -> Result<T, Unanswered> {
        let url = self.server.url(path);
        // It compiles and tests before it answers.
        let request = agent(Duration::from_mins(3))
            .post(&url)
            .header("authorization", &format!("Bearer {token}"))
            .header("content-type", kind);
        read(&url, request.send(body))
    }
}

fn agent(timeout: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .build()
        .into()
}

fn read<T: DeserializeOwned>(
    url: &str,
    sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<T, Unanswered> {
    let unclear = |error: ureq::Error| {
        Unanswered::Unclear(format!(
            "cannot ask {url}: {error}; is it the address of a running `whynot serve`?"
        ))
    };
    let mut response = sent.map_err(unclear)?;
    let status = response.status();
    let body = response
        .body_mut()
        .with_config()
        .limit(LARGEST)
        .read_to_vec()
        .map_err(unclear)?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| {
            Unanswered::Unclear(format!("{url} is of no explainer that this version knows: {error}"))
        });
    }
    Err(match serde_json::from_slice(&body) {
        Ok(problem) => Unanswered::Refused(problem),
        Err(_) => Unanswered::Unclear(format!(
            "{url} answers {}: it is no explainer, or an older one",
            status.as_u16()
        )),
    })
}

/// Prints why it was not done. Problems of what was brought are exit code 1, all else is 2.
pub(super) fn report(unanswered: Unanswered, streams: &mut Streams<'_>) -> Failed {
    let (text, reasons, failed) = match unanswered {
        Unanswered::Unclear(text) => (text, Vec::new(), Failed::Unreadable),
        Unanswered::Refused(Problem {
            status,
            detail,
            reasons,
        }) => {
            let failed = if matches!(status, 404 | 409 | 422) {
                Failed::Reported
            } else {
                Failed::Unreadable
            };
            (detail, reasons, failed)
        }
    };
    for reason in reasons {
        // Nobody to tell when standard error is gone; the exit code still says it.
        let _ = writeln!(streams.err, "{}", printable(&reason));
    }
    let _ = writeln!(streams.err, "error: {}", printable(&text));
    failed
}

/// What came over the network must not steer a terminal.
pub(super) fn printable(text: &str) -> String {
    let harmless = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}
