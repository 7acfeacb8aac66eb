//! The log's database, `SQLite`: its own file, so that a ledger that is restored or deleted takes no log with it, and so that its
//! transactions can be durable against a power cut without the ledger's being.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteSynchronous};
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, SqlSafeStr as _, SqlStr, Sqlite, SqliteConnection};
use tlog_tiles::{Hash, Tile};

use super::event::SALT;
use super::tree::{HEIGHT, Node, WIDTH};
use super::{Error, TilePath};
use crate::sqlite::{self, Connections, WriteConnection};

const MIGRATIONS: [(&str, &str); 2] = [
    ("log", include_str!("../../migrations/audit/0001_log.sql")),
    ("seal", include_str!("../../migrations/audit/0002_seal.sql")),
];
/// Why nothing more is written.
const ANOTHER: &str = "another process has written to its database";
/// What our own trigger says, and no other error.
const RAISED: &str = "the tree is not as this process has left it";
const VIEWS: &str = include_str!("../../migrations/audit/views.sql");
/// How many rows one statement inserts, the most first: a statement has its price, whatever it inserts.
const ROWS: [usize; 5] = [128, 32, 8, 2, 1];

/// A leaf with its payload, to be inserted.
#[derive(Debug, Clone)]
pub(super) struct NewLeaf {
    pub(super) bytes: String,
    pub(super) hash: Hash,
    pub(super) salt: [u8; SALT],
    pub(super) payload: String,
}

/// A stored leaf.
#[derive(Debug, Clone)]
pub(super) struct StoredLeaf {
    pub(super) number: u64,
    /// As stored: what somebody changed may be no text.
    pub(super) bytes: Vec<u8>,
    pub(super) hash: Vec<u8>,
    /// Salt and bytes; none when it was deleted.
    pub(super) payload: Option<(Vec<u8>, Vec<u8>)>,
}

/// What the database says of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredHead {
    pub(super) size: u64,
    /// None in a database of a version that did not seal.
    pub(super) seal: Option<Vec<u8>>,
    /// The numbers of the first and the last leaf; none when there are none.
    pub(super) numbers: Option<(i64, i64)>,
}

impl StoredHead {
    /// Whether there are leaves that its size does not speak of.
    pub(super) fn has_others(&self) -> bool {
        self.numbers
            .is_some_and(|(first, last)| first < 0 || last >= signed(self.size))
    }
}

/// What is appended, and what it makes of the tree.
#[derive(Debug)]
pub(super) struct Addition<'a> {
    /// The tree's size before.
    pub(super) size: u64,
    /// The tree's seal before.
    pub(super) seal_before: Option<&'a [u8]>,
    pub(super) leaves: &'a [NewLeaf],
    pub(super) nodes: &'a [Node],
    /// The tree's seal afterwards.
    pub(super) seal: &'a [u8],
    /// The leaves before this lose their payloads.
    pub(super) erase: Option<u64>,
}

/// The database.
#[derive(Debug, Clone)]
pub(super) struct Store {
    write: WriteConnection,
    read: SqlitePool,
    inserts: Arc<Inserts>,
}

/// A statement for each number of rows.
#[derive(Debug)]
struct Inserts {
    leaves: [SqlStr; ROWS.len()],
    payloads: [SqlStr; ROWS.len()],
    nodes: [SqlStr; ROWS.len()],
}

impl Store {
    /// Opens the database, makes it when there is none, and brings its schema up to date.
    pub(super) async fn open(path: &Path) -> Result<Self, Error> {
        // What was acknowledged is there after a power cut.
        let options = sqlite::options(path, SqliteSynchronous::Full)
            // What retention deletes is overwritten.
            .pragma("secure_delete", "ON");
        let Connections { write, read } = sqlite::open::<Error>(options, &MIGRATIONS, VIEWS).await?;
        Ok(Self::of(write, read))
    }

    /// Opens a database that is there, to look at it.
    pub(super) async fn open_to_read(path: &Path) -> Result<Self, Error> {
        let Connections { write, read } = sqlite::open_to_read(path).await?;
        Ok(Self::of(write, read))
    }

    fn of(write: WriteConnection, read: SqlitePool) -> Self {
        let inserts = |table: &str| ROWS.map(|rows| AssertSqlSafe(format!("{table}{}", places(rows))).into_sql_str());
        Self {
            write,
            read,
            inserts: Arc::new(Inserts {
                leaves: inserts("INSERT INTO leaf (number, bytes, hash) VALUES "),
                payloads: inserts("INSERT INTO payload (leaf, salt, bytes) VALUES "),
                nodes: inserts("INSERT INTO node (level, number, hash) VALUES "),
            }),
        }
    }

