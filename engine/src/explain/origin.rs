//! Where an object comes from: what has to be changed so that the change lasts.
//!
//! Labels and annotations are written by anybody, so a name is taken only when it could be one, and nothing follows from it but
//! words.

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
    let tool = tool(&marks);
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

/// The tool that applies the object, or whose templates made it.
fn tool(marks: &Marks) -> Option<Origin> {
    flux(marks)
        .or_else(|| argo(marks))
        .or_else(|| config_sync(marks))
        .or_else(|| helm(marks))
        .or_else(|| operators(marks))
        .or_else(|| infrastructure(marks))
        .or_else(|| kustomize(marks))
}

fn origin(kind: &str, namespace: &str, name: &str, text: String) -> Origin {
    Origin {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        text,
    }
}

fn flux(marks: &Marks) -> Option<Origin> {
    let of = |group: &str| {
        let name = marks.label(&format!("{group}/name"))?;
        let namespace = marks.label(&format!("{group}/namespace"))?;
        Some((namespace, name))
    };
    if let Some((namespace, name)) = of("helm.toolkit.fluxcd.io") {
        let release = named("HelmRelease", namespace, name);
        let text = format!("Flux makes it from {release}: change its values or its chart.");
        return Some(origin("Flux HelmRelease", namespace, name, text));
    }
    let Some((namespace, name)) = of("kustomize.toolkit.fluxcd.io") else {
        let is_flux = matches!(marks.manager.as_str(), "kustomize-controller" | "helm-controller");
        let text = "Flux applies it: change it in the repository that it reads.".to_owned();
        return is_flux.then(|| origin("Flux", "", &marks.name, text));
    };
    let kustomization = named("Kustomization", namespace, name);
    let text = format!("Flux applies it from {kustomization}: change it in the repository that it reads.");
    Some(origin("Flux Kustomization", namespace, name, text))
}

fn argo(marks: &Marks) -> Option<Origin> {
    let is_argo = marks.manager.starts_with("argocd") || marks.username.contains(":argocd");
    let application = tracked(marks)
        .or_else(|| marks.label("argocd.argoproj.io/instance"))
        .or_else(|| marks.label("app.kubernetes.io/instance").filter(|_| is_argo));
    let Some(application) = application else {
        let text = "Argo CD applies it: change it in the repository that its application reads.".to_owned();
        return is_argo.then(|| origin("Argo CD", "", &marks.name, text));
    };
    // An application outside of Argo CD's own namespace is `namespace_name`.
    let (namespace, name) = application.split_once('_').unwrap_or(("", application));
    let full = named("application", namespace, name);
    let text = format!("Argo CD applies it from {full}: change it in the repository that it reads.");
    Some(origin("Argo CD application", namespace, name, text))
}

/// The application in a tracking id (`shop:apps/Deployment:shop/web`), unless the id was copied from another object.
fn tracked(marks: &Marks) -> Option<&str> {
    let mut parts = marks.annotation("argocd.argoproj.io/tracking-id")?.splitn(3, ':');
    let (application, kind, object) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = kind.rsplit('/').next()?;
    let name = object.rsplit_once('/').map_or(object, |(_, name)| name);
    (kind == marks.kind && name == marks.name && !application.is_empty()).then_some(application)
}

fn config_sync(marks: &Marks) -> Option<Origin> {
    if marks.annotation("configmanagement.gke.io/managed") != Some("enabled") {
        return None;
    }
    let path = marks
        .annotation("configmanagement.gke.io/source-path")
        .unwrap_or("its repository");
    let text = format!("Config Sync applies it from {path}: change it there.");
    Some(origin("Config Sync", "", path, text))
}

fn helm(marks: &Marks) -> Option<Origin> {
    let chart = marks.label("helm.sh/chart");
    let from = chart.map(|chart| format!(" (chart {chart})")).unwrap_or_default();
    let is_helm = marks.label("app.kubernetes.io/managed-by") == Some("Helm");
    if let Some(name) = marks.annotation("meta.helm.sh/release-name") {
        let namespace = marks.annotation("meta.helm.sh/release-namespace").unwrap_or_default();
        let release = named("release", namespace, name);
        let text = format!("Helm makes it for {release}{from}: change the release's values or the chart's template.");
        return Some(origin("Helm release", namespace, name, text));
    }
    // Labels of a template: by convention the instance is the release.
    chart.filter(|_| is_helm)?;
    let name = marks.label("app.kubernetes.io/instance")?;
    let text = format!("Helm makes it for release {name}{from}: change the release's values or the chart's template.");
    Some(origin("Helm release", "", name, text))
}

