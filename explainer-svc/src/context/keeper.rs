//! The cluster's part of the context: which kinds are watched, and when what is known is published.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::context::{Context, Namespace};
use kube::core::Request;
use kube::{Client, Error};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::cluster::reason;
use super::follow::follow;
use super::health::{Pulse, locked};
use super::kinds::{self, Kind};
use super::objects::{Budget, View, namespace};
use super::watched::Watched;
use super::{Lookup, Snapshot, document};

/// Changes come in groups: a namespace with its quota and its role, a rollout.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How often there is a new revision at most.
const EVERY: Duration = Duration::from_millis(250);
/// Of which part of the time it is written out at most: large contexts are published less often.
const SHARE: u32 = 10;
/// How long one namespace may be asked for.
const LOOKUP: Duration = Duration::from_millis(500);
/// How long an answer stands for others, whether the namespace is there or not. The watch is as fast, so not longer.
const REMEMBERED: Duration = Duration::from_millis(250);
/// How many namespaces are asked for at a time, and remembered.
const LOOKUPS: usize = 16;
const MAX_REMEMBERED: usize = 1000;

/// What is kept of one cluster.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) pulse: Arc<Pulse>,
    budget: Arc<Budget>,
    watches: Mutex<BTreeMap<(View, Kind), Entry>>,
    kinds: BTreeSet<Kind>,
    is_gatekeeper_read: bool,
    asked: Mutex<HashMap<String, (Option<Namespace>, Instant)>>,
    slots: Semaphore,
}

#[derive(Debug)]
struct Entry {
    watched: Arc<Watched>,
    task: AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    pub(super) fn new(client: Client, kinds: BTreeSet<Kind>, is_gatekeeper_read: bool, budget: Budget) -> Self {
        Self {
            client,
            pulse: Arc::new(Pulse::default()),
            budget: Arc::new(budget),
            watches: Mutex::default(),
            kinds,
            is_gatekeeper_read,
            asked: Mutex::default(),
            slots: Semaphore::new(LOOKUPS),
        }
    }

    /// All watches, namespaces first.
    pub(super) fn watches(&self) -> Vec<Arc<Watched>> {
        let watches = locked(&self.watches);
        watches.values().map(|entry| Arc::clone(&entry.watched)).collect()
    }

    /// How old the knowledge is.
    pub(super) fn age(&self) -> Duration {
        let now = Instant::now();
        let watches = self.watches();
        let ages = watches.iter().map(|watched| watched.age(now));
        ages.max().unwrap_or_default().max(self.pulse.age(now))
    }

    /// Open connections may hang: nothing after `as_of` is sure to have arrived.
    pub(super) fn interrupted(&self, as_of: Instant) {
        for watched in self.watches() {
            watched.interrupted(as_of);
        }
    }

    /// Starts the watches that are wanted, and ends the others.
    fn reconcile(&self, of_policies: &BTreeSet<Kind>) {
        let mut wanted = BTreeSet::from([(View::Namespaces, Kind::namespaces())]);
        let kinds = self
            .kinds
            .iter()
            .chain(of_policies)
            .cloned()
            .chain(self.of_gatekeeper());
        wanted.extend(kinds.map(|kind| (View::Inventory, kind)));
        if self.is_gatekeeper_read {
            wanted.extend(Kind::gatekeeper().map(|kind| (View::Sync, kind)));
        }
        let mut entries = locked(&self.watches);
        let before = entries.len();
        entries.retain(|key, _| wanted.contains(key));
        if entries.len() < before {
            self.pulse.touch(Instant::now());
        }
        for (view, kind) in wanted {
            entries.entry((view, kind.clone())).or_insert_with(|| {
                let watched = Watched::new(kind, view, Arc::clone(&self.budget), Arc::clone(&self.pulse));
                let watched = Arc::new(watched);
                let task = tokio::spawn(follow(self.client.clone(), Arc::clone(&watched))).abort_handle();
                Entry { watched, task }
            });
        }
    }

