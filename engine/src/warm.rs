//! Reviews that nobody sent, for a policy set that is new.
//!
//! The first review that a set judges meets regexes that are not compiled, caches that are empty and, in wasm, code that the
//! host has not optimised yet. Judging some made-up ones first spares the first real one that. Nothing comes out of it: a
//! verdict depends on nothing but the set and the review, and who judges these reviews counts and reports nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::admission::Review;
use crate::answer;
use crate::eval::PolicySet;
use crate::verdict::FailureKind;

/// How many of them are judged at most: more gain nothing.
pub const MAX_REVIEWS: usize = 100;

/// Judges one review after the other, each from its bytes to the bytes of its answer, while `goes_on` is true. Returns how
/// many it were.
pub fn up(set: &PolicySet, mut goes_on: impl FnMut() -> bool) -> usize {
    let bodies = reviews(set);
    let mut judged = 0;
    for body in bodies.iter().cycle().take(MAX_REVIEWS) {
        if !goes_on() {
            break;
        }
        judged += 1;
        if judge(set, body).is_none() {
            break;
        }
    }
    judged
}

/// The same in small steps, for whoever serves requests between them, from code that runs already: each policy is run on each
/// of the reviews, some policies in a step. Fixes are not tried.
#[derive(Debug)]
pub struct Rehearsal {
    reviews: Vec<Review>,
    /// Of policies.
    places: Vec<usize>,
    next: usize,
}

/// So many policies run in one step.
const EACH: usize = 4;

impl Rehearsal {
    /// Begins. Policies that it has in common with `before`, which served, need none.
    pub fn new(set: &PolicySet, before: Option<&PolicySet>) -> Self {
        let known: Vec<_> = before.iter().flat_map(|before| before.policies()).collect();
        let known: BTreeSet<_> = known.iter().map(|policy| Arc::as_ptr(&policy.program)).collect();
        if let Some(before) = before {
            set.take_patterns(before);
        }
        let places: Vec<usize> = (0..)
            .zip(set.policies())
            .filter(|(_, policy)| !known.contains(&Arc::as_ptr(&policy.program)))
            .map(|(place, _)| place)
            .collect();
        let bodies = if places.is_empty() { Vec::new() } else { reviews(set) };
        Self {
            reviews: bodies.iter().filter_map(|body| Review::parse(body).ok()).collect(),
            places,
            next: 0,
        }
    }

    /// Does a little. False when nothing is left.
    pub fn step(&mut self, set: &PolicySet) -> bool {
        let Some(review) = self.reviews.last() else {
            return false;
        };
        let places = self.places.iter().skip(self.next).take(EACH).copied();
        set.rehearse(review, &places.collect::<Vec<_>>());
        self.next += EACH;
        if self.next >= self.places.len() {
            self.next = 0;
            self.reviews.pop();
        }
        true
    }
}

/// The answer. `None` when a policy works up to its limit: what takes so long is not made faster by more of it.
fn judge(set: &PolicySet, body: &[u8]) -> Option<Vec<u8>> {
    let review = Review::parse(body).ok()?;
    let verdict = set.evaluate(&review);
    let is_endless = verdict
        .failures()
        .iter()
        .any(|failure| failure.kind == FailureKind::Limit);
    (!is_endless).then(|| answer::decided(set, &review, &verdict).own_answer().to_bytes())
}

/// A Pod and a Deployment, each once as a careful person writes it and once as a careless one does. So what allows runs, and
/// what denies, tries fixes and finds words.
fn reviews(set: &PolicySet) -> Vec<Vec<u8>> {
    // One that the policies know, if there is one: they may look its labels up.
    let namespace = set.context().namespaces.keys().next().map_or("default", String::as_str);
    let labels =
        json!({"app": "web", "app.kubernetes.io/name": "web", "app.kubernetes.io/version": "1.4.2", "team": "web"});
    let mut bodies = Vec::new();
    for spec in [careful(), careless()] {
        let metadata = |name: &str| {
            json!({
                "name": name, "namespace": namespace,
                "labels": labels,
                "annotations": {"example.com/contact": "web@example.com", "checksum/config": "9f86d081884c7d659a2feaa0c55ad015"},
                "managedFields": [{"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {}}}}],
            })
        };
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata("web-7d4b9c6f5-x2x7k"), "spec": spec});
        let template = json!({"metadata": {"labels": labels}, "spec": spec});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("web"),
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "strategy": {"type": "RollingUpdate"},
                "template": template},
        });
        bodies.push(review("", "Pod", "pods", &pod, &Value::Null));
        bodies.push(review("apps", "Deployment", "deployments", &deployment, &deployment));
    }
    bodies
}

