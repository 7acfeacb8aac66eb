//! The one writer: what waits becomes one transaction, and is acknowledged when that is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tlog_tiles::record_hash;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::event::{SALT, leaf, time};
use super::open::State;
use super::seal::Sealer;
use super::signer::Head;
use super::store::{Addition, NewLeaf, Store};
use super::{Counts, Error, Event, Kind, Receipt};

/// Events that wait, at most: the memory that the log takes while its disk is slow or broken.
pub(super) const QUEUE: usize = 4096;
/// Events of one transaction, at most.
const GROUP: usize = 1024;
/// How soon a transaction that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What is to be appended.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) event: Event,
    /// Its bytes.
    pub(super) payload: String,
    /// The leaves before this lose their payloads in the same transaction.
    pub(super) erase: Option<u64>,
    /// Who waits. What nobody waits for is tried again when it cannot be written.
    pub(super) reply: Option<oneshot::Sender<Result<Receipt, Error>>>,
}

/// The writer.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) closing: CancellationToken,
    pub(super) sealer: Sealer,
    /// What this process knows to be stored. It goes on from nothing else, whatever it finds.
    pub(super) state: State,
    /// After a transaction that failed: what is stored if it did not.
    pub(super) unsure: Option<Written>,
    pub(super) heads: watch::Sender<Head>,
    pub(super) signer_failing: Arc<AtomicBool>,
    pub(super) failing: Arc<AtomicBool>,
    /// Something else is stored: nothing is written and signed until a person has looked, and the process was started again.
    pub(super) foreign: Arc<AtomicBool>,
    pub(super) counts: Counts,
    /// How many lost events a leaf speaks of.
    pub(super) lost_told: u64,
}

/// What a transaction makes of the log.
#[derive(Debug, Clone)]
pub(super) struct Written {
    state: State,
    lost_told: u64,
}

impl Writer {
    /// Until the log is closed and all that was in the queue is written.
    pub(super) async fn run(mut self) {
        let mut group = Vec::new();
        loop {
            let room = GROUP.saturating_sub(group.len());
            if group.is_empty() {
                tokio::select! {
                    biased;
                    received = self.queue.recv_many(&mut group, room) => if received == 0 { return },
                    () = self.closing.cancelled(), if !self.queue.is_closed() => {
                        self.queue.close();
                        continue;
                    }
                }
            } else {
                // It failed before: not at once again, but at the latest when somebody waits.
                let waited = tokio::time::timeout(RETRY, self.queue.recv_many(&mut group, room.max(1)));
                let closed = tokio::select! {
                    received = waited => received == Ok(0),
                    () = self.closing.cancelled() => true,
                };
                if closed {
                    self.queue.close();
                    self.last(group).await;
                    return;
                }
            }
            group = self.write(group).await;
        }
    }

    /// A last try at what failed before; what does not get into the log then is lost.
    async fn last(&mut self, mut group: Vec<Message>) {
        while self.queue.recv_many(&mut group, QUEUE).await > 0 {}
        let left = self.write(group).await;
        self.counts.lost(u64::try_from(left.len()).unwrap_or(0));
        if !left.is_empty() {
            tracing::error!(
                events = left.len(),
                "the audit log was closed while it could not be written"
            );
        }
    }

    /// Writes a group; what has to be tried again.
    async fn write(&mut self, group: Vec<Message>) -> Vec<Message> {
        match self.try_write(&group).await {
            Ok(receipts) => {
                self.failing.store(false, Ordering::Relaxed);
                self.counts.failing(self.signer_failing.load(Ordering::Relaxed));
                for (message, receipt) in group.into_iter().zip(receipts) {
                    self.counts.appended(message.event.kind);
                    if let Some(reply) = message.reply {
                        // Who asked may have gone.
                        let _ = reply.send(Ok(receipt));
                    }
                }
                Vec::new()
            }
            Err(error) => {
                self.counts.error();
                self.counts.failing(true);
                let is_news = !self.failing.swap(true, Ordering::Relaxed);
                if matches!(error, Error::Foreign(_)) {
                    if !self.foreign.swap(true, Ordering::Relaxed) {
                        self.counts.damaged();
                        tracing::error!(
                            event = "audit_foreign_write",
                            %error,
                            "nothing more is written to the audit log or signed. What to do: see what was changed with `whynot \
                             audit verify`, put the database back as it was, and start the service again"
                        );
                    }
                } else if is_news {
                    tracing::error!(%error, "the audit log cannot be written");
                }
                self.refuse(group)
            }
        }
    }

