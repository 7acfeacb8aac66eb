//! Who may ask, what is turned off, what is kept, and what is refused at the start.

use std::sync::Arc;
use std::time::Duration;

use explainer_svc::gateway::{Call, Gateway, GatewayMetrics, Refused, Settings};
use tokio::time::Instant;

use super::provider::{Provider, Step, answer, messages};
use super::{TestGuards, TestTrail, cache_key, call, folder, parts, settings, stand};

async fn good() -> Provider {
    Provider::start(|_, _| answer("because", 3, 2)).await
}

#[tokio::test]
async fn the_policy_on_agents_is_asked_before_anybody_else() {
    let provider = good().await;
    let stand = stand(&provider.url(), &provider.url(), "").await;
    for (changed, reason) in [
        (
            Call {
                agent: "nobody".to_owned(),
                ..call("why?")
            },
            "not known",
        ),
        (
            Call {
                team: "shop".to_owned(),
                ..call("why?")
            },
            "team",
        ),
        (
            Call {
                purpose: "poetry".to_owned(),
                ..call("why?")
            },
            "poetry",
        ),
    ] {
        let refused = stand.gateway.complete(changed).await.unwrap_err();
        let Refused::Policy(reasons) = &refused else {
            panic!("{refused:?}");
        };
        assert!(reasons.iter().any(|found| found.contains(reason)), "{reasons:?}");
    }
    let unknown = Call {
        model: Some("gpt-99".to_owned()),
        ..call("why?")
    };
    assert!(matches!(
        stand.gateway.complete(unknown).await,
        Err(Refused::UnknownModel(_))
    ));
    assert_eq!(provider.count(), 0);
    let refused = stand.trail.of("model-refused");
    assert_eq!(refused.len(), 4);
    let told = format!("{refused:?}");
    assert!(!told.contains("gpt-99"), "what a caller made up: {told}");
    let long = Call {
        purpose: "p".repeat(1 << 20),
        ..call("why?")
    };
    stand.gateway.complete(long).await.unwrap_err();
    let told = stand.trail.of("model-refused").pop().unwrap().payload.to_string();
    assert!(told.len() < 8192, "{}", told.len());
}

#[tokio::test]
async fn a_policy_may_deny_a_region_and_the_next_place_is_asked() {
    let (first, second) = (good().await, Provider::start(|_, _| messages("because", 1, 1)).await);
    let folder = folder();
    let policy =
        "package whynot.gateway\ndeny contains \"not in Europe\" if startswith(input.target.region, \"eu-\")\n";
    std::fs::write(folder.path().join("own.rego"), policy).unwrap();
    let stand = super::Stand::at(folder, &settings(&first.url(), &second.url(), "policy: [own.rego]\n")).await;
    let completion = stand.gateway.complete(call("why?")).await.unwrap();
    assert_eq!(
        (completion.provider.as_str(), completion.fallbacks[0].reason),
        ("b", "not-allowed")
    );
    assert_eq!(first.count(), 0);
}

