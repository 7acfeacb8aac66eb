//! The only way to a model.
//!
//! ```text
//! Call -> kill switch -> rate, places -> policy on agents -> guards in -> kept answer?
//!      -> route: breaker -> budget reserved -> provider -> budget settled ... the next place
//!      -> guards out -> kill switch -> audit log -> Completion
//! ```
//!
//! Whatever goes wrong is a [`Refused`], and never a wait past the deadline: who asked has words of its own. Answers
//! are read whole before guards see them, and nobody sees them before the guards did. A model decides nothing: it has
//! no tools, and a change that it proposes is only text until the engine's policies passed.

pub mod agents;
mod asking;
mod bank;
pub mod breaker;
pub mod budget;
mod cache;
pub mod call;
mod complete;
pub mod config;
mod described;
mod guarding;
pub mod guards;
mod kill;
pub mod metrics;
pub mod policy;
pub mod prices;
pub mod provider;
mod recording;
mod rehearsal;
pub mod release;
pub mod seams;
pub mod secret;
mod setup;
mod store;
pub mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub use self::call::{Call, Completion, Content, Refused};
pub use self::config::Settings;
pub use self::guarding::Guarding;
pub use self::metrics::GatewayMetrics;
pub use self::seams::{Guards, Trail};
pub use self::setup::{GatewayArgs, Neighbours, Setup};
pub use self::store::StoreError;

