//! Changes after which the policies pass.
//!
//! ```text
//! verdict -> rego::why (what would have to be otherwise) -> ways (which wants together) -> values (how) -> search (in order of
//!   cost) -> proof (all policies again, on the changed object) -> Fix
//! ```
//!
//! A [`Fix`] is made by [`remedies`] alone: all policies were evaluated again on the changed object, in the same context; those
//! that it is for object no more, none objects that did not before, nothing outside of the change moved, and the object is a
//! valid one of its kind as far as it was before.

mod author;
mod bounds;
mod change;
mod couple;
mod diff;
pub mod kubectl;
mod places;
mod prices;
mod proof;
mod search;
mod sensitivity;
pub mod snippet;
mod texts;
mod values;
mod ways;
mod words;

use std::collections::BTreeMap;

use json_patch::{Patch, PatchOperation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::author::Said;
use self::change::{Action, Edit, Step};
use self::proof::Proof;
use self::search::{Nothing, Search};
use crate::admission::{Operation, Review};
use crate::eval::PolicySet;
use crate::explain::wire::{Decision, FixSummary, GroupVersionKind};
use crate::verdict::{self, FailureKind, Verdict};

/// A change that was tried and holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    before: Value,
    after: Value,
    patch: Patch,
    policies: Vec<String>,
    complete: bool,
    kind: GroupVersionKind,
    source: Source,
    placeholders: Vec<Placeholder>,
    removes: bool,
    widens: bool,
    widening: Vec<String>,
}

/// Whether a fix can be applied as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// As it stands.
    #[default]
    Fix,
    /// The shape is right; a person fills in what only a person knows.
    Placeholder,
}

/// Who proposed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The policy's author.
    #[default]
    Author,
    /// The search.
    Search,
    /// A model.
    Model,
}

/// A value that a person has to fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    /// Where it stands in the changed object: a JSON pointer.
    pub path: String,
    /// What belongs there.
    pub meaning: String,
}

/// What can be done about a policy's objections.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// A change of the object.
    Fix(Box<Fix>),
    /// No change of this object helps; why, and what does.
    Unfixable(String),
    /// None was found.
    Unknown,
}

/// What can be done about a denied object.
#[derive(Debug, Clone, Default)]
pub struct Remedies {
    /// The change that is for as many policies as one change can be.
    pub whole: Option<Fix>,
    /// By policy.
    pub policies: BTreeMap<String, Remedy>,
    /// How often all policies were evaluated to find them.
    pub evaluations: usize,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Also what can be done about warnings and what is only recorded.
    pub warnings: bool,
    /// What policies' authors propose comes first.
    pub authors: bool,
}

impl Effort {
    /// While somebody waits: what denies alone.
    pub const ADMISSION: Self = Self {
        warnings: false,
        authors: true,
    };
    /// Everything.
    pub const ALL: Self = Self {
        warnings: true,
        authors: true,
    };
}

/// How many policies without a change of their own are tried again beside those of others.
const MAX_LEFT: usize = 3;

/// How often the policy set is evaluated for one review.
const MAX_EVALUATIONS: usize = 240;

impl Fix {
    /// The changed object.
    pub fn after(&self) -> &Value {
        &self.after
    }

    /// The change as an RFC 6902 patch.
    pub fn patch(&self) -> &Patch {
        &self.patch
    }

    /// Whether it can be applied as it stands.
    pub fn class(&self) -> Class {
        if self.placeholders.is_empty() {
            Class::Fix
        } else {
            Class::Placeholder
        }
    }

    /// Who proposed it.
    pub fn source(&self) -> Source {
        self.source
    }

    /// What a person has to fill in.
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// It takes something away that was there.
    pub fn removes(&self) -> bool {
        self.removes
    }

    /// After it more is allowed or reached than before.
    pub fn widens(&self) -> bool {
        self.widens
    }

    /// Every denial is gone after it.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// For the wire.
    pub fn summary(&self) -> FixSummary {
        FixSummary {
            patch: serde_json::to_value(&self.patch).unwrap_or_default(),
            snippet: self.snippet(""),
            policies: self.policies.clone(),
            complete: self.complete,
            class: self.class(),
            source: self.source,
            placeholders: self.placeholders.clone(),
            removes: removed(&self.patch),
            widens: self.widening.clone(),
            lifted: String::new(),
            diff: diff::unified(&self.kind.kind, &self.before, &self.after, &self.placeholders).unwrap_or_default(),
            kubectl: String::new(),
        }
    }

