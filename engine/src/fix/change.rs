//! Edits of an object, and the RFC 6902 operations that they are.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};

use crate::finding::path_order;

/// A step of a path into the object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A name, or a position.
    Key(String),
    /// An element that the list does not have yet; equal numbers are the same element.
    New(u32),
}

/// What happens at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// The value is replaced, or added with the maps on the way to it.
    Set(Value),
    /// The value is removed.
    Remove,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edit {
    pub(super) path: Vec<Step>,
    pub(super) action: Action,
    /// What a person has to fill in, when the value is only an example.
    pub(super) placeholder: Option<String>,
}

/// An element that is made: its list, as a person sorts paths, and its number.
type Added = (Vec<(u64, String)>, u32);

/// The changed object with the operations that change it; none when an edit has no place, or two contradict.
pub(super) fn apply(object: &Value, edits: &[Edit]) -> Option<(Value, Vec<PatchOperation>)> {
    let mut after = object.clone();
    let mut operations = Vec::new();
    let mut sets: BTreeMap<Vec<(u64, String)>, (String, &Value)> = BTreeMap::new();
    let mut added: BTreeMap<Added, (String, Value)> = BTreeMap::new();
    let mut removed: BTreeMap<Vec<(u64, String)>, String> = BTreeMap::new();
    for edit in edits {
        let fresh = edit.path.iter().position(|step| matches!(step, Step::New(_)));
        match (&edit.action, fresh) {
            (Action::Remove, None) => {
                let path = pointer(&edit.path)?;
                removed.insert(path_order(&path), path);
            }
            (Action::Remove, Some(_)) => return None,
            (Action::Set(value), None) => {
                let path = pointer(&edit.path)?;
                let known = sets.insert(path_order(&path), (path, value));
                if known.is_some_and(|(_, known)| known != value) {
                    return None;
                }
            }
            (Action::Set(value), Some(at)) => {
                let list = pointer(edit.path.get(..at)?)?;
                let Some(Step::New(id)) = edit.path.get(at) else {
                    return None;
                };
                let (_, element) = added
                    .entry((path_order(&list), *id))
                    .or_insert_with(|| (list, Value::Null));
                place(element, edit.path.get(at + 1..)?, value)?;
            }
        }
    }
    // Below what goes nothing is set.
    let is_gone = |path: &str| {
        removed
            .values()
            .any(|gone| path == gone || path.starts_with(&format!("{gone}/")))
    };
    for (path, value) in sets.into_values().filter(|(path, _)| !is_gone(path)) {
        if after.pointer(&path) == Some(value) {
            continue;
        }
        let operation = set(&after, &path, value.clone())?;
        json_patch::patch(&mut after, std::slice::from_ref(&operation)).ok()?;
        operations.push(operation);
    }
    for (list, element) in added.into_values().filter(|(list, _)| !is_gone(list)) {
        let operation = match after.pointer(&list) {
            Some(Value::Array(_)) => PatchOperation::Add(AddOperation {
                path: PointerBuf::parse(format!("{list}/-")).ok()?,
                value: element,
            }),
            None | Some(Value::Null) => set(&after, &list, Value::Array(vec![element]))?,
            Some(_) => return None,
        };
        json_patch::patch(&mut after, std::slice::from_ref(&operation)).ok()?;
        operations.push(operation);
    }
    // From the back, so that what goes does not move what is still to go.
    for path in removed.into_values().rev() {
        if after.pointer(&path).is_none() {
            continue;
        }
        let operation = PatchOperation::Remove(RemoveOperation {
            path: PointerBuf::parse(path).ok()?,
        });
        json_patch::patch(&mut after, std::slice::from_ref(&operation)).ok()?;
        operations.push(operation);
    }
    Some((after, operations))
}

/// Sets a value in an element that is made.
fn place(element: &mut Value, path: &[Step], value: &Value) -> Option<()> {
    match path.split_first() {
        None => {
            if !element.is_null() && element != value {
                return None;
            }
            *element = value.clone();
        }
        Some((Step::Key(name), rest)) => {
            if element.is_null() {
                *element = Value::Object(Map::new());
            }
            place(
                element.as_object_mut()?.entry(name.clone()).or_insert(Value::Null),
                rest,
                value,
            )?;
        }
        Some((Step::New(_), rest)) => {
            if element.is_null() {
                *element = Value::Array(Vec::new());
            }
            let items = element.as_array_mut()?;
            items.push(Value::Null);
            place(items.last_mut()?, rest, value)?;
        }
    }
    Some(())
}

