//! A change that somebody else proposes, a model say: nothing of it is trusted. It becomes a [`Fix`] by the same trial as the
//! search's own changes, or it is none, and why.
//!
//! The operations themselves are not looked at: the two objects are compared, so that it does not matter how a change is written
//! down.

use json_patch::{Patch, PatchOperation};
use serde_json::Value as Json;

use super::bounds::{self, Forbidden};
use super::change::{self, Action, Edit, Step};
use super::places::is_same_object;
use super::proof::{Aim, Proof};
use super::proven::finished;
use super::{Fix, Source};
use crate::admission::{Operation, Review};
use crate::eval::PolicySet;
use crate::explain::wire::Decision;
use crate::schema;
use crate::verdict::{self, FailureKind, Verdict, Violation};

/// The most operations that are looked at.
const MAX_OPERATIONS: usize = 64;

/// The most fields that may differ after them.
const MAX_EDITS: usize = 64;

/// With more fields than this none is left out.
const MAX_SINGLE: usize = 12;

/// Why a proposed change is no fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// There is nothing to change: the request is not denied, or has no object.
    #[error("nothing can be changed here")]
    NothingToChange,
    /// What is denied is not what was denied when the change was asked for.
    #[error("the policies say something else now")]
    Otherwise,
    /// It cannot be applied to the object.
    #[error("it does not apply to the object")]
    Inapplicable,
    /// The object is the same after it.
    #[error("it changes nothing")]
    Nothing,
    /// It would be another object.
    #[error("it would be another object: {0}")]
    Identity(String),
    /// It only dodges what the policy is for, or breaks the object.
    #[error("it dodges the policy, or takes away what the object is there for: {0}")]
    Dodge(String),
    /// The API server does not take a change there.
    #[error("{0} cannot be changed on what exists")]
    Frozen(String),
    /// It would show what may be a secret.
    #[error("{0} may hold a secret")]
    Hidden(String),
    /// The API server would not take the object.
    #[error("Kubernetes would not take it: {0}")]
    Invalid(String),
    /// No policy is satisfied by it.
    #[error("these policies still deny: {}", .0.join(", "))]
    StillDenied(Vec<String>),
    /// Something is said that was not said before, or a policy is not asked any more.
    #[error("something else is objected to after it: {}", .0.join(", "))]
    Breaks(Vec<String>),
}

impl Unproven {
    /// For counters and the audit log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NothingToChange => "nothing-to-change",
            Self::Otherwise => "otherwise",
            Self::Inapplicable => "inapplicable",
            Self::Nothing => "nothing",
            Self::Identity(_) => "identity",
            Self::Dodge(_) => "dodge",
            Self::Frozen(_) => "frozen",
            Self::Hidden(_) => "hidden",
            Self::Invalid(_) => "invalid",
            Self::StillDenied(_) => "still-denied",
            Self::Breaks(_) => "breaks",
        }
    }
}

