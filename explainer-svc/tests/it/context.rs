//! The context of a server without a cluster, and the role for one with a cluster. A real cluster: `wasm-tests/tests/cluster/context`.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use explainer_svc::context::Source;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::TestServer;

const CONTEXT: &str = "namespaces: {shop: {labels: {team: checkout}}}\ncluster: {name: dev}\n";

async fn asked(server: &TestServer, path: &str, etag: &str) -> Response {
    let request = server.client.get(format!("{}{path}", server.url));
    request.header("if-none-match", etag).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn without_a_context_that_is_said() {
    let server = TestServer::start().await;
    let response = server.get("/v1/context?wait=5").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let problem: Value = response.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("--kubernetes"),
        "{problem}"
    );
    let response = server.get("/v1/context/namespaces/shop").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.json("/v1/context/status").await["revision"], Value::Null);
}

#[tokio::test]
async fn a_file_that_changes_is_a_new_revision_and_who_waits_is_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("context.yaml");
    std::fs::write(&file, CONTEXT).unwrap();
    let server = TestServer::with(|config| config.context = Source::File(file.clone())).await;
    let first = server.get("/v1/context").await;
    let etag = header(&first, "etag").to_owned();
    assert_eq!(etag.len(), 14, "12 digits and quotes: {etag}");
    assert_eq!(header(&first, "whynot-context-age-ms"), "0");
    let context: Value = first.json().await.unwrap();
    assert_eq!(context["namespaces"]["shop"]["labels"]["team"], "checkout");
    let shop = server.json("/v1/context/namespaces/shop").await;
    assert_eq!(
        (&shop["name"], &shop["labels"]["team"]),
        (&"shop".into(), &"checkout".into())
    );
    assert_eq!(
        server.get("/v1/context/namespaces/new").await.status(),
        StatusCode::NOT_FOUND
    );

    let begun = Instant::now();
    let same = asked(&server, "/v1/context?wait=1", &etag).await;
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&same, "whynot-context-age-ms"), "0");
    assert!(begun.elapsed() >= Duration::from_millis(950), "{:?}", begun.elapsed());
    assert_eq!(
        asked(&server, "/v1/context", &etag).await.status(),
        StatusCode::NOT_MODIFIED
    );

    // What cannot be read changes nothing, and is said.
    std::fs::write(&file, "namespaces: [").unwrap();
    let begun = Instant::now();
    while server.json("/v1/context/status").await["fileError"].is_null() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        asked(&server, "/v1/context", &etag).await.status(),
        StatusCode::NOT_MODIFIED
    );
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("whynot_context_file_failing 1"), "{metrics}");
    assert!(
        metrics.contains("whynot_context_known 1") && metrics.contains("whynot_context_age_seconds 0"),
        "{metrics}"
    );

    let more = CONTEXT.replace("shop:", "new: {labels: {team: other}}, shop:");
    let waits = asked(&server, "/v1/context?wait=20", &etag);
    let (told, ()) = tokio::join!(waits, async { std::fs::write(&file, more).unwrap() });
    assert_eq!(told.status(), StatusCode::OK);
    assert_ne!(header(&told, "etag"), etag);
    let context: Value = told.json().await.unwrap();
    assert_eq!(context["namespaces"]["new"]["labels"]["team"], "other");
    assert_eq!(server.get("/v1/context/namespaces/new").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_who_waits() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("context.yaml");
    std::fs::write(&file, CONTEXT).unwrap();
    let mut server = TestServer::with(|config| config.context = Source::File(file)).await;
    let etag = header(&server.get("/v1/context").await, "etag").to_owned();
    let request = server.client.get(format!("{}/v1/context?wait=30", server.url));
    let waits = tokio::spawn(request.header("if-none-match", etag).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    server.begin_stop();
    assert_eq!(waits.await.unwrap().unwrap().status(), StatusCode::NOT_MODIFIED);
    server.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_wait_that_is_none_is_refused() {
    let server = TestServer::start().await;
    for wait in ["31", "-1", "x", "1.5"] {
        let response = server.get(&format!("/v1/context?wait={wait}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{wait}");
    }
}

fn whynot(arguments: &[&str]) -> (Option<i32>, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_whynot"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (run.status.code(), text(run.stdout), text(run.stderr))
}

#[test]
fn the_role_is_for_what_policies_ask_for() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut policy = std::fs::File::create(path("a.rego")).unwrap();
    policy
        .write_all(b"# METADATA\n# title: A\npackage a\n\ndeny contains \"no\" if input.x\n")
        .unwrap();
    std::fs::write(path("policy-set.yaml"), "inventory: [v1/Service]\n").unwrap();
    let sync = "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\n\
        spec: {sync: {syncOnly: [{group: networking.k8s.io, version: v1, kind: Ingress}]}}\n";
    std::fs::write(path("config.yaml"), sync).unwrap();
    let policies = folder.path().to_str().unwrap();
    let (code, out, err) = whynot(&[
        "context",
        "rbac",
        "--policies",
        policies,
        "--inventory",
        "apps/v1/Deployment",
    ]);
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "[services]",
        "[ingresses]",
        "[deployments]",
        "[namespaces]",
        "clusterrolebinding",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("gatekeeper"), "{out}");

    let (code, _, err) = whynot(&["context", "rbac", "--inventory", "example.com/v1/Index"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("example.com/v1/Index: add --kubernetes"), "{err}");
    let (code, _, err) = whynot(&["context", "rbac", "--inventory", "Pod"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("GROUP/VERSION/KIND"), "{err}");
    let (code, _, err) = whynot(&["serve", "--listen", "127.0.0.1:0", "--inventory", "v1/Pod"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("add --kubernetes"), "{err}");

    std::fs::write(path("policy-set.yaml"), "inventory: [Service]\n").unwrap();
    let (code, _, err) = whynot(&["context", "rbac", "--policies", policies]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("policy-set.yaml") && err.contains("GROUP/VERSION/KIND"),
        "{err}"
    );
}
