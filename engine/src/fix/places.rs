//! The wants of a way, as edits of the object: new members by their names, places in the workload, volumes as a whole.

use serde_json::Value as Json;

use crate::rego::value::Value;
use crate::rego::why::{Goal, Seg, Test, Want};
use crate::template::Workload;

use super::change::{self, Action, Edit, Step};

/// Later edits over earlier ones: the same field, a field of what was made, or what is around it.
pub(super) fn merged(earlier: &[Edit], later: Vec<Edit>) -> Vec<Edit> {
    let mut all: Vec<Edit> = earlier.to_vec();
    for new in later {
        let around = all
            .iter_mut()
            .find(|old| new.path.len() > old.path.len() && new.path.starts_with(&old.path));
        if let (Some(old), Action::Set(value)) = (around, &new.action)
            && let Action::Set(made) = &mut old.action
            && let Some(below) = new.path.get(old.path.len()..).and_then(change::pointer)
            && let Some(place) = made.pointer_mut(&below)
        {
            *place = value.clone();
            continue;
        }
        all.retain(|old| !new.path.starts_with(&old.path) && !old.path.starts_with(&new.path));
        all.push(new);
    }
    all
}

/// The steps of a place in the object.
pub(super) fn steps(place: &[Seg]) -> Vec<Step> {
    place
        .iter()
        .map(|seg| match seg {
            Seg::Key(Value::String(name)) => Step::Key(name.to_string()),
            Seg::Key(Value::Number(number)) => Step::Key(number.to_string()),
            Seg::Key(other) => Step::Key(other.to_json().to_string()),
            Seg::New(id) => Step::New(*id),
        })
        .collect()
}

/// New members that are asked for by name get that name.
pub(super) fn named(wants: &[Want]) -> Vec<Want> {
    let mut names: Vec<(Seg, Value)> = Vec::new();
    for want in wants {
        let Test::Named(test) = &want.test else { continue };
        let (Test::Among(values) | Test::Try(values)) = &**test else {
            continue;
        };
        if let (Some(seg), Some(value)) = (want.place.last(), values.first()) {
            names.push((seg.clone(), value.clone()));
        }
    }
    let mut renamed = Vec::new();
    for want in wants {
        let mut want = want.clone();
        if let Test::Named(_) = want.test {
            want.test = Test::Defined;
        }
        for seg in &mut want.place {
            if let Some((_, name)) = names.iter().find(|(known, _)| known == seg) {
                *seg = Seg::Key(name.clone());
            }
        }
        renamed.push(want);
    }
    renamed
}

/// A volume without its type is scratch space: what is asked for is another volume.
pub(super) fn whole_volumes(mut wants: Vec<Want>) -> Vec<Want> {
    let is = |seg: Option<&Seg>, name: &str| matches!(seg, Some(Seg::Key(key)) if key.as_str() == Some(name));
    for want in &mut wants {
        let count = want.place.len();
        if want.test == Test::Defined
            && !want.wanted
            && count > 3
            && is(want.place.get(count - 3), "volumes")
            && !is(want.place.last(), "name")
        {
            want.place.pop();
        }
    }
    wants
}

/// The goal with its places in the workload that holds the template.
pub(super) fn lifted(goal: Goal, workload: Option<&'static Workload>) -> Goal {
    let Some(workload) = workload else { return goal };
    match goal {
        Goal::Want(mut want) => {
            let template = workload.template.iter().map(|name| Seg::Key(Value::string(name)));
            want.place = template.chain(want.place).collect();
            Goal::Want(want)
        }
        Goal::All(goals) => Goal::All(goals.into_iter().map(|goal| lifted(goal, Some(workload))).collect()),
        Goal::Any(goals) => Goal::Any(goals.into_iter().map(|goal| lifted(goal, Some(workload))).collect()),
        other => other,
    }
}

pub(super) fn blame_of(goal: &Goal) -> Goal {
    match goal {
        Goal::All(goals) => goals
            .iter()
            .map(blame_of)
            .find(|goal| matches!(goal, Goal::Never(_)))
            .unwrap_or(Goal::Done),
        other => other.clone(),
    }
}

/// Whether two states of an object say the same, but for what the API server keeps itself.
pub(super) fn is_same_object(one: &Json, other: &Json) -> bool {
    let said = |object: &Json| -> Json {
        let mut object = object.clone();
        if let Some(members) = object.as_object_mut() {
            members.remove("status");
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) {
            metadata.retain(|name, _| matches!(name.as_str(), "labels" | "annotations" | "finalizers"));
            metadata.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
        }
        object
    };
    said(one) == said(other)
}
