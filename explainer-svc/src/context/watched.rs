//! One kind that is watched: its objects, and how well they are known.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::health::{Pulse, locked};
use super::kinds::Kind;
use super::objects::{Budget, Key, Objects, View};

/// How well a kind's objects are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// They were not listed yet.
    Starting,
    /// Changes arrive as they are made.
    Live,
    /// The cluster has no such kind, so there are no objects.
    Absent,
    /// Changes do not arrive.
    Broken,
}

/// What went wrong last.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) at: jiff::Timestamp,
}

#[derive(Debug)]
struct State {
    objects: Objects,
    phase: Phase,
    listed: bool,
    /// Unless all is well: when all was known last.
    as_of: Instant,
    restarts: u64,
    errors: u64,
    failure: Option<Failure>,
}

/// A kind and its objects.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) kind: Kind,
    pub(super) view: View,
    pub(super) pulse: Arc<Pulse>,
    state: Mutex<State>,
}

/// A kind's figures.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) phase: Phase,
    pub(super) objects: usize,
    pub(super) bytes: usize,
    pub(super) restarts: u64,
    pub(super) errors: u64,
    pub(super) failure: Option<Failure>,
}

impl Watched {
    pub(super) fn new(kind: Kind, view: View, budget: Arc<Budget>, pulse: Arc<Pulse>) -> Self {
        let state = State {
            objects: Objects::new(kind.clone(), view, budget),
            phase: Phase::Starting,
            listed: false,
            as_of: Instant::now(),
            restarts: 0,
            errors: 0,
            failure: None,
        };
        Self {
            kind,
            view,
            pulse,
            state: Mutex::new(state),
        }
    }

    /// Keeps an object.
    pub(super) fn put(&self, object: Value) -> Result<(), String> {
        let key = Objects::key(&object);
        if locked(&self.state).objects.put(key, object)? {
            self.pulse.touch(Instant::now());
        }
        Ok(())
    }

    /// Forgets an object.
    pub(super) fn remove(&self, object: &Value) {
        if locked(&self.state).objects.remove(&Objects::key(object)) {
            self.pulse.touch(Instant::now());
        }
    }

    /// The objects were listed, and there are no others.
    pub(super) fn listed(&self, listed: &BTreeSet<Key>) {
        let mut state = locked(&self.state);
        state.listed = true;
        state.objects.keep_only(listed);
        drop(state);
        self.pulse.touch(Instant::now());
    }

    /// From now on everything that changes arrives. Until what was missed is published, the age goes on from where it was.
    pub(super) fn live(&self) {
        self.known(Phase::Live);
    }

    /// The cluster has no such kind.
    pub(super) fn absent(&self) {
        let mut state = locked(&self.state);
        let is_news = state.phase != Phase::Absent;
        state.listed = true;
        state.objects.keep_only(&BTreeSet::new());
        drop(state);
        if is_news {
            tracing::warn!(kind = %self.kind, "the cluster has no such kind; it is looked for again");
        }
        self.known(Phase::Absent);
    }

    fn known(&self, phase: Phase) {
        let mut state = locked(&self.state);
        let before = std::mem::replace(&mut state.phase, phase);
        let as_of = state.as_of;
        drop(state);
        if before != phase {
            tracing::info!(kind = %self.kind, ?phase, "watching");
        }
        if matches!(before, Phase::Starting | Phase::Broken) {
            self.pulse.touch(as_of);
        }
    }

    /// Nothing that changes after `as_of` is sure to have arrived.
    pub(super) fn interrupted(&self, as_of: Instant) {
        let mut state = locked(&self.state);
        if matches!(state.phase, Phase::Live | Phase::Absent) {
            state.restarts += 1;
            state.phase = Phase::Broken;
            state.as_of = as_of;
        }
    }

    /// Says why.
    pub(super) fn failed(&self, reason: &str) {
        let mut state = locked(&self.state);
        state.errors += 1;
        let is_news = state.failure.as_ref().is_none_or(|known| known.reason != reason);
        state.failure = Some(Failure {
            reason: reason.to_owned(),
            at: jiff::Timestamp::now(),
        });
        drop(state);
        if is_news {
            tracing::warn!(kind = %self.kind, reason, "the watch failed");
        }
    }

    /// Whether the objects were listed once.
    pub(super) fn is_listed(&self) -> bool {
        locked(&self.state).listed
    }

    /// How old the knowledge is.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let state = locked(&self.state);
        match state.phase {
            Phase::Live | Phase::Absent => Duration::ZERO,
            Phase::Starting | Phase::Broken => now.saturating_duration_since(state.as_of),
        }
    }

    /// All objects.
    pub(super) fn all(&self) -> Vec<(Key, Arc<str>)> {
        locked(&self.state).objects.all()
    }

    /// One object.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<str>> {
        locked(&self.state).objects.get(key)
    }

    /// What there is to say of it.
    pub(super) fn figures(&self) -> Figures {
        let state = locked(&self.state);
        let (objects, bytes) = state.objects.size();
        Figures {
            phase: state.phase,
            objects,
            bytes,
            restarts: state.restarts,
            errors: state.errors,
            failure: state.failure.clone(),
        }
    }
}
