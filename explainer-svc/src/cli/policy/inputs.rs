//! What the commands on policies are given: paths, and whose signatures are trusted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::Problem;
use engine::policy::bundle::{self, Bundle};
use engine::policy::compile::compile;
use engine::policy::settings::Settings;
use engine::rego;

use super::super::Failed;
use crate::sources::{self, Algorithm, Dialect, Exclude, Key, Kind, Note, Options, Sources, Trust, Verification};

/// Paths, and how they are read.
#[derive(Debug, Args)]
pub(super) struct Inputs {
    /// Folders, single files and OPA bundles (.tar.gz), together one policy set.
    ///
    /// Read are *.rego with their *_test.rego, templates and constraints of Gatekeeper, data.json and data.yaml,
    /// files of cases, policy-set.yaml, and what `whynot policy build` wrote.
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    signatures: Signatures,
}

/// Whose signatures are trusted.
#[derive(Debug, Args)]
pub(in super::super) struct Signatures {
    /// A public key (PEM, JWK or JWK set) that every bundle has to be signed with; with an HMAC algorithm the secret.
    #[arg(long, value_name = "FILE", help_heading = "Signed bundles")]
    verification_key: Option<PathBuf>,
    /// The name of the key that has to have signed.
    #[arg(
        long,
        value_name = "ID",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    verification_key_id: Option<String>,
    /// The only algorithm that is taken, for example ES256; by default all that fit the key.
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    signing_alg: Option<Algorithm>,
    /// The scope that the signature has to have.
    #[arg(
        long,
        value_name = "SCOPE",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    scope: Option<String>,
    /// Files of a bundle that need not be signed; repeatable.
    #[arg(
        long,
        value_name = "GLOB",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    exclude_files_verify: Vec<String>,
    /// Takes signed bundles without a look at their signatures.
    #[arg(long, help_heading = "Signed bundles", conflicts_with = "verification_key")]
    skip_verify: bool,
}

impl Inputs {
    /// How to read, or what is wrong with the arguments.
    pub(super) fn options(&self) -> Result<Options, Failed> {
        self.signatures.options(&self.paths)
    }

    /// A file as it can be opened from here.
    pub(super) fn located(&self, file: &str) -> String {
        sources::located(&self.paths, file)
    }

    /// A problem as it is printed: with a path that can be opened.
    pub(super) fn line(&self, problem: &Problem) -> String {
        line(&self.paths, problem)
    }

    /// A note as it is printed.
    pub(super) fn note(&self, note: &Note) -> String {
        placed(&self.located(&note.file), 0, &note.message)
    }
}

impl Signatures {
    /// How to read these paths, or what is wrong with the arguments.
    pub(in super::super) fn options(&self, paths: &[PathBuf]) -> Result<Options, Failed> {
        if let Some(path) = paths.iter().find(|path| !path.exists()) {
            let text = format!("{} does not exist; name a folder, a file or a bundle", path.display());
            return Err(Failed::Usage(text));
        }
        let verification = match &self.verification_key {
            _ if self.skip_verify => Verification::Skip,
            None => Verification::NoKey,
            Some(path) => {
                let wrong = |reason: String| Failed::Usage(format!("--verification-key: {} {reason}", path.display()));
                let content = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
                let keys = Key::parse(&content, self.signing_alg).map_err(wrong)?;
                let exclude = Exclude::new(&self.exclude_files_verify)
                    .map_err(|reason| Failed::Usage(format!("--exclude-files-verify: {reason}")))?;
                Verification::Required(Box::new(Trust {
                    keys,
                    key_id: self.verification_key_id.clone(),
                    algorithm: self.signing_alg,
                    scope: self.scope.clone().unwrap_or_default(),
                    exclude,
                }))
            }
        };
        Ok(Options {
            verification,
            ..Options::default()
        })
    }
}

/// A problem as it is printed: with a path that can be opened.
pub(in super::super) fn line(paths: &[PathBuf], problem: &Problem) -> String {
    placed(&sources::located(paths, &problem.file), problem.line, &problem.message)
}

/// A message after its place, as far as that is known.
pub(super) fn placed(file: &str, line: usize, message: &str) -> String {
    match (file, line) {
        ("", _) => message.to_owned(),
        (file, 0) => format!("{file}: {message}"),
        (file, line) => format!("{file}:{line}: {message}"),
    }
}

