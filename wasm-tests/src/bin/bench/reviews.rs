//! The reviews that are sent: Pods that differ from one to the next in what policies read, so that nobody answers from memory.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use wasm_tests::fixtures::{repository, review_bytes};

/// A registry from which the policies allow images.
pub(crate) const REGISTRY: &str = "registry.example.com";

/// The labels that the policies require.
pub(crate) const LABELS: [&str; 2] = ["app", "owner"];

const TEAMS: [&str; 7] = [
    "checkout",
    "search",
    "payments",
    "site-reliability",
    "data",
    "identity",
    "mobile-apps",
];

/// How large a review is. Its bytes, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// A Pod with one container.
    Small,
    /// A Pod with two containers, their probes and variables, and managed fields.
    Usual,
    /// The same with some thousand variables.
    Large,
    /// The same with more than ten thousand.
    Huge,
}

impl Size {
    pub(crate) const ALL: [Self; 4] = [Self::Small, Self::Usual, Self::Large, Self::Huge];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "2 kB",
            Self::Usual => "13 kB",
            Self::Large => "256 kB",
            Self::Huge => "2 MB",
        }
    }

    fn padding(self) -> usize {
        match self {
            Self::Small | Self::Usual => 0,
            Self::Large => 245_000,
            Self::Huge => 1_990_000,
        }
    }
}

/// What the policies say of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expected {
    Allowed,
    /// By one of the five policies, each in its turn.
    Denied,
}

impl Expected {
    pub(crate) const ALL: [Self; 2] = [Self::Allowed, Self::Denied];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

/// What is wrong with a Pod, in the order in which denied reviews take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Privileged,
    Label,
    Registry,
    HostNamespaces,
    Limits,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] = [
        Self::Privileged,
        Self::Label,
        Self::Registry,
        Self::HostNamespaces,
        Self::Limits,
    ];
}

/// So many different reviews.
pub(crate) fn reviews(size: Size, expected: Expected, count: usize) -> Result<Vec<Vec<u8>>> {
    (0..count)
        .map(|turn| {
            let fault = match expected {
                Expected::Allowed => None,
                Expected::Denied => Fault::ALL.into_iter().cycle().nth(turn),
            };
            review(size, turn, fault.as_slice())
        })
        .collect()
}

/// One review; the same `turn` gives the same one.
pub(crate) fn review(size: Size, turn: usize, faults: &[Fault]) -> Result<Vec<u8>> {
    let recorded = match size {
        Size::Small => "01-pod-create.create-pods.json",
        _ => "02-pod-create-real.create-pods.json",
    };
    let path = repository("wasm-tests/fixtures/admission-reviews").join(recorded);
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let mut review: Value = serde_json::from_slice(&text)?;
    let mut pod = review
        .pointer_mut("/request/object")
        .map(Value::take)
        .context("the recorded review has no object")?;
    vary(&mut pod, turn);
    for fault in faults {
        spoil(&mut pod, *fault, turn);
    }
    pad(&mut pod, size.padding());
    let uid = format!("{turn:08x}-6393-11e8-b7cc-42010a800002");
    let text = String::from_utf8(review_bytes(&pod))?;
    Ok(text
        .replacen("705ab4f5-6393-11e8-b7cc-42010a800002", &uid, 1)
        .into_bytes())
}

/// Makes it pass, and differ from all others.
fn vary(pod: &mut Value, turn: usize) {
    let name = format!("web-{turn}");
    set(pod, &["metadata", "name"], json!(name));
    set(pod, &["metadata", "namespace"], json!("shop"));
    let labels = json!({
        "app": name, "app.kubernetes.io/name": name, "app.kubernetes.io/version": format!("1.{}.{}", turn % 40, turn % 7),
        "owner": TEAMS.get(turn % TEAMS.len()),
    });
    set(pod, &["metadata", "labels"], labels);
    for list in ["containers", "initContainers"] {
        for (place, container) in containers(pod, list).enumerate() {
            container["image"] = json!(format!("{REGISTRY}/shop/{name}-{place}:1.{}.{}", turn % 40, turn % 7));
            let (cpu, memory) = (100 + turn * 37 % 400, 64 + turn * 13 % 192);
            container["resources"] = json!({
                "limits": {"cpu": format!("{cpu}m"), "memory": format!("{memory}Mi")},
                "requests": {"cpu": format!("{}m", cpu / 2), "memory": format!("{memory}Mi")},
            });
        }
    }
}

fn spoil(pod: &mut Value, fault: Fault, turn: usize) {
    let place = turn / Fault::ALL.len();
    let of = |length: usize| place % length.max(1);
    match fault {
        Fault::Label => {
            let labels = pod.pointer_mut("/metadata/labels").and_then(Value::as_object_mut);
            if let (Some(labels), Some(label)) = (labels, LABELS.get(of(LABELS.len()))) {
                labels.remove(*label);
            }
        }
        Fault::HostNamespaces => {
            let fields = ["hostPID", "hostIPC"];
            if let Some(field) = fields.get(of(fields.len())) {
                set(pod, &["spec", field], json!(true));
            }
        }
        Fault::Privileged | Fault::Registry | Fault::Limits => {
            let length = containers(pod, "containers").count();
            let Some(container) = containers(pod, "containers").nth(of(length)) else {
                return;
            };
            match fault {
                Fault::Privileged => set(container, &["securityContext", "privileged"], json!(true)),
                Fault::Registry => {
                    container["image"] = json!(format!("quay.example.net/library/nginx:1.{}", turn % 40));
                }
                _ => container["resources"] = json!({}),
            }
        }
    }
}

/// Variables, spread over the containers: structure, as most of a large Pod is, which no policy here reads.
fn pad(pod: &mut Value, bytes: usize) {
    if bytes == 0 {
        return;
    }
    let count = containers(pod, "containers").count().max(1);
    for container in containers(pod, "containers") {
        let mut variables = container["env"].as_array().cloned().unwrap_or_default();
        let mut added = 0;
        while added < bytes / count {
            let number = variables.len();
            let variable = json!({
                "name": format!("FEATURE_{number}_ENABLED"),
                "value": format!("https://features.example.test/v1/flags/{number}?environment=production"),
            });
            added += variable.to_string().len() + 1;
            variables.push(variable);
        }
        container["env"] = Value::Array(variables);
    }
}

/// Sets a member, and makes the objects on the way to it.
fn set(object: &mut Value, path: &[&str], value: Value) {
    let mut place = object;
    for key in path {
        place = &mut place[key];
    }
    *place = value;
}

fn containers<'p>(pod: &'p mut Value, list: &str) -> impl Iterator<Item = &'p mut Value> {
    let containers = pod.pointer_mut(&format!("/spec/{list}"));
    containers.and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn reviews_have_their_size_and_differ() {
        for (size, bytes) in Size::ALL.into_iter().zip([2_000, 13_000, 256_000, 2_000_000]) {
            let review = review(size, 3, &[]).expect("a review");
            let difference = review.len().abs_diff(bytes);
            assert!(difference < bytes / 4, "{} is {} bytes", size.name(), review.len());
        }
        for expected in Expected::ALL {
            let all = reviews(Size::Usual, expected, 400).expect("reviews");
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 400);
        }
    }
}
