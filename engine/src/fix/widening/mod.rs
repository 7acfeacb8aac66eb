//! Where a change allows or opens more than there was. The two objects are compared, place by place, so that it does not
//! matter by which edits one becomes the other.

mod network;
mod rules;

use serde_json::Value as Json;

use super::change::{self, Action, Edit, Step};

/// One place, before and after.
struct Place<'w> {
    /// The kind of the whole object, and its group.
    kind: &'w str,
    group: &'w str,
    /// The whole object before.
    object: &'w Json,
    /// The names on the way, without positions in lists.
    names: &'w [&'w str],
    /// The value is an element of the list that the last name is.
    is_element: bool,
    before: Option<&'w Json>,
    after: Option<&'w Json>,
}

impl<'w> Place<'w> {
    fn last(&self) -> &'w str {
        self.names.last().copied().unwrap_or_default()
    }

    /// The name that is so many before the last.
    fn above(&self, count: usize) -> &'w str {
        self.names.iter().rev().nth(count).copied().unwrap_or_default()
    }

    fn within(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    fn was(&self) -> Option<&'w str> {
        self.before.and_then(Json::as_str)
    }

    fn is(&self) -> Option<&'w str> {
        self.after.and_then(Json::as_str)
    }
}

/// Where more is allowed after the edits: their paths, and for elements that come or go the list.
pub(super) fn places(before: &Json, edits: &[Edit]) -> Vec<String> {
    let Some(after) = aligned(before, edits) else {
        return Vec::new();
    };
    let text = |name: &str| before.get(name).and_then(Json::as_str).unwrap_or_default();
    let mut walk = Walk {
        kind: text("kind"),
        group: text("apiVersion").split_once('/').map_or("", |(group, _)| group),
        object: before,
        found: Vec::new(),
    };
    walk.compare(&mut Vec::new(), Some(before), Some(&after));
    let mut found: Vec<String> = Vec::new();
    for place in walk.found {
        let own = edits.iter().find_map(|edit| shown(before, edit, &place));
        let path = own.unwrap_or_else(|| pointer(&place));
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// What is shown of an edit that has to do with a place.
fn shown(before: &Json, edit: &Edit, place: &[String]) -> Option<String> {
    let mut steps = edit.path.split(|step| matches!(step, Step::New(_))).next()?;
    if let (Action::Remove, Some((_, above))) = (&edit.action, steps.split_last())
        && list_at(before, above).is_some()
    {
        steps = above;
    }
    let names = change::names(steps);
    let same = names.iter().zip(place).take_while(|(one, other)| *one == other).count();
    // One is on the way to the other.
    (same == names.len().min(place.len())).then(|| change::pointer(steps))?
}

fn list_at<'o>(object: &'o Json, path: &[Step]) -> Option<&'o Vec<Json>> {
    object.pointer(&change::pointer(path)?)?.as_array()
}

fn pointer(place: &[String]) -> String {
    let steps: Vec<Step> = place.iter().map(|name| Step::Key(name.clone())).collect();
    change::pointer(&steps).unwrap_or_default()
}

/// The changed object, in which all that stays keeps its place: of elements that go, nothing is left there.
fn aligned(before: &Json, edits: &[Edit]) -> Option<Json> {
    let removed = edits.iter().filter(|edit| edit.action == Action::Remove);
    let gone: Vec<&[Step]> = removed.map(|edit| edit.path.as_slice()).collect();
    let stays = |edit: &&Edit| {
        let is_below = |path: &&[Step]| edit.path.len() > path.len() && edit.path.starts_with(path);
        !gone.iter().any(is_below)
    };
    let kept = edits.iter().filter(stays).map(|edit| {
        let mut edit = edit.clone();
        let above = edit.path.split_last().map_or(&[][..], |(_, above)| above);
        if edit.action == Action::Remove && list_at(before, above).is_some() {
            edit.action = Action::Set(Json::Null);
        }
        edit
    });
    let kept: Vec<Edit> = kept.collect();
    Some(change::apply(before, &kept)?.0)
}

/// The lists of which no element is left, because all are removed, or only examples: then all are rather filled in.
pub(super) fn emptied(before: &Json, edits: &[Edit]) -> Vec<Vec<String>> {
    let Some(after) = aligned(before, edits) else {
        return Vec::new();
    };
    let removed = edits.iter().filter(|edit| edit.action == Action::Remove);
    let lists = removed.filter_map(|edit| {
        let (_, above) = edit.path.split_last()?;
        list_at(before, above)?;
        let is_example = |place: usize| {
            let path = [above, &[Step::Key(place.to_string())]].concat();
            let mut edits = edits.iter();
            edits.any(|edit| edit.placeholder.is_some() && edit.path.starts_with(&path))
        };
        let mut elements = list_at(&after, above)?.iter().enumerate();
        let is_empty = elements.all(|(place, element)| element.is_null() || is_example(place));
        is_empty.then(|| change::names(above).into_iter().map(str::to_owned).collect())
    });
    let mut lists: Vec<Vec<String>> = lists.collect();
    lists.dedup();
    lists
}

struct Walk<'o> {
    kind: &'o str,
    group: &'o str,
    object: &'o Json,
    found: Vec<Vec<String>>,
}

impl Walk<'_> {
    fn compare(&mut self, path: &mut Vec<String>, before: Option<&Json>, after: Option<&Json>) {
        let before = before.filter(|value| !value.is_null());
        let after = after.filter(|value| !value.is_null());
        if before == after {
            return;
        }
        let is_position = |name: &&str| name.parse::<usize>().is_err();
        let names: Vec<&str> = path.iter().map(String::as_str).filter(is_position).collect();
        let place = Place {
            kind: self.kind,
            group: self.group,
            object: self.object,
            names: &names,
            is_element: path.last().is_some_and(|name| name.parse::<usize>().is_ok()),
            before,
            after,
        };
        if rules::opens(&place) {
            self.found.push(path.clone());
            return;
        }
        if place.is_element && after.is_none() {
            // What guarded in it goes with what it guarded.
            return;
        }
        match (before, after) {
            (Some(Json::Array(_)), _) | (_, Some(Json::Array(_))) => self.elements(path, before, after),
            _ => {
                let names = |value: Option<&Json>| -> Vec<String> {
                    let members = value.and_then(Json::as_object);
                    members.into_iter().flatten().map(|(name, _)| name.clone()).collect()
                };
                let mut all = names(before);
                all.extend(names(after));
                all.sort();
                all.dedup();
                for name in all {
                    let (old, new) = (
                        before.and_then(|old| old.get(&name)),
                        after.and_then(|new| new.get(&name)),
                    );
                    path.push(name);
                    self.compare(path, old, new);
                    path.pop();
                }
            }
        }
    }

    /// Elements that only move are the same ones; the others are compared where they stand.
    fn elements(&mut self, path: &mut Vec<String>, before: Option<&Json>, after: Option<&Json>) {
        let list = |value: Option<&Json>| value.and_then(Json::as_array).cloned().unwrap_or_default();
        let (old, new) = (list(before), list(after));
        for at in 0..old.len().max(new.len()) {
            let old_one = old.get(at).filter(|element| !new.contains(element));
            let new_one = new.get(at).filter(|element| !old.contains(element));
            path.push(at.to_string());
            self.compare(path, old_one, new_one);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests;
