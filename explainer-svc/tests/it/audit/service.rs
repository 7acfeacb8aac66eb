//! `whynot serve` with its log, and the commands that check it.

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use super::{Folder, sql};
use crate::cli::{Run, whynot};
use crate::support::{TestServer, denial};

/// The server, with what it was told in the log.
pub(super) async fn told(server: &TestServer, times: u64) -> Vec<Value> {
    let before = server.json("/v1/audit/events?kind=verdict-explained&limit=1000").await;
    let before = before["items"].as_array().unwrap().len() as u64;
    for _ in 0..times {
        server.explain(&denial()).await;
    }
    for _ in 0..100 {
        let page = server.json("/v1/audit/events?kind=verdict-explained&limit=1000").await;
        let items = page["items"].as_array().unwrap().clone();
        if items.len() >= usize::try_from(before + times).unwrap() {
            return items;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("what was told is not in the log");
}

pub(super) fn run(folder: &TempDir, arguments: &[&str]) -> Run {
    let mut all = vec!["audit"];
    all.extend(arguments);
    whynot(folder.path(), &all)
}

/// Commands are processes: not on the thread that answers them.
pub(super) async fn beside(folder: &std::sync::Arc<TempDir>, arguments: Vec<String>) -> Run {
    let folder = std::sync::Arc::clone(folder);
    let work = move || run(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(work).await.unwrap()
}

pub(super) fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_people_are_told_is_in_the_log_without_them() {
    let server = TestServer::start().await;
    let events = told(&server, 3).await;
    assert_eq!(events[0]["payload"]["decision"], "deny");
    assert_eq!(events[0]["payload"]["policies"][0], crate::support::PRIVILEGED);
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("jane"), "{text}");
    let answer = server.explain(&denial()).await;
    assert_ne!(events[0]["subject"], answer["id"]);
    server
        .json(&format!("/e/{}", events[0]["subject"].as_str().unwrap()))
        .await;
    let started = server.json("/v1/audit/events?limit=1").await;
    assert_eq!(started["items"][0]["kind"], "configuration-loaded");
    assert_eq!(started["next"], 1);
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains(r#"whynot_audit_leaves_total{kind="verdict-explained"}"#),
        "{metrics}"
    );
    assert!(metrics.contains("whynot_audit_failing 0"), "{metrics}");
}

#[tokio::test]
async fn while_the_log_fails_denials_are_explained_and_operators_are_told() {
    let server = TestServer::start().await;
    told(&server, 1).await;
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON leaf BEGIN SELECT RAISE(ABORT, 'broken'); END";
    let database = server.database.with_file_name("audit.db");
    sql(&database, &[broken]).await;
    assert!(
        server.explain(&denial()).await["message"]
            .as_str()
            .unwrap()
            .contains("privileged")
    );
    let mut ready = String::new();
    for _ in 0..100 {
        let response = server.get("/readyz").await;
        assert_eq!(response.status(), StatusCode::OK);
        ready = response.text().await.unwrap();
        if ready != "ok\n" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        ready,
        "ok, but the audit log's database cannot be written: models are not asked\n"
    );
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("whynot_audit_failing 1"), "{metrics}");
    sql(&database, &["DROP TRIGGER broken"]).await;
    // What was told meanwhile is written as soon as it can be.
    told(&server, 1).await;
    assert_eq!(server.get("/readyz").await.text().await.unwrap(), "ok\n");
    let events = server.json("/v1/audit/events?kind=verdict-explained").await;
    assert_eq!(events["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_leaf_that_was_changed_is_an_error_and_counted() {
    let server = TestServer::start().await;
    told(&server, 1).await;
    let changed = [
        "DROP TRIGGER leaf_is_not_changed",
        "UPDATE leaf SET bytes = replace(bytes, 'configuration-loaded', 'configuration-forged') WHERE number = 0",
    ];
    sql(&server.database.with_file_name("audit.db"), &changed).await;
    for path in [
        "/audit/tile/entries/000.p/1",
        "/v1/audit/events",
        "/v1/audit/proof?index=0",
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!response.text().await.unwrap().contains("forged"), "{path}");
    }
    assert_eq!(server.get("/audit/tile/0/000.p/1").await.status(), StatusCode::OK);
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("whynot_audit_damaged_total 3"), "{metrics}");
}

#[tokio::test]
async fn questions_that_have_no_answer_are_refused() {
    let server = TestServer::start().await;
    told(&server, 1).await;
    for (path, status) in [
        ("/audit/tile/0/000", StatusCode::NOT_FOUND),
        ("/audit/tile/0/000.p/0", StatusCode::NOT_FOUND),
        ("/audit/tile/64/000", StatusCode::NOT_FOUND),
        ("/audit/tile/data/000.p/1", StatusCode::NOT_FOUND),
        ("/audit/tile/..%2f..%2fkey", StatusCode::NOT_FOUND),
        ("/v1/audit/proof", StatusCode::BAD_REQUEST),
        ("/v1/audit/proof?index=-1", StatusCode::BAD_REQUEST),
        ("/v1/audit/proof?index=99", StatusCode::NOT_FOUND),
        ("/v1/audit/proof?index=18446744073709551615", StatusCode::NOT_FOUND),
        ("/v1/audit/consistency?from=0", StatusCode::NOT_FOUND),
        ("/v1/audit/consistency?from=2&to=99", StatusCode::NOT_FOUND),
        ("/v1/audit/events?kind=nothing", StatusCode::BAD_REQUEST),
        ("/v1/audit/events?limit=0", StatusCode::BAD_REQUEST),
        ("/v1/audit/events?since=yesterday", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(server.get(path).await.status(), status, "{path}");
    }
    let tile = server.get("/audit/tile/entries/000.p/2").await;
    assert_eq!(tile.status(), StatusCode::OK);
    assert!(tile.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    let bytes = tile.bytes().await.unwrap();
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    assert_eq!(bytes[2], b'{');
    assert_eq!(bytes[2 + length + 2], b'{');
    assert_eq!(
        server.get("/audit/tile/0/000.p/2").await.bytes().await.unwrap().len(),
        64
    );
}

#[tokio::test]
async fn a_proof_is_checked_without_the_server() {
    let server = TestServer::start().await;
    let leaf = told(&server, 5).await[1]["index"].clone();
    let folder = TempDir::new().unwrap();
    let mut proof = server.json(&format!("/v1/audit/proof?index={leaf}")).await;
    std::fs::write(folder.path().join("proof.json"), proof.to_string()).unwrap();
    let key = server.database.with_file_name("audit.key");
    let key = run(&folder, &["key", key.to_str().unwrap()]).out;
    std::fs::write(folder.path().join("log.pub"), &key).unwrap();
    let verified = run(&folder, &["verify", "--proof", "proof.json", "--public-key", "log.pub"]);
    assert_eq!(
        (
            verified.code,
            verified.out.starts_with(&format!("verified: leaf {leaf} "))
                && verified.out.contains("its payload is the one")
        ),
        (Some(0), true),
        "{}",
        verified.out
    );

    for (member, from, to) in [
        ("leaf", "verdict-explained", "model-called"),
        ("payload", "deny", "allow"),
        ("checkpoint", "whynot\n", "whynut\n"),
    ] {
        let kept = proof[member].clone();
        proof[member] = kept.as_str().unwrap().replacen(from, to, 1).into();
        std::fs::write(folder.path().join("proof.json"), proof.to_string()).unwrap();
        let verified = run(&folder, &["verify", "--proof", "proof.json", "--public-key", "log.pub"]);
        assert_eq!(verified.code, Some(1), "{member}: {}", verified.out);
        proof[member] = kept;
    }
    // A payload that nothing proves is not passed on under a good word; without any the leaf alone is.
    let verify = |proof: &Value| {
        std::fs::write(folder.path().join("proof.json"), proof.to_string()).unwrap();
        let verified = run(&folder, &["verify", "--proof", "proof.json", "--public-key", "log.pub"]);
        (verified.code, verified.out)
    };
    let salt = proof["salt"].take();
    proof["payload"] = r#"{"decision":"allow"}"#.into();
    let (code, out) = verify(&proof);
    assert!(
        code == Some(1) && out.contains("NOT VERIFIED: there is a payload without its salt"),
        "{out}"
    );
    proof["payload"] = Value::Null;
    let (code, out) = verify(&proof);
    assert!(
        code == Some(0) && out.contains("its payload is not in the proof, and was not checked"),
        "{out}"
    );
    proof["salt"] = salt;
    assert_eq!(verify(&proof).0, Some(1));
    std::fs::write(folder.path().join("proof.json"), "{}").unwrap();
    assert_eq!(
        run(&folder, &["verify", "--proof", "proof.json", "--public-key", "log.pub"]).code,
        Some(2)
    );
    assert_eq!(run(&folder, &["verify", "--proof", "proof.json"]).code, Some(2));
}

#[tokio::test]
async fn an_export_needs_no_database() {
    let log = Folder::new().with(400).await;
    let folder = TempDir::new().unwrap();
    let database = log.file("audit.db");
    let database = database.to_str().unwrap();
    let exported = run(&folder, &["export", "--database", database, "-o", "log.jsonl"]);
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    let key = log.file("audit.key");
    let key = run(&folder, &["key", key.to_str().unwrap()]).out;
    let key = key.trim();
    let verify = |file: &str| {
        run(
            &folder,
            &["verify", "--export", file, "--public-key", key, "--output", "json"],
        )
    };
    let verified = verify("log.jsonl");
    let report: Value = serde_json::from_str(&verified.out).unwrap();
    assert_eq!(
        (verified.code, &report["verified"], &report["leaves"]),
        (Some(0), &true.into(), &400.into())
    );
    assert_eq!(report["ownKey"], false);

    let text = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let write = |lines: Vec<&str>| std::fs::write(folder.path().join("other.jsonl"), lines.join("\n") + "\n").unwrap();
    let expect = |code: &str| {
        let verified = verify("other.jsonl");
        let report: Value = serde_json::from_str(&verified.out).unwrap();
        let found: Vec<&str> = report["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem["code"].as_str().unwrap())
            .collect();
        assert!(verified.code == Some(1) && found.contains(&code), "{code}: {found:?}");
    };
    let mut removed = lines.clone();
    removed.remove(200);
    write(removed);
    expect("truncated");
    let mut swapped = lines.clone();
    swapped.swap(200, 201);
    write(swapped);
    expect("tree");
    write(lines[..390].to_vec());
    expect("truncated");
    let mut changed = lines.clone();
    let leaf = lines[200].replacen("a-199", "a-198", 1);
    changed[200] = &leaf;
    write(changed);
    expect("tree");
    let other = whynot(folder.path(), &["audit", "key", "other.key", "--new", "whynot"]).out;
    let verified = run(
        &folder,
        &["verify", "--export", "log.jsonl", "--public-key", other.trim()],
    );
    assert_eq!(
        (verified.code, verified.out.contains("(signature)")),
        (Some(1), true),
        "{}",
        verified.out
    );
    std::fs::write(folder.path().join("other.jsonl"), "nonsense\n").unwrap();
    assert_eq!(verify("other.jsonl").code, Some(2));
    assert_eq!(verify("missing.jsonl").code, Some(2));
}

#[tokio::test]
async fn what_is_printed() {
    let log = Folder::new().with(12).await;
    let verify = |arguments: &[&str]| {
        let mut all = vec!["audit", "verify", "--database", "audit.db"];
        all.extend(arguments);
        let run = whynot(log.path(), &all);
        (run.code, run.out)
    };
    let (code, out) = verify(&[]);
    assert_eq!(code, Some(0), "{out}");
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("verified: 12 leaves of whynot"));
    assert!(lines.next().unwrap().starts_with("  written from 20"));
    assert_eq!(lines.next(), Some("  leads to the signed checkpoint of 12 leaves"));
    assert_eq!(lines.next(), Some("  payloads: 12 fit, 0 deleted by retention"));
    assert!(lines.next().unwrap().starts_with("  the key was found beside the log"));
    log.sql(&["UPDATE leaf SET bytes = replace(bytes, 'a-3', 'a-4') WHERE number = 3"])
        .await;
    let (code, out) = verify(&[]);
    assert_eq!(code, Some(1));
    assert!(
        out.starts_with("NOT VERIFIED: 1 problem in 12 leaves of whynot\n  leaf 3 does not have its hash: it was changed (leaf-changed)\n"),
        "{out}"
    );
    assert_eq!(verify(&["--checkpoint", "nothing"]).0, Some(2));
    std::fs::write(
        log.file("no.db"),
        "this is no database, whatever its name says, and it is long enough",
    )
    .unwrap();
    std::fs::copy(log.file("audit.key"), log.file("no.key")).unwrap();
    std::fs::copy(log.file("audit.checkpoint"), log.file("no.checkpoint")).unwrap();
    assert_eq!(
        whynot(log.path(), &["audit", "verify", "--database", "no.db"]).code,
        Some(2)
    );
}

#[tokio::test]
async fn what_agents_asked_and_what_that_cost_is_for_the_administrator() {
    let folder = Folder::new().with(6).await;
    let token = folder.file("token");
    std::fs::write(&token, "the token of the administrator").unwrap();
    let server = TestServer::at(&folder.file("whynot.db"), |config| {
        config.policies.administrator = Some(explainer_svc::delivery::Token::open(token).unwrap());
    })
    .await;
    let get = async |path: &str, token: Option<&str>| {
        let request = server.client.get(format!("{}{path}", server.url));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    for (token, is_withheld) in [
        (None, true),
        (Some("another token"), true),
        (Some("the token of the administrator"), false),
    ] {
        // A verdict, a model's call.
        for (number, of_models) in [(0, false), (1, true)] {
            let is_withheld = is_withheld && of_models;
            let event = &get("/v1/audit/events?limit=2", token).await["items"][number];
            let proof = get(&format!("/v1/audit/proof?index={number}"), token).await;
            for shown in [event, &proof] {
                assert_eq!(shown["withheld"], is_withheld, "{shown}");
                assert_eq!(shown["payload"].is_null(), is_withheld, "{shown}");
            }
            assert_eq!(proof["salt"].is_null(), is_withheld, "{proof}");
        }
    }
    // What is withheld is not wrong: the leaf is proven.
    let proof = get("/v1/audit/proof?index=1", None).await.to_string();
    std::fs::write(folder.file("proof.json"), proof).unwrap();
    let key = whynot(folder.path(), &["audit", "key", "audit.key"]).out;
    let verify = ["audit", "verify", "--proof", "proof.json", "--public-key", key.trim()];
    let verified = whynot(folder.path(), &verify);
    assert!(
        verified.code == Some(0) && verified.out.contains("was not checked"),
        "{}",
        verified.out
    );
    server.stop().await;

    // Where nobody has a token, it is as open as the rest.
    let server = TestServer::at(&folder.file("whynot.db"), |_| {}).await;
    let events = server.json("/v1/audit/events?kind=model-called").await;
    assert_eq!(events["items"][0]["payload"]["number"], 1);
}

#[tokio::test]
async fn whoever_reads_only_the_beginning_gets_the_same_exit_code() {
    let log = Folder::new().with(12).await;
    let verify = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_whynot"));
        let arguments = ["audit", "verify", "--database", "audit.db"];
        let mut child = command
            .args(arguments)
            .current_dir(log.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(verify(), (Some(0), String::new()));
    log.sql(&["DELETE FROM payload WHERE leaf = 3"]).await;
    assert_eq!(verify(), (Some(1), String::new()));
}
