//! The database, `SQLite`: one writer, several readers, migrations.
//!
//! Every change is one `BEGIN IMMEDIATE` transaction, so that another process cannot come in between.

mod read;
mod record;
mod words;

use std::path::Path;

use sqlx::sqlite::{SqlitePool, SqliteSynchronous};

pub use read::{Explanation, Query, RecordedViolation};
pub use record::Recorded;
pub use words::KeptWords;

use crate::sqlite::{self, Connections, WriteConnection};

const MIGRATIONS: [(&str, &str); 3] = [
    ("ledger", include_str!("../../migrations/0001_ledger.sql")),
    (
        "violations of a team",
        include_str!("../../migrations/0002_violations_of_a_team.sql"),
    ),
    (
        "words of models",
        include_str!("../../migrations/0003_words_of_models.sql"),
    ),
];
/// How many explanations one transaction of the purge deletes: the writer is not held for longer than an instant.
const PURGE_BATCH: i64 = 500;

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says so.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The folder of the database.
    #[error("cannot make the folder of {path}: {source}")]
    Folder {
        /// Which folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A row does not hold what was written.
    #[error("stored explanation is not readable: {0}")]
    Corrupt(#[from] serde_json::Error),
}

/// The ledger's database.
#[derive(Debug, Clone)]
pub struct Store {
    write: WriteConnection,
    read: SqlitePool,
}

impl Store {
    /// Opens the database, makes it when there is none, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // It names people.
        sqlite::make_private_folder_of(path).map_err(|source| StoreError::Folder {
            path: path.display().to_string(),
            source,
        })?;
        // Safe against a crash of this process; a power cut may lose the last moments, never the file.
        let options = sqlite::options(path, SqliteSynchronous::Normal).foreign_keys(true);
        let Connections { write, read } = sqlite::open::<StoreError>(options, &MIGRATIONS, "").await?;
        Ok(Self { write, read })
    }

    /// Whether the database can be read, and be written to.
    pub async fn ready(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1 FROM violation LIMIT 1")
            .fetch_optional(&self.read)
            .await?;
        let mut writing = self.write.turn().await?;
        writing.begin().await?.rollback().await?;
        writing.keep();
        Ok(())
    }

    /// Deletes what was last seen before `before` (milliseconds since 1970); how many explanations that were.
    pub async fn purge(&self, before: i64) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            let batch = self
                .write
                .execute(
                    sqlx::query(
                        "DELETE FROM explanation WHERE id IN (SELECT id FROM explanation WHERE last_seen < ? LIMIT ?)",
                    )
                    .bind(before)
                    .bind(PURGE_BATCH),
                )
                .await?
                .rows_affected();
            purged += batch;
            if batch == 0 {
                return Ok(purged);
            }
        }
    }

    /// Closes every connection, after what runs.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}