fn review(group: &str, kind: &str, resource: &str, object: &Value, old: &Value) -> Vec<u8> {
    let kind = json!({"group": group, "version": "v1", "kind": kind});
    let resource = json!({"group": group, "version": "v1", "resource": resource});
    let operation = if old.is_null() { "CREATE" } else { "UPDATE" };
    let request = json!({
        "uid": "00000000-0000-4000-8000-000000000000",
        "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": object.pointer("/metadata/name"), "namespace": object.pointer("/metadata/namespace"), "operation": operation,
        "userInfo": {"username": "jane", "groups": ["developers", "system:authenticated"]},
        "object": object, "oldObject": old, "dryRun": false,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-client-side-apply"},
    });
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})
        .to_string()
        .into_bytes()
}

fn careful() -> Value {
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/web/{name}:1.4.2"), "imagePullPolicy": "IfNotPresent",
            "command": ["/app/server"], "args": ["--listen=0.0.0.0:8080", "--config=/etc/app/config.yaml"],
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "ENDPOINT", "value": "https://api.example.com/v1?region=eu"},
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
            "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 5},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
                "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": true}],
        })
    };
    json!({
        "serviceAccountName": "web", "automountServiceAccountToken": false, "restartPolicy": "Always",
        "securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [container("migrate")], "containers": [container("app"), container("proxy")],
        "volumes": [{"name": "config", "configMap": {"name": "web"}}, {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    })
}

fn careless() -> Value {
    json!({
        "hostNetwork": true, "hostPID": true, "hostIPC": true,
        "containers": [{
            "name": "app", "image": "nginx:latest", "ports": [{"containerPort": 80, "hostPort": 80}],
            "env": [{"name": "PASSWORD", "value": "example"}],
            "securityContext": {"privileged": true, "allowPrivilegeEscalation": true, "runAsUser": 0,
                "capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]}},
            "volumeMounts": [{"name": "host", "mountPath": "/host"}],
        }],
        "volumes": [{"name": "host", "hostPath": {"path": "/", "type": "Directory"}}],
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::context::Context;
    use crate::policy::bundle::Bundle;
    use crate::policy::compile::compile;
    use crate::policy::settings::Settings;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn set() -> PolicySet {
        set_of("some container in input.request.object.spec.containers\n\tregex.match(`:latest$`, container.image)")
    }

    fn set_of(body: &str) -> PolicySet {
        let text = format!("package a\n\ndeny contains \"latest\" if {{\n\t{body}\n}}\n");
        let pods = "# METADATA\n# custom: {match: {kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}}\n";
        let bundle = Bundle::new(Settings::default(), [("a.rego".to_owned(), format!("{pods}{text}"))]);
        compile(&bundle, Context::default()).unwrap()
    }

    #[test]
    fn both_sides_of_a_verdict_run_on_a_pod_and_on_a_template() {
        let set = set();
        let denied: Vec<bool> = reviews(&set)
            .iter()
            .map(|body| {
                String::from_utf8(judge(&set, body).unwrap())
                    .unwrap()
                    .contains("\"allowed\":false")
            })
            .collect();
        assert_eq!(denied, [false, false, true, true]);
    }

    #[test]
    fn it_ends_by_itself_and_when_it_is_told_to() {
        let set = set();
        assert_eq!(up(&set, || true), MAX_REVIEWS);
        let left = Cell::new(3);
        let goes_on = || {
            left.set(left.get() - 1);
            left.get() >= 0
        };
        assert_eq!(up(&set, goes_on), 3);
        assert_eq!(up(&set, || false), 0);
    }

    #[test]
    fn a_rehearsal_ends_and_changes_no_verdict() {
        for set in [
            set(),
            set_of("some x in numbers.range(1, 3000)\n\tsome y in numbers.range(1, 3000)\n\tx * y == -1"),
        ] {
            let body = reviews(&set).pop().unwrap();
            let verdict = |set: &PolicySet| set.evaluate(&Review::parse(&body).unwrap());
            let before = format!("{:?}", verdict(&set));
            let mut rehearsal = Rehearsal::new(&set, None);
            let steps = std::iter::from_fn(|| rehearsal.step(&set).then_some(())).count();
            assert_eq!(steps, 4);
            assert_eq!(format!("{:?}", verdict(&set)), before);
        }
    }

    #[test]
    fn a_policy_without_an_end_is_asked_once() {
        let set = set_of("some x in numbers.range(1, 3000)\n\tsome y in numbers.range(1, 3000)\n\tx * y == -1");
        assert_eq!(up(&set, || true), 1);
    }
}
