//! A bundle becomes a policy set: accepted whole, or refused with every reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bundle::{Bundle, File};
use super::custom::Custom;
use super::documents;
use super::format::{self, Form};
use super::gatekeeper::{self, Constraint, Template};
use super::index::{Hints, Index};
use super::matching::{Criteria, Glob};
use super::metadata::{Annotation, Scope};
use super::modules::{self, Component, Module};
use super::settings::{Enforcement, FailureMode, Override, Settings};
use super::{Problem, id_of, metadata};
use crate::context::Context;
use crate::eval::{Concern, Entry, Policy, PolicySet};
use crate::memo::Reads;
use crate::rego::value::Value;
use crate::rego::{Location, Program, Read, Source};
use crate::verdict::{Action, Link};

/// What a policy says about itself, after the policy set's overrides.
#[derive(Debug, Clone, Default)]
pub struct PolicyMeta {
    /// The id.
    pub id: String,
    /// The file that it is in.
    pub file: String,
    /// One line.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// Where to read more.
    pub links: Vec<Link>,
    /// All of `custom`.
    pub custom: Custom,
}

/// What is being put together.
struct Draft<'a> {
    bundle: &'a Bundle,
    policies: Vec<Policy>,
    /// Ids with their files, also of policies that are turned off.
    ids: BTreeMap<String, String>,
    /// What packages say about those below them, with their names, the outermost first.
    above: Vec<(String, Annotation)>,
    problems: Vec<Problem>,
}

/// Compiles a bundle. The set evaluates with `context`.
pub fn compile(bundle: &Bundle, context: Context) -> Result<PolicySet, Vec<Problem>> {
    bundle.check()?;
    let mut draft = Draft {
        bundle,
        policies: Vec::new(),
        ids: BTreeMap::new(),
        above: Vec::new(),
        problems: Vec::new(),
    };
    draft.rego();
    draft.gatekeeper();
    let unused = draft.unused_overrides();
    let Draft {
        mut policies,
        mut problems,
        ..
    } = draft;
    problems.extend(unused);
    if !problems.is_empty() {
        return Err(problems);
    }
    let excluded: Vec<Glob> = bundle
        .settings
        .excluded_namespaces
        .iter()
        .filter_map(|pattern| Glob::new(pattern).ok())
        .collect();
    policies.sort_by(|a, b| a.meta.id.cmp(&b.meta.id));
    let index = Index::new(policies.iter().map(hints));
    let data = serde_json::Value::Object(bundle.data.clone());
    Ok(PolicySet::new(
        bundle.revision.clone(),
        policies,
        index,
        excluded,
        context,
        &Value::from(&data),
    ))
}

fn hints(policy: &Policy) -> Hints {
    if policy.explains {
        // Of no kind: no request finds it.
        return Hints {
            kinds: Some(Vec::new()),
            ..Hints::default()
        };
    }
    match &policy.concern {
        Concern::Criteria(criteria) => criteria.hints(),
        Concern::Constraint(criteria) => Hints {
            kinds: criteria.exact_kinds().map(|kinds| {
                kinds
                    .into_iter()
                    .map(|(group, kind)| (group.to_owned(), kind.to_owned()))
                    .collect()
            }),
            ..Hints::default()
        },
    }
}

