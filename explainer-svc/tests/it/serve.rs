//! `whynot serve` as a process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{client, denial};

struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(folder: &TempDir, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_whynot"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .env("XDG_STATE_HOME", folder.path())
            .env("WHYNOT_TEAM_LABELS", "squad,team")
            .env("WHYNOT_PUBLIC_URL", "https://example.test/whynot/")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
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
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self { child, url }
    }

    /// Ends it by a signal; the exit code and what it logged.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut logs = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
        (self.child.wait().unwrap().code(), logs)
    }
}

#[tokio::test]
async fn it_says_where_it_listens_and_ends_cleanly_at_a_signal() {
    let folder = TempDir::new().unwrap();
    for signal in ["-TERM", "-INT"] {
        let process = Process::start(&folder, &[]);
        let response = client().get(format!("{}/readyz", process.url)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(process.end(signal).0, Some(0), "{signal}");
    }
    assert!(
        folder.path().join("whynot/whynot.db").is_file(),
        "the default database is in the state folder"
    );
}

#[tokio::test]
async fn logs_are_json_without_objects_labels_and_names() {
    let folder = TempDir::new().unwrap();
    let process = Process::start(&folder, &["--log-level", "debug"]);
    let mut body = denial();
    body["review"]["name"] = "secret-name".into();
    body["review"]["labels"]["team"] = "secret-team".into();
    body["review"]["username"] = "secret-user".into();
    body["violations"][0]["found"][0]["value"] = "secret-value".into();
    let client = client();
    let answer: Value = client
        .post(format!("{}/v1/explain", process.url))
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let (_, logs) = process.end("-TERM");
    assert!(!logs.contains("secret"), "{logs}");
    let lines: Vec<Value> = logs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let explained = lines.iter().find(|line| line["message"] == "explained").unwrap();
    assert_eq!(explained["explanation"], answer["id"]);
    assert_eq!(explained["revision"], "3f2a9c01d4e5");
}

#[tokio::test]
async fn the_environment_configures_it() {
    let folder = TempDir::new().unwrap();
    let process = Process::start(&folder, &[]);
    let mut body = denial();
    body["review"]["namespaceLabels"]["team"] = "shop".into();
    body["review"]["labels"] = serde_json::json!({"squad": "cart", "team": "checkout"});
    let response = client()
        .post(format!("{}/v1/explain", process.url))
        .json(&body)
        .send()
        .await
        .unwrap();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["repeats"][0]["team"], "cart");
    assert!(
        answer["url"]
            .as_str()
            .unwrap()
            .starts_with("https://example.test/whynot/e/"),
        "{answer}"
    );
    process.end("-TERM");
}

#[test]
fn the_ledger_is_private_and_one_that_cannot_be_opened_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    Process::start(&folder, &[]).end("-TERM");
    let mode = std::fs::metadata(folder.path().join("whynot"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);

    let broken = folder.path().join("broken.db");
    std::fs::write(
        &broken,
        "this is no database, and it is long enough to be told apart from an empty one",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_whynot"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database",
            &format!("sqlite://{}", broken.display()),
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("cannot open the ledger") && error.contains("broken.db"),
        "{error}"
    );
}

#[test]
fn a_second_server_on_the_same_port_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_whynot"))
        .args(["serve", "--listen", &address])
        .env("XDG_STATE_HOME", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

#[tokio::test]
async fn it_gives_its_policies_and_refuses_wrong_ones() {
    let policies = TempDir::new().unwrap();
    let policy = policies.path().join("policy.rego");
    let folder = TempDir::new().unwrap();
    std::fs::write(
        &policy,
        "package a\n\nimport rego.v1\n\ndeny contains \"no\" if input.request.object.data.x\n",
    )
    .unwrap();
    let process = Process::start(&folder, &["--policies", policy.to_str().unwrap()]);
    let bundle: Value = client()
        .get(format!("{}/v1/policies", process.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(bundle["kind"], "PolicyBundle");
    let context: Value = client()
        .get(format!("{}/v1/context", process.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(context["namespaces"], serde_json::json!({}));
    assert_eq!(process.end("-TERM").0, Some(0));

    // Where nothing was kept: with policies of before, it would serve on.
    let folder = TempDir::new().unwrap();
    std::fs::write(&policy, "package a\n\ndeny contains nothing\n").unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_whynot"))
        .args(["serve", "--listen", "127.0.0.1:0", "--policies"])
        .arg(&policy)
        .env_clear()
        .env("XDG_STATE_HOME", folder.path())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    let error = String::from_utf8(run.stderr).unwrap();
    assert!(error.contains("policy.rego:3"), "{error}");
}
