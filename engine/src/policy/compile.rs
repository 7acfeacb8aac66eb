//! A bundle becomes a policy set: accepted whole, or refused with every reason.

mod kept;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::kept::Keeping;
use super::bundle::{Bundle, File};
use super::custom::Custom;
use super::documents;
use super::format::{self, Form};
use super::gatekeeper::{self, Constraint, Template};
use super::index::Hints;
use super::matching::{Criteria, Glob};
use super::metadata::{Annotation, Scope};
use super::modules::{self, Module};
use super::settings::{Enforcement, FailureMode, Override, Settings};
use super::{Problem, id_of, metadata};
use crate::context::Context;
use crate::eval::{Concern, Entry, Policy, PolicySet};
use crate::memo::Reads;
use crate::rego::value::Value;
use crate::rego::{Location, Program, Read, Source};
use crate::surroundings::{Needs, Prepared};
use crate::verdict::{Action, Link};

pub(crate) use kept::Kept;
pub use steps::{Compilation, Progress};

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

/// A component, compiled, with what its files say about themselves.
struct Component {
    program: Arc<Program>,
    files: Vec<Described>,
}

/// A file, and its METADATA or what is wrong with it.
struct Described {
    module: Module<Arc<File>>,
    said: Result<Arc<[Annotation]>, Vec<Problem>>,
}

/// What is being put together.
#[derive(Default)]
struct Draft {
    settings: Settings,
    data: serde_json::Map<String, serde_json::Value>,
    policies: Vec<Policy>,
    /// Ids with their files, also of policies that are turned off.
    ids: BTreeMap<String, String>,
    /// What packages say about those below them, with their names, the outermost first.
    above: Vec<(String, Annotation)>,
    problems: Vec<Problem>,
    /// For the next set, and from the one before.
    keeping: Keeping,
}

