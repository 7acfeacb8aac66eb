//! What the service records beside explanations: reminders, policies that were refused and taken up, retention.

use std::path::Path;
use std::time::Duration;

use explainer_svc::delivery::Token;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::delivery::{TOKEN, bundle};
use crate::support::{PRIVILEGED, TestServer, denial, replica};

async fn events(server: &TestServer, kind: &str) -> Vec<Value> {
    let page = server.json(&format!("/v1/audit/events?kind={kind}&limit=1000")).await;
    page["items"].as_array().unwrap().clone()
}

/// Once there are so many.
async fn logged(server: &TestServer, kind: &str, number: usize) -> Vec<Value> {
    for _ in 0..200 {
        let events = events(server, kind).await;
        if events.len() >= number {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no {number} {kind} in the log");
}

#[tokio::test]
async fn a_reminder_is_recorded_and_not_again_when_a_controller_is_told_it_again() {
    let server = TestServer::start().await;
    server.explain(&denial()).await;
    logged(&server, "verdict-explained", 1).await;
    assert!(
        events(&server, "nudge-sent").await.is_empty(),
        "the first time is no reminder"
    );
    let second = server.explain(&denial()).await;
    let sent = logged(&server, "nudge-sent", 1).await;
    assert_eq!(sent[0]["subject"], second["id"]);
    assert_eq!(
        sent[0]["payload"],
        json!({"team": "checkout", "rules": [{"policy": PRIVILEGED, "count": 2, "days": 14}]})
    );
    server.explain(&replica()).await;
    logged(&server, "nudge-sent", 2).await;
    server.explain(&replica()).await;
    logged(&server, "verdict-explained", 4).await;
    assert_eq!(events(&server, "nudge-sent").await.len(), 2);
}

async fn administered(folder: &Path) -> TestServer {
    let token = folder.join("token");
    std::fs::write(&token, TOKEN).unwrap();
    TestServer::at(&folder.join("state/whynot.db"), |config| {
        config.policies.administrator = Some(Token::open(token).unwrap());
    })
    .await
}

async fn push(server: &TestServer, body: Vec<u8>) -> u16 {
    let url = format!("{}/v1/policies", server.url);
    let request = server
        .client
        .post(url)
        .bearer_auth(TOKEN)
        .header("content-type", "application/gzip")
        .body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn policies_that_are_refused_are_recorded_once_and_those_taken_up_once_for_each_time() {
    let folder = TempDir::new().unwrap();
    let server = administered(folder.path()).await;
    assert_eq!(push(&server, b"nonsense".to_vec()).await, 422);
    let refused = logged(&server, "policy-refused", 1).await;
    assert_eq!(
        (&refused[0]["subject"], &refused[0]["payload"]["origin"]),
        (&json!("unread"), &json!("push"))
    );
    assert!(!refused[0]["payload"]["reasons"].as_array().unwrap().is_empty());
    assert_eq!(push(&server, b"nonsense".to_vec()).await, 422);
    assert_eq!(push(&server, bundle("one")).await, 200);
    logged(&server, "policy-rolled-out", 1).await;
    assert_eq!(events(&server, "policy-refused").await.len(), 1);
    server.stop().await;

    let server = administered(folder.path()).await;
    assert_eq!(push(&server, bundle("two")).await, 200);
    let rolled_out = logged(&server, "policy-rolled-out", 2).await;
    assert_eq!(
        rolled_out.len(),
        2,
        "what was current at a start is no news: {rolled_out:?}"
    );
}

#[tokio::test]
async fn retention_is_looked_after_and_says_so() {
    let server = TestServer::with(|config| config.retention_days = 30).await;
    let ran = logged(&server, "retention-run", 1).await;
    assert_eq!(
        ran[0]["payload"],
        json!({"explanations": 0, "usage": 0, "payloads": 0, "days": {"explanations": 30, "usage": 400, "payloads": 400}})
    );
}
