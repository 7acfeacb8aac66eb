//! What counts as one more time that a team hit a rule.

use explainer_svc::store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PRIVILEGED, TestServer, denial, replica, violation, with_review};

#[tokio::test]
async fn the_third_denial_of_a_team_says_so() {
    let server = TestServer::start().await;
    assert_eq!(server.count(&denial()).await, Some(1));
    assert_eq!(server.count(&with_review(denial(), "name", "other")).await, Some(2));
    let third = server.explain(&denial()).await;
    assert_eq!(
        third["repeats"],
        json!([{"policy": PRIVILEGED, "team": "checkout", "count": 3, "windowDays": 14}])
    );
    let message = third["message"].as_str().unwrap();
    assert!(
        message.contains("3rd time") && message.contains("checkout"),
        "{message}"
    );
}

#[tokio::test]
async fn teams_and_policies_are_counted_apart() {
    let server = TestServer::start().await;
    assert_eq!(server.count(&denial()).await, Some(1));
    assert_eq!(
        server
            .count(&with_review(denial(), "labels", json!({"team": "search"})))
            .await,
        Some(1)
    );
    let mut other = denial();
    other["violations"] = json!([violation("general/no-latest")]);
    assert_eq!(server.count(&other).await, Some(1));
    assert_eq!(server.count(&denial()).await, Some(2));
}

#[tokio::test]
async fn denials_of_other_webhooks_are_counted_by_their_own_policies() {
    let server = TestServer::start().await;
    let denied = |webhook: &str, policy: &str| {
        let mut body = denial();
        body["violations"] = json!([violation(&format!("webhook/{webhook}/{policy}"))]);
        body["upstream"] = json!({"webhook": webhook, "message": "no", "items": [{"policy": policy, "message": "no"}]});
        body
    };
    assert_eq!(server.count(&denied("gatekeeper", "owner")).await, Some(1));
    assert_eq!(server.count(&denied("gatekeeper", "repos")).await, Some(1));
    assert_eq!(server.count(&denied("kyverno", "owner")).await, Some(1));
    assert_eq!(server.count(&denied("gatekeeper", "owner")).await, Some(2));
    let answer = server.explain(&denied("gatekeeper", "owner")).await;
    let kept = server.json(&format!("/e/{}", answer["id"].as_str().unwrap())).await;
    assert_eq!(kept["request"]["upstream"]["webhook"], "gatekeeper");
    let metrics = server
        .client
        .get(format!("{}/metrics", server.url))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("whynot_upstream_denials_total 5"), "{metrics}");
}

#[tokio::test]
async fn several_violations_of_one_policy_count_once() {
    let server = TestServer::start().await;
    let mut body = denial();
    body["violations"] = json!([
        violation(PRIVILEGED),
        violation("general/no-latest"),
        violation(PRIVILEGED)
    ]);
    server.explain(&body).await;
    let answer = server.explain(&body).await;
    assert_eq!(
        answer["repeats"],
        json!([
            {"policy": PRIVILEGED, "team": "checkout", "count": 2, "windowDays": 14},
            {"policy": "general/no-latest", "team": "checkout", "count": 2, "windowDays": 14},
        ])
    );
    let rows = server.violations().await;
    assert_eq!(rows.len(), 4);
    assert_eq!(rows.iter().find(|row| row["policy"] == PRIVILEGED).unwrap()["found"], 2);
}

