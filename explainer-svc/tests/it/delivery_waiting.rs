//! Those who wait for other policies.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tempfile::TempDir;

use crate::delivery::{bundle, pushed_to, token};
use crate::support::{TestServer, denial};

#[tokio::test]
async fn who_waits_is_answered_when_there_is_something_new() {
    let (server, _folder) = pushed_to().await;
    let one = server.pushed(bundle("one")).await;
    let ask = |wait: &str, known: &str| {
        let request = server.client.get(format!("{}/v1/policies?wait={wait}", server.url));
        request.header("if-none-match", format!("\"{known}\"")).send()
    };
    let begun = Instant::now();
    let unchanged = ask("1", &one).await.unwrap();
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(unchanged.headers()["etag"], format!("\"{one}\""));
    assert!(
        (1000..3000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(ask("20", "another").await.unwrap().status(), StatusCode::OK);

    let waiting = ask("20", &one);
    let pushing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let two = server.pushed(bundle("two")).await;
        (two, Instant::now())
    };
    let (answer, (two, pushed)) = tokio::join!(async { (waiting.await.unwrap(), Instant::now()) }, pushing);
    assert_eq!(answer.0.headers()["etag"], format!("\"{two}\""));
    assert!(answer.1 < pushed + Duration::from_millis(500), "at once");
    assert!(answer.0.text().await.unwrap().contains("two"));
    for wrong in ["31", "-1", "x"] {
        assert_eq!(
            ask(wrong, "a").await.unwrap().status(),
            StatusCode::BAD_REQUEST,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn when_all_places_to_wait_are_taken_the_answer_comes_at_once() {
    use explainer_svc::delivery::{Delivery, Settings};
    use explainer_svc::telemetry::Metrics;
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("policies");
    let delivery = Delivery::open(Settings::default(), state, Metrics::default())
        .await
        .unwrap();
    let one = delivery.push(bundle("one").into()).await.unwrap().revision;
    let long = Duration::from_secs(30);
    let waiting: Vec<_> = (0..1024)
        .map(|_| {
            let delivery = delivery.clone();
            tokio::spawn(async move { delivery.after(|_| true, long).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), delivery.after(|_| true, long)).await;
    assert_eq!(answer.unwrap().unwrap().revision, one);
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    delivery.stop();
}

#[tokio::test]
async fn those_who_wait_keep_nobody_else_from_an_answer_and_end_with_the_server() {
    let folder = TempDir::new().unwrap();
    let token = token(folder.path());
    let mut server = TestServer::with(|config| {
        config.limits.concurrency = 1;
        config.policies.administrator = Some(token);
    })
    .await;
    let one = server.pushed(bundle("one")).await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let request = server.client.get(format!("{}/v1/policies?wait=30", server.url));
            tokio::spawn(request.header("if-none-match", format!("\"{one}\"")).send())
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.post(&denial()).await.status(), StatusCode::OK);
    let begun = Instant::now();
    server.begin_stop();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::NOT_MODIFIED);
    }
    server.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
