//! Cases: objects in YAML, and what the policy of their folder says about them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use engine::admission::Review;
use engine::answer::decide;
use engine::cases::{Case, CaseFile, Expect};
use engine::eval::{Policy, PolicySet};
use engine::explain::wire::{Decision, ExplainRequest};
use engine::policy::bundle::{self, Bundle};
use engine::policy::compile::compile;
use engine::policy::settings::{Override, Settings};
use engine::policy::{Problem, modules};
use json_patch::Patch;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::trial::{Outcome, Test, Trial, full_name};
use super::{all_on, compiled};
use crate::sources::{File, Sources};

/// Where the cases of a file begin.
#[derive(Deserialize)]
struct Places {
    cases: Vec<Spanned<IgnoredAny>>,
}

pub(super) fn run(sources: &Sources, bundle: &Bundle, trial: &mut Trial<'_>) -> Result<Vec<Test>, Vec<Problem>> {
    if sources.cases.is_empty() {
        return Ok(Vec::new());
    }
    // Also those that are turned off: who turns one on wants to know that it works.
    let all = compiled(sources, &all_on(bundle))?;
    let mut sets = Sets {
        bundle,
        compiled: BTreeMap::new(),
    };
    let mut tests = Vec::new();
    let mut problems = Vec::new();
    for file in &sources.cases {
        let policy = match policy_of(&file.path, all.policies()) {
            Ok(policy) => policy,
            Err(reason) => {
                problems.push(Problem::at(&file.path, 0, reason));
                continue;
            }
        };
        match cases(file) {
            Ok(cases) => {
                for (case, line) in cases {
                    match sets.check(policy, &case, (file, line), trial) {
                        Ok(more) => tests.extend(more),
                        Err(reason) => problems.push(Problem::at(&file.path, line, reason)),
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(tests) } else { Err(problems) }
}

/// A case that is denied, decided as admission decides it.
#[derive(Debug, Clone)]
pub(crate) struct Denial {
    /// The policy's id and the case's name.
    pub(crate) name: String,
    /// The decision, with the fix that the engine found, as the explainer gets it.
    pub(crate) request: ExplainRequest,
    /// The policies that decided.
    pub(crate) set: PolicySet,
    /// The same review of another object.
    review: Value,
}

impl Denial {
    /// The review as the API server sent it.
    pub(crate) fn review_bytes(&self) -> Vec<u8> {
        self.review.to_string().into_bytes()
    }

    /// Whether the policies deny the object no more after a change, evaluated again.
    pub(crate) fn passes_after(&self, change: &Patch) -> bool {
        let mut review = self.review.clone();
        let Some(object) = review.pointer_mut("/request/object") else {
            return false;
        };
        let review = json_patch::patch(object, change)
            .ok()
            .and_then(|()| Review::parse(review.to_string().as_bytes()).ok());
        let verdict = review.map(|review| self.set.evaluate(&review));
        verdict.is_some_and(|verdict| verdict.failures().is_empty() && verdict.decision() == Decision::Allow)
    }
}

/// The cases that are denied, each with its policy alone.
pub(crate) fn denials(sources: &Sources, bundle: &Bundle) -> Result<Vec<Denial>, Vec<Problem>> {
    let all = compiled(sources, &all_on(bundle))?;
    let mut sets = Sets {
        bundle,
        compiled: BTreeMap::new(),
    };
    let mut denials = Vec::new();
    let mut problems = Vec::new();
    for file in &sources.cases {
        let found = policy_of(&file.path, all.policies())
            .map_err(|reason| Problem::at(&file.path, 0, reason))
            .and_then(|policy| Ok((policy, cases(file)?)));
        let (policy, cases) = match found {
            Ok(found) => found,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        for (case, line) in cases.into_iter().filter(|(case, _)| case.expect == Expect::Deny) {
            match sets.denied(policy, &case) {
                Ok(found) => denials.extend(found),
                Err(reason) => problems.push(Problem::at(&file.path, line, reason)),
            }
        }
    }
    if problems.is_empty() {
        Ok(denials)
    } else {
        Err(problems)
    }
}

fn cases(file: &File) -> Result<Vec<(Case, usize)>, Problem> {
    let row = |line: u64| usize::try_from(line).unwrap_or(0);
    let wrong = |error: serde_saphyr::Error| {
        let line = error.location().map_or(0, |location| row(location.line()));
        let text = error.without_snippet().to_string();
        Problem::at(
            &file.path,
            line,
            format!("is no file of cases: {}", text.lines().next().unwrap_or_default()),
        )
    };
    let cases: CaseFile = serde_saphyr::from_str(&file.text).map_err(wrong)?;
    let places: Places = serde_saphyr::from_str(&file.text).map_err(wrong)?;
    let lines = places.cases.iter().map(|place| row(place.referenced.line()));
    Ok(cases.cases.into_iter().zip(lines).collect())
}

/// The policy that stands in the folder of the cases, or in the folder above `cases`.
fn policy_of<'a>(path: &str, policies: &'a [Policy]) -> Result<&'a Policy, String> {
    let folder = folder_of(path);
    let own: Vec<&Policy> = policies
        .iter()
        .filter(|policy| parent(&policy.meta.file) == folder)
        .collect();
    let shown = if folder.is_empty() { "this folder" } else { folder };
    match own.as_slice() {
        [policy] => Ok(policy),
        [] => Err(format!(
            "no policy is in {shown}; put the cases beside their policy, or in a folder `cases` there"
        )),
        many => {
            let ids: Vec<&str> = many.iter().map(|policy| policy.meta.id.as_str()).collect();
            Err(format!(
                "there are several policies in {shown} ({}), and cases are for one; give each a folder of its own",
                ids.join(", ")
            ))
        }
    }
}

/// The folder of the policy that a file of cases is for.
pub(crate) fn folder_of(path: &str) -> &str {
    let folder = parent(path);
    match folder.rsplit_once('/') {
        Some((above, "cases")) => above,
        None if folder == "cases" => "",
        _ => folder,
    }
}

pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Policies for cases: each alone, with the case's parameters and namespace.
struct Sets<'a> {
    bundle: &'a Bundle,
    compiled: BTreeMap<String, PolicySet>,
}

impl Sets<'_> {
    fn check(
        &mut self,
        policy: &Policy,
        case: &Case,
        (file, line): (&File, usize),
        trial: &mut Trial<'_>,
    ) -> Result<Vec<Test>, String> {
        let id = &policy.meta.id;
        let mut tests = Vec::new();
        for variant in case.variants()? {
            let name = full_name(true, id, &variant.name);
            if !trial.filter.wants(&name) {
                continue;
            }
            (trial.step)(&name);
            let start = Instant::now();
            let set = self.set(policy, case)?;
            let outcome = match variant.check(set) {
                Ok(()) => Outcome::Passed,
                Err(reason) => {
                    let reason = reason.strip_prefix(&format!("{}: ", variant.name)).unwrap_or(&reason);
                    Outcome::Failed(reason.to_owned())
                }
            };
            tests.push(Test {
                group: id.clone(),
                name: variant.name.clone(),
                is_case: true,
                file: (trial.located)(&file.path),
                line,
                outcome,
                time: Some(start.elapsed()),
            });
        }
        Ok(tests)
    }

    fn denied(&mut self, policy: &Policy, case: &Case) -> Result<Vec<Denial>, String> {
        let mut denials = Vec::new();
        for variant in case.variants()? {
            let json = variant.review_json();
            let review = Review::parse(json.to_string().as_bytes()).map_err(|error| error.to_string())?;
            let set = self.set(policy, case)?;
            let request = decide(set, &review).request;
            // A policy that cannot be evaluated denies, too, and there is nothing to say about the object.
            if request.decision == Decision::Deny && !request.violations.is_empty() {
                denials.push(Denial {
                    name: full_name(true, &policy.meta.id, &variant.name),
                    request,
                    set: set.clone(),
                    review: json,
                });
            }
        }
        Ok(denials)
    }

    fn set(&mut self, policy: &Policy, case: &Case) -> Result<&PolicySet, String> {
        let id = &policy.meta.id;
        let context = case.context();
        let key = serde_json::to_string(&(id, &case.parameters, &context)).map_err(|error| error.to_string())?;
        match self.compiled.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let list = |problems: Vec<Problem>| engine::policy::list(&problems);
                let bundle = alone(self.bundle, policy, case).map_err(list)?;
                Ok(entry.insert(compile(&bundle, context).map_err(list)?))
            }
        }
    }
}

