//! What somebody adds who can write to the database and does not have the key: nothing of it is signed, and all of it is found.

use std::path::Path;

use data_encoding::HEXLOWER;
use explainer_svc::audit::{Counts, Log};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tlog_tiles::record_hash;

use super::{Folder, event, sql};
use crate::cli::whynot;
use crate::support::{TestServer, denial};

/// A leaf with a salt and a payload that fits.
pub(super) fn leaf(at: &str, kind: &str, subject: &str, payload: &Value) -> (String, [u8; 32], String) {
    let (salt, payload) = ([9; 32], payload.to_string());
    let mut digest = Sha256::new();
    digest.update(salt);
    digest.update(&payload);
    let commitment = HEXLOWER.encode(&digest.finalize());
    let leaf = json!({"v": 1, "at": at, "kind": kind, "subject": subject, "commitment": commitment});
    (leaf.to_string(), salt, payload)
}

/// Adds leaves to a database as the log does it, but for what takes the key.
async fn add(database: &Path, leaves: &[(&str, &str, Value)]) {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(database))
        .await
        .unwrap();
    for (kind, subject, payload) in leaves {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let number: i64 = sqlx::query_scalar("SELECT size FROM tree")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        let last: String = sqlx::query_scalar("SELECT bytes FROM leaf WHERE number = ?")
            .bind(number - 1)
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        let last: Value = serde_json::from_str(&last).unwrap();
        let (bytes, salt, payload) = leaf(last["at"].as_str().unwrap(), kind, subject, payload);
        sqlx::query("INSERT INTO leaf (number, bytes, hash) VALUES (?, ?, ?)")
            .bind(number)
            .bind(&bytes)
            .bind(record_hash(bytes.as_bytes()).0.as_slice())
            .execute(&mut *transaction)
            .await
            .unwrap();
        sqlx::query("INSERT INTO payload (leaf, salt, bytes) VALUES (?, ?, ?)")
            .bind(number)
            .bind(salt.as_slice())
            .bind(payload)
            .execute(&mut *transaction)
            .await
            .unwrap();
        sqlx::query("UPDATE tree SET size = size + 1")
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
    pool.close().await;
}

/// Payloads are gone, and leaves of nobody say that this is in order, and that a model was released.
async fn forge(database: &Path) {
    sql(database, &["DELETE FROM payload WHERE leaf BETWEEN 10 AND 20"]).await;
    add(
        database,
        &[
            ("payload-erased", "10-20", json!({"reason": "retention"})),
            ("evaluation-run", "forged", json!({"passed": true})),
        ],
    )
    .await;
}

/// The exit code of `whynot audit verify`, and all that it says.
fn verify(folder: &Folder, more: &[&str]) -> (Option<i32>, String) {
    let mut arguments = vec!["audit", "verify", "--database", "audit.db"];
    arguments.extend(more);
    let run = whynot(folder.path(), &arguments);
    (run.code, run.out + &run.err)
}

fn found(folder: &Folder, more: &[&str], texts: &[&str]) {
    let (code, out) = verify(folder, more);
    assert_eq!(code, Some(1), "{out}");
    for text in texts {
        assert!(out.contains(text), "{text}: {out}");
    }
}

async fn refused(folder: &Folder, texts: &[&str]) {
    let kept = std::fs::read(folder.file("audit.checkpoint")).unwrap();
    let error = Log::open(&folder.settings(), Counts::default()).await.unwrap_err();
    let error = error.to_string();
    for text in texts.iter().chain(&["What to do", "whynot audit verify"]) {
        assert!(error.contains(text), "{text}: {error}");
    }
    assert_eq!(
        std::fs::read(folder.file("audit.checkpoint")).unwrap(),
        kept,
        "nothing was signed"
    );
}

/// 45 leaves of which the last five are in no checkpoint: as a process that was killed leaves them.
async fn killed() -> Folder {
    let folder = Folder::new().with(40).await;
    let checkpoint = std::fs::read(folder.file("audit.checkpoint")).unwrap();
    folder.extend(5, "b").await;
    std::fs::write(folder.file("audit.checkpoint"), checkpoint).unwrap();
    folder
}