use self::agents::{Agent, Keys, Rates};
use self::bank::Bank;
use self::breaker::Breaker;
use self::cache::Cache;
use self::config::Target;
use self::kill::Switch;
use self::provider::Remote;
use self::rehearsal::Rehearsal;
use self::seams::{Event, Happened};
use self::store::Store;

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its database.
    #[error("the gateway's database: {0}")]
    Store(#[from] StoreError),
    /// A provider's client.
    #[error("the provider {0}: {1}")]
    Provider(String, String),
    /// Guards that are not in the path.
    #[error("the gateway does not serve without its guards; these did not stop what they have to stop: {}", .0.join(", "))]
    Canary(Vec<&'static str>),
    /// The way that guards are tried on.
    #[error("the guards cannot be tried: {0}")]
    Rehearsal(String),
    /// The audit log.
    #[error("the start of the gateway cannot be recorded: {0}")]
    Trail(String),
}

/// A provider with its places.
#[derive(Debug)]
struct Lane {
    remote: Remote,
    places: Semaphore,
}

struct Inner {
    settings: Settings,
    guards: Arc<dyn Guards>,
    trail: Arc<dyn Trail>,
    metrics: GatewayMetrics,
    lanes: BTreeMap<String, Lane>,
    breakers: BTreeMap<(String, String), Breaker>,
    bank: Bank,
    cache: Cache,
    switch: Switch,
    rates: Rates,
    keys: Keys,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    store: Store,
    writer: tokio::task::AbortHandle,
}

/// The gateway: a handle that is cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>, Arc<Rehearsal>);

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

/// What a gateway is opened with.
pub struct Parts {
    /// Its file.
    pub settings: Settings,
    /// Its database.
    pub database: PathBuf,
    /// While this file is there, no model is asked.
    pub kill_file: Option<PathBuf>,
    /// Of both ways.
    pub guards: Arc<dyn Guards>,
    /// Where it says what happened.
    pub trail: Arc<dyn Trail>,
    /// Where it counts.
    pub metrics: GatewayMetrics,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Opens the gateway: not one without its guards.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let Parts {
            settings,
            database,
            kill_file,
            guards,
            trail,
            metrics,
        } = parts;
        let rehearsal = Rehearsal::open(Arc::clone(&guards)).map_err(OpenError::Rehearsal)?;
        let canary = rehearsal.canary().await;
        told(&*trail, Happened::Canary, "guards", tried(&canary)).await?;
        canary.map_err(OpenError::Canary)?;
        let store = Store::open(&database).await?;
        let mut lanes = BTreeMap::new();
        for (name, provider) in &settings.providers {
            let remote = Remote::new(provider.clone(), settings.limits.answer_bytes)
                .map_err(|problem| OpenError::Provider(name.clone(), problem))?;
            let places = Semaphore::new(provider.concurrency.min(Semaphore::MAX_PERMITS));
            lanes.insert(name.clone(), Lane { remote, places });
        }
        let mut breakers = BTreeMap::new();
        for target in settings.routes.values().flat_map(|route| &route.targets) {
            let Target { provider, model } = target.clone();
            if let Some(known) = settings.providers.get(&provider) {
                metrics.breaker(&provider, &model, breaker::State::Closed);
                let breaker = Breaker::new(known.breaker_failures, known.breaker_open);
                breakers.insert((provider, model), breaker);
            }
        }
        changes(&settings, &store, &*trail).await?;
        let (bank, writer) = Bank::open(store.clone(), settings.budgets.clone(), Arc::clone(&trail)).await?;
        let switch = Switch::open(kill_file, store.clone(), Arc::clone(&trail)).await?;
        let cache = Cache::new(store.clone(), settings.cache.clone());
        let places = Arc::new(Semaphore::new(settings.limits.concurrency));
        let inner = Inner {
            settings,
            guards,
            trail,
            metrics,
            lanes,
            breakers,
            bank,
            cache,
            switch,
            rates: Rates::default(),
            keys: Keys::default(),
            places,
            tasks: TaskTracker::new(),
            store,
            writer: writer.abort_handle(),
        };
        let gateway = Self(Arc::new(inner), Arc::new(rehearsal));
        gateway.is_killed();
        Ok(gateway)
    }

    /// What it runs with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// A token cannot be read now.
    pub fn agent(&self, token: &str) -> Result<Option<&Agent>, String> {
        self.0.keys.owner(&self.0.settings.agents, token)
    }

    /// The routes of which an agent may use at least one place.
    pub fn models(&self, agent: &Agent, purpose: &str) -> Vec<String> {
        let call = Call {
            agent: agent.name.clone(),
            team: agent.team.clone(),
            purpose: purpose.to_owned(),
            policy: None,
            model: None,
            content: Content::Chat(Vec::new()),
            form: None,
            sampling: call::Sampling::default(),
            max_tokens: 0,
            deadline: tokio::time::Instant::now(),
            cache: None,
        };
        let routes = self.0.settings.routes.values();
        let usable = routes.filter(|route| self.0.objections(&call, route).iter().any(Option::is_none));
        usable.map(|route| route.name.clone()).collect()
    }

    /// Whether models are off.
    pub fn is_killed(&self) -> bool {
        self.0.is_killed()
    }

    /// Turns models off, or on again.
    ///
    /// # Errors
    /// It holds, and could not be kept for a restart.
    pub async fn kill(&self, on: bool, reason: &str) -> Result<(), StoreError> {
        let set = self.0.switch.set(on, reason).await;
        self.is_killed();
        set
    }

    /// Tries the guards again, and tells of keys that were replaced while it ran. Without its guards no model is asked.
    pub async fn look_again(&self) {
        let canary = self.1.canary().await;
        if let Err(missing) = &canary {
            let reason = format!("guards that are not in the path: {}", missing.join(", "));
            if let Err(error) = self.kill(true, &reason).await {
                tracing::error!(%error, "models are off, and that could not be kept for a restart");
            }
        }
        let tried = told(&*self.0.trail, Happened::Canary, "guards", tried(&canary)).await;
        if let Err(error) = tried {
            tracing::error!(%error, "that the guards were tried cannot be recorded");
        }
        if let Err(error) = changed(&self.0.settings, &self.0.store, &*self.0.trail).await {
            tracing::error!(%error, "changed keys cannot be recorded");
        }
    }

    /// Asks a model. The call goes on, and is recorded, when whoever asked goes away.
    ///
    /// # Errors
    /// Why there is no answer; not later than the deadline, as far as the machine is not overloaded.
    pub async fn complete(&self, call: Call) -> Result<Completion, Refused> {
        let deadline = call.deadline;
        let inner = Arc::clone(&self.0);
        let task = self.0.tasks.spawn(async move { inner.complete(call).await });
        match tokio::time::timeout_at(deadline, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Refused::Unrecorded("answer")),
            Err(_) => Err(Refused::Deadline),
        }
    }

    /// Done when all calls are over and all that they spent is written.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.bank.flushed().await;
    }

    /// Closes the database, once [`Self::drained`] is done.
    pub async fn close(&self) {
        self.0.writer.abort();
        while !self.0.writer.is_finished() {
            tokio::task::yield_now().await;
        }
        self.0.store.close().await;
    }
}

