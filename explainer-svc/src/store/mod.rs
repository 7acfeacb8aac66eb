//! The database, `SQLite`: one writer, several readers, migrations.
//!
//! The writer is a pool of one connection, so that two requests never contend for its lock inside this process, and every
//! change is one `BEGIN IMMEDIATE` transaction, so that another process cannot come in between.

mod read;
mod record;
mod words;

use std::path::Path;
use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

pub use read::{Explanation, Query, RecordedViolation};
pub use record::Recorded;
pub use words::KeptWords;

/// How long to wait for a lock that another process holds.
const BUSY: Duration = Duration::from_secs(5);
/// Connections that read at the same time.
const READERS: u32 = 4;
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
    #[error("cannot make {path}: {source}")]
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
    write: SqlitePool,
    read: SqlitePool,
}

impl Store {
    /// Opens the database, makes it when there is none, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_private(folder).map_err(|source| StoreError::Folder {
                path: folder.display().to_string(),
                source,
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Safe against a crash of this process; a power cut may lose the last moments, never the file.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().acquire_timeout(BUSY);
        let write = pool.clone().max_connections(1).connect_with(options.clone()).await?;
        migrations().run(&write).await?;
        let read = pool
            .max_connections(READERS)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await?;
        Ok(Self { write, read })
    }

    /// Whether the database can be read, and be written to.
    pub async fn ready(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1 FROM violation LIMIT 1")
            .fetch_optional(&self.read)
            .await?;
        self.write.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
        Ok(())
    }

    /// Deletes what was last seen before `before` (milliseconds since 1970); how many explanations that were.
    pub async fn purge(&self, before: i64) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            let batch = sqlx::query(
                "DELETE FROM explanation WHERE id IN (SELECT id FROM explanation WHERE last_seen < ? LIMIT ?)",
            )
            .bind(before)
            .bind(PURGE_BATCH)
            .execute(&self.write)
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

/// Makes a folder that only its owner may look into: the ledger names people. One that exists stays as it is.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The migrations, in the binary. One that was released never changes: its checksum is in every database.
fn migrations() -> Migrator {
    let files = [
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
    let migrations = (1..).zip(files).map(|(version, (description, sql))| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}
