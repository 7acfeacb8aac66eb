//! Signs what is durable, keeps the checkpoint outside the database, and only then shows it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tlog_tiles::Hash;
use tokio::sync::watch;

use super::anchor::write_durably;
use super::{Counts, Error, Key, SignedCheckpoint};

/// Between two checkpoints: each is a file that reaches the disk, and competes with the log for it.
const PAUSE: Duration = Duration::from_millis(50);
/// Before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A tree that is durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: Hash,
}

/// What signs.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) key: Key,
    pub(super) file: PathBuf,
    pub(super) heads: watch::Receiver<Head>,
    pub(super) published: watch::Sender<Arc<SignedCheckpoint>>,
    /// While it is set, nothing is appended: what is not signed cannot be proven.
    pub(super) failing: Arc<AtomicBool>,
    pub(super) counts: Counts,
}

impl Signer {
    /// Until nothing more can be written, and the last of it is signed.
    pub(super) async fn run(mut self) {
        while self.heads.changed().await.is_ok() {
            loop {
                let head = *self.heads.borrow_and_update();
                match self.publish(head).await {
                    Ok(()) => break,
                    Err(error) => {
                        self.counts.error();
                        self.failing.store(true, Ordering::Relaxed);
                        tracing::error!(%error, "the audit log's checkpoint cannot be kept");
                    }
                }
                if self.heads.has_changed().is_err() {
                    return;
                }
                tokio::time::sleep(RETRY).await;
            }
            self.failing.store(false, Ordering::Relaxed);
            if self.heads.has_changed().is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn publish(&self, head: Head) -> Result<(), Error> {
        if head.size == self.published.borrow().checkpoint.size {
            return Ok(());
        }
        let signed = SignedCheckpoint::sign(&self.key, head.size, head.root)?;
        let (file, note) = (self.file.clone(), signed.note().to_owned());
        let written = tokio::task::spawn_blocking(move || write_durably(&file, note.as_bytes())).await;
        written.map_err(|_| Error::Closed)??;
        self.counts.signed(head.size);
        self.published.send_replace(Arc::new(signed));
        Ok(())
    }
}
