//! How policies get into the explainer, and from here to the filters.
//!
//! ```text
//! source (folder | bundle | oci) -+
//! push -----------------------------> examine: read, compiled, tested -> kept on disk -> current -> GET /v1/policies
//! rollback -> kept on disk ---------^                                                   \-> fleet: who has it
//! ```
//!
//! Only what went through `examine` becomes current. What is refused is told with every reason, and changes nothing: the
//! policies before it serve on. Nothing here runs on the way of a request.

mod attempts;
mod change;
mod docker;
mod examine;
mod fleet;
mod kept;
mod proof;
mod settings;
mod source;
mod status;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use engine::policy::bundle::Bundle;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use self::fleet::{Failed, LARGEST as LARGEST_REPORT, Proxy, Report, State as WorkerState, Worker};
pub use self::kept::Taken;
pub use self::settings::{Location, PolicyArgs, Settings, Token};
pub(crate) use self::source::install_tls;
pub use self::status::{Current as CurrentStatus, Refused, SourceStatus, Status};

use self::attempts::Attempts;
use self::change::REFUSED;
use self::fleet::Fleet;
use self::kept::{Kept, Shelf};
use self::proof::Requirement;
use self::source::Source;
use crate::audit::{self, Log};
use crate::context::{Kind, kinds};
use crate::deep::{deep, deep_here};
use crate::telemetry::Metrics;

/// Questions that wait for another revision: each is a connection that does nothing. Others are answered at once.
const WAITING: usize = 1024;
/// Between looks for who reports no more.
const TIDY: Duration = Duration::from_secs(15);
/// The longest that one waits.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The policies that filters get.
#[derive(Debug)]
pub struct Current {
    /// Names exactly these.
    pub revision: String,
    /// The bundle, as `whynot policy build` writes it.
    pub json: Bytes,
    /// Since when they are current.
    pub since: Timestamp,
    /// Where they came from.
    pub source: String,
}

/// What became of policies that somebody brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What is current now.
    pub revision: String,
    /// It was not before.
    pub changed: bool,
}

/// Why policies were not taken.
#[derive(Debug)]
pub enum Rejected {
    /// Something is wrong with them; all of it.
    Refused(Vec<String>),
    /// Another source is configured, this one.
    Elsewhere(String),
    /// There is nothing to go back to, and why.
    Nothing(String),
    /// They cannot be kept on disk.
    Disk(String),
    /// The server ends.
    Stopping,
}

/// Who brought policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Source,
    Push,
    Rollback,
}

/// The policies of one server: cheap to clone.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    settings: Settings,
    shelf: Shelf,
    current: watch::Sender<Option<Arc<Current>>>,
    state: Mutex<State>,
    /// One change at a time, from looking at what is current to making it current.
    changing: tokio::sync::Mutex<()>,
    /// One examination at a time: it is what takes memory.
    examining: Arc<Semaphore>,
    attempts: Attempts,
    /// What holds for what is kept as for what comes.
    requirement: Requirement,
    waiting: Semaphore,
    fleet: Fleet,
    metrics: Metrics,
    stop: CancellationToken,
    /// Where it is recorded what was refused.
    audit: OnceLock<Log>,
    /// Asked once before the server answers; then it goes on from there.
    begun: Mutex<Option<Source>>,
}

/// What is told about, beside what is current.
#[derive(Debug, Default)]
struct State {
    kept: Kept,
    refused: VecDeque<Refused>,
    last_checked: Option<(Instant, Timestamp)>,
    last_error: Option<String>,
    /// What the source had when it last had something usable.
    offered: Option<String>,
}

