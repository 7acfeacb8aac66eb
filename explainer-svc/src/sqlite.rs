//! How a database of this service is opened: `SQLite` with a log of its own beside it, one writer, several readers.
//!
//! Each statement is a message to `SQLite`'s thread and one back, and waking a thread takes longer than most statements. So what is
//! written for every call is one statement: an insert into a view of the connection, whose trigger writes all that belongs
//! together, or nothing. View and trigger are temporary: they are not in the file, where somebody else could change them.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteQueryResult,
    SqliteSynchronous,
};
use sqlx::{Connection as _, SqlSafeStr as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

/// How long to wait for a lock that another process holds.
const BUSY: Duration = Duration::from_secs(5);
/// Connections that read at the same time.
const READERS: u32 = 4;
/// Pages of the log (16 MiB) after which it is copied into the file. Who commits waits for that, some ten milliseconds: with the
/// thousand pages of the default that is one in a hundred calls of models.
const CHECKPOINT: &str = "4000";

/// One that writes, so that two requests never contend for its lock inside this process, and some that read.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(crate) write: WriteConnection,
    pub(crate) read: SqlitePool,
}

/// The connection that writes. Clones are the same one.
///
/// No pool, which asks a connection whether it is alive each time it comes back: that is a message, too.
#[derive(Debug, Clone)]
pub(crate) struct WriteConnection(Arc<Writes>);

#[derive(Debug)]
struct Writes {
    options: SqliteConnectOptions,
    views: &'static str,
    slot: Mutex<Slot>,
    /// Whether the last one who had it did not say that all went well.
    doubtful: AtomicBool,
}

#[derive(Debug, Default)]
struct Slot {
    connection: Option<SqliteConnection>,
    /// Never again.
    closed: bool,
}

/// The connection, while it is one caller's. Who does not keep it leaves none: the next one connects anew.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    connection: MappedMutexGuard<'a, SqliteConnection>,
    doubtful: &'a AtomicBool,
}

impl WriteConnection {
    /// Connects when it is used first. `views` is the SQL of its temporary views.
    pub(crate) fn new(options: SqliteConnectOptions, views: &'static str) -> Self {
        Self(Arc::new(Writes {
            options,
            views,
            slot: Mutex::default(),
            doubtful: AtomicBool::new(false),
        }))
    }

    /// Waits for its turn, as long as for a lock of another process.
    pub(crate) async fn turn(&self) -> Result<Writing<'_>, sqlx::Error> {
        let turn = tokio::time::timeout(BUSY, self.0.slot.lock()).await;
        let mut slot = turn.map_err(|_| sqlx::Error::PoolTimedOut)?;
        if slot.closed {
            return Err(sqlx::Error::PoolClosed);
        }
        if self.0.doubtful.load(Ordering::Relaxed)
            && let Some(connection) = &mut slot.connection
        {
            // What was begun and not awaited is done or taken back before anything else is: nothing old is written after something new.
            let is_alive = connection.ping().await.is_ok();
            // And nothing of it is left: a transaction that SQLite has ended itself, since the disk is full, sqlx takes for open.
            if let Some(connection) = slot.connection.take()
                && is_alive
            {
                // It had only to end; an error changes nothing.
                let _ = connection.close().await;
            }
        }
        if slot.connection.is_none() {
            slot.connection = Some(self.connected().await?);
        }
        self.0.doubtful.store(true, Ordering::Relaxed);
        match MutexGuard::try_map(slot, |slot| slot.connection.as_mut()) {
            Ok(connection) => Ok(Writing {
                connection,
                doubtful: &self.0.doubtful,
            }),
            Err(_) => Err(sqlx::Error::WorkerCrashed),
        }
    }

    /// In a box, since a compiler that follows the lifetimes of an executor through callers loses them.
    fn connected(&self) -> BoxFuture<'_, Result<SqliteConnection, sqlx::Error>> {
        let connected = async {
            let mut connection = SqliteConnection::connect_with(&self.0.options).await?;
            sqlx::raw_sql(self.0.views).execute(&mut connection).await?;
            Ok(connection)
        };
        connected.boxed()
    }

    /// One statement.
    pub(crate) async fn execute(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<SqliteQueryResult, sqlx::Error> {
        let mut writing = self.turn().await?;
        let result = query.execute(&mut *writing).await?;
        writing.keep();
        Ok(result)
    }

    /// Closes it, after what runs.
    pub(crate) async fn close(&self) {
        let mut slot = self.0.slot.lock().await;
        slot.closed = true;
        if let Some(connection) = slot.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "a database was not closed as it should be");
        }
    }
}

