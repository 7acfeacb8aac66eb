//! Evaluations on a schedule: in the log, in the metrics, and somebody is told of what got worse.

use std::sync::Arc;
use std::time::Duration;

use explainer_svc::audit::{Counts, Event, Kind, Log};
use explainer_svc::gateway::{Gateway, GatewayMetrics, Parts, Settings};
use explainer_svc::governance::{self, Governance};
use explainer_svc::telemetry::Metrics;
use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;

use super::{Removable, Service, status};
use crate::gateway::provider::{Provider, answer, response};
use crate::gateway::{call, folder, settings};

/// A gateway whose guards can be taken out, with its log and its schedule.
struct Stand {
    log: Log,
    gateway: Gateway,
    metrics: Metrics,
    guards: Arc<Removable>,
    governance: Governance,
    folder: TempDir,
}

/// The guards of a stand, which the test keeps hold of.
struct Held(Arc<Removable>);

impl explainer_svc::gateway::Guards for Held {
    fn samples(&self) -> Vec<explainer_svc::gateway::seams::Sample> {
        self.0.samples()
    }

    fn inbound(
        &self,
        call: &explainer_svc::gateway::Call,
    ) -> Result<explainer_svc::gateway::seams::Guarded, explainer_svc::gateway::seams::Fired> {
        self.0.inbound(call)
    }
}

const NOTHING_ATTESTED: &str = "apiVersion: whynot.dev/v1\nkind: Attestations\nattestations: []\n";

async fn stand(provider: &Provider, webhook: &Provider) -> Stand {
    let folder = folder();
    let attestations = folder.path().join("attestations.yaml");
    std::fs::write(&attestations, NOTHING_ATTESTED).unwrap();
    let database = folder.path().join("audit.db");
    let log = Log::open(&explainer_svc::audit::Settings::at(database.clone()), Counts::default())
        .await
        .unwrap();
    let service = json!({"version": "0", "models": true, "administrator": true});
    log.append(Event::new(Kind::ConfigurationLoaded, "0", service))
        .await
        .unwrap();
    let guards = Arc::new(Removable::without(None));
    let metrics = Metrics::default();
    let text = crate::gateway::unhurried(&settings(&provider.url(), &provider.url(), ""));
    let gateway = Gateway::open(Parts {
        settings: Settings::parse(&text, folder.path()).unwrap(),
        database: folder.path().join("gateway.db"),
        kill_file: None,
        guards: Arc::new(Held(guards.clone())),
        trail: Arc::new(log.clone()),
        metrics: GatewayMetrics::default(),
    })
    .await
    .unwrap();
    let governance = Governance::new(governance::Parts {
        settings: governance::Settings {
            interval: Some(Duration::from_millis(300)),
            webhook: Some(format!("{}/hook?key=s3cret", webhook.url()).parse().unwrap()),
            attestations: Some(attestations),
            ..governance::Settings::default()
        },
        log: log.clone(),
        database,
        metrics: metrics.clone(),
        gateway: Some(gateway.clone()),
        public_url: "https://whynot.example.com".to_owned(),
    })
    .unwrap();
    Stand {
        log,
        gateway,
        metrics,
        guards,
        governance,
        folder,
    }
}

