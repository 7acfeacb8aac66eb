//! `POST /v1/explain` for a webhook of anybody's: words, fix, link; and errors that name the field.

use std::fs;
use std::path::{Path, PathBuf};

use explainer_svc::config::Config;
use explainer_svc::context::Source;
use explainer_svc::delivery::Location;
use insta::assert_snapshot;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::TestServer;

pub(crate) const MESSAGE: &str = "[must-have-owner] you must provide labels: {\"owner\"}";

pub(crate) fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "name": "web", "namespace": "shop",
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "userInfo": {"username": "jane"},
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "nginx:1.29"}]}
            }
        }
    })
}

fn asked(message: &str) -> Value {
    json!({
        "apiVersion": "whynot.dev/v1", "kind": "ExplainRequest", "webhook": "gate.example", "message": message,
        "admissionReview": review(), "deadlineMs": 10_000,
    })
}

/// With the policies of the fixtures, and a context in which the namespace is the one that they select.
pub(crate) fn with_policies(config: &mut Config) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/other-webhooks/policies");
    config.policies.location = Location::Files(vec![folder]);
    let context = json!({"namespaces": {"shop": {"labels": {"tier": "shop"}, "annotations": {}}}});
    config.context = Source::Fixed(Box::new(serde_json::from_value(context).unwrap()));
}

#[tokio::test]
async fn a_policy_that_says_the_same_gives_a_fix() {
    let server = TestServer::with(with_policies).await;
    let answer = server.explain(&asked(MESSAGE)).await;
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    assert_eq!(text("url"), format!("{}/e/{}", server.url, text("id")));
    assert_eq!(
        text("message"),
        format!(
            "{}\n\nIn the words of the webhook gate.example:\n{MESSAGE}",
            text("explanation").trim_end()
        )
    );
    assert_snapshot!(text("explanation").replace(&text("url"), "http://host/e/ID"));
    let items =
        json!([{"policy": "must-have-owner", "message": "you must provide labels: {\"owner\"}", "known": true}]);
    assert_eq!(answer["items"], items);
    let fix = &answer["fix"];
    assert_eq!(
        (&fix["verified"], &fix["complete"], &fix["removes"]),
        (&true.into(), &true.into(), &false.into())
    );
    assert_eq!(fix["patch"][0]["path"], "/metadata/labels/owner");
    assert_eq!(answer["source"], "engine");
    assert_eq!(
        answer["revision"],
        server.json("/v1/policies/status").await["current"]["revision"]
    );
    let recorded = server.violations().await;
    assert_eq!(recorded[0]["policy"], "webhook/gate.example/must-have-owner");
    assert_eq!(recorded[0]["action"], "deny");
    let page = server.json(&format!("/e/{}", text("id"))).await;
    assert_eq!(page["request"]["upstream"]["webhook"], "gate.example", "{page}");
}

#[tokio::test]
async fn the_fix_of_an_answer_is_that_of_check() {
    let server = TestServer::with(with_policies).await;
    let answer = server.explain(&asked(MESSAGE)).await;
    let members: Vec<&String> = answer["fix"].as_object().unwrap().keys().collect();
    let check = include_str!("snapshots/it__check_formats__check_json.snap");
    for member in &members {
        assert!(check.contains(&format!("\"{member}\":")), "{member}");
    }
    assert_eq!(members.len(), 10);
}

#[tokio::test]
async fn where_nothing_is_known_the_text_is_taken_apart() {
    let server = TestServer::start().await;
    let answer = server.explain(&asked(MESSAGE)).await;
    assert_eq!((&answer["fix"], &answer["revision"]), (&Value::Null, &Value::Null));
    assert_eq!(answer["items"][0]["policy"], "must-have-owner");
    assert_eq!(answer["items"][0]["known"], false);
    assert!(answer["message"].as_str().unwrap().ends_with(MESSAGE));
    let answer = server.explain(&asked("")).await;
    assert_eq!(answer["items"], json!([]));
    assert!(
        answer["explanation"].as_str().unwrap().contains("gave no reason"),
        "{answer}"
    );
}

#[tokio::test]
async fn another_context_is_another_answer() {
    let server = TestServer::with(|config| {
        with_policies(config);
        let context = json!({"namespaces": {"shop": {"labels": {"tier": "other"}, "annotations": {}}}});
        config.context = Source::Fixed(Box::new(serde_json::from_value(context).unwrap()));
    })
    .await;
    let answer = server.explain(&asked(MESSAGE)).await;
    assert_eq!(
        answer["items"][0]["known"], false,
        "the constraint is for other namespaces"
    );
    assert_eq!(answer["fix"], Value::Null);
}

