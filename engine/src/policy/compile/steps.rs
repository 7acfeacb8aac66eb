//! Compiling in small steps, for whoever serves requests between them.

use std::mem;
use std::sync::Arc;
use std::vec::IntoIter;

use super::kept::{self, Keeping};
use super::{Component, Described, Draft, compiled, hints};
use crate::eval::PolicySet;
use crate::policy::bundle::{Bundle, Digest, File, Pieces};
use crate::policy::gatekeeper::{Constraint, Loader, Template};
use crate::policy::index::Index;
use crate::policy::matching::Glob;
use crate::policy::modules::{self, Module, dialect_of};
use crate::policy::{Problem, metadata};
use crate::rego::Source;
use crate::rego::value::Value;

/// So many bytes of sources are digested in one step.
const DIGESTED: usize = 64 << 10;

/// A bundle on its way to a policy set. Each step is the work on about one file.
pub struct Compilation {
    stage: Stage,
    revision: String,
    draft: Draft,
    /// Those that are Rego's, and those that are not.
    rego: Vec<Arc<File>>,
    yaml: Vec<Arc<File>>,
}

/// Where a compilation stands.
pub enum Progress {
    /// There is more to do.
    More,
    /// The set, or every reason why there is none. It evaluates with an empty context.
    Done(Result<PolicySet, Vec<Problem>>),
}

enum Stage {
    Text(Vec<u8>),
    Files(Pieces, Vec<File>),
    Digest(Box<Bundle>, Digest, usize),
    Modules(IntoIter<Arc<File>>, Vec<Module<Arc<File>>>),
    Groups(Vec<Module<Arc<File>>>),
    Programs(IntoIter<Vec<Module<Arc<File>>>>, Vec<Component>),
    Metadata(Vec<Component>, usize, usize),
    Subpackages(Vec<Component>),
    Components(IntoIter<Component>),
    Yaml(IntoIter<Arc<File>>, Loader),
    Constraints(Loader),
    Templates(IntoIter<Template>, Vec<Constraint>),
    Set,
    Over,
}

impl Compilation {
    /// Begins with a bundle.
    pub fn new(bundle: Bundle) -> Self {
        Self::at(Stage::Digest(Box::new(bundle), Digest::default(), 0))
    }

    /// Begins with a bundle's JSON. What it has in common with `before` is not compiled again.
    pub fn of_json(json: Vec<u8>, before: Option<&PolicySet>) -> Self {
        let mut compilation = Self::at(Stage::Text(json));
        if let Some(before) = before {
            compilation.draft.keeping = Keeping::after(before.kept());
        }
        compilation
    }

    fn at(stage: Stage) -> Self {
        Self {
            stage,
            revision: String::new(),
            draft: Draft::default(),
            rego: Vec::new(),
            yaml: Vec::new(),
        }
    }

    /// Does a little of what is left. After the end there is nothing left, and nothing comes of asking again.
    pub fn step(&mut self) -> Progress {
        let stage = mem::replace(&mut self.stage, Stage::Over);
        match self.advance(stage) {
            Ok(Stage::Over) => Progress::Done(self.set()),
            Ok(stage) => {
                self.stage = stage;
                Progress::More
            }
            Err(problems) => Progress::Done(Err(problems)),
        }
    }

    fn advance(&mut self, stage: Stage) -> Result<Stage, Vec<Problem>> {
        Ok(match stage {
            Stage::Text(json) => Stage::Files(Pieces::cut(&json)?, Vec::new()),
            Stage::Files(mut pieces, mut files) => match pieces.file()? {
                Some(file) => {
                    files.push(file);
                    Stage::Files(pieces, files)
                }
                None => Stage::Digest(Box::new(pieces.bundle(files)?), Digest::default(), 0),
            },
            Stage::Digest(bundle, digest, next) => self.digest(bundle, digest, next)?,
            Stage::Modules(mut files, mut modules) => match files.next() {
                Some(file) => {
                    self.read(file, &mut modules);
                    Stage::Modules(files, modules)
                }
                None => Stage::Groups(modules),
            },
            Stage::Groups(modules) => Stage::Programs(modules::groups(modules).into_iter(), Vec::new()),
            Stage::Programs(groups, components) => self.program(groups, components),
            Stage::Metadata(mut components, place, file) => {
                match components.get_mut(place).map(|component| component.files.get_mut(file)) {
                    None => Stage::Subpackages(components),
                    Some(None) => Stage::Metadata(components, place + 1, 0),
                    Some(Some(Described { module, said })) => {
                        let File { path, text, .. } = &*module.file;
                        *said = self.draft.keeping.piece(
                            |kept| &kept.said,
                            |kept| &mut kept.said,
                            kept::of_file(path, text),
                            || metadata::parse(path, text).map(Into::into),
                        );
                        Stage::Metadata(components, place, file + 1)
                    }
                }
            }
            Stage::Subpackages(components) => {
                for component in &components {
                    self.draft.subpackages(component);
                }
                self.draft.above.sort_by_key(|(package, _)| package.len());
                Stage::Components(components.into_iter())
            }
            Stage::Components(mut components) => match components.next() {
                Some(component) => {
                    self.draft.component(&component);
                    Stage::Components(components)
                }
                None => Stage::Yaml(mem::take(&mut self.yaml).into_iter(), Loader::default()),
            },
            Stage::Yaml(mut files, mut loader) => match files.next() {
                Some(file) => {
                    loader.file(&file.path, &file.text);
                    Stage::Yaml(files, loader)
                }
                None => Stage::Constraints(loader),
            },
            Stage::Constraints(read) => {
                let (loaded, problems) = read.finish();
                self.draft.problems.extend(problems);
                self.draft.foreign(&loaded.others);
                Stage::Templates(loaded.templates.into_iter(), loaded.constraints)
            }
            Stage::Templates(mut templates, constraints) => match templates.next() {
                Some(template) => {
                    self.draft.template(&template, &constraints);
                    Stage::Templates(templates, constraints)
                }
                None => Stage::Set,
            },
            Stage::Set | Stage::Over => Stage::Over,
        })
    }

