//! What policies know of the cluster: from a file, or live from an API server.
//!
//! ```text
//! kinds (which) -> keeper -> follow (list, watch, again; one task a kind) -> watched (objects, health)
//!                  keeper <- pulse (something has changed) -> document -> published, with a revision
//! ```
//!
//! The age is honest: what is not known to be current is as old as the time at which it last was.

pub(crate) mod args;
pub(crate) mod cluster;
mod document;
pub mod file;
mod follow;
mod health;
mod keeper;
pub mod kinds;
pub(crate) mod metrics;
mod objects;
pub mod rbac;
mod status;
mod watched;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::context::{Context, Namespace};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use args::ClusterArgs;
pub use cluster::{Access, Resource};
pub use kinds::Kind;
pub(crate) use status::milliseconds;
pub use status::{KindStatus, Status};
pub use watched::Phase;

use crate::config::Document;
use health::locked;
use keeper::Cluster;
use objects::Budget;

/// Where the context comes from.
#[derive(Debug, Clone, Default)]
pub enum Source {
    /// There is none.
    #[default]
    Absent,
    /// It is this, and does not change.
    Fixed(Box<Context>),
    /// A file, read again when it changes.
    File(PathBuf),
    /// A cluster.
    Cluster(Box<ClusterSettings>),
}

/// What is watched, where.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Which cluster, as whom.
    pub access: Access,
    /// The context's file: what does not come from the cluster.
    pub rest: Option<PathBuf>,
    /// Kinds for the inventory, beside those that policies name.
    pub kinds: BTreeSet<Kind>,
    /// Whether the kinds that Gatekeeper keeps in the cluster are taken too.
    pub gatekeeper: bool,
    /// How many objects are kept at most.
    pub max_objects: usize,
    /// How many bytes of JSON they may have.
    pub max_bytes: usize,
}

/// A context at some time.
#[derive(Debug, Clone)]
struct Snapshot {
    document: Document,
    /// What it says, unless watches know it.
    context: Option<Arc<Context>>,
}

/// What is to be had now.
#[derive(Debug, Clone)]
pub enum Current {
    /// The server was started without.
    Absent,
    /// The cluster was not read yet.
    Unknown(String),
    /// The context.
    Known(Document),
}

/// What is known of one namespace, and how old that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It is there.
    Known(Namespace, Duration),
    /// It is not.
    Missing,
    /// That cannot be told, and why.
    Unknown(String),
}

