//! A change as a command that a person can run.
//!
//! What does not exist yet is changed in its file; a request that came from a file too. What exists is patched, from how it is
//! stored to how it should be, because the denied change is not stored.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation};
use serde_json::Value;

use super::{Fix, change, diff, path_of};
use crate::admission::{Operation, Review};
use crate::explain::authored;
use crate::redact;

/// The longest command, in bytes.
const MAX_COMMAND: usize = 2048;

/// The annotation in which kubectl keeps the last manifest: kubectl's own matter.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Fix {
    /// The command that makes this change; none when there is none that would do just that, when it would be too long, or when
    /// a person still has to fill something in.
    pub fn kubectl(&self, review: &Review) -> Option<String> {
        if !self.placeholders.is_empty() || !review.sub_resource.is_empty() || review.name.is_empty() {
            return None;
        }
        let is_from_file = match review.operation {
            Operation::Create => true,
            Operation::Update => matches!(review.field_manager().as_str(), "kubectl" | "kubectl-client-side-apply"),
            _ => return None,
        };
        let namespace = match review.namespace.as_str() {
            "" => String::new(),
            _ if review.kind.kind == "Namespace" => String::new(),
            name if is_word(name) => format!(" -n {name}"),
            _ => return None,
        };
        let command = if is_from_file {
            let patch = quoted(&for_file(&self.before, &self.patch)?, &self.kind.kind)?;
            // What is patched locally keeps the namespace of its file, or none.
            format!("kubectl patch --local -f FILE --type=json -p {patch} -o yaml | kubectl apply{namespace} -f -")
        } else {
            let patch = quoted(
                &from_stored(&review.old_object().to_json(), &self.after)?,
                &self.kind.kind,
            )?;
            let kind = self.kind.kind.to_lowercase();
            let kind = if self.kind.group.is_empty() {
                kind
            } else {
                format!("{kind}.{}", self.kind.group)
            };
            if !is_word(&kind) || !is_word(&review.name) {
                return None;
            }
            format!("kubectl patch {kind} {}{namespace} --type=json -p {patch}", review.name)
        };
        // Nothing is taken out of a command on its way: either all of it can be shown, or none.
        (command.len() <= MAX_COMMAND && redact::lines(&command, usize::MAX) == command).then_some(command)
    }
}

/// A name that no shell takes for anything else.
fn is_word(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    text.bytes().all(is_plain) && !text.is_empty() && !text.starts_with('-')
}