impl Writing<'_> {
    /// Begins a transaction that has its lock at once: one that has read before cannot wait for it.
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
        self.connection.begin_with("BEGIN IMMEDIATE").await
    }

    /// All went well: it is the next one's, too.
    pub(crate) fn keep(self) {
        self.doubtful.store(false, Ordering::Relaxed);
    }
}

impl Deref for Writing<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

/// Options for a file that may not be there yet.
pub(crate) fn options(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .pragma("wal_autocheckpoint", CHECKPOINT)
        // Temporary views are in no file: there may be no folder for one.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(BUSY)
}

/// Opens it, makes it when there is none, and brings its schema up to date.
///
/// The migrations are in the binary. One that was released never changes: its checksum is in every database. `views` is the SQL of the
/// views that the connection that writes has.
pub(crate) async fn open<E>(
    options: SqliteConnectOptions,
    migrations: &[(&'static str, &'static str)],
    views: &'static str,
) -> Result<Connections, E>
where
    E: From<sqlx::Error> + From<MigrateError>,
{
    let write = WriteConnection::new(options.clone(), views);
    let migrations = (1..).zip(migrations).map(|(version, (description, sql))| {
        let kind = MigrationType::Simple;
        Migration::new(version, (*description).into(), kind, (*sql).into_sql_str(), false)
    });
    let pool = SqlitePoolOptions::new().acquire_timeout(BUSY);
    let one = pool.clone().max_connections(1).connect_with(options.clone()).await?;
    let migrated = Migrator::with_migrations(migrations.collect()).run(&one).await;
    one.close().await;
    migrated?;
    let pool = pool
        // A connection is a thread of this process: there is nothing between them that could have ended.
        .test_before_acquire(false)
        .max_connections(READERS);
    let options = options.create_if_missing(false).read_only(true);
    let read = pool.connect_with(options).await?;
    Ok(Connections { write, read })
}

/// Opens one that is there, to look at it.
pub(crate) async fn open_to_read(path: &Path) -> Result<Connections, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY);
    let write = WriteConnection::new(options.clone(), "");
    let pool = SqlitePoolOptions::new().acquire_timeout(BUSY).max_connections(1);
    let read = pool.connect_with(options).await?;
    Ok(Connections { write, read })
}

