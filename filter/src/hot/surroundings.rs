//! The context that an instance evaluates with, how old it is, and the namespaces that it asked for one by one.

use std::collections::BTreeMap;

use engine::context::{Context, Namespace};
use engine::eval::PolicySet;
use engine::surroundings::Prepared;
use proxy_wasm::types::LogLevel;

use super::board::{self, CONTEXT, CONTEXT_DATA};
use super::bundles;
use crate::config::Live;
use crate::host;

/// So many namespaces are kept.
const MAX_NAMESPACES: usize = 1_000;

/// A context is there after three steps.
const MAX_STEPS: usize = 12;

/// What an instance knows of the cluster.
pub(super) struct Surroundings {
    prepared: Prepared,
    revision: String,
    /// When it was right. `None`: it is no live one, and never too old.
    as_of_us: Option<u64>,
    max_age_us: u64,
    /// With the time that they are of.
    namespaces: BTreeMap<String, (Namespace, u64)>,
    coming: Option<Coming>,
    /// A revision that is no context.
    refused: String,
}

/// A context that is being read.
enum Coming {
    Bytes(String, u64),
    Read(String, u64, Box<Context>),
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to do.
    Idle,
    /// There is more to do.
    More,
    /// There is another context, or it was confirmed or not.
    Changed,
}

impl Surroundings {
    /// From the configuration. An embedded context, where a live one is expected, counts as of when the configuration was made: a
    /// process that starts with it again after days has one that is days old.
    pub(super) fn new(embedded: Option<Prepared>, live: Option<&Live>, now_us: u64) -> Self {
        let live = live.filter(|live| live.context);
        let as_of_us = live.map(|live| {
            let made_us = live
                .context_as_of
                .map_or(now_us, |seconds| seconds.saturating_mul(1_000_000));
            let as_of_us = if embedded.is_some() { made_us.min(now_us) } else { 0 };
            board::create(CONTEXT, &shared("", as_of_us));
            read(&board::text(CONTEXT)).map_or(as_of_us, |(_, as_of_us)| as_of_us)
        });
        Self {
            prepared: embedded.unwrap_or_default(),
            revision: String::new(),
            as_of_us,
            max_age_us: live.map_or(u64::MAX, |live| live.max_context_age_seconds.saturating_mul(1_000_000)),
            namespaces: BTreeMap::new(),
            coming: None,
            refused: String::new(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.as_of_us.is_some()
    }

    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// How old the context is, in milliseconds.
    pub(super) fn age_ms(&self, now_us: u64) -> u64 {
        self.as_of_us
            .map_or(0, |as_of_us| now_us.saturating_sub(as_of_us) / 1000)
    }

    /// Why the context must not be used any more.
    pub(super) fn unusable(&self, now_us: u64) -> Option<String> {
        let as_of_us = self.as_of_us?;
        if as_of_us == 0 {
            return Some("the context has not been fetched yet".to_owned());
        }
        let is_over = now_us.saturating_sub(as_of_us) > self.max_age_us;
        is_over.then(|| {
            let seconds = self.max_age_us / 1_000_000;
            format!("the context is older than {seconds} s, and may not be right any more")
        })
    }

    /// Looks at what is shared, and does a little of what is to be done.
    pub(super) fn step(&mut self, now_us: u64) -> Step {
        if !self.is_live() {
            return Step::Idle;
        }
        match self.coming.take() {
            Some(Coming::Bytes(revision, as_of_us)) => {
                let json = host::shared_data(CONTEXT_DATA).0;
                // Gone: another one is there already, and seen next time.
                let json = json.and_then(|value| bundles::valued(value, &revision));
                match json.map(|json| serde_json::from_slice::<Context>(&json)) {
                    None => {}
                    Some(Ok(context)) => self.coming = Some(Coming::Read(revision, as_of_us, Box::new(context))),
                    Some(Err(error)) => {
                        let text = format!("whynot: context {revision} is refused: {error}");
                        host::log(LogLevel::Error, &text);
                        self.refused = revision;
                    }
                }
                Step::More
            }
            Some(Coming::Read(revision, as_of_us, context)) => {
                self.prepared = Prepared::new(*context, Some(revision.clone()));
                self.revision = revision;
                self.as_of_us = Some(as_of_us);
                // What was found before this context was made, it has, or it is gone.
                self.namespaces.retain(|_, (_, asked_us)| *asked_us > as_of_us);
                Step::Changed
            }
            None => self.look(now_us),
        }
    }

    fn look(&mut self, now_us: u64) -> Step {
        let before = self.namespaces.len();
        let max_age_us = self.max_age_us;
        self.namespaces
            .retain(|_, (_, asked_us)| now_us.saturating_sub(*asked_us) <= max_age_us);
        if let Some((revision, as_of_us)) = read(&board::text(CONTEXT)) {
            if revision == self.revision {
                self.as_of_us = Some(as_of_us);
            } else if !revision.is_empty() && revision != self.refused {
                self.coming = Some(Coming::Bytes(revision, as_of_us));
                return Step::More;
            }
        }
        if self.namespaces.len() == before {
            Step::Idle
        } else {
            Step::Changed
        }
    }

    /// All of it at once, for who is made anew.
    pub(super) fn finish(&mut self, now_us: u64) {
        // Not for ever: what is shared under one revision may be another one's for a moment, and is looked at again later.
        for _ in 0..MAX_STEPS {
            if self.step(now_us) != Step::More {
                break;
            }
        }
    }

    /// Keeps a namespace that was asked for, unless it is too old to be used: false.
    pub(super) fn learn(&mut self, name: &str, namespace: &Namespace, age_ms: u64, now_us: u64) -> bool {
        // Whoever follows the cluster may have lost it for a while.
        let old_us = age_ms.saturating_mul(1000);
        if old_us > self.max_age_us {
            return false;
        }
        if self.namespaces.len() < MAX_NAMESPACES {
            self.namespaces
                .insert(name.to_owned(), (namespace.clone(), now_us.saturating_sub(old_us)));
        }
        true
    }

    /// A set that evaluates with these, or without the context.
    pub(super) fn around(&self, set: &PolicySet, unusable: Option<&str>) -> PolicySet {
        let with = match unusable {
            None => set.with_context(&self.prepared),
            Some(reason) => set.with_context(&Prepared::default()).without_context(reason),
        };
        let found = self
            .namespaces
            .iter()
            .map(|(name, (namespace, _))| (name.as_str(), namespace.clone()));
        with.with_namespaces(found)
    }
}

/// Tells the others of a context: its revision, and what time it is of.
pub(super) fn share(revision: &str, json: Option<&[u8]>, as_of_us: u64) {
    if let Some(json) = json {
        let mut value = Vec::with_capacity(revision.len() + 1 + json.len());
        value.extend_from_slice(revision.as_bytes());
        value.push(b'\n');
        value.extend_from_slice(json);
        host::set_shared_data(CONTEXT_DATA, &value, None);
    }
    board::write(CONTEXT, &shared(revision, as_of_us));
}

/// The revision that is shared; empty when none is.
pub(super) fn shared_revision() -> String {
    read(&board::text(CONTEXT)).map_or_else(String::new, |(revision, _)| revision)
}

fn shared(revision: &str, as_of_us: u64) -> String {
    format!("{revision} {as_of_us}")
}

fn read(text: &str) -> Option<(String, u64)> {
    let (revision, as_of_us) = text.split_once(' ')?;
    Some((revision.to_owned(), as_of_us.parse().ok()?))
}
