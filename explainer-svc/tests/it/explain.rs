//! `POST /v1/explain`: answers, and errors that say where.

use insta::{assert_json_snapshot, assert_snapshot};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestServer, denial, with_review};

#[tokio::test]
async fn a_denial_is_worded_and_kept_under_a_link() {
    let server = TestServer::start().await;
    let mut answer = server.explain(&denial()).await;
    let id = answer["id"].as_str().unwrap().to_owned();
    assert!(
        id.len() == 26 && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
        "{id}"
    );
    assert_eq!(answer["url"], format!("{}/e/{id}", server.url));
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("{}/e/{id}", server.url)),
        "the message leads to the link: {message}"
    );
    for field in ["id", "url", "message"] {
        let text = answer[field]
            .as_str()
            .unwrap()
            .replace(&server.url, "http://host")
            .replace(&id, "ID");
        answer[field] = text.into();
    }
    assert_json_snapshot!(answer);
}

#[tokio::test]
async fn links_begin_with_the_public_url() {
    let server = TestServer::with(|config| config.public_url = Some("https://example.test/whynot".into())).await;
    let answer = server.explain(&denial()).await;
    assert_eq!(
        answer["url"],
        format!("https://example.test/whynot/e/{}", answer["id"].as_str().unwrap())
    );
}

#[tokio::test]
async fn failures_and_empty_requests_are_explained_too() {
    let server = TestServer::start().await;
    let mut body = denial();
    body["violations"] = json!([]);
    body["failures"] = json!([{"policy": "a/b", "kind": "undefined", "detail": "deny has no value"}]);
    body.as_object_mut().unwrap().remove("fix");
    let answer = server.explain(&body).await;
    assert!(answer["message"].as_str().unwrap().contains("a/b"), "{answer}");
    assert_eq!(answer["repeats"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_with_its_place() {
    let server = TestServer::start().await;
    let mut problems = Vec::new();
    let mut missing = denial();
    missing["review"].as_object_mut().unwrap().remove("uid");
    let mut unknown = denial();
    unknown["violations"][0]["actoin"] = "deny".into();
    let mut patch = denial();
    patch["fix"]["patch"] = json!([null]);
    let mut version = denial();
    version["apiVersion"] = "whynot.dev/v2".into();
    for body in [
        "{".to_owned(),
        "[]".to_owned(),
        missing.to_string(),
        unknown.to_string(),
        with_review(denial(), "dryRun", "yes").to_string(),
        patch.to_string(),
        version.to_string(),
        denial().to_string() + "{}",
    ] {
        let request = server
            .client
            .post(format!("{}/v1/explain", server.url))
            .header("content-type", "application/json");
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        problems.push(response.json::<Value>().await.unwrap());
    }
    assert_json_snapshot!(problems);
    assert!(server.violations().await.is_empty());
}

#[tokio::test]
async fn only_declared_json_is_read() {
    let server = TestServer::start().await;
    let post = |content_type: Option<&'static str>| {
        let request = server
            .client
            .post(format!("{}/v1/explain", server.url))
            .body(denial().to_string());
        content_type
            .map_or(request.try_clone().unwrap(), |value| {
                request.header("content-type", value)
            })
            .send()
    };
    for refused in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json+x"),
        Some("json"),
    ] {
        let response = post(refused).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{refused:?}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    for accepted in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
    ] {
        assert_eq!(
            post(Some(accepted)).await.unwrap().status(),
            StatusCode::OK,
            "{accepted}"
        );
    }
}

#[tokio::test]
async fn unknown_places_and_methods_are_problems() {
    let server = TestServer::start().await;
    let nowhere = server.get("/v2/explain").await;
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert_snapshot!(nowhere.text().await.unwrap(), @r#"{"status":404,"title":"Not Found","detail":"There is nothing at /v2/explain; /openapi.json says what is where."}"#);
    let method = server.get("/v1/explain").await;
    assert_eq!(method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(method.headers()["allow"], "POST");
    assert_snapshot!(method.text().await.unwrap(), @r#"{"status":405,"title":"Method Not Allowed","detail":"GET is not possible here; /openapi.json says what is."}"#);
}

#[tokio::test]
async fn a_ledger_that_is_locked_costs_the_words_in_time_and_not_the_record() {
    let server = TestServer::start().await;
    let lock = Lock::take(&server).await;
    let mut body = denial();
    body["deadlineMs"] = 100.into();
    let begun = std::time::Instant::now();
    let response = server.post(&body).await;
    assert!(begun.elapsed().as_millis() < 1000, "{:?}", begun.elapsed());
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_snapshot!(response.text().await.unwrap(), @r#"{"status":503,"title":"Service Unavailable","detail":"The ledger did not answer before the deadline; use your own words."}"#);
    lock.release().await;

    assert_eq!(
        server.count(&denial()).await,
        Some(2),
        "the attempt that was not answered is counted"
    );
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains(r#"whynot_explanations_total{outcome="late"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn attempts_wait_in_bounded_number() {
    let server = TestServer::with(|config| config.limits.concurrency = 1).await;
    let lock = Lock::take(&server).await;
    let mut body = denial();
    body["deadlineMs"] = 50.into();
    let mut details = Vec::new();
    for _ in 0..3 {
        let response = server.post(&body).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        details.push(
            response.json::<Value>().await.unwrap()["detail"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert!(
        details[1].contains("before the deadline") && details[2].contains("Too many attempts"),
        "{details:?}"
    );
    lock.release().await;
}

#[tokio::test]
async fn a_broken_ledger_is_a_503_and_is_counted() {
    let server = TestServer::start().await;
    let lock = Lock::take(&server).await;
    lock.run("DROP TABLE violation").await.release().await;
    let response = server.post(&denial()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(
        problem["detail"],
        "The attempt could not be recorded; use your own words."
    );
    assert_eq!(server.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("whynot_store_errors_total 1") && metrics.contains(r#"{outcome="failed"} 1"#),
        "{metrics}"
    );
}

/// Another process that holds the database's lock.
struct Lock(sqlx::SqliteConnection);

impl Lock {
    async fn take(server: &TestServer) -> Self {
        use sqlx::ConnectOptions as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&server.database);
        let lock = Self(options.connect().await.unwrap());
        lock.run("BEGIN IMMEDIATE").await
    }

    async fn run(mut self, sql: &'static str) -> Self {
        sqlx::query(sql).execute(&mut self.0).await.unwrap();
        self
    }

    async fn release(self) {
        self.run("COMMIT").await;
    }
}