    /// What it says of its tree. On the connection that writes: after all that this process has begun to write.
    pub(super) async fn head(&self) -> Result<StoredHead, Error> {
        // One statement, so all of it is of one moment. All columns: one that only looks may find a database of before.
        let mut writing = self.write.turn().await?;
        let row = sqlx::query(
            "SELECT *, (SELECT min(number) FROM leaf) AS first_leaf, (SELECT max(number) FROM leaf) AS last_leaf FROM tree",
        )
        .fetch_one(&mut *writing)
        .await?;
        writing.keep();
        let seal = match row.try_get::<Option<Vec<u8>>, _>("seal") {
            Err(sqlx::Error::ColumnNotFound(_)) => None,
            seal => seal?,
        };
        let first: Option<i64> = row.try_get("first_leaf")?;
        Ok(StoredHead {
            size: unsigned(row.try_get("size")?),
            seal,
            numbers: first.zip(row.try_get("last_leaf")?),
        })
    }

    /// How many leaves there are.
    pub(super) async fn size(&self) -> Result<u64, Error> {
        let size: i64 = sqlx::query_scalar("SELECT size FROM tree")
            .fetch_one(&self.read)
            .await?;
        Ok(unsigned(size))
    }

    /// The first leaf whose payload retention has not looked at.
    pub(super) async fn payloads_from(&self) -> Result<u64, Error> {
        let from: i64 = sqlx::query_scalar("SELECT payloads_from FROM tree")
            .fetch_one(&self.read)
            .await?;
        Ok(unsigned(from))
    }

    /// Appends to a log, and deletes the payloads of the leaves before `erase`: all of it, durably, or nothing. How many payloads
    /// were deleted.
    pub(super) async fn append(&self, addition: &Addition<'_>) -> Result<u64, Error> {
        let appended = match addition {
            Addition {
                leaves: [leaf],
                nodes: [],
                erase: None,
                ..
            } => self.appended_alone(addition, leaf).await,
            _ => self.appended(addition).await,
        };
        appended.map_err(|error| match error {
            // Only this log writes rows of these numbers.
            Error::Database(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Error::Foreign("its database has rows that this process has not written")
            }
            Error::Database(sqlx::Error::Database(error)) if error.message() == RAISED => Error::Foreign(ANOTHER),
            error => error,
        })
    }

