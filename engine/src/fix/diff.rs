//! The object before and after a change as a unified diff of YAML: what changes, with a little around it.

use serde_json::Value;

use super::Placeholder;
use crate::redact;

/// The longest diff, in bytes: more is no help to anybody.
const MAX_DIFF: usize = 4096;

/// The longest YAML of one side, in bytes.
const MAX_YAML: usize = 512 * 1024;

/// Lines around a change.
const AROUND: usize = 2;

/// Stands for what is not shown. Where it gets into the diff there is no diff.
const HIDDEN: &str = "(whynot does not show this)";

/// What the API server keeps about an object, and nobody edits.
pub(super) const KEPT_BY_THE_SERVER: [&str; 8] = [
    "managedFields",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// The diff; none when nothing of it is to be seen, when it is too long, or when a secret is near.
pub(super) fn unified(kind: &str, before: &Value, after: &Value, placeholders: &[Placeholder]) -> Option<String> {
    let mut filled = after.clone();
    for placeholder in placeholders {
        if let Some(value) = filled.pointer_mut(&placeholder.path) {
            *value = Value::String(format!("FILL IN: {}", redact::line(&placeholder.meaning, 100)));
        }
    }
    let (old, new) = (yaml(kind, before)?, yaml(kind, &filled)?);
    let diff = similar::TextDiff::from_lines(&old, &new);
    let text = diff
        .unified_diff()
        .context_radius(AROUND)
        .header("before", "after")
        .to_string();
    // What is shown is what was meant: nothing that has to be taken out of it.
    let is_clean = redact::lines(&text, usize::MAX) == text;
    (is_clean && !text.is_empty() && text.len() <= MAX_DIFF && !text.contains(HIDDEN)).then_some(text)
}

fn yaml(kind: &str, object: &Value) -> Option<String> {
    let mut object = object.clone();
    edited_by_people(&mut object);
    mask(kind, "", &mut object);
    let text = serde_saphyr::to_string(&object).ok()?;
    (text.len() <= MAX_YAML).then_some(text)
}

/// Takes away what nobody edits.
pub(super) fn edited_by_people(object: &mut Value) {
    let Some(members) = object.as_object_mut() else { return };
    members.remove("status");
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !KEPT_BY_THE_SERVER.contains(&key.as_str()));
    }
}

/// Puts [`HIDDEN`] where `redact` hides.
fn mask(kind: &str, path: &str, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let step = key.replace('~', "~0").replace('/', "~1");
                mask(kind, &format!("{path}/{step}"), member);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                mask(kind, &format!("{path}/{index}"), item);
            }
        }
        plain => {
            if redact::hides(kind, path, plain) {
                *plain = Value::String(HIDDEN.to_owned());
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "uid": "6fd8", "labels": {"app": "web"}, "managedFields": [{"manager": "kubectl"}]},
            "spec": {"containers": [{"name": "app", "image": "web:1", "securityContext": {"privileged": true},
                "env": [{"name": "PASSWORD", "value": "hunter2"}]}], "hostNetwork": true, "restartPolicy": "Always"},
        })
    }

    #[test]
    fn only_what_changes_is_shown_with_a_little_around_it() {
        let mut after = pod();
        *after.pointer_mut("/spec/hostNetwork").unwrap() = json!(false);
        *after.pointer_mut("/metadata/labels").unwrap() = json!({"app": "web", "owner": "example"});
        let owner = Placeholder {
            path: "/metadata/labels/owner".into(),
            meaning: "the owner of this service".into(),
        };
        let text = unified("Pod", &pod(), &after, &[owner]).unwrap();
        insta::assert_snapshot!(text, @r#"
        --- before
        +++ after
        @@ -4,4 +4,5 @@
           labels:
             app: web
        +    owner: "FILL IN: the owner of this service"
           name: web
         spec:
        @@ -14,4 +15,4 @@
             securityContext:
               privileged: true
        -  hostNetwork: true
        +  hostNetwork: false
           restartPolicy: Always
        "#);
    }

    #[test]
    fn a_secret_that_is_near_leaves_no_diff() {
        let mut after = pod();
        *after.pointer_mut("/spec/containers/0/image").unwrap() = json!("web:2");
        assert_eq!(unified("Pod", &pod(), &after, &[]), None, "env is beside it");
        let mut after = pod();
        *after.pointer_mut("/spec/containers/0/env").unwrap() = json!([]);
        assert_eq!(unified("Pod", &pod(), &after, &[]), None, "it goes");
        let secret =
            json!({"kind": "Secret", "metadata": {"name": "a"}, "type": "Opaque", "data": {"a": "aHVudGVyMg=="}});
        let mut after = secret.clone();
        *after.pointer_mut("/metadata/name").unwrap() = json!("b");
        assert!(
            !unified("Secret", &secret, &after, &[])
                .unwrap_or_default()
                .contains("aHVudGVyMg")
        );
    }

    #[test]
    fn a_long_diff_is_none() {
        let mut after = pod();
        let many: serde_json::Map<String, Value> = (0..400).map(|n| (format!("label-{n}"), json!("x"))).collect();
        *after.pointer_mut("/metadata/labels").unwrap() = Value::Object(many);
        assert_eq!(unified("Pod", &pod(), &after, &[]), None);
    }
}