impl Draft<'_> {
    fn rego(&mut self) {
        let is_policy = |file: &&File| file.is_rego() && !file.path.ends_with("_test.rego");
        let (components, problems) = modules::compile(self.bundle.files.iter().filter(is_policy));
        self.problems.extend(problems);
        for module in components.iter().flat_map(|component| &component.files) {
            // Those that cannot be read are complained about where the package is described.
            let annotations = metadata::parse(&module.file.path, &module.file.text).unwrap_or_default();
            for said in annotations.into_iter().filter(|said| said.scope == Scope::Subpackages) {
                // Here, where its file is known.
                match describe(
                    &module.file.path,
                    String::new(),
                    std::slice::from_ref(&said),
                    &Override::default(),
                ) {
                    Ok(_) => self.above.push((module.package.clone(), said)),
                    Err(problems) => self.problems.extend(problems),
                }
            }
        }
        self.above.sort_by_key(|(package, _)| package.len());
        for component in components {
            self.component(component);
        }
    }

    fn component(&mut self, component: Component<'_>) {
        let Component { program, files } = component;
        let program = Arc::new(program);
        let mut by_package: BTreeMap<&str, Vec<&Module<'_>>> = BTreeMap::new();
        for module in &files {
            by_package.entry(&module.package).or_default().push(module);
        }
        // Where a webhook is written in Rego, it alone decides of what it asks.
        let answer = program.locate("data.system.main");
        let mut has_entry = false;
        for (package, modules) in &by_package {
            let rules = rules_of(&program, package);
            let rules: BTreeSet<&str> = rules.iter().map(String::as_str).collect();
            let entries = format::entries(package, &rules);
            if entries.is_empty() {
                continue;
            }
            let is_asked = |entry: &format::Entry| {
                let rule = program.locate(&format!("data.{package}.{}", entry.rule));
                program.leads_to(&answer, &rule)
            };
            if *package != "system" && entries.iter().any(is_asked) {
                continue;
            }
            has_entry = true;
            match self.package(package, modules, entries, &program) {
                Ok(Some(policy)) => self.policies.push(policy),
                Ok(None) => {}
                Err(problems) => self.problems.extend(problems),
            }
        }
        // A file that only says something about the packages below its own has done its work.
        let is_rule_or_silent = |module: &&Module<'_>| {
            has_rules(&program, module) || !self.above.iter().any(|(package, _)| *package == module.package)
        };
        if !has_entry && files.iter().any(|module| is_rule_or_silent(&module)) {
            let advice = "there is no rule `deny`: a policy says what it objects to in `deny contains …`";
            self.problems
                .extend(files.iter().map(|module| Problem::at(&module.file.path, 0, advice)));
        }
    }

    /// One package; `None` when the policy set turns it off. A policy that is off is checked all the same.
    fn package(
        &mut self,
        package: &str,
        modules: &[&Module<'_>],
        entries: Vec<format::Entry>,
        program: &Arc<Program>,
    ) -> Result<Option<Policy>, Vec<Problem>> {
        let file = modules.first().map_or("", |module| module.file.path.as_str());
        let of_parents = self.above.iter().filter(|(above, _)| modules::is_below(package, above));
        let mut annotations: Vec<Annotation> = of_parents.map(|(_, said)| said.clone()).collect();
        for module in modules {
            annotations.extend(metadata::parse(&module.file.path, &module.file.text)?);
        }
        let has_custom = annotations.iter().any(|annotation| annotation.content.custom.is_some());
        let own = |read: &&Read| modules.iter().any(|module| module.file.path == read.file);
        let own = program.documents().iter().filter(own);
        let (form, form_reason) = format::decide(package, has_custom, own, program.documents_for(package));
        documents::check(program, form, &self.bundle.data)?;
        let id = id_of(package);
        self.claim(&id, file)?;
        let settings = self.bundle.settings.for_policy(&id);
        let mut meta = describe(file, id, &annotations, &settings)?;
        file.clone_into(&mut meta.file);
        let refuse = |message: String| vec![Problem::at(file, 0, message)];
        // Who says nothing about requests wants to see them all. Who knows only objects speaks of what is created and changed:
        // nobody is kept from deleting what is wrong.
        let criteria = if has_custom || form == Form::Object {
            Criteria::new(meta.custom.criteria.clone()).map_err(refuse)?
        } else {
            Criteria::everything()
        };
        let parameters = serde_json::to_value(&meta.custom.parameters).map_err(|error| refuse(error.to_string()))?;
        let policy = Policy {
            meta,
            concern: Concern::Criteria(criteria),
            form,
            form_reason,
            tolerant: is_tolerant(&settings, &self.bundle.settings),
            explains: settings.action == Some(Enforcement::Explain),
            parameters: Value::from(&parameters),
            entries: entries
                .into_iter()
                .map(|entry| asked(program, package, entry, form))
                .collect(),
            exception: exception(program, package, form),
            program: Arc::clone(program),
        };
        Ok((settings.enabled != Some(false)).then_some(policy))
    }

    fn claim(&mut self, id: &str, file: &str) -> Result<(), Vec<Problem>> {
        match self.ids.insert(id.to_owned(), file.to_owned()) {
            Some(other) if other != file => {
                let message = format!("policy {id} is in {other} already: give it another package");
                Err(vec![Problem::at(file, 0, message)])
            }
            _ => Ok(()),
        }
    }

    fn gatekeeper(&mut self) {
        let files = self.bundle.files.iter().filter(|file| !file.is_rego());
        let (loaded, problems) = gatekeeper::load_sound(files.map(|file| (file.path.as_str(), file.text.as_str())));
        self.problems.extend(problems);
        for other in loaded
            .others
            .iter()
            .filter(|other| !other.api_version.contains("gatekeeper.sh"))
        {
            let message = format!(
                "{} {} is neither a ConstraintTemplate nor a constraint; take it out of the policies",
                other.kind, other.name
            );
            self.problems.push(Problem::at(&other.file, other.line, message));
        }
        for template in &loaded.templates {
            let program = match compile_template(template) {
                Ok(program) => Arc::new(program),
                Err(problems) => {
                    self.problems.extend(problems);
                    continue;
                }
            };
            let annotations = metadata::parse(&template.file, &template.module.text).unwrap_or_default();
            for constraint in loaded
                .constraints
                .iter()
                .filter(|constraint| constraint.kind == template.kind)
            {
                match self.constraint(constraint, &annotations, &program) {
                    Ok(policy) => self.policies.extend(policy),
                    Err(problems) => self.problems.extend(problems),
                }
            }
        }
    }

    fn constraint(
        &mut self,
        constraint: &Constraint,
        annotations: &[Annotation],
        program: &Arc<Program>,
    ) -> Result<Option<Policy>, Vec<Problem>> {
        let id = format!("{}/{}", constraint.kind.to_lowercase(), constraint.name);
        self.claim(&id, &constraint.file)?;
        let settings = self.bundle.settings.for_policy(&id);
        let mut meta = describe(&constraint.file, id, annotations, &Override::default())?;
        meta.file.clone_from(&constraint.file);
        // What the template says to people, unless its Rego says more.
        if meta.title.is_empty() {
            meta.title = constraint.title.clone().unwrap_or_else(|| constraint.kind.clone());
        }
        if meta.why.is_empty() {
            constraint
                .description
                .as_deref()
                .unwrap_or_default()
                .trim()
                .clone_into(&mut meta.why);
        }
        let explains = settings.action == Some(Enforcement::Explain);
        // The strictest counts; none: admission is not among its enforcement points.
        let action = constraint.actions.iter().min().copied();
        let Some(action) = action.or(explains.then_some(Action::Deny)) else {
            return Ok(None);
        };
        meta.custom.action = settings.action.map_or(action, Enforcement::action);
        let parameters = match (&constraint.parameters, settings.parameters.is_empty()) {
            (parameters, true) => parameters.clone(),
            (parameters, false) => {
                let mut merged = parameters.to_json();
                if let Some(members) = merged.as_object_mut() {
                    members.extend(settings.parameters.clone());
                }
                Value::from(&merged)
            }
        };
        let policy = Policy {
            meta,
            concern: Concern::Constraint(constraint.criteria.clone()),
            form: Form::Gatekeeper,
            form_reason: "it is a constraint of a ConstraintTemplate".to_owned(),
            tolerant: is_tolerant(&settings, &self.bundle.settings),
            explains,
            parameters,
            entries: vec![entry(
                program,
                "violation".to_owned(),
                gatekeeper::ENTRY_POINT,
                None,
                Form::Gatekeeper,
            )],
            exception: None,
            program: Arc::clone(program),
        };
        Ok((settings.enabled != Some(false)).then_some(policy))
    }

    /// An override that matches no policy is a typing error until proven otherwise.
    fn unused_overrides(&self) -> Vec<Problem> {
        // Whoever could not be read has no id yet.
        if !self.problems.is_empty() {
            return Vec::new();
        }
        let is_unused =
            |pattern: &&String| Glob::new(pattern).is_ok_and(|glob| !self.ids.keys().any(|id| glob.matches(id)));
        let message = |pattern: &String| format!("policies.{pattern}: no policy has this id");
        let unused = self.bundle.settings.policies.keys().filter(is_unused);
        unused
            .map(|pattern| Problem::at(Settings::FILE, 0, message(pattern)))
            .collect()
    }
}

