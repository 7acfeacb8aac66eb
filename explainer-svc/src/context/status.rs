//! What there is to say of the context's sources.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::health::locked;
use super::objects::View;
use super::watched::Phase;
use super::{Current, LiveContext};

/// How well the cluster is known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ContextStatus)]
pub struct Status {
    /// The context's revision; none when there is no context yet.
    pub revision: Option<String>,
    /// How old the knowledge is, in milliseconds: 0 while everything that changes arrives.
    pub age_ms: u64,
    /// The size of the document.
    pub bytes: usize,
    /// Why the API server does not answer.
    pub api_server_error: Option<String>,
    /// Why the context's file cannot be used; what it said before counts.
    pub file_error: Option<String>,
    /// What is watched.
    pub kinds: Vec<KindStatus>,
}

/// How well the objects of a kind are known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindStatus {
    /// For example `networking.k8s.io/v1/Ingress`.
    pub kind: String,
    /// `namespaces`, `inventory`, or `gatekeeper` for what says which kinds are in the inventory.
    pub purpose: String,
    /// How well they are known.
    pub phase: Phase,
    /// How many there are.
    pub objects: usize,
    /// How many bytes are kept of them.
    pub bytes: usize,
    /// How often the watch was begun anew.
    pub restarts: u64,
    /// How often that, or a list, failed.
    pub errors: u64,
    /// The last failure.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<String>,
}

impl LiveContext {
    /// What there is to say.
    pub fn status(&self) -> Status {
        let known = self
            .0
            .published
            .borrow()
            .as_ref()
            .map(|snapshot| snapshot.document.clone());
        let cluster = self.0.cluster.as_ref();
        let kinds = cluster
            .into_iter()
            .flat_map(|cluster| cluster.watches())
            .map(|watched| {
                let figures = watched.figures();
                let purpose = match watched.view {
                    View::Namespaces => "namespaces",
                    View::Inventory => "inventory",
                    View::Sync => "gatekeeper",
                };
                KindStatus {
                    kind: watched.kind.to_string(),
                    purpose: purpose.to_owned(),
                    phase: figures.phase,
                    objects: figures.objects,
                    bytes: figures.bytes,
                    restarts: figures.restarts,
                    errors: figures.errors,
                    last_error_at: figures.failure.as_ref().map(|failure| failure.at.to_string()),
                    last_error: figures.failure.map(|failure| failure.reason),
                }
            });
        Status {
            revision: known
                .as_ref()
                .map(|document| document.etag.trim_matches('"').to_owned()),
            age_ms: milliseconds(self.age()),
            bytes: known.map_or(0, |document| document.json.len()),
            api_server_error: cluster.and_then(|cluster| cluster.pulse.failure()),
            file_error: locked(&self.0.file_failure).clone(),
            kinds: kinds.collect(),
        }
    }

    /// Whether there is a context.
    pub fn is_known(&self) -> bool {
        matches!(self.current(), Current::Known(_))
    }
}

/// Whole milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
