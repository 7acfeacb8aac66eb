//! How policies become current: examined, kept, swapped; or refused, which changes nothing.

use std::sync::Arc;

use axum::body::Bytes;
use jiff::Timestamp;

use super::examine::{self, Accepted, Material};
use super::kept::Taken;
use super::proof::Proof;
use super::{By, Current, Delivery, Location, Outcome, Refused, Rejected, refusal};
use crate::deep::{Broken, deep};
use crate::telemetry::PolicyEvent;

/// Refused bundles that are told about.
pub(super) const REFUSED: usize = 20;

impl Delivery {
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
        let accepted = self.examine(material, By::Push, "push").await?;
        self.take(accepted, By::Push, "push").await
    }

    /// Goes back to a revision, by default the one before the current one. What was current is not taken from a source again.
    ///
    /// # Errors
    /// There is no such revision, or it cannot be used any more.
    pub async fn rollback(&self, revision: Option<String>) -> Result<Outcome, Rejected> {
        // From here on, or what is current may be another than what this goes back from.
        let changing = self.0.changing.lock().await;
        let (target, bad) = {
            let current = self.current().map(|current| current.revision.clone());
            let state = self.state();
            (
                state
                    .kept
                    .target(revision.as_deref(), current.as_deref(), &self.0.requirement)
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
        let accepted = self
            .examine(Material::Kept(json, target.proof.clone()), By::Rollback, "rollback")
            .await?;
        let outcome = self.take_now(accepted, By::Rollback, &target.source).await?;
        drop(changing);
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
    pub(super) async fn examine(&self, material: Material, by: By, origin: &str) -> Result<Accepted, Rejected> {
        let Ok(permit) = Arc::clone(&self.0.examining).acquire_owned().await else {
            return Err(Rejected::Stopping);
        };
        let options = self.0.settings.options.clone();
        let within = self.0.settings.examination;
        let (attempts, from) = (self.0.attempts.clone(), origin.to_owned());
        let running = deep(move || {
            let _permit = permit;
            let sha256 = material.sha256();
            // An administrator has seen what became of it, and may have another server now.
            if by == By::Source
                && let Some(ended) = sha256.as_deref().and_then(|sha256| attempts.ended(sha256))
            {
                return Err(examine::Refusal::from(ended.reason()));
            }
            let _attempt = sha256.map(|sha256| attempts.begin(sha256, &from));
            examine::examine(material, &options, within)
        });
        let examined = match tokio::time::timeout(within.saturating_mul(2), running).await {
            Ok(Ok(examined)) => examined,
            Ok(Err(Broken::Panicked)) => Err(examine::Refusal::from(
                "the compiler failed on it, which is a defect of whynot; the log says more".to_owned(),
            )),
            Ok(Err(error)) => Err(examine::Refusal::from(error.to_string())),
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
    pub(super) fn refuse(&self, revision: Option<String>, origin: &str, reasons: Vec<String>) {
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
    pub(super) async fn take(&self, accepted: Accepted, by: By, source: &str) -> Result<Outcome, Rejected> {
        let _changing = self.0.changing.lock().await;
        self.take_now(accepted, by, source).await
    }

    /// The same, for who has `changing`.
    async fn take_now(&self, accepted: Accepted, by: By, source: &str) -> Result<Outcome, Rejected> {
        let revision = accepted.revision;
        let before = self.current().map(|current| current.revision.clone());
        let mut kept = self.state().kept.clone();
        if by == By::Source {
            self.state().offered = Some(revision.clone());
        }
        if by == By::Source && kept.is_held(&revision) {
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
        if by == By::Source {
            kept.release();
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
                proof: accepted.proof,
            });
        } else if accepted.proof != Proof::default() {
            kept.prove(&revision, &accepted.proof);
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
}