/// Makes the folder of a file that only its owner may look into. One that exists stays as it is.
pub(crate) fn make_private_folder_of(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [(&str, &str); 1] = [("t", "CREATE TABLE t (n INTEGER NOT NULL) STRICT")];
    const VIEW: &str = "CREATE TEMP VIEW twice AS SELECT NULL AS n;
        CREATE TEMP TRIGGER twice_is_stored INSTEAD OF INSERT ON twice
        BEGIN INSERT INTO t VALUES (1); INSERT INTO t VALUES (NEW.n); END;";

    #[derive(Debug, thiserror::Error)]
    enum Problem {
        #[error(transparent)]
        Database(#[from] sqlx::Error),
        #[error(transparent)]
        Migration(#[from] MigrateError),
    }

    async fn numbers(read: &SqlitePool) -> Vec<i64> {
        sqlx::query_scalar("SELECT n FROM t").fetch_all(read).await.unwrap()
    }

    #[tokio::test]
    async fn what_fails_or_is_left_halfway_leaves_nothing_for_who_comes_next() {
        let folder = tempfile::TempDir::new().unwrap();
        let options = options(&folder.path().join("a.db"), SqliteSynchronous::Normal);
        let Connections { write, read } = open::<Problem>(options.clone(), &TABLE, VIEW).await.unwrap();
        let twice = |n: Option<i64>| write.execute(sqlx::query("INSERT INTO twice (n) VALUES (?)").bind(n));

        assert!(twice(None).await.is_err(), "the second row cannot be stored");
        assert_eq!(numbers(&read).await, [0; 0], "so the first one is not");
        twice(Some(2)).await.unwrap();
        assert_eq!(numbers(&read).await, [1, 2]);

        let mut halfway = write.turn().await.unwrap();
        let mut transaction = halfway.begin().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (3)")
            .execute(&mut *transaction)
            .await
            .unwrap();
        drop(transaction);
        drop(halfway);
        twice(Some(4)).await.unwrap();
        assert_eq!(numbers(&read).await, [1, 2, 1, 4]);
        // The view is in no file.
        let views: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type IN ('view', 'trigger')")
            .fetch_one(&read)
            .await
            .unwrap();
        assert_eq!(views, 0);
    }

    #[tokio::test]
    async fn what_is_begun_and_not_awaited_is_not_written_after_what_comes_next() {
        let folder = tempfile::TempDir::new().unwrap();
        let options = options(&folder.path().join("a.db"), SqliteSynchronous::Normal);
        let Connections { write, read } = open::<Problem>(options.clone(), &TABLE, "").await.unwrap();
        let insert = |n: i64| write.execute(sqlx::query("INSERT INTO t VALUES (?)").bind(n));
        insert(0).await.unwrap();
        // Another process has the lock, so the first one waits for it, and its caller goes away.
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let gone = tokio::time::timeout(Duration::from_millis(100), insert(1)).await;
        assert!(gone.is_err());
        let (next, ()) = tokio::join!(insert(2), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            lock.rollback().await.unwrap();
        });
        next.unwrap();
        assert_eq!(numbers(&read).await, [0, 1, 2]);
    }

    #[tokio::test]
    async fn it_is_written_again_once_a_full_disk_has_room() {
        let folder = tempfile::TempDir::new().unwrap();
        let options = options(&folder.path().join("a.db"), SqliteSynchronous::Normal);
        let Connections { write, read } = open::<Problem>(options, &TABLE, "").await.unwrap();
        let fill = "INSERT INTO t
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n";
        let mut writing = write.turn().await.unwrap();
        sqlx::raw_sql("PRAGMA max_page_count = 3")
            .execute(&mut *writing)
            .await
            .unwrap();
        let mut transaction = writing.begin().await.unwrap();
        let refused = sqlx::raw_sql(fill).execute(&mut *transaction).await;
        assert!(refused.unwrap_err().to_string().contains("full"));
        drop(transaction);
        drop(writing);
        // The limit was that connection's.
        let mut writing = write.turn().await.unwrap();
        let mut transaction = writing.begin().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (5)")
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        writing.keep();
        assert_eq!(numbers(&read).await, [5]);
    }

    #[tokio::test]
    async fn nothing_is_written_once_it_is_closed() {
        let folder = tempfile::TempDir::new().unwrap();
        let options = options(&folder.path().join("a.db"), SqliteSynchronous::Normal);
        let Connections { write, .. } = open::<Problem>(options, &TABLE, "").await.unwrap();
        let insert = || write.execute(sqlx::query("INSERT INTO t VALUES (1)"));
        insert().await.unwrap();
        write.close().await;
        for _ in 0..2 {
            assert!(matches!(insert().await, Err(sqlx::Error::PoolClosed)));
        }
    }

    #[tokio::test]
    async fn who_waits_too_long_for_its_turn_is_told() {
        let write = WriteConnection::new(SqliteConnectOptions::new().in_memory(true), "");
        let mine = write.turn().await.unwrap();
        assert!(matches!(write.turn().await, Err(sqlx::Error::PoolTimedOut)));
        mine.keep();
        write.turn().await.unwrap();
    }
}
