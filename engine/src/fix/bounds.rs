//! What is never proposed, and what is said of the rest: that it removes something, or widens access.

use serde_json::Value as Json;

use super::change::{Action, Edit, names};
use super::widening;

/// Why an edit is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// It would be another object.
    Identity,
    /// It would only dodge what the policy is for, or break the object.
    Dodge,
}

/// Lists whose elements are what the object is there for.
const VITAL: [&str; 19] = [
    // Without a member they mean everything.
    "loadBalancerSourceRanges",
    "from",
    "to",
    "ipBlock",
    // Without a member they check or guard nothing.
    "policyTypes",
    "tls",
    "webhooks",
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
            || parent == "volumeClaimTemplates"
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

/// Whether the edits together take all elements of what may not be empty: each by itself would leave one.
pub(super) fn empties(before: &Json, edits: &[Edit]) -> bool {
    let needs = |name: &str| VITAL.contains(&name) || SELECTIVE.contains(&name) || name.ends_with("ontainers");
    widening::emptied(before, edits)
        .iter()
        .any(|list| list.last().is_some_and(|name| needs(name)))
}

/// Whether after a change more is allowed or reached than before.
pub(super) fn widens(before: &Json, edits: &[Edit]) -> bool {
    !widening::places(before, edits).is_empty()
}
