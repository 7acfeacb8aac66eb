//! A witness, as a process beside a service.

use std::sync::Arc;

use tempfile::TempDir;

use super::Folder;
use super::service::{beside, run, strings, told};
use crate::support::TestServer;

/// A witness with what it remembers.
struct Witness {
    folder: Arc<TempDir>,
    log_key: String,
    own_key: String,
}

impl Witness {
    /// Of the log whose key is in the folder.
    fn new(folder: &Arc<TempDir>) -> Self {
        let log_key = run(folder, &["key", "audit.key"]).out.trim().to_owned();
        let made = run(
            folder,
            &["key", "w.key", "--new", "witness.example.com/w1", "--witness"],
        );
        assert_eq!(made.code, Some(0), "{}", made.err);
        Self {
            folder: Arc::clone(folder),
            log_key,
            own_key: made.out.trim().to_owned(),
        }
    }

    /// The exit code of one look, and what it says.
    async fn look(&self, server: &TestServer) -> (Option<i32>, String) {
        let log = format!("{}/audit", server.url);
        let who = [
            "witness",
            "--log",
            &log,
            "--public-key",
            &self.log_key,
            "--key",
            "w.key",
        ];
        let looked = beside(
            &self.folder,
            strings(&[&who[..], &["--state", "w.checkpoint", "--once"]].concat()),
        )
        .await;
        (looked.code, looked.err)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_follows_a_log() {
    let folder = Arc::new(TempDir::new().unwrap());
    let server = TestServer::at(&folder.path().join("whynot.db"), |_| {}).await;
    told(&server, 260).await;
    let witness = Witness::new(&folder);
    for expected in ["for the first time", "as before"] {
        let (code, said) = witness.look(&server).await;
        assert!(code == Some(0) && said.contains(expected), "{said}");
    }
    told(&server, 20).await;
    let (code, said) = witness.look(&server).await;
    assert!(
        // With a reminder for each of them.
        code == Some(0) && said.contains(" more, and the first ") && said.contains(" are the same"),
        "{said}"
    );
    server.stop().await;
    let verify = [
        "verify",
        "--database",
        "audit.db",
        "--checkpoint",
        "w.checkpoint",
        "--witness-key",
        &witness.own_key,
    ];
    let verified = run(&folder, &verify);
    assert!(
        verified.code == Some(0) && verified.out.contains("witness.example.com/w1 cosigned "),
        "{}",
        verified.out
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_refuses_a_fork() {
    let folder = Arc::new(TempDir::new().unwrap());
    let server = TestServer::at(&folder.path().join("whynot.db"), |_| {}).await;
    told(&server, 20).await;
    let witness = Witness::new(&folder);
    assert_eq!(witness.look(&server).await.0, Some(0));
    server.stop().await;

    // The holder of the key writes another history.
    let fork = Folder::new();
    std::fs::copy(folder.path().join("audit.key"), fork.file("audit.key")).unwrap();
    let server = TestServer::at(&fork.file("whynot.db"), |config| config.audit.begin = true).await;
    let (code, said) = witness.look(&server).await;
    assert!(
        code == Some(1) && said.contains("ALARM") && said.contains("set back"),
        "{said}"
    );
    told(&server, 300).await;
    let (code, said) = witness.look(&server).await;
    assert!(code == Some(1) && said.contains("THE LOG WAS FORKED"), "{said}");
    let evidence = std::fs::read_to_string(folder.path().join("w.fork")).unwrap();
    assert_eq!(evidence.matches("— whynot ").count(), 2, "{evidence}");
    // It does not forget.
    let (code, said) = witness.look(&server).await;
    assert!(code == Some(1) && said.contains("was forked"), "{said}");

    let url = format!("{}/audit/checkpoint", server.url);
    let database = fork.file("audit.db");
    let verify = [
        "verify",
        "--database",
        database.to_str().unwrap(),
        "--checkpoint",
        &url,
        "--checkpoint",
        "w.checkpoint",
    ];
    let verified = beside(&folder, strings(&verify)).await;
    assert!(
        verified.code == Some(1) && verified.out.contains("(tree)"),
        "{}",
        verified.out
    );
}
