//! RBAC.

use super::Object;
use super::read::{elements, get, items, text};
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;

const GROUP: &str = "rbac.authorization.k8s.io";
const NOT_GROUP: &str = "must be rbac.authorization.k8s.io";

pub(super) fn rule(rule: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let has = |key| !items(rule, key).is_empty();
    // Absent is reported as required.
    if get(rule, "verbs").is_some_and(|verbs| !verbs.is_null()) && !has("verbs") {
        check.missing(&path.key("verbs"));
    }
    if has("nonResourceURLs") {
        if has("apiGroups") || has("resources") || has("resourceNames") {
            check.invalid(&path.key("nonResourceURLs"), "must not be there beside resources");
        }
        return;
    }
    for key in ["apiGroups", "resources"] {
        if !has(key) {
            check.missing(&path.key(key));
        }
    }
}

/// A Role, whose rules are about one namespace.
pub(super) fn role(role: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    for (index, rule) in elements(role, "rules") {
        if !items(rule, "nonResourceURLs").is_empty() {
            let path = path.key("rules");
            check.invalid(&path.index(index).key("nonResourceURLs"), "is only for a ClusterRole");
        }
    }
}

pub(super) fn role_reference(reference: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if text(reference, "apiGroup").is_some_and(|group| group != GROUP) {
        check.invalid(&path.key("apiGroup"), NOT_GROUP);
    }
    listed(reference, &["Role", "ClusterRole"], path, check);
}

fn listed(of: &Object, kinds: &[&'static str], path: &Path<'_>, check: &mut Check<'_>) {
    if text(of, "kind").is_some_and(|kind| !kinds.contains(&kind)) {
        let allowed = kinds.to_vec();
        check.report(&path.key("kind"), What::NotListed { allowed });
    }
}

pub(super) fn subject(subject: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let group = text(subject, "apiGroup");
    match text(subject, "kind") {
        Some("ServiceAccount") => {
            // In a RoleBinding it is the binding's own.
            if text(subject, "namespace").is_none() && check.kind == "ClusterRoleBinding" {
                check.missing(&path.key("namespace"));
            }
            if group.is_some() {
                check.invalid(&path.key("apiGroup"), "must be empty for a ServiceAccount");
            }
        }
        Some("User" | "Group") if group.is_some_and(|group| group != GROUP) => {
            check.invalid(&path.key("apiGroup"), NOT_GROUP);
        }
        _ => listed(subject, &["ServiceAccount", "User", "Group"], path, check),
    }
}
