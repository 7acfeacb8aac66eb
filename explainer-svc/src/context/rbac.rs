//! The role that a live context needs, and nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::kinds::Kind;

/// A kind and the name of its resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Readable {
    /// Its group.
    pub group: String,
    /// As URLs have it, for example `ingresses`.
    pub plural: String,
}

/// The resource of a kind that is built into Kubernetes; `None` for others, whose names only a cluster knows.
pub fn built_in(kind: &Kind) -> Option<Readable> {
    let is_built_in = !kind.group.contains('.') || kind.group.ends_with(".k8s.io");
    let gatekeeper = Kind::gatekeeper();
    let of_gatekeeper = gatekeeper.contains(kind).then(|| match kind.kind.as_str() {
        "Config" => "configs".to_owned(),
        _ => "syncsets".to_owned(),
    });
    let named = || {
        let full = kube::core::GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        kube::core::ApiResource::from_gvk(&full).plural
    };
    let plural = of_gatekeeper.or_else(|| is_built_in.then(named))?;
    Some(Readable {
        group: kind.group.clone(),
        plural,
    })
}

/// The `ClusterRole`, as YAML with a comment that says how to bind it. Namespaces may be read one by one too.
pub fn role(name: &str, readable: &BTreeSet<Readable>) -> String {
    let mut by_group: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Readable { group, plural } in readable {
        by_group.entry(group).or_default().insert(plural);
    }
    let mut text = format!(
        "# What `whynot serve --kubernetes` reads. To whom: the service account of its Pods,\n\
         #   kubectl create clusterrolebinding {name} --clusterrole={name} --serviceaccount=NAMESPACE:NAME\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata:\n  \
           name: {name}\n\
         rules:\n"
    );
    let mut rule = |group: &str, resources: &BTreeSet<&str>, verbs: &str| {
        let resources: Vec<&str> = resources.iter().copied().collect();
        let group = if group.is_empty() { "\"\"" } else { group };
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "  - apiGroups: [{group}]\n    resources: [{}]\n    verbs: [{verbs}]\n",
            resources.join(", ")
        );
    };
    rule("", &BTreeSet::from(["namespaces"]), "get, list, watch");
    for (group, mut resources) in by_group {
        if group.is_empty() {
            resources.remove("namespaces");
        }
        if !resources.is_empty() {
            rule(group, &resources, "list, watch");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(kind: &str) -> Option<Readable> {
        built_in(&kind.parse().unwrap())
    }

    #[test]
    fn built_in_kinds_have_known_names_and_others_have_not() {
        for (kind, plural) in [
            ("v1/Endpoints", "endpoints"),
            ("networking.k8s.io/v1/Ingress", "ingresses"),
            ("networking.k8s.io/v1/NetworkPolicy", "networkpolicies"),
            ("apps/v1/Deployment", "deployments"),
            ("config.gatekeeper.sh/v1alpha1/Config", "configs"),
        ] {
            assert_eq!(resource(kind).unwrap().plural, plural, "{kind}");
        }
        assert_eq!(resource("example.com/v1/Index"), None);
    }

    #[test]
    fn the_role_is_as_small_as_it_can_be() {
        let kinds = ["v1/Namespace", "v1/Service", "networking.k8s.io/v1/Ingress", "v1/Pod"];
        let readable = kinds.iter().filter_map(|kind| resource(kind)).collect();
        insta::assert_snapshot!(role("whynot-context", &readable), @r#"
        # What `whynot serve --kubernetes` reads. To whom: the service account of its Pods,
        #   kubectl create clusterrolebinding whynot-context --clusterrole=whynot-context --serviceaccount=NAMESPACE:NAME
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata:
          name: whynot-context
        rules:
          - apiGroups: [""]
            resources: [namespaces]
            verbs: [get, list, watch]
          - apiGroups: [""]
            resources: [pods, services]
            verbs: [list, watch]
          - apiGroups: [networking.k8s.io]
            resources: [ingresses]
            verbs: [list, watch]
        "#);
    }
}
