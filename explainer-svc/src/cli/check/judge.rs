//! One object -> what admission says of it, and the changes that were proven.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::admission::Review;
use engine::answer;
use engine::eval::PolicySet;
use engine::explain::{text, wire::Decision};
use engine::fix::{self, Effort, Fix, Placeholder, Remedies, Remedy};
use engine::verdict::{Action, Failure, Severity, Violation};
use json_patch::Patch;
use serde::Serialize;

use super::diff::{self, Shown, Text};

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

/// Judges one review.
pub(super) fn judge(set: &PolicySet, review: &Review, wanted: Wanted, place: Place, text: &Text<'_>) -> Checked {
    let verdict = set.evaluate(review);
    let only_denials = verdict.violations().all(|violation| violation.action == Action::Deny);
    // What admission itself looks for: its words have this fix and no other.
    let admission = fix::remedies(set, review, &verdict, Effort::ADMISSION);
    let decided = answer::with_remedies(set, review, &verdict, &admission);
    let own = decided.own_answer();
    let needs_all = !only_denials && (wanted.each || wanted.fail_on > FailOn::Deny);
    let all = needs_all.then(|| fix::remedies(set, review, &verdict, Effort::ALL));
    let each: &Remedies = all.as_ref().unwrap_or(&admission);
    let whole = match &all {
        Some(all) if wanted.fail_on > FailOn::Deny => all.whole.as_ref(),
        _ => admission.whole.as_ref(),
    };
    let proposal = |fix: &Fix| propose(fix, wanted, &place, text, review);
    // Violations of one policy share its fix.
    let mut made: BTreeMap<&str, Proposal> = BTreeMap::new();
    let violations = verdict.violations().map(|violation| {
        let remedy = each.policies.get(&violation.policy);
        Objection {
            lines: match &*violation.found {
                [] => vec![place.line],
                found => found
                    .iter()
                    .map(|found| text.line(&format!("{}{}", place.base, found.path)))
                    .collect(),
            },
            fix: match remedy {
                Some(Remedy::Fix(fix)) if wanted.each => {
                    Some(made.entry(&violation.policy).or_insert_with(|| proposal(fix)).clone())
                }
                _ => None,
            },
            unfixable: match remedy {
                Some(Remedy::Unfixable(reason)) => Some(reason.clone()),
                _ => None,
            },
            violation: violation.clone(),
        }
    });
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
        violations: violations.collect(),
        failures: verdict.failures().to_vec(),
        fix: whole.map(proposal),
        place,
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

fn propose(fix: &Fix, wanted: Wanted, place: &Place, text: &Text<'_>, review: &Review) -> Proposal {
    let shown = if wanted.diffs {
        let before = review.request.get("object").unwrap_or_default().to_json();
        diff::of_fix(place, text, fix.patch(), &before, fix.after())
    } else {
        Shown::default()
    };
    Proposal {
        patch: fix.patch().clone(),
        class: fix.class(),
        source: fix.source(),
        placeholders: fix.placeholders().to_vec(),
        removes: fix.removes(),
        widens: fix.widens(),
        complete: fix.complete(),
        snippet: fix.summary().snippet,
        shown,
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
