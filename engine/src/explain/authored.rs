//! What of an object its author wrote, and what the API server filled in.
//!
//! kubectl keeps what was applied in an annotation; a server-side apply says in `managedFields` which fields are its own. Where
//! neither is there, nobody can tell a default from a value that somebody wrote and that is the same.

use serde_json::{Map, Value};

use super::wire::GroupVersionKind;
use crate::schema::Type;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object as its author wrote it, when the request tells.
pub(crate) fn authored(object: &Value) -> Option<Value> {
    let metadata = object.get("metadata")?;
    let applied = metadata.get("annotations").and_then(|all| all.get(LAST_APPLIED));
    if let Some(text) = applied.and_then(Value::as_str) {
        return serde_json::from_str(text).ok().filter(Value::is_object);
    }
    let entries = metadata.get("managedFields")?.as_array()?;
    let apply = entries.iter().find(|entry| {
        entry.get("operation").and_then(Value::as_str) == Some("Apply") && entry.get("subresource").is_none()
    })?;
    let mut own = pruned(object, apply.get("fieldsV1")?);
    // What names the object is in no set of fields.
    if let Some(members) = own.as_object_mut() {
        for key in ["apiVersion", "kind"] {
            members.extend(object.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        let own = members.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Some(own) = own.as_object_mut() {
            for key in ["name", "namespace"] {
                own.extend(metadata.get(key).map(|value| (key.to_owned(), value.clone())));
            }
        }
    }
    Some(own)
}

/// The parts of a value that a set of fields names.
fn pruned(value: &Value, fields: &Value) -> Value {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return value.clone();
    };
    match value {
        Value::Object(members) => {
            let own = members.iter().filter_map(|(key, member)| {
                let below = fields.get(&format!("f:{key}"))?;
                Some((key.clone(), pruned(member, below)))
            });
            Value::Object(own.collect())
        }
        Value::Array(items) => {
            let own = items.iter().filter_map(|item| {
                let below = fields.iter().find(|(name, _)| names(name, item));
                below.map(|(_, below)| pruned(item, below))
            });
            Value::Array(own.collect())
        }
        plain => plain.clone(),
    }
}

/// Whether a name in a set of fields, `k:{"name":"app"}` or `v:"ALL"`, is this element's.
fn names(name: &str, item: &Value) -> bool {
    match name.split_once(':') {
        Some(("k", keys)) => serde_json::from_str::<Map<String, Value>>(keys)
            .is_ok_and(|keys| keys.iter().all(|(key, value)| item.get(key) == Some(value))),
        Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item),
        _ => false,
    }
}

/// A pointer into the object as one into what its author wrote: elements of lists are found by what tells them apart. None when
/// an element on the way is not the author's.
pub(crate) fn locate(object: &Value, authored: &Value, pointer: &str) -> Option<String> {
    let mut place = String::new();
    let (mut here, mut there) = (Some(object), Some(authored));
    for token in pointer.split('/').skip(1) {
        let key = token.replace("~1", "/").replace("~0", "~");
        if let Some(items) = here.and_then(Value::as_array) {
            let index: usize = key.parse().ok()?;
            let item = items.get(index)?;
            let theirs = there.and_then(Value::as_array)?;
            let at = match identity(item) {
                Some((name, value)) => theirs.iter().position(|other| other.get(name) == Some(value))?,
                None => (theirs.len() == items.len()).then_some(index)?,
            };
            place.push_str(&format!("/{at}"));
            (here, there) = (Some(item), theirs.get(at));
        } else {
            place.push_str(&format!("/{token}"));
            (here, there) = (
                here.and_then(|here| here.get(&key)),
                there.and_then(|there| there.get(&key)),
            );
        }
    }
    Some(place)
}

/// What tells an element from its neighbours: the keys by which Kubernetes merges lists.
pub(crate) fn identity(item: &Value) -> Option<(&str, &Value)> {
    const KEYS: [&str; 8] = [
        "name",
        "containerPort",
        "port",
        "mountPath",
        "devicePath",
        "key",
        "ip",
        "topologyKey",
    ];
    let members = item.as_object()?;
    let (key, value) = KEYS.iter().find_map(|key| members.get_key_value(*key))?;
    (value.is_string() || value.is_number()).then_some((key.as_str(), value))
}

/// Whether the API server filled this value in, because its author left the field out.
pub(crate) fn is_default(kind: &GroupVersionKind, object: &Value, authored: Option<&Value>, pointer: &str) -> bool {
    let Some(value) = object.pointer(pointer) else {
        return false;
    };
    if let Some(authored) = authored
        && locate(object, authored, pointer).is_some_and(|place| authored.pointer(&place).is_some())
    {
        return false;
    }
    let schema = Type::of_kind(&kind.group, &kind.version, &kind.kind);
    let stated = schema.and_then(|schema| schema.at_pointer(pointer)?.default());
    stated.as_ref() == Some(value) || (schema.is_some() && is_usual(pointer, value))
}

