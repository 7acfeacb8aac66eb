//! What is told of a policy set: the JSON of `whynot policy inspect`.

use std::collections::{BTreeMap, BTreeSet};

use engine::eval::{Concern, PolicySet};
use engine::policy::bundle::Bundle;
use engine::policy::format::{EXCEPTION, Form};
use engine::policy::matching::Glob;
use engine::policy::proposal::Proposal;
use engine::policy::settings::{Enforcement, FailureMode, Settings};
use engine::policy::{Problem, gatekeeper, id_of};
use engine::verdict::{Action, Severity};
use serde::Serialize;
use serde_json::Value;

use super::super::inputs::{self, Inputs};
use crate::sources::{Dialect, Kind, OpaBundle, Package, Sources};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Survey {
    pub(super) ok: bool,
    /// None when there are problems.
    pub(super) revision: Option<String>,
    pub(super) settings: Option<SettingsFile>,
    pub(super) policies: Vec<Policy>,
    /// What was read and is no policy.
    pub(super) packages: Vec<Other>,
    pub(super) templates: Vec<Template>,
    pub(super) tests: Vec<String>,
    pub(super) cases: Vec<String>,
    /// The paths below `data` that files give values.
    pub(super) data: Vec<String>,
    pub(super) bundles: Vec<Packed>,
    pub(super) notes: Vec<Note>,
    pub(super) problems: Vec<Found>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingsFile {
    pub(super) file: String,
    pub(super) failure_mode: FailureMode,
    pub(super) excluded_namespaces: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) file: String,
    pub(super) format: Said,
    pub(super) rego: Said,
    /// Not turned off by the settings.
    pub(super) enabled: bool,
    /// What a violation leads to.
    pub(super) action: Enforcement,
    pub(super) severity: Severity,
    pub(super) rules: Vec<Rule>,
    /// The rule that takes some of them back, as conftest asks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exception: Option<&'static str>,
    /// Words, by what they are about; what is left open is not there.
    pub(super) concerns: BTreeMap<&'static str, String>,
    pub(super) parameters: Value,
    /// What its author says about fixes, one after the other.
    pub(super) fixes: Vec<String>,
    pub(super) failure_mode: FailureMode,
}

/// Something that was found out, and why.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    pub(super) name: String,
    pub(super) reason: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) action: Action,
}

