//! What a change costs: how far it is from what the policy says, points at and names.

use serde_json::Value as Json;

use super::bounds::{self, Forbidden};
use super::change::{self, Action, Edit, Step};
use super::places::{steps, whole_volumes};
use super::search::Search;
use super::texts::{FILL_IN, Image};
use super::values::{self, Candidate, Spot};
use super::words::{asked_for, is_asked_for, says_number, words_of};
use crate::rego::value::Value;
use crate::rego::why::{Source, Test, Want};
use crate::schema::Field;

/// To change what the policy did not point at.
const ELSEWHERE: u32 = 40;

/// By how much what the author prefers is cheaper.
const PREFERRED: u32 = 8;

impl Search<'_, '_> {
    /// The cheapest change for one want alone.
    pub(super) fn price(&mut self, object: &Json, want: &Want) -> Option<u32> {
        if let Test::Named(_) = want.test {
            return Some(14);
        }
        let whole = whole_volumes(vec![want.clone()]);
        let want = whole.first()?;
        let path = steps(&want.place);
        if path.last().is_some_and(|step| matches!(step, Step::New(_))) && want.wanted && want.test == Test::Defined {
            // What the new element is follows from the other wants.
            return Some(8);
        }
        let cheapest = self.of(object, &path, &[want]).first().map(|candidate| candidate.cost);
        let is_presence = want.wanted && matches!(want.test, Test::Defined | Test::True);
        // A structure is there once something in it is, and the other wants may say what.
        cheapest.or(is_presence.then_some(6))
    }

    /// What can be done at a path, without what is never done.
    pub(super) fn of(&mut self, object: &Json, path: &[Step], wants: &[&Want]) -> Vec<Candidate> {
        let now = change::pointer(path).and_then(|pointer| object.pointer(&pointer));
        let spot = Spot {
            object,
            path,
            now,
            field: self.field(path),
            options: self
                .options
                .iter()
                .find(|(known, _)| known == path)
                .map_or(1, |(_, values)| values.len()),
            is_part: false,
        };
        let is_kept = wants.iter().all(|want| want.source == Source::Old);
        if is_kept && !self.kept.iter().any(|known| known == path) {
            self.kept.push(path.to_vec());
        }
        let mut found = values::candidates(&spot, wants, &mut self.host);
        let mut identity = false;
        let (mut is_frozen, mut is_hidden) = (false, false);
        found.retain(|candidate| {
            let edit = edit(path, candidate);
            let why = bounds::forbidden(object, &edit).filter(|_| !self.advice.allows(&edit));
            identity |= why == Some(Forbidden::Identity);
            // What comes from the policy is no secret; what is made from the field's own value may be.
            let is_derived = match (&candidate.action, now) {
                (Action::Set(value), Some(now)) => is_made_from(value, now),
                _ => false,
            };
            let may_change = self.proof.may_change(&change::names(path));
            is_frozen |= !may_change;
            let hides = is_derived && self.proof.hides(&edit);
            is_hidden |= hides;
            why.is_none() && !self.advice.avoids(object, &edit) && may_change && !hides
        });
        if is_hidden {
            // Another value is meant, that is not shown: to remove it is not.
            found.retain(|candidate| candidate.action != Action::Remove);
        }
        self.nothing.frozen |= is_frozen;
        self.nothing.hidden |= is_hidden;
        self.nothing.identity |= identity;
        self.add_words(object, path, wants, &mut found);
        let mut distance = self.distance(path);
        if self.open.iter().any(|open| open == path) {
            // What was only an example is changed before anything else.
            distance = 0;
            for candidate in &mut found {
                candidate.cost = candidate.cost.saturating_sub(26);
            }
        }
        for candidate in &mut found {
            let (more, less) = self.words(path, candidate, now);
            candidate.cost = (candidate.cost + distance + more).saturating_sub(less);
            if self.advice.prefers(path) {
                candidate.cost /= PREFERRED;
            }
        }
        found.sort_by_key(|candidate| candidate.cost);
        found
    }

