//! Opening a log: whole, or refused with what to do. A log must never sign a tree that contradicts one that it signed before.

use std::fs::{File, TryLockError};
use std::path::Path;

use tlog_tiles::record_hash;

use super::anchor::{beside, read, write_durably};
use super::event::Leaf;
use super::store::Store;
use super::tree::{Edge, WIDTH};
use super::{Error, Key, Settings, SignedCheckpoint, TilePath};
use crate::sqlite;

/// What a log is written with.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) key: Key,
    pub(super) state: State,
    pub(super) checkpoint: SignedCheckpoint,
    /// Held as long as the log is open.
    pub(super) lock: File,
}

/// What the next leaf depends on.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) edge: Edge,
    /// When the last leaf was written; times do not go back.
    pub(super) at: String,
    /// The seal that is stored; none in a database of a version that did not seal, until it is written to.
    pub(super) seal: Option<Vec<u8>>,
}

/// Opens the log, or makes it.
pub(super) async fn open(settings: &Settings) -> Result<Opened, Error> {
    for path in [&settings.database, &settings.key, &settings.checkpoint] {
        sqlite::make_private_folder_of(path).map_err(|source| Error::file(path, source))?;
    }
    let lock = lock(&settings.database)?;
    let is_new = !settings.database.exists() && !settings.checkpoint.exists();
    let key = key(settings, is_new)?;
    let checkpoint = read(&settings.checkpoint, &key.public()).map_err(|error| {
        let file = settings.checkpoint.display();
        refused(
            settings,
            &format!("{file} is not the log's last checkpoint: {error}"),
            "put back the key and the checkpoint that belong together",
        )
    })?;
    // A key that has signed must not sign another tree from its first leaf on: that is a fork.
    let may_begin = settings.begin || key.is_unused(&settings.key);
    let no_beginning = || {
        let key = settings.key.display();
        refused(
            settings,
            &format!("there is a key, {key}, and no log: what this key has signed may be lost"),
            "put the database and the checkpoint back; where this key has never signed, start once with --audit-begin",
        )
    };
    if checkpoint.is_none() && !may_begin && !settings.database.exists() {
        return Err(no_beginning());
    }
    if checkpoint
        .as_ref()
        .is_some_and(|checkpoint| checkpoint.checkpoint.size > 0)
        && !settings.database.exists()
    {
        return Err(refused(settings, "the database is gone", "put it back as it was last"));
    }
    let store = Store::open(&settings.database).await?;
    let size = store.size().await?;
    let checkpoint = match checkpoint {
        Some(checkpoint) => checkpoint,
        None if size == 0 && !may_begin => return Err(no_beginning()),
        None if size == 0 => {
            let empty = SignedCheckpoint::sign(&key, 0, Edge::default().root())?;
            write_durably(&settings.checkpoint, empty.note().as_bytes())?;
            empty
        }
        None => {
            let file = settings.checkpoint.display();
            return Err(refused(
                settings,
                &format!("the database has {size} leaves, and the last checkpoint, {file}, is gone"),
                "put that file back, or one that a witness keeps in its place, so that it is known what was signed",
            ));
        }
    };
    Key::forget_unused(&settings.key)?;
    let state = follow(settings, &store, &checkpoint)
        .await
        .map_err(|error| match error {
            Error::Damaged(what) => refused(
                settings,
                &what,
                "put the database back as it was last; it may also have been changed: `whynot audit verify` says where",
            ),
            error => error,
        })?;
    Ok(Opened {
        store,
        key,
        state,
        checkpoint,
        lock,
    })
}

/// One process writes.
fn lock(database: &Path) -> Result<File, Error> {
    let path = beside(database, ".lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|source| Error::file(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Refused(format!(
            "another process writes the audit log {}; end it, or use another --audit-database",
            database.display()
        ))),
        Err(TryLockError::Error(source)) => Err(Error::file(&path, source)),
    }
}

fn key(settings: &Settings, is_new: bool) -> Result<Key, Error> {
    let path = &settings.key;
    if !path.exists() {
        if !is_new {
            return Err(refused(
                settings,
                &format!("there is a log, and its key, {}, is gone", path.display()),
                "put the key back: with another one this would be another log",
            ));
        }
        let key = Key::generate(&settings.new_origin)?;
        key.make(path)?;
        tracing::info!(key = %path.display(), public = key.public().text(), "made a key for the audit log");
        return Ok(key);
    }
    let key = Key::read(path)?;
    match &settings.origin {
        Some(origin) if origin != key.name() => Err(Error::Refused(format!(
            "the audit log's key {} is of `{}`, and --audit-origin says `{origin}`: a log keeps its name; leave the argument out",
            path.display(),
            key.name()
        ))),
        _ => Ok(key),
    }
}

