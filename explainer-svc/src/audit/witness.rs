//! What a witness decides: whether a log that it has seen before went on from there.

use tlog_tiles::{TileHashReader, TileReader};

use super::SignedCheckpoint;
use super::tree::begins_with;

/// What a witness finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The log for the first time: from here on it is watched.
    First,
    /// The same as before.
    Same,
    /// More leaves, after the ones that were there.
    Grown {
        /// How many there were.
        from: u64,
    },
    /// Another history than the one that was seen: what the key signed contradicts itself.
    Forked(String),
    /// Fewer leaves than were seen.
    Back(String),
    /// It could not be told.
    Unclear(String),
}

/// Compares a checkpoint with the one that is remembered. `tiles` are those of the log now; nothing of them is trusted.
pub fn look<R: TileReader>(remembered: Option<&SignedCheckpoint>, now: &SignedCheckpoint, tiles: &R) -> Seen {
    let Some(before) = remembered.map(|signed| &signed.checkpoint) else {
        return Seen::First;
    };
    let now = &now.checkpoint;
    let (from, to) = (before.size, now.size);
    if from == to {
        return if before.root == now.root {
            Seen::Same
        } else {
            Seen::Forked(format!("two different trees of {from} leaves are signed"))
        };
    }
    if to < from {
        return Seen::Back(format!(
            "the log shows {to} leaves, and {from} were seen before: it was set back, or an old copy is served"
        ));
    }
    if from == 0 {
        return Seen::Grown { from };
    }
    match begins_with(&TileHashReader::new(to, now.root, tiles), from, before.root) {
        Ok(true) => Seen::Grown { from },
        Ok(false) => Seen::Forked(format!(
            "the tree of {to} leaves does not begin with the tree of {from} leaves that was seen before"
        )),
        Err(error) => Seen::Unclear(format!(
            "the log's tiles do not make the tree of its checkpoint: {error}"
        )),
    }
}
