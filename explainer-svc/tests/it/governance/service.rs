//! What a running service says of its controls.

use explainer_svc::audit::{Counts, Event, Kind, Log};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{ADMINISTRATOR, Service, control, status};
use crate::cli::whynot;
use crate::gateway::provider::{Provider, answer, response};
use crate::support::{TestServer, denial};

/// What calls that were made, and nobody measured, evidence.
const SHOWN: [&str; 24] = [
    "aiuc-1/B002",
    "aiuc-1/B004",
    "aiuc-1/B005",
    "aiuc-1/B006",
    "aiuc-1/B007",
    "aiuc-1/B009",
    "aiuc-1/C003",
    "aiuc-1/C004",
    "aiuc-1/C006",
    "aiuc-1/C008",
    "aiuc-1/D001",
    "aiuc-1/D003",
    "aiuc-1/E009",
    "aiuc-1/E011",
    "aiuc-1/E015",
    "nist-ai-rmf/GOVERN 1.6",
    "nist-ai-rmf/GOVERN 1.7",
    "nist-ai-rmf/GOVERN 6.1",
    "nist-ai-rmf/GOVERN 6.2",
    "nist-ai-rmf/MEASURE 2.6",
    "nist-ai-rmf/MEASURE 2.7",
    "nist-ai-rmf/MANAGE 2.4",
    "nist-ai-600-1/GV-6.2-006",
    "nist-ai-600-1/MS-2.7-007",
];

/// What they evidence with a person's word beside.
const SAID: [&str; 6] = [
    "aiuc-1/A004",
    "aiuc-1/A006",
    "aiuc-1/B008",
    "nist-ai-rmf/MEASURE 2.10",
    "nist-ai-rmf/MANAGE 4.3",
    "nist-ai-600-1/MP-4.1-009",
];

/// Each control has one of the statuses, a reason where it is not evidenced, and leaves whose proofs are there.
async fn is_whole(service: &Service, report: &Value) {
    let controls = report["controls"].as_array().unwrap();
    assert_eq!(controls.len(), 82);
    let mut leaves = std::collections::BTreeSet::new();
    for control in controls {
        let status = control["status"].as_str().unwrap();
        assert!(
            [
                "evidenced",
                "not-evidenced",
                "attested",
                "attestation-missing",
                "not-applicable"
            ]
            .contains(&status),
            "{control}"
        );
        let evidence = control["evidence"].as_array().unwrap();
        if status == "evidenced" {
            assert!(
                !evidence.is_empty()
                    && evidence
                        .iter()
                        .all(|one| one["holds"] == true || one["noneYet"] == true),
                "{control}"
            );
        } else {
            assert_ne!(control["reason"], "", "{control}");
        }
        for leaf in evidence.iter().flat_map(|one| one["leaves"].as_array().unwrap()) {
            leaves.insert(leaf["proof"].as_str().unwrap().to_owned());
        }
    }
    assert!(!leaves.is_empty());
    for proof in leaves {
        assert_eq!(service.server.get(&proof).await.status(), StatusCode::OK, "{proof}");
    }
}

#[tokio::test]
async fn without_a_model_the_service_is_shown_and_models_do_not_apply() {
    let service = Service::start(None, |_, _| {}).await;
    service.server.explain(&denial()).await;
    service.logged("verdict-explained", 1).await;
    service.logged("retention-run", 1).await;
    let report = service.report().await;
    is_whole(&service, &report).await;
    assert_eq!(report["models"], false);
    assert_eq!(report["log"]["verified"], true);
    for name in [
        "aiuc-1/E015",
        "aiuc-1/B004",
        "aiuc-1/B007",
        "nist-ai-600-1/GV-1.5-003",
        "nist-ai-rmf/MEASURE 2.4",
    ] {
        assert_eq!(status(&report, name), "evidenced", "{}", control(&report, name));
    }
    for name in ["aiuc-1/A003", "aiuc-1/B006", "aiuc-1/E016", "nist-ai-rmf/GOVERN 1.7"] {
        let control = control(&report, name);
        assert_eq!(
            (&control["status"], &control["reason"]),
            (&json!("not-applicable"), &json!("No model is configured."))
        );
    }
    assert_eq!(status(&report, "aiuc-1/E001"), "attestation-missing");
    // No witness, and no policies that were taken up: said, not passed.
    assert_eq!(status(&report, "nist-ai-600-1/MS-2.8-003"), "not-evidenced");
    assert_eq!(status(&report, "nist-ai-rmf/MAP 3.5"), "not-evidenced");
}

#[tokio::test]
async fn only_administrators_are_told() {
    let service = Service::start(None, |_, _| {}).await;
    let url = format!("{}/v1/governance", service.server.url);
    assert_eq!(service.server.client.get(&url).send().await.unwrap().status(), 401);
    let wrong = service.server.client.get(&url).bearer_auth("something else entirely");
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let open = TestServer::start().await;
    assert_eq!(open.get("/v1/governance").await.status(), 403);
}

