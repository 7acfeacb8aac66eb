//! A guard that is taken out: the gateway does not serve, and its controls are red.

use std::collections::BTreeSet;
use std::sync::Arc;

use explainer_svc::audit::{Counts, Log};
use explainer_svc::gateway::guards::Guard;
use explainer_svc::gateway::{Gateway, GatewayMetrics, Parts, Settings};
use explainer_svc::governance::control::{Control, Controls, Query};
use serde_json::Value;

use super::{Removable, Service, status};
use crate::cli::whynot;
use crate::gateway::provider::{Provider, answer};

/// The controls that rest on a guard.
fn resting(guard: &str) -> BTreeSet<String> {
    let controls = Controls::shipped().unwrap();
    let rests = |control: &&Control| {
        let mut checks = control.checks.iter().chain(&control.model_checks);
        checks.any(|name| {
            matches!(&controls.checks[name].query, Query::Guards(guards) if guards.names.iter().any(|name| name == guard))
        })
    };
    controls.controls.iter().filter(rests).map(Control::name).collect()
}

#[tokio::test]
async fn without_a_guard_the_gateway_does_not_serve_and_what_rests_on_it_is_red() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let service = Service::start(Some((&provider.url(), &provider.url())), |_, _| {}).await;
    assert_eq!(service.ask("only-a").await, 200);
    let before = service.report().await;
    let Service { server, folder } = service;
    server.stop().await;
    let (database, file) = (folder.path().join("state/audit.db"), folder.path().join("gateway.yaml"));

    // The gateway refuses calls of tools by itself, whatever guards there are.
    let removable = Guard::ALL.into_iter().filter(|guard| *guard != Guard::ToolCalls);
    for guard in removable.map(Guard::name) {
        let log = Log::open(&explainer_svc::audit::Settings::at(database.clone()), Counts::default())
            .await
            .unwrap();
        let parts = Parts {
            settings: Settings::load(&file).unwrap(),
            database: folder.path().join("state/gateway.db"),
            kill_file: None,
            guards: Arc::new(Removable::without(Some(guard))),
            trail: Arc::new(log.clone()),
            metrics: GatewayMetrics::default(),
        };
        let refused = Gateway::open(parts).await.unwrap_err().to_string();
        assert!(
            refused.contains("does not serve without its guards") && refused.contains(guard),
            "{refused}"
        );
        log.close().await;
        drop(log);

        let arguments = [
            "governance",
            "report",
            "--database",
            "state/audit.db",
            "--format",
            "json",
        ];
        let run = whynot(folder.path(), &arguments);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let rest = resting(guard);
        assert!(rest.len() > 3, "{guard}");
        for name in &rest {
            assert_eq!(status(&report, name), "not-evidenced", "{guard}: {name}");
            let control = super::control(&report, name);
            assert!(control["reason"].as_str().unwrap().contains(guard), "{control}");
            let shown = status(&before, name);
            assert!(
                ["evidenced", "attestation-missing", "not-evidenced"].contains(&shown),
                "{name}: {shown}"
            );
        }
        // Others stand as before; only a running service has metrics.
        for control in before["controls"].as_array().unwrap() {
            let name = format!(
                "{}/{}",
                control["framework"].as_str().unwrap(),
                control["id"].as_str().unwrap()
            );
            let of_metrics = control["evidence"].to_string().contains("whynot_");
            if control["status"] == "evidenced" && !of_metrics && !rest.contains(&name) {
                assert_eq!(status(&report, &name), "evidenced", "{guard}: {name}");
            }
        }
        assert_eq!(status(&report, "aiuc-1/E011"), "evidenced");
    }
}

#[tokio::test]
async fn a_service_whose_gateway_does_not_open_leaves_a_log_that_verifies() {
    let service = Service::start(None, |_, _| {}).await;
    let Service { server, folder } = service;
    server.stop().await;
    // Another process has the gateway's database.
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let text = crate::gateway::settings(&provider.url(), &provider.url(), "");
    std::fs::write(folder.path().join("gateway.yaml"), text).unwrap();
    let lock = std::fs::File::create(folder.path().join("state/gateway.db.lock")).unwrap();
    lock.lock().unwrap();
    let mut config =
        explainer_svc::config::Config::new("127.0.0.1:0".parse().unwrap(), folder.path().join("state/whynot.db"));
    config.gateway = Some(explainer_svc::gateway::Setup {
        file: folder.path().join("gateway.yaml"),
        kill_file: None,
        neighbours: None,
    });
    let refused = explainer_svc::server::Server::bind(config)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("another process"), "{refused}");
    let run = whynot(
        folder.path(),
        &["audit", "verify", "--database", "state/audit.db", "--output", "json"],
    );
    assert_eq!(run.code, Some(0), "{}", run.out);
    let verified: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(verified["leaves"], verified["signed"]);
    // Models were wanted, and are not there: their controls are red, and not none of ours.
    let arguments = [
        "governance",
        "report",
        "--database",
        "state/audit.db",
        "--format",
        "json",
    ];
    let report: Value = serde_json::from_str(&whynot(folder.path(), &arguments).out).unwrap();
    assert_eq!(report["models"], true);
    assert_eq!(status(&report, "aiuc-1/E011"), "not-evidenced");
}
