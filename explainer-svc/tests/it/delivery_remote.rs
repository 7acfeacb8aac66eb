//! Policies from a bundle server: real servers on real sockets, one of them with TLS.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use explainer_svc::delivery::Location;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::delivery::bundle;
use crate::support::TestServer;

const LONG_POLLING: &str = "application/vnd.openpolicyagent.bundles";

/// What a server of bundles has, and what it was asked.
struct Bundles {
    content: watch::Sender<Answer>,
    asked: Mutex<Vec<(String, String, String)>>,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    body: Bytes,
    etag: String,
    waits: bool,
}

impl Answer {
    fn new(etag: &str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            etag: format!("\"{etag}\""),
            waits: true,
        }
    }
}

async fn give(State(state): State<Arc<Bundles>>, headers: HeaderMap) -> Response {
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let known = header("if-none-match");
    state
        .asked
        .lock()
        .unwrap()
        .push((known.clone(), header("prefer"), header("authorization")));
    let mut content = state.content.subscribe();
    let waits = content.borrow().waits;
    if waits {
        let is_news = |answer: &Answer| answer.etag != known || answer.status != 200;
        let _ = tokio::time::timeout(Duration::from_secs(2), content.wait_for(is_news)).await;
    }
    let answer = content.borrow().clone();
    let kind = [(
        "content-type",
        if answer.waits { LONG_POLLING } else { "application/gzip" },
    )];
    if answer.status == 200 && answer.etag == known {
        return (StatusCode::NOT_MODIFIED, kind).into_response();
    }
    (
        StatusCode::from_u16(answer.status).unwrap(),
        kind,
        [("etag", answer.etag)],
        answer.body,
    )
        .into_response()
}

async fn bundles(first: Answer) -> (Arc<Bundles>, String) {
    let state = Arc::new(Bundles {
        content: watch::Sender::new(first),
        asked: Mutex::new(Vec::new()),
    });
    let router = Router::new()
        .route("/bundle.tar.gz", get(give))
        .with_state(Arc::clone(&state));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/bundle.tar.gz", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (state, url)
}

