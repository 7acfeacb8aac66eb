//! One object -> what admission says of it, and the changes that were proven.

use std::cell::OnceCell;
use std::sync::Arc;

use engine::admission::Review;
use engine::answer;
use engine::eval::PolicySet;
use engine::explain::{text, wire::Decision};
use engine::fix::{self, Effort, Fix, Placeholder, Remedies, Remedy};
use engine::redact;
use engine::verdict::{Action, Failure, Severity, Violation};
use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, ReplaceOperation};
use serde::Serialize;
use serde_json::Value;

use super::again::Again;
use super::diff::{self, Shown, Text};

/// What belongs into a value, in characters of a diff.
const MAX_MEANING: usize = 100;

/// Where an object was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The position of its file among the sources.
    pub(super) source: usize,
    pub(super) file: Arc<str>,
    /// Where its document begins, in bytes.
    pub(super) offset: usize,
    /// Of its document's text: whether a file has changed since.
    pub(super) digest: u64,
    /// Where it is in its document: a JSON pointer.
    pub(super) base: String,
    /// From 1.
    pub(super) line: usize,
}

/// What is known of one object.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) place: Place,
    pub(super) object: Reference,
    /// `Pod shop/web`.
    pub(super) subject: String,
    pub(super) allowed: bool,
    /// What the API server would be told.
    pub(super) denial: Option<String>,
    pub(super) warnings: Vec<String>,
    pub(super) violations: Vec<Objection>,
    pub(super) failures: Vec<Failure>,
    /// Makes the whole object pass, as far as one change can.
    pub(super) fix: Option<Proposal>,
}

/// What an object is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// One violation.
#[derive(Debug)]
pub(super) struct Objection {
    pub(super) violation: Violation,
    /// The lines of its paths in the file, from 1; that of the object when it has none.
    pub(super) lines: Vec<usize>,
    pub(super) fix: Option<Proposal>,
    pub(super) unfixable: Option<String>,
    /// Nothing alone makes it pass; the fix of the whole object does.
    pub(super) only_together: bool,
}

/// A fix, as it is shown and written.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    /// Of the object.
    pub(super) patch: Patch,
    pub(super) class: fix::Class,
    pub(super) source: fix::Source,
    pub(super) placeholders: Vec<Placeholder>,
    pub(super) removes: bool,
    pub(super) widens: bool,
    /// Nothing denies after it.
    pub(super) complete: bool,
    pub(super) snippet: String,
    pub(super) shown: Shown,
}

/// What counts as a violation for the exit code, and is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum FailOn {
    /// What admission refuses.
    Deny,
    /// Warnings too.
    Warn,
    /// What is only recorded too.
    Audit,
}

impl FailOn {
    pub(super) fn counts(self, action: Action) -> bool {
        match action {
            Action::Deny => true,
            Action::Warn => self >= Self::Warn,
            Action::Audit => self >= Self::Audit,
        }
    }
}

/// How much is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) fail_on: FailOn,
    /// A fix for each violation, also of those that only warn.
    pub(super) each: bool,
    pub(super) diffs: bool,
}

/// What is judged, and where it was read.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) review: &'a Review,
    pub(super) place: Place,
    pub(super) text: &'a Text<'a>,
    /// Not a whole review.
    pub(super) is_manifest: bool,
    /// How its file is fixed, when it is a manifest in one.
    pub(super) again: Option<&'a Again>,
}

/// Judges one review.
pub(super) fn judge(set: &PolicySet, read: Read<'_>, wanted: Wanted) -> Checked {
    let Read { review, .. } = read;
    let verdict = set.evaluate(review);
    let only_denials = verdict.violations().all(|violation| violation.action == Action::Deny);
    // What admission itself looks for: its words have this fix and no other.
    let written = |remedies: Remedies| {
        if read.is_manifest {
            remedies.as_written()
        } else {
            remedies
        }
    };
    let admission = written(fix::remedies(set, review, &verdict, Effort::ADMISSION));
    let mut decided = answer::with_remedies(set, review, &verdict, &admission);
    let needs_all = !only_denials && (wanted.each || wanted.fail_on > FailOn::Deny);
    let all = needs_all.then(|| written(fix::remedies(set, review, &verdict, Effort::ALL)));
    let each: &Remedies = all.as_ref().unwrap_or(&admission);
    let whole = match &all {
        Some(all) if wanted.fail_on > FailOn::Deny => all.whole.as_ref(),
        _ => admission.whole.as_ref(),
    };
    let mut proposals = Proposals::new(&read, wanted);
    let proposed = whole.map(|fix| proposals.of(fix));
    if read.is_manifest {
        decided.request.defaulted.clear();
    }
    if let (true, Some(fix)) = (read.is_manifest, &mut decided.request.fix) {
        // kubectl would change every document of the file, and apply it; here nothing was to be applied yet.
        fix.kubectl = match &proposed {
            // What is generated is changed where it comes from.
            Some(proposal) if decided.request.origin.is_none() => command(&read, proposal).unwrap_or_default(),
            _ => String::new(),
        };
    }
    let own = decided.own_answer();
    let hidden = redact::Hidden::of_review(review);
    let together = whole.map(|fix| fix.summary().policies).unwrap_or_default();
    let violations: Vec<Objection> = verdict
        .violations()
        .map(|violation| {
            let remedy = each.of(violation);
            let only_together = !matches!(remedy, Some(Remedy::Fix(_))) && together.contains(&violation.policy);
            Objection {
                lines: lines(violation, &read),
                fix: match remedy {
                    Some(Remedy::Fix(fix)) if wanted.each => Some(proposals.of(fix)),
                    _ => None,
                },
                unfixable: match remedy {
                    Some(Remedy::Unfixable(reason)) if !only_together => Some(hidden.mask(reason)),
                    _ => None,
                },
                only_together,
                violation: hidden.mask_violation(violation),
            }
        })
        .collect();
    let object = review.object();
    let api_version = object
        .get("apiVersion")
        .and_then(|text| text.as_str().map(str::to_owned));
    Checked {
        object: Reference {
            api_version: api_version.unwrap_or_default(),
            kind: review.kind.kind.clone(),
            namespace: review.namespace.clone(),
            name: review.name.clone(),
        },
        subject: subject(review),
        allowed: decided.decision() == Decision::Allow,
        denial: own.denial,
        warnings: own.warnings,
        violations,
        failures: decided.request.failures.clone(),
        fix: proposed,
        place: read.place,
    }
}

