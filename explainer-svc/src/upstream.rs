//! What another webhook denied, evaluated with what is current here: the delivered policies and the live context.
//!
//! ```text
//! revision -> policies, compiled once --+
//! entity tag -> context, prepared once -+-> PolicySet -> engine::upstream::explain, in a thread of its own
//! review's namespace, asked for --------+
//! ```
//!
//! Evaluating takes processor time, so as much of it goes on at a time as there are processors. Who would wait past the deadline gets the
//! words that need no evaluation.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use engine::admission::{Review, ReviewError};
use engine::context::Context;
use engine::eval::PolicySet;
use engine::explain::wire::ExplainRequest;
use engine::policy;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::policy::settings::Settings;
use engine::surroundings::Prepared;
use engine::upstream::{Depth, explain};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::context::{Current, LiveContext, Lookup};
use crate::deep::deep;
use crate::delivery::Delivery;

/// With less time than this no fix is searched.
const MIN_SEARCH: Duration = Duration::from_millis(300);
/// What of the time is left for recording and for the way back: this part, and at most [`MAX_RESERVE`].
const RESERVE: u32 = 4;
const MAX_RESERVE: Duration = Duration::from_millis(500);
/// How long the cluster is asked for a namespace.
const NAMESPACE_WAIT: Duration = Duration::from_secs(1);
/// A context that is older is not used, as the filter does it by default.
const MAX_CONTEXT_AGE: Duration = Duration::from_mins(5);

/// What is recorded as the revision where there are no policies.
const NONE: &str = "none";

/// Evaluates what other webhooks denied; cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstreams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    delivery: Delivery,
    context: LiveContext,
    /// The policies of a revision; `None` in it when they do not compile.
    compiled: tokio::sync::Mutex<Option<(String, Option<PolicySet>)>>,
    prepared: Mutex<Option<(String, Prepared)>>,
    places: Arc<Semaphore>,
}

/// Why a denial cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The review is none.
    #[error("{}", .0.reason)]
    Review(ReviewError),
    /// Too many are evaluated.
    #[error("no place was free within the deadline")]
    Busy,
    /// The evaluation broke off.
    #[error("the evaluation failed")]
    Failed,
}

impl Upstreams {
    /// Evaluates with what these two have at the time.
    pub fn new(delivery: Delivery, context: LiveContext) -> Self {
        let processors = available_parallelism().map_or(2, usize::from);
        Self(Arc::new(Inner {
            delivery,
            context,
            compiled: tokio::sync::Mutex::new(None),
            prepared: Mutex::new(None),
            places: Arc::new(Semaphore::new(processors)),
        }))
    }

    /// The revision of the policies that are current.
    pub fn revision(&self) -> Option<String> {
        self.0.delivery.current().map(|current| current.revision.clone())
    }

