//! What `rego.metadata.rule()` and `rego.metadata.chain()` are for each rule.

use smol_str::SmolStr;

use super::program::Source;
use super::resolve::Unit;
use super::value::Value;
use crate::policy::metadata::{self, Annotation, Scope};

/// Tells each unit what the annotations of all of them say about its rules.
pub(super) fn attach(units: &mut [Unit], sources: &[Source<'_>]) {
    if !sources.iter().any(|source| source.text.contains("rego.metadata.")) {
        return;
    }
    let all: Vec<(Vec<SmolStr>, usize, Vec<Annotation>)> = units
        .iter()
        .filter_map(|unit| {
            let source = sources.get(unit.file)?;
            // What is wrong with them is said where policies are described.
            let annotations = metadata::parse(source.file, source.text).ok()?;
            Some((unit.package.clone(), unit.file, annotations))
        })
        .collect();
    for unit in units.iter_mut() {
        for (line, name) in unit.rule_lines() {
            let path = [unit.package.clone(), vec![name.clone()]].concat();
            let find = |scope: Scope| {
                all.iter().flat_map(move |(package, file, annotations)| {
                    let fitting = annotations.iter().filter(move |annotation| annotation.scope == scope);
                    fitting.map(move |annotation| (package, *file, annotation))
                })
            };
            let own = find(Scope::Rule)
                .find(|(_, file, annotation)| *file == unit.file && annotation.statement == line)
                .map(|(_, _, annotation)| annotation);
            let document = find(Scope::Document)
                .find(|(package, _, annotation)| **package == unit.package && annotation.rule == name.as_str())
                .map(|(_, _, annotation)| annotation);
            let package = find(Scope::Package).find(|(package, _, _)| **package == unit.package);
            let mut above: Vec<(&Vec<SmolStr>, &Annotation)> = find(Scope::Subpackages)
                .filter(|(package, _, _)| unit.package.starts_with(package))
                .map(|(package, _, annotation)| (package, annotation))
                .collect();
            above.sort_by_key(|(package, _)| std::cmp::Reverse(package.len()));

            let mut chain = vec![entry(&path, own)];
            chain.extend(document.map(|annotation| entry(&path, Some(annotation))));
            chain.extend(package.map(|(package, _, annotation)| entry(package, Some(annotation))));
            chain.extend(
                above
                    .into_iter()
                    .map(|(package, annotation)| entry(package, Some(annotation))),
            );
            let rule = own.or(document).map_or_else(|| Value::object(Vec::new()), content);
            unit.metadata
                .insert(u32::try_from(line).unwrap_or(0), (rule, Value::array(chain)));
        }
    }
}

fn entry(path: &[SmolStr], annotation: Option<&Annotation>) -> Value {
    let names = path.iter().cloned().map(Value::String).collect();
    let mut members = vec![(Value::string("path"), Value::array(names))];
    members.extend(annotation.map(|annotation| (Value::string("annotations"), content(annotation))));
    Value::object(members)
}

/// What an annotation says, in the form that OPA gives it.
fn content(annotation: &Annotation) -> Value {
    let mut members: Vec<(Value, Value)> = Vec::new();
    let scope = match annotation.scope {
        Scope::Subpackages => "subpackages",
        Scope::Package => "package",
        Scope::Document => "document",
        Scope::Rule => "rule",
    };
    for (key, value) in annotation.written.as_object().into_iter().flatten() {
        let value = match key.as_str() {
            "scope" => continue,
            "entrypoint" if value == &serde_json::Value::Bool(false) => continue,
            "related_resources" => list(value, |text| vec![("ref", text.to_owned())]),
            "authors" => list(value, author),
            _ => Value::from(value),
        };
        members.push((Value::string(key), value));
    }
    members.push((Value::string("scope"), Value::string(scope)));
    Value::object(members)
}

/// A list whose items may be short texts.
fn list(value: &serde_json::Value, parts: impl Fn(&str) -> Vec<(&'static str, String)>) -> Value {
    let item = |item: &serde_json::Value| match item.as_str() {
        Some(text) => Value::object(
            parts(text)
                .into_iter()
                .map(|(key, text)| (key.into(), text.into()))
                .collect(),
        ),
        None => Value::from(item),
    };
    Value::array(value.as_array().into_iter().flatten().map(item).collect())
}

/// `Jane Doe <jane@example.com>`.
fn author(text: &str) -> Vec<(&'static str, String)> {
    let (name, email) = text.split_once('<').unwrap_or((text, ""));
    let email = email.trim_end_matches('>').trim();
    [("name", name.trim()), ("email", email)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(key, text)| (key, text.to_owned()))
        .collect()
}