/// Another text in a leaf, with the hash that belongs to it.
async fn rewrite(folder: &Folder, number: u64, from: &str, to: &str) {
    folder.sql(&[]).await;
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.file("audit.db")))
        .await
        .unwrap();
    let number = i64::try_from(number).unwrap();
    let bytes: String = sqlx::query_scalar("SELECT bytes FROM leaf WHERE number = ?")
        .bind(number)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(bytes.contains(from));
    let bytes = bytes.replace(from, to);
    sqlx::query("UPDATE leaf SET bytes = ?, hash = ? WHERE number = ?")
        .bind(&bytes)
        .bind(record_hash(bytes.as_bytes()).0.as_slice())
        .bind(number)
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}

async fn cut(folder: &Folder, size: u64) {
    folder
        .sql(&[
            &format!("DELETE FROM leaf WHERE number >= {size}"),
            &format!("DELETE FROM payload WHERE leaf >= {size}"),
            &format!("UPDATE tree SET size = {size}"),
        ])
        .await;
}

#[tokio::test]
async fn what_another_process_writes_is_never_signed() {
    let folder = Folder::new().with(50).await;
    let backup = folder.copy();
    let log = folder.open().await;
    forge(&folder.file("audit.db")).await;
    for _ in 0..3 {
        assert!(log.append(event(0, "after")).await.is_err());
        log.record(event(1, "after"));
    }
    let problem = log.problem().unwrap();
    assert!(
        problem.contains("another process") && problem.contains("whynot audit verify"),
        "{problem}"
    );
    // Not even when it looks again as it was: somebody has been there.
    cut(&folder, 50).await;
    assert!(log.append(event(0, "after")).await.is_err());
    add(
        &folder.file("audit.db"),
        &[("evaluation-run", "forged", json!({"passed": true}))],
    )
    .await;
    assert_eq!(log.checkpoint().checkpoint.size, 50);
    log.close().await;
    assert_eq!(folder.checkpoint().checkpoint.size, 50);
    found(
        &folder,
        &[],
        &["the last 1 leaves, from leaf 50 on", "(unsigned)", "(payload-missing)"],
    );
    refused(&folder, &["from leaf 50 on", "has not sealed them"]).await;
    // A person has looked, and has put back what was there.
    for file in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = std::fs::remove_file(folder.file(file));
        let _ = std::fs::copy(backup.file(file), folder.file(file));
    }
    folder.extend(1, "c").await;
    assert_eq!(verify(&folder, &[]).0, Some(0));
}

#[tokio::test]
async fn rows_that_wait_for_the_next_leaf_are_of_another_process_too() {
    let rows = [
        "INSERT INTO leaf SELECT 50, bytes, hash FROM leaf WHERE number = 1",
        "INSERT INTO payload SELECT 50, salt, bytes FROM payload WHERE leaf = 1",
        "UPDATE tree SET seal = x'00'",
        "UPDATE tree SET seal = NULL",
    ];
    for row in rows {
        let folder = Folder::new().with(50).await;
        let log = folder.open().await;
        sql(&folder.file("audit.db"), &[row]).await;
        for _ in 0..2 {
            assert!(log.append(event(0, "after")).await.is_err(), "{row}");
        }
        assert!(log.problem().unwrap().contains("another process"), "{row}");
        log.close().await;
        assert_eq!(folder.checkpoint().checkpoint.size, 50);
    }
    let folder = Folder::new().with(50).await;
    sql(&folder.file("audit.db"), &[rows[0]]).await;
    refused(&folder, &["somebody has added others"]).await;
    found(&folder, &[], &["somebody has added others", "(unsigned)"]);
    let folder = Folder::new().with(50).await;
    sql(&folder.file("audit.db"), &[rows[2]]).await;
    refused(&folder, &["they are gone"]).await;
    found(&folder, &[], &["the database's seal", "(truncated)"]);
}

