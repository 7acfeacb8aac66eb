//! A log for a report: the open one of this process, or the file of another.

use std::path::Path;

use super::event::time;
use super::log::first_since;
use super::read::recorded;
use super::store::Store;
use super::{Error, Kind, Log, RecordedEvent};

/// What a report reads: the leaves that there were when it began.
#[derive(Debug, Clone)]
pub struct Reader {
    store: Store,
    size: u64,
}

impl Log {
    /// What is signed now.
    pub fn reader(&self) -> Reader {
        Reader {
            store: self.store().clone(),
            size: self.checkpoint().checkpoint.size,
        }
    }
}

impl Reader {
    /// A database, or a copy of one; it may be in use.
    pub async fn database(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::file(path, std::io::ErrorKind::NotFound.into()));
        }
        let store = Store::open_to_read(path).await?;
        let size = store.size().await?;
        Ok(Self { store, size })
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many events of a kind were written since a time (milliseconds since 1970).
    pub async fn count(&self, kind: Kind, since: i64) -> Result<u64, Error> {
        let from = first_since(&self.store, &time(since)).await?;
        let (found, ..) = self.store.count(kind.name(), from, self.size).await?;
        Ok(found)
    }

    /// The newest events of a kind that were written since a time, the newest first.
    pub async fn latest(&self, kind: Kind, since: i64, limit: u64) -> Result<Vec<RecordedEvent>, Error> {
        let from = first_since(&self.store, &time(since)).await?;
        let leaves = self.store.latest_of(kind.name(), from, self.size, limit).await?;
        leaves.into_iter().map(recorded).collect()
    }
}
