//! What calls are charged, whatever a provider says of it and whatever the database does not take.

use explainer_svc::gateway::{Call, Refused};
use serde_json::json;
use sqlx::ConnectOptions as _;

use super::provider::{Provider, Step, answer, event, stream_head};
use super::{Stand, cache_key, call, patient};

/// As an administrator of the machine could do.
async fn sql(stand: &Stand, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(stand.folder.path().join("gateway.db"));
    let mut connection = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
}

const BUDGETS: &str = "budgets:\n  - {name: monthly, period: month, tokens: {hard: 100000}}\n";

#[tokio::test]
async fn no_provider_can_say_more_than_a_question_and_its_answer_can_take() {
    let provider = Provider::start(|number, _| match number {
        0 | 1 => answer("because", u64::MAX / 2, u64::MAX / 2),
        _ => answer("because", 3, 4),
    })
    .await;
    let stand = patient(&provider.url(), &provider.url(), BUDGETS).await;
    for _ in 0..2 {
        let tokens = stand.gateway.complete(call("why?")).await.unwrap().tokens;
        assert!(
            tokens.estimated && tokens.input < 10_000 && tokens.output == 10,
            "{tokens:?}"
        );
    }
    let last = stand.gateway.complete(call("why?")).await.unwrap().tokens;
    assert_eq!((last.input, last.output, last.estimated), (3, 4, false));
}

#[tokio::test]
async fn a_sum_at_the_end_of_numbers_stops_nobody() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let stand = patient(&provider.url(), &provider.url(), "").await;
    stand.gateway.complete(call("why?")).await.unwrap();
    sql(
        &stand,
        "UPDATE usage SET input = 9223372036854775807, money = 9223372036854775807",
    )
    .await;
    for _ in 0..3 {
        stand.gateway.complete(call("why?")).await.unwrap();
    }
    let rows = stand.gateway.usage("2000-01-01").await.unwrap();
    assert_eq!(
        (rows[0].requests, rows[0].nanodollars, rows[0].output),
        (4, i64::MAX, 16)
    );
}

#[tokio::test]
async fn a_charge_that_can_never_be_written_stops_its_own_answer_only() {
    let provider = Provider::start(|_, _| answer("because", 3, 10)).await;
    let stand = patient(
        &provider.url(),
        &provider.url(),
        "budgets:\n  - {name: monthly, period: month, requests: {hard: 13}}\n",
    )
    .await;
    sql(
        &stand,
        "CREATE TRIGGER refuses BEFORE INSERT ON usage WHEN NEW.policy = 'odd' BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .await;
    let of = |policy: &str| Call {
        policy: Some(policy.to_owned()),
        ..call("why?")
    };
    let calls = ["odd", "good", "odd", "good", "good", "good"].map(of);
    let results = futures_util::future::join_all(calls.map(|call| stand.gateway.complete(call))).await;
    for (index, result) in results.iter().enumerate() {
        match index {
            0 | 2 => assert_eq!(*result, Err(Refused::Unrecorded("budgets"))),
            _ => assert!(result.is_ok(), "{index}: {result:?}"),
        }
    }
    assert_eq!(stand.gateway.usage("2000-01-01").await.unwrap()[0].requests, 4);
    // Nor is it kept for who asks next.
    let kept = Call {
        cache: Some(cache_key("one")),
        ..of("odd")
    };
    assert_eq!(
        stand.gateway.complete(kept.clone()).await,
        Err(Refused::Unrecorded("budgets"))
    );
    assert!(!stand.gateway.is_kept(&kept).await);
    // What is not on the disk counts all the same.
    let more = (0..10).map(|_| stand.gateway.complete(of("good")));
    let answered = futures_util::future::join_all(more).await;
    assert_eq!(
        answered.iter().filter(|result| result.is_ok()).count(),
        6,
        "{answered:?}"
    );
}

#[tokio::test]
async fn what_was_paid_and_tried_again_is_in_the_answer_and_in_the_log() {
    // What broke off is charged by its length: four tokens at most.
    let piece = event(&json!({"choices": [{"index": 0, "delta": {"content": "half"}}]}));
    let provider = Provider::start(move |number, _| match number {
        0 | 2 | 3 => vec![stream_head(), piece.clone(), Step::Close],
        _ => answer("because", 3, 4),
    })
    .await;
    let second = Provider::start(|_, _| super::provider::messages("because", 3, 2)).await;
    let stand = patient(&provider.url(), &second.url(), "").await;
    let first = stand.gateway.complete(call("why?")).await.unwrap();
    let next = stand.gateway.complete(call("why?")).await.unwrap();
    assert_eq!((first.provider.as_str(), next.provider.as_str()), ("a", "b"));
    assert_eq!((first.cost.unwrap().0, next.cost.unwrap().0), (8_000, 10_000));
    let cost = first.cost.unwrap().0 + next.cost.unwrap().0;
    let rows = stand.gateway.usage("2000-01-01").await.unwrap();
    let paid: i64 = rows.iter().map(|row| row.nanodollars).sum();
    assert_eq!(i64::try_from(cost).unwrap(), paid);
    let called = stand.trail.of("model-called");
    assert_eq!(called[0].payload["called"]["attempts"], 2);
    assert_eq!(called[0].payload["called"]["nanodollars"], json!(first.cost));
    assert_eq!(called[1].payload["called"]["nanodollars"], json!(next.cost));
    assert_eq!(called[1].payload["fallbacks"][0]["attempts"], 2);
    assert_eq!(
        called[1].payload["fallbacks"][0]["nanodollars"].as_u64().unwrap() + 2_000,
        next.cost.unwrap().0
    );
}