/// What the audit log has of policies that were refused.
fn refusal(refused: &Refused) -> audit::Event {
    let short = |reason: &String| reason.chars().take(500).collect::<String>();
    let reasons: Vec<String> = refused.reasons.iter().take(REFUSED).map(short).collect();
    let payload = serde_json::json!({
        "revision": refused.revision, "origin": refused.origin, "reasons": reasons, "reasonsFound": refused.reasons.len(),
    });
    let subject = refused.revision.as_deref().unwrap_or("unread");
    audit::Event::new(audit::Kind::PolicyRefused, subject, payload)
}

/// The last good policies that a server keeps in its state folder, for an Envoy that starts while it is away.
///
/// # Errors
/// What is kept cannot be read.
pub fn last_good(state: &Path) -> Result<Option<Current>, String> {
    deep_here(|| Shelf::new(state.to_owned()).look()).map_err(|error| error.to_string())?
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery")
    }
}

impl Delivery {
    /// Takes up what was kept, then what files have. Other sources are asked by [`Self::follow`].
    ///
    /// # Errors
    /// The files cannot be used and nothing was kept: somebody waits for that at a prompt, or a rollout does.
    pub async fn open(settings: Settings, state: PathBuf, metrics: Metrics) -> anyhow::Result<Self> {
        install_tls();
        let shelf = Shelf::new(state);
        let requirement = Requirement::new(&settings);
        let ((kept, current), (attempts, ended)) = {
            let shelf = shelf.clone();
            let requirement = requirement.clone();
            deep(move || (shelf.open(&requirement), Attempts::open(shelf))).await?
        };
        if let Some(current) = &current {
            tracing::info!(
                event = "policies_kept",
                revision = current.revision,
                "policies of before are current"
            );
            metrics.policies().current(&current.revision);
        }
        let delivery = Self(Arc::new(Inner {
            settings,
            shelf,
            current: watch::Sender::new(current.map(Arc::new)),
            state: Mutex::new(State {
                kept,
                ..State::default()
            }),
            changing: tokio::sync::Mutex::new(()),
            examining: Arc::new(Semaphore::new(1)),
            waiting: Semaphore::new(WAITING),
            fleet: Fleet::default(),
            metrics,
            stop: CancellationToken::new(),
            audit: OnceLock::new(),
            attempts,
            requirement,
            begun: Mutex::new(None),
        }));
        delivery.tell_unverified();
        for ended in ended {
            delivery.refuse(None, &ended.origin, vec![ended.reason()]);
        }
        Ok(delivery)
    }

    /// Records in the audit log what is refused.
    pub fn record_in(&self, log: Log) {
        for refused in &self.state().refused {
            log.record(refusal(refused));
        }
        // The first log is the server's; there is no other.
        let _ = self.0.audit.set(log);
    }

