//! Where an object comes from: what has to be changed so that the change lasts.
//!
//! Labels and annotations are written by anybody, so a name is taken only when it could be one, and nothing follows from it but
//! words.

mod tools;

use std::collections::BTreeMap;

use super::wire::Origin;
use crate::admission::{Review, string};
use crate::document::Document;
use crate::template::is_pod;

/// A place to change, with the pointer at which the object's own fields are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// For the wire.
    pub(crate) origin: Origin,
    /// Where the object's fields are in what makes it; none when that is not surely so.
    pub(crate) under: Option<&'static str>,
}

/// What a tool leaves on objects.
struct Marks {
    kind: String,
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    manager: String,
    username: String,
}

/// Where the object of this review is made; none for what somebody applies by hand, as far as can be told.
pub(crate) fn of(review: &Review) -> Option<Place> {
    let metadata = review.object().get("metadata").unwrap_or_default();
    let map = |key: &str| metadata.get(key).map(|map| map.string_map()).unwrap_or_default();
    let marks = Marks {
        kind: review.kind.kind.clone(),
        namespace: review.namespace.clone(),
        name: review.name.clone(),
        labels: map("labels"),
        annotations: map("annotations"),
        manager: review.field_manager(),
        username: review.username(),
    };
    let tool = tools::tool(&marks);
    let Some(mut owned) = owner(review, &metadata, &marks) else {
        let origin = tool?;
        return Some(Place { origin, under: None });
    };
    // The labels of a template are its workload's, and say where that comes from.
    if let Some(tool) = tool {
        owned.origin.text.push(' ');
        owned.origin.text.push_str(&tool.text);
    }
    Some(owned)
}

impl Marks {
    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).and_then(|text| word(text))
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).and_then(|text| word(text))
    }
}

/// A text that can be the name of something.
fn word(text: &str) -> Option<&str> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/' | b':' | b'+' | b'@');
    (!text.is_empty() && text.len() <= 253 && text.bytes().all(is_plain)).then_some(text)
}

/// `Deployment shop/web`; the namespace only where there is one.
fn named(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

/// What the controller among the owners says.
fn owner(review: &Review, metadata: &Document, marks: &Marks) -> Option<Place> {
    let owners = metadata.get("ownerReferences")?.items();
    let owner = owners
        .iter()
        .find(|owner| owner.get("controller").and_then(|value| value.as_bool()) == Some(true))?;
    let (kind, name, version) = (
        string(owner, "kind"),
        string(owner, "name"),
        string(owner, "apiVersion"),
    );
    let (kind, name) = (word(&kind)?, word(&name)?);
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let is_pod = is_pod(&review.kind);
    let what = &marks.kind;
    let template = |kind: &str, name: &str, under: &'static str| Place {
        origin: Origin {
            kind: kind.to_owned(),
            namespace: marks.namespace.clone(),
            name: name.to_owned(),
            text: format!(
                "This {what} is made from {}: change its template.",
                named(kind, &marks.namespace, name)
            ),
        },
        under: Some(under),
    };
    let place = match (group, kind) {
        ("apps", "ReplicaSet") if is_pod => match deployment(name, marks) {
            Some(deployment) => template("Deployment", deployment, "/spec/template"),
            None => template(kind, name, "/spec/template"),
        },
        ("apps", "StatefulSet" | "DaemonSet") | ("", "ReplicationController") if is_pod => {
            template(kind, name, "/spec/template")
        }
        ("batch", "Job") if is_pod => {
            let mut place = template(kind, name, "/spec/template");
            place.origin.text = format!(
                "This Pod is made from {}: make the Job anew with another template, or change the CronJob that made it.",
                named(kind, &marks.namespace, name)
            );
            place
        }
        ("apps", "Deployment") if what == "ReplicaSet" => template(kind, name, ""),
        ("batch", "CronJob") if what == "Job" => template(kind, name, "/spec/jobTemplate"),
        _ => controlled(what, group, kind, name, marks),
    };
    Some(place)
}

/// The Deployment of a `ReplicaSet`: its name without the hash that the Pod's label repeats.
fn deployment<'n>(replica_set: &'n str, marks: &Marks) -> Option<&'n str> {
    let hash = marks.label("pod-template-hash")?;
    let name = replica_set.strip_suffix(hash)?.strip_suffix('-')?;
    (!name.is_empty()).then_some(name)
}

/// An object that an operator keeps.
fn controlled(what: &str, group: &str, kind: &str, name: &str, marks: &Marks) -> Place {
    let mut text = format!(
        "{} controls this {what} and would undo a change here: change that object.",
        named(kind, &marks.namespace, name)
    );
    if group == "cluster.x-k8s.io" || group.ends_with(".cluster.x-k8s.io") {
        if let Some(deployment) = marks.label("cluster.x-k8s.io/deployment-name") {
            text = format!(
                "This {what} is made from {}: change its template.",
                named("MachineDeployment", &marks.namespace, deployment)
            );
        } else if let Some(cluster) = marks.label("cluster.x-k8s.io/cluster-name") {
            text.push_str(&format!(" It belongs to Cluster {cluster}."));
        }
    }
    Place {
        origin: Origin {
            kind: kind.to_owned(),
            namespace: marks.namespace.clone(),
            name: name.to_owned(),
            text,
        },
        under: None,
    }
}

#[cfg(test)]
mod tests;
