//! Edits at paths become RFC 6902 operations that fit the object as it is.

use std::collections::BTreeMap;

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Value, json};

use crate::finding::path_order;
use crate::policy::custom::Edit;

/// The operations for these edits; `None` when two contradict each other, or one has no place in the object.
pub(super) fn operations<'a>(
    object: &Value,
    edits: impl Iterator<Item = (&'a str, &'a Edit)>,
) -> Option<Vec<PatchOperation>> {
    let mut by_path: BTreeMap<Vec<(u64, String)>, (&str, &Edit)> = BTreeMap::new();
    for (path, edit) in edits {
        let (_, known) = by_path.entry(path_order(path)).or_insert((path, edit));
        if *known != edit {
            return None;
        }
    }
    let mut state = object.clone();
    let mut operations = Vec::new();
    // From the back, so that what is removed from a list does not move what is still to be changed.
    for (path, edit) in by_path.into_values().rev() {
        if let Some(operation) = operation(&state, path, edit).ok()? {
            json_patch::patch(&mut state, std::slice::from_ref(&operation)).ok()?;
            operations.push(operation);
        }
    }
    Some(operations)
}

/// The object has no place for an edit.
struct NoPlace;

/// One operation; `None` when there is nothing to do.
fn operation(object: &Value, path: &str, edit: &Edit) -> Result<Option<PatchOperation>, NoPlace> {
    let pointer = Pointer::parse(path).map_err(|_| NoPlace)?;
    let there = object.pointer(path);
    match edit {
        Edit::Remove if there.is_none() => Ok(None),
        Edit::Remove => Ok(Some(PatchOperation::Remove(RemoveOperation {
            path: pointer.to_owned(),
        }))),
        Edit::Set { value } if there == Some(value) => Ok(None),
        Edit::Set { value } if there.is_some() => Ok(Some(PatchOperation::Replace(ReplaceOperation {
            path: pointer.to_owned(),
            value: value.clone(),
        }))),
        Edit::Set { value } => add(object, pointer, value).map(Some).ok_or(NoPlace),
    }
}

/// Adds a value, with the maps that are missing on the way to it. Elements of lists are never invented.
fn add(object: &Value, pointer: &Pointer, value: &Value) -> Option<PatchOperation> {
    let mut path = pointer.to_owned();
    let mut value = value.clone();
    loop {
        let mut parent = path.clone();
        let last = parent.pop_back()?.decoded().into_owned();
        match object.pointer(parent.as_str()) {
            Some(Value::Object(_)) => return Some(PatchOperation::Add(AddOperation { path, value })),
            Some(Value::Null) => {
                let value = json!({ last: value });
                return Some(PatchOperation::Replace(ReplaceOperation { path: parent, value }));
            }
            None => (path, value) = (nonempty(parent)?, json!({ last: value })),
            Some(_) => return None,
        }
    }
}

fn nonempty(path: PointerBuf) -> Option<PointerBuf> {
    (!path.is_root()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn patch(object: &Value, edits: &[(&str, Edit)]) -> Option<Value> {
        let operations = operations(object, edits.iter().map(|(path, edit)| (*path, edit)))?;
        Some(serde_json::to_value(operations).unwrap())
    }

    #[test]
    fn missing_maps_are_added_once() {
        let object = json!({"spec": {"containers": [{"name": "a"}]}});
        let edits = [
            (
                "/spec/containers/0/securityContext/privileged",
                Edit::Set { value: json!(false) },
            ),
            (
                "/spec/containers/0/securityContext/runAsNonRoot",
                Edit::Set { value: json!(true) },
            ),
        ];
        assert_eq!(
            patch(&object, &edits).unwrap(),
            json!([
                {"op": "add", "path": "/spec/containers/0/securityContext", "value": {"runAsNonRoot": true}},
                {"op": "add", "path": "/spec/containers/0/securityContext/privileged", "value": false},
            ])
        );
    }

    #[test]
    fn elements_are_removed_from_the_back() {
        let object = json!({"v": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]});
        let edits = [("/v/2", Edit::Remove), ("/v/10", Edit::Remove), ("/v/11", Edit::Remove)];
        assert_eq!(
            patch(&object, &edits).unwrap(),
            json!([{"op": "remove", "path": "/v/10"}, {"op": "remove", "path": "/v/2"}])
        );
    }

    #[test]
    fn contradictions_and_places_that_are_none_give_nothing() {
        let object = json!({"a": 1, "list": []});
        assert_eq!(
            patch(&object, &[("/a", Edit::Remove), ("/a", Edit::Set { value: json!(2) })]),
            None
        );
        assert_eq!(patch(&object, &[("/a/b", Edit::Set { value: json!(2) })]), None);
        assert_eq!(patch(&object, &[("/list/0/x", Edit::Set { value: json!(2) })]), None);
    }
}
