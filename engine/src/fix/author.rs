//! What the policy's author says: edits, that none helps, and where the search should look.

use serde_json::Value as Json;

use super::change::{self, Action, Edit, Step};
use super::proof::{Aim, Proof};
use crate::finding::Finding;
use crate::policy::proposal::{Known, Part, Pattern, Proposal, Word, at_place, covers, is_near, places};
use crate::schema::{Field, Form, Type};
use crate::verdict::Verdict;

/// All of it, about what one policy found.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) edits: Vec<Edit>,
    /// There is an edit for each finding.
    pub(super) is_whole: bool,
    /// Nothing is to be edited; the reasons, if any are given.
    pub(super) refusal: Option<Vec<String>>,
    pub(super) advice: Advice,
}

/// What the search has to heed.
#[derive(Debug, Clone, Default)]
pub(super) struct Advice {
    prefer: Vec<Vec<Part>>,
    avoid: Vec<Vec<Part>>,
    identity: Option<bool>,
}

impl Advice {
    /// Whether changes at a path are preferred.
    pub(super) fn prefers(&self, path: &[Step]) -> bool {
        let path = change::names(path);
        self.prefer.iter().any(|parts| covers(parts, &path))
    }

    /// Whether an edit must not be made: it is at a place that is avoided, or takes along what stands there.
    pub(super) fn avoids(&self, object: &Json, edit: &Edit) -> bool {
        let path = change::names(&edit.path);
        if path == ["apiVersion"] && self.identity == Some(false) {
            return true;
        }
        let goes = |place: &[String]| {
            let Some(rest) = place
                .get(path.len()..)
                .filter(|_| place.iter().zip(&path).all(|(one, other)| one == other))
            else {
                return false;
            };
            let now = at_place(object, place);
            now.is_some()
                && match &edit.action {
                    Action::Remove => true,
                    Action::Set(value) => at_place(value, rest) != now,
                }
        };
        self.avoid
            .iter()
            .any(|parts| covers(parts, &path) || places(parts, &[], object).iter().any(|place| goes(place)))
    }

    /// Whether an edit may be made because the author allows another version of the kind.
    pub(super) fn allows(&self, edit: &Edit) -> bool {
        self.identity == Some(true) && change::names(&edit.path) == ["apiVersion"] && edit.action != Action::Remove
    }
}

/// What the author of a policy says about its findings.
pub(super) fn said(proof: &Proof<'_>, verdict: &Verdict, aim: &Aim<'_>) -> Said {
    let policy = aim.policy;
    let parameters = proof.parameters(policy);
    let object = proof.before();
    let kind = &proof.review().kind;
    let case = Case {
        object,
        parameters: &parameters,
        kind: Type::of_kind(&kind.group, &kind.version, &kind.kind),
    };
    let mut said = Said {
        is_whole: true,
        ..Said::default()
    };
    let findings = verdict.findings().iter().filter(|finding| aim.has(&finding.violation));
    for (place, finding) in findings.enumerate() {
        let own: Vec<Vec<String>> = finding.violation.found.iter().map(|found| names(&found.path)).collect();
        let template = finding.workload.map_or(&[][..], |workload| workload.template);
        for proposal in finding.fixes.iter() {
            advise(&mut said.advice, proposal, &own, template);
        }
        match case.first(finding, &own, template) {
            None => said.is_whole = false,
            Some(Choice::Refusal(reason)) => {
                let reasons = said.refusal.get_or_insert_default();
                reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
            }
            Some(Choice::Edits(edits)) => {
                for mut edit in edits {
                    number(&mut edit, policy, place);
                    if !said.edits.iter().any(|known| is_same(known, &edit)) {
                        said.edits.push(edit);
                    }
                }
            }
        }
    }
    said.is_whole &= !said.edits.is_empty();
    said
}

/// What one fix of the list comes to.
enum Choice {
    Edits(Vec<Edit>),
    Refusal(Option<String>),
}

struct Case<'c> {
    object: &'c Json,
    parameters: &'c Json,
    kind: Option<Type>,
}