fn asked(program: &Program, package: &str, asked: format::Entry, form: Form) -> Entry {
    let path = format!("data.{package}.{}", asked.rule);
    entry(program, asked.rule, &path, asked.action, form)
}

fn exception(program: &Program, package: &str, form: Form) -> Option<Location> {
    let path = format!("data.{package}.{}", format::EXCEPTION);
    (form == Form::Object && program.has_rule(&path)).then(|| program.locate(&path))
}

fn entry(program: &Program, rule: String, path: &str, action: Option<Action>, form: Form) -> Entry {
    let location = program.locate(path);
    Entry {
        rule,
        reads: Reads::of(program, &location, form),
        location,
        action,
    }
}

fn is_tolerant(own: &Override, all: &Settings) -> bool {
    own.failure_mode.unwrap_or(all.failure_mode) == FailureMode::Allow
}

/// Whether a file has any rule.
fn has_rules(program: &Program, module: &Module<'_>) -> bool {
    program
        .lines()
        .iter()
        .any(|(file, _)| program.files().get(*file) == Some(&module.file.path))
}

/// The names of the rules directly in a package.
fn rules_of(program: &Program, package: &str) -> BTreeSet<String> {
    let name = |path: &str| {
        let rest = path.strip_prefix(package)?.strip_prefix('.')?;
        (!rest.contains('.')).then(|| rest.to_owned())
    };
    program.rules().filter_map(|(path, _, _)| name(&path)).collect()
}