#[tokio::test]
async fn little_time_costs_the_fix_and_not_the_words() {
    let server = TestServer::with(with_policies).await;
    let mut body = asked(MESSAGE);
    body["deadlineMs"] = 350.into();
    let answer = server.explain(&body).await;
    assert_eq!(answer["fix"], Value::Null);
    assert!(
        answer["explanation"].as_str().unwrap().contains("Alerts need somebody"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_field() {
    let server = TestServer::start().await;
    let with = |field: &str, value: Value| {
        let mut body = asked(MESSAGE);
        body[field] = value;
        body
    };
    let in_review = |pointer: &str, value: Value| {
        let mut body = asked(MESSAGE);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let mut missing = asked(MESSAGE);
    missing.as_object_mut().unwrap().remove("admissionReview");
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let deep = asked(MESSAGE).to_string().replace("\"nginx:1.29\"", &deep);
    let mut seen = Vec::new();
    for body in [
        with("apiVersion", "whynot.dev/v2".into()).to_string(),
        with("kind", "Explain".into()).to_string(),
        with("kind", 1.into()).to_string(),
        with("webhook", "".into()).to_string(),
        with("webhook", "a\u{0}b".into()).to_string(),
        with("webhook", "a".repeat(254).into()).to_string(),
        with("message", Value::Null).to_string(),
        with("message", "x".repeat(131_073).into()).to_string(),
        with("deadlineMs", 0.into()).to_string(),
        with("deadlineMs", (-1).into()).to_string(),
        with("deadlineMs", 1e300.into()).to_string(),
        with("extra", 1.into()).to_string(),
        with("admissionReview", Value::Null).to_string(),
        with("admissionReview", json!({})).to_string(),
        in_review("/admissionReview/apiVersion", "admission.k8s.io/v2".into()).to_string(),
        in_review("/admissionReview/request", Value::Null).to_string(),
        in_review("/admissionReview/request/uid", "".into()).to_string(),
        in_review("/admissionReview/request/operation", "PATCH".into()).to_string(),
        in_review("/admissionReview/request/kind/kind", 1.into()).to_string(),
        missing.to_string(),
        deep,
        asked(MESSAGE).to_string() + "{}",
        json!(["whynot.dev/v1", "ExplainRequest", "a", MESSAGE, review(), 1000]).to_string(),
    ] {
        let request = server.client.post(format!("{}/v1/explain", server.url));
        let request = request.header("content-type", "application/json").body(body.clone());
        let response = request.send().await.unwrap();
        let cut: String = body.chars().take(80).collect();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{cut}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: Value = response.json().await.unwrap();
        seen.push(format!(
            "{}: {}",
            problem["path"].as_str().unwrap(),
            problem["detail"].as_str().unwrap()
        ));
    }
    assert_snapshot!(seen.join("\n"));
    assert!(server.violations().await.is_empty());
}

#[tokio::test]
async fn a_review_may_be_larger_than_other_bodies_and_has_a_limit() {
    let server = TestServer::start().await;
    let mut body = asked(MESSAGE);
    let mut with = |size: usize| {
        body["admissionReview"]["request"]["object"]["metadata"]["annotations"] = json!({"a": "x".repeat(size)});
        body.clone()
    };
    assert_eq!(server.post(&with(6 << 20)).await.status(), StatusCode::OK);
    let response = server.post(&with(17 << 20)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let response = server.post(&with((15 << 20) + 1)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn secrets_are_not_stored() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("whynot.db");
    let server = TestServer::at(&database, with_policies).await;
    let mut body = asked(MESSAGE);
    let object = &mut body["admissionReview"]["request"]["object"];
    object["spec"]["containers"][0]["env"] = json!([{"name": "DB_PASSWORD", "value": "hunter2hunter2"}]);
    object["metadata"]["annotations"] = json!({"example.com/token": "hunter2hunter2"});
    let answer = server.explain(&body).await;
    assert!(answer["fix"].is_object());
    body["admissionReview"]["request"]["object"] = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "web", "namespace": "shop"}, "stringData": {"a": "hunter2hunter2"}});
    body["admissionReview"]["request"]["kind"]["kind"] = "Secret".into();
    body["message"] = "spec.a is wrong: stringData.a must be longer".into();
    let second = server.explain(&body).await;
    let texts = format!("{answer}{second}");
    server.stop().await;
    let bytes: Vec<u8> = [database.clone(), beside(&database)]
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .flatten()
        .collect();
    assert!(!texts.contains("hunter2"), "{texts}");
    assert!(!bytes.windows(7).any(|piece| piece == b"hunter2"));
    assert!(
        bytes.windows(9).any(|piece| piece == b"must-have"),
        "this is the ledger"
    );
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
