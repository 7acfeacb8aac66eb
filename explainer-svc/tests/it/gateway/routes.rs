//! Who is asked, for how long, and through whom.

use std::time::Duration;

use explainer_svc::gateway::{Call, Refused, Settings};
use tokio::time::Instant;

use super::provider::{Provider, Step, answer, event, messages, response, stream_head};
use super::{Stand, call, folder, patient, settings, stand, unhurried};

fn within(time: Duration) -> Call {
    Call {
        deadline: Instant::now() + time,
        ..call("why?")
    }
}

#[tokio::test]
async fn who_hangs_leaves_time_for_the_next_and_is_named() {
    let piece = event(&serde_json::json!({"choices": [{"index": 0, "delta": {"content": "half"}}]}));
    for (reason, steps) in [
        ("slow", vec![Step::Wait(Duration::from_mins(1))]),
        (
            "stalled",
            vec![stream_head(), piece, Step::Wait(Duration::from_mins(1))],
        ),
    ] {
        let silent = Provider::start(move |_, _| steps.clone()).await;
        let good = Provider::start(|_, _| messages("because", 3, 2)).await;
        // Their own times are longer than the deadline.
        let stand = patient(&silent.url(), &good.url(), "").await;
        let completion = stand.gateway.complete(within(Duration::from_secs(4))).await.unwrap();
        assert_eq!((completion.provider.as_str(), silent.count()), ("b", 1), "{reason}");
        let called = &stand.trail.of("model-called")[0].payload;
        assert_eq!(called["fallbacks"][0]["reason"], reason);
        assert_eq!(called["fallbacks"][0]["attempts"], 1);
    }
}

#[tokio::test]
async fn who_was_asked_until_the_deadline_is_in_the_log() {
    let silent = Provider::start(|_, _| vec![Step::Wait(Duration::from_mins(1))]).await;
    let stand = patient(&silent.url(), &silent.url(), "").await;
    let refused = stand.gateway.complete(within(Duration::from_millis(600))).await;
    assert_eq!(refused.unwrap_err(), Refused::Deadline);
    stand.gateway.drained().await;
    let told = &stand.trail.of("model-refused")[0].payload;
    assert_eq!(told["reason"], "deadline", "{told}");
    let named: Vec<_> = told["fallbacks"].as_array().unwrap().iter().collect();
    let providers: Vec<_> = named.iter().map(|place| place["provider"].as_str().unwrap()).collect();
    assert_eq!(providers, ["a", "b"], "{told}");
    assert!(
        named
            .iter()
            .all(|place| place["attempts"] == 1 && place["nanodollars"] == 10_000),
        "{told}"
    );
}

#[tokio::test]
async fn a_provider_that_says_the_key_for_a_code_is_not_repeated() {
    const KEY: &str = "sk-provider-secret-KEY-0001";
    let provider = Provider::start(|number, _| {
        let json = "content-type: application/json\r\n";
        match number {
            0 => response(
                "400 Bad Request",
                json,
                &format!("{{\"error\":{{\"code\":\"{KEY}\"}}}}"),
            ),
            1 => response(
                "200 OK",
                json,
                &format!("{{\"error\":{{\"code\":\"{KEY}\",\"type\":\"api_error\"}}}}"),
            ),
            _ => response(
                "400 Bad Request",
                json,
                "{\"error\":{\"code\":\"context_length_exceeded\"}}",
            ),
        }
    })
    .await;
    let folder = folder();
    std::fs::write(folder.path().join("key"), KEY).unwrap();
    let text = settings(&provider.url(), &provider.url(), "").replace("name: a,", "name: a, key: {file: key},");
    let stand = Stand::at(folder, &unhurried(&text)).await;
    for _ in 0..3 {
        let once = Call {
            model: Some("only-a".to_owned()),
            ..call("why?")
        };
        stand.gateway.complete(once).await.unwrap_err();
    }
    let told = format!("{:?}", stand.trail.of("model-refused"));
    assert!(!told.contains("secret") && told.contains("api_error"), "{told}");
    assert!(told.contains("context_length_exceeded"), "{told}");
}

#[tokio::test]
async fn a_proxy_is_a_setting() {
    let proxy = Provider::start(|_, _| answer("because", 3, 2)).await;
    let through = format!(
        "proxy: {:?}, plaintext: true, name: a,",
        proxy.url().trim_end_matches("/v1")
    );
    let text = settings("http://models.example/v1", "http://127.0.0.1:9", "").replace("name: a,", &through);
    let stand = Stand::at(folder(), &unhurried(&text)).await;
    stand.gateway.complete(call("why?")).await.unwrap();
    let head = &proxy.seen()[0].head;
    assert!(
        head.starts_with("POST http://models.example/v1/chat/completions"),
        "{head}"
    );

    // On this machine nobody stands between.
    let text = settings("http://127.0.0.1:9", "http://127.0.0.1:9", "")
        .replace("name: a,", "proxy: 'http://proxy.example', name: a,");
    let problem = Settings::parse(&text, folder().path()).unwrap_err();
    assert!(
        problem.contains("providers[0].proxy") && problem.contains("in the clear"),
        "{problem}"
    );
}

#[tokio::test]
async fn who_is_hurried_opens_no_breaker_of_a_place_that_has_another_behind_it() {
    let slow = Provider::start(|_, _| {
        let mut steps = vec![Step::Wait(Duration::from_millis(250))];
        steps.extend(answer("because", 1, 1));
        steps
    })
    .await;
    let good = Provider::start(|_, _| messages("because", 1, 1)).await;
    let stand = stand(&slow.url(), &good.url(), "").await;
    for _ in 0..5 {
        let _ = stand.gateway.complete(within(Duration::from_millis(200))).await;
    }
    assert_eq!(stand.gateway.complete(call("why?")).await.unwrap().provider, "a");
}