/// Tries a change of a denied object: all policies again, in the same context, and the same bounds as for what the search finds.
///
/// # Errors
/// Why it is no fix.
pub fn verify(set: &PolicySet, review: &Review, verdict: &Verdict, patch: &Patch) -> Result<Fix, Unproven> {
    let before = review.request.get("object").unwrap_or_default();
    let is_written = matches!(review.operation, Operation::Create | Operation::Update) && !before.is_null();
    let is_slow = |verdict: &Verdict| {
        let mut failures = verdict.failures().iter();
        failures.any(|failure| failure.kind == FailureKind::Limit)
    };
    if verdict.decision() != Decision::Deny || !is_written || is_slow(verdict) {
        return Err(Unproven::NothingToChange);
    }
    let before = before.to_json();
    let after = applied(&before, patch)?;
    let mut edits = Vec::new();
    differ(&before, &after, &mut Vec::new(), &mut edits);
    if edits.is_empty() {
        return Err(Unproven::Nothing);
    }
    bounded(&before, &after, &edits)?;
    let mut proof = Proof::new(set, review, verdict, before);
    for edit in &edits {
        let place = || change::pointer(&edit.path).unwrap_or_default();
        if !proof.may_change(&change::names(&edit.path)) {
            return Err(Unproven::Frozen(place()));
        }
        if proof.hides(edit) {
            return Err(Unproven::Hidden(place()));
        }
    }
    if is_same_object(&after, &review.old_object().to_json()) {
        return Err(Unproven::Dodge("all of it is as it was".to_owned()));
    }
    if let Some(problem) = schema::new_problems(&review.kind, proof.before(), &after).first() {
        return Err(Unproven::Invalid(problem.to_string()));
    }
    let tried = proof.verdict_on(&after);
    let aims = mended(verdict, &tried);
    if aims.is_empty() {
        let denying = tried.violations().filter(|own| own.action == verdict::Action::Deny);
        return Err(Unproven::StillDenied(ids(denying)));
    }
    if !proof.holds(&tried, &aims) {
        let before = ids(verdict.violations());
        let mut more = ids(tried.violations());
        more.retain(|policy| !before.contains(policy));
        return Err(Unproven::Breaks(more));
    }
    if let Some(edit) = edits.iter().find(|edit| !asked::is_asked(proof.before(), edit, &aims)) {
        return Err(Unproven::Dodge(change::names(&edit.path).join("/")));
    }
    needed(&mut proof, &mut edits, &aims);
    for edit in &mut edits {
        edit.placeholder = asked::guessed(review, proof.before(), edit, &aims);
    }
    finished(&mut proof, &edits, &aims, Source::Model).ok_or(Unproven::Inapplicable)
}

/// Leaves out what is not needed: nobody asked for it.
fn needed(proof: &mut Proof<'_>, edits: &mut Vec<Edit>, aims: &[Aim<'_>]) {
    let mut place = edits.len();
    while place > 0 && edits.len() > 1 && edits.len() <= MAX_SINGLE {
        place -= 1;
        let mut fewer = edits.clone();
        fewer.remove(place);
        let Some((after, _)) = change::apply(proof.before(), &fewer) else {
            continue;
        };
        let tried = proof.verdict_on(&after);
        if proof.holds(&tried, aims) && schema::new_problems(&proof.review().kind, proof.before(), &after).is_empty() {
            *edits = fewer;
        }
    }
}

fn applied(before: &Json, patch: &Patch) -> Result<Json, Unproven> {
    let is_plain = |operation: &PatchOperation| {
        matches!(
            operation,
            PatchOperation::Add(_) | PatchOperation::Replace(_) | PatchOperation::Remove(_) | PatchOperation::Test(_)
        )
    };
    if patch.0.len() > MAX_OPERATIONS || !patch.0.iter().all(is_plain) {
        return Err(Unproven::Inapplicable);
    }
    let mut after = before.clone();
    json_patch::patch(&mut after, patch).map_err(|_| Unproven::Inapplicable)?;
    Ok(after)
}

/// The edits by which one value becomes the other.
fn differ(before: &Json, after: &Json, path: &mut Vec<Step>, edits: &mut Vec<Edit>) {
    let edit = |path: &[Step], action| Edit {
        path: path.to_vec(),
        action,
        placeholder: None,
    };
    match (before, after) {
        (Json::Object(old), Json::Object(new)) => {
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                path.push(Step::Key(name.clone()));
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => differ(old, new, path, edits),
                    (Some(_), None) => edits.push(edit(path, Action::Remove)),
                    (None, Some(new)) => added(new, path, edits),
                    (None, None) => {}
                }
                path.pop();
            }
        }
        (Json::Array(old), Json::Array(new)) => elements(old, new, path, edits),
        _ if before == after => {}
        _ => edits.push(edit(path, Action::Set(after.clone()))),
    }
}

/// What is new, value by value: each is judged by its own path.
fn added(value: &Json, path: &mut Vec<Step>, edits: &mut Vec<Edit>) {
    match value {
        Json::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                path.push(Step::Key(name.clone()));
                added(member, path, edits);
                path.pop();
            }
        }
        value => edits.push(Edit {
            path: path.clone(),
            action: Action::Set(value.clone()),
            placeholder: None,
        }),
    }
}

