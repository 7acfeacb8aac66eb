//! Objects as tools and controllers leave them, and the place that is named.

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