    /// One leaf, as where one caller asks at a time: in one statement, and so in one message.
    async fn appended_alone(&self, addition: &Addition<'_>, leaf: &NewLeaf) -> Result<u64, Error> {
        let append = sqlx::query(
            "INSERT INTO appended (number, seal_before, seal, bytes, hash, salt, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(signed(addition.size))
        .bind(addition.seal_before)
        .bind(addition.seal)
        .bind(&leaf.bytes)
        .bind(leaf.hash.0.as_slice())
        .bind(leaf.salt.as_slice())
        .bind(&leaf.payload);
        self.write.execute(append).await?;
        Ok(0)
    }

    async fn appended(&self, addition: &Addition<'_>) -> Result<u64, Error> {
        let size = addition.size;
        let mut writing = self.write.turn().await?;
        let mut transaction = writing.begin().await?;
        let moved = sqlx::query("UPDATE tree SET size = ?, seal = ? WHERE size = ? AND seal IS ?")
            .bind(signed(size + u64::try_from(addition.leaves.len()).unwrap_or(0)))
            .bind(addition.seal)
            .bind(signed(size))
            .bind(addition.seal_before)
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() != 1 {
            return Err(Error::Foreign(ANOTHER));
        }
        self.insert(&mut transaction, size, addition.leaves).await?;
        self.insert_nodes(&mut transaction, addition.nodes).await?;
        let mut erased = 0;
        if let Some(before) = addition.erase {
            erased = sqlx::query("DELETE FROM payload WHERE leaf < ?")
                .bind(signed(before))
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            sqlx::query("UPDATE tree SET payloads_from = ?")
                .bind(signed(before))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        writing.keep();
        Ok(erased)
    }

    async fn insert(&self, connection: &mut SqliteConnection, size: u64, leaves: &[NewLeaf]) -> Result<(), Error> {
        let mut number = signed(size);
        let mut rest = leaves;
        while !rest.is_empty() {
            let fitting = ROWS
                .iter()
                .position(|rows| *rows <= rest.len())
                .unwrap_or(ROWS.len() - 1);
            let (Some(rows), Some(leaf), Some(payload)) = (
                ROWS.get(fitting),
                self.inserts.leaves.get(fitting),
                self.inserts.payloads.get(fitting),
            ) else {
                break;
            };
            let (now, later) = rest.split_at_checked(*rows).unwrap_or((rest, &[]));
            let mut insert = sqlx::query(leaf.clone());
            for (leaf, number) in now.iter().zip(number..) {
                insert = insert.bind(number).bind(&leaf.bytes).bind(leaf.hash.0.as_slice());
            }
            inserted(insert, connection, *rows).await?;
            let mut insert = sqlx::query(payload.clone());
            for (leaf, number) in now.iter().zip(number..) {
                insert = insert.bind(number).bind(leaf.salt.as_slice()).bind(&leaf.payload);
            }
            inserted(insert, connection, *rows).await?;
            number += signed(u64::try_from(now.len()).unwrap_or(0));
            rest = later;
        }
        Ok(())
    }

    /// Each statement goes to `SQLite`'s thread and back, so there are few.
    async fn insert_nodes(&self, connection: &mut SqliteConnection, nodes: &[Node]) -> Result<(), Error> {
        let mut rest = nodes;
        while !rest.is_empty() {
            let fitting = ROWS
                .iter()
                .position(|rows| *rows <= rest.len())
                .unwrap_or(ROWS.len() - 1);
            let (Some(rows), Some(insert)) = (ROWS.get(fitting), self.inserts.nodes.get(fitting)) else {
                break;
            };
            let (now, later) = rest.split_at_checked(*rows).unwrap_or((rest, &[]));
            let mut insert = sqlx::query(insert.clone());
            for node in now {
                insert = insert
                    .bind(node.level)
                    .bind(signed(node.number))
                    .bind(node.hash.0.as_slice());
            }
            inserted(insert, connection, *rows).await?;
            rest = later;
        }
        Ok(())
    }

    /// Stored leaves with their payloads, in order: `from` and as many as `limit` after it, before `before`.
    pub(super) async fn leaves(&self, from: u64, before: u64, limit: u64) -> Result<Vec<StoredLeaf>, Error> {
        self.selected(None, from..before, limit, "ASC").await
    }

    /// The same, of one kind.
    pub(super) async fn leaves_of(
        &self,
        kind: &str,
        from: u64,
        before: u64,
        limit: u64,
    ) -> Result<Vec<StoredLeaf>, Error> {
        self.selected(Some(kind), from..before, limit, "ASC").await
    }

    /// The newest leaves of a kind, the newest first.
    pub(super) async fn latest_of(
        &self,
        kind: &str,
        from: u64,
        before: u64,
        limit: u64,
    ) -> Result<Vec<StoredLeaf>, Error> {
        self.selected(Some(kind), from..before, limit, "DESC").await
    }

    async fn selected(
        &self,
        kind: Option<&str>,
        numbers: Range<u64>,
        limit: u64,
        order: &'static str,
    ) -> Result<Vec<StoredLeaf>, Error> {
        let mut query = QueryBuilder::new(
            "SELECT number, CAST(leaf.bytes AS BLOB) AS bytes, hash, salt, CAST(payload.bytes AS BLOB) AS payload
             FROM leaf LEFT JOIN payload ON payload.leaf = leaf.number WHERE number >= ",
        );
        query.push_bind(signed(numbers.start));
        query.push(" AND number < ").push_bind(signed(numbers.end));
        if let Some(kind) = kind {
            // As the index has it.
            query
                .push(" AND json_extract(leaf.bytes, '$.kind') = ")
                .push_bind(kind.to_owned());
        }
        query.push(" ORDER BY number ").push(order);
        query.push(" LIMIT ").push_bind(signed(limit));
        let rows = query.build().fetch_all(&self.read).await?;
        rows.iter().map(stored).collect()
    }

    /// How many leaves of a kind there are between two numbers, with the first and the last of them.
    pub(super) async fn count(
        &self,
        kind: &str,
        from: u64,
        before: u64,
    ) -> Result<(u64, Option<u64>, Option<u64>), Error> {
        let row = sqlx::query(
            "SELECT count(*) AS found, min(number) AS first, max(number) AS last FROM leaf
             WHERE json_extract(bytes, '$.kind') = ? AND number >= ? AND number < ?",
        )
        .bind(kind)
        .bind(signed(from))
        .bind(signed(before))
        .fetch_one(&self.read)
        .await?;
        let place = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(unsigned));
        Ok((unsigned(row.try_get("found")?), place("first")?, place("last")?))
    }

    /// The bytes of one leaf.
    pub(super) async fn leaf(&self, number: u64) -> Result<Vec<u8>, Error> {
        let found = self.leaves(number, number + 1, 1).await?.pop();
        found
            .map(|leaf| leaf.bytes)
            .ok_or_else(|| Error::Damaged(format!("leaf {number} is missing")))
    }

    /// The hashes of a tile, one after the other.
    pub(super) async fn tile(&self, tile: TilePath) -> Result<Vec<u8>, Error> {
        let from = signed(tile.number * WIDTH);
        let to = from + signed(tile.width);
        let level = tile.level.unwrap_or(0);
        let query = match level {
            0 => sqlx::query("SELECT hash FROM leaf WHERE number >= ? AND number < ? ORDER BY number"),
            _ => sqlx::query("SELECT hash FROM node WHERE number >= ? AND number < ? AND level = ? ORDER BY number"),
        };
        let query = query.bind(from).bind(to);
        let query = if level == 0 { query } else { query.bind(level) };
        let rows = query.fetch_all(&self.read).await?;
        let mut hashes = Vec::with_capacity(rows.len() * tlog_tiles::HASH_SIZE);
        for row in &rows {
            hashes.extend(row.try_get::<&[u8], _>("hash")?);
        }
        if hashes.len() != usize::try_from(tile.width).unwrap_or(0) * tlog_tiles::HASH_SIZE {
            return Err(Error::Damaged(format!("tile {tile} is not complete")));
        }
        Ok(hashes)
    }

    /// The stored hash of a subtree.
    pub(super) async fn node(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>, Error> {
        let found = sqlx::query_scalar("SELECT hash FROM node WHERE level = ? AND number = ?");
        Ok(found
            .bind(level)
            .bind(signed(number))
            .fetch_optional(&self.read)
            .await?)
    }

    /// The hashes at these places among all hashes.
    pub(super) async fn hashes(&self, places: &[u64]) -> Result<Vec<Hash>, Error> {
        let mut hashes = Vec::with_capacity(places.len());
        let mut tiles: Vec<(Tile, Vec<u8>)> = Vec::new();
        for place in places {
            let tile = Tile::from_index(HEIGHT, *place);
            let fits = |known: &Tile| {
                known.level() == tile.level()
                    && known.level_index() == tile.level_index()
                    && known.width() >= tile.width()
            };
            let position = tiles.iter().position(|(known, _)| fits(known));
            if position.is_none() {
                tiles.push((tile, self.tile(TilePath::of(&tile)).await?));
            }
            let known = position.map_or_else(|| tiles.last(), |position| tiles.get(position));
            let (tile, bytes) = known.ok_or(tlog_tiles::Error::BadMath)?;
            hashes.push(tile.hash_at_index(bytes, *place)?);
        }
        Ok(hashes)
    }

    /// Empties the write-ahead log, in which deleted payloads still are. What reads now may keep a part of it for a while.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        self.write
            .execute(sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)"))
            .await?;
        Ok(())
    }

    /// Closes every connection, after what runs.
    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Inserts so many rows. A trigger in the file may leave out some of them.
async fn inserted(
    insert: Query<'_, Sqlite, SqliteArguments>,
    connection: &mut SqliteConnection,
    rows: usize,
) -> Result<(), Error> {
    let inserted = insert.execute(connection).await?.rows_affected();
    if usize::try_from(inserted) == Ok(rows) {
        Ok(())
    } else {
        Err(Error::Foreign(ANOTHER))
    }
}

fn stored(row: &sqlx::sqlite::SqliteRow) -> Result<StoredLeaf, Error> {
    let salt: Option<Vec<u8>> = row.try_get("salt")?;
    let payload: Option<Vec<u8>> = row.try_get("payload")?;
    Ok(StoredLeaf {
        number: unsigned(row.try_get("number")?),
        bytes: row.try_get("bytes")?,
        hash: row.try_get("hash")?,
        payload: salt.zip(payload),
    })
}

/// `(?, ?, ?)` for each of so many rows.
fn places(rows: usize) -> String {
    vec!["(?, ?, ?)"; rows].join(", ")
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