/// The context of a running server.
#[derive(Debug, Clone)]
pub struct LiveContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    published: watch::Receiver<Option<Snapshot>>,
    /// What policies ask for.
    wanted: watch::Sender<BTreeSet<Kind>>,
    is_absent: bool,
    cluster: Option<Arc<Cluster>>,
    file_failure: Arc<Mutex<Option<String>>>,
    is_closing: watch::Sender<bool>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl LiveContext {
    /// Reads what can be read at once, and starts to watch the rest.
    ///
    /// # Errors
    /// The file, or the credentials of the cluster, cannot be read. A cluster that does not answer is none.
    pub async fn start(source: Source, policies: BTreeSet<Kind>) -> anyhow::Result<Self> {
        let mut tasks = JoinSet::new();
        let file_failure = Arc::new(Mutex::new(None));
        let failure = Arc::clone(&file_failure);
        let failed = move |reason: Option<String>| {
            if let Some(reason) = &reason {
                tracing::error!(reason, "the context's file cannot be used; what it said before counts");
            }
            *locked(&failure) = reason;
        };
        let wanted = watch::Sender::new(policies);
        let is_absent = matches!(source, Source::Absent);
        let mut cluster = None;
        let published = match source {
            Source::Absent => watch::channel(None).1,
            Source::Fixed(context) => watch::channel(Some(snapshot(*context)?)).1,
            Source::File(path) => {
                let context = file::read(&path).map_err(anyhow::Error::msg)?;
                let (sender, receiver) = watch::channel(Some(snapshot(context.clone())?));
                let (read, changes) = watch::channel(context);
                tasks.spawn(file::follow(path, read, failed));
                tasks.spawn(republish(changes, sender));
                receiver
            }
            Source::Cluster(settings) => {
                let ClusterSettings {
                    access,
                    rest,
                    kinds,
                    gatekeeper,
                    max_objects,
                    max_bytes,
                } = *settings;
                let client = access.client().await?;
                let context = rest.as_deref().map_or_else(|| Ok(Context::default()), file::read);
                let context = context.map_err(anyhow::Error::msg)?;
                if !context.namespaces.is_empty() || !context.inventory.is_null() {
                    tracing::warn!("namespaces and inventory of the context's file do not count: the cluster has them");
                }
                let (read, changes) = watch::channel(context);
                if let Some(path) = rest {
                    tasks.spawn(file::follow(path, read, failed));
                }
                let kept = Cluster::new(client.clone(), kinds, gatekeeper, Budget::new(max_objects, max_bytes));
                let kept = Arc::new(kept);
                let interrupted = Arc::clone(&kept);
                tasks.spawn(cluster::beat(client, Arc::clone(&kept.pulse), move |as_of| {
                    interrupted.interrupted(as_of);
                }));
                let (sender, receiver) = watch::channel(None);
                tasks.spawn(keeper::keep(Arc::clone(&kept), changes, wanted.subscribe(), sender));
                cluster = Some(kept);
                receiver
            }
        };
        Ok(Self(Arc::new(Inner {
            published,
            wanted,
            is_absent,
            cluster,
            file_failure,
            is_closing: watch::Sender::new(false),
            _tasks: tasks,
        })))
    }

    /// Watches the kinds that these policies need from now on.
    pub fn want(&self, kinds: BTreeSet<Kind>) {
        self.0.wanted.send_if_modified(|known| {
            let is_new = *known != kinds;
            *known = kinds;
            is_new
        });
    }

    /// The context as it is now.
    pub fn current(&self) -> Current {
        match &*self.0.published.borrow() {
            Some(snapshot) => Current::Known(snapshot.document.clone()),
            None if self.0.is_absent => Current::Absent,
            None => Current::Unknown(self.why()),
        }
    }

    /// Returns when the context is another one than `etag` names, when `wait` is over, or when the server ends.
    pub async fn changed(&self, etag: &str, wait: Duration) {
        let mut published = self.0.published.clone();
        let mut is_closing = self.0.is_closing.subscribe();
        let is_other = |known: &Option<Snapshot>| known.as_ref().is_some_and(|known| known.document.etag != etag);
        tokio::select! {
            Ok(_) = published.wait_for(is_other) => {}
            Ok(_) = is_closing.wait_for(|is_closing| *is_closing) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Lets go who waits.
    pub fn close(&self) {
        self.0.is_closing.send_replace(true);
    }

    /// How old the knowledge is: zero while everything that changes arrives.
    pub fn age(&self) -> Duration {
        self.0.cluster.as_ref().map_or(Duration::ZERO, |cluster| cluster.age())
    }

    /// What is known of a namespace; the cluster is asked when the watch does not know it.
    pub async fn namespace(&self, name: &str) -> Lookup {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(allowed) {
            return Lookup::Missing;
        }
        if let Some(cluster) = &self.0.cluster {
            return cluster.namespace(name).await;
        }
        let published = self.0.published.borrow();
        let context = published.as_ref().and_then(|snapshot| snapshot.context.as_ref());
        match context.map(|context| context.namespaces.get(name)) {
            Some(Some(namespace)) => Lookup::Known(namespace.clone(), Duration::ZERO),
            Some(None) => Lookup::Missing,
            None => Lookup::Unknown("the server was started without a context".to_owned()),
        }
    }

    /// What keeps the cluster from being known.
    fn why(&self) -> String {
        let status = self.status();
        let failing = status.kinds.iter().filter(|kind| kind.phase == Phase::Starting);
        let reasons = failing.map(|kind| match &kind.last_error {
            Some(error) => format!("{}: {error}", kind.kind),
            None => format!("{} is being read", kind.kind),
        });
        let reasons: Vec<String> = status.api_server_error.into_iter().chain(reasons).collect();
        if reasons.is_empty() {
            "the cluster is being read".to_owned()
        } else {
            reasons.join("; ")
        }
    }
}

fn snapshot(context: Context) -> Result<Snapshot, serde_json::Error> {
    Ok(Snapshot {
        document: document::fixed(&context)?,
        context: Some(Arc::new(context)),
    })
}

/// A file's content as it changes.
async fn republish(mut changes: watch::Receiver<Context>, published: watch::Sender<Option<Snapshot>>) {
    while changes.changed().await.is_ok() {
        let context = changes.borrow_and_update().clone();
        match snapshot(context) {
            Ok(snapshot) => drop(published.send_replace(Some(snapshot))),
            Err(error) => tracing::error!(%error, "the context cannot be written"),
        }
    }
}