pub(crate) fn current(status: &Value) -> &str {
    status["current"]["revision"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_server_that_waits_is_heard_at_once_and_its_errors_change_nothing() {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("bearer");
    std::fs::write(&token, "for the bundles\n").unwrap();
    let (bundles, url) = bundles(Answer::new("1", bundle("one"))).await;
    let server = TestServer::with(|config| {
        config.policies.location = Location::Bundle(url.clone());
        config.policies.token_file = Some(token.clone());
        config.policies.interval = Duration::from_hours(1);
    })
    .await;
    let status = server.until("the first", |status| !current(status).is_empty()).await;
    let one = current(&status).to_owned();
    assert_eq!(status["source"]["location"], url.as_str());

    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    bundles.content.send_replace(Answer::new("2", bundle("two")));
    server.until("the second", |status| current(status) != one).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let two = server.revision().await;

    // The same under another name is nothing new, and what is refused is not asked for again and again.
    bundles.content.send_replace(Answer::new("3", bundle("two")));
    bundles.content.send_replace(Answer::new("4", vec![0; 100 << 20]));
    let status = server
        .until("too large", |status| status["refused"].as_array().unwrap().len() == 1)
        .await;
    assert!(
        status["refused"][0]["reasons"][0]
            .as_str()
            .unwrap()
            .contains("larger than 32 MiB"),
        "{status:#}"
    );
    let half = bundle("half");
    bundles
        .content
        .send_replace(Answer::new("5", half[..half.len() / 2].to_vec()));
    let status = server
        .until("cut off", |status| status["refused"].as_array().unwrap().len() == 2)
        .await;
    assert!(
        status["refused"][0]["reasons"][0]
            .as_str()
            .unwrap()
            .contains("cannot be unpacked"),
        "{status:#}"
    );

    bundles.content.send_replace(Answer {
        status: 500,
        ..Answer::new("6", b"oh".to_vec())
    });
    let status = server
        .until("an error", |status| status["source"]["lastError"].is_string())
        .await;
    assert!(
        status["source"]["lastError"].as_str().unwrap().contains("500"),
        "{status:#}"
    );
    assert_eq!(current(&status), two);
    bundles.content.send_replace(Answer::new("7", bundle("three")));
    let status = server.until("well again", |status| current(status) != two).await;
    assert_eq!(status["source"]["lastError"], Value::Null);

    let asked = bundles.asked.lock().unwrap().clone();
    assert_eq!(
        asked[0],
        (
            String::new(),
            "modes=snapshot;wait=30".to_owned(),
            "Bearer for the bundles".to_owned()
        )
    );
    assert!(asked.iter().any(|(known, ..)| known == "\"2\""), "{asked:?}");
    assert!(asked.iter().any(|(known, ..)| known == "\"5\""), "{asked:?}");
    assert!(asked.len() < 30, "{}", asked.len());
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("whynot_policy_fetches_total{outcome=\"failed\"}"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_wait_is_asked_in_intervals() {
    let (bundles, url) = bundles(Answer {
        waits: false,
        ..Answer::new("1", bundle("one"))
    })
    .await;
    let server = TestServer::with(|config| {
        config.policies.location = Location::Bundle(url);
        config.policies.interval = Duration::from_secs(1);
    })
    .await;
    let status = server.until("the first", |status| !current(status).is_empty()).await;
    let one = current(&status).to_owned();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = bundles.asked.lock().unwrap().len();
    assert!((2..=6).contains(&asked), "{asked}");
    bundles.content.send_replace(Answer {
        waits: false,
        ..Answer::new("2", bundle("two"))
    });
    server.until("the second", |status| current(status) != one).await;
}

#[tokio::test]
async fn without_an_answer_there_are_no_policies_and_the_reason_is_said() {
    let server = TestServer::with(|config| {
        config.policies.location = Location::Bundle("http://127.0.0.1:9/bundle.tar.gz?signature=secret".to_owned());
    })
    .await;
    server
        .until("an error", |status| status["source"]["lastError"].is_string())
        .await;
    let response = server.get("/v1/policies").await;
    assert_eq!(response.status(), 404);
    let detail = response.text().await.unwrap();
    assert!(detail.contains("127.0.0.1:9") && detail.contains("refused"), "{detail}");
    let status = server.status().await.to_string();
    assert!(status.contains("http://127.0.0.1:9/bundle.tar.gz"), "{status}");
    assert!(
        !detail.contains("secret") && !status.contains("secret"),
        "{detail} {status}"
    );
    let push = server.push(bundle("one")).await.text().await.unwrap();
    assert!(!push.contains("secret"), "{push}");
}

/// The same server with TLS, by an authority that only the test knows.
pub(crate) async fn with_tls(folder: &TempDir, router: Router) -> (String, std::path::PathBuf) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let certificate = authority.self_signed(&authority_key).unwrap();
    let path = folder.path().join("ca.crt");
    std::fs::write(&path, certificate.pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = hyper_util::service::TowerToHyperService::new(router);
                let io = hyper_util::rt::TokioIo::new(stream);
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ = hyper_util::server::conn::auto::Builder::new(executor)
                    .serve_connection(io, service)
                    .await;
            });
        }
    });
    (format!("localhost:{port}"), path)
}

#[tokio::test]
async fn tls_is_checked_against_the_own_authority() {
    let folder = TempDir::new().unwrap();
    let packed = Bytes::from(bundle("one"));
    let router = Router::new().route("/bundle.tar.gz", get(move || async move { packed.clone() }));
    let (address, authority) = with_tls(&folder, router).await;
    let start = async |authority| {
        TestServer::with(|config| {
            config.policies.location = Location::Bundle(format!("https://{address}/bundle.tar.gz"));
            config.policies.authority_file = authority;
        })
        .await
    };
    let trusting = start(Some(authority)).await;
    trusting.until("the first", |status| !current(status).is_empty()).await;
    let strict = start(None).await;
    let status = strict
        .until("an error", |status| status["source"]["lastError"].is_string())
        .await;
    assert_eq!(status["current"], Value::Null);
    let error = status["source"]["lastError"].as_str().unwrap().to_lowercase();
    assert!(error.contains("certificate"), "{error}");
}
