//! What tests feed the filter with: policy sets, configurations, recorded reviews.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context as _, Result, anyhow};
use engine::policy::bundle::Bundle;
use engine::policy::settings::Settings;
use serde_json::{Value, json};

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A policy set of these sources, with default settings. Each is filed under its number.
pub fn policies(sources: &[&str]) -> Bundle {
    let files = sources
        .iter()
        .enumerate()
        .map(|(number, text)| (format!("{number}/policy.rego"), (*text).to_owned()));
    Bundle::new(Settings::default(), files)
}

/// The policy library with its own settings.
pub fn library() -> Result<Bundle> {
    let root = repository("policies");
    let settings = fs::read_to_string(root.join("policy-set.yaml")).context("policies/policy-set.yaml")?;
    let mut files = Vec::new();
    for path in files_below(&root)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".rego") && !name.ends_with("_test.rego") {
            let relative = path.strip_prefix(&root)?.to_string_lossy().into_owned();
            files.push((relative, fs::read_to_string(&path)?));
        }
    }
    Bundle::from_parts(Some(&settings), files).map_err(|problems| anyhow!(engine::policy::list(&problems)))
}

/// The context that the local stack evaluates with.
pub fn context() -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(repository(
        "wasm-tests/stack/context.json",
    ))?)?)
}

/// The filter's configuration with an explainer that may take five seconds.
pub fn configuration(bundle: &Bundle) -> Result<Value> {
    Ok(json!({
        "bundle": serde_json::to_value(bundle)?,
        "context": context()?,
        "validatePath": "/validate",
        "wrapPrefix": "/wrap/",
        "maxBodyBytes": 8_388_608,
        "explainer": {
            "cluster": "explainer", "authority": "explainer", "path": "/v1/explain", "timeoutMs": 5000, "marginMs": 200,
        },
    }))
}

/// The recorded reviews, by name: what an API server really sent.
pub fn reviews() -> Result<Vec<(String, Vec<u8>)>> {
    let mut reviews = Vec::new();
    for path in files_below(&repository("wasm-tests/fixtures/admission-reviews"))? {
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            reviews.push((name, fs::read(&path)?));
        }
    }
    Ok(reviews)
}

/// Every file below a folder, sorted.
pub fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let of_kind = if entry.file_type()?.is_dir() {
                &mut folders
            } else {
                &mut files
            };
            of_kind.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A review as the API server would send it, for an object that is created in the namespace `shop`.
pub fn review_of(object: &Value) -> Value {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (group, version) = match text("/apiVersion").split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text("/apiVersion")),
    };
    let resource = format!("{}s", text("/kind").to_lowercase());
    let kind = json!({"group": group, "version": version, "kind": text("/kind")});
    let resource = json!({"group": group, "version": version, "resource": resource});
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": text("/metadata/name"), "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": object, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-create"},
        },
    })
}

/// [`review_of`] in the API server's order of fields, which begins with the uid.
pub fn review_bytes(object: &Value) -> Vec<u8> {
    let mut request = review_of(object)
        .get_mut("request")
        .map(Value::take)
        .unwrap_or_default();
    let uid = request
        .as_object_mut()
        .and_then(|members| members.remove("uid"))
        .unwrap_or_default();
    let rest = request.to_string();
    let rest = rest.strip_prefix('{').unwrap_or_default();
    format!(r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":{uid},{rest}}}"#)
        .into_bytes()
}

/// A Pod with one container, which runs privileged or does not.
pub fn pod(is_privileged: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [
            {"name": "app", "image": "nginx:1.27.3", "securityContext": {"privileged": is_privileged}},
        ]},
    })
}

/// Denies privileged containers; its fix is to set the field to false.
pub const PRIVILEGED: &str = r#"
# METADATA
# title: No privileged containers
# description: Root on the node.
# custom:
#   severity: high
#   remediation: Remove it.
#   fix: {action: set, value: false}
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package tests.privileged

deny contains violation if {
	some i, container in input.request.object.spec.containers
	container.securityContext.privileged == true
	violation := {
		"msg": sprintf("Container %q runs privileged.", [container.name]),
		"path": sprintf("/spec/containers/%d/securityContext/privileged", [i]),
	}
}
"#;