/// Operations as one word of a shell; none when one of them would show a secret.
fn quoted(operations: &[PatchOperation], kind: &str) -> Option<String> {
    let is_open = |operation: &PatchOperation| {
        let value = match operation {
            PatchOperation::Add(add) => &add.value,
            PatchOperation::Replace(replace) => &replace.value,
            PatchOperation::Remove(_) => return true,
            _ => return false,
        };
        !redact::hides(kind, path_of(operation), value)
    };
    if operations.is_empty() || !operations.iter().all(is_open) {
        return None;
    }
    let text = serde_json::to_string(operations).ok()?;
    Some(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The operations for the file that the object came from: it has not what the API server filled in.
fn for_file(object: &Value, changes: &Patch) -> Option<Vec<PatchOperation>> {
    let mut file = authored::authored(object).unwrap_or_else(|| assumed(object));
    let mut object = object.clone();
    let mut operations = Vec::new();
    for operation in &changes.0 {
        let path = path_of(operation);
        let own = match operation {
            PatchOperation::Remove(_) => removal(&object, &file, path),
            PatchOperation::Add(add) => Some(addition(&object, &file, path, &add.value)?),
            PatchOperation::Replace(replace) => Some(addition(&object, &file, path, &replace.value)?),
            _ => return None,
        };
        json_patch::patch(&mut object, std::slice::from_ref(operation)).ok()?;
        if let Some(own) = own {
            json_patch::patch(&mut file, std::slice::from_ref(&own)).ok()?;
            operations.push(own);
        }
    }
    Some(operations)
}

/// What is not in the file need not go.
fn removal(object: &Value, file: &Value, path: &str) -> Option<PatchOperation> {
    let place = authored::locate(object, file, path)?;
    file.pointer(&place)?;
    let path = PointerBuf::parse(place).ok()?;
    Some(PatchOperation::Remove(RemoveOperation { path }))
}

/// Sets a value in the file, with the maps that it does not have.
fn addition(object: &Value, file: &Value, path: &str, value: &Value) -> Option<PatchOperation> {
    let add = |place: String, value: Value| {
        let path = PointerBuf::parse(place).ok()?;
        Some(PatchOperation::Add(AddOperation { path, value }))
    };
    if let Some(list) = path.strip_suffix("/-") {
        let place = authored::locate(object, file, list)?;
        return match file.pointer(&place) {
            Some(Value::Array(_)) => add(format!("{place}/-"), value.clone()),
            None => change::set(file, &place, Value::Array(vec![value.clone()])),
            Some(_) => None,
        };
    }
    let place = authored::locate(object, file, path)?;
    let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
    match change::set(file, &place, value.clone())? {
        // An add replaces as well, and also does where the file leaves the field out.
        PatchOperation::Replace(replace) if file.pointer(parent).is_some_and(Value::is_object) => {
            Some(PatchOperation::Add(AddOperation {
                path: replace.path,
                value: replace.value,
            }))
        }
        other => Some(other),
    }
}

/// The file as it probably is, when the request does not tell: without what only the API server writes, and without empty maps.
/// Those are mostly filled in, and setting one that is there does no harm.
fn assumed(object: &Value) -> Value {
    let mut file = object.clone();
    diff::edited_by_people(&mut file);
    drop_empty(&mut file);
    file
}

fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(drop_empty);
            members.retain(|_, member| !member.is_null() && member.as_object().is_none_or(|inner| !inner.is_empty()));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// The operations from the stored object to the changed one, without what the API server keeps.
fn from_stored(stored: &Value, after: &Value) -> Option<Vec<PatchOperation>> {
    let own = |object: &Value| {
        let mut own = object.clone();
        diff::edited_by_people(&mut own);
        if let Some(annotations) = own.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
        own
    };
    stored
        .is_object()
        .then(|| json_patch::diff(&own(stored), &own(after)).0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::fix::Placeholder;

    fn review(operation: &str, old: &Value, object: &Value, manager: &str) -> Review {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": operation, "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "name": "web", "namespace": "shop", "options": {"fieldManager": manager},
            "object": object, "oldObject": old}});
        Review::parse(review.to_string().as_bytes()).unwrap()
    }

    fn fix(before: &Value, patch: Value) -> Fix {
        let patch: Patch = serde_json::from_value(patch).unwrap();
        let mut after = before.clone();
        json_patch::patch(&mut after, &patch).unwrap();
        let kind = crate::explain::wire::GroupVersionKind {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
        };
        Fix::untried(kind, before, after, patch)
    }

    fn command(operation: &str, old: &Value, before: &Value, manager: &str, patch: Value) -> String {
        let review = review(operation, old, before, manager);
        fix(before, patch).kubectl(&review).unwrap_or_default()
    }

    #[test]
    fn a_file_gets_what_the_api_server_filled_in_for_it() {
        let before = json!({
            "metadata": {"name": "web", "uid": "1", "annotations": {LAST_APPLIED: json!({
                "metadata": {"name": "web", "annotations": {}},
                "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "web:1"}]}}}}).to_string()}},
            "spec": {"replicas": 1, "template": {"spec": {"securityContext": {}, "containers": [
                {"name": "injected", "image": "proxy:1"},
                {"name": "app", "image": "web:1", "imagePullPolicy": "Always"}]}}},
        });
        let patch = json!([
            {"op": "replace", "path": "/spec/template/spec/containers/1/imagePullPolicy", "value": "IfNotPresent"},
            {"op": "add", "path": "/spec/template/spec/securityContext/runAsNonRoot", "value": true},
            {"op": "add", "path": "/metadata/annotations/owner", "value": "it's \"us\""},
            {"op": "remove", "path": "/spec/replicas"}]);
        assert_eq!(
            command("CREATE", &Value::Null, &before, "kubectl-client-side-apply", patch),
            "kubectl patch --local -f FILE --type=json -p '[\
             {\"op\":\"add\",\"path\":\"/spec/template/spec/containers/0/imagePullPolicy\",\"value\":\"IfNotPresent\"},\
             {\"op\":\"add\",\"path\":\"/spec/template/spec/securityContext\",\"value\":{\"runAsNonRoot\":true}},\
             {\"op\":\"add\",\"path\":\"/metadata/annotations/owner\",\"value\":\"it'\\''s \\\"us\\\"\"}]' \
             -o yaml | kubectl apply -n shop -f -"
        );
    }

    #[test]
    fn without_a_record_empty_maps_are_taken_for_filled_in() {
        let before = json!({"metadata": {"name": "web", "uid": "1"}, "spec": {"securityContext": {}, "paused": true}});
        let patch = json!([
            {"op": "add", "path": "/spec/securityContext/runAsNonRoot", "value": true},
            {"op": "replace", "path": "/spec/paused", "value": false}]);
        assert_eq!(
            command("CREATE", &Value::Null, &before, "kubectl-create", patch),
            "kubectl patch --local -f FILE --type=json -p '[\
             {\"op\":\"add\",\"path\":\"/spec/securityContext\",\"value\":{\"runAsNonRoot\":true}},\
             {\"op\":\"add\",\"path\":\"/spec/paused\",\"value\":false}]' -o yaml | kubectl apply -n shop -f -"
        );
    }

    #[test]
    fn what_is_stored_is_patched_from_how_it_is_stored() {
        let old =
            json!({"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 1, "paused": false}});
        let new = json!({"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 9, "paused": true}});
        let patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 5}]);
        assert_eq!(
            command("UPDATE", &old, &new, "kubectl-patch", patch.clone()),
            "kubectl patch deployment.apps web -n shop --type=json -p '[\
             {\"op\":\"replace\",\"path\":\"/spec/paused\",\"value\":true},\
             {\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":5}]'"
        );
        // The person has a file.
        assert!(command("UPDATE", &old, &new, "kubectl", patch.clone()).contains(" -f FILE "));
        // With the change nothing is left of the update.
        let back = json!([{"op": "replace", "path": "/spec/replicas", "value": 1}, {"op": "replace", "path": "/spec/paused", "value": false}]);
        assert_eq!(command("UPDATE", &old, &new, "kubectl-patch", back), "");
    }

    #[test]
    fn there_is_no_command_for_what_must_not_be_shown_or_is_no_whole_answer() {
        let before = json!({"metadata": {"name": "web"}, "spec": {}});
        let label = |value: &str| json!([{"op": "add", "path": "/spec/note", "value": value}]);
        assert!(!command("CREATE", &Value::Null, &before, "", label("fine")).is_empty());
        assert_eq!(
            command("CREATE", &Value::Null, &before, "", label("postgres://u:hunter2@h/db")),
            ""
        );
        assert_eq!(
            command("CREATE", &Value::Null, &before, "", label(&"x".repeat(3000))),
            ""
        );
        assert_eq!(command("CREATE", &Value::Null, &before, "", label("a\u{202e}b")), "");
        // The denied update brings a secret, which the fix does not touch.
        let old = json!({"metadata": {"name": "web"}, "spec": {"replicas": 1}});
        let new = json!({"metadata": {"name": "web"}, "spec": {"replicas": 9, "env": ["hunter2"]}});
        let patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 5}]);
        assert_eq!(command("UPDATE", &old, &new, "kubectl-edit", patch), "");
        let mut half = fix(&before, label("example"));
        half.placeholders = vec![Placeholder {
            path: "/spec/note".into(),
            meaning: "a note".into(),
        }];
        assert_eq!(half.kubectl(&review("CREATE", &Value::Null, &before, "")), None);
        let mut unnamed = review("CREATE", &Value::Null, &before, "");
        unnamed.name = String::new();
        assert_eq!(fix(&before, label("fine")).kubectl(&unnamed), None);
        let mut odd = review("CREATE", &Value::Null, &before, "");
        odd.namespace = "shop; rm -rf".into();
        assert_eq!(fix(&before, label("fine")).kubectl(&odd), None);
    }
}
