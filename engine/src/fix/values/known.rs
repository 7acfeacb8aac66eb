//! What is known of the fields of Kubernetes: which are safest unset, what a piece of one usually looks like, what a person fills in.

use serde_json::{Value as Json, json};

use super::choices::own_selector;
use super::{Candidate, DERIVED, FILLED, SET, Spot, filled, set};
use crate::fix::change::{Action, names, pointer};
use crate::fix::texts::FILL_IN;

/// Fields that are safest when nothing is said.
pub(super) fn unset_is_safe(path: &[&str]) -> bool {
    let parent = path
        .len()
        .checked_sub(2)
        .and_then(|at| path.get(at))
        .copied()
        .unwrap_or_default();
    match path.last().copied().unwrap_or_default() {
        "procMount" | "hostPort" | "hostIP" | "seLinuxOptions" | "hostProcess" | "appArmorProfile" | "runAsUser"
        | "runAsGroup" | "nodePort" => true,
        "host" => ["httpGet", "tcpSocket"].contains(&parent),
        _ => parent == "seLinuxOptions",
    }
}

pub(super) fn is_container_name(path: &[&str]) -> bool {
    matches!(path, [.., list, _, "name"] if list.ends_with("ontainers"))
}

/// Whether the field names an image.
pub(super) fn is_image(path: &[&str]) -> bool {
    path.last() == Some(&"image") || path.ends_with(&["image", "reference"])
}

/// Flags that give more when they are true.
pub(super) fn opens(name: &str) -> bool {
    name.starts_with("host")
        || matches!(
            name,
            "privileged"
                | "allowPrivilegeEscalation"
                | "automountServiceAccountToken"
                | "shareProcessNamespace"
                | "stdin"
                | "tty"
        )
}

/// A piece of an object that is asked for as a whole.
pub(super) fn structure(spot: &Spot<'_>) -> Option<Candidate> {
    let last = names(spot.path).last().copied()?;
    let value = match last {
        "livenessProbe" | "startupProbe" => json!({"httpGet": {"path": "/healthz", "port": port(spot)}}),
        "readinessProbe" => json!({"httpGet": {"path": "/ready", "port": port(spot)}}),
        "preStop" => json!({"exec": {"command": ["sleep", "10"]}}),
        "lifecycle" => json!({"preStop": {"exec": {"command": ["sleep", "10"]}}}),
        "topologySpreadConstraints" => {
            let labels = own_selector(spot);
            let Action::Set(selector) = labels.action else {
                return None;
            };
            return Some(Candidate {
                action: Action::Set(json!([{
                    "maxSkew": 1,
                    "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": selector,
                }])),
                cost: DERIVED,
                ..labels
            });
        }
        // Apart from each other, where that can be had.
        "affinity" | "podAntiAffinity" | "preferredDuringSchedulingIgnoredDuringExecution"
            if last != "preferredDuringSchedulingIgnoredDuringExecution"
                || names(spot.path).contains(&"podAntiAffinity") =>
        {
            let labels = own_selector(spot);
            let Action::Set(selector) = labels.action else {
                return None;
            };
            let term = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": selector});
            let mut value = json!([{"weight": 100, "podAffinityTerm": term}]);
            let around = [
                "preferredDuringSchedulingIgnoredDuringExecution",
                "podAntiAffinity",
                "affinity",
            ];
            for name in around.iter().take_while(|name| **name != last) {
                value = json!({*name: value});
            }
            return Some(Candidate {
                action: Action::Set(value),
                cost: DERIVED,
                ..labels
            });
        }
        // Which Pods a budget or a rule of the network is for, its own labels may say.
        "selector" | "podSelector" if spot.object.pointer("/spec/template").is_none() => {
            let is_own = matches!(names(spot.path).as_slice(), ["spec", _]);
            let app = ["app.kubernetes.io/name", "app"]
                .iter()
                .filter(|_| is_own)
                .find_map(|name| {
                    let value = spot.object.pointer("/metadata/labels")?.get(name)?;
                    Some(json!({*name: value}))
                });
            json!({"matchLabels": app.unwrap_or(json!({"app": FILL_IN}))})
        }
        "loadBalancerSourceRanges" => json!(["10.0.0.0/8"]),
        "imagePullSecrets" => json!([{"name": FILL_IN}]),
        "tls" => {
            let rules = spot.object.pointer("/spec/rules").and_then(Json::as_array);
            let hosts: Vec<&Json> = rules
                .into_iter()
                .flatten()
                .filter_map(|rule| rule.get("host"))
                .collect();
            json!([{"hosts": hosts, "secretName": FILL_IN}])
        }
        "from" | "to" => json!([{"podSelector": {"matchLabels": {"app": FILL_IN}}}]),
        "limits" | "requests" => json!({"cpu": "100m", "memory": "128Mi"}),
        "resources" => json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}),
        "httpGet" => json!({"path": "/healthz", "port": 8080}),
        "tcpSocket" => json!({"port": 8080}),
        "exec" => json!({"command": [FILL_IN]}),
        "seccompProfile" => return Some(set(json!({"type": "RuntimeDefault"}), SET)),
        "emptyDir" => return Some(set(json!({}), SET)),
        "secretKeyRef" => json!({"name": FILL_IN, "key": variable_key(spot)}),
        "securityContext" => return Some(set(json!({}), DERIVED)),
        _ => return None,
    };
    Some(filled(value, FILLED, meaning(spot)))
}