impl Stand {
    async fn evaluated(&self, number: usize) -> Vec<Value> {
        for _ in 0..400 {
            let query = explainer_svc::audit::Query {
                kind: Some(Kind::GovernanceEvaluated),
                limit: 1000,
                ..explainer_svc::audit::Query::default()
            };
            let events = self.log.events(&query).await.unwrap();
            if events.len() >= number {
                return events.into_iter().map(|event| event.payload.unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not evaluated {number} times");
    }
}

#[tokio::test]
async fn a_guard_that_goes_missing_turns_models_off_and_is_told_once_and_until_it_is_heard() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    // The first is not heard.
    let webhook = Provider::start(|number, _| match number {
        0 => response("503 Service Unavailable", "", ""),
        _ => response("204 No Content", "", ""),
    })
    .await;
    let stand = stand(&provider, &webhook).await;
    stand.gateway.complete(call("why?")).await.unwrap();
    let running = tokio::spawn(stand.governance.clone().run());
    let events = stand.evaluated(2).await;
    assert_eq!(events[1]["statuses"]["aiuc-1/C006"], "evidenced");
    assert_eq!(events[1]["regressed"], json!({}));
    assert_eq!(webhook.count(), 0);

    *stand.guards.missing.lock().unwrap() = Some("links");
    for _ in 0..400 {
        if webhook.count() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let seen = webhook.seen();
    assert!(
        seen[0].head.starts_with("POST /v1/hook?key=s3cret "),
        "{}",
        seen[0].head
    );
    assert_eq!(seen[0].body, seen[1].body, "the same again");
    let body = &seen[1].body;
    assert_eq!(body["kind"], "governance-regression");
    let told: Vec<&str> = body["controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert!(told.contains(&"C006") && told.contains(&"MEASURE 2.7"), "{told:?}");
    assert!(!told.contains(&"B006"), "{told:?}");
    assert!(
        body["controls"][0]["reason"].as_str().unwrap().contains("links"),
        "{body}"
    );

    // Models are off, and nobody is told of the same again.
    let refused = stand.gateway.complete(call("why?")).await.unwrap_err();
    assert_eq!(refused.reason(), "killed");
    let before = stand.evaluated(1).await.len();
    let events = stand.evaluated(before + 2).await;
    let last = events.last().unwrap();
    assert_eq!(last["statuses"]["aiuc-1/C006"], "not-evidenced");
    assert!(last["regressed"]["aiuc-1/C006"].is_string(), "{last}");
    assert_eq!(webhook.count(), 2);
    let metrics = stand.metrics.encode().unwrap();
    for line in [
        "whynot_governance_regressed{framework=\"aiuc-1\",control=\"C006\"} 1",
        "whynot_governance_alerts_total{outcome=\"sent\"} 1",
        "whynot_governance_controls{framework=\"aiuc-1\",status=\"not-evidenced\"}",
        "whynot_governance_evaluations_total{outcome=\"done\"}",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }

    // It is back.
    *stand.guards.missing.lock().unwrap() = None;
    let before = stand.evaluated(1).await.len();
    let events = stand.evaluated(before + 2).await;
    assert_eq!(events.last().unwrap()["regressed"]["aiuc-1/C006"], Value::Null);
    assert!(stand.gateway.is_killed(), "models are for a person to turn on again");
    running.abort();
}

#[tokio::test]
async fn a_service_evaluates_when_it_starts_and_a_report_shows_what_got_worse() {
    let service = Service::start(None, |config, folder| {
        let attestations = "apiVersion: whynot.dev/v1\nkind: Attestations\nattestations:\n  - {control: aiuc-1/E001, by: Ada, on: DAY, until: DAY}\n";
        let today = jiff::Timestamp::now().to_string();
        let attestations = attestations.replace("DAY", &today[..10]);
        std::fs::write(folder.join("attestations.yaml"), attestations).unwrap();
        config.governance.attestations = Some(folder.join("attestations.yaml"));
        config.governance.interval = Some(Duration::from_hours(1));
    })
    .await;
    let evaluated = service.logged("governance-evaluated", 1).await;
    assert_eq!(evaluated[0]["payload"]["statuses"]["aiuc-1/E001"], "attested");
    // What was attested is found again by what the file was.
    let text = std::fs::read(service.folder.path().join("attestations.yaml")).unwrap();
    let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&text));
    assert_eq!(evaluated[0]["payload"]["attestations"], digest.as_str());
    let report = service.report().await;
    assert_eq!(status(&report, "aiuc-1/E001"), "attested");
    assert_eq!(report["attestationsDigest"], digest.as_str());
    assert_eq!(report["regressions"], json!([]));

    // Somebody took it back.
    let none = "apiVersion: whynot.dev/v1\nkind: Attestations\nattestations: []\n";
    std::fs::write(service.folder.path().join("attestations.yaml"), none).unwrap();
    let report = service.report().await;
    assert_eq!(report["regressions"][0]["id"], "E001");
    std::fs::write(service.folder.path().join("attestations.yaml"), "nonsense: [").unwrap();
    assert_eq!(service.admin("/v1/governance").await.status(), 503);
}

/// Once somebody was told so often.
async fn heard(webhook: &Provider, number: usize) -> Vec<Value> {
    for _ in 0..400 {
        if webhook.count() >= number {
            return webhook.seen().into_iter().map(|seen| seen.body).collect();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not told {number} times");
}

#[tokio::test]
async fn a_log_that_is_changed_is_told_and_turns_everything_red() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let webhook = Provider::start(|_, _| response("204 No Content", "", "")).await;
    let stand = stand(&provider, &webhook).await;
    stand.gateway.complete(call("why?")).await.unwrap();
    let running = tokio::spawn(stand.governance.clone().run());
    let events = stand.evaluated(2).await;
    assert_eq!(events[1]["statuses"]["aiuc-1/C006"], "evidenced");
    assert_eq!(webhook.count(), 0);

    // Whoever can write the file takes what a model was told, and what was evaluated before.
    let database = stand.folder.path().join("audit.db");
    let forged = "UPDATE payload SET bytes = replace(bytes, '\"', ' ') WHERE leaf IN (SELECT number FROM leaf \
        WHERE instr(bytes, 'model-called') > 0 OR instr(bytes, 'governance-evaluated') > 0)";
    crate::audit::sql(&database, &[forged]).await;
    let told = heard(&webhook, 1).await;
    let text = told[0]["text"].as_str().unwrap();
    assert!(
        text.contains("the audit log does not verify") && text.contains("aiuc-1 C006"),
        "{text}"
    );
    assert_eq!(told[0]["logVerified"], false);
    assert!(
        told[0]["problems"][0].as_str().unwrap().contains("they were changed"),
        "{}",
        told[0]
    );
    let report = stand.governance.report().await.unwrap();
    assert!(!report.log.verified);
    let green: Vec<_> = report
        .controls
        .iter()
        .filter(|control| control.status == governance::Status::Evidenced)
        .map(governance::report::Assessed::name)
        .collect();
    assert!(green.iter().all(|name| name == "nist-ai-rmf/MEASURE 2.4"), "{green:?}");
    let metrics = stand.metrics.encode().unwrap();
    for line in [
        "whynot_governance_regressed{framework=\"aiuc-1\",control=\"C006\"} 1",
        "whynot_governance_controls{framework=\"aiuc-1\",status=\"evidenced\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // Once.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(webhook.count(), 1);
    running.abort();
}

#[tokio::test]
async fn an_evaluation_that_cannot_be_made_is_told_and_leaves_no_green() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let webhook = Provider::start(|_, _| response("204 No Content", "", "")).await;
    let stand = stand(&provider, &webhook).await;
    let running = tokio::spawn(stand.governance.clone().run());
    stand.evaluated(1).await;
    let attestations = stand.folder.path().join("attestations.yaml");
    std::fs::write(&attestations, "nonsense: [").unwrap();
    let told = heard(&webhook, 1).await;
    assert_eq!(told[0]["kind"], "governance-failed");
    assert!(
        told[0]["text"].as_str().unwrap().contains("--attestations"),
        "{}",
        told[0]
    );
    let metrics = stand.metrics.encode().unwrap();
    assert!(!metrics.contains("whynot_governance_controls{"), "{metrics}");
    assert!(
        metrics.contains("whynot_governance_evaluations_total{outcome=\"failed\"}"),
        "{metrics}"
    );

    std::fs::write(&attestations, NOTHING_ATTESTED).unwrap();
    let before = stand.evaluated(1).await.len();
    stand.evaluated(before + 1).await;
    assert!(stand.metrics.encode().unwrap().contains("whynot_governance_controls{"));
    assert_eq!(webhook.count(), 1);
    running.abort();
}
