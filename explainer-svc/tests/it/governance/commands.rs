//! `whynot governance report` and `whynot gateway kill | allow | status`, as processes.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::{Service, status};
use crate::cli::{Run, whynot};
use crate::gateway::provider::{Provider, answer};
use crate::support::denial;

/// Commands are processes: not on the thread that answers them.
async fn beside(folder: &Arc<TempDir>, arguments: &[&str]) -> Run {
    let folder = Arc::clone(folder);
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let work = move || whynot(folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_report_in_each_form_from_a_server() {
    let service = Service::start(None, |_, _| {}).await;
    service.server.explain(&denial()).await;
    service.logged("verdict-explained", 1).await;
    service.logged("retention-run", 1).await;
    let Service { server, folder } = service;
    let folder = Arc::new(folder);
    let url = server.url.clone();
    let report = async |more: &[&str]| {
        let mut arguments = vec![
            "governance",
            "report",
            "--server",
            &url,
            "--token-file",
            "administrator",
        ];
        arguments.extend(more);
        beside(&folder, &arguments).await
    };

    let text = report(&[]).await;
    assert_eq!(text.code, Some(0), "{}", text.err);
    assert!(
        text.out.contains("\nAIUC-1 2026-Q2: ") && !text.out.contains('\u{1b}'),
        "{}",
        text.out
    );
    let markdown = report(&["--format", "markdown"]).await;
    assert!(
        markdown.out.contains(&format!("]({url}/v1/audit/proof?index=")),
        "{}",
        markdown.out
    );
    let json: Value = serde_json::from_str(&report(&["--format", "json"]).await.out).unwrap();
    assert_eq!(status(&json, "aiuc-1/E015"), "evidenced");
    let oscal: Value = serde_json::from_str(&report(&["--format", "oscal"]).await.out).unwrap();
    let results = &oscal["assessment-results"];
    assert_eq!(results["metadata"]["oscal-version"], "1.1.3");
    assert_eq!(results["results"].as_array().unwrap().len(), 3);

    let written = report(&[
        "--format",
        "html",
        "--output",
        "controls.html",
        "--fail-on",
        "regression",
    ])
    .await;
    assert_eq!((written.code, written.out.as_str()), (Some(0), ""), "{}", written.err);
    let page = std::fs::read_to_string(folder.path().join("controls.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("MEASURE 2.8"));

    let failing = report(&["--fail-on", "not-evidenced"]).await;
    assert_eq!(failing.code, Some(1));
    assert!(failing.err.contains("not evidenced"), "{}", failing.err);

    std::fs::write(folder.path().join("other"), "another token altogether").unwrap();
    let refused = beside(
        &folder,
        &["governance", "report", "--server", &url, "--token-file", "other"],
    )
    .await;
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let unasked = beside(&folder, &["governance", "report", "--server", &url]).await;
    assert_eq!(unasked.code, Some(2));
    server.stop().await;
    let gone = report(&[]).await;
    assert_eq!(gone.code, Some(2), "{}", gone.err);
}

#[tokio::test]
async fn a_changed_log_evidences_nothing_and_a_missing_one_is_an_error() {
    let service = Service::start(None, |_, _| {}).await;
    service.server.explain(&denial()).await;
    service.logged("verdict-explained", 1).await;
    let Service { server, folder } = service;
    server.stop().await;
    let offline = |path: &Path, more: &[&str]| {
        let mut arguments = vec!["governance", "report", "--database", "state/audit.db"];
        arguments.extend(more);
        whynot(path, &arguments)
    };
    let before = offline(
        folder.path(),
        &["--public-url", "https://whynot.example.com", "--format", "markdown"],
    );
    assert_eq!(before.code, Some(0), "{}", before.err);
    assert!(
        before
            .out
            .contains("](https://whynot.example.com/v1/audit/proof?index=0)"),
        "{}",
        before.out
    );
    crate::audit::sql(
        &folder.path().join("state/audit.db"),
        &[
            "DROP TRIGGER leaf_is_not_changed",
            "UPDATE leaf SET bytes = replace(bytes, 'verdict-explained', 'verdict-explaimed')",
        ],
    )
    .await;
    let report: Value = serde_json::from_str(&offline(folder.path(), &["--format", "json"]).out).unwrap();
    assert_eq!(report["log"]["verified"], false);
    let controls = report["controls"].as_array().unwrap();
    assert!(
        controls.iter().all(|control| control["status"] != "evidenced"),
        "{report}"
    );
    let missing = whynot(
        folder.path(),
        &["governance", "report", "--database", "nothing.db", "--public-key", "x"],
    );
    assert_eq!(missing.code, Some(2));
    let missing = offline_of(folder.path(), "nothing.db", &[]);
    assert_eq!(missing.code, Some(2), "{}", missing.err);
    assert!(
        missing
            .err
            .ends_with("there is no report: nothing.db: there is no such file\n"),
        "{}",
        missing.err
    );
}

fn offline_of(folder: &Path, database: &str, more: &[&str]) -> Run {
    let mut arguments = vec!["governance", "report", "--database", database];
    arguments.extend(more);
    whynot(folder, &arguments)
}

#[tokio::test]
async fn a_payload_that_was_changed_is_a_report_that_says_so_and_what_is_wrong_is_said_once() {
    let service = Service::start(None, |_, _| {}).await;
    service.server.explain(&denial()).await;
    service.logged("verdict-explained", 1).await;
    service.logged("retention-run", 1).await;
    let Service { server, folder } = service;
    server.stop().await;
    let database = folder.path().join("state/audit.db");
    let forged = "UPDATE payload SET bytes = replace(bytes, '\"deny\"', '\"warn\"')";
    crate::audit::sql(&database, &[forged]).await;
    let run = offline_of(folder.path(), "state/audit.db", &["--format", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["log"]["verified"], false);
    assert_ne!(report["log"]["problems"], serde_json::json!([]));
    let controls = report["controls"].as_array().unwrap();
    assert!(
        controls.iter().all(|control| control["status"] != "evidenced"),
        "{report}"
    );
    let failing = offline_of(folder.path(), "state/audit.db", &["--fail-on", "not-evidenced"]);
    assert_eq!(failing.code, Some(1), "{}", failing.err);

    std::fs::write(
        &database,
        "this is no database, and longer than what a header of one has: 0123456789",
    )
    .unwrap();
    let none = offline_of(folder.path(), "state/audit.db", &[]);
    assert_eq!(none.code, Some(2), "{}", none.err);
    assert_eq!(none.err.matches("not a database").count(), 1, "{}", none.err);
}

#[tokio::test]
async fn models_are_turned_off_and_on_and_their_costs_are_told() {
    let provider = Provider::start(|_, _| answer("because", 3, 4)).await;
    let service = Service::start(Some((&provider.url(), &provider.url())), |_, _| {}).await;
    assert_eq!(service.ask("only-a").await, 200);
    let url = service.server.url.clone();
    let token = service.folder.path().join("administrator");
    let token = token.to_str().unwrap().to_owned();
    let elsewhere = Arc::new(TempDir::new().unwrap());
    let gateway = async |arguments: &[&str]| {
        let mut all = vec!["gateway"];
        all.extend(arguments);
        all.extend(["--server", &url, "--token-file", &token]);
        beside(&elsewhere, &all).await
    };
    let off = gateway(&["kill", "--reason", "a drill"]).await;
    assert_eq!(
        (off.code, off.out.as_str()),
        (Some(0), "models are off\n"),
        "{}",
        off.err
    );
    assert_eq!(service.ask("only-a").await, 503);
    let events = service.logged("kill-switch", 1).await;
    assert_eq!(
        (&events[0]["subject"], &events[0]["payload"]["reason"]),
        (&"off".into(), &"a drill".into())
    );
    let state = gateway(&["status", "--output", "json", "--since", "2026-01-01"]).await;
    let state: Value = serde_json::from_str(&state.out).unwrap();
    assert_eq!((&state["off"], &state["since"]), (&true.into(), &"2026-01-01".into()));
    assert_eq!(state["usage"][0]["output"], 4);
    let on = gateway(&["allow", "--output", "json"]).await;
    assert_eq!(
        (on.code, on.out.as_str()),
        (Some(0), "{\"off\":false,\"reason\":\"\"}\n")
    );
    assert_eq!(service.ask("only-a").await, 200);
    let mut text = gateway(&["status"]).await.out;
    for _ in 0..50 {
        if text.contains("2 answers") {
            break;
        }
        text = gateway(&["status"]).await.out;
    }
    let expected = "  a/m for triage: 2 answers (0 kept), 6 + 8 tokens, $0.000008000\n";
    assert!(
        text.starts_with("models are on\nused since ") && text.ends_with(expected),
        "{text}"
    );
}

#[tokio::test]
async fn without_a_gateway_there_is_nothing_to_turn_off() {
    let service = Service::start(None, |_, _| {}).await;
    let Service { server, folder } = service;
    let folder = Arc::new(folder);
    let arguments = [
        "gateway",
        "kill",
        "--server",
        &server.url,
        "--token-file",
        "administrator",
    ];
    let run = beside(&folder, &arguments).await;
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("without --gateway"), "{}", run.err);
}
