//! How a database of this service is opened: `SQLite` with a log of its own beside it, one writer, several readers.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

/// How long to wait for a lock that another process holds.
const BUSY: Duration = Duration::from_secs(5);
/// Connections that read at the same time.
const READERS: u32 = 4;
/// Pages of the log (16 MiB) after which it is copied into the file. Who commits waits for that, some ten milliseconds: with the
/// thousand pages of the default that is one in a hundred calls of models.
const CHECKPOINT: &str = "4000";

/// One that writes, so that two requests never contend for its lock inside this process, and some that read.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    pub(crate) write: SqlitePool,
    pub(crate) read: SqlitePool,
}

/// Options for a file that may not be there yet.
pub(crate) fn options(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .pragma("wal_autocheckpoint", CHECKPOINT)
        .busy_timeout(BUSY)
}

/// Opens it, makes it when there is none, and brings its schema up to date.
///
/// The migrations are in the binary. One that was released never changes: its checksum is in every database.
pub(crate) async fn open<E>(
    options: SqliteConnectOptions,
    migrations: &[(&'static str, &'static str)],
) -> Result<Pools, E>
where
    E: From<sqlx::Error> + From<MigrateError>,
{
    let pool = SqlitePoolOptions::new().acquire_timeout(BUSY);
    let write = pool.clone().max_connections(1).connect_with(options.clone()).await?;
    let migrations = (1..).zip(migrations).map(|(version, (description, sql))| {
        let kind = MigrationType::Simple;
        Migration::new(version, (*description).into(), kind, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect()).run(&write).await?;
    let options = options.create_if_missing(false).read_only(true);
    let read = pool.max_connections(READERS).connect_with(options).await?;
    Ok(Pools { write, read })
}

/// Opens one that is there, to look at it.
pub(crate) async fn open_to_read(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY);
    let pool = SqlitePoolOptions::new().acquire_timeout(BUSY).max_connections(1);
    pool.connect_with(options).await
}

/// Makes the folder of a file that only its owner may look into. One that exists stays as it is.
pub(crate) fn make_private_folder_of(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}
