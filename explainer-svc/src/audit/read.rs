//! What others are given of the log: tiles, entries, proofs, events. All of it as of a signed checkpoint.

use serde::Serialize;
use tlog_tiles::{Hash, check_record, prove_record, prove_tree, record_hash};

use super::event::{Leaf, commitment};
use super::store::StoredLeaf;
use super::tree::{Hashes, WIDTH};
use super::{Error, Kind, Log, TilePath};

/// That a leaf is in a tree.
#[derive(Debug, Clone)]
pub struct Inclusion {
    /// The leaf's number.
    pub index: u64,
    /// The leaves of the tree.
    pub size: u64,
    /// What happened.
    pub kind: String,
    /// The leaf's bytes.
    pub leaf: String,
    /// Its salt in hexadecimal and its payload, as long as they are kept.
    pub payload: Option<(String, String)>,
    /// The hashes from the leaf up.
    pub hashes: Vec<Hash>,
}

/// Which events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// From this leaf on.
    pub from: u64,
    /// Not written before this time, in milliseconds since 1970.
    pub since: Option<i64>,
    /// At most so many.
    pub limit: u64,
}

/// An event as the log has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordedEvent {
    /// The leaf's number.
    pub index: u64,
    /// When it was written.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// What the leaf says of its payload.
    pub commitment: String,
    /// The details; none when retention has deleted them.
    pub payload: Option<serde_json::Value>,
}

impl Log {
    /// How many leaves are signed; an error when `size` are not.
    fn signed(&self, size: Option<u64>) -> Result<u64, Error> {
        let signed = self.checkpoint().checkpoint.size;
        match size {
            Some(size) if size > signed => Err(Error::NotThere(format!(
                "The last checkpoint has {signed} leaves, and not {size}."
            ))),
            size => Ok(size.unwrap_or(signed)),
        }
    }

    /// A tile of hashes, or of entries with their lengths.
    pub async fn tile(&self, path: TilePath) -> Result<Vec<u8>, Error> {
        let height = 8 * u32::from(path.level.unwrap_or(0));
        let there = self.signed(None)? >> height;
        if path.number * WIDTH + path.width > there {
            return Err(Error::NotThere("The log is not that long, yet.".to_owned()));
        }
        if path.level.is_some() {
            return self.store().tile(path).await;
        }
        let from = path.number * WIDTH;
        let leaves = self.store().leaves(from, from + path.width, path.width).await?;
        if leaves.len() != usize::try_from(path.width).unwrap_or(0) {
            return Err(Error::Damaged(format!("tile {path} is not complete")));
        }
        let mut entries = Vec::new();
        for leaf in leaves {
            self.seen(unchanged(&leaf))?;
            let length = u16::try_from(leaf.bytes.len());
            let length = length.map_err(|_| Error::Damaged(format!("leaf {} is too long", leaf.number)))?;
            entries.extend(length.to_be_bytes());
            entries.extend(leaf.bytes);
        }
        Ok(entries)
    }

    /// Proves that a leaf is in the tree of `size` leaves, by default the one of the last checkpoint.
    pub async fn inclusion(&self, index: u64, size: Option<u64>) -> Result<Inclusion, Error> {
        let size = self.signed(size)?;
        if index >= size {
            return Err(Error::NotThere(format!("A tree of {size} leaves has no leaf {index}.")));
        }
        let hashes = self.proof(|hashes| prove_record(size, index, hashes)).await?;
        let leaf = self.store().leaves(index, index + 1, 1).await?.pop();
        let leaf = leaf.ok_or_else(|| Error::Damaged(format!("leaf {index} is missing")))?;
        let kind = self.seen(as_written(&leaf))?.kind;
        let payload = leaf.payload.map(|(salt, payload)| {
            let salt = data_encoding::HEXLOWER.encode(&salt);
            (salt, String::from_utf8_lossy(&payload).into_owned())
        });
        Ok(Inclusion {
            index,
            size,
            kind,
            leaf: String::from_utf8_lossy(&leaf.bytes).into_owned(),
            payload,
            hashes,
        })
    }