#[tokio::test]
async fn guards_stop_both_ways() {
    let provider = Provider::start(|_, _| answer("STOP-OUT", 3, 2)).await;
    let stand = stand(&provider.url(), &provider.url(), "").await;
    let inbound = stand.gateway.complete(call("STOP-IN")).await.unwrap_err();
    assert_eq!((inbound.reason(), provider.count()), ("guard-in", 0));
    let outbound = stand.gateway.complete(call("why?")).await.unwrap_err();
    assert_eq!((outbound.reason(), provider.count()), ("guard-out", 1));
    let fired = stand.trail.of("guard-fired");
    assert_eq!(
        (fired[0].payload["way"].as_str(), fired[1].payload["way"].as_str()),
        (Some("in"), Some("out"))
    );
    let told = format!("{:?}", fired[1]);
    assert!(!told.contains("s3cret"), "what a model said: {told}");
    let metrics = stand.metrics();
    assert!(
        metrics.contains("model_guards_total{guard=\"links\",outcome=\"stopped\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn without_a_guard_in_the_path_there_is_no_gateway() {
    let folder = folder();
    let trail = Arc::new(TestTrail::default());
    let settings = Settings::parse(&settings("http://127.0.0.1:9", "http://127.0.0.1:9", ""), folder.path()).unwrap();
    let mut parts = parts(settings, folder.path(), trail.clone(), GatewayMetrics::default());
    parts.guards = Arc::new(TestGuards {
        missing: vec!["links", "schema"],
    });
    let problem = Gateway::open(parts).await.unwrap_err().to_string();
    assert!(problem.contains("links, schema"), "{problem}");
    assert_eq!(trail.of("canary")[0].payload["missing"][0], "links");
}

#[tokio::test]
async fn a_file_or_a_call_turns_models_off_also_what_runs_and_after_a_restart() {
    let slow = Provider::start(|_, _| {
        let mut steps = vec![Step::Wait(Duration::from_millis(200))];
        steps.extend(answer("because", 3, 2));
        steps
    })
    .await;
    let stand = stand(&slow.url(), &slow.url(), "").await;
    let kill = stand.folder.path().join("kill");
    let running = tokio::spawn({
        let gateway = stand.gateway.clone();
        async move { gateway.complete(call("why?")).await }
    });
    while slow.count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::write(&kill, "").unwrap();
    assert_eq!(running.await.unwrap().unwrap_err(), Refused::Killed);
    let begun = Instant::now();
    assert_eq!(stand.gateway.complete(call("why?")).await.unwrap_err(), Refused::Killed);
    assert!(begun.elapsed() < Duration::from_millis(100));
    std::fs::remove_file(&kill).unwrap();
    stand.gateway.complete(call("why?")).await.unwrap();

    stand.gateway.kill(true, "too many odd answers").await.unwrap();
    assert_eq!(stand.gateway.complete(call("why?")).await.unwrap_err(), Refused::Killed);
    assert!(stand.metrics().contains("models_off 1"));
    let subjects: Vec<String> = stand
        .trail
        .of("kill-switch")
        .into_iter()
        .map(|event| event.subject)
        .collect();
    assert_eq!(subjects, ["off", "on", "off"]);
    let super::Stand {
        gateway,
        folder,
        trail: _,
        ..
    } = stand;
    gateway.drained().await;
    gateway.close().await;
    drop(gateway);
    let again = super::Stand::at(folder, &settings(&slow.url(), &slow.url(), "")).await;
    assert_eq!(again.gateway.complete(call("why?")).await.unwrap_err(), Refused::Killed);
    again.gateway.kill(false, "").await.unwrap();
    again.gateway.complete(call("why?")).await.unwrap();
}

#[tokio::test]
async fn the_hundredth_who_asks_the_same_costs_nothing_and_guards_see_it_again() {
    let provider = good().await;
    let stand = stand(
        &provider.url(),
        &provider.url(),
        "cache: {entries: 2}\nlimits: {concurrency: 200}\n",
    )
    .await;
    let asked = |shape: &str| Call {
        cache: Some(cache_key(shape)),
        ..call("why?")
    };
    // All at once: one asks, the others wait for its answer.
    let all = futures_util::future::join_all((0..100).map(|_| stand.gateway.complete(asked("one")))).await;
    let kept = all.iter().filter(|result| result.as_ref().unwrap().cached).count();
    assert_eq!((kept, provider.count()), (99, 1));
    assert!(
        all.iter()
            .all(|result| result.as_ref().unwrap().clean.text == "because")
    );
    assert_eq!(stand.trail.of("model-called").len(), 100, "each is recorded");
    let free = all.iter().flatten().filter(|completion| completion.cached);
    assert!(
        free.into_iter()
            .all(|completion| completion.cost.unwrap().0 == 0 && completion.tokens.total() == 0)
    );

    // Which was used last is told apart by milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let other = Call {
        max_tokens: 9,
        ..asked("one")
    };
    assert!(!stand.gateway.complete(other).await.unwrap().cached, "another question");
    assert!(!stand.gateway.complete(asked("two")).await.unwrap().cached);
    assert!(
        !stand.gateway.complete(asked("one")).await.unwrap().cached,
        "two are kept"
    );
    assert!(!stand.gateway.complete(call("why?")).await.unwrap().cached);
    let stopped = Call {
        content: call("STOP-IN").content,
        ..asked("one")
    };
    assert_eq!(stand.gateway.complete(stopped).await.unwrap_err().reason(), "guard-in");
}

#[tokio::test]
async fn agents_have_rates_and_the_gateway_has_places() {
    let provider = Provider::start(|_, _| {
        let mut steps = vec![Step::Wait(Duration::from_millis(100))];
        steps.extend(answer("because", 3, 2));
        steps
    })
    .await;
    let places = stand(&provider.url(), &provider.url(), "limits: {concurrency: 3}\n").await;
    let all = futures_util::future::join_all((0..10).map(|_| places.gateway.complete(call("why?")))).await;
    assert_eq!(
        all.iter().filter(|result| **result == Err(Refused::Busy)).count(),
        7,
        "{all:?}"
    );

    let text = settings(&provider.url(), &provider.url(), "")
        .replace("purposes: [chat]", "purposes: [chat], requestsPerMinute: 6");
    let rates = super::Stand::at(folder(), &text).await;
    rates.gateway.complete(call("why?")).await.unwrap();
    let refused = rates.gateway.complete(call("why?")).await.unwrap_err();
    let Refused::Rate { retry_after } = refused else {
        panic!("{refused:?}");
    };
    assert!(retry_after > Duration::from_secs(5), "{retry_after:?}");
}

#[test]
fn a_wrong_file_is_refused_with_the_place_and_all_reasons() {
    let folder = folder();
    let good = settings("http://127.0.0.1:9", "http://127.0.0.1:9", "");
    let problem = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        Settings::parse(&good.replacen(from, to, 1), folder.path()).unwrap_err()
    };
    for (from, to, place) in [
        ("kind: Gateway", "kind: Gatewy", "kind Gateway"),
        (
            "region: eu-west-1",
            "regoin: eu-west-1",
            "providers[0].regoin: unknown field",
        ),
        ("http://127.0.0.1:9", "http://models.example", "plaintext"),
        ("http://127.0.0.1:9", "https://u:p@models.example", "providers[0].url"),
        ("models: [m]", "models: []", "providers[0].models"),
        ("provider: b", "provider: c", "routes[0].targets[1].provider"),
        ("model: claude}], a", "model: opus}], a", "routes[0].targets[1].model"),
        (
            "agents:",
            "allow: {regions: ['eu-*']}\nagents:",
            "\"us-east-1\" is not among allow.regions",
        ),
        ("agents:", "budgets: [{name: x, period: day}]\nagents:", "budgets[0]"),
        (
            "agents:",
            "budgets: [{name: x, period: day, tokens: {soft: 2, hard: 1}}]\nagents:",
            "budgets[0].tokens.soft",
        ),
        ("agents:", "policy: [none.rego]\nagents:", "policy: "),
        ("agents:", "defaultRoute: x\nagents:", "defaultRoute"),
        ("agents:", "limits: {deadlineMs: 1}\nagents:", "limits.deadlineMs"),
        (
            "team: platform",
            "team: platform, token: {env: WHYNOT_TEST_NOT_SET}",
            "agents[0].token",
        ),
        ("models: [m]", "models: [m], key: {file: missing}", "providers[0].key"),
    ] {
        let problem = problem(from, to);
        assert!(problem.contains(place), "{to}: {problem}");
    }
    for timeout in ["attemptTimeoutMs: 1500", "idleTimeoutMs: 300"] {
        let none = format!("{}: 0", timeout.split(':').next().unwrap());
        let problem = problem(timeout, &none);
        assert!(problem.contains("Ms: expected at least 1"), "{problem}");
    }
    // One mistake hides no other, and what comes of it is none.
    let all = problem(
        "region: eu-west-1, models: [m]",
        "region: '', stream: many, models: [m]",
    );
    assert!(
        all.contains("providers[0].region") && all.contains("providers[0].stream"),
        "{all}"
    );
    assert!(!all.contains("routes"), "{all}");
    let more = "budgets: [{name: x, period: week, tokens: {hard: 1}}]\ndefaultRoute: none\nagents:";
    let all = problem("agents:", more);
    assert!(
        all.contains("budgets[0].period") && all.contains("defaultRoute"),
        "{all}"
    );
}

