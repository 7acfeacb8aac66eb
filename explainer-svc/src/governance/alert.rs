//! Tells somebody that a control is not evidenced any more.

use std::time::Duration;

use backon::BackoffBuilder as _;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};

use super::report::{Regression, Report};

/// For one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts after the first.
const RETRIES: usize = 4;

/// Who is told. The address may be a secret: it is never shown.
#[derive(Clone)]
pub(super) struct Alert {
    url: Url,
    client: Client,
}

impl std::fmt::Debug for Alert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Alert({})", self.url.host_str().unwrap_or_default())
    }
}

impl Alert {
    pub(super) fn new(url: Url) -> Result<Self, String> {
        crate::delivery::install_tls();
        let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build();
        let client = client.map_err(|error| format!("--alert-webhook: {}", error.without_url()))?;
        Ok(Self { url, client })
    }

    /// Says what got worse, or that the log does not verify.
    pub(super) async fn send(&self, report: &Report, regressions: &[Regression]) -> Result<(), String> {
        self.post(&body(report, regressions)).await
    }

    /// Says that nobody knows how the controls stand.
    pub(super) async fn failed(&self, server: &str, why: &str) -> Result<(), String> {
        let body = json!({
            "kind": "governance-failed",
            "at": super::now().to_string(),
            "server": server,
            "text": format!("whynot: the controls cannot be evaluated: {why}"),
        });
        self.post(&body).await
    }

    /// Posts, and tries again while that may help.
    async fn post(&self, body: &Value) -> Result<(), String> {
        let pauses = backon::ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(20))
            .with_factor(4.0)
            .with_max_times(RETRIES)
            .with_jitter()
            .build();
        let mut last = String::new();
        for pause in std::iter::once(None).chain(pauses.map(Some)) {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            match self.client.post(self.url.clone()).json(body).send().await {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => {
                    let status = response.status();
                    last = format!("it answers {}", status.as_u16());
                    let may_pass = status.is_server_error()
                        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
                    if !may_pass {
                        break;
                    }
                }
                Err(error) => last = error.without_url().to_string(),
            }
        }
        Err(last)
    }
}

/// `text` is what chat programs show of a message that they do not know.
fn body(report: &Report, regressions: &[Regression]) -> Value {
    let controls: Vec<Value> = regressions
        .iter()
        .map(|regression| {
            let of = report.controls.iter();
            let control = of.clone().find(|c| c.framework == regression.framework && c.id == regression.id);
            json!({
                "framework": regression.framework, "id": regression.id, "since": regression.since, "reason": regression.reason,
                "title": control.map(|control| control.title.as_str()),
                "status": control.map(|control| control.status),
            })
        })
        .collect();
    let names: Vec<String> = regressions
        .iter()
        .map(|one| format!("{} {}", one.framework, one.id))
        .collect();
    let log = &report.log;
    let mut said = Vec::new();
    if let Some(problem) = log.problems.first().filter(|_| !log.verified) {
        said.push(format!("the audit log does not verify: {problem}"));
    }
    if !names.is_empty() {
        said.push(format!("not evidenced any more: {}", names.join(", ")));
    }
    json!({
        "kind": "governance-regression",
        "at": report.at,
        "log": log.origin,
        "logVerified": log.verified,
        "problems": log.problems,
        "server": report.server,
        "text": format!("whynot: {}", said.join("; ")),
        "controls": controls,
    })
}