    /// Tells those who wait; the others are kept as far as there is room.
    fn refuse(&self, group: Vec<Message>) -> Vec<Message> {
        let mut kept = Vec::new();
        for message in group {
            match message.reply {
                Some(reply) => {
                    let _ = reply.send(Err(Error::Failing));
                }
                None if kept.len() < GROUP => kept.push(message),
                None => self.counts.lost(1),
            }
        }
        kept
    }

    async fn try_write(&mut self, group: &[Message]) -> Result<Vec<Receipt>, Error> {
        if self.signer_failing.load(Ordering::Relaxed) {
            return Err(Error::Failing);
        }
        if self.foreign.load(Ordering::Relaxed) {
            return Err(Error::Foreign("its database is not as this process has left it"));
        }
        self.settle().await?;
        let State {
            mut edge,
            mut at,
            seal: seal_before,
        } = self.state.clone();
        let size = edge.size();
        at = at.max(time(jiff::Timestamp::now().as_millisecond()));
        let mut salts = vec![[0; SALT]; group.len() + 1];
        for salt in &mut salts {
            getrandom::fill(salt)?;
        }
        let mut salts = salts.into_iter();
        let mut leaves = Vec::with_capacity(group.len() + 1);
        let mut nodes = Vec::new();
        let lost = self.counts.all_lost();
        let gap = (lost > self.lost_told).then(|| {
            let subject = (lost - self.lost_told).to_string();
            Event::new(Kind::EventsLost, subject, serde_json::Value::Null)
        });
        let events = group.iter().map(|message| (&message.event, message.payload.as_str()));
        for (event, payload) in events.chain(gap.as_ref().map(|gap| (gap, "null"))) {
            let salt = salts.next().unwrap_or([0; SALT]);
            let bytes = leaf(event, &at, &salt, payload)?;
            let hash = record_hash(bytes.as_bytes());
            edge.push(hash, &mut nodes);
            leaves.push(NewLeaf {
                bytes,
                hash,
                salt,
                payload: payload.to_owned(),
            });
        }
        let erase = group.iter().filter_map(|message| message.erase).max();
        let receipts = (size..)
            .take(group.len())
            .map(|index| Receipt { index, at: at.clone() });
        let receipts = receipts.collect();
        let seal = self.sealer.seal(edge.size(), edge.root());
        let written = Written {
            state: State {
                edge,
                at,
                seal: Some(seal.clone()),
            },
            lost_told: lost,
        };
        self.unsure = Some(written.clone());
        let addition = Addition {
            size,
            seal_before: seal_before.as_deref(),
            leaves: &leaves,
            nodes: &nodes,
            seal: &seal,
            erase,
        };
        let erased = self.store.append(&addition).await?;
        self.counts.erased(erased);
        self.take(written);
        Ok(receipts)
    }

    /// Goes on from what is stored now.
    fn take(&mut self, written: Written) {
        self.unsure = None;
        self.lost_told = written.lost_told;
        self.state = written.state;
        self.heads.send_replace(Head {
            size: self.state.edge.size(),
            root: self.state.edge.root(),
        });
    }

    /// After a transaction that failed, finds out whether it is stored: the disk may have failed after it was.
    async fn settle(&mut self) -> Result<(), Error> {
        let Some(written) = &self.unsure else { return Ok(()) };
        let stored = self.store.head().await?;
        let is = |state: &State| stored.size == state.edge.size() && stored.seal == state.seal && !stored.has_others();
        if is(&written.state) {
            let written = written.clone();
            self.take(written);
        } else if is(&self.state) {
            self.unsure = None;
        } else {
            return Err(Error::Foreign("another process has written to its database"));
        }
        Ok(())
    }
}
