//! The engine's trial of a change that a model proposes: with the policies of the same revision, in the same context.

use engine::eval::PolicySet;
use engine::explain::summary;
use engine::explain::wire::FixSummary;
use engine::fix::{self, Unproven};
use engine::upstream;
use engine::verdict::{Action, Violation};
use json_patch::Patch;

use super::Denial;
use crate::upstream::Upstreams;

/// Tries changes; cheap to clone.
#[derive(Debug, Clone)]
pub enum Verifier {
    /// With what was delivered and is current.
    Live(Upstreams),
    /// With these policies and their context.
    Fixed(PolicySet),
    /// There are no policies: no change can be tried, so none is asked for.
    None,
}

/// Why a change was not shown to be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// It is none.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The policies are not those that denied.
    #[error("the policies here are of another revision than those that denied")]
    Revision,
    /// The object is not there.
    #[error("the object is not at hand")]
    Object,
    /// No time was left to try it.
    #[error("there was no time to try it")]
    Late,
    /// The trial broke off.
    #[error("the trial broke off")]
    Failed,
}

impl Unverified {
    /// For counters and the audit log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unproven(unproven) => unproven.reason(),
            Self::Revision => "revision",
            Self::Object => "object",
            Self::Late => "late",
            Self::Failed => "failed",
        }
    }
}

impl Verifier {
    /// Whether a change for this denial could be tried.
    pub fn has(&self, denial: &Denial) -> bool {
        let is_known = match &denial.request.upstream {
            // What whynot does not have says nothing.
            Some(upstream) => upstream.items.iter().any(|item| item.known),
            None => true,
        };
        let revision = denial.request.revision.as_str();
        denial.review.is_some()
            && is_known
            && match self {
                Self::Live(policies) => policies.revision().as_deref() == Some(revision),
                Self::Fixed(set) => set.revision() == revision,
                Self::None => false,
            }
    }

    /// Applies the change to the denied object and asks all policies again.
    ///
    /// # Errors
    /// Why it is not shown.
    pub async fn verify(&self, denial: &Denial, patch: &Patch) -> Result<FixSummary, Unverified> {
        let review = denial.review.clone().ok_or(Unverified::Object)?;
        let (set, place) = match self {
            Self::Live(policies) => {
                let place = policies.place().await.ok_or(Unverified::Failed)?;
                (policies.policies(&review).await, Some(place))
            }
            Self::Fixed(set) => (Some(set.clone()), None),
            Self::None => (None, None),
        };
        let set = set.ok_or(Unverified::Revision)?;
        if set.revision() != denial.request.revision {
            return Err(Unverified::Revision);
        }
        let (request, patch) = (denial.request.clone(), patch.clone());
        let trial = tokio::task::spawn_blocking(move || {
            let _place = place;
            if let Some(other) = &request.upstream {
                return upstream::verify(&set, &review, &other.webhook, &other.message, &patch);
            }
            let verdict = set.evaluate(&review);
            // Another context, another object: what is tried has to be what was denied.
            let denied = |violation: &&Violation| violation.action == Action::Deny;
            let ids = |all: Vec<&Violation>| -> Vec<String> {
                let mut ids: Vec<String> = all.iter().map(|violation| violation.policy.clone()).collect();
                ids.sort();
                ids.dedup();
                ids
            };
            let now = ids(verdict.violations().filter(denied).collect());
            if now != ids(request.violations.iter().filter(denied).collect()) {
                return Err(Unproven::Otherwise);
            }
            let fix = fix::verify(&set, &review, &verdict, &patch)?;
            Ok(summary::of_fix(&set, &review, &fix))
        });
        let tried = trial.await.map_err(|_| Unverified::Failed)?;
        Ok(tried?)
    }
}