/// The edge of the stored tree, which must begin with the tree of the checkpoint. What was written after it (the process may have
/// ended before it was signed) is hashed again, and must have the seal of the log's key: it is signed next.
async fn follow(settings: &Settings, store: &Store, signed: &SignedCheckpoint) -> Result<State, Error> {
    let from = &signed.checkpoint;
    let stored = store.head().await?;
    let size = stored.size;
    if size < from.size {
        return Err(Error::Damaged(format!(
            "the database has {size} leaves, and a checkpoint of {} was signed: a backup was restored, or leaves were deleted",
            from.size
        )));
    }
    let subtrees = store.hashes(&Edge::needs(from.size)).await?;
    let mut edge = Edge::new(from.size, subtrees)?;
    if edge.root() != from.root {
        return Err(Error::Damaged(format!(
            "the first {} leaves of the database are not those that were signed",
            from.size
        )));
    }
    let mut at = match from.size.checked_sub(1) {
        Some(number) => {
            let last = store.leaves(number, size, 1).await?.pop().filter(|last| {
                // Later times follow it, so it must be what was hashed.
                last.number == number && record_hash(&last.bytes).0.as_slice() == last.hash
            });
            let last = last.ok_or_else(|| Error::Damaged(format!("leaf {number} is not as it was written")))?;
            time_of(&last.bytes)
        }
        None => String::new(),
    };
    let mut nodes = Vec::new();
    while edge.size() < size {
        let leaves = store.leaves(edge.size(), size, WIDTH).await?;
        for leaf in &leaves {
            let hash = record_hash(&leaf.bytes);
            if leaf.number != edge.size() || leaf.hash != hash.0 {
                return Err(Error::Damaged(format!("leaf {} is not as it was written", edge.size())));
            }
            edge.push(hash, &mut nodes);
            at = time_of(&leaf.bytes);
        }
        if leaves.is_empty() {
            return Err(Error::Damaged(format!("leaf {} is missing", edge.size())));
        }
    }
    for node in nodes {
        if store.node(node.level, node.number).await?.as_deref() != Some(node.hash.0.as_slice()) {
            let path = TilePath {
                level: Some(node.level),
                number: node.number / WIDTH,
                width: WIDTH,
            };
            return Err(Error::Damaged(format!("tile {path} is not as it was written")));
        }
    }
    if stored.has_others() {
        return Err(Error::Damaged(format!(
            "the log has {size} leaves, and somebody has added others to the database"
        )));
    }
    let unsigned = size - from.size;
    match &stored.seal {
        Some(seal) if signed.key().sealed(size, edge.root(), seal) => {}
        Some(_) if unsigned == 0 => {
            return Err(Error::Damaged(format!(
                "leaves were written after the checkpoint of {size}, and they are gone"
            )));
        }
        Some(_) => {
            return Err(Error::Damaged(format!(
                "the last {unsigned} leaves, from leaf {} on, are in no checkpoint, and the log's key has not sealed them: \
                 somebody else has added or changed them",
                from.size
            )));
        }
        None if unsigned == 0 => {}
        None => {
            return Err(refused(
                settings,
                &format!(
                    "the last {unsigned} leaves, from leaf {} on, are in no checkpoint, and the database has no seal: a version of \
                     whynot that did not seal was killed, or somebody else has added them",
                    from.size
                ),
                "where that version wrote last, start it once more and end it in order, so that it signs them; otherwise put the \
                 database back as it was last; `whynot audit verify` says more",
            ));
        }
    }
    Ok(State {
        edge,
        at,
        seal: stored.seal,
    })
}

fn time_of(leaf: &[u8]) -> String {
    serde_json::from_slice::<Leaf>(leaf).map_or_else(|_| String::new(), |leaf| leaf.at)
}

fn refused(settings: &Settings, what: &str, remedy: &str) -> Error {
    Error::Refused(format!(
        "the audit log {} is not used: {what}. What to do: {remedy}. To go on without what is lost, move the database, the key and \
         the checkpoint away together, as evidence, and start a new log",
        settings.database.display()
    ))
}
