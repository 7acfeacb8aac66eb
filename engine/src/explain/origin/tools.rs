//! The tool that applies an object, told by the labels, annotations and field manager that it leaves.

use super::{Marks, named, word};
use crate::explain::wire::Origin;

/// The tool that applies the object, or whose templates made it.
pub(super) fn tool(marks: &Marks) -> Option<Origin> {
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
