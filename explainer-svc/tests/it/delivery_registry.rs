//! Policies from a registry: a real server on a real socket, one of them with TLS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64, HEXLOWER};
use explainer_svc::delivery::Location;
use explainer_svc::sources::Key;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::delivery::bundle;
use crate::delivery_remote::{current, with_tls};
use crate::support::TestServer;

/// A registry: the part of the distribution protocol that pulling needs, with a login.
#[derive(Default)]
struct Registry {
    blobs: BTreeMap<String, Vec<u8>>,
    /// By tag or digest.
    manifests: BTreeMap<String, Vec<u8>>,
    login: Option<String>,
}

type Shared = Arc<Mutex<Registry>>;

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)))
}

impl Registry {
    fn blob(&mut self, content: &[u8]) -> Value {
        let digest = digest(content);
        self.blobs.insert(digest.clone(), content.to_vec());
        json!({"digest": digest, "size": content.len()})
    }

    fn manifest(&mut self, tag: &str, layers: &[Value]) -> String {
        let mut config = self.blob(b"{}");
        config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                              "config": config, "layers": layers});
        let bytes = manifest.to_string().into_bytes();
        let digest = digest(&bytes);
        self.manifests.insert(tag.to_owned(), bytes.clone());
        self.manifests.insert(digest.clone(), bytes);
        digest
    }

    /// As OPA pushes a bundle.
    fn bundle(&mut self, tag: &str, content: &[u8]) -> String {
        let mut layer = self.blob(content);
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
        self.manifest(tag, &[layer])
    }

    /// As cosign signs, over whatever it says.
    fn sign(&mut self, signed: &str, said: &str, key: &EcdsaKeyPair) {
        let payload = json!({"critical": {"identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": said}, "type": "cosign container image signature"}, "optional": null});
        let payload = payload.to_string().into_bytes();
        let signature = key.sign(&SystemRandom::new(), &payload).unwrap();
        let mut layer = self.blob(&payload);
        layer["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json".into();
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": BASE64.encode(signature.as_ref())});
        self.manifest(&format!("{}.sig", signed.replace(':', "-")), &[layer]);
    }
}

async fn registry(State(state): State<Shared>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let state = state.lock().unwrap();
    let host = headers["host"].to_str().unwrap();
    let given = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    if let Some(login) = &state.login
        && given != "Bearer for-pulling"
    {
        if uri.path() == "/token" {
            let expected = format!("Basic {}", BASE64.encode(login.as_bytes()));
            return if given == expected {
                axum::Json(json!({"token": "for-pulling"})).into_response()
            } else {
                StatusCode::UNAUTHORIZED.into_response()
            };
        }
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
        let body = axum::Json(json!({"errors": [{"code": "UNAUTHORIZED", "message": "no"}]}));
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)], body).into_response();
    }
    let missing = |code: &str| {
        (
            StatusCode::NOT_FOUND,
            axum::Json(json!({"errors": [{"code": code, "message": "missing"}]})),
        )
            .into_response()
    };
    assert_eq!(method, Method::GET);
    if let Some(name) = uri.path().strip_prefix("/v2/team/policies/manifests/") {
        return match state.manifests.get(name) {
            Some(bytes) => (
                [("content-type", "application/vnd.oci.image.manifest.v1+json")],
                bytes.clone(),
            )
                .into_response(),
            None => missing("MANIFEST_UNKNOWN"),
        };
    }
    if let Some(name) = uri.path().strip_prefix("/v2/team/policies/blobs/") {
        return state
            .blobs
            .get(name)
            .map_or_else(|| missing("BLOB_UNKNOWN"), |bytes| bytes.clone().into_response());
    }
    if uri.path() == "/v2/" {
        StatusCode::OK.into_response()
    } else {
        missing("NAME_UNKNOWN")
    }
}

fn router(state: &Shared) -> Router {
    Router::new().fallback(registry).with_state(Arc::clone(state))
}

/// A registry on a port of its own.
async fn serve(state: &Shared) -> String {
    let router = router(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A key pair, and its public half as cosign writes it.
fn key_pair() -> (EcdsaKeyPair, Key) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let signing = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &pair.serialize_der(),
        &SystemRandom::new(),
    )
    .unwrap();
    let public = Key::parse(pair.public_key_pem().as_bytes(), None).unwrap().remove(0);
    (signing, public)
}

async fn pulling(address: &str, name: &str, key: Option<Key>) -> TestServer {
    let reference = format!("{address}/team/policies{name}");
    TestServer::with(|config| {
        config.policies.location = Location::Oci(reference);
        config.policies.cosign = key;
        config.policies.interval = Duration::from_secs(1);
    })
    .await
}

