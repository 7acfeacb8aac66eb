//! `*_test.rego`, compiled together with what they refer to.

use engine::policy::bundle::{self, Bundle};
use engine::policy::{Problem, modules};
use engine::rego::value::Value;
use engine::testing::{self, Outcome as Found};

use super::coverage::Coverage;
use super::dialect;
use super::trial::{Outcome, Test, Trial};
use crate::sources::Sources;

pub(super) fn run(
    sources: &Sources,
    bundle: &Bundle,
    trial: &mut Trial<'_>,
) -> Result<(Vec<Test>, Coverage), Vec<Problem>> {
    let tests = sources.tests.iter().map(|file| bundle::File {
        path: file.path.clone(),
        text: file.text.clone(),
        dialect: dialect(&file.kind),
    });
    let files: Vec<bundle::File> = bundle
        .files
        .iter()
        .filter(|file| file.is_rego())
        .cloned()
        .chain(tests)
        .collect();
    let data = Value::from(&serde_json::Value::Object(bundle.data.clone()));
    let mut problems = Vec::new();
    let mut found = Vec::new();
    let mut coverage = Coverage::default();
    for group in modules::grouped(files.iter())? {
        (trial.step)(group.first().map_or("", |source| source.file));
        match testing::run_some(&group, &data, |name| trial.filter.wants(name)) {
            Ok(report) => {
                found.extend(report.tests.into_iter().map(|test| self::test(trial, test)));
                for (file, lines) in report
                    .coverage
                    .into_iter()
                    .filter(|(file, _)| !file.ends_with("_test.rego"))
                {
                    let text = files
                        .iter()
                        .find(|known| known.path == file)
                        .map_or("", |known| known.text.as_str());
                    coverage.add(&modules::package(text), (trial.located)(&file), lines);
                }
            }
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() {
        Ok((found, coverage))
    } else {
        Err(problems)
    }
}

fn test(trial: &Trial<'_>, test: testing::Test) -> Test {
    let (group, name) = test.name.rsplit_once('.').unwrap_or(("", &test.name));
    let outcome = match test.outcome {
        Found::Passed => Outcome::Passed,
        Found::Skipped => Outcome::Skipped,
        Found::Failed => Outcome::Failed("expected true, found undefined or false".to_owned()),
        Found::Broken(reason) => Outcome::Broken(reason),
    };
    Test {
        group: group.to_owned(),
        name: name.to_owned(),
        is_case: false,
        file: (trial.located)(&test.file),
        line: usize::try_from(test.line).unwrap_or(0),
        outcome,
        time: None,
    }
}