/// What writes a fix into the file.
fn command(read: &Read<'_>, proposal: &Proposal) -> Option<String> {
    let Read { place, again, .. } = read;
    let is_written = proposal.shown.is_writable && proposal.is_mechanical();
    let again = again.filter(|_| is_written)?;
    again.command((place.source, &place.file), proposal.removes)
}

fn lines(violation: &Violation, read: &Read<'_>) -> Vec<usize> {
    let Read { place, text, .. } = read;
    match &*violation.found {
        [] => vec![place.line],
        found => found
            .iter()
            .map(|found| text.line(&format!("{}{}", place.base, found.path)))
            .collect(),
    }
}

fn subject(review: &Review) -> String {
    let metadata = review.object().get("metadata").unwrap_or_default();
    let prefix = metadata
        .get("generateName")
        .and_then(|text| text.as_str().map(str::to_owned));
    text::subject(&engine::explain::wire::ReviewSummary {
        kind: review.kind.clone(),
        namespace: review.namespace.clone(),
        name: review.name.clone(),
        generate_name: prefix.unwrap_or_default(),
        sub_resource: review.sub_resource.clone(),
        ..Default::default()
    })
}

/// Fixes of one object -> what is shown and written of them.
struct Proposals<'a> {
    read: &'a Read<'a>,
    wanted: Wanted,
    before: OnceCell<Value>,
    /// Several policies often need the same change: its texts are made once.
    made: Vec<(Patch, Shown)>,
}

impl<'a> Proposals<'a> {
    fn new(read: &'a Read<'a>, wanted: Wanted) -> Self {
        Self {
            read,
            wanted,
            before: OnceCell::new(),
            made: Vec::new(),
        }
    }

    fn of(&mut self, fix: &Fix) -> Proposal {
        Proposal {
            patch: fix.patch().clone(),
            class: fix.class(),
            source: fix.source(),
            placeholders: fix.to_fill_in(),
            removes: fix.removes(),
            widens: fix.widens(),
            complete: fix.complete(),
            snippet: fix.snippet(""),
            shown: self.shown(fix),
        }
    }

    fn shown(&mut self, fix: &Fix) -> Shown {
        let Read {
            place,
            text,
            again,
            review,
            ..
        } = self.read;
        if !self.wanted.diffs && again.is_none() {
            return Shown::default();
        }
        let (patch, after) = marked(fix);
        if let Some((_, shown)) = self.made.iter().find(|(made, _)| *made == patch) {
            return shown.clone();
        }
        let changed = text.changed(place, &patch);
        let shown = if self.wanted.diffs {
            let object = || review.request.get("object").unwrap_or_default().to_json();
            let before = self.before.get_or_init(object);
            diff::of_fix(place, text, changed.as_deref(), before, &after)
        } else {
            Shown {
                is_writable: changed.is_some(),
                ..Shown::default()
            }
        };
        self.made.push((patch, shown.clone()));
        shown
    }
}

/// A fix as it is shown: where a person fills in a value, the example that was tried would be taken for one.
fn marked(fix: &Fix) -> (Patch, Value) {
    let (mut patch, mut after) = (fix.patch().clone(), fix.after().clone());
    for placeholder in fix.to_fill_in() {
        let mark = format!("FILL IN: {}", redact::line(&placeholder.meaning, MAX_MEANING));
        if let (Ok(path), Some(value)) = (
            PointerBuf::parse(&placeholder.path),
            after.pointer_mut(&placeholder.path),
        ) {
            *value = Value::String(mark);
            let value = value.clone();
            patch.0.push(PatchOperation::Replace(ReplaceOperation { path, value }));
        }
    }
    (patch, after)
}

impl Proposal {
    /// Nobody has to decide or to fill in anything.
    pub(super) fn is_mechanical(&self) -> bool {
        !self.widens && self.class == fix::Class::Fix
    }
}

impl Checked {
    /// Whether anything of it counts.
    pub(super) fn is_bad(&self, fail_on: FailOn) -> bool {
        !self.allowed
            || self
                .violations
                .iter()
                .any(|objection| fail_on.counts(objection.violation.action))
    }
}

/// `critical`, as it is written.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