/// A key for a variable: `DATABASE_URL` as `database-url`.
pub(super) fn variable_key(spot: &Spot<'_>) -> String {
    let variable = spot.path.get(..spot.path.len().saturating_sub(2)).and_then(pointer);
    let name = variable.and_then(|variable| spot.object.pointer(&format!("{variable}/name")).cloned());
    let name = name.and_then(|name| name.as_str().map(str::to_lowercase));
    name.map_or_else(|| FILL_IN.to_owned(), |name| name.replace('_', "-"))
}

/// The first port that the container declares.
pub(super) fn port(spot: &Spot<'_>) -> Json {
    let container = spot.path.get(..spot.path.len().saturating_sub(1)).and_then(pointer);
    let first = container.and_then(|container| spot.object.pointer(&format!("{container}/ports/0")).cloned());
    let first = first.unwrap_or_default();
    let named = first.get("name").or(first.get("containerPort")).cloned();
    named.unwrap_or(json!(8080))
}

pub(super) fn number_for(name: &str) -> i64 {
    match name {
        "runAsUser" | "runAsGroup" | "fsGroup" => 1000,
        "replicas" | "minAvailable" => 2,
        "ttlSecondsAfterFinished" | "activeDeadlineSeconds" => 3600,
        "terminationGracePeriodSeconds" => 30,
        "startingDeadlineSeconds" => 60,
        "revisionHistoryLimit" | "backoffLimit" => 3,
        _ => 1,
    }
}

pub(super) fn quantity_for(name: &str) -> &'static str {
    match name {
        "cpu" => "100m",
        "memory" => "128Mi",
        // Whatever has a size; the rest is counted.
        _ if name.contains("storage")
            || name.contains("memory")
            || name.ends_with("Size")
            || name.ends_with("sizeLimit") =>
        {
            "1Gi"
        }
        _ => "1",
    }
}

/// What a person fills in, in words.
pub(super) fn meaning(spot: &Spot<'_>) -> String {
    let path = names(spot.path);
    let last = path.last().copied().unwrap_or_default();
    let parent = path
        .len()
        .checked_sub(2)
        .and_then(|at| path.get(at))
        .copied()
        .unwrap_or_default();
    match (parent, last) {
        ("labels", label) => format!("the value of the label {label}"),
        ("annotations", annotation) => format!("the value of the annotation {annotation}"),
        (_, "image") => "the image that is meant, as the policy allows it".to_owned(),
        ("limits" | "requests", resource) => format!("how much {resource} the container needs"),
        (_, "runAsUser" | "runAsGroup") => "a user of the image that is not root".to_owned(),
        (_, "selector" | "podSelector") => "the labels of the Pods that are meant".to_owned(),
        (_, "livenessProbe" | "readinessProbe" | "startupProbe") => "how the container shows that it works".to_owned(),
        _ => format!("the right value for {last}"),
    }
}

/// The value that most objects have.
pub(super) fn usual(name: &str) -> Option<&'static str> {
    match name {
        "type" => Some("ClusterIP"),
        "imagePullPolicy" => Some("IfNotPresent"),
        "concurrencyPolicy" => Some("Forbid"),
        _ => None,
    }
}

/// Another text in the place of one that is refused.
pub(super) fn renamed(spot: &Spot<'_>, now: &str) -> Candidate {
    let path = names(spot.path);
    match path.as_slice() {
        // A container is called as what it is for.
        [.., list, _, "name"] if list.ends_with("ontainers") => {
            let own = spot
                .object
                .pointer("/metadata/name")
                .and_then(Json::as_str)
                .unwrap_or(FILL_IN);
            set(json!(own), DERIVED)
        }
        // A time that any part of a schedule can be.
        [.., "schedule"] if spot.is_part => filled(
            json!(if now == "1" { "2" } else { "1" }),
            FILLED,
            "when it shall start".to_owned(),
        ),
        [.., "verbs", _] if now == "*" => filled(
            json!("get"),
            FILLED,
            "the verbs that are needed, each by its name".to_owned(),
        ),
        [.., "apiGroups", _] if now == "*" => {
            filled(json!("apps"), FILLED, "the API groups that are needed".to_owned())
        }
        [.., "resources", _] if now == "*" => {
            filled(json!("configmaps"), FILLED, "the resources that are needed".to_owned())
        }
        _ => filled(json!(FILL_IN), FILLED, meaning(spot)),
    }
}