    /// The kinds that Gatekeeper keeps in this cluster. What it would not take is no kind here either.
    fn of_gatekeeper(&self) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        for watched in self.watches().iter().filter(|watched| watched.view == View::Sync) {
            for ((_, name), text) in watched.all() {
                let object: Value = serde_json::from_str(&text).unwrap_or_default();
                match kinds::of_objects(&object) {
                    Ok(more) => kinds.extend(more),
                    Err(reason) => tracing::warn!(kind = %watched.kind, name, reason, "cannot be followed"),
                }
            }
        }
        kinds
    }

    /// What the cluster says of a namespace: as the watch has it, else by asking.
    pub(super) async fn namespace(&self, name: &str) -> Lookup {
        let until = Instant::now() + LOOKUP;
        let all = self.watches();
        let watched = all.iter().find(|watched| watched.view == View::Namespaces);
        let key = (String::new(), name.to_owned());
        let known = watched.and_then(|watched| watched.get(&key));
        let known = known.and_then(|text| serde_json::from_str::<Namespace>(&text).ok());
        let age = watched.map_or(Duration::MAX, |watched| watched.age(Instant::now()));
        let age = age.max(
            self.pulse
                .failure()
                .map_or(Duration::ZERO, |_| self.pulse.last_beat().elapsed()),
        );
        match known {
            Some(namespace) if age.is_zero() => Lookup::Known(namespace, age),
            known => match (self.ask(name, until).await, known) {
                (Ok(Some(namespace)), _) => Lookup::Known(namespace, Duration::ZERO),
                (Ok(None), _) => Lookup::Missing,
                (Err(_), Some(namespace)) => Lookup::Known(namespace, age),
                (Err(reason), None) => Lookup::Unknown(reason),
            },
        }
    }

    /// Asks the API server for a namespace, once for all who want to know at this time.
    async fn ask(&self, name: &str, until: Instant) -> Result<Option<Namespace>, String> {
        let late = || "the API server did not answer in time".to_owned();
        let slot = timeout_at(until, self.slots.acquire()).await;
        let _slot = slot.map_err(|_| late())?.map_err(|error| error.to_string())?;
        let now = Instant::now();
        if let Some((answer, at)) = locked(&self.asked).get(name)
            && now.saturating_duration_since(*at) < REMEMBERED
        {
            return Ok(answer.clone());
        }
        let asked = Request::new("/api/v1/namespaces").get_metadata(name, &kube::api::GetParams::default());
        let asked = asked.map_err(|error| error.to_string())?;
        let answer = match timeout_at(until, self.client.request::<Value>(asked)).await {
            Err(_) => return Err(late()),
            Ok(Ok(object)) => Some(namespace(&object)),
            Ok(Err(Error::Api(status))) if status.code == 404 => None,
            Ok(Err(error)) => return Err(reason(&error)),
        };
        let mut remembered = locked(&self.asked);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(name.to_owned(), (answer.clone(), now));
        Ok(answer)
    }
}

/// Watches what is wanted and publishes what is known, until it is aborted.
pub(super) async fn keep(
    cluster: Arc<Cluster>,
    mut rest: watch::Receiver<Context>,
    mut wanted: watch::Receiver<BTreeSet<Kind>>,
    published: watch::Sender<Option<Snapshot>>,
) {
    let mut is_published = false;
    loop {
        let kinds = wanted.borrow_and_update().clone();
        cluster.reconcile(&kinds);
        tokio::select! {
            () = cluster.pulse.changed.notified() => {}
            Ok(()) = rest.changed() => cluster.pulse.touch(Instant::now()),
            Ok(()) = wanted.changed() => continue,
        }
        sleep(DEBOUNCE).await;
        let kinds = wanted.borrow_and_update().clone();
        cluster.reconcile(&kinds);
        let watches = cluster.watches();
        // Nobody may take the first part of a cluster for all of it.
        if !is_published && !watches.iter().all(|watched| watched.is_listed()) {
            continue;
        }
        let begun = Instant::now();
        cluster.pulse.begin();
        let rest = rest.borrow_and_update().clone();
        let built = tokio::task::spawn_blocking(move || document::of_cluster(&rest, &watches)).await;
        match built {
            Ok(Ok(document)) => {
                is_published = true;
                published.send_if_modified(|known| {
                    let is_new = known.as_ref().is_none_or(|known| known.document.etag != document.etag);
                    if is_new {
                        tracing::debug!(etag = document.etag, bytes = document.json.len(), "a new context");
                        *known = Some(Snapshot {
                            document,
                            context: None,
                        });
                    }
                    is_new
                });
            }
            Ok(Err(error)) => tracing::error!(%error, "the context cannot be written"),
            Err(error) => tracing::error!(%error, "the context could not be written"),
        }
        cluster.pulse.done();
        sleep_until(begun + EVERY.max(begun.elapsed() * SHARE)).await;
    }
}
