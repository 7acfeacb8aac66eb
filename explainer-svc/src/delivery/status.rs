//! What `GET /v1/policies/status` says: the server writes it, `whynot policy status` reads it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fleet::Proxy;

/// Which policies are current, where they come from, what was refused, and who has which.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// When this was true, by the server's clock.
    pub at: String,
    /// Null when there are none.
    pub current: Option<Current>,
    /// Where policies come from.
    pub source: SourceStatus,
    /// What was not taken, the newest first.
    pub refused: Vec<Refused>,
    /// What can be gone back to, the newest first; the first one is current.
    pub history: Vec<Change>,
    /// Revisions that were rolled back from: not gone back to, unless they are named.
    #[serde(default)]
    pub avoided: Vec<String>,
    /// The Envoy processes that reported within the last half minute.
    pub proxies: Vec<Proxy>,
}

/// The policies that filters get.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = CurrentPolicies)]
pub struct Current {
    /// Which.
    pub revision: String,
    /// Since when.
    pub since: String,
    /// Where they came from.
    pub source: String,
}

/// Where policies come from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// `directory`, `bundle`, `oci` or `push`.
    pub kind: String,
    /// Its address.
    pub location: String,
    /// When it last answered, whatever it had.
    pub last_checked: Option<String>,
    /// Why it did not answer when it was asked last; null when it did.
    pub last_error: Option<String>,
    /// The revision that it has and that is not taken, since it was rolled back; until it has another one.
    #[serde(default)]
    pub held_back: Option<String>,
}

/// Policies that were not taken.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = RefusedPolicies)]
pub struct Refused {
    /// When.
    pub at: String,
    /// Null when they could not even be read.
    pub revision: Option<String>,
    /// Who brought them.
    pub origin: String,
    /// Everything that is wrong.
    pub reasons: Vec<String>,
}

impl Refused {
    pub(super) fn new(revision: Option<String>, origin: &str, reasons: Vec<String>) -> Self {
        Self {
            at: Timestamp::now().to_string(),
            revision,
            origin: origin.to_owned(),
            reasons,
        }
    }

    /// The same was brought again.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.revision, &self.origin, &self.reasons) == (&other.revision, &other.origin, &other.reasons)
    }

    /// The first reason, and how many there are.
    pub(super) fn summary(&self) -> String {
        let first = self.reasons.first().map(String::as_str).unwrap_or_default();
        match self.reasons.len().saturating_sub(1) {
            0 => first.to_owned(),
            more => format!("{first} (and {more} more)"),
        }
    }
}

/// Policies that were current once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyChange)]
pub struct Change {
    /// Which.
    pub revision: String,
    /// When they became current.
    pub at: String,
    /// The kind of the source, or `rollback`.
    pub by: String,
    /// Why they cannot be gone back to: a key is configured since that they were not verified by. Else null.
    #[serde(default)]
    pub unusable: Option<String>,
}