#[tokio::test]
async fn fifteen_retries_of_a_replicaset_are_one() {
    let server = TestServer::start().await;
    let first = server.explain(&replica()).await;
    for attempt in 2..=15 {
        let again = server
            .explain(&with_review(replica(), "uid", format!("round-trip-{attempt}")))
            .await;
        assert_eq!(again["id"], first["id"]);
        assert_eq!(again["repeats"][0]["count"], 1);
    }
    let rows = server.violations().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["attempts"], 15);
    let explanation = server.json(&format!("/e/{}", first["id"].as_str().unwrap())).await;
    assert_eq!(explanation["attempts"], 15);
    assert_eq!(
        server.count(&denial()).await,
        Some(2),
        "a person's attempt counts beside the controller's"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn retries_at_the_same_time_are_one() {
    let server = TestServer::start().await;
    let bodies: Vec<Value> = (0..15)
        .map(|n| with_review(replica(), "uid", format!("round-trip-{n}")))
        .collect();
    let posts: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let request = server.client.post(format!("{}/v1/explain", server.url)).json(&body);
            tokio::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap() })
        })
        .collect();
    let mut ids = Vec::new();
    for post in posts {
        let answer = post.await.unwrap();
        assert_eq!(answer["repeats"][0]["count"], 1, "{answer}");
        ids.push(answer["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(server.violations().await.len(), 1);
    assert_eq!(server.violations().await[0]["attempts"], 15);
}

#[tokio::test]
async fn another_owner_or_another_spec_is_another_attempt() {
    let server = TestServer::start().await;
    assert_eq!(server.count(&replica()).await, Some(1));
    assert_eq!(server.count(&with_review(replica(), "specDigest", "bb")).await, Some(2));
    let owner = json!({"kind": "ReplicaSet", "name": "web-6e", "uid": "other"});
    assert_eq!(server.count(&with_review(replica(), "owner", owner)).await, Some(3));
    assert_eq!(server.count(&replica()).await, Some(3));
}

#[tokio::test]
async fn a_retry_under_new_policies_counts_once_and_is_explained_anew() {
    let server = TestServer::start().await;
    let first = server.explain(&replica()).await;
    let mut stricter = replica();
    stricter["revision"] = "aaaaaaaaaaaa".into();
    stricter["violations"] = json!([violation(PRIVILEGED), violation("general/no-latest")]);
    let second = server.explain(&stricter).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["repeats"][0]["count"], 1);
    let rows = server.violations().await;
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter().all(|row| row["explanation"] == second["id"]),
        "rows lead to what was said last"
    );
}

#[tokio::test]
async fn service_accounts_without_an_owner_are_retried_by_name() {
    let server = TestServer::start().await;
    let ci = with_review(denial(), "username", "system:serviceaccount:ci:deployer");
    assert_eq!(server.count(&ci).await, Some(1));
    assert_eq!(server.count(&ci).await, Some(1));
    assert_eq!(server.count(&with_review(ci, "name", "other")).await, Some(2));
}

#[tokio::test]
async fn dry_runs_of_people_are_recorded_and_not_counted() {
    let server = TestServer::start().await;
    let dry = with_review(denial(), "dryRun", true);
    assert_eq!(server.count(&dry).await, None);
    assert_eq!(server.count(&denial()).await, Some(1));
    let argo = with_review(dry, "fieldManager", "argocd-controller");
    assert_eq!(server.count(&argo).await, None);
    let rows = server.violations().await;
    assert_eq!(rows.len(), 3);
    assert_eq!(
        rows.iter()
            .filter(|row| row["dryRun"] == true && row["counted"] == false)
            .count(),
        2
    );
}

#[tokio::test]
async fn dry_runs_that_stand_for_the_real_thing_are_counted_once() {
    let server = TestServer::start().await;
    let flux = with_review(
        with_review(denial(), "dryRun", true),
        "fieldManager",
        "kustomize-controller",
    );
    assert_eq!(server.count(&flux).await, Some(1));
    assert_eq!(server.count(&flux).await, Some(1));
    let account = with_review(
        with_review(denial(), "dryRun", true),
        "username",
        "system:serviceaccount:ci:deployer",
    );
    assert_eq!(server.count(&with_review(account, "name", "other")).await, Some(2));
}

#[tokio::test]
async fn a_comparison_before_the_real_attempt_does_not_hide_it() {
    let server = TestServer::start().await;
    let argo = with_review(denial(), "fieldManager", "argocd-controller");
    assert_eq!(server.count(&with_review(argo.clone(), "dryRun", true)).await, None);
    assert_eq!(server.count(&argo).await, Some(1));
    let rows = server.violations().await;
    assert_eq!(
        (rows.len(), &rows[0]["counted"], &rows[0]["dryRun"]),
        (1, &json!(true), &json!(false))
    );
}

