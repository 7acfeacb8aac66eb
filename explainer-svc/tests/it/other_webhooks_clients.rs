//! Clients of `POST /v1/explain`: their tokens, and those of docs/explain-api.md, as they stand there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use explainer_svc::clients::Clients;
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::other_webhooks::{MESSAGE, review, with_policies};
use crate::support::{TestServer, denial};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn token_file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("tokens");
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn with_tokens_configured_only_their_clients_may_ask() {
    let folder = TempDir::new().unwrap();
    let path = token_file(&folder, &format!("envoy {TOKEN}\n"));
    let server = TestServer::with(|config| config.clients = Some(Clients::open(path.clone()).unwrap())).await;
    let ask = async |authorization: Option<&str>| {
        let mut request = server.client.post(format!("{}/v1/explain", server.url)).json(&denial());
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.send().await.unwrap()
    };
    for refused in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer 0123456789abcdef"),
        Some(&*format!("Basic {TOKEN}")),
    ] {
        let response = ask(refused).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{refused:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    assert!(server.violations().await.is_empty());
    assert_eq!(ask(Some(&format!("bearer {TOKEN}"))).await.status(), StatusCode::OK);
    token_file(&folder, "envoy another-token-of-it");
    assert_eq!(
        ask(Some(&format!("Bearer {TOKEN}"))).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(ask(Some("Bearer another-token-of-it")).await.status(), StatusCode::OK);
    fs::remove_file(&path).unwrap();
    let response = ask(Some("Bearer another-token-of-it")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// The blocks of the page in this language.
fn snippets(language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/explain-api.md");
    let page = fs::read_to_string(page).unwrap();
    let begin = format!("\n```{language}\n");
    let blocks = page.split(&begin).skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n")
        .collect()
}

/// Runs a program of the page in a folder, away from the server.
async fn run(mut command: Command, url: &str, folder: &Path, input: &str) -> Output {
    command.current_dir(folder);
    command.env("WHYNOT_URL", url).env("WHYNOT_TOKEN", TOKEN);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    running.await.unwrap()
}

fn text(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn server(folder: &TempDir) -> TestServer {
    let path = token_file(folder, &format!("my-hook {TOKEN}\n"));
    TestServer::with(|config| {
        with_policies(config);
        config.clients = Some(Clients::open(path).unwrap());
    })
    .await
}

#[tokio::test]
async fn curl_of_the_page() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    let request = snippets("json").remove(0);
    fs::write(folder.path().join("request.json"), &request).unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(snippets("sh").remove(0));
    let output = run(shell, &server.url, folder.path(), "").await;
    let answer: Value = serde_json::from_str(&text(&output)).unwrap();
    assert_eq!(answer["items"][0]["known"], true, "{answer}");
    assert!(answer["fix"].is_object());
    let sent: Value = serde_json::from_str(&request).unwrap();
    assert_eq!(
        sent["admissionReview"],
        review(),
        "the tests are about what the page shows"
    );
    assert_eq!(sent["message"], MESSAGE);
}

/// Explains a denial, and keeps to its own words where nobody answers.
async fn tried(command: impl Fn() -> Command, folder: &TempDir, server: TestServer) {
    let review = review().to_string();
    let said = text(&run(command(), &server.url, folder.path(), &review).await);
    assert!(said.contains("In the words of the webhook my-hook:"), "{said}");
    assert!(
        said.contains("(checked with an example") && said.contains(MESSAGE),
        "{said}"
    );
    assert_eq!(
        server.violations().await[0]["policy"],
        "webhook/my-hook/must-have-owner"
    );
    let url = server.url.clone();
    server.stop().await;
    let output = run(command(), &url, folder.path(), &review).await;
    assert_eq!(text(&output).trim_end(), MESSAGE);
    assert!(!output.stderr.is_empty());
}

#[tokio::test]
async fn go_of_the_page() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    fs::write(folder.path().join("explain.go"), snippets("go").remove(0)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/go.sh");
    let program = folder.path().join("explain");
    let mut build = Command::new(&script);
    build.args(["build", "-o", "explain", "explain.go"]);
    text(&run(build, &server.url, folder.path(), "").await);
    let command = || {
        let mut command = Command::new(&program);
        command.arg(MESSAGE);
        command
    };
    tried(command, &folder, server).await;
}

#[tokio::test]
async fn python_of_the_page() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    fs::write(folder.path().join("explain.py"), snippets("python").remove(0)).unwrap();
    let command = || {
        let mut command = Command::new("python3");
        command.args(["explain.py", MESSAGE]);
        command
    };
    tried(command, &folder, server).await;
}
