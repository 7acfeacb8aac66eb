//! What a person is told about objects that something else made, about what cannot be edited, and about secrets.

#![cfg(test)]
#![cfg(not(target_arch = "wasm32"))]

use engine::admission::Review;
use engine::answer::{Decided, decide};
use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::policy::settings::Settings;
use serde_json::{Value, json};

const HOST_NETWORK: &str = r#"# METADATA
# title: Pods must not use the network of their node
# description: A Pod that does can listen to all traffic of the node.
# custom:
#   remediation: Leave hostNetwork out.
package host_network

deny contains {"msg": "The Pod uses the network of its node.", "path": "/spec/hostNetwork"} if {
	input.request.kind.kind == "Pod"
	input.request.object.spec.hostNetwork
}
"#;

const OWNER: &str = r#"package owner_label

deny contains {"msg": "The label owner is missing.", "path": "/metadata/labels"} if {
	input.request.operation == "CREATE"
	not input.request.object.metadata.labels.owner
}
"#;

const KEEP: &str = r#"package keep

deny contains "What is marked to be kept is not deleted." if input.request.operation == "DELETE"
"#;

fn set(policies: &[&str]) -> PolicySet {
    let files = policies
        .iter()
        .enumerate()
        .map(|(index, text)| (format!("{index}.rego"), (*text).to_owned()));
    compile(&Bundle::new(Settings::default(), files), Context::default()).unwrap()
}

fn decided(policies: &[&str], operation: &str, kind: &str, object: &Value) -> Decided {
    let (object, old) = match operation {
        "DELETE" => (Value::Null, object.clone()),
        _ => (object.clone(), Value::Null),
    };
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": kind}, "operation": operation, "namespace": "shop",
        "name": "web", "userInfo": {"username": "jane"}, "object": object, "oldObject": old}});
    decide(&set(policies), &Review::parse(review.to_string().as_bytes()).unwrap())
}

fn text(decided: &Decided) -> String {
    decided.own_answer().denial.unwrap()
}

#[test]
fn a_replicas_change_is_shown_in_its_deployment() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-5d8f-x", "labels": {"pod-template-hash": "5d8f"}, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f", "uid": "1", "controller": true}]},
        "spec": {"hostNetwork": true, "containers": [{"name": "app", "image": "web:1"}]},
    });
    let decided = decided(&[HOST_NETWORK], "CREATE", "Pod", &pod);
    assert!(
        decided.request.fix.as_ref().unwrap().kubectl.is_empty(),
        "it would be made anew"
    );
    insta::assert_snapshot!(text(&decided), @r"
    1 problem in Pod shop/web

    * The Pod uses the network of its node.
        spec.hostNetwork: true
      Why:  A Pod that does can listen to all traffic of the node.
      Rule: host-network

    This Pod is made from Deployment shop/web: change its template.

    Fix (checked on this Pod: all policies pass after it), as it stands in Deployment web:

        spec:
          template:
            spec:
              hostNetwork: false # was: true
    ");
}

#[test]
fn what_only_a_person_knows_is_marked_and_has_no_command() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "app", "image": "web:1"}]}});
    let decided = decided(&[OWNER], "CREATE", "Pod", &pod);
    let fix = decided.request.fix.as_ref().unwrap();
    assert!(!fix.placeholders.is_empty() && fix.kubectl.is_empty());
    assert!(fix.diff.contains("FILL IN: "), "{}", fix.diff);
    insta::assert_snapshot!(text(&decided), @r"
    1 problem in Pod shop/web

    * The label owner is missing.
        metadata.labels
      Why:  When it breaks or costs too much, this is how others find whom to ask.
      Rule: owner-label

    Fill in the marked values (checked with an example: all policies pass after it):

        metadata:
          labels: # add
            # fill in: the team or person that answers for it, as in your other objects
            owner: change-me
    ");
}

#[test]
fn what_no_edit_helps_says_so() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {}});
    insta::assert_snapshot!(text(&decided(&[KEEP], "DELETE", "Pod", &pod)), @r"
    1 problem in Pod shop/web

    * What is marked to be kept is not deleted.
      Rule: keep
      No edit of this object helps: The operation itself is refused: a DELETE changes nothing that
      could be edited.
    ");
}

#[test]
fn a_secret_is_in_nothing_that_is_shown_or_sent() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": {"db-password": "hunter2"}},
        "spec": {"hostNetwork": true, "containers": [
            {"name": "app", "image": "web:1", "env": [{"name": "A", "value": "hunter2"}], "args": ["--key=hunter2"]}]},
    });
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "stringData": {"a": "hunter2"}});
    for (kind, object) in [("Pod", &pod), ("Secret", &secret)] {
        let decided = decided(&[HOST_NETWORK, OWNER], "CREATE", kind, object);
        assert!(decided.request.fix.is_some(), "{kind}");
        let sent = serde_json::to_string(&decided.request).unwrap();
        assert!(!sent.contains("hunter2"), "{kind}: {sent}");
        assert!(!text(&decided).contains("hunter2"), "{kind}");
    }
}
