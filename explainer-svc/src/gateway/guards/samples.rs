//! A denial to try guards on, at the start and in tests.

use engine::explain::wire::{API_VERSION, Decision, ExplainRequest, GroupVersionKind, ReviewSummary};
use engine::verdict::{Action, Found, Link, Severity, Violation};
use serde_json::{Value, json};

/// A privileged container.
pub(super) fn request() -> ExplainRequest {
    ExplainRequest {
        upstream: None,
        api_version: API_VERSION.to_owned(),
        revision: "000000000000".to_owned(),
        decision: Decision::Deny,
        deadline_ms: 800,
        review: ReviewSummary {
            operation: "CREATE".to_owned(),
            kind: GroupVersionKind {
                group: String::new(),
                version: "v1".to_owned(),
                kind: "Pod".to_owned(),
            },
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            username: "jane".to_owned(),
            labels: [("team".to_owned(), "checkout-team".to_owned())].into(),
            ..ReviewSummary::default()
        },
        violations: vec![Violation {
            policy: "pod-security/baseline/privileged".to_owned(),
            action: Action::Deny,
            severity: Severity::High,
            title: "Containers must not run privileged".to_owned(),
            message: "Container \"app\" runs privileged.".to_owned(),
            found: vec![Found {
                path: "/spec/containers/0/securityContext/privileged".to_owned(),
                value: Some("true".to_owned()),
            }],
            why: "A privileged container can do on the node whatever root can do.".to_owned(),
            remediation: "Set privileged to false, or leave it out.".to_owned(),
            example: String::new(),
            links: vec![Link {
                description: "Pod Security Standards".to_owned(),
                reference: "https://kubernetes.io/docs/concepts/security/pod-security-standards/".to_owned(),
            }],
            controls: vec!["PSS:baseline/privileged".to_owned()],
        }],
        failures: Vec::new(),
        fix: None,
        unfixable: std::collections::BTreeMap::new(),
        origin: None,
        defaulted: Vec::new(),
    }
}

/// Its object.
pub(super) fn object() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"team": "checkout-team"}, "annotations": {"note": "note-to-self"}},
        "spec": {"containers": [
            {
                "name": "app", "image": "registry.example.com/shop/web:1.4.2", "args": ["--flag"],
                "env": [{"name": "DB_PASSWORD", "value": "hunter2"}], "securityContext": {"privileged": true, "runAsUser": 1000},
            },
            {"name": "second", "image": "registry.example.com/shop/other:1"},
        ]},
    })
}

/// An answer that all guards let through.
pub(super) fn answer() -> Value {
    json!({
        "explanation": "The container app runs privileged, so it could do on the node whatever root can do. Set privileged to false.",
        "policies": ["pod-security/baseline/privileged"],
        "fields": ["/spec/containers/0/securityContext/privileged"],
    })
}
