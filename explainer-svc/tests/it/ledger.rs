//! `GET /v1/violations`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{PRIVILEGED, TestServer, denial, violation, with_review};

#[tokio::test]
async fn violations_are_found_by_team_policy_namespace_action_and_time() {
    let server = TestServer::start().await;
    server.explain(&denial()).await;
    server
        .explain(&with_review(denial(), "labels", json!({"team": "search & find"})))
        .await;
    let mut warned = with_review(denial(), "namespace", "other");
    warned["violations"] = json!([violation("general/no-latest")]);
    warned["violations"][0]["action"] = "warn".into();
    server.explain(&warned).await;

    for (conditions, expected) in [
        ("", 3),
        ("?team=checkout", 2),
        ("?team=search%20%26%20find", 1),
        ("?team=nobody", 0),
        ("?policy=general/no-latest", 1),
        ("?namespace=shop", 2),
        ("?action=warn", 1),
        ("?team=checkout&action=deny", 1),
        ("?since=1d", 3),
        ("?since=2026-01-01", 3),
        ("?since=2026-01-01T00:00:00Z", 3),
        ("?since=2999-01-01", 0),
    ] {
        let page = server.json(&format!("/v1/violations{conditions}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), expected, "{conditions}");
        assert_eq!(page["next"], Value::Null);
    }
    let newest = &server.violations().await[0];
    assert_eq!(newest["policy"], "general/no-latest");
    assert_eq!(
        newest["url"],
        format!("{}/e/{}", server.url, newest["explanation"].as_str().unwrap())
    );
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_overlap() {
    let server = TestServer::start().await;
    for n in 0..7 {
        server.explain(&with_review(denial(), "name", format!("web-{n}"))).await;
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let page = server.json(&format!("/v1/violations?limit=3{cursor}")).await;
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        let Some(next) = page["next"].as_i64() else { break };
        cursor = format!("&cursor={next}");
        // What arrives meanwhile is not on the pages that follow.
        server.explain(&with_review(denial(), "name", "late")).await;
    }
    assert_eq!(pages, 3);
    assert_eq!(names, ["web-6", "web-5", "web-4", "web-3", "web-2", "web-1", "web-0"]);
}

#[tokio::test]
async fn what_is_recorded_is_what_was_asked() {
    let server = TestServer::start().await;
    server.explain(&denial()).await;
    let mut row = server.violations().await.remove(0);
    for field in ["id", "explanation", "url", "at", "lastSeen"] {
        row.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(row["policy"], PRIVILEGED);
    insta::assert_json_snapshot!(row);
}

#[tokio::test]
async fn conditions_that_are_not_understood_are_named() {
    let server = TestServer::start().await;
    let mut problems = Vec::new();
    for conditions in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "action=block",
        "since=yesterday",
        "since=P99999999999Y",
        "teams=a",
    ] {
        let response = server.get(&format!("/v1/violations?{conditions}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{conditions}");
        problems.push((conditions, response.json::<Value>().await.unwrap()));
    }
    insta::assert_json_snapshot!(problems);
}
