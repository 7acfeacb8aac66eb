//! Where denials and models meet: a denial waits for an instant, a model writes on behind it, a bounded number at a time.

use std::sync::Arc;
use std::time::Duration;

use engine::explain::wire::FixSummary;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::metrics::WordsMetrics;
use super::{Denial, History, Mode, Origin, Settings, Words, Writer};

/// How long a denial waits for what is kept: a look into a database, guards, a leaf of the audit log.
const KEPT: Duration = Duration::from_millis(250);
/// What of a denial's deadline may be waited for a model.
const SHARE: u32 = 3;

/// What is there of a model's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Its words.
    pub words: Option<Words>,
    /// Its change, which holds, and whose it is.
    pub fix: Option<(FixSummary, Origin)>,
    /// Nothing was kept: a model is asked, which takes its time.
    pub is_asking: bool,
    /// Nothing more will come.
    pub is_done: bool,
}

impl Progress {
    /// Whether a model said anything.
    pub fn is_empty(&self) -> bool {
        self.words.is_none() && self.fix.is_none()
    }

    /// Who said it.
    pub fn origin(&self) -> Option<&Origin> {
        let words = self.words.as_ref().map(|words| &words.origin);
        words.or(self.fix.as_ref().map(|(_, origin)| origin))
    }
}

/// A denial that a model writes about.
#[derive(Debug, Clone)]
pub struct Pending(watch::Receiver<Progress>);

impl Pending {
    /// What there is until then; with `kept`, not longer than until it is known that nothing is kept.
    pub async fn until(&mut self, deadline: Instant, kept: bool) -> Progress {
        let is_over = |progress: &Progress| progress.is_done || (kept && progress.is_asking);
        let _ = tokio::time::timeout_at(deadline, self.0.wait_for(is_over)).await;
        self.0.borrow().clone()
    }

    /// All of it.
    pub async fn all(mut self) -> Progress {
        let _ = self.0.wait_for(|progress| progress.is_done).await;
        self.0.borrow().clone()
    }
}

/// Takes denials to a model; cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    writer: Writer,
    settings: Arc<Settings>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    metrics: WordsMetrics,
}

impl Desk {
    /// Lets this writer write.
    pub fn new(writer: Writer, settings: Settings, metrics: WordsMetrics) -> Self {
        Self {
            writer,
            places: Arc::new(Semaphore::new(settings.places.min(Semaphore::MAX_PERMITS))),
            settings: Arc::new(settings),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            metrics,
        }
    }

    /// Begins. `None` when there is no place: the engine's words are enough.
    pub fn begin(&self, denial: Denial, history: impl Future<Output = History> + Send + 'static) -> Option<Pending> {
        if self.settings.mode == Mode::Off {
            return None;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.unwritten("words", "busy");
            return None;
        };
        let (sender, receiver) = watch::channel(Progress::default());
        let (writer, stop) = (self.writer.clone(), self.stop.clone());
        let deadline = Instant::now() + self.settings.background;
        let writing = self.metrics.writing();
        self.tasks.spawn(async move {
            let (_place, _writing) = (place, writing);
            let written = write(&writer, &denial, history, deadline, &sender);
            let _ = stop.run_until_cancelled(written).await;
            sender.send_modify(|progress| progress.is_done = true);
        });
        Some(Pending(receiver))
    }

    /// Waits as long as a denial may, of which so much time is left.
    pub async fn wait(&self, pending: &mut Pending, left: Duration) -> Progress {
        let patience = match self.settings.mode {
            Mode::Inline => self.settings.budget,
            Mode::Off | Mode::Background => KEPT,
        };
        let only_kept = self.settings.mode != Mode::Inline;
        let deadline = Instant::now() + patience.min(left / SHARE);
        let progress = pending.until(deadline, only_kept).await;
        let outcome = if progress.is_empty() { "not-yet" } else { "in-time" };
        self.metrics.denial(outcome);
        progress
    }

    /// Counts words that came behind their denial.
    pub fn came_later(&self) {
        self.metrics.denial("later");
    }

    /// Stops, and waits until nobody writes.
    pub async fn drained(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn write(
    writer: &Writer,
    denial: &Denial,
    history: impl Future<Output = History>,
    deadline: Instant,
    sender: &watch::Sender<Progress>,
) {
    let history = history.await;
    let asking = || sender.send_modify(|progress| progress.is_asking = true);
    if let Ok(words) = writer.words_or(denial, history, deadline, &asking).await {
        sender.send_modify(|progress| progress.words = Some(words));
    }
    if writer.wants_change(denial)
        && let Ok(proposed) = writer.change_or(denial, deadline, &asking).await
        && let Some(fix) = proposed.fix
    {
        sender.send_modify(|progress| progress.fix = Some((fix, proposed.origin)));
    }
}