impl Case<'_> {
    /// The first fix that is for a finding's own place, else the first that has a place at all.
    fn first(&self, finding: &Finding, own: &[Vec<String>], template: &[&str]) -> Option<Choice> {
        let near = |proposal: &&Proposal| speaks_of(proposal.target.as_ref(), own, template);
        let of = |proposal: &Proposal| self.choice(proposal, own, template);
        finding.fixes.iter().filter(near).find_map(of).or_else(|| {
            let changes = |proposal: &&Proposal| !matches!(proposal.word, Some(Word::Unfixable(_) | Word::None));
            let far = finding.fixes.iter().filter(|proposal| !near(proposal));
            far.filter(changes).find_map(of)
        })
    }

    fn choice(&self, proposal: &Proposal, own: &[Vec<String>], template: &[&str]) -> Option<Choice> {
        let word = proposal.word.as_ref()?;
        match word {
            Word::Unfixable(reason) => return Some(Choice::Refusal(Some(reason.clone()))),
            Word::None => return Some(Choice::Refusal(None)),
            Word::Set(_) | Word::Add(_) | Word::Remove | Word::RemoveElement => {}
        }
        let mut edits = Vec::new();
        for place in self.targets(proposal.target.as_ref(), own, template) {
            for mut edit in self.edits(word, place)? {
                if matches!(edit.action, Action::Set(_)) {
                    edit.placeholder.clone_from(&proposal.placeholder);
                }
                if !edits.contains(&edit) {
                    edits.push(edit);
                }
            }
        }
        let is_other = edits
            .iter()
            .any(|edit| is_identity(&edit.path, proposal.allow_identity == Some(true)));
        (!edits.is_empty() && !is_other).then_some(Choice::Edits(edits))
    }

    fn targets(&self, target: Option<&Pattern>, own: &[Vec<String>], template: &[&str]) -> Vec<Vec<String>> {
        let Some(target) = target else { return own.to_vec() };
        let mut found: Vec<Vec<String>> = Vec::new();
        let mut add = |path: Option<&[String]>| {
            let parts = target.rooted(path, template).unwrap_or_default();
            for place in places(&parts, path.unwrap_or_default(), self.object) {
                if !place.is_empty() && !found.contains(&place) {
                    found.push(place);
                }
            }
        };
        if own.is_empty() {
            add(None);
        }
        for path in own {
            add(Some(path));
        }
        found
    }

    /// The edits at one place; none when the fix is not for it.
    fn edits(&self, word: &Word, place: Vec<String>) -> Option<Vec<Edit>> {
        let old = at_place(self.object, &place);
        let named = |name: &str| self.object.pointer(name).and_then(Json::as_str);
        let known = Known {
            old,
            parameters: self.parameters,
            name: named("/metadata/name").or_else(|| Some(named("/metadata/generateName")?.trim_end_matches('-'))),
        };
        match word {
            Word::Set(value) => {
                let mut edits = Vec::new();
                differences(&place, old, value.fill(known)?, &mut edits);
                Some(edits)
            }
            Word::Add(value) => self.added(place, old, value.fill(known)?),
            Word::Remove => Some(old.map(|_| edit(keys(&place), Action::Remove)).into_iter().collect()),
            Word::RemoveElement => {
                let element = (1..=place.len()).rev().find_map(|count| {
                    let (list, position) = (place.get(..count - 1)?, place.get(..count)?);
                    at_place(self.object, list)?.as_array()?;
                    at_place(self.object, position)?;
                    Some(position)
                });
                Some(vec![edit(keys(element?), Action::Remove)])
            }
            Word::None | Word::Unfixable(_) => None,
        }
    }

    fn added(&self, mut place: Vec<String>, old: Option<&Json>, value: Json) -> Option<Vec<Edit>> {
        let is_end = place.last().is_some_and(|name| name == "-");
        if is_end {
            place.pop();
        }
        let old = if is_end { at_place(self.object, &place) } else { old };
        let path: Vec<&str> = place.iter().map(String::as_str).collect();
        let form = self.kind.and_then(|kind| kind.at(&path)).map(Field::form);
        let is_list = is_end || matches!(form, Some(Form::List(_)));
        match (old, value) {
            (Some(Json::Array(items)), value) => {
                if items.contains(&value) {
                    return Some(Vec::new());
                }
                let mut path = keys(&place);
                path.push(Step::New(0));
                Some(vec![edit(path, Action::Set(value))])
            }
            (None | Some(Json::Null), value) if is_list => {
                let mut path = keys(&place);
                path.push(Step::New(0));
                Some(vec![edit(path, Action::Set(value))])
            }
            (None | Some(Json::Null), value) => Some(vec![edit(keys(&place), Action::Set(value))]),
            // What is there stays.
            (Some(Json::Object(there)), Json::Object(members)) => {
                let new = members.into_iter().filter(|(name, _)| !there.contains_key(name));
                let at = |name: String| {
                    let mut path = keys(&place);
                    path.push(Step::Key(name));
                    path
                };
                Some(new.map(|(name, value)| edit(at(name), Action::Set(value))).collect())
            }
            (Some(_), _) => None,
        }
    }
}