    /// The change as a piece of YAML, with this pointer before each of its paths.
    pub fn snippet(&self, under: &str) -> String {
        snippet::render(&snippet::Change {
            kind: &self.kind,
            before: &self.before,
            after: &self.after,
            patch: &self.patch,
            placeholders: &self.placeholders,
            under,
        })
    }
}

/// Looks for the change after which as much as possible of a denied object passes.
pub fn prove(set: &PolicySet, review: &Review, verdict: &Verdict) -> Option<Fix> {
    remedies(set, review, verdict, Effort::ADMISSION).whole
}

/// Looks for what can be done about each policy that objects.
pub fn remedies(set: &PolicySet, review: &Review, verdict: &Verdict, effort: Effort) -> Remedies {
    let mut remedies = Remedies::default();
    if !effort.warnings && verdict.decision() != Decision::Deny {
        return remedies;
    }
    let mut objecting: Vec<&str> = Vec::new();
    for violation in verdict.violations() {
        let counts = effort.warnings || violation.action == verdict::Action::Deny;
        if counts && !objecting.contains(&violation.policy.as_str()) {
            objecting.push(&violation.policy);
        }
    }
    let before = review.request.get("object").unwrap_or_default();
    if !matches!(review.operation, Operation::Create | Operation::Update) || before.is_null() {
        let reason = format!(
            "The operation itself is refused: a {} changes nothing that could be edited.",
            review.operation.as_str()
        );
        for policy in objecting {
            remedies
                .policies
                .insert(policy.to_owned(), Remedy::Unfixable(reason.clone()));
        }
        return remedies;
    }
    // What reached a limit once would only take as long again.
    let is_slow = verdict
        .failures()
        .iter()
        .any(|failure| failure.kind == FailureKind::Limit);
    if is_slow {
        return remedies;
    }
    let mut proof = Proof::new(set, review, verdict, before.to_json());
    let mut made: Vec<Made> = Vec::new();
    let mut left: Vec<&str> = Vec::new();
    for policy in &objecting {
        if proof.evaluations() >= MAX_EVALUATIONS {
            break;
        }
        if effort.authors
            && let Some(reasons) = author::said(&proof, verdict, policy).refusal
        {
            let remedy = match reasons.as_slice() {
                [] => Remedy::Unknown,
                reasons => Remedy::Unfixable(reasons.join(" ")),
            };
            remedies.policies.insert((*policy).to_owned(), remedy);
            continue;
        }
        let remedy = match of_policy(&mut proof, verdict, policy, &[], effort) {
            Ok((edits, source)) => {
                let fix = finished(&mut proof, &edits, &[policy], source);
                let edits = numbered(edits, made.len());
                made.push(((*policy).to_owned(), edits, source));
                fix.map_or(Remedy::Unknown, |fix| Remedy::Fix(Box::new(fix)))
            }
            Err(nothing) => {
                // Nothing that it needs was valid as the object is: another policy's change may make it so.
                if !nothing.tried && nothing.blame.is_none() && left.len() < MAX_LEFT {
                    left.push(*policy);
                }
                reason(nothing, review).map_or(Remedy::Unknown, Remedy::Unfixable)
            }
        };
        remedies.policies.insert((*policy).to_owned(), remedy);
    }
    remedies.whole = together(&mut proof, verdict, &made, &left, effort);
    remedies.evaluations = proof.evaluations();
    remedies
}

/// The edits for one policy, and who proposed them.
type Made = (String, Vec<Edit>, Source);

/// The edits for one policy: its author's, else those that the search finds.
fn of_policy(
    proof: &mut Proof<'_>,
    verdict: &Verdict,
    policy: &str,
    made: &[Edit],
    effort: Effort,
) -> Result<(Vec<Edit>, Source), Nothing> {
    let mut said = Said::default();
    if effort.authors {
        said = author::said(proof, verdict, policy);
    }
    let mut all = made.to_vec();
    all.append(&mut said.edits);
    let after = change::apply(proof.before(), &all);
    if let Some((after, operations)) = after
        && all.len() > made.len()
        && !operations.is_empty()
        && all
            .iter()
            .all(|edit| proof.may_change(&change::names(&edit.path)) && !proof.hides(edit))
        && crate::schema::new_problems(&proof.review().kind, proof.before(), &after).is_empty()
    {
        let trial = proof.trial(&after, policy);
        if trial.holds && said.is_whole {
            return Ok((all, Source::Author));
        }
        // What is left is searched on top of what the author proposes.
        if let Ok(found) = Search::new(proof, policy).advised(said.advice.clone()).run(&all) {
            return Ok((found.edits, Source::Search));
        }
    }
    let found = Search::new(proof, policy).advised(said.advice).run(made)?;
    Ok((found.edits, Source::Search))
}