fn elements(old: &[Json], new: &[Json], path: &mut Vec<Step>, edits: &mut Vec<Edit>) {
    // Those that stay, when elements only go.
    let mut rest = new.iter().peekable();
    let gone: Vec<usize> = (0..old.len())
        .filter(|at| rest.next_if(|new| Some(*new) == old.get(*at)).is_none())
        .collect();
    let only_go = rest.peek().is_none() && new.len() < old.len();
    for (at, one) in old.iter().enumerate() {
        path.push(Step::Key(at.to_string()));
        match new.get(at) {
            _ if only_go && !gone.contains(&at) => {}
            Some(other) if !only_go => differ(one, other, path, edits),
            _ => edits.push(Edit {
                path: path.clone(),
                action: Action::Remove,
                placeholder: None,
            }),
        }
        path.pop();
    }
    for (number, element) in (1..).zip(new.iter().skip(old.len())) {
        path.push(Step::New(number));
        added(element, path, edits);
        path.pop();
    }
}

/// What is never done, by whomever it is proposed.
fn bounded(before: &Json, after: &Json, edits: &[Edit]) -> Result<(), Unproven> {
    if edits.len() > MAX_EDITS {
        return Err(Unproven::Dodge(format!("{} fields differ after it", edits.len())));
    }
    for edit in edits {
        let place = change::names(&edit.path).join("/");
        let is_nothing = matches!(&edit.action, Action::Set(value) if value.is_null());
        match bounds::forbidden(before, edit) {
            Some(Forbidden::Identity) => return Err(Unproven::Identity(place)),
            Some(Forbidden::Dodge) => return Err(Unproven::Dodge(place)),
            None if is_nothing => return Err(Unproven::Dodge(place)),
            None => {}
        }
    }
    if bounds::empties(before, edits) {
        return Err(Unproven::Dodge("a list that may not be empty".to_owned()));
    }
    if let Some(name) = lost_part(before, after) {
        return Err(Unproven::Dodge(format!("{name} is gone")));
    }
    Ok(())
}

/// A container, or another named part of the program, that is there no more.
fn lost_part(before: &Json, after: &Json) -> Option<String> {
    match before {
        Json::Object(members) => members.iter().find_map(|(name, old)| {
            let new = after.get(name).unwrap_or(&Json::Null);
            if let Json::Array(parts) = old
                && name.ends_with("ontainers")
            {
                let named = |part: &Json| part.get("name").and_then(Json::as_str).map(str::to_owned);
                let kept: Vec<Option<String>> = new.as_array().into_iter().flatten().map(named).collect();
                let lost = parts.iter().map(named).find(|name| !kept.contains(name));
                return lost
                    .map(Option::unwrap_or_default)
                    .map(|lost| format!("{name} {lost}"))
                    .or_else(|| lost_part(old, new));
            }
            lost_part(old, new)
        }),
        Json::Array(old) => {
            let mut pairs = old.iter().zip(after.as_array().into_iter().flatten());
            pairs.find_map(|(old, new)| lost_part(old, new))
        }
        _ => None,
    }
}

/// The policies of which nothing is left that denied.
fn mended<'v>(before: &'v Verdict, after: &Verdict) -> Vec<Aim<'v>> {
    let still = ids(after.violations().filter(|own| own.action == verdict::Action::Deny));
    let failed: Vec<&str> = after.failures().iter().map(|failure| failure.policy.as_str()).collect();
    let mut aims: Vec<Aim<'v>> = Vec::new();
    for violation in before.violations().filter(|own| own.action == verdict::Action::Deny) {
        if still.contains(&violation.policy) || failed.contains(&violation.policy.as_str()) {
            continue;
        }
        match aims.iter_mut().find(|aim| aim.policy == violation.policy) {
            Some(aim) => aim.violations.push(violation),
            None => aims.push(Aim {
                policy: &violation.policy,
                violations: vec![violation],
                is_whole: true,
            }),
        }
    }
    aims
}

fn ids<'v>(violations: impl Iterator<Item = &'v Violation>) -> Vec<String> {
    let mut ids: Vec<String> = violations.map(|violation| violation.policy.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

mod asked;
#[cfg(test)]
mod tests;