#[derive(Debug, Serialize)]
pub(super) struct Other {
    pub(super) name: String,
    pub(super) files: Vec<String>,
    pub(super) reason: String,
    /// It would be a policy, were it not for the problems.
    pub(super) broken: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Template {
    pub(super) kind: String,
    pub(super) file: String,
    pub(super) constraints: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Packed {
    pub(super) path: String,
    pub(super) revision: String,
    pub(super) roots: Vec<String>,
    /// 0 or 1, when the manifest says it.
    pub(super) rego_version: Option<u8>,
    /// None: nobody's signature was verified.
    pub(super) signed: Option<Signature>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signature {
    pub(super) key_id: Option<String>,
    pub(super) algorithm: String,
    pub(super) files: usize,
    pub(super) excluded: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Note {
    pub(super) file: String,
    pub(super) message: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) message: String,
}

impl Survey {
    /// `problems` are those of reading.
    pub(super) fn new(given: &Inputs, sources: &Sources, mut problems: Vec<Problem>) -> Self {
        let place = |file: &String| given.located(file);
        let bundle = inputs::bundle(sources);
        let settings = sources
            .settings
            .as_ref()
            .zip(bundle.as_ref().ok())
            .map(|(file, bundle)| SettingsFile {
                file: place(&file.path),
                failure_mode: bundle.settings.failure_mode,
                excluded_namespaces: bundle.settings.excluded_namespaces.clone(),
            });
        // Without the settings most of it can be told all the same.
        let bundle = bundle.or_else(|more| {
            problems.extend(more);
            inputs::bundle(&Sources {
                settings: None,
                ..sources.clone()
            })
        });
        let bundle = bundle.ok();
        if let Some(bundle) = bundle.as_ref().filter(|_| !sources.files.is_empty()) {
            problems.extend(inputs::compiled(sources, bundle).err().unwrap_or_default());
        }
        // What is broken is told above; the rest can be shown all the same.
        let sound = bundle.as_ref().and_then(sound);
        let policies = sound
            .as_ref()
            .map_or_else(Vec::new, |(bundle, set)| policies(given, sources, bundle, set));
        let ids: BTreeSet<&str> = policies.iter().map(|policy| policy.id.as_str()).collect();
        let packages = sources
            .packages
            .iter()
            .filter(|package| !ids.contains(id_of(&package.name).as_str()));
        let packages = packages.map(|package| other(given, package)).collect();
        Self {
            ok: problems.is_empty(),
            revision: bundle
                .as_ref()
                .filter(|_| problems.is_empty())
                .map(|bundle| bundle.revision.clone()),
            settings,
            templates: sound
                .as_ref()
                .map_or_else(Vec::new, |(bundle, _)| templates(given, bundle)),
            policies,
            packages,
            tests: sources.tests.iter().map(|file| place(&file.path)).collect(),
            cases: sources.cases.iter().map(|file| place(&file.path)).collect(),
            data: bundle.as_ref().map_or_else(Vec::new, |bundle| paths(&bundle.data)),
            bundles: sources.bundles.iter().map(|bundle| packed(given, bundle)).collect(),
            notes: sources
                .notes
                .iter()
                .map(|note| Note {
                    file: place(&note.file),
                    message: note.message.clone(),
                })
                .chain(bundle.iter().flat_map(|bundle| passed_over(given, bundle)))
                .collect(),
            problems: problems
                .into_iter()
                .map(|problem| Found {
                    file: place(&problem.file),
                    line: problem.line,
                    message: problem.message,
                })
                .collect(),
        }
    }
}

/// A bundle of those files that compile, with every policy turned on.
fn sound(bundle: &Bundle) -> Option<(Bundle, PolicySet)> {
    let mut bundle = inputs::all_on(bundle);
    let overrides = std::mem::take(&mut bundle.settings.policies);
    // Each round leaves out the files that are blamed; what needs them is blamed in the next.
    let set = loop {
        bundle = Bundle::with_data(bundle.settings, bundle.files, bundle.data);
        let wrong = match engine::policy::compile::compile(&bundle, engine::context::Context::default()) {
            Ok(set) => break set,
            Err(wrong) => wrong,
        };
        let before = bundle.files.len();
        bundle
            .files
            .retain(|file| !wrong.iter().any(|problem| problem.file == file.path));
        if bundle.files.len() == before {
            return None;
        }
    };
    // Overrides of what was left out would be blamed too.
    let is_used = |pattern: &String| {
        Glob::new(pattern).is_ok_and(|glob| set.policies().iter().any(|policy| glob.matches(&policy.meta.id)))
    };
    let policies = overrides.into_iter().filter(|(pattern, _)| is_used(pattern)).collect();
    let settings = Settings {
        policies,
        ..bundle.settings
    };
    let bundle = Bundle::with_data(settings, bundle.files, bundle.data);
    let set = engine::policy::compile::compile(&bundle, engine::context::Context::default()).ok()?;
    Some((bundle, set))
}

fn policies(given: &Inputs, sources: &Sources, all_on: &Bundle, set: &PolicySet) -> Vec<Policy> {
    let written = inputs::bundle(sources)
        .map(|bundle| bundle.settings)
        .unwrap_or_default();
    let policy = |policy: &engine::eval::Policy| {
        let meta = &policy.meta;
        let concerns = match &policy.concern {
            Concern::Criteria(criteria) => criteria.describe(),
            Concern::Constraint(criteria) => criteria.describe(),
        };
        let rules = policy.entries.iter().map(|entry| Rule {
            name: entry.rule.clone(),
            action: entry.action.unwrap_or(meta.custom.action),
        });
        Policy {
            id: meta.id.clone(),
            title: meta.title.clone(),
            file: given.located(&meta.file),
            format: Said {
                name: name(policy.form).to_owned(),
                reason: policy.form_reason.clone(),
            },
            rego: rego(sources, all_on, policy),
            enabled: written.for_policy(&meta.id).enabled != Some(false),
            action: enforcement(policy),
            severity: meta.custom.severity,
            rules: rules.collect(),
            exception: policy.exception.as_ref().map(|_| EXCEPTION),
            concerns: concerns.into_iter().collect(),
            parameters: policy.parameters.to_json(),
            fixes: meta.custom.fix.iter().map(Proposal::describe).collect(),
            failure_mode: if policy.tolerant {
                FailureMode::Allow
            } else {
                FailureMode::Deny
            },
        }
    };
    set.policies().iter().map(policy).collect()
}

fn enforcement(policy: &engine::eval::Policy) -> Enforcement {
    if policy.explains {
        Enforcement::Explain
    } else {
        policy.meta.custom.action.into()
    }
}

fn name(form: Form) -> &'static str {
    match form {
        Form::Admission => "admission",
        Form::Gatekeeper => "gatekeeper",
        Form::Response => "webhook",
        Form::Object => "conftest",
    }
}

/// The syntax of a policy's first file, or of its template.
fn rego(sources: &Sources, bundle: &Bundle, policy: &engine::eval::Policy) -> Said {
    let said = |dialect: &str, reason: &str| Said {
        name: dialect.to_owned(),
        reason: reason.to_owned(),
    };
    let of_source = sources.files.iter().find(|file| file.path == policy.meta.file);
    if let Some(Kind::Rego(dialect, reason)) = of_source.map(|file| &file.kind) {
        let name = match dialect {
            Dialect::V0 => "v0",
            Dialect::V1 => "v1",
        };
        return said(name, reason);
    }
    if policy.form == Form::Gatekeeper {
        let yaml = bundle.files.iter().filter(|file| !file.is_rego());
        let loaded = gatekeeper::load(yaml.map(|file| (file.path.as_str(), file.text.as_str()))).unwrap_or_default();
        let kind = policy.meta.id.split('/').next().unwrap_or_default();
        let template = loaded.templates.iter().find(|template| template.name == kind);
        return match template.map(|template| template.dialect) {
            Some(engine::rego::Dialect::V1) => said("v1", "the template says so"),
            _ => said("v0", "the template does not say v1"),
        };
    }
    said("", "")
}

fn other(given: &Inputs, package: &Package) -> Other {
    use crate::sources::Format;
    Other {
        name: package.name.clone(),
        files: package.files.iter().map(|file| given.located(file)).collect(),
        reason: package.detection.reason.clone(),
        broken: !matches!(package.detection.format, Format::Library | Format::Tests),
    }
}

/// Gatekeeper's own settings beside its policies: they change nothing here, which somebody may not expect.
fn passed_over(given: &Inputs, bundle: &Bundle) -> Vec<Note> {
    let yaml = bundle.files.iter().filter(|file| !file.is_rego());
    let (loaded, _) = gatekeeper::load_sound(yaml.map(|file| (file.path.as_str(), file.text.as_str())));
    let instead = |kind: &str| match kind {
        "Config" => {
            "; namespaces are left out by excludedNamespaces in policy-set.yaml, and objects come from the context"
        }
        "ExpansionTemplate" => "; name the kind of the workload in the constraint",
        _ => "",
    };
    let of_gatekeeper = loaded
        .others
        .iter()
        .filter(|other| other.api_version.contains("gatekeeper.sh"));
    of_gatekeeper
        .map(|other| Note {
            file: given.located(&other.file),
            message: format!(
                "the {} {:?} has no effect{}",
                other.kind,
                other.name,
                instead(&other.kind)
            ),
        })
        .collect()
}

fn templates(given: &Inputs, bundle: &Bundle) -> Vec<Template> {
    let yaml = bundle.files.iter().filter(|file| !file.is_rego());
    let loaded = gatekeeper::load(yaml.map(|file| (file.path.as_str(), file.text.as_str()))).unwrap_or_default();
    let template = |template: &gatekeeper::Template| Template {
        kind: template.kind.clone(),
        file: given.located(&template.file),
        constraints: loaded
            .constraints
            .iter()
            .filter(|constraint| constraint.kind == template.kind)
            .count(),
    };
    loaded.templates.iter().map(template).collect()
}

fn packed(given: &Inputs, bundle: &OpaBundle) -> Packed {
    let manifest = &bundle.manifest;
    Packed {
        path: given.located(&bundle.path),
        revision: manifest.revision.clone(),
        roots: manifest.roots.clone(),
        rego_version: manifest.rego_version.map(|dialect| match dialect {
            Dialect::V0 => 0,
            Dialect::V1 => 1,
        }),
        signed: bundle.signed.as_ref().map(|signed| Signature {
            key_id: signed.key_id.clone(),
            algorithm: signed.algorithm.to_string(),
            files: signed.files,
            excluded: signed.excluded.clone(),
        }),
    }
}

/// The paths of values that are no objects, two levels deep at most: enough to recognise a document.
fn paths(data: &serde_json::Map<String, Value>) -> Vec<String> {
    let below = |(key, value): (&String, &Value)| match value {
        Value::Object(members) if !members.is_empty() => {
            members.keys().map(|inner| format!("data.{key}.{inner}")).collect()
        }
        _ => vec![format!("data.{key}")],
    };
    data.iter().flat_map(below).collect()
}
