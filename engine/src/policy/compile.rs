//! A bundle becomes a policy set: accepted whole, or refused with every reason.

use std::collections::BTreeMap;

use super::bundle::{Bundle, File};
use super::custom::Custom;
use super::matching::{Criteria, Glob, Index};
use super::metadata::{Annotation, Scope};
use super::settings::{FailureMode, Override};
use super::{Problem, id_of, metadata, soundness};
use crate::context::Context;
use crate::document::Document;
use crate::eval::{Policy, PolicySet, Program};
use crate::verdict::Link;

/// What a policy says about itself, after the policy set's overrides.
#[derive(Debug, Clone, Default)]
pub struct PolicyMeta {
    /// The id.
    pub id: String,
    /// One line.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// Where to read more.
    pub links: Vec<Link>,
    /// All of `custom`.
    pub custom: Custom,
}

/// Compiles a bundle. The set evaluates with `context`.
pub fn compile(bundle: &Bundle, context: Context) -> Result<PolicySet, Vec<Problem>> {
    bundle.check()?;
    let mut problems = Vec::new();
    let mut policies: Vec<Policy> = Vec::new();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for file in &bundle.files {
        match policy(file, bundle, &context) {
            Ok(None) => {}
            Ok(Some(policy)) => {
                if let Some(other) = files.insert(policy.meta.id.clone(), file.path.clone()) {
                    let message = format!(
                        "policy {} is in {other} already: give it another package",
                        policy.meta.id
                    );
                    problems.push(Problem::at(&file.path, 0, message));
                }
                policies.push(policy);
            }
            Err(more) => problems.extend(more),
        }
    }
    problems.extend(unused_overrides(bundle));
    let excluded: Vec<Glob> = bundle
        .settings
        .excluded_namespaces
        .iter()
        .filter_map(|pattern| Glob::new(pattern).ok())
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    policies.sort_by(|a, b| a.meta.id.cmp(&b.meta.id));
    let index = Index::new(policies.iter().map(|policy| &policy.criteria));
    Ok(PolicySet::new(
        bundle.revision.clone(),
        policies,
        index,
        excluded,
        context,
    ))
}

/// One file; `None` when the policy set turns it off. A policy that is off is checked all the same.
fn policy(file: &File, bundle: &Bundle, context: &Context) -> Result<Option<Policy>, Vec<Problem>> {
    let refuse = |message: String| vec![Problem::at(&file.path, 0, message)];
    let annotations = metadata::parse(&file.path, &file.text)?;
    let program = Program::load(&file.path, &file.text, context.document())
        .map_err(|(line, message)| vec![Problem::at(&file.path, line, message)])?;
    let module = soundness::inspect(&file.path, &file.text, &program.syntax_tree().map_err(refuse)?)?;
    if !module.defines("deny") {
        return Err(refuse(
            "there is no rule `deny`: a policy says what it objects to in `deny contains …`".to_owned(),
        ));
    }
    let unknown: Vec<Problem> = module
        .calls
        .iter()
        .filter_map(|((name, count), line)| {
            let reason = Program::check_builtin(name, *count).err()?;
            Some(Problem::at(&file.path, *line, reason))
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let program = program
        .prepare(&module.package)
        .map_err(|(line, message)| vec![Problem::at(&file.path, line, message)])?;
    let id = id_of(&module.package);
    let settings = bundle.settings.for_policy(&id);
    let meta = describe(&file.path, id, &annotations, &settings)?;
    let criteria = Criteria::new(meta.custom.criteria.clone()).map_err(refuse)?;
    let parameters = serde_json::to_value(&meta.custom.parameters).map_err(|error| refuse(error.to_string()))?;
    let failure_mode = settings.failure_mode.unwrap_or(bundle.settings.failure_mode);
    Ok((settings.enabled != Some(false)).then(|| Policy {
        meta,
        criteria,
        tolerant: failure_mode == FailureMode::Allow,
        parameters: Document::from(parameters),
        program,
    }))
}

/// Folds the annotations that concern `deny`: the narrower scope wins, field by field, as in OPA's chain.
fn describe(
    file: &str,
    id: String,
    annotations: &[Annotation],
    settings: &Override,
) -> Result<PolicyMeta, Vec<Problem>> {
    let mut chain: Vec<&Annotation> = annotations
        .iter()
        .filter(|annotation| match annotation.scope {
            Scope::Package | Scope::Subpackages => true,
            Scope::Document | Scope::Rule => annotation.rule == "deny",
        })
        .collect();
    chain.sort_by_key(|annotation| annotation.scope);
    let mut meta = PolicyMeta {
        id,
        ..PolicyMeta::default()
    };
    let mut custom = serde_json::Map::new();
    let mut line = 0;
    for annotation in chain {
        let content = &annotation.content;
        if let Some(title) = &content.title {
            meta.title.clone_from(title);
        }
        if let Some(description) = &content.description {
            meta.why.clone_from(description);
        }
        let links = content.links();
        if !links.is_empty() {
            meta.links = links;
        }
        match &content.custom {
            None => {}
            Some(serde_json::Value::Object(members)) => {
                custom.extend(members.clone());
                line = annotation.line;
            }
            Some(_) => {
                return Err(vec![Problem::at(
                    file,
                    annotation.line,
                    "METADATA: custom must be a map",
                )]);
            }
        }
    }
    if let Some((key, ours)) = super::custom::misspelt(custom.keys()) {
        let message = format!("METADATA: custom.{key} is not known; did you mean {ours:?}?");
        return Err(vec![Problem::at(file, line, message)]);
    }
    meta.why = meta.why.trim().to_owned();
    meta.custom = serde_path_to_error::deserialize(serde_json::Value::Object(custom)).map_err(|error| {
        vec![Problem::at(
            file,
            line,
            format!("METADATA: custom.{}: {}", error.path(), error.inner()),
        )]
    })?;
    meta.custom.action = settings.action.unwrap_or(meta.custom.action);
    meta.custom.parameters.extend(settings.parameters.clone());
    Ok(meta)
}

/// An override that matches no policy is a typing error until proven otherwise.
fn unused_overrides(bundle: &Bundle) -> Vec<Problem> {
    let ids: Vec<String> = bundle
        .files
        .iter()
        .filter_map(|file| {
            let line = file
                .text
                .lines()
                .map(str::trim)
                .find_map(|line| line.strip_prefix("package "))?;
            Some(id_of(line.split_whitespace().next()?))
        })
        .collect();
    let is_unused = |pattern: &&String| Glob::new(pattern).is_ok_and(|glob| !ids.iter().any(|id| glob.matches(id)));
    let message = |pattern: &String| format!("policies.{pattern}: no policy has this id");
    let unused = bundle.settings.policies.keys().filter(is_unused);
    unused
        .map(|pattern| Problem::at(super::settings::Settings::FILE, 0, message(pattern)))
        .collect()
}