#[tokio::test]
async fn a_service_whose_log_another_process_writes_to_explains_and_says_so() {
    let server = TestServer::start().await;
    server.explain(&denial()).await;
    let database = server.database.with_file_name("audit.db");
    let mut events = server.json("/v1/audit/events").await;
    while events["items"].as_array().unwrap().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        events = server.json("/v1/audit/events").await;
    }
    add(&database, &[("evaluation-run", "forged", json!({"passed": true}))]).await;
    let mut ready = String::new();
    for _ in 0..100 {
        let answer = server.explain(&denial()).await;
        assert!(answer["message"].as_str().unwrap().contains("privileged"));
        ready = server.get("/readyz").await.text().await.unwrap();
        if ready != "ok\n" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(
        ready.starts_with("ok, but another process has written") && ready.ends_with("models are not asked\n"),
        "{ready}"
    );
    // As long as it runs, however often it tries.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("whynot_audit_failing 1") && metrics.contains("whynot_audit_damaged_total 1"),
        "{metrics}"
    );
    let events = server.json("/v1/audit/events?kind=evaluation-run").await;
    assert_eq!(events["items"], json!([]));
    let size = server.get("/audit/checkpoint").await.text().await.unwrap();
    let size: u64 = size.lines().nth(1).unwrap().parse().unwrap();
    let proof = server.get(&format!("/v1/audit/proof?index={size}")).await;
    assert_eq!(proof.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_process_that_was_killed_did_not_sign_is_signed_when_it_is_sealed() {
    let folder = killed().await;
    let (code, out) = verify(&folder, &["--output", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["signed"], &report["sealed"]),
        (Some(0), &40.into(), &5.into()),
        "{out}"
    );
    assert!(
        verify(&folder, &[])
            .1
            .contains("5 leaves after the last checkpoint, with the seal")
    );
    let whole = folder.copy();
    let log = whole.open().await;
    log.checkpoint_of(45).await.unwrap();
    log.close().await;

    let rewritten = folder.copy();
    rewrite(&rewritten, 42, "\"b-", "\"c-").await;
    found(
        &rewritten,
        &[],
        &["from leaf 40 on", "were added, or changed", "(unsigned)"],
    );
    refused(&rewritten, &["from leaf 40 on", "has not sealed them"]).await;

    let longer = folder.copy();
    forge(&longer.file("audit.db")).await;
    found(
        &longer,
        &[],
        &[
            "the last 7 leaves",
            "(unsigned)",
            "11 payloads of leaves 10 to 20 are gone",
        ],
    );
    refused(&longer, &["the last 7 leaves"]).await;

    let shorter = folder.copy();
    cut(&shorter, 40).await;
    found(&shorter, &[], &["the database's seal", "(truncated)"]);
    refused(&shorter, &["they are gone"]).await;

    let unsealed = folder.copy();
    unsealed.sql(&["UPDATE tree SET seal = NULL"]).await;
    found(&unsealed, &[], &["the database has no seal", "(unsigned)"]);
    refused(&unsealed, &["did not seal", "end it in order"]).await;
}

#[tokio::test]
async fn a_database_of_before_goes_on_where_its_checkpoint_covers_it() {
    let before = [
        "ALTER TABLE tree DROP COLUMN seal",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
    ];
    let folder = Folder::new().with(30).await;
    folder.sql(&before).await;
    assert_eq!(verify(&folder, &[]).0, Some(0));
    folder.extend(1, "b").await;
    assert_eq!(verify(&folder, &[]).0, Some(0));

    let folder = killed().await;
    folder.sql(&before).await;
    found(&folder, &[], &["the database has no seal"]);
    refused(&folder, &["did not seal", "end it in order"]).await;
}

#[tokio::test]
async fn retention_believes_no_time_that_was_changed() {
    let folder = Folder::new().with(30).await;
    let log = folder.open().await;
    // Where a search by time looks first.
    rewrite(&folder, 15, r#""at":"20"#, r#""at":"10"#).await;
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    let error = log.erase(yesterday.as_millisecond()).await.unwrap_err();
    assert!(error.to_string().contains("leaf 15 is not as it was signed"), "{error}");
    log.close().await;
    found(&folder, &[], &["payloads: 30 fit, 0 deleted", "(tree)"]);
}

#[tokio::test]
async fn a_witness_that_lags_hides_nothing() {
    let folder = Folder::new().with(30).await;
    std::fs::copy(folder.file("audit.checkpoint"), folder.file("w.checkpoint")).unwrap();
    folder.extend(20, "b").await;
    let witness = ["--checkpoint", "w.checkpoint"];
    let (code, out) = verify(&folder, &witness);
    assert!(
        code == Some(0) && out.contains("checkpoint of 30 leaves") && out.contains("checkpoint of 50 leaves"),
        "{out}"
    );
    let rewritten = folder.copy();
    rewrite(&rewritten, 45, "\"b-", "\"c-").await;
    found(&rewritten, &witness, &["the first 50 leaves are not those", "(tree)"]);
    let shorter = folder.copy();
    cut(&shorter, 30).await;
    found(&shorter, &witness, &["a checkpoint of 50 was signed", "(truncated)"]);
    // Without the log's own checkpoint the seal says it.
    std::fs::remove_file(rewritten.file("audit.checkpoint")).unwrap();
    found(
        &rewritten,
        &witness,
        &["from leaf 30 on", "(unsigned)", "not checked: the log's own last"],
    );
    std::fs::remove_file(shorter.file("audit.checkpoint")).unwrap();
    found(&shorter, &witness, &["the database's seal", "(truncated)"]);
    assert_eq!(verify(&shorter, &[]).0, Some(2));
}

#[tokio::test]
async fn an_export_ends_with_its_checkpoint() {
    let folder = Folder::new().with(30).await;
    let exported = whynot(
        folder.path(),
        &["audit", "export", "--database", "audit.db", "-o", "log.jsonl"],
    );
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    let text = std::fs::read_to_string(folder.file("log.jsonl")).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines[11..=21] {
        let members = line.as_object_mut().unwrap();
        members.remove("salt");
        members.remove("payload");
    }
    let at: Value = serde_json::from_str(lines[30]["leaf"].as_str().unwrap()).unwrap();
    let (leaf, salt, payload) = leaf(at["at"].as_str().unwrap(), "payload-erased", "10-20", &json!({}));
    lines.push(json!({"leaf": leaf, "salt": HEXLOWER.encode(&salt), "payload": payload}));
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(folder.file("log.jsonl"), text.join("\n") + "\n").unwrap();
    let verified = whynot(folder.path(), &["audit", "verify", "--export", "log.jsonl"]);
    assert!(
        verified.code == Some(1)
            && verified.out.contains("(unsigned)")
            && verified.out.contains("11 payloads of leaves 10 to 20 are gone"),
        "{}",
        verified.out
    );
    // Its own checkpoint is looked at, whatever else is named.
    std::fs::copy(folder.file("audit.checkpoint"), folder.file("w.checkpoint")).unwrap();
    folder.extend(5, "b").await;
    whynot(
        folder.path(),
        &["audit", "export", "--database", "audit.db", "-o", "log.jsonl"],
    );
    let text = std::fs::read_to_string(folder.file("log.jsonl")).unwrap();
    let shorter: Vec<&str> = text.lines().take(31).collect();
    std::fs::write(folder.file("log.jsonl"), shorter.join("\n") + "\n").unwrap();
    let witness = [
        "audit",
        "verify",
        "--export",
        "log.jsonl",
        "--checkpoint",
        "w.checkpoint",
    ];
    let verified = whynot(folder.path(), &witness);
    assert!(
        verified.code == Some(1) && verified.out.contains("a checkpoint of 35 was signed"),
        "{}",
        verified.out
    );
}

#[tokio::test]
async fn a_report_believes_no_leaf_that_is_not_signed() {
    let folder = Folder::new().with(30).await;
    let report = || {
        let arguments = ["governance", "report", "--database", "audit.db", "--format", "json"];
        let arguments = [&arguments[..], &["--fail-on", "not-evidenced"]].concat();
        let run = whynot(folder.path(), &arguments);
        (run.code, serde_json::from_str::<Value>(&run.out).unwrap())
    };
    assert_eq!(report().1["log"]["verified"], true);
    forge(&folder.file("audit.db")).await;
    let (code, report) = report();
    assert_eq!((code, &report["log"]["verified"]), (Some(1), &false.into()));
    let problems = report["log"]["problems"].to_string();
    assert!(problems.contains("from leaf 30 on"), "{problems}");
    let controls = report["controls"].as_array().unwrap();
    assert!(
        controls.iter().all(|control| control["status"] != "evidenced"),
        "{report}"
    );
}
