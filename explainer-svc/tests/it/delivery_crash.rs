//! The explainer killed in the middle of it: whatever the moment, what serves after a restart is whole.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine::policy::bundle::Bundle;
use tempfile::TempDir;

use crate::delivery::{TOKEN, bundle};
use crate::support::client;

/// Long enough that a write of it takes some time.
fn large(message: &str) -> Vec<u8> {
    let filler = format!("# {message}, and something to write\n").repeat(6000);
    let policy = format!("{}\n{filler}", crate::delivery::rego(message));
    crate::delivery::archive(&[("a.rego", policy.as_bytes())])
}

struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(folder: &Path) -> Self {
        Self::with(folder, &[])
    }

    fn with(folder: &Path, arguments: &[&str]) -> Self {
        let token = folder.join("token");
        fs::write(&token, TOKEN).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_whynot"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-token-file"])
            .arg(&token)
            .args(arguments)
            .env_clear()
            .env("XDG_STATE_HOME", folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("whynot listens on ")
            .unwrap_or_default()
            .to_owned();
        assert!(url.starts_with("http://"), "{line}");
        Self { child, url }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn killed_at_any_moment_of_a_swap_it_serves_a_whole_revision_after() {
    let folder = TempDir::new().unwrap();
    let client = client();
    let bundles: Vec<Vec<u8>> = (0..4).map(|number| large(&number.to_string())).collect();
    let mut confirmed: Option<String> = None;
    let mut cut_short = 0;
    for round in 0..25_u64 {
        let process = Process::start(folder.path());
        let response = client.get(format!("{}/v1/policies", process.url)).send().await.unwrap();
        let etag = response
            .headers()
            .get("etag")
            .map(|etag| etag.to_str().unwrap().trim_matches('"').to_owned());
        let text = response.bytes().await.unwrap();
        match (&etag, &confirmed) {
            (None, None) => {}
            (None, Some(confirmed)) => panic!("round {round}: {confirmed} was confirmed and is lost"),
            (Some(etag), _) => {
                // Its revision is that of its content, or this fails.
                assert_eq!(Bundle::from_json(&text).unwrap().revision, *etag, "round {round}");
            }
        }
        // Pushes one after the other, until the process is killed at a moment that moves through the writing.
        let url = process.url.clone();
        let (pushing, sent) = (client.clone(), bundles.clone());
        let pushes = tokio::spawn(async move {
            let mut last = None;
            for body in sent.iter().cycle() {
                let request = pushing
                    .post(format!("{url}/v1/policies"))
                    .bearer_auth(TOKEN)
                    .body(body.clone());
                let Ok(response) = request.send().await else {
                    return (last, true);
                };
                let Ok(answer) = response.json::<serde_json::Value>().await else {
                    return (last, true);
                };
                last = answer["revision"].as_str().map(str::to_owned);
            }
            (last, false)
        });
        tokio::time::sleep(Duration::from_millis(40) + Duration::from_micros(round * 7_300 % 61_000)).await;
        process.kill();
        let (last, was_cut) = pushes.await.unwrap();
        cut_short += usize::from(was_cut);
        if last.is_some() {
            confirmed = last;
        }
    }
    assert!(confirmed.is_some() && cut_short > 20, "{cut_short}");
    let begun = Instant::now();
    let process = Process::start(folder.path());
    let served = client.get(format!("{}/v1/policies", process.url)).send().await.unwrap();
    assert_eq!(served.status(), 200);
    assert!(begun.elapsed() < Duration::from_secs(10));
    process.kill();
    let left: Vec<String> = fs::read_dir(folder.path().join("whynot/policies"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".staged"))
        .collect();
    assert!(left.is_empty(), "what a crash leaves is removed: {left:?}");
}

#[tokio::test]
async fn a_torn_file_is_never_served() {
    let folder = TempDir::new().unwrap();
    let process = Process::start(folder.path());
    let client = client();
    let mut revisions = Vec::new();
    for message in ["one", "two"] {
        let request = client.post(format!("{}/v1/policies", process.url)).bearer_auth(TOKEN);
        let answer: serde_json::Value = request
            .body(bundle(message))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        revisions.push(answer["revision"].as_str().unwrap().to_owned());
    }
    process.kill();
    let path = folder.path().join(format!("whynot/policies/{}.json", revisions[1]));
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    let process = Process::start(folder.path());
    let response = client.get(format!("{}/v1/policies", process.url)).send().await.unwrap();
    assert_eq!(response.headers()["etag"], format!("\"{}\"", revisions[0]));
    process.kill();
}

/// A test that is not over before the process is.
fn slow() -> String {
    let test = |number: usize| {
        format!(
            "test_{number} if count([1 | some x in numbers.range(1, 300); some y in numbers.range(1, 300); x < y]) > 0\n"
        )
    };
    let tests: String = (0..2000).map(test).collect();
    format!("package slow_test\n\nimport rego.v1\n\n{tests}")
}

fn is_examining(folder: &Path) -> bool {
    let entries = fs::read_dir(folder.join("whynot/policies")).into_iter().flatten();
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("examining-"))
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Process {
    async fn status(&self) -> serde_json::Value {
        let asked = client().get(format!("{}/v1/policies/status", self.url)).send().await;
        asked.unwrap().json().await.unwrap()
    }
}

#[tokio::test]
async fn what_ended_the_process_is_not_taken_from_the_source_again_and_the_old_serves_on() {
    let folder = TempDir::new().unwrap();
    let policies = folder.path().join("source");
    crate::delivery::write(&policies, "a.rego", &crate::delivery::rego("good"));
    let start = || Process::with(folder.path(), &["--policies", policies.to_str().unwrap()]);
    let process = start();
    let good = process.status().await["current"]["revision"].clone();
    assert!(good.is_string());
    assert!(!is_examining(folder.path()), "it is over");
    crate::delivery::write(&policies, "slow_test.rego", &slow());
    until("examined", async || is_examining(folder.path())).await;
    process.kill();

    // The first start notices, the second one remembers.
    for round in 0..2 {
        let process = start();
        let status = process.status().await;
        assert_eq!(status["current"]["revision"], good, "{round}: {status}");
        let reasons = status["refused"][0]["reasons"].to_string();
        assert!(reasons.contains("examining it ended this process"), "{round}: {status}");
        assert!(!is_examining(folder.path()), "{round}");
        process.kill();
    }
    fs::remove_file(policies.join("slow_test.rego")).unwrap();
    crate::delivery::write(&policies, "a.rego", &crate::delivery::rego("better"));
    let process = start();
    assert_ne!(process.status().await["current"]["revision"], good);
    process.kill();
}

#[tokio::test]
async fn a_push_of_what_ended_the_process_is_another_try_and_a_shutdown_blames_nobody() {
    let folder = TempDir::new().unwrap();
    let body = crate::delivery::archive(&[
        ("a.rego", crate::delivery::rego("slow").as_bytes()),
        ("slow_test.rego", slow().as_bytes()),
    ]);
    let push = |process: &Process| {
        let request = client().post(format!("{}/v1/policies", process.url)).bearer_auth(TOKEN);
        tokio::spawn(request.body(body.clone()).send())
    };
    let process = Process::start(folder.path());
    push(&process);
    until("examined", async || is_examining(folder.path())).await;
    process.kill();

    let mut process = Process::start(folder.path());
    let status = process.status().await;
    assert_eq!(status["refused"][0]["origin"], "push", "{status}");
    assert!(
        status["refused"][0]["reasons"]
            .to_string()
            .contains("ended this process")
    );
    push(&process);
    until("examined again", async || is_examining(folder.path())).await;
    let id = process.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    process.child.wait().unwrap();
    assert!(!is_examining(folder.path()));
}

#[tokio::test]
async fn rules_may_be_deep() {
    let folder = TempDir::new().unwrap();
    let process = Process::start(folder.path());
    let sum = "+1".repeat(1500);
    let policy = format!("package a\n\nimport rego.v1\n\ndeny contains \"a\" if x := 1{sum}\n");
    let request = client().post(format!("{}/v1/policies", process.url)).bearer_auth(TOKEN);
    let answer = request
        .body(crate::delivery::archive(&[("a.rego", policy.as_bytes())]))
        .send();
    // Taken or not: the process is there to say so.
    let status = answer.await.unwrap().status().as_u16();
    assert!([200, 422].contains(&status), "{status}");
    process.status().await;
    process.kill();
}
