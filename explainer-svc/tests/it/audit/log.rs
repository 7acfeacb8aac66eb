//! Appending, proofs, retention, failures, starts.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use explainer_svc::audit::verify::{inclusion, payload};
use explainer_svc::audit::{Counts, Event, Key, Kind, Log, Query, SignedCheckpoint, TilePath};
use serde_json::json;
use tlog_tiles::check_tree;

use super::{Folder, event};

#[tokio::test]
async fn what_is_appended_is_there_and_provable() {
    let folder = Folder::new();
    let log = folder.open().await;
    let mut sizes = Vec::new();
    for number in 0..600 {
        let receipt = log.append(event(number, "a")).await.unwrap();
        assert_eq!(receipt.index, number);
        if number % 97 == 0 {
            sizes.push(log.checkpoint_of(number + 1).await.unwrap());
        }
    }
    let signed = log.checkpoint_of(600).await.unwrap();
    let opened = SignedCheckpoint::open(signed.note().as_bytes(), log.public_key()).unwrap();
    for index in [0, 1, 255, 256, 257, 511, 512, 599] {
        let proof = log.inclusion(index, None).await.unwrap();
        let hashes: Vec<String> = proof.hashes.iter().map(ToString::to_string).collect();
        inclusion(&opened, index, &proof.leaf, &hashes).unwrap();
        assert!(inclusion(&opened, index, &proof.leaf.replace("a-", "b-"), &hashes).is_err());
        assert!(inclusion(&opened, (index + 1) % 600, &proof.leaf, &hashes).is_err());
        let (salt, bytes) = proof.payload.unwrap();
        payload(&proof.leaf, &salt, &bytes).unwrap();
        assert!(payload(&proof.leaf, &salt, "{}").is_err());
    }
    for before in &sizes {
        let (from, root) = (before.checkpoint.size, before.checkpoint.root);
        let (to, proof) = log.consistency(from, None).await.unwrap();
        check_tree(&proof, to, opened.checkpoint.root, from, root).unwrap();
    }
    assert!(log.inclusion(600, None).await.is_err());
    assert!(log.inclusion(0, Some(601)).await.is_err());
    assert!(log.consistency(0, None).await.is_err());
    for (path, is_there) in [
        ("0/001", true),
        ("0/002.p/88", true),
        ("0/002.p/89", false),
        ("1/000.p/2", true),
        ("1/000.p/3", false),
    ] {
        assert_eq!(
            log.tile(TilePath::parse(path).unwrap()).await.is_ok(),
            is_there,
            "{path}"
        );
    }
    log.close().await;
    let report = folder.verify().await;
    assert!(report.verified, "{report:?}");
    assert_eq!((report.leaves, report.signed, report.payloads), (600, 600, 600));
    assert_eq!(report.kinds["guard-fired"], 200);
}