    /// When a leaf was written, by the signed tree and not only by the database.
    pub(super) async fn proven_time(&self, index: u64) -> Result<String, Error> {
        let signed = self.signed_now().await?;
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        let hashes = self.proof(|hashes| prove_record(size, index, hashes)).await?;
        let bytes = self.store().leaf(index).await?;
        let checked = check_record(&hashes, size, root, index, record_hash(&bytes));
        self.seen(checked.map_err(|_| Error::Damaged(format!("leaf {index} is not as it was signed"))))?;
        Ok(serde_json::from_slice::<Leaf>(&bytes)?.at)
    }

    /// Proves that the tree of `to` leaves begins with the tree of `from` leaves.
    pub async fn consistency(&self, from: u64, to: Option<u64>) -> Result<(u64, Vec<Hash>), Error> {
        let to = self.signed(to)?;
        if from == 0 || from > to {
            return Err(Error::NotThere(format!(
                "A tree of {to} leaves does not begin with {from} leaves."
            )));
        }
        Ok((to, self.proof(|hashes| prove_tree(to, from, hashes)).await?))
    }

    /// Runs an algorithm that reads hashes: once to know which, once with them.
    async fn proof(&self, prove: impl Fn(&Hashes) -> Result<Vec<Hash>, tlog_tiles::Error>) -> Result<Vec<Hash>, Error> {
        let wanted = {
            let asked = Hashes::asked();
            if let Ok(proof) = prove(&asked) {
                return Ok(proof);
            }
            asked.wanted()
        };
        let hashes = self.store().hashes(&wanted).await?;
        Ok(prove(&Hashes::Answers(wanted.into_iter().zip(hashes).collect()))?)
    }

    /// Events in the order in which they were written.
    pub async fn events(&self, query: &Query) -> Result<Vec<RecordedEvent>, Error> {
        let Query {
            kind,
            mut from,
            since,
            limit,
        } = *query;
        let before = self.signed(None)?;
        if let Some(since) = since {
            from = from.max(self.first_since(&super::event::time(since)).await?);
        }
        let leaves = match kind {
            Some(kind) => self.store().leaves_of(kind.name(), from, before, limit).await?,
            None => self.store().leaves(from, before, limit).await?,
        };
        leaves.into_iter().map(|leaf| self.seen(recorded(leaf))).collect()
    }

    /// Counts what is not as it was written.
    fn seen<T>(&self, read: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Damaged(_)) = &read {
            self.counts().damaged();
        }
        read
    }

    /// How many events of a kind were written since a time (milliseconds since 1970), with the first and the last leaf.
    pub async fn count(&self, kind: Kind, since: i64) -> Result<(u64, Option<u64>, Option<u64>), Error> {
        let from = self.first_since(&super::event::time(since)).await?;
        self.store().count(kind.name(), from, self.signed(None)?).await
    }
}

/// An error when a leaf is not what was hashed. That its hash is in the signed tree is for `verify` and for proofs to say.
fn unchanged(stored: &StoredLeaf) -> Result<(), Error> {
    if record_hash(&stored.bytes).0.as_slice() == stored.hash.as_slice() {
        return Ok(());
    }
    Err(Error::Damaged(format!(
        "leaf {} is not as it was written",
        stored.number
    )))
}

/// Reads a leaf; an error when it or its payload is not what was hashed.
fn as_written(stored: &StoredLeaf) -> Result<Leaf, Error> {
    unchanged(stored)?;
    let StoredLeaf {
        number, bytes, payload, ..
    } = stored;
    let leaf: Leaf = serde_json::from_slice(bytes)?;
    let fits = |(salt, payload): &(Vec<u8>, Vec<u8>)| commitment(salt, payload) == leaf.commitment;
    if !payload.as_ref().is_none_or(fits) {
        return Err(Error::Damaged(format!(
            "the payload of leaf {number} is not as it was written"
        )));
    }
    Ok(leaf)
}

pub(super) fn recorded(stored: StoredLeaf) -> Result<RecordedEvent, Error> {
    let leaf = as_written(&stored)?;
    let payload = stored.payload.map(|(_, payload)| serde_json::from_slice(&payload));
    Ok(RecordedEvent {
        index: stored.number,
        at: leaf.at,
        kind: leaf.kind,
        subject: leaf.subject,
        commitment: leaf.commitment,
        payload: payload.transpose()?,
    })
}
