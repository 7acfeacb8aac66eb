//! The gateway's own database: apart from the ledger's, so that neither waits for the other's writer.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::sqlite::{self, Connections, WriteConnection};

const MIGRATIONS: [(&str, &str); 1] = [("gateway", include_str!("../../migrations/gateway/0001_gateway.sql"))];
const VIEWS: &str = include_str!("../../migrations/gateway/views.sql");

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says so.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A file or folder.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Budgets of two processes would not know of each other.
    #[error("{0}: another process uses it")]
    Taken(String),
}

/// The database.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) write: WriteConnection,
    pub(super) read: SqlitePool,
    /// Held as long as this process lives; the system lets go of it, whatever becomes of the process.
    _lock: Option<Arc<File>>,
}

impl Store {
    /// Opens the database for this process alone.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = locked(path)?;
        // Safe against a crash of this process; a power cut may lose the last moments, never the file, and never a setting.
        let options = sqlite::options(path, SqliteSynchronous::Normal);
        let Connections { write, read } = sqlite::open::<StoreError>(options, &MIGRATIONS, VIEWS).await?;
        Ok(Self {
            write,
            read,
            _lock: Some(Arc::new(lock)),
        })
    }

    /// One that nothing is kept in, for calls that nobody makes: it connects to nothing before it is used.
    pub(super) fn unused() -> Self {
        let options = SqliteConnectOptions::new().in_memory(true);
        Self {
            write: WriteConnection::new(options.clone(), VIEWS),
            read: SqlitePoolOptions::new().connect_lazy_with(options),
            _lock: None,
        }
    }

    /// What is kept under a name.
    pub(super) async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar("SELECT value FROM setting WHERE name = ?").bind(name);
        Ok(found.fetch_optional(&self.read).await?)
    }

    /// The names that begin so.
    pub(super) async fn names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let found = sqlx::query_scalar("SELECT name FROM setting WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name");
        Ok(found.bind(prefix).fetch_all(&self.read).await?)
    }

    /// Keeps a value, also through a power cut: what turned models off must not be forgotten.
    pub(super) async fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        );
        self.durably(query.bind(name).bind(value)).await
    }

    /// Keeps it no more.
    pub(super) async fn forget(&self, name: &str) -> Result<(), StoreError> {
        self.durably(sqlx::query("DELETE FROM setting WHERE name = ?").bind(name))
            .await
    }

    /// One statement that is on the disk when this is done. Who is cancelled leaves a connection that takes more care than it has to.
    async fn durably(&self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<(), StoreError> {
        let mut connection = self.write.turn().await?;
        sqlx::query("PRAGMA synchronous = FULL")
            .execute(&mut *connection)
            .await?;
        let done = query.execute(&mut *connection).await;
        sqlx::query("PRAGMA synchronous = NORMAL")
            .execute(&mut *connection)
            .await?;
        done?;
        connection.keep();
        Ok(())
    }

    /// Closes every connection, after what runs.
    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn locked(path: &Path) -> Result<File, StoreError> {
    let file = |path: &Path, source| StoreError::File {
        path: path.display().to_string(),
        source,
    };
    sqlite::make_private_folder_of(path).map_err(|source| file(path, source))?;
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = Path::new(&name);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(name);
    let lock = lock.map_err(|source| file(name, source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Taken(path.display().to_string())),
        Err(TryLockError::Error(source)) => Err(file(name, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settings_are_kept_durably_and_other_writes_are_not_slowed_down() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("gateway.db")).await.unwrap();
        for (name, value) in [
            ("killed", "on"),
            ("key-changed a", "1"),
            ("key-changed b", "2"),
            ("key-changed a", "3"),
        ] {
            store.set(name, value).await.unwrap();
        }
        assert_eq!(store.setting("key-changed a").await.unwrap().as_deref(), Some("3"));
        assert_eq!(
            store.names("key-changed ").await.unwrap(),
            ["key-changed a", "key-changed b"]
        );
        store.forget("key-changed a").await.unwrap();
        assert_eq!(store.names("key-changed ").await.unwrap(), ["key-changed b"]);
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&mut *store.write.turn().await.unwrap())
            .await
            .unwrap();
        assert_eq!(synchronous, 1, "NORMAL");
    }
}
