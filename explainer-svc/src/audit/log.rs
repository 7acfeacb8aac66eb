//! A handle to the open log.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event::Leaf;
use super::open::open;
use super::seal::Sealer;
use super::signer::{Head, Signer};
use super::store::Store;
use super::writer::{Message, QUEUE, Writer};
use super::{Counts, Error, Event, Kind, PublicKey, Receipt, Settings, SignedCheckpoint};

/// Leaves whose payloads one transaction deletes: the writer is not held for long.
const ERASE: u64 = 10_000;
/// How long the signature of what is durable may take.
const SIGNED_SOON: Duration = Duration::from_secs(2);

/// The open log. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Message>,
    pub(super) store: Store,
    public: PublicKey,
    published: watch::Receiver<Arc<SignedCheckpoint>>,
    writer_failing: Arc<AtomicBool>,
    signer_failing: Arc<AtomicBool>,
    foreign: Arc<AtomicBool>,
    counts: Counts,
    closing: CancellationToken,
    tasks: TaskTracker,
    /// Keeps other processes from writing.
    lock: File,
}

impl Log {
    /// Opens the log, or makes it. Refuses one that does not lead on from its last checkpoint.
    pub async fn open(settings: &Settings, counts: Counts) -> Result<Self, Error> {
        let opened = open(settings).await?;
        let head = Head {
            size: opened.state.edge.size(),
            root: opened.state.edge.root(),
        };
        counts.signed(opened.checkpoint.checkpoint.size);
        let public = opened.key.public();
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (heads, heads_seen) = watch::channel(head);
        let (publish, published) = watch::channel(Arc::new(opened.checkpoint));
        let writer_failing = Arc::new(AtomicBool::new(false));
        let signer_failing = Arc::new(AtomicBool::new(false));
        let foreign = Arc::new(AtomicBool::new(false));
        let sealer = Sealer::new(&opened.key)?;
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        // What was written before the last end of the process, and not signed.
        heads.send_replace(head);
        let signer = Signer {
            key: opened.key,
            file: settings.checkpoint.clone(),
            heads: heads_seen,
            published: publish,
            failing: Arc::clone(&signer_failing),
            counts: counts.clone(),
        };
        tasks.spawn(signer.run());
        let writer = Writer {
            store: opened.store.clone(),
            queue: waiting,
            closing: closing.clone(),
            sealer,
            state: opened.state,
            unsure: None,
            heads,
            signer_failing: Arc::clone(&signer_failing),
            failing: Arc::clone(&writer_failing),
            foreign: Arc::clone(&foreign),
            counts: counts.clone(),
            lost_told: counts.all_lost(),
        };
        tasks.spawn(writer.run());
        tasks.close();
        Ok(Self(Arc::new(Inner {
            queue,
            store: opened.store,
            public,
            published,
            writer_failing,
            signer_failing,
            foreign,
            counts,
            closing,
            tasks,
            lock: opened.lock,
        })))
    }

    /// Appends an event; done when it is durable. Waits while the queue is full.
    ///
    /// For what must not happen unrecorded: with an error it is not in the log, and must not happen.
    pub async fn append(&self, event: Event) -> Result<Receipt, Error> {
        self.send(event, None).await
    }

    async fn send(&self, event: Event, erase: Option<u64>) -> Result<Receipt, Error> {
        let payload = event.encoded()?;
        let (reply, answer) = oneshot::channel();
        let message = Message {
            event,
            payload,
            erase,
            reply: Some(reply),
        };
        self.0.queue.send(message).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Records an event that nobody waits for. What finds no place in the queue is counted, and a leaf says how much that was.
    pub fn record(&self, event: Event) {
        let message = event.encoded().map(|payload| Message {
            event,
            payload,
            erase: None,
            reply: None,
        });
        let lost = match message {
            Ok(message) => self.0.queue.try_send(message).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = lost {
            self.0.counts.lost(1);
            let lost = self.0.counts.all_lost();
            // Ever more seldom: a log that fails may lose many.
            if lost.is_power_of_two() {
                tracing::error!(error, lost, "an event did not get into the audit log");
            }
        }
    }

    /// Why the log cannot be written now; `None` when it can.
    pub fn problem(&self) -> Option<&'static str> {
        if self.0.foreign.load(Ordering::Relaxed) {
            return Some(
                "another process has written to the audit log's database, and nothing more is written or signed until a person has \
                 looked (`whynot audit verify`), put it back as it was and started the service again",
            );
        }
        if self.0.writer_failing.load(Ordering::Relaxed) {
            return Some("the audit log's database cannot be written");
        }
        let is_failing = self.0.signer_failing.load(Ordering::Relaxed);
        is_failing.then_some("the audit log's checkpoint cannot be written")
    }

    /// The last signed checkpoint.
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        Arc::clone(&self.0.published.borrow())
    }

    /// The last signed checkpoint, once it has at least `size` leaves.
    pub async fn checkpoint_of(&self, size: u64) -> Result<Arc<SignedCheckpoint>, Error> {
        let mut published = self.0.published.clone();
        let found = published.wait_for(|signed| signed.checkpoint.size >= size).await;
        found.map(|signed| Arc::clone(&signed)).map_err(|_| Error::Closed)
    }

    /// The checkpoint of all that is durable now; the last one, when none follows soon.
    pub async fn signed_now(&self) -> Result<Arc<SignedCheckpoint>, Error> {
        let size = self.store().size().await?;
        match tokio::time::timeout(SIGNED_SOON, self.checkpoint_of(size)).await {
            Ok(signed) => signed,
            Err(_) => Ok(self.checkpoint()),
        }
    }

    /// What the checkpoints are checked with.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Deletes the payloads of what was written before a time (milliseconds since 1970); how many leaves that concerns.
    pub async fn erase(&self, before: i64) -> Result<u64, Error> {
        let end = self.first_since(&super::event::time(before)).await?;
        let begin = self.store().payloads_from().await?;
        let mut from = begin;
        while from < end {
            let to = end.min(from + ERASE);
            // Times do not go back, so this one is the latest. Changed ones must not lead to a signed word for what is too early.
            if self.proven_time(to - 1).await? >= super::event::time(before) {
                return Err(Error::Damaged(format!(
                    "times before leaf {to} are not as they were written"
                )));
            }
            let payload = serde_json::json!({"reason": "retention", "before": super::event::time(before)});
            let event = Event::new(Kind::PayloadErased, format!("{from}-{}", to - 1), payload);
            self.send(event, Some(to)).await?;
            from = to;
        }
        if begin < end {
            self.store().forget().await?;
        }
        Ok(end.saturating_sub(begin))
    }

    /// The first leaf that was not written before a time, in RFC 3339 with milliseconds.
    pub(super) async fn first_since(&self, time: &str) -> Result<u64, Error> {
        first_since(self.store(), time).await
    }

    /// Writes and signs what was recorded, and closes the database. Nothing can be appended afterwards.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.wait().await;
        self.store().close().await;
        // Not only with the last handle: another process may go on now.
        if let Err(error) = self.0.lock.unlock() {
            tracing::warn!(%error, "the audit log stays locked until this process ends");
        }
    }
}

/// The first leaf that was not written before a time, in RFC 3339 with milliseconds. Times never go back in a log.
pub(super) async fn first_since(store: &Store, time: &str) -> Result<u64, Error> {
    let (mut low, mut high) = (0, store.size().await?);
    while low < high {
        let middle = low + (high - low) / 2;
        let leaf = store.leaf(middle).await?;
        let at = serde_json::from_slice::<Leaf>(&leaf)?.at;
        if at.as_str() < time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
