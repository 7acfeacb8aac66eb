//! What was read becomes what decides: the engine's bundle, compiled, with its tests run.
//!
//! ```text
//! Sources -> bundle (files, settings, data) -> compiled (the engine's PolicySet, or every problem)
//!         -> tested (rego: *_test.rego, cases: YAML)
//! ```
//!
//! Used by the commands on policies and by `delivery`; where files are, and who watches, are the caller's.

mod cases;
mod coverage;
mod rego;
mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::Problem;
use engine::policy::bundle::{self, Bundle};
use engine::policy::compile::compile;
use engine::policy::settings::Settings;

pub(crate) use self::cases::{Denial, denials, folder_of, parent};
pub(crate) use self::coverage::{Coverage, percent, ranges};
pub(crate) use self::trial::{Filter, Outcome, Test, Trial};
use crate::sources::{self, Dialect, Kind, Sources};

/// A problem as it is printed: with a path that can be opened.
pub(crate) fn line(paths: &[PathBuf], problem: &Problem) -> String {
    placed(&sources::located(paths, &problem.file), problem.line, &problem.message)
}

/// A message after its place, as far as that is known.
pub(crate) fn placed(file: &str, line: usize, message: &str) -> String {
    match (file, line) {
        ("", _) => message.to_owned(),
        (file, 0) => format!("{file}: {message}"),
        (file, line) => format!("{file}:{line}: {message}"),
    }
}

/// Sources as the engine takes them.
pub(crate) fn bundle(sources: &Sources) -> Result<Bundle, Vec<Problem>> {
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
pub(crate) fn dialect(kind: &Kind) -> Option<engine::rego::Dialect> {
    match kind {
        Kind::Rego(Dialect::V0, _) => Some(engine::rego::Dialect::V0),
        Kind::Rego(Dialect::V1, reason) if reason.starts_with("the manifest") => Some(engine::rego::Dialect::V1),
        _ => None,
    }
}

/// The engine calls the settings by their plain name.
pub(crate) fn of_settings(sources: &Sources, problem: Problem) -> Problem {
    match &sources.settings {
        Some(file) if problem.file == Settings::FILE => Problem {
            file: file.path.clone(),
            ..problem
        },
        _ => problem,
    }
}

/// Compiles what was read.
pub(crate) fn compiled(sources: &Sources, bundle: &Bundle) -> Result<PolicySet, Vec<Problem>> {
    compile(bundle, Context::default())
        .map_err(|wrong| wrong.into_iter().map(|problem| of_settings(sources, problem)).collect())
}

/// What is wrong with the settings and the policies, after what is wrong with reading them: not one after the other.
pub(crate) fn all_problems(sources: &Sources, mut problems: Vec<Problem>) -> Vec<Problem> {
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
pub(crate) fn all_on(bundle: &Bundle) -> Bundle {
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
