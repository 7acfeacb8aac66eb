//! What a policy is shown of a request, as the documents say it (ARCHITECTURE.md), for OPA.
//!
//! Written a second time on purpose: were it asked from the engine, OPA would be shown the engine's mistakes.

use engine::context::Context;
use engine::eval::{Concern, Policy};
use engine::policy::format::Form;
use serde_json::{Value, json};

/// `input`, once for each way in which the policy sees the request, when it concerns it.
pub(crate) fn inputs(policy: &Policy, request: &Value, context: &Context) -> Vec<Value> {
    let parameters = policy.parameters.to_json();
    match (&policy.concern, policy.form) {
        (_, Form::Gatekeeper) => vec![json!({"review": review(request, context), "parameters": parameters})],
        (Concern::Criteria(criteria), Form::Admission) => {
            let kind = &request["kind"];
            let is_asked = criteria.covers_kind(text(&kind["group"]), text(&kind["kind"]));
            let mut inputs = Vec::new();
            if is_asked {
                inputs.push(admission(request, request, context, &parameters));
            }
            if let Some(place) = template(request).filter(|_| criteria.names_pods()) {
                let mut input = admission(&pod_request(request, place), request, context, &parameters);
                let api_version = &object(request)["apiVersion"];
                let name = text(&request["name"]);
                input["template"] = json!({"apiVersion": api_version, "kind": kind["kind"], "name": name});
                inputs.push(input);
            }
            inputs
        }
        (_, form) => panic!("no policy of the repository has the form {form:?}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The new object, or the old one.
fn object(request: &Value) -> &Value {
    let object = &request["object"];
    if object.is_null() {
        &request["oldObject"]
    } else {
        object
    }
}

fn is_namespace(request: &Value) -> bool {
    let kind = &request["kind"];
    kind["kind"] == "Namespace" && text(&kind["group"]).is_empty()
}

fn admission(seen: &Value, request: &Value, context: &Context, parameters: &Value) -> Value {
    let name = text(&request["namespace"]);
    let mut namespace = json!({"name": name});
    if let Some(known) = context.namespaces.get(name) {
        namespace["labels"] = json!(known.labels);
        namespace["annotations"] = json!(known.annotations);
    }
    if is_namespace(request) {
        let labels = object(request)["metadata"]["labels"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        namespace["labels"] = labels.into_iter().filter(|(_, value)| value.is_string()).collect();
    }
    let mut input = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": seen, "namespace": namespace, "parameters": parameters,
    });
    let owners = object(request)["metadata"]["ownerReferences"].as_array();
    if let Some(owner) = owners.into_iter().flatten().find(|owner| owner["controller"] == true) {
        input["owner"] =
            json!({"kind": text(&owner["kind"]), "name": text(&owner["name"]), "uid": text(&owner["uid"])});
    }
    input
}

/// Where the Pod template is.
fn template(request: &Value) -> Option<&'static str> {
    let kind = &request["kind"];
    if !text(&request["subResource"]).is_empty() {
        return None;
    }
    match (text(&kind["group"]), text(&kind["kind"])) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job")
        | ("", "ReplicationController") => Some("/spec/template"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

fn pod_request(request: &Value, place: &str) -> Value {
    let pod = |workload: &Value| {
        if workload.is_null() {
            return Value::Null;
        }
        let template = workload.pointer(place).unwrap_or(&Value::Null);
        let mut metadata = template["metadata"].clone();
        if metadata.is_null() {
            metadata = json!({});
        }
        if let (Some(members), Some(namespace)) = (metadata.as_object_mut(), workload.pointer("/metadata/namespace")) {
            members.insert("namespace".to_owned(), namespace.clone());
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    };
    let mut seen = request.clone();
    for key in ["object", "oldObject"] {
        seen[key] = pod(&request[key]);
    }
    for key in ["kind", "requestKind"] {
        seen[key] = json!({"group": "", "version": "v1", "kind": "Pod"});
    }
    for key in ["resource", "requestResource"] {
        seen[key] = json!({"group": "", "version": "v1", "resource": "pods"});
    }
    seen
}

/// As Gatekeeper shows a request.
pub(crate) fn review(request: &Value, context: &Context) -> Value {
    let mut review = request.clone();
    if request["operation"] == "DELETE" {
        review["object"] = request["oldObject"].clone();
    }
    for key in ["object", "oldObject", "options"] {
        review[key] = review[key].take();
    }
    let name = text(&request["namespace"]);
    let known = context.namespaces.get(name).filter(|_| !is_namespace(request));
    review["namespaceObject"] = known.map_or(Value::Null, |known| {
        let metadata = json!({"name": name, "labels": known.labels, "annotations": known.annotations});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    });
    if is_namespace(request) {
        review.as_object_mut().unwrap().remove("namespace");
    }
    review
}