/// The operation that sets a value, with the maps that are missing on the way. Elements of lists are never invented here.
pub(super) fn set(object: &Value, path: &str, value: Value) -> Option<PatchOperation> {
    let mut pointer = PointerBuf::parse(path).ok()?;
    if object.pointer(path).is_some() {
        return Some(PatchOperation::Replace(ReplaceOperation { path: pointer, value }));
    }
    let mut value = value;
    loop {
        let mut parent = pointer.clone();
        let last = parent.pop_back()?.decoded().into_owned();
        match object.pointer(parent.as_str()) {
            Some(Value::Object(_)) => return Some(PatchOperation::Add(AddOperation { path: pointer, value })),
            Some(Value::Null) => {
                let value = Value::Object(Map::from_iter([(last, value)]));
                return Some(PatchOperation::Replace(ReplaceOperation { path: parent, value }));
            }
            None if !parent.is_root() => {
                value = Value::Object(Map::from_iter([(last, value)]));
                pointer = parent;
            }
            _ => return None,
        }
    }
}

/// The JSON pointer of a path without new elements.
pub(super) fn pointer(path: &[Step]) -> Option<String> {
    let mut text = String::new();
    for step in path {
        let Step::Key(key) = step else { return None };
        text.push('/');
        text.push_str(&key.replace('~', "~0").replace('/', "~1"));
    }
    Some(text)
}

/// A path for comparing and for rules about paths: new elements are `-`.
pub(super) fn names(path: &[Step]) -> Vec<&str> {
    path.iter()
        .map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::New(_) => "-",
        })
        .collect()
}

/// The steps of a JSON pointer.
pub(super) fn steps(path: &str) -> Vec<Step> {
    path.split('/')
        .skip(1)
        .map(|name| Step::Key(name.replace("~1", "/").replace("~0", "~")))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    fn edit(path: Vec<Step>, action: Action) -> Edit {
        Edit {
            path,
            action,
            placeholder: None,
        }
    }

    #[test]
    fn maps_are_made_lists_grow_and_shrink() {
        let object = json!({"spec": {"containers": [{"name": "a"}], "volumes": [{"name": "x"}, {"name": "y"}]}});
        let edits = [
            edit(
                vec![
                    key("spec"),
                    key("containers"),
                    key("0"),
                    key("securityContext"),
                    key("privileged"),
                ],
                Action::Set(json!(false)),
            ),
            edit(vec![key("spec"), key("volumes"), key("0")], Action::Remove),
            edit(vec![key("spec"), key("volumes"), key("1")], Action::Remove),
            edit(
                vec![key("spec"), key("tolerations"), Step::New(1), key("key")],
                Action::Set(json!("gpu")),
            ),
            edit(
                vec![key("spec"), key("tolerations"), Step::New(1), key("operator")],
                Action::Set(json!("Exists")),
            ),
        ];
        let (after, operations) = apply(&object, &edits).unwrap();
        assert_eq!(
            after,
            json!({"spec": {"containers": [{"name": "a", "securityContext": {"privileged": false}}], "volumes": [],
                "tolerations": [{"key": "gpu", "operator": "Exists"}]}})
        );
        let mut again = object.clone();
        json_patch::patch(&mut again, &operations).unwrap();
        assert_eq!(again, after);
        assert_eq!(operations.len(), 4);
    }

    #[test]
    fn contradictions_and_places_that_are_none_give_nothing() {
        let object = json!({"a": 1, "list": []});
        let both = [
            edit(vec![key("a")], Action::Set(json!(2))),
            edit(vec![key("a")], Action::Set(json!(3))),
        ];
        assert!(apply(&object, &both).is_none());
        assert!(apply(&object, &[edit(vec![key("a"), key("b")], Action::Set(json!(2)))]).is_none());
        let nowhere = edit(vec![key("list"), key("0"), key("x")], Action::Set(json!(2)));
        assert!(apply(&object, &[nowhere]).is_none());
    }
}