    /// Of what was current before: that it cannot be any more.
    fn tell_unverified(&self) {
        let newest = self.state().kept.history().first().cloned();
        if let Some(taken) = newest
            && let Err(reason) = self.0.requirement.is_met(&taken.proof)
        {
            let reason = format!("is kept from before, and {reason}");
            self.refuse(Some(taken.revision), &taken.source, vec![reason]);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind it is only told about, and replaced field by field.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it was configured.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What filters get.
    pub fn current(&self) -> Option<Arc<Current>> {
        self.0.current.borrow().clone()
    }

    /// Tells when other policies become current.
    pub fn changes(&self) -> watch::Receiver<Option<Arc<Current>>> {
        self.0.current.subscribe()
    }

    /// The kinds of the cluster's objects that the current policies read.
    pub async fn inventory(&self) -> BTreeSet<Kind> {
        let Some(current) = self.current() else {
            return BTreeSet::new();
        };
        let read = move || Bundle::from_json(&current.json).and_then(|bundle| kinds::of_bundle(&bundle));
        let read = deep(read).await.map_err(|error| error.to_string());
        let known = read.and_then(|kinds| kinds.map_err(|problems| engine::policy::list(&problems)));
        match known {
            Ok(kinds) => kinds,
            Err(reason) => {
                tracing::error!(
                    event = "inventory_unknown",
                    reason,
                    "what policies read of the cluster cannot be told"
                );
                BTreeSet::new()
            }
        }
    }

    /// Who has which policies.
    pub fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// Forgets who reports no more, until it is aborted.
    pub async fn tidy(self) {
        let mut ticks = tokio::time::interval(TIDY);
        loop {
            ticks.tick().await;
            self.0.fleet.forget(Instant::now());
        }
    }

    /// Ends what waits, and asks no source any more.
    pub fn stop(&self) {
        self.0.attempts.stop();
        self.0.stop.cancel();
    }

    /// Why there are no policies.
    pub fn absence(&self) -> String {
        let location = &self.0.settings.location;
        let state = self.state();
        match (location, &state.last_error, state.refused.front()) {
            (Location::Push, _, Some(refused)) => {
                format!(
                    "This explainer has no policies: the last that were pushed were refused: {}",
                    refused.summary()
                )
            }
            (Location::Push, _, None) => {
                "This explainer has no policies; start it with --policies, or give it some with \
                                          whynot policy push."
                    .to_owned()
            }
            (_, Some(error), _) => format!("This explainer has no policies yet: {location}: {error}"),
            (_, None, Some(refused)) => {
                format!(
                    "This explainer has no policies: those of {location} were refused: {}",
                    refused.summary()
                )
            }
            (_, None, None) => format!("This explainer has no policies yet: {location} was not read so far."),
        }
    }

    /// What is current, at once when it is not `known`, else when that changes or `wait` is over. When too many wait, at once too: who
    /// waits for nothing keeps nobody from policies.
    pub async fn after(&self, known: impl Fn(&str) -> bool, wait: Duration) -> Option<Arc<Current>> {
        let mut changes = self.0.current.subscribe();
        let is_news =
            |current: &Option<Arc<Current>>| current.as_ref().is_some_and(|current| !known(&current.revision));
        let now = changes.borrow_and_update().clone();
        if wait.is_zero() || is_news(&now) {
            return now;
        }
        let Ok(_place) = self.0.waiting.try_acquire() else {
            return now;
        };
        let news = changes.wait_for(is_news);
        tokio::select! {
            _ = tokio::time::timeout(wait.min(LONGEST_WAIT), news) => {}
            () = self.0.stop.cancelled() => {}
        }
        self.current()
    }

    /// Everything that there is to know.
    pub fn status(&self) -> Status {
        let proxies = self.0.fleet.proxies();
        let current = self.current();
        let state = self.state();
        let location = &self.0.settings.location;
        Status {
            at: Timestamp::now().to_string(),
            current: current.map(|current| CurrentStatus {
                revision: current.revision.clone(),
                since: current.since.to_string(),
                source: current.source.clone(),
            }),
            source: SourceStatus {
                kind: location.kind().to_owned(),
                location: location.to_string(),
                last_checked: state.last_checked.map(|(_, at)| at.to_string()),
                last_error: state.last_error.clone(),
                held_back: state.offered.clone().filter(|offered| state.kept.is_held(offered)),
            },
            refused: state.refused.iter().cloned().collect(),
            history: state.kept.history().iter().map(|taken| self.change(taken)).collect(),
            avoided: state.kept.avoided().to_vec(),
            proxies,
        }
    }

    fn change(&self, taken: &Taken) -> status::Change {
        status::Change {
            revision: taken.revision.clone(),
            at: taken.at.clone(),
            by: taken.by.clone(),
            unusable: self.0.requirement.is_met(&taken.proof).err(),
        }
    }

    /// Brings metrics up to date that change by themselves.
    pub fn observe(&self) {
        let state = self.state();
        let known = |revision: &str| state.kept.history().iter().any(|taken| taken.revision == revision);
        let since = state.last_checked.map(|(at, _)| at.elapsed());
        let workers = self.0.fleet.by_revision(known);
        self.0.metrics.policies().observe(since, &workers);
    }
}
