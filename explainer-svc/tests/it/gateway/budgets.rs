//! Budgets hold under concurrency, and a crash gives back what was reserved.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use explainer_svc::gateway::call::{Message, Role};
use explainer_svc::gateway::{Call, Content, Gateway, GatewayMetrics, Refused, Settings};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use super::provider::{Provider, Step, answer, json_response, response, stream_head};
use super::{TestTrail, call, folder, parts, patient, settings, stand, unhurried};

fn budget(limits: &str) -> String {
    format!("budgets:\n  - {{name: monthly, per: team, period: month, {limits}}}\nlimits: {{concurrency: 1000}}\n")
}

fn question() -> Call {
    Call {
        model: Some("only-a".to_owned()),
        deadline: Instant::now() + Duration::from_mins(1),
        ..call("why?")
    }
}

/// 200 at once; how many were answered. The others are refused for the budget.
async fn rush(gateway: &Gateway) -> usize {
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { gateway.complete(question()).await })
        })
        .collect();
    let mut answered = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => answered += 1,
            Err(Refused::Budget { budget, scope, .. }) => {
                assert_eq!((budget.as_str(), scope.as_str()), ("monthly", "platform"));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_at_once_exactly_those_that_fit_are_answered() {
    // Each costs 10 tokens at 1,000 billionths, which is also what is reserved for it: 50 fit.
    for limits in ["dollars: {hard: 0.0005}", "requests: {hard: 50}"] {
        let provider = Provider::start(|_, _| {
            let mut steps = vec![Step::Wait(Duration::from_millis(5))];
            steps.extend(answer("because", 3, 10));
            steps
        })
        .await;
        let stand = patient(&provider.url(), &provider.url(), &budget(limits)).await;
        assert_eq!(rush(&stand.gateway).await, 50, "{limits}");
        assert_eq!(provider.count(), 50, "{limits}");
        assert!(
            provider.most.load(std::sync::atomic::Ordering::SeqCst) > 4,
            "at the same time"
        );
        let exhausted = stand.trail.of("budget-exhausted");
        assert_eq!(exhausted.len(), 1, "told once: {exhausted:?}");
        assert!(
            stand.metrics().contains("model_refusals_total{reason=\"budget\"} 150"),
            "{}",
            stand.metrics()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_reserved_and_not_spent_is_spent_by_those_who_wait() {
    // 200 tokens are paid for, 10 reserved and 4 spent each time.
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let stand = patient(
        &provider.url(),
        &provider.url(),
        &budget("dollars: {soft: 0.0001, hard: 0.0002}"),
    )
    .await;
    let answered = rush(&stand.gateway).await;
    let spent = answered * 4;
    assert!(spent <= 200 && spent + 10 > 200, "{answered} answers");
    stand.gateway.drained().await;
    let soft = stand.trail.of("budget-exhausted");
    assert_eq!(
        soft.iter().filter(|event| event.payload["limit"] == "soft").count(),
        1,
        "{soft:?}"
    );
}

#[tokio::test]
async fn a_failure_gives_back_and_an_answer_that_began_is_charged() {
    let provider = Provider::start(|number, _| match number {
        0 => response("500 Internal Server Error", "", ""),
        1 => vec![stream_head(), Step::Reset],
        _ => answer("because", 3, 10),
    })
    .await;
    let stand = patient(&provider.url(), &provider.url(), &budget("requests: {hard: 2}")).await;
    assert!(matches!(
        stand.gateway.complete(question()).await,
        Err(Refused::Providers(_))
    ));
    assert!(matches!(
        stand.gateway.complete(question()).await,
        Err(Refused::Providers(_))
    ));
    stand.gateway.complete(question()).await.unwrap();
    let refused = stand.gateway.complete(question()).await.unwrap_err();
    let Refused::Budget {
        resets, retry_after, ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert!(resets.ends_with("-01T00:00:00Z") && !retry_after.is_zero(), "{resets}");
    assert_eq!(provider.count(), 3);
}

#[tokio::test]
async fn a_model_without_a_price_is_shown_as_such_and_no_budget_of_money_pays_for_it() {
    let provider = Provider::start(|_, _| answer("because", 3, 10)).await;
    for (more, is_answered) in [
        ("", true),
        (&*budget("tokens: {hard: 1000}"), true),
        (&budget("dollars: {hard: 1}"), false),
    ] {
        let folder = folder();
        std::fs::write(folder.path().join("prices.yaml"), "asOf: 2026-11-01\nmodels: {}\n").unwrap();
        let stand = super::Stand::at(folder, &settings(&provider.url(), &provider.url(), more)).await;
        match stand.gateway.complete(question()).await {
            Ok(completion) => {
                assert!(is_answered, "{more}");
                assert_eq!(completion.cost, None);
                let called = &stand.trail.of("model-called")[0].payload["called"];
                assert!(called["nanodollars"].is_null(), "{called}");
                assert!(
                    stand
                        .metrics()
                        .contains("model_unpriced_total{provider=\"a\",model=\"m\"} 1")
                );
            }
            Err(Refused::NoPrice(budget)) => assert!(!is_answered && budget == "monthly", "{more}"),
            Err(other) => panic!("{more}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn budgets_are_told_when_they_change_and_the_second_process_is_refused() {
    let provider = Provider::start(|_, _| answer("because", 1, 1)).await;
    let folder = folder();
    let path = folder.path().to_owned();
    let open = async |more: &str| {
        let trail = Arc::new(TestTrail::default());
        let settings = Settings::parse(&settings(&provider.url(), &provider.url(), more), &path).unwrap();
        let gateway = Gateway::open(parts(settings, &path, trail.clone(), GatewayMetrics::default())).await;
        (gateway, trail.of("budget-changed").len())
    };
    let (first, changed) = open(&budget("requests: {hard: 2}")).await;
    let first = first.unwrap();
    assert_eq!(changed, 1);
    let (second, _) = open("").await;
    assert!(second.unwrap_err().to_string().contains("another process"));
    first.drained().await;
    first.close().await;
    drop(first);
    let (again, changed) = open(&budget("requests: {hard: 2}")).await;
    assert_eq!((again.is_ok(), changed), (true, 0));
    let again = again.unwrap();
    again.close().await;
    drop(again);
    for (more, changes) in [
        (budget("requests: {hard: 3}"), 1),
        (budget("requests: {hard: 3}, only: {agents: [triage]}"), 1),
        (budget("requests: {hard: 3}, only: {agents: [nobody]}"), 1),
        (budget("requests: {hard: 3}, only: {agents: [nobody]}"), 0),
        // It is gone.
        (String::new(), 1),
        (String::new(), 0),
    ] {
        let (again, changed) = open(&more).await;
        assert_eq!(changed, changes, "{more}");
        let again = again.unwrap();
        again.close().await;
        drop(again);
    }
}

/// Set in the process that is killed: the folder, and the provider's address.
const CRASHING: &str = "WHYNOT_TEST_CRASHING";

/// What the killed process does: it reserves all that there is, and waits for an answer that never comes.
#[tokio::test]
async fn crashing() {
    let Ok(given) = std::env::var(CRASHING) else {
        return;
    };
    let (path, url) = given.split_once('|').unwrap();
    let gateway = crashable(Path::new(path), url).await;
    let calls = (0..5).map(|_| gateway.complete(question()));
    futures_util::future::join_all(calls).await;
}

async fn crashable(folder: &Path, url: &str) -> Gateway {
    let settings = unhurried(&settings(url, url, &budget("requests: {hard: 5}")));
    let settings = Settings::parse(&settings, folder).unwrap();
    let trail = Arc::new(TestTrail::default());
    Gateway::open(parts(settings, folder, trail, GatewayMetrics::default()))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_a_killed_process_had_reserved_is_released() {
    let folder: TempDir = folder();
    // The first five are never answered.
    let provider = Provider::start(|number, _| match number {
        0..5 => vec![Step::Wait(Duration::from_mins(10))],
        _ => answer("because", 1, 1),
    })
    .await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "gateway::budgets::crashing", "--nocapture"])
        .env(CRASHING, format!("{}|{}", folder.path().display(), provider.url()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while provider.count() < 5 {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "it asked {} times",
            provider.count()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let gateway = crashable(folder.path(), &provider.url()).await;
    let answered = futures_util::future::join_all((0..7).map(|_| gateway.complete(question()))).await;
    assert_eq!(
        answered.iter().filter(|result| result.is_ok()).count(),
        5,
        "{answered:?}"
    );
}

#[tokio::test]
async fn a_message_of_the_conversation_is_never_free() {
    // Reserved for the question: a token is at least a byte, so a budget of tokens holds whatever the model's tokens
    // are.
    let provider = Provider::start(|_, _| answer("because", 1000, 10)).await;
    let stand = patient(&provider.url(), &provider.url(), &budget("tokens: {hard: 500}")).await;
    let refused = stand
        .gateway
        .complete(Call {
            content: Content::Chat(vec![Message {
                role: Role::User,
                content: "é".repeat(250),
            }]),
            ..question()
        })
        .await;
    assert!(matches!(refused, Err(Refused::Budget { .. })), "{refused:?}");
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn who_has_the_question_and_is_silent_is_charged() {
    let silent = Provider::start(|_, _| vec![Step::Wait(Duration::from_mins(1))]).await;
    let stand = stand(&silent.url(), &silent.url(), &budget("tokens: {hard: 100000}")).await;
    let only_a = Call {
        model: Some("only-a".to_owned()),
        ..call("why?")
    };
    stand.gateway.complete(only_a).await.unwrap_err();
    stand.gateway.drained().await;
    let rows = stand.gateway.usage("2000-01-01").await.unwrap();
    assert_eq!((rows[0].requests, rows[0].output), (1, 10));
}

#[tokio::test]
async fn usage_that_says_nothing_is_estimated_and_an_answer_is_charged_before_it_is_given() {
    let vague = Provider::start(|number, _| {
        let usage = match number {
            0 => json!({}),
            1 => json!({"prompt_tokens": 0, "completion_tokens": 0}),
            _ => json!({"prompt_tokens": 7, "completion_tokens": 0}),
        };
        json_response(&json!({
            "choices": [{"index": 0, "message": {"content": "because"}, "finish_reason": "stop"}], "usage": usage,
        }))
    })
    .await;
    let stand = stand(&vague.url(), &vague.url(), &budget("tokens: {hard: 100000}")).await;
    for asked in 1..=3 {
        let tokens = stand.gateway.complete(call("why?")).await.unwrap().tokens;
        assert!(tokens.estimated && tokens.input > 0 && tokens.output > 0, "{tokens:?}");
        let rows = stand.gateway.usage("2000-01-01").await.unwrap();
        assert_eq!(rows[0].requests, asked);
    }
}