/// Compiles a bundle. The set evaluates with `context`.
pub fn compile(bundle: &Bundle, context: Context) -> Result<PolicySet, Vec<Problem>> {
    let mut compilation = Compilation::new(bundle.clone());
    loop {
        if let Progress::Done(result) = compilation.step() {
            return result.map(|set| set.with_context(&Prepared::new(context, None)));
        }
    }
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

impl Draft {
    /// What the files of a component say of the packages below their own.
    fn subpackages(&mut self, component: &Component) {
        for Described { module, said } in &component.files {
            // Those that cannot be read are complained about where the package is described.
            let annotations = said.iter().flat_map(|said| said.iter());
            for said in annotations.filter(|said| said.scope == Scope::Subpackages) {
                // Here, where its file is known.
                match describe(
                    &module.file.path,
                    String::new(),
                    std::slice::from_ref(said),
                    &Override::default(),
                ) {
                    Ok(_) => self.above.push((module.package.clone(), said.clone())),
                    Err(problems) => self.problems.extend(problems),
                }
            }
        }
    }

    fn component(&mut self, component: &Component) {
        let Component { program, files } = component;
        let mut by_package: BTreeMap<&str, Vec<&Described>> = BTreeMap::new();
        for file in files {
            by_package.entry(&file.module.package).or_default().push(file);
        }
        // Where a webhook is written in Rego, it alone decides of what it asks.
        let answer = program.locate("data.system.main");
        let mut has_entry = false;
        for (package, modules) in &by_package {
            let rules = rules_of(program, package);
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
            match self.package(package, modules, entries, program) {
                Ok(Some(policy)) => self.policies.push(policy),
                Ok(None) => {}
                Err(problems) => self.problems.extend(problems),
            }
        }
        // A file that only says something about the packages below its own has done its work.
        let is_rule_or_silent = |file: &&Described| {
            has_rules(program, &file.module.file.path)
                || !self.above.iter().any(|(package, _)| *package == file.module.package)
        };
        if !has_entry && files.iter().any(|file| is_rule_or_silent(&file)) {
            let advice = "there is no rule `deny`: a policy says what it objects to in `deny contains …`";
            let problem = |file: &Described| Problem::at(&file.module.file.path, 0, advice);
            self.problems.extend(files.iter().map(problem));
        }
    }

    /// One package; `None` when the policy set turns it off. A policy that is off is checked all the same.
    fn package(
        &mut self,
        package: &str,
        modules: &[&Described],
        entries: Vec<format::Entry>,
        program: &Arc<Program>,
    ) -> Result<Option<Policy>, Vec<Problem>> {
        let file = modules.first().map_or("", |file| file.module.file.path.as_str());
        let of_parents = self.above.iter().filter(|(above, _)| modules::is_below(package, above));
        let mut annotations: Vec<Annotation> = of_parents.map(|(_, said)| said.clone()).collect();
        for Described { said, .. } in modules {
            annotations.extend(said.clone()?.iter().cloned());
        }
        let has_custom = annotations.iter().any(|annotation| annotation.content.custom.is_some());
        let own = |read: &&Read| modules.iter().any(|file| file.module.file.path == read.file);
        let own = program.documents().iter().filter(own);
        let all = program.documents_for(package);
        let (form, form_reason) = format::decide(package, has_custom, own, all.iter().copied());
        documents::check(program, form, &self.data)?;
        let id = id_of(package);
        self.claim(&id, file)?;
        let settings = self.settings.for_policy(&id);
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
        let needs = Needs::of(form, all, criteria.selects_namespaces());
        let parameters = serde_json::to_value(&meta.custom.parameters).map_err(|error| refuse(error.to_string()))?;
        let policy = Policy {
            meta,
            concern: Concern::Criteria(criteria),
            form,
            form_reason,
            needs,
            tolerant: is_tolerant(&settings, &self.settings),
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

    /// A template, and its constraints among these.
    fn template(&mut self, template: &Template, constraints: &[Constraint]) {
        let program = match compile_template(template, &mut self.keeping) {
            Ok(program) => program,
            Err(problems) => {
                self.problems.extend(problems);
                return;
            }
        };
        let annotations = metadata::parse(&template.file, &template.module.text).unwrap_or_default();
        for constraint in constraints.iter().filter(|constraint| constraint.kind == template.kind) {
            match self.constraint(constraint, &annotations, &program) {
                Ok(policy) => self.policies.extend(policy),
                Err(problems) => self.problems.extend(problems),
            }
        }
    }

    fn foreign(&mut self, others: &[gatekeeper::Other]) {
        for other in others
            .iter()
            .filter(|other| !other.api_version.contains("gatekeeper.sh"))
        {
            let message = format!(
                "{} {} is neither a ConstraintTemplate nor a constraint; take it out of the policies",
                other.kind, other.name
            );
            self.problems.push(Problem::at(&other.file, other.line, message));
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
        let settings = self.settings.for_policy(&id);
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
        let selects = constraint.criteria.selects_namespaces();
        let policy = Policy {
            meta,
            concern: Concern::Constraint(constraint.criteria.clone()),
            form: Form::Gatekeeper,
            form_reason: "it is a constraint of a ConstraintTemplate".to_owned(),
            needs: Needs::of(Form::Gatekeeper, program.documents(), selects),
            tolerant: is_tolerant(&settings, &self.settings),
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
        let unused = self.settings.policies.keys().filter(is_unused);
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
fn has_rules(program: &Program, path: &str) -> bool {
    program
        .lines()
        .iter()
        .any(|(file, _)| program.files().get(*file).is_some_and(|file| file == path))
}

/// The names of the rules directly in a package.
fn rules_of(program: &Program, package: &str) -> BTreeSet<String> {
    let name = |path: &str| {
        let rest = path.strip_prefix(package)?.strip_prefix('.')?;
        (!rest.contains('.')).then(|| rest.to_owned())
    };
    program.rules().filter_map(|(path, _, _)| name(&path)).collect()
}

/// The program of these sources: compiled, unless the set before has it.
fn compiled(sources: &[Source<'_>], keeping: &mut Keeping) -> Result<Arc<Program>, Vec<Problem>> {
    let key = kept::of_sources(sources);
    keeping.piece(
        |kept| &kept.programs,
        |kept| &mut kept.programs,
        key,
        || Program::compile(sources).map(Arc::new),
    )
}

fn compile_template(template: &Template, keeping: &mut Keeping) -> Result<Arc<Program>, Vec<Problem>> {
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
        compiled(&sources, keeping).map_err(|problems| problems.into_iter().map(in_yaml).collect::<Vec<_>>())?;
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
