//! What a review says of a kind beside its name: its resource, and whether its objects are in namespaces.

use std::collections::BTreeMap;

use serde_json::Value;

/// Kinds of Kubernetes whose objects are in no namespace.
const CLUSTER: &[(&str, &[&str])] = &[
    ("", &["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("authentication.k8s.io", &["SelfSubjectReview", "TokenReview"]),
    (
        "authorization.k8s.io",
        &[
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    (
        "certificates.k8s.io",
        &["CertificateSigningRequest", "ClusterTrustBundle"],
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        &["FlowSchema", "PriorityLevelConfiguration"],
    ),
    ("internal.apiserver.k8s.io", &["StorageVersion"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "DeviceTaintRule", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    (
        "storage.k8s.io",
        &[
            "CSIDriver",
            "CSINode",
            "StorageClass",
            "VolumeAttachment",
            "VolumeAttributesClass",
        ],
    ),
    ("storagemigration.k8s.io", &["StorageVersionMigration"]),
];

/// Groups in which every kind is of the cluster.
const CLUSTER_GROUPS: &[&str] = &[
    "config.gatekeeper.sh",
    "constraints.gatekeeper.sh",
    "templates.gatekeeper.sh",
];

/// Kinds, with those that definitions among the objects add.
#[derive(Debug, Clone, Default)]
pub(super) struct Kinds(BTreeMap<(String, String), Custom>);

#[derive(Debug, Clone)]
struct Custom {
    plural: String,
    is_namespaced: bool,
}

impl Kinds {
    /// Learns what a `CustomResourceDefinition` says.
    pub(super) fn learn(&mut self, definition: &Value) {
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
        let (Some(group), Some(kind), Some(plural)) = (
            text("/spec/group"),
            text("/spec/names/kind"),
            text("/spec/names/plural"),
        ) else {
            return;
        };
        let custom = Custom {
            plural: plural.to_owned(),
            is_namespaced: text("/spec/scope") != Some("Cluster"),
        };
        self.0.insert((group.to_owned(), kind.to_owned()), custom);
    }

    /// Whether objects of the kind are in namespaces. Those of kinds that nobody defined are.
    pub(super) fn is_namespaced(&self, group: &str, kind: &str) -> bool {
        if let Some(custom) = self.custom(group, kind) {
            return custom.is_namespaced;
        }
        let is_listed = CLUSTER.iter().any(|(of, kinds)| *of == group && kinds.contains(&kind));
        !is_listed && !CLUSTER_GROUPS.contains(&group)
    }

    /// The name of the resource in URLs.
    pub(super) fn resource(&self, group: &str, kind: &str) -> String {
        match self.custom(group, kind) {
            Some(custom) => custom.plural.clone(),
            None => plural(kind),
        }
    }

    fn custom(&self, group: &str, kind: &str) -> Option<&Custom> {
        self.0.get(&(group.to_owned(), kind.to_owned()))
    }
}

fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if matches!(&*lower, "endpoints" | "podmetrics" | "nodemetrics") {
        return lower;
    }
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| lower.ends_with(suffix));
    match lower.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "ch", "sh"]) => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_have_their_plural() {
        for (kind, resource) in [
            ("Pod", "pods"),
            ("Ingress", "ingresses"),
            ("NetworkPolicy", "networkpolicies"),
            ("Gateway", "gateways"),
            ("Endpoints", "endpoints"),
            ("StorageClass", "storageclasses"),
        ] {
            assert_eq!(Kinds::default().resource("", kind), resource);
        }
    }

    #[test]
    fn definitions_say_what_is_in_namespaces() {
        let mut kinds = Kinds::default();
        assert!(!kinds.is_namespaced("", "Namespace") && kinds.is_namespaced("apps", "Deployment"));
        assert!(!kinds.is_namespaced("rbac.authorization.k8s.io", "ClusterRole"));
        assert!(kinds.is_namespaced("rbac.authorization.k8s.io", "Role"));
        assert!(kinds.is_namespaced("example.com", "Index"));
        kinds.learn(&json!({"spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Index", "plural": "indices"}}}));
        assert!(!kinds.is_namespaced("example.com", "Index"));
        assert_eq!(kinds.resource("example.com", "Index"), "indices");
    }
}
