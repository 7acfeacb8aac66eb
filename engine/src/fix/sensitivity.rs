//! Which fields a violation depends on, found out by trying: for policies whose own reasons cannot be followed.
//!
//! The policy alone is asked again and again about objects that differ in one field: one that it reads, near what its message
//! names or its violation points to. What makes a violation go away becomes a want, as if the policy had said it; prices, bounds
//! and the proof are the same for it.

use serde_json::{Value as Json, json};

use super::change::{self, Action, Edit, Step};
use super::places::steps;
use super::search::Search;
use super::texts::FILL_IN;
use super::words::{asked_for, says_number, words_of};
use crate::document::Document;
use crate::rego::value::Value;
use crate::rego::why::{Blame, Goal, Place, Seg, Source, Test, Want};
use crate::schema::{Field, Form};

/// How often the policy is asked.
const MAX_PROBES: usize = 40;

/// How many fields are probed.
const MAX_PLACES: usize = 12;

/// How many values are tried in one of them.
const MAX_VALUES: usize = 6;

/// How far such a want is from what a policy says by itself.
const GUESSED: u32 = 1;

/// A field that is probed.
struct Probed {
    path: Vec<Step>,
    now: Option<Json>,
    far: u32,
}

/// What came of a probe: which violations are gone.
struct Effect {
    path: Vec<Step>,
    action: Action,
    gone: Vec<usize>,
}

impl Search<'_, '_> {
    /// What would help with an object, found out by trying; nothing when a reason is known why nothing does.
    pub(super) fn sensed(&mut self, object: &Json) -> Option<Goal> {
        let known = self.nothing;
        let is_decided = known
            .blame
            .is_some_and(|blame| blame != Blame::default() && !blame.is_unknown());
        if is_decided || known.identity || known.frozen || known.hidden {
            return None;
        }
        let review = self.proof.review().with_object(Document::from(object.clone()));
        let before = self.proof.set().said_alone(&review, self.aim.policy)?;
        let effects = self.effects(object, &before);
        let mut goals = Vec::new();
        let aimed = |message: &String| self.aim.violations.iter().any(|own| own.message == *message);
        for (violation, _) in before.iter().enumerate().filter(|(_, message)| aimed(message)) {
            let helping = effects.iter().filter(|effect| effect.gone.contains(&violation));
            goals.push(Self::any_of(helping)?);
        }
        (!goals.is_empty()).then_some(Goal::All(goals))
    }

    /// The probes that make some violation go away, and bring none.
    fn effects(&mut self, object: &Json, before: &[String]) -> Vec<Effect> {
        let mut effects: Vec<Effect> = Vec::new();
        let mut left = MAX_PROBES;
        let (places, values) = self.probed(object);
        for place in places {
            for action in self.actions(&place, &values) {
                if left == 0 {
                    return effects;
                }
                let edit = Edit {
                    path: place.path.clone(),
                    action,
                    placeholder: None,
                };
                let Some((after, _)) = change::apply(object, std::slice::from_ref(&edit)) else {
                    continue;
                };
                left -= 1;
                let review = self.proof.review().with_object(Document::from(after));
                let Some(said) = self.proof.set().said_alone(&review, self.aim.policy) else {
                    continue;
                };
                let gone: Vec<usize> = (0..before.len())
                    .filter(|at| before.get(*at).is_some_and(|message| !said.contains(message)))
                    .collect();
                if !gone.is_empty() && said.iter().all(|message| before.contains(message)) {
                    effects.push(Effect {
                        path: edit.path,
                        action: edit.action,
                        gone,
                    });
                }
            }
        }
        effects
    }

