//! Cases of policies as data: an object, and what its policy says about it. The same cases run natively, in the compiled
//! module and through Envoy.

mod expectation;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

pub use expectation::{Class, Expectation};

use crate::admission::{Operation, Review};
use crate::context::{Context, Namespace};
use crate::eval::PolicySet;
use crate::fix;
use crate::policy::bundle::Bundle;
use crate::policy::settings::{Override, Settings};
use crate::policy::{Problem, compile, yaml};
use crate::template::{WORKLOADS, Workload};
use crate::verdict::{Action, Verdict};

/// A file of cases.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// In the file's order.
    pub cases: Vec<Case>,
}

/// One object and what is expected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The object; for DELETE the old one.
    #[serde(default)]
    pub object: Value,
    /// The kinds to wrap a Pod into; as written when empty.
    #[serde(default, rename = "as")]
    pub kinds: Vec<String>,
    /// CREATE unless said otherwise.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// For UPDATE.
    #[serde(default)]
    pub old_object: Value,
    /// For example `ephemeralcontainers`.
    #[serde(default)]
    pub sub_resource: String,
    /// Who asks.
    #[serde(default)]
    pub user_info: Value,
    /// Over the policy's own.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// The object's namespace.
    #[serde(default)]
    pub namespace: Option<Namespace>,
    /// The outcome.
    pub expect: Expect,
    /// All of them, sorted by path and message; not checked when left out.
    #[serde(default)]
    pub violations: Option<Vec<Expected>>,
    /// Whether a checked fix is found that lets the object pass; not checked when left out.
    #[serde(default)]
    pub fixed: Option<bool>,
    /// The change that a good engineer would make, for what is denied.
    #[serde(default)]
    pub fix: Option<Expectation>,
}

/// An outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// Nothing is found.
    Allow,
    /// A violation denies.
    Deny,
    /// Violations warn, and nothing denies.
    Warn,
    /// Violations are recorded, and nothing denies or warns.
    Audit,
    /// The policy cannot be evaluated.
    Fail,
}

/// One expected violation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Its first path, in the Pod; lifted for templates.
    pub path: Option<String>,
    /// Its message.
    pub message: Option<String>,
}

/// A case for one kind.
#[derive(Debug, Clone)]
pub struct Variant<'a> {
    case: &'a Case,
    workload: Option<&'static Workload>,
    /// The case's name, and the kind when it is wrapped.
    pub name: String,
}

impl CaseFile {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        yaml::read(text).map_err(|error| yaml::too_deep(&error).unwrap_or_else(|| error.to_string()))
    }
}

impl Case {
    /// The case for each of its kinds.
    pub fn variants(&self) -> Result<Vec<Variant<'_>>, String> {
        if self.kinds.is_empty() {
            return Ok(vec![Variant {
                case: self,
                workload: None,
                name: self.name.clone(),
            }]);
        }
        let variant = |kind: &String| {
            let workload = WORKLOADS.iter().find(|workload| workload.kind == kind);
            if workload.is_none() && kind != "Pod" {
                return Err(format!(
                    "case {:?}: `as` names {kind:?}, which holds no Pod template",
                    self.name
                ));
            }
            Ok(Variant {
                case: self,
                workload,
                name: format!("{} ({kind})", self.name),
            })
        };
        self.kinds.iter().map(variant).collect()
    }

    /// The bundle of the case's policy alone.
    pub fn bundle(&self, id: &str, path: &str, text: &str) -> Bundle {
        let over = Override {
            parameters: self.parameters.clone(),
            ..Override::default()
        };
        let policies = if self.parameters.is_empty() {
            BTreeMap::new()
        } else {
            BTreeMap::from([(id.to_owned(), over)])
        };
        let settings = Settings {
            policies,
            excluded_namespaces: Vec::new(),
            ..Settings::default()
        };
        Bundle::new(settings, [(path.to_owned(), text.to_owned())])
    }

    /// What the case says about its namespace.
    pub fn context(&self) -> Context {
        let name = self.namespace_name();
        let namespaces = self
            .namespace
            .iter()
            .map(|namespace| (name.clone(), namespace.clone()))
            .collect();
        Context {
            namespaces,
            ..Context::default()
        }
    }

    /// The case's policy, compiled.
    pub fn policy_set(&self, id: &str, path: &str, text: &str) -> Result<PolicySet, Vec<Problem>> {
        compile::compile(&self.bundle(id, path, text), self.context())
    }

    fn namespace_name(&self) -> String {
        let object = if self.object.is_null() {
            &self.old_object
        } else {
            &self.object
        };
        let kind = object["kind"].as_str().unwrap_or_default();
        if kind == "Namespace" {
            return text(object, "/metadata/name").unwrap_or_default().to_owned();
        }
        text(object, "/metadata/namespace").unwrap_or("default").to_owned()
    }
}