/// One change for all policies that have one; where they do not fit together, one after the other. Then those that have none
/// alone, since a change for another may be what theirs needs: a privileged container cannot refuse more rights.
fn together(proof: &mut Proof<'_>, verdict: &Verdict, made: &[Made], left: &[&str], effort: Effort) -> Option<Fix> {
    let by_authors = made.iter().all(|(_, _, source)| *source == Source::Author);
    let source = if by_authors { Source::Author } else { Source::Search };
    let mut edits: Vec<Edit> = Vec::new();
    for edit in made.iter().flat_map(|(_, edits, _)| edits) {
        if !edits.contains(edit) {
            edits.push(edit.clone());
        }
    }
    let policies: Vec<&str> = made.iter().map(|(policy, _, _)| policy.as_str()).collect();
    if policies.is_empty() {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut best = finished(proof, &edits, &policies, source);
    // Together they do not hold: one after the other, each with those before it in place.
    let apart = if best.is_some() { &[] } else { made };
    if best.is_some() {
        kept = policies;
    } else {
        edits = Vec::new();
    }
    for (policy, own, source) in apart {
        if proof.evaluations() >= MAX_EVALUATIONS {
            break;
        }
        let mut all = edits.clone();
        all.extend(own.iter().filter(|edit| !edits.contains(edit)).cloned());
        kept.push(policy);
        if let Some(fix) = finished(proof, &all, &kept, *source) {
            (best, edits) = (Some(fix), all);
            continue;
        }
        let again = of_policy(proof, verdict, policy, &edits, effort).ok();
        match again.and_then(|(all, source)| Some((finished(proof, &all, &kept, source)?, all))) {
            Some((fix, all)) => (best, edits) = (Some(fix), all),
            None => {
                kept.pop();
            }
        }
    }
    for &policy in left {
        if best.is_none() || proof.evaluations() >= MAX_EVALUATIONS {
            break;
        }
        let Ok((all, found)) = of_policy(proof, verdict, policy, &edits, effort) else {
            continue;
        };
        kept.push(policy);
        let source = if found == source { source } else { Source::Search };
        match finished(proof, &all, &kept, source) {
            Some(fix) => (best, edits) = (Some(fix), all),
            None => {
                kept.pop();
            }
        }
    }
    best
}

/// Edits whose new elements are told from those of other policies.
fn numbered(mut edits: Vec<Edit>, place: usize) -> Vec<Edit> {
    let offset = u32::try_from(place).unwrap_or(0).saturating_mul(100_000);
    for step in edits.iter_mut().flat_map(|edit| &mut edit.path) {
        if let Step::New(id) = step {
            *id = id.saturating_add(offset);
        }
    }
    edits
}

/// The fix that these edits are, if they are one for these policies.
fn finished(proof: &mut Proof<'_>, edits: &[Edit], policies: &[&str], source: Source) -> Option<Fix> {
    let (after, operations) = change::apply(proof.before(), edits)?;
    if operations.is_empty() {
        return None;
    }
    // What is shown is what was tried: the operations, applied to the object as it came.
    let patch = Patch(operations);
    let mut patched = proof.before().clone();
    json_patch::patch(&mut patched, &patch).ok()?;
    let kind = &proof.review().kind;
    if patched != after || !crate::schema::new_problems(kind, proof.before(), &after).is_empty() {
        return None;
    }
    let verdict = proof.verdict_on(&patched);
    if !proof.holds(&verdict, policies) {
        return None;
    }
    Some(Fix {
        complete: verdict.decision() == Decision::Allow,
        before: proof.before().clone(),
        after,
        patch,
        policies: policies.iter().map(|&policy| policy.to_owned()).collect(),
        kind: kind.clone(),
        source,
        placeholders: placeholders(proof.before(), edits),
        removes: bounds::removes(edits),
        widens: bounds::widens(proof.before(), edits),
        widening: widening(proof.before(), edits),
    })
}

fn placeholders(before: &Value, edits: &[Edit]) -> Vec<Placeholder> {
    let mut found: Vec<Placeholder> = Vec::new();
    let mut added: Vec<(Vec<Step>, u32)> = Vec::new();
    let removed: Vec<&[Step]> = edits
        .iter()
        .filter(|edit| edit.action == Action::Remove)
        .map(|edit| edit.path.as_slice())
        .collect();
    // How many elements before this place of a list go with the change.
    let gone = |list: &[Step], place: usize| {
        let positions = removed.iter().filter_map(|path| match path.split_last() {
            Some((Step::Key(key), above)) if above == list => key.parse::<usize>().ok(),
            _ => None,
        });
        positions.filter(|position| *position < place).count()
    };
    for edit in edits {
        let mut path = Vec::new();
        for (at, step) in edit.path.iter().enumerate() {
            let list = edit.path.get(..at).unwrap_or_default();
            let there = change::pointer(list)
                .and_then(|list| before.pointer(&list))
                .and_then(Value::as_array);
            match step {
                Step::Key(key) => match key.parse::<usize>() {
                    Ok(place) if there.is_some() => path.push(Step::Key((place - gone(list, place)).to_string())),
                    _ => path.push(step.clone()),
                },
                Step::New(id) => {
                    let length = there.map_or(0, Vec::len);
                    let own = (list.to_vec(), *id);
                    let earlier = added.iter().filter(|(other, _)| other == list);
                    let place = earlier
                        .clone()
                        .position(|other| *other == own)
                        .unwrap_or_else(|| earlier.count());
                    if !added.contains(&own) {
                        added.push(own);
                    }
                    path.push(Step::Key((length - gone(list, length) + place).to_string()));
                }
            }
        }
        if let (Some(meaning), Action::Set(_), Some(path)) = (&edit.placeholder, &edit.action, change::pointer(&path))
            && !found.iter().any(|known| known.path == path)
        {
            found.push(Placeholder {
                path,
                meaning: meaning.clone(),
            });
        }
    }
    found
}

/// Why no edit helps, when that is known.
fn reason(nothing: Nothing, review: &Review) -> Option<String> {
    if let Some(blame) = nothing.blame {
        if blame.old() {
            return Some(
                "The field cannot be changed on an object that exists. Keep the old value, or make a new object."
                    .to_owned(),
            );
        }
        if blame.inventory() {
            return Some(
                "Another object of the cluster decides here: no value in this object makes it right by itself."
                    .to_owned(),
            );
        }
        if blame.request() {
            return Some(format!(
                "The request itself is refused, not a field: the operation ({}), who asks, or the namespace decides.",
                review.operation.as_str()
            ));
        }
        if blame.parameter() {
            return Some(
                "The policy's parameters leave no value that it accepts; whoever keeps the policy has to mend them."
                    .to_owned(),
            );
        }
    }
    // Where changes could be tried, something else stands in the way than what the object is.
    let said = match nothing {
        Nothing { tried: true, .. } => return None,
        Nothing { frozen: true, .. } => {
            "This cannot be changed on an object that exists: make a new one with the change."
        }
        Nothing { hidden: true, .. } => {
            "The value may be a secret, so no change of it is shown. The rule says what it has to be."
        }
        Nothing { identity: true, .. } => {
            "Only another object would pass: its name, namespace or kind decides, and these cannot be edited."
        }
        Nothing { .. } => return None,
    };
    Some(said.to_owned())
}

/// What a patch takes away.
fn removed(patch: &Patch) -> Vec<String> {
    let removals = patch
        .0
        .iter()
        .filter(|operation| matches!(operation, PatchOperation::Remove(_)));
    removals.map(|operation| path_of(operation).to_owned()).collect()
}

/// Where more is allowed after the edits; for what is new, the list that it is added to.
fn widening(before: &Value, edits: &[Edit]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for edit in edits {
        let steps = edit.path.split(|step| matches!(step, Step::New(_))).next();
        if let Some(path) = change::pointer(steps.unwrap_or_default())
            && bounds::widens(before, std::slice::from_ref(edit))
            && !found.contains(&path)
        {
            found.push(path);
        }
    }
    found
}

/// The path of an operation.
pub(crate) fn path_of(operation: &PatchOperation) -> &str {
    operation.path().as_str()
}
