//! The five policies as templates and constraints of Gatekeeper, and the same Rego as OPA takes it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

/// Their folders.
const FOLDERS: [&str; 5] = [
    "required-labels",
    "allowed-repositories",
    "privileged-containers",
    "host-namespaces",
    "container-limits",
];

/// Templates and their constraints.
#[derive(Debug, Default)]
pub(crate) struct Gatekeeper {
    pub(crate) templates: Vec<Value>,
    pub(crate) constraints: Vec<Value>,
}

/// What OPA is started with.
#[derive(Debug)]
pub(crate) struct ForOpa {
    /// Modules and `data.json`.
    pub(crate) folder: PathBuf,
    /// The modules alone.
    pub(crate) modules: Vec<PathBuf>,
    /// The parameters.
    pub(crate) data: PathBuf,
}

/// `data.system.main` is what the server answers with, and what is timed.
const MAIN: &str = r#"package system

import rego.v1

main := {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

response := {"uid": input.request.uid, "allowed": true} if count(messages) == 0

response := {"uid": input.request.uid, "allowed": false, "status": {"code": 403, "message": concat("\n", messages)}} if {
	count(messages) > 0
}
"#;

impl Gatekeeper {
    /// Reads the five, and lets all of them deny: they are fixtures of other tests too, where some only warn.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        for name in FOLDERS {
            let read = |file: &str| -> Result<Value> {
                let path = folder.join(name).join(file);
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
            };
            found.templates.push(read("template.yaml")?);
            let mut constraint = read("constraint.yaml")?;
            if let Some(spec) = constraint.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("enforcementAction".to_owned(), json!("deny"));
                spec.remove("scopedEnforcementActions");
            }
            found.constraints.push(constraint);
        }
        Ok(found)
    }

    /// Writes them as the filter's policies: a folder for `whynot policy build`.
    pub(crate) fn write(&self, output: &Path) -> Result<PathBuf> {
        let folder = empty(output.join("five"))?;
        for ((template, constraint), name) in self.templates.iter().zip(&self.constraints).zip(FOLDERS) {
            let folder = folder.join(name);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("template.yaml"), serde_saphyr::to_string(template)?)?;
            fs::write(folder.join("constraint.yaml"), serde_saphyr::to_string(constraint)?)?;
        }
        Ok(folder)
    }

    /// Writes the templates' Rego for OPA as it is, each with the input that Gatekeeper would give it.
    pub(crate) fn for_opa(&self, output: &Path) -> Result<ForOpa> {
        let folder = empty(output.join("opa"))?;
        let (mut main, mut data, mut modules) = (MAIN.to_owned(), Map::new(), Vec::new());
        for (template, constraint) in self.templates.iter().zip(&self.constraints) {
            let name = text_at(constraint, "/metadata/name").replace('-', "_");
            let prefix = format!("five.{name}");
            let (rego, libraries) = source(template)?;
            for (number, text) in std::iter::once(&rego).chain(&libraries).enumerate() {
                let file = folder.join(format!("{name}_{number}.rego"));
                fs::write(&file, in_package(text, &prefix)?)?;
                modules.push(file);
            }
            main += &format!(
                "\nmessages contains violation.msg if {{\n\t{}\n\tsome violation in data.{prefix}.{}.violation with input as \
                 {{\"review\": input.request, \"parameters\": data.parameters.{name}}}\n}}\n",
                kinds(constraint),
                package(&rego)?
            );
            let mut parameters = constraint.pointer("/spec/parameters").cloned().unwrap_or(json!({}));
            let schema = template.pointer("/spec/crd/spec/validation/openAPIV3Schema");
            fill(&mut parameters, schema.unwrap_or(&Value::Null));
            data.insert(name, parameters);
        }
        let file = folder.join("main.rego");
        fs::write(&file, main)?;
        modules.push(file);
        let file = folder.join("data.json");
        fs::write(&file, json!({"parameters": data}).to_string())?;
        Ok(ForOpa {
            folder,
            modules,
            data: file,
        })
    }
}

fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The Rego of a template, and its libraries, all in the old syntax or with the import that makes them new.
fn source(template: &Value) -> Result<(String, Vec<String>)> {
    let target = template
        .pointer("/spec/targets/0")
        .context("a template without a target")?;
    let mut codes = target.get("code").and_then(Value::as_array).into_iter().flatten();
    let source = codes.find(|code| text_at(code, "/engine") == "Rego");
    let source = source.and_then(|code| code.get("source")).unwrap_or(target);
    let is_new = text_at(source, "/version") == "v1";
    let dialect = |text: &str| -> Result<String> {
        let line = format!("package {}", package(text)?);
        Ok(if is_new {
            text.replacen(&line, &format!("{line}\n\nimport rego.v1"), 1)
        } else {
            text.to_owned()
        })
    };
    let rego = text_at(source, "/rego");
    if rego.is_empty() {
        bail!("a template without Rego");
    }
    let libraries = source.get("libs").and_then(Value::as_array).into_iter().flatten();
    let libraries = libraries.filter_map(Value::as_str).map(dialect);
    Ok((dialect(rego)?, libraries.collect::<Result<_>>()?))
}

/// In a package of its own: templates may use the same names.
fn in_package(text: &str, prefix: &str) -> Result<String> {
    let package = package(text)?;
    let moved = text.replacen(&format!("package {package}"), &format!("package {prefix}.{package}"), 1);
    Ok(moved.replace("data.lib.", &format!("data.{prefix}.lib.")))
}

fn package(text: &str) -> Result<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix("package "));
    line.map(str::trim).context("a template without a package")
}

/// A condition for the kinds that a constraint is for.
fn kinds(constraint: &Value) -> String {
    let groups = constraint.pointer("/spec/match/kinds").and_then(Value::as_array);
    let kinds: Vec<&Value> = groups
        .into_iter()
        .flatten()
        .filter_map(|group| group.get("kinds")?.as_array())
        .flatten()
        .collect();
    format!("input.request.kind.kind in {}", json!(kinds))
}

/// The schema's defaults, which the API server fills in.
fn fill(value: &mut Value, schema: &Value) {
    if let Value::Array(items) = value {
        let schema = schema.get("items").unwrap_or(&Value::Null);
        for item in items {
            fill(item, schema);
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if let (Some(members), Some(properties)) = (value.as_object_mut(), properties) {
        for (key, schema) in properties {
            if let (false, Some(default)) = (members.contains_key(key), schema.get("default")) {
                members.insert(key.clone(), default.clone());
            }
            if let Some(member) = members.get_mut(key) {
                fill(member, schema);
            }
        }
    }
}

fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_modules_that_do_not_meet() {
        let pair = |name: &str, version: &str| {
            let rego = "package shared\nviolation[{\"msg\": m}] {\n\tm := data.lib.x.y\n}\n";
            let source = json!({"version": version, "rego": rego, "libs": ["package lib.x\ny = true"]});
            let target = json!({"code": [{"engine": "CEL"}, {"engine": "Rego", "source": source}]});
            let items = json!({"properties": {"allowed": {"default": ".*"}}});
            let schema = json!({"properties": {"labels": {"items": items}, "message": {"default": ""}}});
            (
                json!({"spec": {"crd": {"spec": {"validation": {"openAPIV3Schema": schema}}}, "targets": [target]}}),
                json!({"metadata": {"name": format!("my-{name}")}, "spec": {
                    "match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, "parameters": {"labels": [{"key": name}]}}}),
            )
        };
        let (templates, constraints) = [pair("a", "v1"), pair("b", "v0")].into_iter().unzip();
        let output = std::env::temp_dir().join(format!("whynot-five-{}", std::process::id()));
        let five = Gatekeeper { templates, constraints };
        let made = five.for_opa(&output).expect("translated");
        let read = |file: &str| fs::read_to_string(made.folder.join(file)).expect("a module");
        let rule = read("my_a_0.rego");
        assert!(
            rule.starts_with("package five.my_a.shared\n\nimport rego.v1\n"),
            "{rule}"
        );
        assert!(rule.contains("m := data.five.my_a.lib.x.y"), "{rule}");
        assert_eq!(read("my_b_1.rego"), "package five.my_b.lib.x\ny = true");
        let main = read("main.rego");
        let rule = "\tinput.request.kind.kind in [\"Pod\"]\n\tsome violation in data.five.my_b.shared.violation with input as \
                    {\"review\": input.request, \"parameters\": data.parameters.my_b}\n";
        assert!(main.contains(rule), "{main}");
        let data: Value = serde_json::from_slice(&fs::read(&made.data).expect("data")).expect("JSON");
        let filled = json!({"labels": [{"key": "b", "allowed": ".*"}], "message": ""});
        assert_eq!(data.pointer("/parameters/my_b"), Some(&filled));
        assert_eq!(made.modules.len(), 5);
        fs::remove_dir_all(output).expect("removed");
    }
}
