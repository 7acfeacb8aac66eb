//! Names, labels, annotations and selectors.

use serde_json::Value;

use super::Object;
use super::read::{get, has, items, object, text, texts};
use crate::schema::check::Check;
use crate::schema::path::Path;
use crate::schema::syntax;

const LABEL: &str = "must be at most 63 lower-case letters, digits and '-', with a letter or digit at both ends";
const SUBDOMAIN: &str =
    "must be at most 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part";
pub(super) const KEY: &str = "must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, and maybe a domain and '/' before it";
pub(super) const VALUE: &str =
    "must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";
const ANNOTATIONS_MAXIMUM: usize = 256 * 1024;

pub(super) fn dns_label(name: &str, path: &Path<'_>, check: &mut Check<'_>) {
    if !syntax::is_dns_label(name) {
        check.invalid(path, LABEL);
    }
}

pub(super) fn dns_subdomain(name: &str, path: &Path<'_>, check: &mut Check<'_>) {
    if !syntax::is_dns_subdomain(name) {
        check.invalid(path, SUBDOMAIN);
    }
}

/// The name of the whole object. Kinds that are not listed have rules of their own, or no name.
pub(super) fn name(whole: &Object, check: &mut Check<'_>) {
    let is_right: fn(&str) -> bool;
    let rule;
    match check.kind {
        "Namespace" | "Service" => (is_right, rule) = (syntax::is_dns_label, LABEL),
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "PodDisruptionBudget" => {
            (is_right, rule) = (
                syntax::is_path_segment,
                "must be one segment of a path, without '/' and '%'",
            );
        }
        "Pod"
        | "Deployment"
        | "ReplicaSet"
        | "StatefulSet"
        | "DaemonSet"
        | "Job"
        | "CronJob"
        | "ReplicationController"
        | "PodTemplate"
        | "ConfigMap"
        | "Secret"
        | "ServiceAccount"
        | "PersistentVolume"
        | "PersistentVolumeClaim"
        | "HorizontalPodAutoscaler"
        | "Ingress"
        | "IngressClass"
        | "NetworkPolicy"
        | "StorageClass"
        | "PriorityClass"
        | "RuntimeClass"
        | "ResourceQuota"
        | "LimitRange" => {
            (is_right, rule) = (syntax::is_dns_subdomain, SUBDOMAIN);
        }
        _ => return,
    }
    let metadata = object(whole, "metadata");
    let member = |key| metadata.and_then(|metadata| text(metadata, key));
    let path = Path::ROOT.key("metadata");
    match (member("name"), member("generateName")) {
        (Some(name), _) if !is_right(name) => check.invalid(&path.key("name"), rule),
        (Some(name), _) if check.kind == "CronJob" && name.len() > 52 => {
            check.invalid(
                &path.key("name"),
                "must be at most 52 characters, as Jobs are named after it",
            );
        }
        (None, Some(prefix)) if !is_right(prefix.trim_end_matches('-')) => {
            check.invalid(&path.key("generateName"), rule);
        }
        (None, None) => check.missing(&path.key("name")),
        _ => {}
    }
}

pub(super) fn object_meta(metadata: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if let Some(labels) = object(metadata, "labels") {
        label_map(labels, &path.key("labels"), check);
    }
    if let Some(annotations) = object(metadata, "annotations") {
        let path = path.key("annotations");
        let mut size = 0;
        for (key, value) in annotations {
            // Upper case is tolerated in the domain.
            if !syntax::is_qualified_name(&key.to_ascii_lowercase()) {
                check.invalid(&path.key(key), KEY);
            }
            size += key.len() + value.as_str().map_or(0, str::len);
        }
        if size > ANNOTATIONS_MAXIMUM {
            check.invalid(&path, "must not be longer than 256 KiB in all");
        }
    }
    if let Some(namespace) = text(metadata, "namespace") {
        dns_label(namespace, &path.key("namespace"), check);
    }
}

/// Labels: of an object, of a selector.
pub(super) fn label_map(labels: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    for (key, value) in labels {
        if !syntax::is_qualified_name(key) {
            check.invalid(&path.key(key), KEY);
        }
        if value.as_str().is_some_and(|value| !syntax::is_label_value(value)) {
            check.invalid(&path.key(key), VALUE);
        }
    }
}

pub(super) fn label_selector(selector: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if let Some(labels) = object(selector, "matchLabels") {
        label_map(labels, &path.key("matchLabels"), check);
    }
}

/// One expression of a selector.
pub(super) fn requirement(requirement: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if text(requirement, "key").is_some_and(|key| !syntax::is_qualified_name(key)) {
        check.invalid(&path.key("key"), KEY);
    }
    for (index, value) in texts(requirement, "values") {
        if !syntax::is_label_value(value) {
            check.invalid(&path.key("values").index(index), VALUE);
        }
    }
    let count = items(requirement, "values").len();
    let path = path.key("values");
    match text(requirement, "operator") {
        Some("In" | "NotIn") if count == 0 => check.missing(&path),
        Some("Exists" | "DoesNotExist") if count > 0 => check.invalid(&path, "must be empty for this operator"),
        Some("Gt" | "Lt") if count != 1 => check.invalid(&path, "must be one value for this operator"),
        Some("In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt") | None => {}
        Some(_) => check.invalid(&path, "belongs to an operator that does not exist"),
    }
}

/// Whether a selector selects what has these labels; `None` when it cannot be said.
pub(super) fn selects(selector: &Object, labels: &Object) -> Option<bool> {
    let none = Object::new();
    for (key, value) in object(selector, "matchLabels").unwrap_or(&none) {
        if get(labels, key).and_then(Value::as_str) != value.as_str() {
            return Some(false);
        }
    }
    for expression in items(selector, "matchExpressions").iter().filter_map(Value::as_object) {
        let value = labels.get(text(expression, "key")?);
        let is_listed = value.is_some_and(|value| items(expression, "values").contains(value));
        let holds = match text(expression, "operator")? {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => return None,
        };
        if !holds {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether a selector selects everything.
pub(super) fn is_empty(selector: &Object) -> bool {
    let is_nothing = |key| !has(selector, key) || get(selector, key) == Some(&Value::Array(Vec::new()));
    object(selector, "matchLabels").is_none_or(Object::is_empty) && is_nothing("matchExpressions")
}