    /// A place to evaluate at.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.places).acquire_owned().await.ok()
    }

    /// Explains what the webhook of this name said about a review; with the review, and the revision of the policies, if there are
    /// some. What comes of it is not recorded yet.
    ///
    /// # Errors
    /// The review is none, or there was no time to look at it.
    pub async fn explain(
        &self,
        review: Vec<u8>,
        webhook: &str,
        message: &str,
        deadline: Duration,
    ) -> Result<(ExplainRequest, Arc<Review>, Option<String>), UpstreamError> {
        let until = Instant::now() + deadline.saturating_sub((deadline / RESERVE).min(MAX_RESERVE));
        let place = tokio::time::timeout_at(until, Arc::clone(&self.0.places).acquire_owned());
        let place = place.await.map_err(|_| UpstreamError::Busy)?;
        let place = Arc::new(place.map_err(|_| UpstreamError::Busy)?);
        let held = Arc::clone(&place);
        let review = away(move || {
            let review = Review::parse(&review);
            drop(held);
            review
        });
        let review = Arc::new(review.await?.map_err(UpstreamError::Review)?);

        let set = tokio::time::timeout_at(until, self.policies(&review)).await;
        let (set, is_late) = set.map_or_else(|_| (None, true), |set| (set, false));
        let revision = set.as_ref().map(|set| set.revision().to_owned());
        let set = set.or_else(nothing).ok_or(UpstreamError::Failed)?;
        let is_late = is_late || until.saturating_duration_since(Instant::now()) < MIN_SEARCH;

        let look = |depth| {
            let (set, review, held) = (set.clone(), Arc::clone(&review), Arc::clone(&place));
            let (webhook, message) = (webhook.to_owned(), message.to_owned());
            away(move || {
                let explained = explain(&set, &review, &webhook, &message, depth);
                drop(held);
                explained.request
            })
        };
        let proven = if is_late {
            None
        } else {
            tokio::time::timeout_at(until, look(Depth::Proof)).await.ok()
        };
        let mut request = match proven {
            Some(request) => request?,
            None => look(Depth::Words).await?,
        };
        if revision.is_none() {
            NONE.clone_into(&mut request.revision);
        }
        Ok((request, review, revision))
    }

    /// The current policies with what is known around this review; `None` when there are none.
    pub(crate) async fn policies(&self, review: &Review) -> Option<PolicySet> {
        let compiled = self.compiled().await?;
        let context = &self.0.context;
        let age = context.age();
        let around = match context.current() {
            Current::Absent => compiled,
            Current::Unknown(reason) => compiled.without_context(&format!("the cluster is not known yet: {reason}")),
            Current::Known(_) if age > MAX_CONTEXT_AGE => {
                compiled.without_context(&format!("the context is {} s old", age.as_secs()))
            }
            Current::Known(document) => match self.prepared(&document.etag, Arc::clone(&document.json)).await {
                Some(prepared) => compiled.with_context(&prepared),
                None => compiled.without_context("the context cannot be read"),
            },
        };
        if matches!(context.current(), Current::Absent) || !around.lacks_namespace(review) {
            return Some(around);
        }
        let name = review.namespace.as_str();
        let found = tokio::time::timeout(NAMESPACE_WAIT, context.namespace(name)).await;
        Some(match found {
            Ok(Lookup::Missing) => around,
            Ok(Lookup::Known(namespace, _)) => around.with_namespace(name, Ok(namespace)),
            Ok(Lookup::Unknown(reason)) => around.with_namespace(name, Err(reason)),
            Err(_) => around.with_namespace(name, Err("the cluster does not answer".to_owned())),
        })
    }

    /// The current policies, compiled by the first who asks for them.
    async fn compiled(&self) -> Option<PolicySet> {
        let current = self.0.delivery.current()?;
        let mut known = self.0.compiled.lock().await;
        if let Some((_, set)) = known.as_ref().filter(|(of, _)| *of == current.revision) {
            return set.clone();
        }
        let json = current.json.clone();
        let compiled = away(move || Bundle::from_json(&json).and_then(|bundle| compile(&bundle, Context::default())));
        let set = match compiled.await.ok()? {
            Ok(set) => Some(set),
            Err(problems) => {
                let (revision, reason) = (&current.revision, policy::list(&problems));
                tracing::error!(revision, reason, "current policies cannot be used for other webhooks");
                None
            }
        };
        *known = Some((current.revision.clone(), set.clone()));
        set
    }

    async fn prepared(&self, etag: &str, json: Arc<[u8]>) -> Option<Prepared> {
        let cached = |known: &Option<(String, Prepared)>| {
            let known = known.as_ref().filter(|(of, _)| of == etag);
            known.map(|(_, prepared)| prepared.clone())
        };
        // What is behind it is replaced as a whole.
        let known = || self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = cached(&known()) {
            return Some(prepared);
        }
        let revision = etag.trim_matches('"').to_owned();
        let made = away(move || {
            let context = serde_json::from_slice::<Context>(&json);
            context.map(|context| Prepared::new(context, Some(revision)))
        });
        match made.await.ok()? {
            Ok(prepared) => {
                *known() = Some((etag.to_owned(), prepared.clone()));
                Some(prepared)
            }
            Err(error) => {
                tracing::error!(%error, "the context cannot be read");
                None
            }
        }
    }

    /// Compiles what becomes current before somebody asks.
    pub async fn follow(self) {
        let mut changes = self.0.delivery.changes();
        loop {
            self.compiled().await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Where there are no policies, the text itself is taken apart all the same.
fn nothing() -> Option<PolicySet> {
    compile(&Bundle::new(Settings::default(), []), Context::default()).ok()
}

/// Runs what takes processor time, and a deep stack, in a thread where nobody else waits.
async fn away<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, UpstreamError> {
    deep(work).await.map_err(|error| {
        tracing::error!(%error, "explaining what another webhook denied failed");
        UpstreamError::Failed
    })
}
