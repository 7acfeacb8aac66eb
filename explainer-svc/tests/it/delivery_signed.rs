//! Bundles that are signed.

use std::fs;
use std::path::{Path, PathBuf};

use explainer_svc::sources::{Key, Trust, Verification};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::delivery::{bundle, token};
use crate::support::TestServer;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/opa-bundles")
        .join(name)
}

#[tokio::test]
async fn with_a_key_only_what_it_signed_is_taken() {
    let folder = TempDir::new().unwrap();
    let token = token(folder.path());
    let keys = Key::parse(&fs::read(fixture("keys/p256.pem")).unwrap(), None).unwrap();
    let server = TestServer::with(|config| {
        config.policies.administrator = Some(token);
        config.policies.options.verification = Verification::Required(Box::new(Trust {
            keys,
            ..Trust::default()
        }));
    })
    .await;
    let signed = server.pushed(fs::read(fixture("good/es256.tar.gz")).unwrap()).await;
    for (name, body) in [
        ("unsigned", bundle("unsigned")),
        ("of another key", fs::read(fixture("good/es384.tar.gz")).unwrap()),
        ("changed", fs::read(fixture("bad/changed-policy.tar.gz")).unwrap()),
        ("JSON", server.served().await.into_bytes()),
    ] {
        assert_eq!(
            server.push(body).await.status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{name}"
        );
        let reasons = server.status().await["refused"][0]["reasons"].to_string();
        assert!(
            reasons.contains("sign") || reasons.contains("digest"),
            "{name}: {reasons}"
        );
    }
    assert_eq!(server.revision().await, signed);
}

#[tokio::test]
async fn a_key_that_is_given_later_holds_for_what_is_kept() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("state/whynot.db");
    let start = async |key: Option<(&str, &str)>| {
        let token = token(folder.path());
        TestServer::at(&database, |config| {
            config.policies.administrator = Some(token);
            if let Some((key, scope)) = key {
                let keys = Key::parse(&fs::read(fixture(key)).unwrap(), None).unwrap();
                config.policies.options.verification = Verification::Required(Box::new(Trust {
                    keys,
                    scope: scope.to_owned(),
                    ..Trust::default()
                }));
            }
        })
        .await
    };
    let server = start(None).await;
    let unsigned = server.pushed(bundle("unsigned")).await;
    server.stop().await;

    let p256 = Some(("keys/p256.pem", ""));
    let server = start(p256).await;
    let status = server.status().await;
    assert_eq!(status["current"], Value::Null, "{status}");
    assert_eq!(status["refused"][0]["revision"], unsigned.as_str());
    assert!(
        status["refused"][0]["reasons"]
            .to_string()
            .contains("--verification-key"),
        "{status}"
    );
    assert!(status["history"][0]["unusable"].is_string(), "{status}");
    let absent = server.get("/v1/policies").await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    let signed = server.pushed(fs::read(fixture("good/es256.tar.gz")).unwrap()).await;
    for body in [json!({}), json!({"revision": unsigned})] {
        assert_eq!(server.roll_back(body).await.status(), StatusCode::NOT_FOUND);
    }
    server.stop().await;

    // By the same key it is current at once; by another, or for another scope, it is not.
    for (key, expected) in [
        (p256, Some(&signed)),
        (Some(("keys/p384.pem", "")), None),
        (Some(("keys/p256.pem", "write")), None),
        (None, Some(&signed)),
    ] {
        let server = start(key).await;
        let current = server.status().await["current"]["revision"].clone();
        assert_eq!(current.as_str(), expected.map(String::as_str), "{key:?}");
        server.stop().await;
    }
}
