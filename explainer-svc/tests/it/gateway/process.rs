//! Budgets of the real process: over HTTP, with the audit log on, killed while calls are under way.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use tokio::time::Instant;

use super::provider::{Provider, Step, answer};
use super::{folder, settings, unhurried};
use crate::support::client;

const AGENT: &str = "token-of-the-triage-agent";

/// `whynot serve`, which is killed at the latest when the test ends.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    async fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whynot"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--gateway", "gateway.yaml"])
            .arg("--database")
            .arg(format!("sqlite://{}", folder.join("state/whynot.db").display()))
            .current_dir(folder)
            .env_clear()
            // Nobody listens there: what is in the environment leads no question and no key elsewhere.
            .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:9")))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let start = move || {
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            let url = line.trim().strip_prefix("whynot listens on ").unwrap().to_owned();
            Self { child, url }
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many at once; their statuses.
async fn rush(client: &Client, url: &str, number: usize) -> Vec<u16> {
    let calls = (0..number).map(|_| {
        let body = json!({"model": "only-a", "messages": [{"role": "user", "content": "why?"}], "max_tokens": 10});
        let request = client
            .post(format!("{url}/v1/chat/completions"))
            .bearer_auth(AGENT)
            .json(&body);
        tokio::spawn(async move { request.send().await.map_or(0, |response| response.status().as_u16()) })
    });
    let mut statuses = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        statuses.push(call.await.unwrap());
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_requests_exactly_those_that_fit_are_answered_and_a_killed_process_holds_nothing() {
    // The first ten are never answered.
    let provider = Provider::start(|number, _| match number {
        0..10 => vec![Step::Wait(Duration::from_mins(10))],
        _ => answer("because", 3, 10),
    })
    .await;
    let folder = folder();
    std::fs::write(folder.path().join("agent"), AGENT).unwrap();
    let more =
        "budgets:\n  - {name: monthly, per: team, period: month, requests: {hard: 50}}\nlimits: {concurrency: 1000}\n";
    let text = unhurried(&settings(&provider.url(), &provider.url(), more))
        .replace("team: platform,", "team: platform, token: {file: agent},");
    std::fs::write(folder.path().join("gateway.yaml"), text).unwrap();
    let client = client();

    let mut process = Process::start(folder.path()).await;
    let hanging = {
        let (client, url) = (client.clone(), process.url.clone());
        tokio::spawn(async move { rush(&client, &url, 10).await })
    };
    let begun = Instant::now();
    while provider.count() < 10 {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "it asked {} times",
            provider.count()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    process.kill();
    assert_eq!(hanging.await.unwrap(), [0; 10], "nobody was answered");

    let process = Process::start(folder.path()).await;
    let statuses = rush(&client, &process.url, 200).await;
    let of = |status: u16| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((of(200), of(429)), (50, 150), "{statuses:?}");
    assert_eq!(provider.count(), 60);
    assert_eq!(rush(&client, &process.url, 5).await, [429; 5]);
}