#[tokio::test]
async fn events_are_found_by_kind_and_time() {
    let folder = Folder::new();
    let log = folder.open().await;
    for number in 0..10 {
        log.append(event(number, "a")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let later = jiff::Timestamp::now().as_millisecond();
    for number in 10..20 {
        log.append(event(number, "a")).await.unwrap();
    }
    log.checkpoint_of(20).await.unwrap();
    let query = Query {
        kind: Some(Kind::ModelCalled),
        from: 2,
        since: None,
        limit: 3,
    };
    let events = log.events(&query).await.unwrap();
    let found: Vec<u64> = events.iter().map(|event| event.index).collect();
    assert_eq!(found, [4, 7, 10]);
    assert_eq!(events[0].subject, "a-4");
    assert_eq!(events[0].payload, Some(json!({"number": 4, "name": "a"})));
    let query = Query {
        since: Some(later),
        limit: 100,
        ..Query::default()
    };
    let events = log.events(&query).await.unwrap();
    assert_eq!((events.len(), events[0].index), (10, 10));
    assert_eq!(
        log.count(Kind::ModelCalled, later).await.unwrap(),
        (4, Some(10), Some(19))
    );
    log.close().await;
}

#[tokio::test]
async fn retention_deletes_payloads_and_says_so() {
    let folder = Folder::new().with(30).await;
    let log = folder.open().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let now = jiff::Timestamp::now().as_millisecond();
    log.append(event(30, "kept")).await.unwrap();
    assert_eq!(log.erase(now).await.unwrap(), 30);
    assert_eq!(log.erase(now).await.unwrap(), 0);
    log.checkpoint_of(32).await.unwrap();
    let events = log
        .events(&Query {
            limit: 100,
            ..Query::default()
        })
        .await
        .unwrap();
    assert_eq!(events[0].payload, None);
    assert!(events[30].payload.is_some());
    assert_eq!(
        (events[31].kind.as_str(), events[31].subject.as_str()),
        ("payload-erased", "0-29")
    );
    log.inclusion(3, None).await.unwrap();
    log.close().await;
    let report = folder.verify().await;
    assert!(report.verified, "{report:?}");
    assert_eq!((report.payloads, report.payloads_erased), (2, 30));
    // Nothing is left of it, not even in what the database does not use any more.
    for file in ["audit.db", "audit.db-wal"] {
        let bytes = std::fs::read(folder.file(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(r#""number":7,"#), "{file}");
    }
    // A payload that is gone without a leaf that says so is found.
    folder.sql(&["DELETE FROM payload WHERE leaf = 30"]).await;
    assert_eq!(folder.verify().await.problems[0].code, "payload-missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_use_verifies() {
    let folder = Folder::new().with(3000).await;
    let log = folder.open().await;
    let writer = tokio::spawn({
        let log = log.clone();
        async move {
            for number in 0..2000 {
                log.append(event(number, "b")).await.unwrap();
            }
        }
    });
    let mut grown = 0;
    while !writer.is_finished() {
        let report = folder.verify().await;
        assert!(report.verified, "{report:?}");
        grown = report.leaves;
    }
    writer.await.unwrap();
    assert!(grown > 3000, "{grown}");
    log.close().await;
}

#[tokio::test]
async fn while_it_fails_callers_are_told_and_nothing_is_forgotten_silently() {
    let folder = Folder::new();
    let log = folder.open().await;
    log.append(event(0, "a")).await.unwrap();
    folder
        .sql(&["CREATE TRIGGER broken BEFORE INSERT ON leaf BEGIN SELECT RAISE(ABORT, 'broken'); END"])
        .await;
    assert!(log.append(event(1, "a")).await.is_err());
    assert!(log.problem().unwrap().contains("database"));
    // Recorded events wait, as many as there is room for.
    for number in 0..20_000 {
        log.record(event(number, "waits"));
    }
    assert!(log.append(event(1, "a")).await.is_err());
    folder.sql(&["DROP TRIGGER broken"]).await;
    let mut appended = None;
    for _ in 0..100 {
        if let Ok(receipt) = log.append(event(2, "after")).await {
            appended = Some(receipt);
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(appended.is_some() && log.problem().is_none());
    log.close().await;
    let report = folder.verify().await;
    assert!(report.verified, "{report:?}");
    assert_eq!(report.kinds["events-lost"], 1);
    // 4096 in the queue, and 1024 that the writer keeps.
    assert!((1000..6000).contains(&report.leaves), "{}", report.leaves);
}

#[tokio::test]
async fn what_cannot_be_an_event_is_refused_and_counted() {
    let folder = Folder::new();
    let log = folder.open().await;
    let huge = Event::new(Kind::Canary, "x".repeat(5000), json!(null));
    assert!(log.append(huge.clone()).await.is_err());
    log.record(huge);
    log.append(event(0, "a")).await.unwrap();
    log.close().await;
    assert_eq!(folder.verify().await.kinds["events-lost"], 1);
    assert!(log.append(event(0, "a")).await.is_err(), "closed");
}

#[tokio::test]
async fn the_key_is_private_and_one_process_writes() {
    let folder = Folder::new();
    let log = folder.open().await;
    let mode = std::fs::metadata(folder.file("audit.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = Log::open(&folder.settings(), Counts::default()).await.unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    log.close().await;
    folder.open().await.close().await;
}

#[tokio::test]
async fn a_key_that_was_just_made_begins_one_log() {
    let folder = Folder::new();
    let key = folder.file("audit.key");
    Key::generate("example.com").unwrap().make(&key).unwrap();
    let note = folder.file("audit.key.unused");
    let other = Key::generate("example.com").unwrap();
    assert!(other.make(&key).is_err(), "a key is never written over");
    let kept = std::fs::read(&note).unwrap();
    folder.extend(3, "a").await;
    assert!(!note.exists());
    assert_eq!(folder.checkpoint().checkpoint.size, 3);
    std::fs::remove_file(folder.file("audit.checkpoint")).unwrap();
    for file in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = std::fs::remove_file(folder.file(file));
    }
    // The note of another key.
    std::fs::write(&note, other.public().text()).unwrap();
    assert!(Log::open(&folder.settings(), Counts::default()).await.is_err());
    std::fs::write(&note, kept).unwrap();
    folder.extend(1, "b").await;
}

#[tokio::test]
async fn a_log_that_does_not_lead_on_from_its_checkpoint_is_refused() {
    let folder = Folder::new().with(300).await;
    let backup = folder.copy();
    folder.extend(10, "b").await;
    let refused = async |folder: &Folder| {
        let error = Log::open(&folder.settings(), Counts::default()).await.unwrap_err();
        error.to_string()
    };

    // The database of yesterday.
    let restored = folder.copy();
    for file in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = std::fs::remove_file(restored.file(file));
        let _ = std::fs::copy(backup.file(file), restored.file(file));
    }
    let error = refused(&restored).await;
    assert!(
        error.contains("300 leaves, and a checkpoint of 310") && error.contains("What to do"),
        "{error}"
    );
    assert_eq!(restored.verify().await.problems[0].code, "truncated");

    // No database, no checkpoint, no key.
    let gone = folder.copy();
    std::fs::remove_file(gone.file("audit.db")).unwrap();
    assert!(refused(&gone).await.contains("the database is gone"));
    let gone = folder.copy();
    std::fs::remove_file(gone.file("audit.checkpoint")).unwrap();
    assert!(refused(&gone).await.contains("last checkpoint"));
    let gone = folder.copy();
    std::fs::remove_file(gone.file("audit.key")).unwrap();
    assert!(refused(&gone).await.contains("put the key back"));

    // No database and no checkpoint: the key must not sign a second history.
    let gone = folder.copy();
    std::fs::remove_file(gone.file("audit.checkpoint")).unwrap();
    for file in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = std::fs::remove_file(gone.file(file));
    }
    let error = refused(&gone).await;
    assert!(error.contains("no log") && error.contains("--audit-begin"), "{error}");
    assert!(!gone.file("audit.db").exists() && !gone.file("audit.checkpoint").exists());
    // Nor beside an empty database.
    std::fs::write(gone.file("audit.db"), "").unwrap();
    assert!(refused(&gone).await.contains("no log"));
    assert!(!gone.file("audit.checkpoint").exists());
    // A person may say that it has never signed.
    let mut settings = gone.settings();
    settings.begin = true;
    Log::open(&settings, Counts::default()).await.unwrap().close().await;

    // A tree that was calculated anew.
    let forked = backup.copy();
    forked.extend(10, "c").await;
    std::fs::copy(folder.file("audit.checkpoint"), forked.file("audit.checkpoint")).unwrap();
    assert!(refused(&forked).await.contains("not those that were signed"));

    // The name of another log.
    let mut settings = folder.settings();
    settings.origin = Some("other".to_owned());
    let error = Log::open(&settings, Counts::default()).await.unwrap_err().to_string();
    assert!(error.contains("keeps its name"), "{error}");

    // What was there goes on.
    folder.extend(1, "d").await;
    assert!(folder.verify().await.verified);
}
