//! The repository's policies, each with the documents that it is tried on before they are changed.

use std::fs;

use engine::policy::bundle::Bundle;
use engine::policy::metadata;
use engine::policy::settings::Settings;
use serde_json::{Value, json};
use wasm_tests::fixtures::{context, files_below, repository, review_of, reviews};
use wasm_tests::library;
use wasm_tests::opa::Module;

/// A policy: as Rego alone, and as whynot is given it.
#[cfg_attr(
    not(feature = "host"),
    expect(dead_code, reason = "whole reviews are for the filter")
)]
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) modules: Vec<Module>,
    pub(crate) query: String,
    /// The base document.
    pub(crate) data: Value,
    /// Inputs as they come.
    pub(crate) inputs: Vec<Value>,
    /// The policy alone. No namespace is excluded.
    pub(crate) bundle: Bundle,
    pub(crate) context: Value,
    /// What the API server asks.
    pub(crate) requests: Vec<Value>,
}

/// All of them.
pub(crate) fn policies() -> Vec<Policy> {
    let recorded = recorded();
    let mut policies = native(&recorded);
    policies.extend(gatekeeper(&recorded));
    policies
}

/// The requests that an API server really sent.
fn recorded() -> Vec<Value> {
    let read = |(_, bytes): (String, Vec<u8>)| serde_json::from_slice::<Value>(&bytes).unwrap()["request"].take();
    reviews().unwrap().into_iter().map(read).collect()
}

fn native(recorded: &[Value]) -> Vec<Policy> {
    let context = context().unwrap();
    let data = json!({"context": context});
    let policy = |policy: library::Policy| {
        let defaults = parameters(&policy);
        let (mut inputs, mut requests) = (Vec::new(), Vec::new());
        // Without parameters some policies object to nothing.
        let with_parameters = policy.cases.iter().find(|case| !case.parameters.is_empty());
        let bundle = policy.bundle(with_parameters.unwrap_or(&policy.cases[0]));
        for case in &policy.cases {
            let mut parameters = defaults.clone();
            for (name, value) in &case.parameters {
                parameters[name] = serde_json::to_value(value).unwrap();
            }
            for variant in case.variants().unwrap() {
                let request = variant.review_json()["request"].take();
                requests.push(request.clone());
                inputs.extend(native_inputs(request, &parameters));
            }
        }
        for request in recorded {
            requests.push(request.clone());
            inputs.extend(native_inputs(request.clone(), &defaults));
        }
        Policy {
            query: format!("data.{}.deny", package(&policy.text)),
            modules: vec![module(&policy.path, &policy.text, "v1")],
            name: policy.id,
            data: data.clone(),
            inputs,
            bundle,
            context: context.clone(),
            requests,
        }
    };
    library::policies().unwrap().into_iter().map(policy).collect()
}

fn native_inputs(request: Value, parameters: &Value) -> impl Iterator<Item = Value> {
    let namespace = json!({"name": request["namespace"], "labels": {"team": "checkout"}, "annotations": {}});
    as_pods(request).map(move |(request, template)| {
        let mut input = json!({"request": request, "namespace": namespace, "parameters": parameters});
        if let Some(template) = template {
            input["template"] = template;
        }
        input
    })
}

/// What METADATA says that the parameters are by default.
fn parameters(policy: &library::Policy) -> Value {
    let annotations = metadata::parse(&policy.path, &policy.text).unwrap();
    let custom = annotations
        .iter()
        .filter_map(|annotation| annotation.content.custom.as_ref());
    let parameters = custom.filter_map(|custom| custom.get("parameters")).next_back();
    parameters.cloned().unwrap_or_else(|| json!({}))
}

/// A request as it is; when its object has a Pod template, also that as a Pod, with what it is the template of.
fn as_pods(request: Value) -> impl Iterator<Item = (Value, Option<Value>)> {
    let object = &request["object"];
    let template = object
        .pointer("/spec/jobTemplate/spec/template")
        .or_else(|| object.pointer("/spec/template"));
    let of_template = template.map(|template| {
        let mut pod = template.clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        let mut request = request.clone();
        request["object"] = pod;
        request["kind"] = json!({"group": "", "version": "v1", "kind": "Pod"});
        let origin =
            json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"]});
        (request, Some(origin))
    });
    of_template.into_iter().chain([(request, None)])
}

/// The constraint templates, with the parameters of their constraint.
fn gatekeeper(recorded: &[Value]) -> Vec<Policy> {
    let root = repository("wasm-tests/fixtures/gatekeeper");
    let ingress = |name: &str, host: &str| {
        let metadata = json!({"name": name, "namespace": "shop"});
        let spec = json!({"rules": [{"host": host}, {"host": "b.example.com"}]});
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})
    };
    let taken =
        json!({"Ingress": {"web": ingress("web", "a.example.com"), "other": ingress("other", "c.example.com")}});
    let inventory = json!({"namespace": {"shop": {"networking.k8s.io/v1": taken}}, "cluster": {}});
    let mut context = context().unwrap();
    context["inventory"] = inventory.clone();
    let data = json!({"inventory": inventory});
    let mut requests = recorded.to_vec();
    requests.push(review_of(&ingress("new", "a.example.com"))["request"].take());
    let settings = Settings {
        excluded_namespaces: Vec::new(),
        ..Settings::default()
    };
    let mut policies = Vec::new();
    for file in files_below(&root).unwrap() {
        if !file.ends_with("template.yaml") {
            continue;
        }
        let parts = ["template.yaml", "constraint.yaml"].map(|name| {
            let text = fs::read_to_string(file.with_file_name(name)).unwrap();
            (name.to_owned(), text)
        });
        let [template, constraint] = &parts.each_ref().map(|(_, text)| yaml(text));
        let name = format!("gatekeeper/{}", template["metadata"]["name"].as_str().unwrap());
        let modules = template_modules(&name, &template["spec"]["targets"][0]);
        let mut parameters = constraint["spec"]["parameters"].clone();
        if parameters.is_null() {
            parameters = json!({});
        }
        let input = |request: &Value| json!({"review": request, "parameters": parameters});
        policies.push(Policy {
            query: format!("data.{}.violation", package(&modules[0].text)),
            modules,
            data: data.clone(),
            inputs: requests.iter().map(input).collect(),
            name,
            bundle: Bundle::new(settings.clone(), parts),
            context: context.clone(),
            requests: requests.clone(),
        });
    }
    policies
}

pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The template's Rego first, then its libraries. It is in one of two places.
pub(crate) fn template_modules(name: &str, target: &Value) -> Vec<Module> {
    let code = target["code"].as_array().into_iter().flatten();
    let source = code
        .filter(|code| code["engine"] == "Rego")
        .map(|code| &code["source"])
        .next();
    let source = source.unwrap_or(target);
    let version = source["version"].as_str().unwrap_or("v0");
    let libraries = source["libs"].as_array().into_iter().flatten();
    let texts = std::iter::once(&source["rego"]).chain(libraries);
    texts
        .enumerate()
        .map(|(number, text)| module(&format!("{name}/{number}.rego"), text.as_str().unwrap(), version))
        .collect()
}

fn module(file: &str, text: &str, version: &str) -> Module {
    Module {
        file: file.to_owned(),
        text: text.to_owned(),
        version: version.to_owned(),
    }
}

pub(crate) fn package(text: &str) -> &str {
    let line = text.lines().find_map(|line| line.strip_prefix("package "));
    line.unwrap().trim()
}
