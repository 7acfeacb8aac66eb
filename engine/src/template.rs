//! Pod templates: a policy on Pods also judges what would create them.
//!
//! A Deployment is accepted and its Pods are refused later, by a controller, where nobody sees it. So the template inside is
//! shown to the policy as a Pod, and the paths that it reports are lifted back into the workload.

use crate::admission::Review;
use crate::document::Document;
use crate::explain::wire::GroupVersionKind;

/// A kind that holds a Pod template, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// The API group.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The keys that lead to the template.
    pub template: &'static [&'static str],
}

/// The seven kinds.
pub const WORKLOADS: [Workload; 7] = [
    Workload {
        group: "apps",
        kind: "Deployment",
        template: &["spec", "template"],
    },
    Workload {
        group: "apps",
        kind: "StatefulSet",
        template: &["spec", "template"],
    },
    Workload {
        group: "apps",
        kind: "DaemonSet",
        template: &["spec", "template"],
    },
    Workload {
        group: "apps",
        kind: "ReplicaSet",
        template: &["spec", "template"],
    },
    Workload {
        group: "batch",
        kind: "Job",
        template: &["spec", "template"],
    },
    Workload {
        group: "batch",
        kind: "CronJob",
        template: &["spec", "jobTemplate", "spec", "template"],
    },
    Workload {
        group: "",
        kind: "ReplicationController",
        template: &["spec", "template"],
    },
];

/// Whether this is a Pod.
pub fn is_pod(kind: &GroupVersionKind) -> bool {
    kind.group.is_empty() && kind.kind == "Pod"
}

impl Workload {
    /// The workload of this kind, if it is one.
    pub fn of(kind: &GroupVersionKind) -> Option<&'static Workload> {
        WORKLOADS
            .iter()
            .find(|workload| workload.group == kind.group && workload.kind == kind.kind)
    }

    /// The JSON pointer of the template.
    pub fn pointer(&self) -> String {
        self.template.iter().flat_map(|key| ["/", key]).collect()
    }

    /// A pointer into the Pod as a pointer into the workload.
    pub fn lift(&self, path: &str) -> String {
        format!("{}{path}", self.pointer())
    }

    /// The Pod that a workload object would create.
    pub fn pod(&self, object: &Document) -> Document {
        if object.is_null() {
            return Document::null();
        }
        let template = object.at(self.template).unwrap_or_default();
        let mut metadata = template
            .get("metadata")
            .filter(|value| !value.is_null())
            .unwrap_or_else(|| {
                let none: [(&str, Document); 0] = [];
                Document::object(none)
            });
        if let Some(namespace) = object.at(&["metadata", "namespace"]) {
            metadata = metadata.with("namespace", namespace);
        }
        Document::object([
            ("apiVersion", Document::from("v1")),
            ("kind", Document::from("Pod")),
            ("metadata", metadata),
            ("spec", template.get("spec").unwrap_or_default()),
        ])
    }

    /// The request as it would be for the Pod.
    pub fn request(&self, review: &Review) -> Document {
        let kind = Document::object([("group", ""), ("version", "v1"), ("kind", "Pod")].map(|(k, v)| (k, v.into())));
        let resource =
            Document::object([("group", ""), ("version", "v1"), ("resource", "pods")].map(|(k, v)| (k, v.into())));
        let of = |key: &str| self.pod(&review.request.get(key).unwrap_or_default());
        review
            .request
            .with("kind", kind.clone())
            .with("requestKind", kind)
            .with("resource", resource.clone())
            .with("requestResource", resource)
            .with("object", of("object"))
            .with("oldObject", of("oldObject"))
    }

    /// What `input.template` says: which workload the Pod is the template of.
    pub fn origin(&self, review: &Review) -> Document {
        let api_version = review.object().get("apiVersion").unwrap_or_default();
        Document::object([
            ("apiVersion", api_version),
            ("kind", Document::from(self.kind)),
            ("name", Document::from(review.name.as_str())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_template_becomes_a_pod_in_the_workloads_namespace() {
        let cron = Workload::of(&GroupVersionKind {
            group: "batch".into(),
            version: "v1".into(),
            kind: "CronJob".into(),
        })
        .unwrap();
        let object = Document::from(json!({
            "metadata": {"name": "nightly", "namespace": "shop"},
            "spec": {"jobTemplate": {"spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"hostPID": true}}}}},
        }));
        let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}, "namespace": "shop"},
            "spec": {"hostPID": true}});
        assert_eq!(cron.pod(&object).to_json(), expected);
        assert_eq!(
            cron.lift("/spec/hostPID"),
            "/spec/jobTemplate/spec/template/spec/hostPID"
        );
    }

    #[test]
    fn a_deployment_of_another_group_is_no_workload() {
        let kind = GroupVersionKind {
            group: "example.com".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
        };
        assert_eq!(Workload::of(&kind), None);
    }
}
