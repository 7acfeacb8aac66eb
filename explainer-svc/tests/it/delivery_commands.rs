//! `whynot policy push`, `status` and `rollback` against a server.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::delivery::{TOKEN, bundle, rego, test_of, token, write};
use crate::support::TestServer;

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(folder: &Path, server: &TestServer, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whynot"));
    command
        .arg("policy")
        .args(arguments)
        .args(["--server", &server.url])
        .env_clear()
        .env("WHYNOT_ADMIN_TOKEN_FILE", folder.join("token"))
        .current_dir(folder);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn server(folder: &Path) -> TestServer {
    let token = token(folder);
    TestServer::with(|config| config.policies.administrator = Some(token)).await
}

#[tokio::test]
async fn a_folder_is_pushed_with_its_tests_and_keeps_its_revision() {
    let folder = TempDir::new().unwrap();
    let server = server(folder.path()).await;
    write(folder.path(), "policies/shop/a.rego", &rego("one"));
    write(folder.path(), "policies/shop/a_test.rego", &test_of("one"));
    write(
        folder.path(),
        "policies/shop/cases/all.yaml",
        "cases:\n  - name: fine\n    object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}\n    \
         expect: allow\n",
    );
    let built = run_plain(folder.path(), &["policy", "build", "policies", "--output", "json"]);
    let built: Value = serde_json::from_str(&built).unwrap();
    let pushed = run(folder.path(), &server, &["push", "policies"]).await;
    assert_eq!(pushed.code, Some(0), "{}", pushed.err);
    let revision = built["revision"].as_str().unwrap();
    assert_eq!(
        pushed.out,
        format!("revision {revision} is current at {}\n", server.url)
    );
    assert_eq!(server.revision().await, revision);
    let again = run(folder.path(), &server, &["push", "policies"]).await;
    assert!(again.out.contains("was current already"), "{}", again.out);

    write(folder.path(), "policies/shop/a_test.rego", &test_of("two"));
    let failing = run(folder.path(), &server, &["push", "policies"]).await;
    assert_eq!(failing.code, Some(1));
    assert!(
        failing.err.contains("policies/shop/a_test.rego:7: a_test.test_it"),
        "{}",
        failing.err
    );
    write(
        folder.path(),
        "policies/shop/a.rego",
        "package a\n\ndeny contains nothing\n",
    );
    let broken = run(folder.path(), &server, &["push", "policies"]).await;
    assert_eq!(broken.code, Some(1));
    assert!(
        broken.err.contains("policies/shop/a.rego:3") && broken.err.contains("nothing was pushed"),
        "{}",
        broken.err
    );
    assert_eq!(server.status().await["refused"], json!([]), "the server was not asked");
}

fn run_plain(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whynot"));
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn who_may_not_push_is_told_why() {
    let folder = TempDir::new().unwrap();
    let server = server(folder.path()).await;
    write(folder.path(), "policies/a.rego", &rego("one"));
    std::fs::write(folder.path().join("token"), "another token, long enough").unwrap();
    // The server reads its token from the same file; its own one is elsewhere now.
    let open = TestServer::start().await;
    let pushed = run(folder.path(), &open, &["push", "policies"]).await;
    assert_eq!(pushed.code, Some(2));
    assert!(pushed.err.contains("--admin-token-file"), "{}", pushed.err);
    let missing = run(folder.path(), &server, &["push", "policies", "--token-file", "nowhere"]).await;
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("--token-file: nowhere"), "{}", missing.err);
}

#[tokio::test]
async fn the_status_has_exit_codes_and_waits() {
    let folder = TempDir::new().unwrap();
    let server = server(folder.path()).await;
    let one = server.pushed(bundle("one")).await;
    let two = server.pushed(bundle("two")).await;
    let nobody = run(folder.path(), &server, &["status"]).await;
    assert_eq!(nobody.code, Some(2), "{}", nobody.out);
    assert!(nobody.out.contains(&two) && nobody.out.contains(&one), "{}", nobody.out);

    let report = |active: &str| {
        let workers = json!([{"id": 1, "state": "serving", "active": active}, {"id": 0, "state": "idle"}]);
        let body = json!({"apiVersion": "whynot.dev/v1", "proxy": "edge/1f", "workers": workers});
        server
            .client
            .post(format!("{}/v1/filter/status", server.url))
            .json(&body)
            .send()
    };
    report(&one).await.unwrap();
    let behind = run(folder.path(), &server, &["status"]).await;
    assert_eq!(behind.code, Some(1));
    assert!(behind.out.contains("behind: 1 worker"), "{}", behind.out);
    let late = run(folder.path(), &server, &["status", "--wait", &two, "--timeout", "1"]).await;
    assert_eq!(late.code, Some(1));

    let arguments = ["status", "--wait", &two, "--output", "json"];
    let waiting = run(folder.path(), &server, &arguments);
    let reporting = async {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        report(&two).await.unwrap();
    };
    let (waited, ()) = tokio::join!(waiting, reporting);
    assert_eq!(waited.code, Some(0), "{}", waited.err);
    let status: Value = serde_json::from_str(&waited.out).unwrap();
    assert_eq!(
        (&status["answer"], &status["current"]["revision"]),
        (&json!("current"), &json!(two))
    );

    let back = run(folder.path(), &server, &["rollback"]).await;
    assert_eq!(back.out, format!("revision {one} is current again at {}\n", server.url));
    let nowhere = run(folder.path(), &server, &["rollback"]).await;
    assert_eq!(nowhere.code, Some(1), "{}", nowhere.out);
    assert!(nowhere.err.contains("no revision before"), "{}", nowhere.err);
    assert!(!TOKEN.is_empty() && !nowhere.err.contains(TOKEN));
}