fn compile_template(template: &Template) -> Result<Program, Vec<Problem>> {
    let dialect = template.dialect;
    let names: Vec<String> = (0..=template.libraries.len()).map(|place| place.to_string()).collect();
    let modules: Vec<_> = std::iter::once(&template.module).chain(&template.libraries).collect();
    let sources: Vec<Source<'_>> = modules
        .iter()
        .zip(&names)
        .map(|(module, name)| Source {
            file: name,
            text: &module.text,
            dialect,
        })
        .collect();
    let in_yaml = |problem: Problem| {
        let module = problem.file.parse::<usize>().ok().and_then(|place| modules.get(place));
        let line = module.map_or(template.line, |module| module.yaml_line(problem.line));
        Problem::at(&template.file, line, problem.message)
    };
    let program =
        Program::compile(&sources).map_err(|problems| problems.into_iter().map(in_yaml).collect::<Vec<_>>())?;
    documents::check(&program, Form::Gatekeeper, &serde_json::Map::new())
        .map_err(|problems| problems.into_iter().map(in_yaml).collect::<Vec<_>>())?;
    Ok(program)
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
            Scope::Document | Scope::Rule => {
                format::entries("", &BTreeSet::from([annotation.rule.as_str()])).len() == 1
            }
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
    meta.custom.fix.check().map_err(|(field, problem)| {
        let dot = if field.starts_with('[') { "" } else { "." };
        vec![Problem::at(
            file,
            line,
            format!("METADATA: custom.fix{dot}{field}: {problem}"),
        )]
    })?;
    meta.custom.action = settings.action.map_or(meta.custom.action, Enforcement::action);
    meta.custom.parameters.extend(settings.parameters.clone());
    Ok(meta)
}
