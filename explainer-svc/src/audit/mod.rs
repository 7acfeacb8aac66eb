//! The audit log: what was decided, append-only, and provable to somebody who trusts neither the database nor its owner's word.
//!
//! A Merkle tree (RFC 6962) in its own `SQLite` file, in the formats of C2SP: checkpoints are signed notes (`tlog-checkpoint`),
//! hashes and entries are served as tiles (`tlog-tiles`), witnesses cosign (`tlog-cosignature`).
//!
//! Order of writing: leaves, hashes and size, sealed by the key, in one durable transaction; then the caller is told; then the tree is signed, the
//! checkpoint kept in a file outside the database, and only then shown. So a checkpoint that anybody has seen is never ahead of
//! what a crash leaves. Nothing here knows what the events mean.

mod anchor;
mod counts;
mod event;
mod export;
mod key;
mod log;
mod note;
mod open;
mod read;
mod reader;
mod seal;
mod settings;
mod signer;
mod source;
mod store;
mod tiles;
mod tree;
pub mod verify;
pub mod witness;
mod writer;

pub use anchor::write_durably;
pub use counts::Counts;
pub use event::{Event, Kind, Receipt};
pub use export::{Header, Line, export};
pub use key::{Key, PublicKey};
pub use log::Log;
pub use note::{Checkpoint, Cosigner, SignedCheckpoint};
pub use read::{Inclusion, Query, RecordedEvent};
pub use reader::Reader;
pub(crate) use settings::origin;
pub use settings::{AuditArgs, Settings};
pub use tiles::{TilePath, entries_path, tile_path};

/// What went wrong in the audit log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be written now; what was to be appended is not in it.
    #[error("the audit log cannot be written now")]
    Failing,
    /// The process is shutting down.
    #[error("the audit log is closed")]
    Closed,
    /// An event is larger than a leaf or a payload may be.
    #[error("an event's {what} is longer than {limit} bytes")]
    TooLarge {
        /// What of it.
        what: &'static str,
        /// In bytes.
        limit: usize,
    },
    /// There is no such leaf, tile or tree.
    #[error("{0}")]
    NotThere(String),
    /// The log must not be used as it is. Says what to do.
    #[error("{0}")]
    Refused(String),
    /// What is stored is not what this log wrote last. Nothing more is written or signed.
    #[error("{0}")]
    Foreign(&'static str),
    /// The stored tree contradicts itself.
    #[error("the audit log's database is damaged: {0}; `whynot audit verify` says where")]
    Damaged(String),
    /// The database says so.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A file beside the database.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A key or a signed note cannot be read, or does not fit.
    #[error("{0}")]
    Note(String),
    /// The system has no randomness.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// An event cannot be written as JSON.
    #[error("an event is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Hashes do not make a tree.
    #[error("hashes: {0}")]
    Tree(#[from] tlog_tiles::Error),
}

impl Error {
    fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }
}