/// Sources as the engine takes them.
pub(in super::super) fn bundle(sources: &Sources) -> Result<Bundle, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut settings = None;
    if let Some(file) = &sources.settings {
        match Settings::from_yaml(&file.text) {
            Ok(read) => settings = Some((file.path.clone(), read)),
            Err(wrong) => problems.extend(wrong.into_iter().map(|problem| of_settings(sources, problem))),
        }
    }
    let mut files = Vec::new();
    let mut data = match sources.data.to_value() {
        Ok(serde_json::Value::Object(members)) => members,
        Ok(_) => serde_json::Map::new(),
        Err(error) => {
            problems.push(Problem::at("", 0, format!("the data cannot be used: {error}")));
            serde_json::Map::new()
        }
    };
    let alone = sources.files.len() == 1;
    for file in &sources.files {
        if file.kind != Kind::Bundle {
            files.push(bundle::File {
                path: file.path.clone(),
                text: file.text.clone(),
                dialect: dialect(&file.kind),
            });
            continue;
        }
        let inner = match Bundle::from_json(file.text.as_bytes()) {
            Ok(inner) => inner,
            Err(wrong) => {
                problems.extend(
                    wrong
                        .into_iter()
                        .map(|problem| Problem::at(&file.path, 0, problem.message)),
                );
                continue;
            }
        };
        let place = |path: String| if alone { path } else { format!("{}/{path}", file.path) };
        files.extend(inner.files.into_iter().map(|inner| bundle::File {
            path: place(inner.path),
            ..inner
        }));
        for (key, value) in inner.data {
            if data.insert(key.clone(), value).is_some() {
                let message = format!("holds data.{key}, and so does another file; keep one of them");
                problems.push(Problem::at(&file.path, 0, message));
            }
        }
        match &settings {
            // A bundle always has settings; those that say nothing do not count.
            _ if inner.settings == Settings::default() => {}
            None => settings = Some((file.path.clone(), inner.settings)),
            Some((other, known)) if *known != inner.settings => {
                let message = format!("has other settings than {other}; keep one of them");
                problems.push(Problem::at(&file.path, 0, message));
            }
            Some(_) => {}
        }
    }
    if problems.is_empty() {
        let settings = settings.map(|(_, settings)| settings).unwrap_or_default();
        Ok(Bundle::with_data(settings, files, data))
    } else {
        Err(problems)
    }
}

/// What the engine could not find out from the text.
pub(super) fn dialect(kind: &Kind) -> Option<rego::Dialect> {
    match kind {
        Kind::Rego(Dialect::V0, _) => Some(rego::Dialect::V0),
        Kind::Rego(Dialect::V1, reason) if reason.starts_with("the manifest") => Some(rego::Dialect::V1),
        _ => None,
    }
}

/// The engine calls the settings by their plain name.
pub(in super::super) fn of_settings(sources: &Sources, problem: Problem) -> Problem {
    match &sources.settings {
        Some(file) if problem.file == Settings::FILE => Problem {
            file: file.path.clone(),
            ..problem
        },
        _ => problem,
    }
}

/// Compiles what was read.
pub(super) fn compiled(sources: &Sources, bundle: &Bundle) -> Result<PolicySet, Vec<Problem>> {
    compile(bundle, Context::default())
        .map_err(|wrong| wrong.into_iter().map(|problem| of_settings(sources, problem)).collect())
}

/// What is wrong with the settings and the policies, after what is wrong with reading them: not one after the other.
pub(super) fn all_problems(sources: &Sources, mut problems: Vec<Problem>) -> Vec<Problem> {
    // Without the settings most of it can be told all the same.
    let bundle = bundle(sources).or_else(|more| {
        problems.extend(more);
        bundle(&Sources {
            settings: None,
            ..sources.clone()
        })
    });
    if let Ok(bundle) = bundle {
        problems.extend(compiled(sources, &bundle).err().unwrap_or_default());
    }
    problems
}

/// The same with every policy turned on.
pub(super) fn all_on(bundle: &Bundle) -> Bundle {
    let on = |(pattern, entry): (&String, &engine::policy::settings::Override)| {
        let entry = engine::policy::settings::Override {
            enabled: entry.enabled.and(Some(true)),
            ..entry.clone()
        };
        (pattern.clone(), entry)
    };
    let policies: BTreeMap<_, _> = bundle.settings.policies.iter().map(on).collect();
    let settings = Settings {
        policies,
        ..bundle.settings.clone()
    };
    Bundle::with_data(settings, bundle.files.clone(), bundle.data.clone())
}