#[tokio::test]
async fn warnings_audits_and_allowed_requests_are_recorded_and_not_counted() {
    let server = TestServer::start().await;
    let mut body = denial();
    body["decision"] = "allow".into();
    body["violations"][0]["action"] = "warn".into();
    body["violations"]
        .as_array_mut()
        .unwrap()
        .push(violation("general/audited"));
    body["violations"][1]["action"] = "audit".into();
    body.as_object_mut().unwrap().remove("fix");
    assert_eq!(server.count(&body).await, None);
    let actions: Vec<Value> = server
        .violations()
        .await
        .iter()
        .map(|row| row["action"].clone())
        .collect();
    assert_eq!(actions, ["audit", "warn"]);
    assert_eq!(server.count(&denial()).await, Some(1));
}

#[tokio::test]
async fn the_team_comes_from_the_object_then_its_namespace_and_nothing_is_claimed_without_one() {
    let server = TestServer::with(|config| config.rules.team_labels = vec!["squad".into(), "team".into()]).await;
    let labelled = |object: Value, namespace: Value| {
        with_review(with_review(denial(), "labels", object), "namespaceLabels", namespace)
    };
    for (object, namespace, expected) in [
        (json!({"team": "a", "squad": "b"}), json!({"squad": "c"}), "b"),
        (json!({"team": "a"}), json!({"squad": "c"}), "a"),
        (json!({"app": "x", "squad": ""}), json!({"team": "c"}), "c"),
        (json!({}), json!({}), "unknown"),
        (json!({"team": "unknown"}), json!({}), "unknown"),
    ] {
        let answer = server.explain(&labelled(object, namespace)).await;
        let claimed = answer["repeats"]
            .as_array()
            .unwrap()
            .first()
            .map(|repeat| repeat["team"].clone());
        assert_eq!(claimed, (expected != "unknown").then(|| expected.into()));
        assert_eq!(server.violations().await[0]["team"], expected);
    }
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("whynot.db");
    let server = TestServer::at(&database, |_| {}).await;
    server.count(&denial()).await;
    let retried = server.explain(&replica()).await;
    server.stop().await;

    let server = TestServer::at(&database, |_| {}).await;
    let again = server.explain(&replica()).await;
    assert_eq!(again["id"], retried["id"]);
    assert_eq!(again["repeats"][0]["count"], 2);
    assert_eq!(server.count(&denial()).await, Some(3));
    assert_eq!(
        server.json(&format!("/e/{}", retried["id"].as_str().unwrap())).await["attempts"],
        2
    );
}

#[tokio::test]
async fn the_window_and_the_retention_end() {
    use engine::explain::text::Words;
    use explainer_svc::ledger::{Attempt, Rules, days};

    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("whynot.db")).await.unwrap();
    let rules = Rules {
        team_labels: vec!["team".into()],
        window_days: 14,
    };
    let request = serde_json::from_value(replica()).unwrap();
    let record = async |id: &str, now: i64| {
        let attempt = Attempt::new(&request, &rules, now);
        let words = |_: &str, _: &[_]| Words {
            message: String::new(),
            warnings: Vec::new(),
        };
        store.record(&attempt, id, 14, "engine", words).await.unwrap()
    };
    assert_eq!(record("first", 0).await.id, "first");
    let retried = record("second", days(14)).await;
    assert_eq!(
        (retried.id.as_str(), retried.attempts),
        ("first", 2),
        "seen within the window of the last time"
    );
    let later = record("third", days(29)).await;
    assert_eq!(
        (later.id.as_str(), later.attempts),
        ("third", 1),
        "not seen for a window: a new attempt"
    );
    assert_eq!(later.repeats[0].count, 1, "what is out of the window is not counted");

    assert_eq!(store.purge(days(20)).await.unwrap(), 1);
    assert!(store.explanation("first").await.unwrap().is_none());
    assert!(store.explanation("third").await.unwrap().is_some());
    let query = explainer_svc::store::Query {
        limit: 10,
        ..Default::default()
    };
    assert_eq!(
        store.violations(&query).await.unwrap().len(),
        1,
        "its violations went with it"
    );
}