    /// One want for each field: the values that helped, in the order in which they were tried.
    fn any_of<'e>(effects: impl Iterator<Item = &'e Effect>) -> Option<Goal> {
        let mut goals: Vec<(&[Step], Vec<Value>, bool)> = Vec::new();
        for effect in effects {
            let known = goals.iter_mut().find(|(path, _, _)| *path == effect.path);
            let value = match &effect.action {
                Action::Set(value) => Some(Value::from(value)),
                Action::Remove => None,
            };
            match (known, value) {
                (Some((_, values, _)), Some(value)) => values.push(value),
                (Some((_, _, removed)), None) => *removed = true,
                (None, value) => goals.push((&effect.path, value.clone().into_iter().collect(), value.is_none())),
            }
        }
        let mut wants = Vec::new();
        for (path, values, removed) in goals {
            let want = |test: Test, wanted: bool, detour: u32| {
                Goal::Want(Want {
                    place: place_of(path),
                    test,
                    wanted,
                    source: Source::Rule,
                    detour,
                })
            };
            // What stands in the place of anything is not one of several.
            let is_example = values == [Value::string(FILL_IN)];
            if !values.is_empty() {
                wants.push(want(
                    Test::Try(values),
                    true,
                    if is_example { 2 * GUESSED } else { GUESSED },
                ));
            }
            if removed {
                wants.push(want(Test::Defined, false, GUESSED));
            }
        }
        (!wants.is_empty()).then_some(Goal::Any(wants))
    }

    /// The fields to probe, the nearest to the violation first, and the values that the policy knows.
    fn probed(&mut self, object: &Json) -> (Vec<Probed>, Vec<Value>) {
        let review = self.proof.review().with_object(Document::from(object.clone()));
        let mut places: Vec<Probed> = Vec::new();
        let mut values = Vec::new();
        for (workload, reads) in self.proof.set().reads(&review, self.aim.policy, &mut self.host) {
            if reads.is_about_others {
                // What passes then may only be about another object, or somebody else.
                return (Vec::new(), Vec::new());
            }
            let template = workload.map_or(&[][..], |workload| workload.template);
            for place in &reads.places {
                let mut path: Vec<Step> = template.iter().map(|name| Step::Key((*name).to_owned())).collect();
                path.extend(steps(place));
                let now = change::pointer(&path)
                    .and_then(|pointer| object.pointer(&pointer))
                    .cloned();
                if places.iter().any(|known| known.path == path) {
                    continue;
                }
                if let Some(far) = self.farness(&path, now.as_ref()) {
                    places.push(Probed { path, now, far });
                }
            }
            values.extend(reads.values);
        }
        // Stable: among equals, in the order of their names.
        places.sort_by_key(|place| place.far);
        places.truncate(MAX_PLACES);
        (places, values)
    }

    /// How far a field is from what the violation names; none when it names neither it, nor its value, nor its place.
    fn farness(&self, path: &[Step], now: Option<&Json>) -> Option<u32> {
        let names = change::names(path);
        let last = names.last().copied().unwrap_or_default();
        if names.first() == Some(&"metadata") && !matches!(names.get(1), Some(&"labels" | &"annotations")) {
            return None;
        }
        let mut far = 0;
        let is_reported = self
            .reported
            .iter()
            .any(|reported| path.starts_with(reported) || reported.starts_with(path));
        if !self.reported.is_empty() {
            if !is_reported {
                return None;
            }
            far += if self.reported.iter().any(|reported| reported == path) {
                0
            } else {
                4
            };
        }
        let says = |text: &str| text.len() > 1 && self.said.contains(&text.to_lowercase());
        let words = words_of(last);
        let is_named = says(last) || (!words.is_empty() && words.iter().all(|word| self.said.contains(word)));
        let is_shown = match now {
            Some(Json::String(text)) => text.len() > 2 && says(text),
            Some(Json::Number(number)) => says_number(&self.said, &number.to_string()),
            _ => false,
        };
        // Names say where something is, and seldom what is wrong.
        let is_name = matches!(last, "name" | "namespace" | "kind" | "apiVersion");
        match (is_named, is_shown) {
            _ if is_name => None,
            (true, true) => Some(far),
            (true, false) | (false, true) => Some(far + 2),
            (false, false) => is_reported.then_some(far + 4),
        }
    }

    /// What is tried in a field, the likeliest first; to take it away comes last.
    fn actions(&self, place: &Probed, values: &[Value]) -> Vec<Action> {
        let field = self.field(&place.path);
        let form = field.map(Field::form);
        let mut found: Vec<Json> = Vec::new();
        match (&place.now, form) {
            (Some(Json::Bool(flag)), _) => found.push(json!(!flag)),
            (None, Some(Form::Boolean)) => found.extend([json!(true), json!(false)]),
            (Some(Json::Number(number)), _) => found.extend(self.numbers(number.as_i64(), values)),
            (Some(Json::String(_)), _) | (None, Some(Form::String | Form::Any) | None) => {
                found.extend(self.texts(place, field, values));
            }
            _ => {}
        }
        let mut distinct: Vec<Json> = Vec::new();
        for value in found {
            if place.now.as_ref() != Some(&value) && !distinct.contains(&value) && distinct.len() < MAX_VALUES {
                distinct.push(value);
            }
        }
        let mut actions: Vec<Action> = distinct.into_iter().map(Action::Set).collect();
        // Where something is asked of a field, to take it away is no answer.
        if place.now.is_some() && self.refuses() {
            actions.push(Action::Remove);
        }
        actions
    }

    /// Whether the message speaks against something that is there.
    fn refuses(&self) -> bool {
        [
            "not allowed",
            "must not",
            "may not",
            "should not",
            "cannot",
            "can't",
            "forbidden",
            "remove",
            "prohibit",
            "disallow",
            "not permitted",
            "never",
            "denied",
            "no longer",
            "unexpected",
        ]
        .iter()
        .any(|words| self.said.contains(words))
    }

    /// Numbers that the policy or its message names, and those beside them, the nearest first.
    fn numbers(&self, now: Option<i64>, values: &[Value]) -> Vec<Json> {
        let said = self.said.split(|character: char| !character.is_ascii_digit());
        let mut known: Vec<i64> = said.filter_map(|number| number.parse().ok()).collect();
        known.extend(values.iter().filter_map(Value::as_i64));
        let beside = known.iter().flat_map(|number| [*number, number + 1, number - 1]);
        let mut numbers: Vec<i64> = beside.filter(|number| *number >= 0).collect();
        numbers.sort_by_key(|number| now.map_or(0, |now| now.abs_diff(*number)));
        numbers.into_iter().map(|number| json!(number)).collect()
    }

    /// Texts: those that the message asks for, that Kubernetes lists, that the policy knows and that look like what is there.
    fn texts(&self, place: &Probed, field: Option<Field>, values: &[Value]) -> Vec<Json> {
        let now = place.now.as_ref().and_then(Json::as_str).unwrap_or_default();
        let names = change::names(&place.path);
        let mut texts: Vec<String> = asked_for(&self.words, &names, self.is_reported(&place.path));
        let listed = field.map(|field| field.values().map(str::to_owned).collect::<Vec<_>>());
        let is_listed = listed.as_ref().is_some_and(|listed| !listed.is_empty());
        let known = values.iter().filter_map(Value::as_str).filter(|text| !text.is_empty());
        let mut known: Vec<&str> = known.collect();
        // What the message says is meant more often than what it does not.
        known.sort_by_key(|text| !self.said.contains(&text.to_lowercase()));
        if is_listed {
            texts.extend(listed.into_iter().flatten());
        } else {
            // What ends in a mark is the beginning of a value.
            let last = now.rsplit('/').next().unwrap_or_default();
            let whole = |text: &str| match text.chars().last() {
                Some('/') => format!("{text}{last}"),
                _ => text.to_owned(),
            };
            texts.extend(known.into_iter().take(MAX_VALUES - 2).map(whole));
            texts.extend([now.to_lowercase(), now.trim().to_owned()]);
        }
        texts.retain(|text| !text.is_empty());
        let mut found: Vec<Json> = texts.into_iter().map(Json::String).collect();
        if change::names(&place.path).first() == Some(&"metadata") {
            // Labels and annotations choose what applies: only what the message itself says is tried.
            found.retain(|text| {
                text.as_str()
                    .is_some_and(|text| self.said.contains(&text.to_lowercase()))
            });
            return found;
        }
        found.truncate(MAX_VALUES - 1);
        // Anything else: what it has to be, a person knows.
        if !is_listed && place.now.is_some() {
            found.push(json!(FILL_IN));
        }
        found
    }
}

/// The place of a path without new elements.
fn place_of(path: &[Step]) -> Place {
    let names = path.iter().filter_map(|step| match step {
        Step::Key(name) => Some(name),
        Step::New(_) => None,
    });
    let seg = |name: &String| match name.parse::<i64>() {
        Ok(number) => Seg::Key(Value::from(number)),
        Err(_) => Seg::Key(Value::string(name)),
    };
    names.map(seg).collect()
}