/// A bundle in which this policy alone is on.
fn alone(bundle: &Bundle, policy: &Policy, case: &Case) -> Result<Bundle, Vec<Problem>> {
    let off = Override {
        enabled: Some(false),
        ..Override::default()
    };
    let on = Override {
        enabled: Some(true),
        parameters: case.parameters.clone(),
        ..Override::default()
    };
    let settings = Settings {
        policies: BTreeMap::from([("*".to_owned(), off), (policy.meta.id.clone(), on)]),
        excluded_namespaces: Vec::new(),
        ..Settings::default()
    };
    let is_rego = |path: &str| bundle.files.iter().any(|file| file.path == path && file.is_rego());
    let files: Vec<bundle::File> = if is_rego(&policy.meta.file) {
        let groups = modules::grouped(bundle.files.iter().filter(|file| file.is_rego()))?;
        let of = |path: &str| {
            groups
                .iter()
                .find(|group| group.iter().any(|source| source.file == path))
        };
        let group = of(&policy.meta.file).map(Vec::as_slice).unwrap_or_default();
        let is_in = |file: &&bundle::File| group.iter().any(|source| source.file == file.path);
        bundle.files.iter().filter(is_in).cloned().collect()
    } else {
        bundle.files.iter().filter(|file| !file.is_rego()).cloned().collect()
    };
    Ok(Bundle::with_data(settings, files, bundle.data.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_belong_to_the_folder_of_their_policy() {
        assert_eq!(folder_of("a/b/cases/denied.yaml"), "a/b");
        assert_eq!(folder_of("a/b/denied.yaml"), "a/b");
        assert_eq!(folder_of("cases/denied.yaml"), "");
        assert_eq!(folder_of("denied.yaml"), "");
    }

    #[test]
    fn each_case_has_the_line_that_it_begins_on() {
        let file = File {
            path: "cases.yaml".to_owned(),
            text: "cases:\n  - name: a\n    expect: deny\n\n  # second\n  - expect: allow\n    name: b\n".to_owned(),
            kind: crate::sources::Kind::Cases,
        };
        let lines: Vec<usize> = cases(&file).unwrap().into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, [2, 6]);
        let broken = File {
            text: "cases:\n  - name: a\n    expects: deny\n".to_owned(),
            ..file
        };
        let problem = cases(&broken).unwrap_err();
        assert_eq!(problem.line, 3);
        assert!(problem.message.contains("expects"), "{problem}");
    }
}
