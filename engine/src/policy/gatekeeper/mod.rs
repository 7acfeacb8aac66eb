//! Gatekeeper's formats: constraint templates and constraints as YAML, and how a request is matched and shown to them.
//!
//! What is read here is what Gatekeeper 3.23 reads. A template is a program of its own. It is asked for [`ENTRY_POINT`],
//! with [`review::input`] as input and `{"inventory": …}` as data.

pub mod constraint;
pub mod document;
mod fields;
pub mod matching;
mod modules;
pub mod review;
mod schema;
mod selector;
pub mod template;
mod yaml;

use std::collections::BTreeMap;

pub use constraint::Constraint;
pub use document::{Document, Other};
pub use matching::{Match, Outcome, Subject};
pub use modules::{ENTRY_POINT, Module};
pub use schema::Schema;
pub use selector::Labels;
pub use template::Template;

use super::Problem;

/// Templates, the constraints that they are applied by, and what else was in the files.
#[derive(Debug, Default)]
pub struct Loaded {
    /// In the order of their kinds.
    pub templates: Vec<Template>,
    /// In the order of their kinds and names.
    pub constraints: Vec<Constraint>,
    /// In the order of the files.
    pub others: Vec<Other>,
}

/// Reads files, given as names and texts, together: a constraint may stand before its template, or in another file.
///
/// # Errors
/// Every reason why something is refused.
pub fn load<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Loaded, Vec<Problem>> {
    let (loaded, problems) = load_sound(files);
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// What of it is sound, and what is wrong with the rest: so that a wrong constraint does not hide what is wrong with the Rego.
pub fn load_sound<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Loaded, Vec<Problem>) {
    let mut loader = Loader::default();
    for (file, text) in files {
        loader.file(file, text);
    }
    loader.finish()
}

/// Reads files one by one.
#[derive(Default)]
pub(super) struct Loader {
    problems: Vec<Problem>,
    refused: Vec<String>,
    templates: BTreeMap<String, Template>,
    written: BTreeMap<(String, String), constraint::Written>,
    others: Vec<Other>,
}

impl Loader {
    /// Reads one.
    pub(super) fn file(&mut self, file: &str, text: &str) {
        let contents = document::read_all(file, text);
        self.problems.extend(contents.problems);
        self.refused.extend(contents.refused);
        for document in contents.documents {
            match document {
                Document::Template(template) => match self.templates.get(&template.kind) {
                    Some(earlier) => {
                        let problem = twice(&template.file, template.line, &template.kind, &earlier.file);
                        self.problems.push(problem);
                    }
                    None => drop(self.templates.insert(template.kind.clone(), *template)),
                },
                Document::Constraint(constraint) => {
                    let key = (constraint.kind.clone(), constraint.name.clone());
                    if let Some(earlier) = self.written.get(&key) {
                        let title = format!("{} {}", key.0, key.1);
                        let problem = twice(&constraint.file, constraint.line, &title, &earlier.file);
                        self.problems.push(problem);
                    } else {
                        self.written.insert(key, *constraint);
                    }
                }
                Document::Other(other) => self.others.push(other),
            }
        }
    }

    /// Constraints are checked when all templates are there.
    pub(super) fn finish(self) -> (Loaded, Vec<Problem>) {
        let Self {
            mut problems,
            refused,
            templates,
            written,
            others,
        } = self;
        let mut constraints = Vec::new();
        for constraint in written
            .values()
            .filter(|constraint| !refused.contains(&constraint.kind))
        {
            match constraint.check(templates.get(&constraint.kind)) {
                Ok(constraint) => constraints.push(constraint),
                Err(more) => problems.extend(more),
            }
        }
        let loaded = Loaded {
            templates: templates.into_values().collect(),
            constraints,
            others,
        };
        (loaded, problems)
    }
}

fn twice(file: &str, line: usize, what: &str, earlier: &str) -> Problem {
    Problem::at(
        file,
        line,
        format!("{what} is defined in {earlier} already; remove one of them"),
    )
}

#[cfg(test)]
mod tests;