#[tokio::test]
async fn with_models_that_were_asked_most_is_shown_and_a_file_says_the_same_as_the_service() {
    // The first provider fails, so the route falls back.
    let broken = Provider::start(|_, _| response("500 Internal Server Error", "", "")).await;
    let good = Provider::start(|_, _| answer("because", 3, 4)).await;
    let service = Service::start(Some((&broken.url(), &good.url())), |_, _| {}).await;
    // `b` speaks another protocol: `a` is asked at the address that answers, from here on.
    assert_eq!(service.ask("default").await, 502);
    let file = service.folder.path().join("gateway.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("{name: b, kind: anthropic,", "{name: b, kind: openai,");
    std::fs::write(&file, text).unwrap();
    let Service { server, folder } = service;
    server.stop().await;
    let service = again(folder).await;
    assert_eq!(service.ask("default").await, 200);
    assert_eq!(service.ask("only-b").await, 200);
    service.switch(true).await;
    assert_eq!(service.ask("only-b").await, 503);
    service.switch(false).await;
    service.server.explain(&denial()).await;
    service.logged("verdict-explained", 1).await;
    service.logged("kill-switch", 2).await;
    service.logged("retention-run", 2).await;
    assert_eq!(service.server.get("/metrics").await.status(), 200);
    let report = service.report().await;
    is_whole(&service, &report).await;
    for name in SHOWN {
        assert_eq!(status(&report, name), "evidenced", "{}", control(&report, name));
    }
    // All of it is there but what a person has to say.
    for name in SAID {
        assert_eq!(
            status(&report, name),
            "attestation-missing",
            "{}",
            control(&report, name)
        );
    }
    let redacted = &control(&report, "aiuc-1/A006")["evidence"][1];
    assert!(redacted["figure"].as_f64().unwrap() >= 2.0, "{redacted}");
    // Nobody measured a model, none explained anything: said, not passed.
    for name in ["aiuc-1/A003", "aiuc-1/C002", "aiuc-1/E016", "nist-ai-600-1/GV-1.3-002"] {
        assert_eq!(status(&report, name), "not-evidenced", "{name}");
    }
    assert_eq!(status(&report, "aiuc-1/B001"), "attestation-missing");

    let Service { server, folder } = service;
    server.stop().await;
    measured(&folder.path().join("state/audit.db")).await;
    let offline = [
        "governance",
        "report",
        "--database",
        "state/audit.db",
        "--format",
        "json",
    ];
    let run = whynot(folder.path(), &offline);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let file: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(file["log"]["verified"], true);
    for name in ["aiuc-1/A003", "aiuc-1/E016"] {
        assert_eq!(status(&file, name), "evidenced", "{}", control(&file, name));
    }
    // Measured, it says, and whoever was not may speak all the same.
    for name in [
        "aiuc-1/C002",
        "nist-ai-600-1/GV-1.3-002",
        "nist-ai-rmf/MEASURE 2.1",
        "nist-ai-rmf/MEASURE 2.3",
        "nist-ai-rmf/MEASURE 2.5",
    ] {
        assert_eq!(status(&file, name), "not-evidenced", "{name}");
    }
    for control in report["controls"].as_array().unwrap() {
        let name = format!(
            "{}/{}",
            control["framework"].as_str().unwrap(),
            control["id"].as_str().unwrap()
        );
        let of_metrics = control["evidence"].to_string().contains("whynot_");
        if control["status"] == "evidenced" {
            let expected = if of_metrics { "not-evidenced" } else { "evidenced" };
            assert_eq!(status(&file, &name), expected, "{name}");
        }
    }
    assert!(!file.to_string().contains(ADMINISTRATOR) && !file.to_string().contains("ghp_"));
}

/// What others write: words of a model with what was sent, and a measured model.
async fn measured(database: &std::path::Path) {
    let log = Log::open(
        &explainer_svc::audit::Settings::at(database.to_owned()),
        Counts::default(),
    )
    .await
    .unwrap();
    let explained = json!({
        "decision": "deny", "revision": "r", "policies": ["p"], "source": "model", "model": "a/m",
        "prompt": {"name": "explain"},
    });
    let called = json!({
        "purpose": "explain", "called": {"provider": "a", "model": "m"}, "region": "eu", "promptDigest": "d", "tools": 0,
        "guardsIn": {"projection": {"sent": ["/spec/containers/0/image"]}, "redacted": {}},
    });
    // By hand, of a model that no gate releases.
    let measured = json!({
        "provider": "a", "model": "m", "evaluatedAt": jiff::Timestamp::now().to_string(), "thresholds": [{"figure": "grounded"}],
        "passed": true, "cases": "c", "prompts": [{"name": "explain", "version": 1, "hash": "h"}],
        "figures": {"grounded": 0.95, "fixesUnverified": 0},
    });
    for (kind, payload) in [
        (Kind::VerdictExplained, explained),
        (Kind::ModelCalled, called),
        (Kind::EvaluationRun, measured),
    ] {
        log.append(Event::new(kind, "x", payload)).await.unwrap();
    }
    log.close().await;
}

/// The service of a folder, started again.
async fn again(folder: tempfile::TempDir) -> Service {
    let token = explainer_svc::delivery::Token::open(folder.path().join("administrator")).unwrap();
    let setup = explainer_svc::gateway::Setup {
        file: folder.path().join("gateway.yaml"),
        kill_file: None,
        neighbours: None,
    };
    let database = folder.path().join("state/whynot.db");
    let server = TestServer::at(&database, |config| {
        config.policies.administrator = Some(token);
        config.gateway = Some(setup);
    })
    .await;
    Service { server, folder }
}