/// Operators that leave a label and may not be owners.
fn operators(marks: &Marks) -> Option<Origin> {
    const BY_LABEL: [(&str, &str); 6] = [
        ("serving.knative.dev/service", "Knative Service"),
        ("olm.owner", "ClusterServiceVersion"),
        ("crossplane.io/composite", "Crossplane composite"),
        ("tekton.dev/pipelineRun", "Tekton PipelineRun"),
        ("workflows.argoproj.io/workflow", "Argo Workflow"),
        ("topology.cluster.x-k8s.io/owned", "Cluster"),
    ];
    BY_LABEL.iter().find_map(|(label, kind)| {
        let label = if *label == "topology.cluster.x-k8s.io/owned" {
            marks.labels.get(*label)?;
            "cluster.x-k8s.io/cluster-name"
        } else {
            label
        };
        let name = marks.label(label)?;
        let text = format!("{kind} {name} makes it: change that object.");
        Some(origin(kind, "", name, text))
    })
}

fn infrastructure(marks: &Marks) -> Option<Origin> {
    let manager = marks.manager.to_ascii_lowercase();
    let by = marks
        .label("app.kubernetes.io/managed-by")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let tool = [
        ("terraform", "Terraform"),
        ("opentofu", "OpenTofu"),
        ("pulumi", "Pulumi"),
    ]
    .into_iter()
    .find(|(word, _)| manager.starts_with(word) || by.starts_with(word));
    let (_, tool) = tool?;
    let text = format!("{tool} applies it: change it in the {tool} program.");
    Some(origin(tool, "", &marks.name, text))
}

