//! Where leaves are read from that are checked: a database that may be in use, or an export.

use std::io::BufRead;
use std::path::Path;

use data_encoding::HEXLOWER;
use tlog_tiles::Hash;

use super::Error;
use super::export::{FORMAT, Header, Line};
use super::store::{Store, StoredHead};

/// Leaves that are read at a time.
const BATCH: u64 = 4096;

/// Where leaves are read from.
#[derive(Debug)]
pub struct Source(Kept);

enum Kept {
    Database {
        store: Store,
        head: StoredHead,
        next: u64,
        /// All that was there when it was opened was read, and what was written meanwhile is looked at.
        again: bool,
    },
    Export {
        lines: Box<dyn BufRead + Send>,
        next: u64,
    },
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Database { .. } => "Database",
            Self::Export { .. } => "Export",
        })
    }
}

pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    /// The hash that is stored beside it.
    pub(super) hash: Option<Vec<u8>>,
    pub(super) payload: Option<(Vec<u8>, Vec<u8>)>,
}

impl Source {
    /// A database, or a copy of one.
    pub async fn database(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::file(path, std::io::ErrorKind::NotFound.into()));
        }
        let store = Store::open_to_read(path).await?;
        let head = store.head().await?;
        Ok(Self(Kept::Database {
            store,
            head,
            next: 0,
            again: false,
        }))
    }

    /// An export, and what its first line says.
    pub fn export(mut lines: Box<dyn BufRead + Send>) -> Result<(Self, Header), Error> {
        let mut line = String::new();
        lines.read_line(&mut line).map_err(unreadable)?;
        let header: Header = serde_json::from_str(&line)
            .ok()
            .filter(|header: &Header| header.format == FORMAT)
            .ok_or_else(|| {
                Error::Note("it is no export that this version of `whynot audit export` writes".to_owned())
            })?;
        Ok((Self(Kept::Export { lines, next: 0 }), header))
    }

    /// What the database says of its tree: when it was opened, and later once more, since one that is in use grows.
    pub(super) fn head(&self) -> Option<&StoredHead> {
        match &self.0 {
            Kept::Database { head, .. } => Some(head),
            Kept::Export { .. } => None,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        match &mut self.0 {
            Kept::Database {
                store,
                head,
                next,
                again,
            } => {
                let mut leaves = store.leaves(*next, head.size, BATCH).await?;
                if leaves.is_empty() && !*again {
                    // A leaf that says that payloads were deleted meanwhile is among what follows.
                    *again = true;
                    *head = store.head().await?;
                    leaves = store.leaves(*next, head.size, BATCH).await?;
                }
                *next = leaves.last().map_or(*next, |leaf| leaf.number + 1);
                Ok(leaves
                    .into_iter()
                    .map(|leaf| Entry {
                        number: leaf.number,
                        bytes: leaf.bytes,
                        hash: Some(leaf.hash),
                        payload: leaf.payload,
                    })
                    .collect())
            }
            Kept::Export { lines, next } => {
                let mut entries = Vec::new();
                let mut text = String::new();
                for _ in 0..BATCH {
                    text.clear();
                    if lines.read_line(&mut text).map_err(unreadable)? == 0 {
                        break;
                    }
                    let line: Line = serde_json::from_str(&text)
                        .map_err(|error| Error::Note(format!("line {} of the export: {error}", *next + 2)))?;
                    let salt = line.salt.map(|salt| HEXLOWER.decode(salt.as_bytes()));
                    // A salt that is none fits to nothing.
                    let salt = salt.map(Result::unwrap_or_default);
                    entries.push(Entry {
                        number: *next,
                        bytes: line.leaf.into_bytes(),
                        hash: None,
                        payload: salt.zip(line.payload.map(String::into_bytes)),
                    });
                    *next += 1;
                }
                Ok(entries)
            }
        }
    }

    /// Whether the stored hash of a subtree is this one; `true` where none are stored.
    pub(super) async fn has_node(&self, level: u8, number: u64, hash: Hash) -> Result<bool, Error> {
        match &self.0 {
            Kept::Database { store, .. } => Ok(store.node(level, number).await?.is_some_and(|stored| stored == hash.0)),
            Kept::Export { .. } => Ok(true),
        }
    }
}

fn unreadable(source: std::io::Error) -> Error {
    Error::file(Path::new("the export"), source)
}
