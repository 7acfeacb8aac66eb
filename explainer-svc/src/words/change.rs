//! A change that a model proposes: asked for where the engine found none, tried by the engine, shown only when it holds.

use engine::explain::wire::FixSummary;
use engine::verdict::Action;
use json_patch::Patch;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::prompts::Variables;
use super::{Asked, Asking, Denial, Origin, Proposed, Rejected, Unverified, Unwritten, Writer, shape};
use crate::audit::{Event, Kind};
use crate::gateway::guards::{Explained, Redactor, Subject, change_schema, project};

/// Bytes of an object that a change is asked for: all of it is searched for passwords first.
const MAX_OBJECT: usize = 256 * 1024;

impl Writer {
    /// Whether a model is asked for a change: the engine found none, and what is proposed can be tried.
    pub fn wants_change(&self, denial: &Denial) -> bool {
        let request = &denial.request;
        let is_open = |policy: &String| !request.unfixable.contains_key(policy);
        let mut denying = request.with_action(Action::Deny).map(|violation| &violation.policy);
        request.fix.is_none() && denying.any(is_open) && self.0.verifier.has(denial)
    }

    /// A change of the denied object, tried by the engine.
    ///
    /// # Errors
    /// Why there is no answer; not later than the deadline.
    pub async fn change(&self, denial: &Denial, deadline: Instant) -> Result<Proposed, Unwritten> {
        self.change_or(denial, deadline, &|| {}).await
    }

    /// The same; `asking` is called when nothing is kept and a model is asked, which takes its time.
    pub(super) async fn change_or(
        &self,
        denial: &Denial,
        deadline: Instant,
        asking: Asking<'_>,
    ) -> Result<Proposed, Unwritten> {
        let result = self.asked_for_change(denial, deadline, asking).await;
        if let Err(unwritten) = &result {
            self.0.metrics.unwritten("change", unwritten.reason());
        }
        result
    }

    async fn asked_for_change(
        &self,
        denial: &Denial,
        deadline: Instant,
        asking: Asking<'_>,
    ) -> Result<Proposed, Unwritten> {
        let review = denial.review.as_ref().ok_or(Unwritten::NotAsked("no object"))?;
        let object = review.object().to_json();
        if object.to_string().len() > MAX_OBJECT {
            return Err(Unwritten::NotAsked("the object is too large"));
        }
        let mut projected = project(Subject {
            request: &denial.request,
            object: Some(&object),
        });
        // What is a password anywhere in the object is one wherever else it stands.
        let mut redactor = Redactor::default();
        let _ = redactor.value("", &object);
        projected.facts = redactor.again_in(&projected.facts);
        shape::surround(&mut projected, &denial.request);
        // Of words that come with it none are used.
        let grounds = Explained::new(&denial.request, &projected, Some(&object)).only_change();
        // All that is sent names it: nobody else gets what was kept of it.
        let digest = shape::digest(&json!([projected.facts, review.kind, "change"]));
        let asked = Asked {
            prompt: &self.0.prompts.change,
            variables: Variables {
                has_fix: false,
                times: "first",
            },
            projected,
            grounds,
            shape: digest,
            form: change_schema(),
        };
        let (completion, origin) = self.ask(denial, asked, deadline, asking).await?;
        let dropped = completion.clean.dropped;
        let Some(patch) = completion.clean.change else {
            let rejected = dropped.map(|detail| Rejected {
                reason: "guard",
                detail,
            });
            if let Some(rejected) = &rejected {
                self.rejected(denial, &origin, rejected, None);
            }
            return Ok(Proposed {
                proposed: rejected.is_some(),
                fix: None,
                rejected,
                origin,
            });
        };
        let tried = tokio::time::timeout_at(deadline, self.0.verifier.verify(denial, &patch)).await;
        let tried = tried.unwrap_or(Err(Unverified::Late));
        let (fix, rejected) = match tried {
            Ok(fix) => {
                self.verified(denial, &origin, &fix);
                (Some(fix), None)
            }
            Err(unverified) => {
                let rejected = Rejected {
                    reason: unverified.reason(),
                    detail: unverified.to_string(),
                };
                self.rejected(denial, &origin, &rejected, Some(&patch));
                (None, Some(rejected))
            }
        };
        Ok(Proposed {
            proposed: true,
            fix,
            rejected,
            origin,
        })
    }

    fn verified(&self, denial: &Denial, origin: &Origin, fix: &FixSummary) {
        self.0.metrics.tried("verified", "none");
        let more = json!({
            "policies": fix.policies, "complete": fix.complete, "class": fix.class, "removes": fix.removes, "widens": fix.widens,
        });
        let payload = described(denial, origin, more);
        let uid = denial.request.review.uid.as_str();
        self.0.log.record(Event::new(Kind::FixVerified, uid, payload));
    }

    fn rejected(&self, denial: &Denial, origin: &Origin, rejected: &Rejected, patch: Option<&Patch>) {
        self.0.metrics.tried("rejected", rejected.reason);
        let Rejected { reason, detail } = rejected;
        tracing::info!(event = "fix_rejected", reason, "a model's change is not shown");
        // Paths, no values: what a model made up may be anything.
        let paths = patch.map(|patch| {
            let each = patch.0.iter().map(|step| step.path().to_string());
            each.collect::<Vec<_>>()
        });
        let more = json!({"reason": reason, "detail": detail, "paths": paths});
        let payload = described(denial, origin, more);
        let uid = denial.request.review.uid.as_str();
        self.0.log.record(Event::new(Kind::FixRejected, uid, payload));
    }
}

/// A change of a model's, for the audit log.
fn described(denial: &Denial, origin: &Origin, more: Value) -> Value {
    let mut payload = json!({
        "source": "model", "model": origin.model, "provider": origin.provider, "prompt": origin.prompt, "call": origin.audit,
        "revision": denial.request.revision, "kind": denial.request.review.kind.kind,
    });
    if let (Some(members), Value::Object(more)) = (payload.as_object_mut(), more) {
        members.extend(more);
    }
    payload
}