    /// Values that the policy's words ask for, where nothing better is known; and images of another registry that they do not name.
    pub(super) fn add_words(&mut self, object: &Json, path: &[Step], wants: &[&Want], found: &mut Vec<Candidate>) {
        let now = change::pointer(path).and_then(|pointer| object.pointer(&pointer));
        let is_example = |candidate: &Candidate| match &candidate.action {
            Action::Set(Json::String(text)) => text == FILL_IN,
            _ => false,
        };
        let is_plain = now.is_none_or(Json::is_string);
        if is_plain && found.iter().all(is_example) && !found.is_empty() {
            for text in asked_for(&self.words, &change::names(path), self.is_reported(path)) {
                let value = Value::string(&text);
                let holds = wants.iter().all(|want| {
                    let holds = want.test.holds(&value, &mut self.host);
                    holds.is_none_or(|holds| holds == want.wanted)
                });
                if holds && now.and_then(Json::as_str) != Some(text.as_str()) {
                    found.push(Candidate {
                        action: Action::Set(Json::String(text)),
                        cost: 16,
                        placeholder: None,
                    });
                }
            }
        }
        for candidate in found.iter_mut() {
            let (Action::Set(Json::String(text)), Some(now)) = (&candidate.action, now.and_then(Json::as_str)) else {
                continue;
            };
            let is_image = path.last() == Some(&Step::Key("image".to_owned()));
            let moved = is_image && Image::parse(text).registry != Image::parse(now).registry;
            if moved && candidate.placeholder.is_none() && !self.said.contains(&text.to_lowercase()) {
                candidate.placeholder = Some("the image where the policy wants it to be pulled from".to_owned());
            }
        }
    }

    /// What the policy's own words speak against, a field that they do not name, and what they speak for, a value that they do.
    pub(super) fn words(&self, path: &[Step], candidate: &Candidate, now: Option<&Json>) -> (u32, u32) {
        let path = change::names(path);
        let is_position = |name: &&str| name.parse::<usize>().is_err() && *name != "-";
        let last = path.iter().rev().copied().find(is_position).unwrap_or_default();
        let says = |text: &str| !text.is_empty() && self.said.contains(&text.to_lowercase());
        let words = words_of(last);
        let is_named = says(last) || (!words.is_empty() && words.iter().all(|word| says(word)));
        let mut more = if is_named { 0 } else { 8 };
        let mut less = 0;
        if let Action::Set(value) = &candidate.action {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if text.len() > 2 && value.is_string() && candidate.placeholder.is_none() {
                if is_asked_for(&self.said, &text.to_lowercase()) {
                    less += 40;
                } else if !says(&text) {
                    more += 3;
                }
            }
            // Fewer replicas so that a rule does not apply.
            let number = |value: &Json| value.as_i64();
            let is_said = number(value).is_some_and(|number| says_number(&self.said, &number.to_string()));
            if last == "replicas" && now.and_then(number) > number(value) && !is_said {
                more += 150;
            }
            if path.contains(&"annotations") && is_named {
                less += 35;
            }
        } else if last == "replicas" {
            more += 150;
        }
        (more, less)
    }

    /// How far a field is from what the policy reported: the field itself, one around it, one of the same name, another.
    pub(super) fn distance(&self, path: &[Step]) -> u32 {
        let is_part = |reported: &Vec<Step>| reported.starts_with(path) || path.starts_with(reported);
        let is_namesake = |reported: &Vec<Step>| reported.last() == path.last();
        if self.reported.is_empty() || self.reported.iter().any(is_part) {
            0
        } else if self.reported.iter().any(is_namesake) {
            6
        } else {
            ELSEWHERE
        }
    }

    /// Whether a violation points at this very field.
    pub(super) fn is_reported(&self, path: &[Step]) -> bool {
        self.reported.iter().any(|reported| reported == path)
    }

    pub(super) fn field(&self, path: &[Step]) -> Option<Field> {
        self.kind?.at(&change::names(path))
    }
}

pub(super) fn edit(path: &[Step], candidate: &Candidate) -> Edit {
    Edit {
        path: path.to_vec(),
        action: candidate.action.clone(),
        placeholder: candidate.placeholder.clone(),
    }
}

/// Whether a new value holds some of the old one, or is what is left of it.
fn is_made_from(value: &Json, now: &Json) -> bool {
    match (value, now) {
        (Json::String(value), Json::String(now)) => {
            let (value, now) = (value.to_lowercase(), now.to_lowercase());
            let mut words = now.split(|character: char| !character.is_alphanumeric());
            words.any(|word| word.len() > 3 && value.contains(word)) || is_left(&value, &now)
        }
        _ => false,
    }
}

/// Whether the letters of a text are letters of another one, in its order.
fn is_left(value: &str, now: &str) -> bool {
    let mut letters = value.chars().filter(|character| character.is_alphanumeric()).peekable();
    let mut rest = now.chars();
    letters.peek().is_some() && value.len() > 1 && letters.all(|letter| rest.any(|other| other == letter))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_is_left_of_a_value_is_made_from_it() {
        let now = json!("S3cr3t-CM");
        for made in ["scrt", "s3cr3t-cm.0", "x-S3CR3T", "SCRTCM"] {
            assert!(is_made_from(&json!(made), &now), "{made}");
        }
        for other in ["change-me", "info", "", "trs"] {
            assert!(!is_made_from(&json!(other), &now), "{other}");
        }
    }
}