/// Defaults that Kubernetes' code sets and its schema does not state, by the name of the field.
fn is_usual(pointer: &str, value: &Value) -> bool {
    let field = pointer.rsplit('/').next().unwrap_or_default();
    let usual: &[&str] = match field {
        "restartPolicy" => &["Always"],
        "dnsPolicy" => &["ClusterFirst"],
        "schedulerName" => &["default-scheduler"],
        "terminationMessagePolicy" => &["File"],
        "terminationMessagePath" => &["/dev/termination-log"],
        "imagePullPolicy" => &["Always", "IfNotPresent"],
        "serviceAccountName" | "serviceAccount" => &["default"],
        "preemptionPolicy" => &["PreemptLowerPriority"],
        "protocol" => &["TCP"],
        "scheme" => &["HTTP"],
        "sessionAffinity" => &["None"],
        "internalTrafficPolicy" | "externalTrafficPolicy" => &["Cluster"],
        "ipFamilyPolicy" => &["SingleStack"],
        "podManagementPolicy" => &["OrderedReady"],
        "concurrencyPolicy" => &["Allow"],
        "completionMode" => &["NonIndexed"],
        "volumeMode" => &["Filesystem"],
        "persistentVolumeReclaimPolicy" | "reclaimPolicy" => &["Delete"],
        "volumeBindingMode" => &["Immediate"],
        "maxUnavailable" | "maxSurge" => &["25%"],
        "type" => &["ClusterIP", "RollingUpdate", "Opaque"],
        "pathType" => &["ImplementationSpecific"],
        _ => &[],
    };
    let number: &[i64] = match field {
        "replicas"
        | "timeoutSeconds"
        | "successThreshold"
        | "completions"
        | "parallelism"
        | "failedJobsHistoryLimit" => &[1],
        "terminationGracePeriodSeconds" => &[30],
        "periodSeconds" | "revisionHistoryLimit" => &[10],
        "failureThreshold" | "successfulJobsHistoryLimit" => &[3],
        "progressDeadlineSeconds" => &[600],
        "backoffLimit" => &[6],
        "defaultMode" => &[420],
        "priority" => &[0],
        _ => &[],
    };
    match value {
        Value::String(text) => usual.contains(&text.as_str()) || (text.is_empty() && field == "type"),
        Value::Number(count) => count.as_i64().is_some_and(|count| number.contains(&count)),
        Value::Bool(flag) => (field == "enableServiceLinks" && *flag) || (field == "suspend" && !*flag),
        Value::Object(members) => members.is_empty() && matches!(field, "securityContext" | "resources" | "strategy"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn pod() -> GroupVersionKind {
        GroupVersionKind {
            group: String::new(),
            version: "v1".into(),
            kind: "Pod".into(),
        }
    }

    #[test]
    fn a_server_side_apply_says_what_is_its_own() {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {
                "f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {},
                    "f:securityContext": {"f:capabilities": {"f:drop": {}}}}}}}}]},
            "spec": {"dnsPolicy": "ClusterFirst", "containers": [
                {"name": "proxy", "image": "proxy:1"},
                {"name": "app", "image": "web:1", "imagePullPolicy": "IfNotPresent",
                 "securityContext": {"capabilities": {"drop": ["ALL"]}}}]},
        });
        let own = authored(&object).unwrap();
        assert_eq!(
            own,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [
                {"name": "app", "image": "web:1", "securityContext": {"capabilities": {"drop": ["ALL"]}}}]}})
        );
        assert_eq!(
            locate(&object, &own, "/spec/containers/1/image").as_deref(),
            Some("/spec/containers/0/image")
        );
        assert_eq!(locate(&object, &own, "/spec/containers/0/image"), None);
        let default = |pointer| is_default(&pod(), &object, Some(&own), pointer);
        assert!(default("/spec/dnsPolicy") && default("/spec/containers/1/imagePullPolicy"));
        assert!(!default("/spec/containers/1/image"));
    }

    #[test]
    fn kubectl_keeps_what_was_applied() {
        let object = json!({
            "metadata": {"name": "web", "annotations": {LAST_APPLIED:
                "{\"kind\":\"Pod\",\"spec\":{\"restartPolicy\":\"Always\"}}"}},
            "spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"},
        });
        let own = authored(&object);
        assert!(
            !is_default(&pod(), &object, own.as_ref(), "/spec/restartPolicy"),
            "it was written"
        );
        assert!(is_default(&pod(), &object, own.as_ref(), "/spec/dnsPolicy"));
        assert!(
            !is_default(&pod(), &object, own.as_ref(), "/spec/hostNetwork"),
            "it is not there"
        );
        assert_eq!(authored(&json!({"metadata": {"name": "web"}})), None);
    }

    #[test]
    fn a_kind_that_is_not_known_has_no_defaults() {
        let kind = GroupVersionKind {
            group: "example.com".into(),
            version: "v1".into(),
            kind: "Rollout".into(),
        };
        assert!(!is_default(
            &kind,
            &json!({"spec": {"replicas": 1}}),
            None,
            "/spec/replicas"
        ));
    }
}
