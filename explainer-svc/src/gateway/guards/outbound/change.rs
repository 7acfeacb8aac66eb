//! A change that a model proposes: read, never tried here. The engine's verifier decides whether it is a fix.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::grounds::Explained;
use crate::gateway::guards::injection::{Place, Verdict, detect};
use crate::gateway::guards::{characters, redact};

const MAX_OPERATIONS: usize = 16;
const MAX_PATH: usize = 512;
const MAX_VALUE: usize = 4096;

/// Reads it. The error says what is wrong.
pub(super) fn parse(change: &Value, grounds: &Explained) -> Result<Patch, String> {
    let count = change.as_array().map_or(0, Vec::len);
    if count == 0 || count > MAX_OPERATIONS {
        return Err(format!("{count} operations; 1 to {MAX_OPERATIONS} are allowed"));
    }
    let patch: Patch = serde_json::from_value(change.clone()).map_err(|error| error.to_string())?;
    for (index, operation) in patch.iter().enumerate() {
        // What an earlier operation adds exists for the later ones.
        let added = patch.iter().take(index).any(|before| {
            matches!(before, PatchOperation::Add(_)) && operation.path().as_str().starts_with(before.path().as_str())
        });
        check(operation, added, grounds)?;
    }
    Ok(patch)
}

fn check(operation: &PatchOperation, added: bool, grounds: &Explained) -> Result<(), String> {
    let path = operation.path().as_str();
    if path.is_empty() || path.len() > MAX_PATH {
        return Err("a path that is empty or too long".to_owned());
    }
    if is_identity(path) {
        return Err(format!("{path} says which object it is, or who may change it"));
    }
    let (is_new, value) = match operation {
        PatchOperation::Add(add) => (true, Some(&add.value)),
        PatchOperation::Replace(replace) => (false, Some(&replace.value)),
        PatchOperation::Test(test) => (false, Some(&test.value)),
        PatchOperation::Remove(_) => (false, None),
        PatchOperation::Move(_) | PatchOperation::Copy(_) => return Err("move and copy are not allowed".to_owned()),
    };
    if !added && !grounds.may_change(path, is_new) {
        return Err(format!("{path} does not exist, and nothing asks for it"));
    }
    if value.is_none() && is_part(path) {
        return Err(format!("{path} is a part of the program"));
    }
    value.map_or(Ok(()), |value| check_value(path, value))
}

fn check_value(path: &str, value: &Value) -> Result<(), String> {
    let text = value.to_string();
    if text.len() > MAX_VALUE {
        return Err(format!("a value of {} bytes; {MAX_VALUE} are the limit", text.len()));
    }
    if matches!(value, Value::Array(items) if items.is_empty()) && is_part(&format!("{path}/0")) {
        return Err(format!("{path} would lose what runs"));
    }
    check_texts(path, value)
}

fn check_texts(path: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if characters::visible(text).1.total() > 0 => {
            Err(format!("invisible characters at {path}"))
        }
        Value::String(text) if detect(text, Place::Field).verdict == Verdict::Sure => {
            Err(format!("an instruction at {path}"))
        }
        Value::String(text) if redact::first_kind(text).is_some() => Err(format!("a secret at {path}")),
        Value::Array(items) => items.iter().try_for_each(|item| check_texts(path, item)),
        Value::Object(members) => members.values().try_for_each(|member| check_texts(path, member)),
        _ => Ok(()),
    }
}

fn is_identity(path: &str) -> bool {
    const CLOSED: [&str; 11] = [
        "/apiVersion",
        "/kind",
        "/status",
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/uid",
        "/metadata/ownerReferences",
        "/metadata/finalizers",
        "/metadata/managedFields",
        "/metadata/resourceVersion",
        "/metadata/generateName",
    ];
    const WHOLE: [&str; 3] = ["/metadata", "/spec", "/data"];
    WHOLE.contains(&path)
        || CLOSED.iter().any(|closed| {
            path.strip_prefix(closed)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// A container, or all of them.
fn is_part(path: &str) -> bool {
    let last = |path: &str| {
        path.rsplit('/')
            .next()
            .is_some_and(|last| last.to_lowercase().ends_with("containers"))
    };
    last(path)
        || path
            .rsplit_once('/')
            .is_some_and(|(above, index)| last(above) && index.parse::<usize>().is_ok())
}
