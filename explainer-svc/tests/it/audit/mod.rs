//! The audit log: what is appended stays, and what is changed is found.

mod crash;
mod forged;
mod kinds;
mod log;
mod many;
mod service;
mod tamper;
mod witness;

use std::path::{Path, PathBuf};

use explainer_svc::audit::verify::{Report, Source, verify};
use explainer_svc::audit::{Counts, Event, Key, Kind, Log, Settings, SignedCheckpoint};
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

/// A log in a folder that is deleted with it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::at(self.path().join("audit.db"))
    }

    pub(crate) async fn open(&self) -> Log {
        Log::open(&self.settings(), Counts::default()).await.unwrap()
    }

    /// With so many leaves more, of several kinds, and closed.
    pub(crate) async fn with(self, leaves: u64) -> Self {
        self.extend(leaves, "a").await;
        self
    }

    pub(crate) async fn extend(&self, leaves: u64, name: &str) {
        let log = self.open().await;
        for number in 0..leaves {
            log.record(event(number, name));
            if number % 1000 == 999 {
                log.append(event(number, name)).await.unwrap();
            }
        }
        log.close().await;
    }

    pub(crate) fn checkpoint(&self) -> SignedCheckpoint {
        let note = std::fs::read(self.settings().checkpoint).unwrap();
        SignedCheckpoint::open(&note, &Key::read(&self.settings().key).unwrap().public()).unwrap()
    }

    pub(crate) async fn verify(&self) -> Report {
        self.verify_with(&[self.checkpoint()]).await
    }

    pub(crate) async fn verify_with(&self, checkpoints: &[SignedCheckpoint]) -> Report {
        let source = Source::database(&self.settings().database).await.unwrap();
        verify(source, checkpoints, &mut |_| {}).await.unwrap()
    }

    /// A copy of the log's files, as a backup is.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for file in std::fs::read_dir(self.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }

    /// Does to the database what somebody with access to it can do.
    pub(crate) async fn sql(&self, statements: &[&str]) {
        let triggers = [
            "DROP TRIGGER IF EXISTS leaf_is_not_changed",
            "DROP TRIGGER IF EXISTS leaf_is_not_deleted",
        ];
        sql(&self.settings().database, &triggers).await;
        sql(&self.settings().database, statements).await;
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// Runs statements on a database.
pub(crate) async fn sql(database: &Path, statements: &[&str]) {
    let options = SqliteConnectOptions::new().filename(database);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    for statement in statements {
        let statement = AssertSqlSafe((*statement).to_owned());
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

pub(crate) fn event(number: u64, name: &str) -> Event {
    let kinds = [Kind::VerdictExplained, Kind::ModelCalled, Kind::GuardFired];
    let kind = kinds[usize::try_from(number % 3).unwrap()];
    Event::new(
        kind,
        format!("{name}-{number}"),
        json!({"number": number, "name": name}),
    )
}
