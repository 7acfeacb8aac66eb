//! Every limit, seen to fire.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use explainer_svc::api;
use explainer_svc::config::Limits;
use explainer_svc::telemetry::Metrics;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestServer, client, denial};

/// A request whose body does not come.
pub(crate) async fn unfinished(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let body = denial().to_string();
    let head = format!(
        "POST /v1/explain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{{",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Everything that comes until the server closes, or has nothing more to say.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let server = TestServer::start().await;
    let mut body = denial();
    body["violations"][0]["why"] = "x".repeat(4 << 20).into();
    let response = server.post(&body).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    body["violations"][0]["why"] = "x".repeat((4 << 20) - 4096).into();
    assert_eq!(server.post(&body).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let server = TestServer::with(|config| config.limits.request = Duration::from_millis(200)).await;
    let begun = Instant::now();
    let mut stream = unfinished(&server).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(
        (200..2000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn more_requests_than_allowed_are_shed_and_probes_are_not() {
    let server = TestServer::with(|config| config.limits.concurrency = 1).await;
    let stream = unfinished(&server).await;
    let shed = loop {
        let response = server.post(&denial()).await;
        if response.status() != StatusCode::OK {
            break response;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(shed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shed.headers()["retry-after"], "1");
    assert_eq!(
        shed.json::<Value>().await.unwrap()["detail"],
        "Too many requests at a time."
    );
    for probe in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(probe).await.status(), StatusCode::OK, "{probe}");
    }
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.post(&denial()).await.status() != StatusCode::OK {
        assert!(Instant::now() < deadline, "the place is free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn headers_that_do_not_come_close_the_connection() {
    let server = TestServer::with(|config| config.limits.headers = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.unwrap();
    let begun = Instant::now();
    rest(&mut stream).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn connections_are_limited() {
    let server = TestServer::with(|config| config.limits.connections = 1).await;
    let mut first = TcpStream::connect(server.address()).await.unwrap();
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();

    let mut second = TcpStream::connect(server.address()).await.unwrap();
    second
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), second.read_exact(&mut answer)).await;
    assert!(waited.is_err(), "the second connection waits");
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_lives() {
    let metrics = Metrics::default();
    let panicking = Router::new().route("/panic", get(|| async { panic!("secret detail") as &str }));
    let router = api::hardened(api::limited(panicking, &Limits::default()), metrics.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/panic", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    for _ in 0..2 {
        let response = client().get(&url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(!response.text().await.unwrap().contains("secret"));
    }
    assert!(
        metrics
            .encode()
            .unwrap()
            .contains(r#"{method="GET",route="/panic",status="500"} 2"#)
    );
}