impl Variant<'_> {
    /// The kind that the Pod is wrapped into, unless the object is as written.
    pub fn workload(&self) -> Option<&'static Workload> {
        self.workload
    }

    /// The object, wrapped.
    pub fn object(&self) -> Value {
        self.wrapped(&self.case.object)
    }

    /// The `AdmissionReview`.
    pub fn review_json(&self) -> Value {
        self.review_json_of(self.object())
    }

    /// The `AdmissionReview`, had the object been this one.
    pub fn review_json_of(&self, object: Value) -> Value {
        let case = self.case;
        let operation = case.operation.unwrap_or(Operation::Create);
        let (object, old) = match operation {
            Operation::Delete if case.old_object.is_null() => (Value::Null, object),
            _ => (object, self.wrapped(&case.old_object)),
        };
        let shown = if object.is_null() { &old } else { &object };
        let api_version = shown["apiVersion"].as_str().unwrap_or("v1");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = shown["kind"].as_str().unwrap_or_default();
        let gvk = json!({"group": group, "version": version, "kind": kind});
        let resource = json!({"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())});
        let request = json!({
            "subResource": case.sub_resource,
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": gvk, "requestKind": gvk, "resource": resource, "requestResource": resource,
            "name": text(shown, "/metadata/name").unwrap_or_default(),
            "namespace": case.namespace_name(),
            "operation": operation.as_str(),
            "userInfo": if case.user_info.is_null() { json!({"username": "jane"}) } else { case.user_info.clone() },
            "object": object, "oldObject": old, "dryRun": false, "options": null,
        });
        json!({"apiVersion": crate::admission::Version::V1.as_str(), "kind": "AdmissionReview", "request": request})
    }

    fn wrapped(&self, object: &Value) -> Value {
        self.workload
            .map_or_else(|| object.clone(), |workload| wrap(workload, object))
    }

    /// The bytes that the API server would send.
    pub fn review_bytes(&self) -> Vec<u8> {
        self.review_json().to_string().into_bytes()
    }

    /// Evaluates the case and compares. The error says what differs.
    pub fn check(&self, set: &PolicySet) -> Result<(), String> {
        let fail = |reason: String| Err(format!("{}: {reason}", self.name));
        let review = match Review::parse(&self.review_bytes()) {
            Ok(review) => review,
            Err(error) => return fail(error.to_string()),
        };
        let verdict = set.evaluate(&review);
        let outcome = outcome(&verdict);
        if outcome != self.case.expect {
            let mut reason = format!("expected {}, found {}", self.case.expect.as_str(), outcome.as_str());
            for (path, message) in violations(&verdict) {
                reason.push_str(&format!("\n  {}", line(Some(path), Some(message))));
            }
            for failure in verdict.failures() {
                reason.push_str(&format!("\n  the policy failed: {}", failure.detail));
            }
            return fail(reason);
        }
        if let Some(expected) = &self.case.violations
            && let Err(reason) = self.compare(expected, &verdict)
        {
            return fail(reason);
        }
        if let Some(expected) = self.case.fixed {
            let fix = fix::prove(set, &review, &verdict);
            let found = fix.as_ref().is_some_and(|fix| fix.summary().complete);
            if found != expected {
                let found = fix.map_or("none was found".to_owned(), |fix| format!("found {}", fix.patch()));
                let expected = if expected {
                    "a fix that lets the object pass"
                } else {
                    "no such fix"
                };
                return fail(format!("expected {expected}, {found}"));
            }
        }
        Ok(())
    }

    fn compare(&self, expected: &[Expected], verdict: &Verdict) -> Result<(), String> {
        let found = violations(verdict);
        let fits = |(expected, (path, message)): (&Expected, &(&str, &str))| {
            let lifted = expected
                .path
                .as_ref()
                .map(|path| self.workload.map_or(path.clone(), |w| w.lift(path)));
            lifted.is_none_or(|lifted| lifted == *path)
                && expected
                    .message
                    .as_ref()
                    .is_none_or(|expected| expected.trim() == *message)
        };
        if found.len() == expected.len() && expected.iter().zip(&found).all(fits) {
            return Ok(());
        }
        let mut reason = "the violations differ".to_owned();
        for Expected { path, message } in expected {
            let path = path
                .as_ref()
                .map(|path| self.workload.map_or(path.clone(), |workload| workload.lift(path)));
            reason.push_str(&format!("\n  expected {}", line(path.as_deref(), message.as_deref())));
        }
        for (path, message) in &found {
            reason.push_str(&format!("\n  found    {}", line(Some(path), Some(message))));
        }
        if found.is_empty() {
            reason.push_str("\n  found    none");
        }
        Err(reason)
    }
}

impl Expect {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Audit => "audit",
            Self::Fail => "fail",
        }
    }
}

/// The first path and the message of each violation.
fn violations(verdict: &Verdict) -> Vec<(&str, &str)> {
    verdict
        .violations()
        .map(|violation| {
            let path = violation.found.first().map_or("", |found| found.path.as_str());
            (path, violation.message.as_str())
        })
        .collect()
}

/// A violation in a line: a path, where there is one, and the message.
fn line(path: Option<&str>, message: Option<&str>) -> String {
    let parts = [path, message.map(str::trim)];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        "any violation".to_owned()
    } else {
        parts.join(": ")
    }
}

/// The outcome of a verdict, the gravest first.
pub fn outcome(verdict: &Verdict) -> Expect {
    let has = |action: Action| verdict.violations().any(|violation| violation.action == action);
    match () {
        () if !verdict.failures().is_empty() => Expect::Fail,
        () if has(Action::Deny) => Expect::Deny,
        () if has(Action::Warn) => Expect::Warn,
        () if has(Action::Audit) => Expect::Audit,
        () => Expect::Allow,
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// A workload whose template makes this Pod.
fn wrap(workload: &Workload, pod: &Value) -> Value {
    if pod.is_null() {
        return Value::Null;
    }
    let metadata = &pod["metadata"];
    let mut template_metadata = metadata.clone();
    if let Some(members) = template_metadata.as_object_mut() {
        members.remove("name");
        members.remove("namespace");
        members.remove("ownerReferences");
    }
    let mut spec = json!({"metadata": template_metadata, "spec": pod["spec"]});
    for key in workload.template.iter().rev() {
        spec = json!({ *key: spec });
    }
    let api_version = if workload.group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{}/v1", workload.group)
    };
    let mut object = json!({"apiVersion": api_version, "kind": workload.kind,
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]}});
    if let (Some(object), Value::Object(spec)) = (object.as_object_mut(), spec) {
        object.extend(spec);
    }
    object
}
