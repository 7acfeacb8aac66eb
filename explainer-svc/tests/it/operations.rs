//! Probes, metrics, the description of the interface, and shutdown.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::limits::unfinished;
use crate::support::{TestServer, denial, replica, with_review};

#[tokio::test]
async fn probes_answer() {
    let server = TestServer::start().await;
    for probe in ["/healthz", "/readyz"] {
        let response = server.get(probe).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.text().await.unwrap(), "ok\n");
    }
}

#[tokio::test]
async fn metrics_count_and_hold_nothing_that_a_caller_wrote() {
    let server = TestServer::start().await;
    server.explain(&with_review(denial(), "name", "secret-name")).await;
    server.explain(&replica()).await;
    server.explain(&replica()).await;
    server.get("/secret-path").await;
    let response = server.get("/metrics").await;
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = response.text().await.unwrap();
    for line in [
        r#"whynot_explanations_total{outcome="ok"} 3"#,
        r#"whynot_violations_total{action="deny"} 2"#,
        "whynot_retries_total 1",
        r#"whynot_http_requests_total{method="POST",route="/v1/explain",status="200"} 3"#,
        r#"whynot_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"whynot_http_request_seconds_count{route="/v1/explain"} 3"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains("checkout"), "{text}");
}

/// `INSTA_UPDATE=always` writes the file anew.
#[tokio::test]
async fn the_openapi_document_is_the_one_that_is_checked_in() {
    let server = TestServer::start().await;
    let document = server.json("/openapi.json").await;
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "openapi.json is not what the code says: run this test with INSTA_UPDATE=always and look at the difference"
    );
}

#[tokio::test]
async fn every_route_is_in_the_openapi_document() {
    let server = TestServer::start().await;
    let document = server.json("/openapi.json").await;
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/audit/checkpoint",
            "/audit/tile/{path}",
            "/e/{id}",
            "/healthz",
            "/metrics",
            "/openapi.json",
            "/readyz",
            "/v1/audit/consistency",
            "/v1/audit/events",
            "/v1/audit/proof",
            "/v1/chat/completions",
            "/v1/context",
            "/v1/context/namespaces/{name}",
            "/v1/context/status",
            "/v1/explain",
            "/v1/filter/status",
            "/v1/gateway/kill",
            "/v1/gateway/usage",
            "/v1/governance",
            "/v1/models",
            "/v1/models/{id}",
            "/v1/policies",
            "/v1/policies/rollback",
            "/v1/policies/status",
            "/v1/violations"
        ]
    );
}

#[tokio::test]
async fn a_shutdown_finishes_what_was_begun_and_takes_nothing_new() {
    let mut server = TestServer::start().await;
    let address = server.address().to_owned();
    let mut stream = unfinished(&server).await;
    // A second request that is answered proves that the first one has arrived.
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.begin_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(&address).await.is_err(), "nothing new is taken");

    let body = denial().to_string();
    stream.write_all(body.get(1..).unwrap().as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    assert!(serde_json::from_str::<Value>(json).unwrap()["id"].is_string());
    server.stopped().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let mut server = TestServer::with(|config| config.shutdown_timeout = Duration::from_millis(300)).await;
    let _stream = unfinished(&server).await;
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    server.begin_stop();
    server.stopped().await;
    assert!(
        (250..3000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
}