fn advise(advice: &mut Advice, proposal: &Proposal, own: &[Vec<String>], template: &[&str]) {
    if !speaks_of(proposal.target.as_ref(), own, template) {
        return;
    }
    let add = |patterns: &[Pattern], known: &mut Vec<Vec<Part>>| {
        for pattern in patterns {
            let paths = own.iter().map(|path| Some(path.as_slice())).chain([None]);
            for parts in paths.filter_map(|path| pattern.rooted(path, template)) {
                if !known.contains(&parts) {
                    known.push(parts);
                }
            }
        }
    };
    add(&proposal.prefer, &mut advice.prefer);
    add(&proposal.avoid, &mut advice.avoid);
    // Who forbids it once has said so.
    if let Some(allows) = proposal.allow_identity {
        advice.identity = Some(advice.identity.unwrap_or(true) && allows);
    }
}

/// Whether a fix is for what was found: it has no target, or one that agrees with the path.
fn speaks_of(target: Option<&Pattern>, own: &[Vec<String>], template: &[&str]) -> bool {
    let Some(target) = target else { return true };
    let near = |path: &Vec<String>| {
        target
            .rooted(Some(path), template)
            .is_some_and(|parts| is_near(&parts, path))
    };
    own.is_empty() || own.iter().any(near)
}

/// Where two values differ: of a map that is set over a map, only the members that do.
fn differences(place: &[String], old: Option<&Json>, new: Json, edits: &mut Vec<Edit>) {
    match (old, new) {
        (Some(Json::Object(there)), Json::Object(members)) if !members.is_empty() => {
            for name in there.keys().filter(|name| !members.contains_key(*name)) {
                edits.push(edit(keys(&below(place, name)), Action::Remove));
            }
            for (name, value) in members {
                differences(&below(place, &name), there.get(&name), value, edits);
            }
        }
        (old, new) if old == Some(&new) => {}
        (_, new) => edits.push(edit(keys(place), Action::Set(new))),
    }
}

fn below(place: &[String], name: &str) -> Vec<String> {
    place.iter().cloned().chain([name.to_owned()]).collect()
}

/// Whether it would be another object afterwards. What holds these fields is only changed where it differs.
fn is_identity(path: &[Step], allows: bool) -> bool {
    match change::names(path).as_slice() {
        ["apiVersion"] => !allows,
        ["kind" | "status", ..] | ["metadata"] => true,
        ["metadata", name, ..] => !matches!(*name, "labels" | "annotations" | "finalizers"),
        _ => false,
    }
}

/// Two policies may each append to one list: their new elements are two.
fn number(edit: &mut Edit, policy: &str, place: usize) {
    let of_policy = policy.bytes().fold(0x811c_u32, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193) & 0x7fff
    });
    let own = 0x8000_0000 | (of_policy << 16) | u32::try_from(place & 0xffff).unwrap_or_default();
    for step in &mut edit.path {
        if let Step::New(id) = step {
            *id = own;
        }
    }
}

/// The same, but for the number of a new element.
fn is_same(one: &Edit, other: &Edit) -> bool {
    change::names(&one.path) == change::names(&other.path) && one.action == other.action
}

fn edit(path: Vec<Step>, action: Action) -> Edit {
    Edit {
        path,
        action,
        placeholder: None,
    }
}

fn keys(place: &[String]) -> Vec<Step> {
    place.iter().map(|name| Step::Key(name.clone())).collect()
}

fn names(path: &str) -> Vec<String> {
    let unescaped = |name: &str| name.replace("~1", "/").replace("~0", "~");
    path.split('/').skip(1).map(unescaped).collect()
}

#[cfg(test)]
mod tests;