#[test]
fn two_agents_have_two_tokens() {
    let folder = folder();
    std::fs::write(folder.path().join("token"), "token-of-two-agents-at-once").unwrap();
    let agent = |name: &str| {
        format!("  - {{name: {name}, team: x, token: {{file: token}}, models: ['*'], purposes: [chat]}}\n")
    };
    let good = settings("http://127.0.0.1:9", "http://127.0.0.1:9", &agent("first"));
    Settings::parse(&good, folder.path()).unwrap();
    let problem = Settings::parse(&format!("{good}{}", agent("second")), folder.path()).unwrap_err();
    assert!(problem.contains("agents[2].token: is that of first"), "{problem}");
}

#[tokio::test]
async fn a_secret_in_the_reason_for_turning_models_off_is_not_kept() {
    let provider = good().await;
    let stand = stand(&provider.url(), &provider.url(), "").await;
    let reason = "leaked: ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    stand.gateway.kill(true, reason).await.unwrap();
    let told = stand.trail.of("kill-switch")[0].payload["reason"].to_string();
    assert!(told.contains("leaked") && !told.contains("16C7e42F292c"), "{told}");
}

#[tokio::test]
async fn a_kept_answer_of_a_place_that_may_not_be_asked_any_more_is_none() {
    let (first, second) = (good().await, Provider::start(|_, _| messages("since", 1, 1)).await);
    let asked = || Call {
        cache: Some(cache_key("one")),
        ..call("why?")
    };
    let text = settings(&first.url(), &second.url(), "");
    let stand = super::Stand::at(folder(), &text).await;
    assert_eq!(stand.gateway.complete(asked()).await.unwrap().provider, "a");
    assert!(stand.gateway.is_kept(&asked()).await);
    let super::Stand { gateway, folder, .. } = stand;
    gateway.drained().await;
    gateway.close().await;
    drop(gateway);
    let policy = "package whynot.gateway\ndeny contains \"no\" if startswith(input.target.region, \"eu-\")\n";
    std::fs::write(folder.path().join("own.rego"), policy).unwrap();
    let text = settings(&first.url(), &second.url(), "policy: [own.rego]\n");
    let stand = super::Stand::at(folder, &text).await;
    assert!(!stand.gateway.is_kept(&asked()).await);
    let completion = stand.gateway.complete(asked()).await.unwrap();
    assert_eq!((completion.provider.as_str(), completion.cached), ("b", false));
    let completion = stand.gateway.complete(asked()).await.unwrap();
    assert_eq!((completion.provider.as_str(), completion.cached), ("b", true));
}