fn kustomize(marks: &Marks) -> Option<Origin> {
    // `path: base/web.yaml`, and more lines.
    let read = marks.annotations.get("config.kubernetes.io/origin").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("path: "))?;
        word(line.trim())
    });
    let by = marks.label("app.kubernetes.io/managed-by").unwrap_or_default();
    if read.is_none() && !by.starts_with("kustomize") {
        return None;
    }
    let text = match read {
        Some(path) => format!("Kustomize makes it from {path}: change it there, or in a patch."),
        None => "Kustomize makes it: change it in its base, or in a patch.".to_owned(),
    };
    Some(origin("Kustomize", "", read.unwrap_or(&marks.name), text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[expect(clippy::needless_pass_by_value, reason = "json! at every call")]
    fn found(group: &str, kind: &str, metadata: Value, manager: &str) -> Option<Place> {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "kind": {"group": group, "version": "v1", "kind": kind},
            "name": "web", "namespace": "shop", "userInfo": {"username": "jane"}, "options": {"fieldManager": manager},
            "object": {"metadata": metadata}}});
        of(&Review::parse(review.to_string().as_bytes()).unwrap())
    }

    fn text(group: &str, kind: &str, metadata: Value, manager: &str) -> String {
        found(group, kind, metadata, manager)
            .map(|place| place.origin.text)
            .unwrap_or_default()
    }

    #[expect(clippy::needless_pass_by_value, reason = "json! at every call")]
    fn owned(version: &str, kind: &str, name: &str, labels: Value) -> Value {
        json!({"labels": labels, "ownerReferences": [
            {"apiVersion": version, "kind": kind, "name": name, "uid": "1", "controller": true}]})
    }

    #[test]
    fn a_pod_is_changed_in_its_workload() {
        let metadata = owned(
            "apps/v1",
            "ReplicaSet",
            "web-5d8f",
            json!({"pod-template-hash": "5d8f"}),
        );
        let place = found("", "Pod", metadata, "").unwrap();
        assert_eq!(
            place.origin.text,
            "This Pod is made from Deployment shop/web: change its template."
        );
        assert_eq!(place.under, Some("/spec/template"));
        // Without the label the hash is a guess.
        assert_eq!(
            text("", "Pod", owned("apps/v1", "ReplicaSet", "web-5d8f", json!({})), ""),
            "This Pod is made from ReplicaSet shop/web-5d8f: change its template."
        );
        assert_eq!(
            text("", "Pod", owned("apps/v1", "StatefulSet", "db", json!({})), ""),
            "This Pod is made from StatefulSet shop/db: change its template."
        );
        assert_eq!(
            text("", "Pod", owned("batch/v1", "Job", "nightly-29", json!({})), ""),
            "This Pod is made from Job shop/nightly-29: make the Job anew with another template, or change the CronJob that \
             made it."
        );
        let job = found("batch", "Job", owned("batch/v1", "CronJob", "nightly", json!({})), "").unwrap();
        assert_eq!(
            (job.origin.text.as_str(), job.under),
            (
                "This Job is made from CronJob shop/nightly: change its template.",
                Some("/spec/jobTemplate")
            )
        );
    }

    #[test]
    fn an_operators_object_is_changed_at_the_operators() {
        assert_eq!(
            text(
                "apps",
                "StatefulSet",
                owned("postgresql.cnpg.io/v1", "Cluster", "db", json!({})),
                ""
            ),
            "Cluster shop/db controls this StatefulSet and would undo a change here: change that object."
        );
        let labels = json!({"cluster.x-k8s.io/deployment-name": "md-0"});
        assert_eq!(
            text(
                "cluster.x-k8s.io",
                "Machine",
                owned("cluster.x-k8s.io/v1beta1", "MachineSet", "md-0-abc", labels),
                ""
            ),
            "This Machine is made from MachineDeployment shop/md-0: change its template."
        );
    }

    #[test]
    fn tools_are_known_by_what_they_leave() {
        let cases = [
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "web-1.2.3"},
                    "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}}),
                "",
                "Helm makes it for release shop/web (chart web-1.2.3): change the release's values or the chart's template.",
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}),
                "",
                "Argo CD applies it from application shop: change it in the repository that it reads.",
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "teams_shop:apps/Deployment:shop/web"}}),
                "",
                "Argo CD applies it from application teams/shop: change it in the repository that it reads.",
            ),
            (
                json!({"labels": {"app.kubernetes.io/instance": "shop"}}),
                "argocd-controller",
                "Argo CD applies it from application shop: change it in the repository that it reads.",
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
                "kustomize-controller",
                "Flux applies it from Kustomization flux-system/apps: change it in the repository that it reads.",
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop",
                    "app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "web"}}),
                "helm-controller",
                "Flux makes it from HelmRelease shop/web: change its values or its chart.",
            ),
            (
                json!({}),
                "kustomize-controller",
                "Flux applies it: change it in the repository that it reads.",
            ),
            (
                json!({}),
                "argocd-controller",
                "Argo CD applies it: change it in the repository that its application reads.",
            ),
            (
                json!({}),
                "Terraform",
                "Terraform applies it: change it in the Terraform program.",
            ),
            (
                json!({}),
                "pulumi-kubernetes-1a2b",
                "Pulumi applies it: change it in the Pulumi program.",
            ),
            (
                json!({"annotations": {"config.kubernetes.io/origin": "path: base/web.yaml\nrepo: https://example.com\n"}}),
                "",
                "Kustomize makes it from base/web.yaml: change it there, or in a patch.",
            ),
            (
                json!({"annotations": {"configmanagement.gke.io/managed": "enabled", "configmanagement.gke.io/source-path": "shop/web.yaml"}}),
                "",
                "Config Sync applies it from shop/web.yaml: change it there.",
            ),
            (
                json!({"labels": {"serving.knative.dev/service": "web"}}),
                "",
                "Knative Service web makes it: change that object.",
            ),
        ];
        for (metadata, manager, expected) in cases {
            assert_eq!(text("apps", "Deployment", metadata, manager), expected);
        }
    }

    #[test]
    fn a_workload_and_its_tool_are_both_named() {
        let labels = json!({"pod-template-hash": "5d8f", "app.kubernetes.io/managed-by": "Helm",
            "helm.sh/chart": "web-1.2.3", "app.kubernetes.io/instance": "web"});
        assert_eq!(
            text("", "Pod", owned("apps/v1", "ReplicaSet", "web-5d8f", labels), ""),
            "This Pod is made from Deployment shop/web: change its template. Helm makes it for release web (chart web-1.2.3): \
             change the release's values or the chart's template."
        );
    }

    #[test]
    fn what_proves_nothing_names_nothing() {
        for metadata in [
            json!({}),
            json!({"labels": {"app.kubernetes.io/instance": "shop"}}),
            json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
            // Copied from another object.
            json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/other"}}),
            // No names.
            json!({"annotations": {"meta.helm.sh/release-name": "web\u{1b}[31m now run curl"}}),
            json!({"labels": {"argocd.argoproj.io/instance": "a b"}}),
            json!({"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "controller": false}]}),
        ] {
            assert_eq!(
                found("apps", "Deployment", metadata.clone(), "kubectl"),
                None,
                "{metadata}"
            );
        }
    }
}
