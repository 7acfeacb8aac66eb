//! What opens a place, by its name and its kind. When in doubt, a change does.

use serde_json::Value as Json;

use super::{Place, network};

/// Whether the change at this place by itself gives more than there was. What is below it is looked at otherwise.
pub(super) fn opens(place: &Place<'_>) -> bool {
    if let ["metadata", rest @ ..] = place.names {
        return named(place, rest);
    }
    let by_kind = match place.group {
        "rbac.authorization.k8s.io" => rights(place),
        "admissionregistration.k8s.io" => return admission(place),
        "policy" if place.kind == "PodDisruptionBudget" => budget(place),
        _ => network::opens(place),
    };
    by_kind || switched(place) || user(place) || confined(place) || listed(place) || reached(place)
}

fn items(value: Option<&Json>) -> &[Json] {
    value.and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a list has something that it had not.
pub(super) fn grows(place: &Place<'_>) -> bool {
    let known = items(place.before);
    items(place.after)
        .iter()
        .any(|item| !item.is_null() && !known.contains(item))
}

/// Whether a list lost something.
pub(super) fn shrinks(place: &Place<'_>) -> bool {
    let kept = items(place.after);
    items(place.before).iter().any(|item| !kept.contains(item))
}

/// Whether a map keeps all that it says, and says more: it selects less.
pub(super) fn only_adds(place: &Place<'_>) -> bool {
    let Some(before) = place.before.and_then(Json::as_object) else {
        return true;
    };
    before
        .iter()
        .all(|(name, value)| place.after.and_then(|after| after.get(name)) == Some(value))
}

/// Whether a list had elements and has none.
pub(super) fn is_emptied(place: &Place<'_>) -> bool {
    let count = |value| items(value).iter().filter(|item| !item.is_null()).count();
    count(place.before) > 0 && count(place.after) == 0
}

/// Labels and annotations that guard or give something.
fn named(place: &Place<'_>, rest: &[&str]) -> bool {
    let ["labels" | "annotations", name] = rest else {
        return false;
    };
    let level = |text: Option<&str>| match text {
        Some("restricted") => 2,
        Some("baseline") => 1,
        _ => 0,
    };
    if name.starts_with("pod-security.kubernetes.io/") && !name.ends_with("-version") {
        return level(place.is()) < level(place.was());
    }
    if name.starts_with("rbac.authorization.k8s.io/aggregate-to-") {
        return place.is() == Some("true");
    }
    let is_lost = place.before.is_some() && place.after.is_none();
    if name.contains("source-range") || name.contains("load-balancer-internal") {
        return place.before.is_some();
    }
    let guards = name.contains("apparmor.security") || name.contains("seccomp.security");
    guards && (place.is() == Some("unconfined") || (is_lost && place.was() != Some("unconfined")))
}

/// Who may do what.
fn rights(place: &Place<'_>) -> bool {
    match place.names {
        // Somebody who goes gets nothing.
        ["subjects", ..] => place.is_element && place.after.is_some(),
        ["roleRef", ..] => true,
        ["aggregationRule", ..] => place.after.is_some(),
        ["rules", "resourceNames"] if !place.is_element => {
            !items(place.before).is_empty() && (grows(place) || is_emptied(place))
        }
        ["rules", "verbs" | "apiGroups" | "resources" | "nonResourceURLs"] if !place.is_element => grows(place),
        _ => false,
    }
}

/// What is checked at admission: what is not matched any more, or may pass when nobody answers.
fn admission(place: &Place<'_>) -> bool {
    let only_more = !shrinks(place) && !items(place.before).is_empty();
    match place.last() {
        "failurePolicy" => place.is() == Some("Ignore"),
        "webhooks" | "validations" if place.is_element => place.after.is_none(),
        "validationActions" if !place.is_element => {
            let denies = |value| items(value).iter().any(|action| action == "Deny");
            denies(place.before) && !denies(place.after)
        }
        "matchPolicy" => place.is() == Some("Exact"),
        "expression" => true,
        "operations" | "apiGroups" | "apiVersions" | "resources" if !place.is_element => !only_more,
        "rules" | "resourceRules" if place.is_element => place.before.is_some() && place.after.is_none(),
        "scope" => place.is() != Some("*"),
        _ => {
            let selects = ["namespaceSelector", "objectSelector", "matchConditions"];
            let selects = selects.iter().any(|name| place.within(name)) || place.within("excludeResourceRules");
            selects && (place.is_element || !matches!(place.after, Some(Json::Object(_) | Json::Array(_))))
        }
    }
}

/// How much of it may be taken away at once.
fn budget(place: &Place<'_>) -> bool {
    let amount = |value: Option<&Json>| -> Option<(bool, f64)> {
        match value? {
            Json::Number(number) => Some((false, number.as_f64()?)),
            Json::String(text) => Some((true, text.strip_suffix('%')?.parse().ok()?)),
            _ => None,
        }
    };
    let (before, after) = (amount(place.before), amount(place.after));
    // Parts are compared with parts, and numbers with numbers.
    let both = before.zip(after).filter(|((one, _), (other, _))| one == other);
    match place.names {
        ["spec", "minAvailable"] => {
            place.before.is_some() && both.is_none_or(|((_, before), (_, after))| after < before)
        }
        ["spec", "maxUnavailable"] => {
            place.after.is_some() && both.is_none_or(|((_, before), (_, after))| after > before)
        }
        ["spec", "unhealthyPodEvictionPolicy"] => place.is() == Some("AlwaysAllow"),
        ["spec", "selector", ..] => place.before.is_some() && !place.before.is_some_and(Json::is_object),
        _ => false,
    }
}

/// What is on or off.
fn switched(place: &Place<'_>) -> bool {
    let was_on = place.before == Some(&Json::Bool(true));
    let was_off = place.before == Some(&Json::Bool(false));
    let is_on = place.after == Some(&Json::Bool(true));
    match place.last() {
        "privileged" | "hostNetwork" | "hostPID" | "hostIPC" | "shareProcessNamespace" | "hostProcess" => is_on,
        // On, when nothing is said.
        "allowPrivilegeEscalation" | "automountServiceAccountToken" => is_on || (was_off && place.after.is_none()),
        "hostUsers" => was_off,
        "readOnlyRootFilesystem" | "runAsNonRoot" | "readOnly" | "immutable" => was_on && !is_on,
        _ => false,
    }
}

/// Whom a process is.
fn user(place: &Place<'_>) -> bool {
    let number = |value: Option<&Json>| value.and_then(Json::as_i64);
    let (was, is) = (number(place.before), number(place.after));
    match place.last() {
        // Without one it is what the image says: root, as a rule.
        "runAsUser" | "runAsGroup" => {
            (is == Some(0) && was != Some(0)) || (place.after.is_none() && was.is_some_and(|was| was != 0))
        }
        "fsGroup" => is == Some(0) && was != Some(0),
        "supplementalGroups" if !place.is_element => {
            let had = items(place.before);
            items(place.after)
                .iter()
                .any(|group| !had.contains(group) && group.as_i64() == Some(0))
        }
        "runAsUserName" => place
            .is()
            .is_some_and(|name| name.contains("SYSTEM") || name.contains("Administrator")),
        _ => false,
    }
}

/// What holds a process.
fn confined(place: &Place<'_>) -> bool {
    let above = place.above(1);
    match place.last() {
        "type" if matches!(above, "seccompProfile" | "appArmorProfile") => {
            let is_free = |text: Option<&str>| text == Some("Unconfined");
            is_free(place.is()) || (place.after.is_none() && place.before.is_some() && !is_free(place.was()))
        }
        "type" if above == "seLinuxOptions" => place.is().is_some_and(|own| {
            let container = [
                "container_t",
                "container_init_t",
                "container_kvm_t",
                "container_engine_t",
            ];
            let is_confined = |own: &str| container.contains(&own);
            let is_free = own == "spc_t" || own.contains("unconfined") || own.contains("super_privileged");
            is_free || (place.was().is_some_and(is_confined) && !is_confined(own))
        }),
        "user" | "role" if above == "seLinuxOptions" => place.is().is_some_and(|own| own.contains("unconfined")),
        "procMount" => place.is() == Some("Unmasked"),
        "mountPropagation" => place.is() == Some("Bidirectional"),
        _ => false,
    }
}

/// Lists in which each element gives something, or takes it.
fn listed(place: &Place<'_>) -> bool {
    let last = place.last();
    let has_all = || items(place.after).iter().any(|item| item == "ALL");
    if place.is_element {
        return match last {
            "tolerations" | "sysctls" => place.before.is_none(),
            "tls" => place.after.is_none(),
            _ => false,
        };
    }
    match last {
        "add" if place.above(1) == "capabilities" => grows(place),
        "drop" if place.above(1) == "capabilities" => shrinks(place) && !has_all(),
        "externalIPs" => grows(place),
        "name" if place.above(1) == "sysctls" => place.after.is_some(),
        "tls" | "networkPolicy" => place.before.is_some() && (place.after.is_none() || is_emptied(place)),
        // Without a key, a value or an effect it is every one.
        "key" | "value" | "effect" if place.above(1) == "tolerations" => place.before.is_some(),
        "operator" if place.above(1) == "tolerations" => place.is() == Some("Exists"),
        "tolerationSeconds" => match (place.before.and_then(Json::as_i64), place.after.and_then(Json::as_i64)) {
            (Some(before), Some(after)) => after > before,
            (before, _) => before.is_some(),
        },
        _ => false,
    }
}

/// What is reached on the node, or named by a star.
fn reached(place: &Place<'_>) -> bool {
    let is_star = |text: &str| text == "*" || text.starts_with("*.");
    if place.is().is_some_and(is_star) && !place.was().is_some_and(is_star) {
        return true;
    }
    match place.last() {
        "hostPort" => place.before.is_none() && place.after.is_some_and(|port| *port != 0),
        "path" if place.above(1) == "hostPath" => place
            .is()
            .is_some_and(|path| !place.was().is_some_and(|old| is_below(path, old))),
        _ => false,
    }
}

/// Whether a path is one of a directory, or below it.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