#[tokio::test]
async fn an_artefact_is_taken_when_its_signature_is_the_keys() {
    let (signing, public) = key_pair();
    let (other, _) = key_pair();
    let state = Shared::default();
    let good = {
        let mut registry = state.lock().unwrap();
        let good = registry.bundle("v1", &bundle("one"));
        registry.sign(&good, &good, &signing);
        good
    };
    let address = serve(&state).await;
    let server = pulling(&address, ":v1", Some(public.clone())).await;
    let status = server.until("the first", |status| !current(status).is_empty()).await;
    let one = current(&status).to_owned();
    assert_eq!(status["source"]["kind"], "oci");

    // Moved to something that is not signed, that another key signed, that the key signed for another artefact.
    let steps: [(&str, &str); 3] = [
        ("two", "is not signed"),
        ("three", "not this key's"),
        ("four", "it is for sha256:"),
    ];
    for (message, expected) in steps {
        {
            let mut registry = state.lock().unwrap();
            let moved = registry.bundle("v1", &bundle(message));
            match message {
                "three" => registry.sign(&moved, &moved, &other),
                "four" => registry.sign(&moved, &good, &signing),
                _ => {}
            }
        }
        let is_told = |status: &Value| status["refused"][0]["reasons"].to_string().contains(expected);
        let status = server.until(expected, is_told).await;
        assert_eq!(current(&status), one, "{message}");
    }
    {
        let mut registry = state.lock().unwrap();
        let moved = registry.bundle("v1", &bundle("five"));
        registry.sign(&moved, &moved, &signing);
    }
    server.until("signed again", |status| current(status) != one).await;

    // By its digest it stays what it is.
    let fixed = pulling(&address, &format!("@{good}"), Some(public)).await;
    fixed.until("the first", |status| current(status) == one).await;
}

#[tokio::test]
async fn what_is_not_what_its_digest_says_is_refused() {
    let state = Shared::default();
    let layer = digest(&bundle("one"));
    {
        let mut registry = state.lock().unwrap();
        registry.bundle("v1", &bundle("one"));
        registry.blobs.insert(layer.clone(), bundle("evil"));
    }
    let address = serve(&state).await;
    let server = pulling(&address, ":v1", None).await;
    let status = server
        .until("refused", |status| !status["refused"].as_array().unwrap().is_empty())
        .await;
    assert_eq!(status["current"], Value::Null);
    assert!(
        status["refused"][0]["reasons"].to_string().contains("digest"),
        "{status:#}"
    );
    {
        let mut registry = state.lock().unwrap();
        let mut layer = registry.blob(&vec![0; 33 << 20]);
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
        registry.manifest("v1", &[layer]);
    }
    let is_told = |status: &Value| {
        status["refused"][0]["reasons"]
            .to_string()
            .contains("larger than 32 MiB")
    };
    server.until("too large", is_told).await;
}

#[tokio::test]
async fn a_registry_is_logged_in_to() {
    let folder = TempDir::new().unwrap();
    let state = Shared::default();
    {
        let mut registry = state.lock().unwrap();
        registry.login = Some("robot:its password".to_owned());
        registry.bundle("v1", &bundle("one"));
    }
    let address = serve(&state).await;
    let config = folder.path().join("config.json");
    let write = |password: &str| {
        let auth = BASE64.encode(format!("robot:{password}").as_bytes());
        std::fs::write(
            &config,
            json!({"auths": {(address.as_str()): {"auth": auth}}}).to_string(),
        )
        .unwrap();
    };
    write("wrong");
    let server = TestServer::with(|settings| {
        settings.policies.location = Location::Oci(format!("{address}/team/policies:v1"));
        settings.policies.registry_config = Some(config.clone());
        settings.policies.interval = Duration::from_secs(1);
    })
    .await;
    server
        .until("refused", |status| status["source"]["lastError"].is_string())
        .await;
    write("its password");
    server.until("logged in", |status| !current(status).is_empty()).await;
}

#[tokio::test]
async fn a_registry_with_tls_needs_its_authority() {
    let folder = TempDir::new().unwrap();
    let state = Shared::default();
    state.lock().unwrap().bundle("v1", &bundle("one"));
    let (address, authority) = with_tls(&folder, router(&state)).await;
    let server = TestServer::with(|config| {
        config.policies.location = Location::Oci(format!("{address}/team/policies:v1"));
        config.policies.authority_file = Some(authority);
    })
    .await;
    server.until("the first", |status| !current(status).is_empty()).await;
}
