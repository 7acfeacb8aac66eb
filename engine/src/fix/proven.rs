//! A change that holds: only here a [`Fix`] is made, and only after all policies were evaluated again.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::change::{self, Action, Edit, Step};
use super::proof::{Aim, Proof, is_same};
use super::{Class, Placeholder, Source, bounds, diff, snippet, widening};
use crate::explain::fill_in;
use crate::explain::wire::{Decision, FixSummary, GroupVersionKind};
use crate::verdict::Violation;

/// A change that was tried and holds, for what it says it mends.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    pub(super) before: Value,
    pub(super) after: Value,
    pub(super) patch: Patch,
    policies: Vec<String>,
    mends: Vec<Violation>,
    complete: bool,
    pub(super) kind: GroupVersionKind,
    source: Source,
    pub(super) placeholders: Vec<Placeholder>,
    removes: bool,
    removed: Vec<String>,
    widening: Vec<String>,
    is_written: bool,
}

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

    /// The same, value by value, with words for what kind of value each is.
    pub fn to_fill_in(&self) -> Vec<Placeholder> {
        fill_in::leaves(&self.kind, &self.before, &self.after, &self.placeholders)
    }

    /// It takes something away that was there.
    pub fn removes(&self) -> bool {
        self.removes
    }

    /// After it more is allowed or reached than before.
    pub fn widens(&self) -> bool {
        !self.widening.is_empty()
    }

    /// The policies of which nothing that counts is left.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// Whether a violation is gone after it.
    pub fn mends(&self, violation: &Violation) -> bool {
        self.mends.iter().any(|mended| is_same(mended, violation))
    }

    /// Every denial is gone after it.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// For the tests of what is shown: nothing was tried.
    #[cfg(test)]
    pub(super) fn untried(kind: GroupVersionKind, before: &Value, after: Value, patch: Patch) -> Self {
        Self {
            before: before.clone(),
            after,
            patch,
            policies: Vec::new(),
            mends: Vec::new(),
            complete: true,
            kind,
            source: Source::Search,
            placeholders: Vec::new(),
            removes: false,
            removed: Vec::new(),
            widening: Vec::new(),
            is_written: false,
        }
    }

    /// The text that it puts at a path.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        let set = self.patch.0.iter().find_map(|operation| match operation {
            PatchOperation::Add(add) if add.path.as_str() == path => Some(&add.value),
            PatchOperation::Replace(replace) if replace.path.as_str() == path => Some(&replace.value),
            _ => None,
        });
        set.and_then(Value::as_str)
    }

    /// What a person fills in at a path.
    pub(super) fn meaning_at(&self, path: &str) -> Option<&str> {
        let mut placeholders = self.placeholders.iter();
        let own = placeholders.find(|placeholder| placeholder.path == path);
        own.map(|placeholder| placeholder.meaning.as_str())
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
            removes: self.removed.clone(),
            widens: self.widening.clone(),
            lifted: String::new(),
            diff: diff::unified(&self.kind.kind, &self.before, &self.after, &self.placeholders).unwrap_or_default(),
            kubectl: String::new(),
        }
    }

    /// The object came from a file: no API server has filled anything in.
    pub(super) fn set_written(&mut self) {
        self.is_written = true;
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
            is_written: self.is_written,
        })
    }
}

/// The fix that these edits are, if they are one for what is aimed at.
pub(super) fn finished(proof: &mut Proof<'_>, edits: &[Edit], aims: &[Aim<'_>], source: Source) -> Option<Fix> {
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
    // What an author says is meant, also where it leaves nothing.
    if source != Source::Author && bounds::empties(proof.before(), edits) {
        return None;
    }
    let verdict = proof.verdict_on(&patched);
    if !proof.holds(&verdict, aims) {
        return None;
    }
    let mut removed = removed(&patch);
    let purposes = edits
        .iter()
        .filter(|edit| bounds::changes_purpose(proof.before(), edit));
    removed.extend(purposes.filter_map(|edit| change::pointer(&edit.path)));
    let whole = aims.iter().filter(|aim| aim.is_whole);
    Some(Fix {
        complete: verdict.decision() == Decision::Allow,
        before: proof.before().clone(),
        after,
        patch,
        policies: whole.map(|aim| aim.policy.to_owned()).collect(),
        mends: aims
            .iter()
            .flat_map(|aim| &aim.violations)
            .map(|&own| own.clone())
            .collect(),
        kind: kind.clone(),
        source,
        placeholders: placeholders(proof.before(), edits),
        removes: bounds::removes(proof.before(), edits),
        removed,
        widening: widening::places(proof.before(), edits),
        is_written: false,
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
        if removed.iter().any(|gone| edit.path.starts_with(gone)) {
            // What is set below what goes is not there.
            continue;
        }
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

/// What a patch takes away.
fn removed(patch: &Patch) -> Vec<String> {
    let removals = patch
        .0
        .iter()
        .filter(|operation| matches!(operation, PatchOperation::Remove(_)));
    removals.map(|operation| path_of(operation).to_owned()).collect()
}

/// The path of an operation.
pub(crate) fn path_of(operation: &PatchOperation) -> &str {
    operation.path().as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn nobody_fills_in_what_is_removed() {
        let before = json!({"volumes": [{"image": {"reference": "a"}}, {"image": {"reference": "b"}}]});
        let filled = |path: &str| Edit {
            path: change::steps(path),
            action: Action::Set(json!("change-me")),
            placeholder: Some("the image that is meant".to_owned()),
        };
        let gone = Edit {
            path: change::steps("/volumes/0"),
            action: Action::Remove,
            placeholder: None,
        };
        let edits = [
            filled("/volumes/0/image/reference"),
            filled("/volumes/1/image/reference"),
            gone,
        ];
        let paths: Vec<String> = placeholders(&before, &edits)
            .into_iter()
            .map(|open| open.path)
            .collect();
        assert_eq!(paths, ["/volumes/0/image/reference"]);
    }
}
