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
const VITAL: [&str; 14] = [
    // Without a member they mean everything.
    "loadBalancerSourceRanges",
    "from",
    "minAvailable",
    "maxUnavailable",
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
    let is_set = matches!(edit.action, Action::Set(_));
    let identity = match path.as_slice() {
        // A version of the same kind is the same object, said otherwise.
        ["apiVersion"] => !is_set || edit.placeholder.is_some(),
        ["apiVersion" | "kind" | "status" | "roleRef", ..] | ["metadata" | "spec"] | [] => true,
        ["metadata", name, ..] => !matches!(*name, "labels" | "annotations" | "finalizers"),
        // What a workload selects cannot be changed, and has to fit its template.
        ["spec", "selector", "matchLabels" | "matchExpressions", ..] => object.pointer("/spec/template").is_some(),
        _ => false,
    };
    if identity {
        return Some(Forbidden::Identity);
    }
    let is_dodge = match &edit.action {
        Action::Remove => is_vital(object, edit, &path),
        Action::Set(Json::Array(items)) => items.is_empty(),
        // Nothing of what is counted is asked for any more.
        Action::Set(Json::Number(number)) if number.as_i64() == Some(0) => {
            let is_amount = matches!(path.as_slice(), [.., "limits" | "requests", _]);
            is_amount || path.last() == Some(&"replicas")
        }
        // A variable by another name is another one.
        Action::Set(_) if matches!(path.as_slice(), [.., "env", _, "name"]) => true,
        // What a container runs on is not the policy's to say.
        Action::Set(_) => path.windows(2).any(|pair| pair == ["os", "name"]) || path.last() == Some(&"hostUsers"),
    };
    is_dodge.then_some(Forbidden::Dodge)
}

/// Whether the object would be without something that it needs to be what it is.
fn is_vital(object: &Json, edit: &Edit, path: &[&str]) -> bool {
    let last = path.last().copied().unwrap_or_default();
    let parent = path
        .len()
        .checked_sub(2)
        .and_then(|at| path.get(at))
        .copied()
        .unwrap_or_default();
    if last.parse::<usize>().is_ok() {
        let around = super::change::pointer(edit.path.get(..edit.path.len().saturating_sub(1)).unwrap_or_default());
        let elements = around.and_then(|path| object.pointer(&path)).and_then(Json::as_array);
        let count = elements.map_or(0, Vec::len);
        return parent.ends_with("ontainers")
            || parent == "env"
            || parent == "ports"
            || parent == "rules"
            || (VITAL.contains(&parent) && count <= 1)
            || (SELECTIVE.contains(&parent) && count <= 1);
    }
    if ["labels", "annotations"].contains(&parent) {
        return false;
    }
    if ["requests", "limits", "hard", "nodeSelector"].contains(&parent) {
        return true;
    }
    if ["httpGet", "tcpSocket"].contains(&parent) && last == "host" {
        return false;
    }
    if path.ends_with(&["value"]) && path.iter().rev().nth(2) == Some(&"env") {
        return false;
    }
    path.contains(&"selector")
        || SELECTIVE.contains(&last)
        || VITAL.contains(&last)
        || last.ends_with("ontainers")
        || matches!(
            last,
            "template" | "jobTemplate" | "labels" | "env" | "volumes" | "data" | "hosts" | "tls" | "egress" | "ingress"
        )
}

/// Whether a change takes something away that was there: a field, or what the object is there for.
pub(super) fn removes(before: &Json, edits: &[Edit]) -> bool {
    edits
        .iter()
        .any(|edit| edit.action == Action::Remove || changes_purpose(before, edit))
}

/// Whether the object would be there for something else: a Service that is no longer reached from outside.
pub(super) fn changes_purpose(before: &Json, edit: &Edit) -> bool {
    let path = names(&edit.path);
    let now = super::change::pointer(&edit.path).and_then(|path| before.pointer(&path));
    let Action::Set(value) = &edit.action else { return false };
    matches!(path.as_slice(), ["spec", "type" | "kind" | "mode"])
        && now.is_some_and(|now| now.is_string() && now != value)
}

/// Whether a field says in which manner the rest of the object works: the type of a Service or of a strategy. Where one of its
/// values is refused, another one passes, and the object does not do any more what it is there for. What guards is no such
/// manner: a profile has a type, and another one is what is wanted.
pub(super) fn is_manner(path: &[&str], is_listed: bool) -> bool {
    let last = path.last().copied().unwrap_or_default();
    let guards = path.iter().any(|name| name.ends_with("ecurityContext"));
    !guards && ((is_listed && matches!(last, "type" | "kind")) || matches!(path, ["spec", "type" | "kind" | "mode"]))
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
