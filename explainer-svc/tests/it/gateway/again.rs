//! What a gateway that runs for long looks at again, and forgets.

use serde_json::json;

use super::provider::{Provider, answer};
use super::{Stand, call, folder, settings, unhurried};

#[tokio::test]
async fn a_key_that_is_replaced_is_told_and_the_guards_are_tried_again() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let folder = folder();
    let (token, key) = (folder.path().join("agent"), folder.path().join("key"));
    std::fs::write(&token, "token-of-the-triage-agent").unwrap();
    std::fs::write(&key, "key-of-the-first-provider").unwrap();
    let text = settings(&provider.url(), &provider.url(), "")
        .replace("team: platform,", "team: platform, token: {file: agent},")
        .replace("name: a,", "name: a, key: {file: key},");
    let stand = Stand::at(folder, &text).await;
    let changed = || -> Vec<String> {
        let events = stand.trail.of("key-changed");
        events.into_iter().map(|event| event.subject).collect()
    };
    assert_eq!(changed(), ["triage", "provider a"]);
    stand.gateway.look_again().await;
    assert_eq!(changed().len(), 2, "none is another");
    std::fs::write(&token, "another-token-of-the-agent").unwrap();
    std::fs::write(&key, "another-key-of-the-provider").unwrap();
    stand.gateway.look_again().await;
    assert_eq!(changed(), ["triage", "provider a", "triage", "provider a"]);
    let told = format!("{:?}", stand.trail.of("key-changed"));
    assert!(!told.contains("another-"), "{told}");
    let canaries = stand.trail.of("canary");
    assert_eq!(canaries.len(), 3);
    assert_eq!(canaries[2].payload, json!({"guards": ["instructions"], "missing": []}));
}

#[tokio::test]
async fn what_was_used_is_deleted_after_its_retention() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let more = "budgets:\n  - {name: m, period: month, requests: {hard: 9}}\n  - {name: d, period: day, requests: {hard: 9}}\n";
    let stand = Stand::at(folder(), &unhurried(&settings(&provider.url(), &provider.url(), more))).await;
    stand.gateway.complete(call("why?")).await.unwrap();
    // Both budgets are charged, and the usage counted, before this is done.
    stand.gateway.drained().await;
    assert_eq!(stand.gateway.usage("2000-01-01").await.unwrap().len(), 1);
    assert_eq!(stand.gateway.purge("2000-01-01").await.unwrap(), 0);
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .to_string();
    assert_eq!(
        stand.gateway.purge(&today).await.unwrap(),
        0,
        "neither this day nor this month is over"
    );
    assert_eq!(stand.gateway.purge("2999-02-01").await.unwrap(), 3);
    assert!(stand.gateway.usage("2000-01-01").await.unwrap().is_empty());
}