impl Inner {
    fn is_killed(&self) -> bool {
        let on = self.switch.is_on();
        self.metrics.killed(on);
        on
    }

    fn breaker(&self, target: &Target) -> Option<&Breaker> {
        self.breakers.get(&(target.provider.clone(), target.model.clone()))
    }
}

/// What the audit log has of a canary.
fn tried(canary: &Result<Vec<&'static str>, Vec<&'static str>>) -> serde_json::Value {
    match canary {
        Ok(present) => json!({"guards": present, "missing": []}),
        Err(missing) => json!({"missing": missing}),
    }
}

async fn told(trail: &dyn Trail, kind: Happened, subject: &str, payload: serde_json::Value) -> Result<(), OpenError> {
    let event = Event {
        kind,
        subject: subject.to_owned(),
        payload,
    };
    trail.append(event).await.map(drop).map_err(OpenError::Trail)
}

/// Tells what is configured, and what of budgets and keys is another than at the start before.
async fn changes(settings: &Settings, store: &Store, trail: &dyn Trail) -> Result<(), OpenError> {
    told(trail, Happened::ConfigurationLoaded, "gateway", settings.described()).await?;
    changed(settings, store, trail).await
}

/// Tells what of budgets and keys is another than when it was last looked at.
async fn changed(settings: &Settings, store: &Store, trail: &dyn Trail) -> Result<(), OpenError> {
    let budgets = settings
        .budgets
        .iter()
        .map(|budget| (Happened::BudgetChanged, budget.name.clone(), budget.described()));
    let agents = settings.agents.iter().filter_map(|agent| {
        let key = agent.token.as_ref()?.read().ok()?.digest().short();
        Some((Happened::KeyChanged, agent.name.clone(), json!({"key": key})))
    });
    let providers = settings.providers.values().filter_map(|provider| {
        let key = provider.key.as_ref()?.read().ok()?.digest().short();
        let payload = json!({"key": key, "of": "provider"});
        Some((Happened::KeyChanged, format!("provider {}", provider.name), payload))
    });
    // The evaluation ran elsewhere; from now on what it found counts here.
    let release = settings.release.iter().flat_map(release::Release::described);
    let evaluated = release.map(|(subject, payload)| (Happened::EvaluationRun, subject, payload));
    for (kind, subject, payload) in budgets.chain(agents).chain(providers).chain(evaluated) {
        let name = format!("{} {subject}", kind.name());
        let now = payload.to_string();
        if store.setting(&name).await?.as_deref() != Some(&now) {
            told(trail, kind, &subject, payload).await?;
            store.set(&name, &now).await?;
        }
    }
    gone(settings, store, trail).await
}

/// Tells of budgets and keys that were there, and are in the file no more.
async fn gone(settings: &Settings, store: &Store, trail: &dyn Trail) -> Result<(), OpenError> {
    let budgets: BTreeSet<String> = settings.budgets.iter().map(|budget| budget.name.clone()).collect();
    let agents = settings.agents.iter().filter(|agent| agent.token.is_some());
    let providers = settings.providers.values().filter(|provider| provider.key.is_some());
    let keys: BTreeSet<String> = agents
        .map(|agent| agent.name.clone())
        .chain(providers.map(|provider| format!("provider {}", provider.name)))
        .collect();
    for (kind, names) in [(Happened::BudgetChanged, budgets), (Happened::KeyChanged, keys)] {
        let prefix = format!("{} ", kind.name());
        for known in store.names(&prefix).await? {
            let subject = known.strip_prefix(&prefix).unwrap_or_default();
            if !names.contains(subject) {
                told(trail, kind, subject, json!({"gone": true})).await?;
                store.forget(&known).await?;
            }
        }
    }
    Ok(())
}

/// In hexadecimal.
fn sha256(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}