    /// Digests some files. After the last one the bundle is known to be what its revision says, and is taken apart.
    fn digest(&mut self, bundle: Box<Bundle>, mut digest: Digest, mut next: usize) -> Result<Stage, Vec<Problem>> {
        let mut left = DIGESTED;
        while let Some(file) = bundle.files.get(next).filter(|_| left > 0) {
            digest.file(&bundle.settings, file);
            left = left.saturating_sub(file.text.len());
            next += 1;
        }
        if next < bundle.files.len() {
            return Ok(Stage::Digest(bundle, digest, next));
        }
        bundle.check_as(&digest.finish(&bundle.settings, &bundle.data))?;
        let Bundle {
            revision,
            settings,
            files,
            data,
            ..
        } = *bundle;
        self.revision = revision;
        self.draft.settings = settings;
        self.draft.data = data;
        (self.rego, self.yaml) = files.into_iter().map(Arc::new).partition(|file| file.is_rego());
        let policies: Vec<Arc<File>> = mem::take(&mut self.rego)
            .into_iter()
            .filter(|file| !file.path.ends_with("_test.rego"))
            .collect();
        Ok(Stage::Modules(policies.into_iter(), Vec::new()))
    }

    /// Looks at a file: of which package it is, and in which syntax.
    fn read(&mut self, file: Arc<File>, modules: &mut Vec<Module<Arc<File>>>) {
        let dialect = match file.dialect {
            Some(dialect) => Ok(dialect),
            None => self.draft.keeping.piece(
                |kept| &kept.dialects,
                |kept| &mut kept.dialects,
                kept::of_file(&file.path, &file.text),
                || dialect_of(&file),
            ),
        };
        match dialect {
            Ok(dialect) => modules.push(Module::new(file, dialect)),
            Err(problem) => self.draft.problems.push(problem),
        }
    }

    fn program(&mut self, mut groups: IntoIter<Vec<Module<Arc<File>>>>, mut components: Vec<Component>) -> Stage {
        let Some(modules) = groups.next() else {
            return Stage::Metadata(components, 0, 0);
        };
        let sources: Vec<Source<'_>> = modules.iter().map(Module::source).collect();
        match compiled(&sources, &mut self.draft.keeping) {
            Ok(program) => {
                let described = |module| Described {
                    module,
                    said: Ok(Arc::default()),
                };
                components.push(Component {
                    program,
                    files: modules.into_iter().map(described).collect(),
                });
            }
            Err(problems) => self.draft.problems.extend(problems),
        }
        Stage::Programs(groups, components)
    }

    fn set(&mut self) -> Result<PolicySet, Vec<Problem>> {
        let unused = self.draft.unused_overrides();
        let Draft {
            settings,
            data,
            mut policies,
            mut problems,
            keeping,
            ..
        } = mem::take(&mut self.draft);
        problems.extend(unused);
        if !problems.is_empty() {
            return Err(problems);
        }
        let excluded: Vec<Glob> = settings
            .excluded_namespaces
            .iter()
            .filter_map(|pattern| Glob::new(pattern).ok())
            .collect();
        policies.sort_by(|a, b| a.meta.id.cmp(&b.meta.id));
        let index = Index::new(policies.iter().map(hints));
        let data = Value::from(&serde_json::Value::Object(data));
        let revision = mem::take(&mut self.revision);
        Ok(PolicySet::new(
            revision,
            policies,
            index,
            excluded,
            &data,
            keeping.finish(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::settings::Settings;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bundle() -> Bundle {
        let policy = |name: &str| format!("package {name}\n\ndeny contains \"no\" if input.request.name == {name:?}\n");
        Bundle::new(
            Settings::default(),
            ["a", "b", "c"].map(|name| (format!("{name}.rego"), policy(name))),
        )
    }

    fn compiled(mut compilation: Compilation) -> (usize, Result<PolicySet, Vec<Problem>>) {
        let mut steps = 1;
        loop {
            match compilation.step() {
                Progress::More => steps += 1,
                Progress::Done(result) => return (steps, result),
            }
        }
    }

    #[test]
    fn each_file_is_read_compiled_and_described_in_steps_of_its_own() {
        let (steps, set) = compiled(Compilation::of_json(bundle().to_json(), None));
        let set = set.unwrap();
        assert_eq!(set.revision(), bundle().revision);
        assert_eq!(set.policies().len(), 3);
        assert!(steps > 3 * 5, "{steps}");
    }

    #[test]
    fn json_that_is_no_bundle_is_refused_with_its_place() {
        let json = String::from_utf8(bundle().to_json()).unwrap();
        for (wrong, expected) in [
            (
                json.replacen("\"text\":", "\"txt\":", 1),
                "files[0].txt: unknown field `txt`",
            ),
            (json.replacen("package b", "package d", 1), "changed after it was built"),
            (json.replacen("PolicyBundle", "Bundle", 1), "kind \"PolicyBundle\""),
            (json[..json.len() / 2].to_owned(), "EOF"),
        ] {
            let problems = compiled(Compilation::of_json(wrong.into_bytes(), None)).1.unwrap_err();
            assert!(problems[0].message.contains(expected), "{expected}: {problems:?}");
        }
    }
}
