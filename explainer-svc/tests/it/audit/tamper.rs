//! What somebody does to the database, or the log's own key holder to the log, is found.

use explainer_svc::audit::{Kind, Query, TilePath};

use super::Folder;

async fn codes(folder: &Folder) -> Vec<&'static str> {
    let report = folder.verify().await;
    assert!(!report.verified);
    report.problems.iter().map(|problem| problem.code).collect()
}

#[tokio::test]
async fn changed_removed_swapped_and_truncated_leaves_are_found() {
    let folder = Folder::new().with(700).await;
    assert!(folder.verify().await.verified);

    let changed = folder.copy();
    changed
        .sql(&["UPDATE leaf SET bytes = replace(bytes, 'a-300', 'a-301') WHERE number = 300"])
        .await;
    let report = changed.verify().await;
    assert_eq!(
        (report.problems[0].code, report.problems[0].leaf),
        ("leaf-changed", Some(300))
    );
    assert_eq!(report.problems.len(), 1, "all others are as they were: {report:?}");

    let removed = folder.copy();
    removed.sql(&["DELETE FROM leaf WHERE number = 300"]).await;
    assert_eq!(codes(&removed).await[0], "leaf-missing");

    // Removed, and the rest moved up.
    let moved = folder.copy();
    moved
        .sql(&[
            "DELETE FROM leaf WHERE number = 300",
            "UPDATE leaf SET number = -number WHERE number > 300",
            "UPDATE leaf SET number = -number - 1 WHERE number < 0",
            "UPDATE tree SET size = 699",
        ])
        .await;
    let found = codes(&moved).await;
    assert!(found.contains(&"tile") && found.contains(&"truncated"), "{found:?}");

    let swapped = folder.copy();
    swapped
        .sql(&[
            "UPDATE leaf SET number = -1 WHERE number = 300",
            "UPDATE leaf SET number = 300 WHERE number = 301",
            "UPDATE leaf SET number = 301 WHERE number = -1",
        ])
        .await;
    let found = codes(&swapped).await;
    assert!(found.contains(&"tile") && found.contains(&"tree"), "{found:?}");

    let truncated = folder.copy();
    truncated
        .sql(&["DELETE FROM leaf WHERE number >= 690", "UPDATE tree SET size = 690"])
        .await;
    assert_eq!(codes(&truncated).await, ["truncated"]);

    let added = folder.copy();
    added
        .sql(&["INSERT INTO leaf SELECT 700, bytes, hash FROM leaf WHERE number = 1"])
        .await;
    assert_eq!(codes(&added).await, ["unsigned"]);

    let payload = folder.copy();
    payload
        .sql(&["UPDATE payload SET bytes = replace(bytes, '12', '13') WHERE leaf = 12"])
        .await;
    assert_eq!(codes(&payload).await, ["payload-changed"]);
}

#[tokio::test]
async fn a_log_that_its_own_key_signed_twice_is_a_fork() {
    let folder = Folder::new().with(300).await;
    let fork = folder.copy();
    folder.extend(10, "b").await;
    fork.extend(10, "c").await;
    // By itself each of the two is in order: it takes somebody who remembers.
    assert!(folder.verify().await.verified && fork.verify().await.verified);
    let report = fork.verify_with(&[fork.checkpoint(), folder.checkpoint()]).await;
    let found: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(found, ["fork", "tree"]);

    fork.extend(10, "c").await;
    let report = fork.verify_with(&[fork.checkpoint(), folder.checkpoint()]).await;
    let found: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(found, ["tree"]);
    assert_eq!(report.checkpoints, [320]);
}

#[tokio::test]
async fn what_was_changed_is_not_given_out() {
    let folder = Folder::new().with(300).await;
    let forged = [
        (
            "UPDATE leaf SET bytes = replace(bytes, 'a-12', 'a-13') WHERE number = 12",
            "leaf 12",
        ),
        (
            "UPDATE payload SET bytes = replace(bytes, '12', '13') WHERE leaf = 12",
            "the payload of leaf 12",
        ),
    ];
    for (statement, what) in forged {
        let changed = folder.copy();
        changed.sql(&[statement]).await;
        // What is changed deep in the log keeps no service from starting.
        let log = changed.open().await;
        let all = Query {
            limit: 100,
            ..Query::default()
        };
        let of_kind = Query {
            kind: Some(Kind::VerdictExplained),
            ..all
        };
        for query in [all, of_kind] {
            let error = log.events(&query).await.unwrap_err().to_string();
            assert!(
                error.contains(what) && error.contains("not as it was written"),
                "{error}"
            );
        }
        assert!(log.reader().latest(Kind::VerdictExplained, 0, 300).await.is_err());
        assert!(log.inclusion(12, None).await.is_err());
        // Entries are leaves without their payloads.
        let entries = log.tile(TilePath::parse("entries/000").unwrap()).await;
        assert_eq!(entries.is_err(), what == "leaf 12", "{what}");
        log.tile(TilePath::parse("entries/001.p/44").unwrap()).await.unwrap();
        // All others are.
        let others = Query { from: 13, ..all };
        assert_eq!(log.events(&others).await.unwrap().len(), 100);
        log.close().await;
    }
}
