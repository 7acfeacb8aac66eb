//! What is never proposed, and what is said of the rest: that it removes something, or widens access.

use serde_json::Value as Json;

use super::change::{Action, Edit, names};

/// Why an edit is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// It would be another object.
    Identity,
    /// It would only dodge what the policy is for, or break the object.
    Dodge,
}

/// Lists whose elements are what the object is there for.
const VITAL: [&str; 10] = [
    "containers",
    "rules",
    "paths",
    "subjects",
    "ports",
    "accessModes",
    "volumeClaimTemplates",
    "metrics",
    "ingress",
    "egress",
];

/// Fields that say what is meant: without them the object means more, or something else.
const SELECTIVE: [&str; 28] = [
    "key",
    "host",
    "hosts",
    "value",
    "name",
    "image",
    "operator",
    "effect",
    "topologyKey",
    "matchLabels",
    "matchExpressions",
    "labelSelector",
    "namespaceSelector",
    "podSelector",
    "selector",
    "requests",
    "limits",
    "cpu",
    "memory",
    "verbs",
    "resources",
    "apiGroups",
    "resourceNames",
    "hard",
    "readOnly",
    "port",
    "path",
    "secretName",
];

/// Whether an edit may be proposed at all.
pub(super) fn forbidden(object: &Json, edit: &Edit) -> Option<Forbidden> {
    let path = names(&edit.path);
    let identity = match path.as_slice() {
        ["apiVersion" | "kind" | "status", ..] | ["metadata"] | ["spec"] | [] => true,
        ["metadata", name, ..] => !matches!(*name, "labels" | "annotations" | "finalizers"),
        ["roleRef", ..] => true,
        _ => {
            path.windows(2).any(|pair| pair == ["selector", "matchLabels"])
                && path.first() == Some(&"spec")
                && path.len() <= 4
        }
    };
    if identity {
        return Some(Forbidden::Identity);
    }
    let is_position = |name: &str| name.parse::<usize>().is_ok();
    match &edit.action {
        Action::Remove => {
            let last = path.last().copied().unwrap_or_default();
            let parent = path
                .len()
                .checked_sub(2)
                .and_then(|at| path.get(at))
                .copied()
                .unwrap_or_default();
            let is_metadata = ["labels", "annotations"].contains(&parent);
            let is_dodge = if is_position(last) {
                let list =
                    super::change::pointer(edit.path.get(..edit.path.len().saturating_sub(1)).unwrap_or_default());
                let count = list
                    .and_then(|list| object.pointer(&list))
                    .and_then(Json::as_array)
                    .map_or(0, Vec::len);
                parent.ends_with("ontainers") && (parent != "initContainers")
                    || (VITAL.contains(&parent) && (count <= 1 || parent == "containers"))
                    || (SELECTIVE.contains(&parent) && count <= 1)
            } else {
                !is_metadata
                    && (SELECTIVE.contains(&last)
                        || VITAL.contains(&last)
                        || [
                            "template",
                            "jobTemplate",
                            "labels",
                            "env",
                            "volumes",
                            "rules",
                            "resources",
                        ]
                        .contains(&last))
                    && !(last == "ports" || last == "volumes" || last == "env" || last == "hosts")
                    || (["ports", "volumes", "env"].contains(&last))
            };
            is_dodge.then_some(Forbidden::Dodge)
        }
        Action::Set(value) => {
            let is_name = path.last() == Some(&"name") && path.iter().any(|name| name.ends_with("ontainers"));
            let is_empty = matches!(value, Json::Array(items) if items.is_empty());
            (is_name || is_empty).then_some(Forbidden::Dodge)
        }
    }
}

/// Whether a change takes something away that was there.
pub(super) fn removes(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| edit.action == Action::Remove)
}

/// Whether after a change more is allowed or reached than before.
pub(super) fn widens(before: &Json, edits: &[Edit]) -> bool {
    edits.iter().any(|edit| {
        let path = names(&edit.path);
        let last = path.last().copied().unwrap_or_default();
        let now = super::change::pointer(&edit.path).and_then(|path| before.pointer(&path).cloned());
        let guards = [
            "readOnlyRootFilesystem",
            "runAsNonRoot",
            "readOnly",
            "seccompProfile",
            "securityContext",
            "networkPolicy",
            "drop",
            "resourceNames",
            "tls",
            "appArmorProfile",
            "sourceRanges",
            "loadBalancerSourceRanges",
        ];
        let opens = [
            "privileged",
            "allowPrivilegeEscalation",
            "hostNetwork",
            "hostPID",
            "hostIPC",
            "automountServiceAccountToken",
            "shareProcessNamespace",
        ];
        match &edit.action {
            Action::Remove => {
                guards.contains(&last)
                    || path.contains(&"drop")
                    || (["allowPrivilegeEscalation", "automountServiceAccountToken"].contains(&last)
                        && now == Some(Json::Bool(false)))
            }
            Action::Set(value) => {
                let is_star = |value: &Json| value.as_str().is_some_and(|text| text == "*" || text.starts_with("*."));
                let adds_star = is_star(value) || value.as_array().is_some_and(|items| items.iter().any(is_star));
                let had_star = now
                    .as_ref()
                    .is_some_and(|now| is_star(now) || now.as_array().is_some_and(|items| items.iter().any(is_star)));
                let added_capability = path.contains(&"capabilities") && path.contains(&"add");
                let less_dropped = last == "drop"
                    && now.as_ref().and_then(Json::as_array).is_some_and(|now| {
                        let kept = value.as_array().cloned().unwrap_or_default();
                        now.iter().any(|item| !kept.contains(item))
                    });
                (opens.contains(&last) && *value == Json::Bool(true))
                    || (guards.contains(&last) && *value == Json::Bool(false))
                    || (adds_star && !had_star)
                    || (added_capability && grows(now.as_ref(), value))
                    || less_dropped
                    || (last == "type" && matches!(value.as_str(), Some("LoadBalancer" | "NodePort" | "Unconfined")))
                    || (last == "procMount" && value.as_str() == Some("Unmasked"))
                    || (["verbs", "resources", "apiGroups"].contains(&last) && grows(now.as_ref(), value))
                    || path.contains(&"hostPath")
                    || (path.contains(&"tolerations") && now.is_none())
                    || last == "externalIPs" && grows(now.as_ref(), value)
            }
        }
    })
}

fn grows(before: Option<&Json>, after: &Json) -> bool {
    let count = |value: &Json| value.as_array().map_or(0, Vec::len);
    before.map_or(0, count) < count(after)
}
