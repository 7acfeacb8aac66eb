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

mod docker;
mod examine;
mod fleet;
mod kept;
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

pub use self::fleet::{Failed, Proxy, Report, State as WorkerState, Worker};
pub use self::kept::Taken;
pub use self::settings::{Location, PolicyArgs, Settings, Token};
pub(crate) use self::source::install_tls;
pub use self::status::{Current as CurrentStatus, Refused, SourceStatus, Status};

use self::examine::{Accepted, Material};
use self::fleet::Fleet;
use self::kept::{Kept, Shelf};
use self::source::Source;
use crate::audit::{self, Log};
use crate::context::{Kind, kinds};
use crate::telemetry::{Metrics, PolicyEvent};

/// Refused bundles that are told about.
const REFUSED: usize = 20;
/// Questions that wait for another revision: each is a connection that does nothing.
const WAITING: usize = 1024;
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
    Shelf::new(state.to_owned()).look()
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
        let (kept, current) = {
            let shelf = shelf.clone();
            tokio::task::spawn_blocking(move || shelf.open()).await?
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
            begun: Mutex::new(None),
        }));
        Ok(delivery)
    }

    /// Records in the audit log what is refused.
    pub fn record_in(&self, log: Log) {
        // The first log is the server's; there is no other.
        let _ = self.0.audit.set(log);
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
    pub fn inventory(&self) -> BTreeSet<Kind> {
        let Some(current) = self.current() else {
            return BTreeSet::new();
        };
        let bundle = Bundle::from_json(&current.json);
        match bundle.and_then(|bundle| kinds::of_bundle(&bundle)) {
            Ok(kinds) => kinds,
            Err(problems) => {
                let reason = engine::policy::list(&problems);
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

    /// Ends what waits, and asks no source any more.
    pub fn stop(&self) {
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

    /// What is current, at once when it is not `known`, else when that changes or `wait` is over. `Err`: too many wait.
    pub async fn after(&self, known: impl Fn(&str) -> bool, wait: Duration) -> Result<Option<Arc<Current>>, ()> {
        let mut changes = self.0.current.subscribe();
        let is_news =
            |current: &Option<Arc<Current>>| current.as_ref().is_some_and(|current| !known(&current.revision));
        let now = changes.borrow_and_update().clone();
        if wait.is_zero() || is_news(&now) {
            return Ok(now);
        }
        let _place = self.0.waiting.try_acquire().map_err(|_| ())?;
        let news = changes.wait_for(is_news);
        tokio::select! {
            _ = tokio::time::timeout(wait.min(LONGEST_WAIT), news) => {}
            () = self.0.stop.cancelled() => {}
        }
        Ok(self.current())
    }

    /// Takes what an administrator brings.
    ///
    /// # Errors
    /// They are wrong, or there is a source.
    pub async fn push(&self, bytes: Bytes) -> Result<Outcome, Rejected> {
        let location = &self.0.settings.location;
        if !matches!(location, Location::Push) {
            return Err(Rejected::Elsewhere(location.to_string()));
        }
        let material = Material::sent(bytes);
        let accepted = self.examine(material, "push").await?;
        self.take(accepted, By::Push, "push").await
    }

    /// Goes back to a revision, by default the one before the current one. What was current is not taken from a source again.
    ///
    /// # Errors
    /// There is no such revision, or it cannot be used any more.
    pub async fn rollback(&self, revision: Option<String>) -> Result<Outcome, Rejected> {
        let (target, bad) = {
            let current = self.current().map(|current| current.revision.clone());
            let state = self.state();
            (
                state
                    .kept
                    .target(revision.as_deref(), current.as_deref())
                    .map_err(Rejected::Nothing)?,
                current,
            )
        };
        let folder = self.0.shelf.clone();
        let wanted = target.clone();
        let read = tokio::task::spawn_blocking(move || folder.read(&wanted)).await;
        let json = match read {
            Ok(Ok(json)) => json,
            Ok(Err(reason)) => return Err(Rejected::Nothing(reason)),
            Err(_) => return Err(Rejected::Stopping),
        };
        let accepted = self.examine(Material::Kept(json), "rollback").await?;
        let outcome = self.take(accepted, By::Rollback, &target.source).await?;
        tracing::warn!(
            event = "policies_rolled_back",
            revision = outcome.revision,
            from = bad,
            "policies were rolled back"
        );
        self.0.metrics.policies().count(PolicyEvent::RolledBack);
        Ok(outcome)
    }

    /// Reads, compiles and tests, away from the requests. What is refused is told about.
    async fn examine(&self, material: Material, origin: &str) -> Result<Accepted, Rejected> {
        let Ok(permit) = Arc::clone(&self.0.examining).acquire_owned().await else {
            return Err(Rejected::Stopping);
        };
        let options = self.0.settings.options.clone();
        let within = self.0.settings.examination;
        let running = tokio::task::spawn_blocking(move || {
            let result = examine::examine(material, &options, within);
            drop(permit);
            result
        });
        let examined = match tokio::time::timeout(within.saturating_mul(2), running).await {
            Ok(Ok(examined)) => examined,
            Ok(Err(error)) if error.is_panic() => Err(examine::Refusal::from(
                "the compiler failed on it, which is a defect of whynot; the log says more".to_owned(),
            )),
            Ok(Err(_)) => return Err(Rejected::Stopping),
            Err(_) => Err(examine::Refusal::from(format!(
                "it takes longer than {} s to compile and to test",
                within.as_secs().saturating_mul(2)
            ))),
        };
        examined.map_err(|refusal| {
            self.refuse(refusal.revision, origin, refusal.reasons.clone());
            Rejected::Refused(refusal.reasons)
        })
    }

    /// Remembers what was refused, and why.
    fn refuse(&self, revision: Option<String>, origin: &str, reasons: Vec<String>) {
        let refused = Refused::new(revision, origin, reasons);
        tracing::error!(
            event = "policies_refused", origin, revision = refused.revision, reasons = ?refused.reasons,
            "policies were refused; those before them serve on"
        );
        self.0.metrics.policies().count(PolicyEvent::Refused);
        let mut state = self.state();
        if let Some(log) = self.0.audit.get()
            && !state.refused.iter().any(|other| other.is_same(&refused))
        {
            log.record(refusal(&refused));
        }
        // A source that offers the same again and again must not push out what else there was.
        state.refused.retain(|other| !other.is_same(&refused));
        state.refused.push_front(refused);
        state.refused.truncate(REFUSED);
    }

    /// Makes current what was examined, once it is on disk.
    async fn take(&self, accepted: Accepted, by: By, source: &str) -> Result<Outcome, Rejected> {
        let _changing = self.0.changing.lock().await;
        let revision = accepted.revision;
        let before = self.current().map(|current| current.revision.clone());
        let mut kept = self.state().kept.clone();
        if by == By::Source && kept.is_avoided(&revision) {
            tracing::warn!(
                event = "policies_passed_over",
                revision,
                "the source still has what was rolled back; it is not taken"
            );
            return Ok(Outcome {
                revision: before.unwrap_or_default(),
                changed: false,
            });
        }
        let known = kept.clone();
        if by == By::Rollback
            && let Some(bad) = &before
        {
            kept.avoid(bad);
        }
        let changed = before.as_deref() != Some(&revision);
        let now = Timestamp::now();
        if changed || by != By::Source {
            kept.forgive(&revision);
        }
        if changed {
            let name = match by {
                By::Rollback => "rollback",
                By::Source | By::Push => self.0.settings.location.kind(),
            };
            kept.add(Taken {
                revision: revision.clone(),
                at: now.to_string(),
                by: name.to_owned(),
                source: source.to_owned(),
                sha256: examine::sha256(&accepted.json),
            });
        }
        if kept != known {
            let (folder, wanted, json) = (self.0.shelf.clone(), kept.clone(), accepted.json.clone());
            let written = tokio::task::spawn_blocking(move || folder.write(&wanted, &json)).await;
            match (written, by) {
                (Ok(Ok(())), _) => {}
                (Ok(Err(error)), By::Source) => {
                    // Policies that cannot be kept are better than old ones; the next start asks the source again.
                    tracing::error!(
                        event = "policies_not_kept",
                        error,
                        "the policies cannot be kept on disk"
                    );
                    self.0.metrics.policies().count(PolicyEvent::NotKept);
                }
                (Ok(Err(error)), _) => {
                    self.0.metrics.policies().count(PolicyEvent::NotKept);
                    return Err(Rejected::Disk(error));
                }
                (Err(_), _) => return Err(Rejected::Stopping),
            }
        }
        self.state().kept = kept;
        if changed {
            tracing::info!(
                event = "policies_swapped",
                revision,
                previous = before,
                source,
                policies = accepted.policies,
                tests = accepted.tests,
                "policies are current"
            );
            self.0.metrics.policies().count(PolicyEvent::Swapped);
            self.0.metrics.policies().current(&revision);
            self.0.current.send_replace(Some(Arc::new(Current {
                revision: revision.clone(),
                json: accepted.json,
                since: now,
                source: source.to_owned(),
            })));
        }
        Ok(Outcome { revision, changed })
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
            },
            refused: state.refused.iter().cloned().collect(),
            history: state.kept.history().iter().map(status::Change::from).collect(),
            avoided: state.kept.avoided().to_vec(),
            proxies,
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