#[tokio::test]
async fn an_answer_that_guards_refused_is_not_paid_again_soon() {
    let provider = Provider::start(|_, _| answer("STOP-OUT", 3, 2)).await;
    let stand = stand(&provider.url(), &provider.url(), "").await;
    let asked = |shape: &str| Call {
        cache: Some(cache_key(shape)),
        ..call("why?")
    };
    for _ in 0..3 {
        let refused = stand.gateway.complete(asked("one")).await.unwrap_err();
        assert_eq!((refused.reason(), provider.count()), ("guard-out", 1));
    }
    stand.gateway.complete(asked("two")).await.unwrap_err();
    assert_eq!(provider.count(), 2, "another question");
    for told in stand.trail.of("model-refused") {
        assert_eq!(told.payload["guard"], "links", "also of one that nobody was asked for");
    }
}

#[tokio::test]
async fn who_turned_models_off_or_on_last_is_told_last() {
    let provider = good().await;
    let stand = stand(&provider.url(), &provider.url(), "").await;
    for _ in 0..5 {
        let turns = (0..20).map(|turn| stand.gateway.kill(turn % 2 == 0, "a drill"));
        futures_util::future::join_all(turns).await;
        let last = stand.trail.of("kill-switch").pop().unwrap().subject;
        assert_eq!(last == "off", stand.gateway.is_killed());
    }
    assert_eq!(stand.trail.of("kill-switch").len(), 100);
}
