//! Rego files that refer to each other are compiled together, and all others by themselves.

use std::collections::BTreeMap;
use std::ops::Deref;

use super::Problem;
use super::bundle::File;
use crate::rego::{self, Dialect, Source};

/// One file of Rego. `F` is how it is held: borrowed, or shared by a compilation that goes on later.
#[derive(Debug, Clone)]
pub(super) struct Module<F> {
    pub(super) file: F,
    /// Below `data`.
    pub(super) package: String,
    pub(super) dialect: Dialect,
}

impl<F: Deref<Target = File>> Module<F> {
    /// A file of which the syntax is known.
    pub(super) fn new(file: F, dialect: Dialect) -> Self {
        Self {
            package: package(&file.text),
            file,
            dialect,
        }
    }

    /// For the compiler.
    pub(super) fn source(&self) -> Source<'_> {
        Source {
            file: &self.file.path,
            text: &self.file.text,
            dialect: self.dialect,
        }
    }
}

/// In which syntax a file is.
pub(super) fn dialect_of(file: &File) -> Result<Dialect, Problem> {
    let dialect = file
        .dialect
        .map_or_else(|| rego::dialect_of(&file.path, &file.text), Ok);
    dialect.map_err(|(line, message)| Problem::at(&file.path, line, message))
}

/// Files in the groups in which they are compiled: tests belong to what they refer to.
///
/// # Errors
/// Files that are no Rego.
pub fn grouped<'a>(files: impl Iterator<Item = &'a File>) -> Result<Vec<Vec<Source<'a>>>, Vec<Problem>> {
    let (mut modules, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        match dialect_of(file) {
            Ok(dialect) => modules.push(Module::new(file, dialect)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let source = |module: &Module<&'a File>| Source {
        file: &module.file.path,
        text: &module.file.text,
        dialect: module.dialect,
    };
    let groups = groups(modules);
    Ok(groups.iter().map(|group| group.iter().map(source).collect()).collect())
}

/// The package that a module says it is of, with dots.
pub fn package(text: &str) -> String {
    let line = text.lines().map(str::trim).find_map(|line| {
        line.strip_prefix("package")
            .filter(|rest| rest.starts_with([' ', '\t']))
    });
    let name = line
        .and_then(|line| line.split([' ', '\t', '#', ';']).find(|part| !part.is_empty()))
        .unwrap_or_default();
    name.replace("[\"", ".").replace("\"]", "")
}

/// Puts those together that share a package or may refer to each other. What only looks like a reference, in a comment, does no
/// harm: what is compiled together means the same.
pub(super) fn groups<F: Deref<Target = File>>(modules: Vec<Module<F>>) -> Vec<Vec<Module<F>>> {
    let mut leader: Vec<usize> = (0..modules.len()).collect();
    let find = |leader: &[usize], mut of: usize| {
        while let Some(next) = leader.get(of).filter(|next| **next != of) {
            of = *next;
        }
        of
    };
    let mut by_package: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, module) in modules.iter().enumerate() {
        by_package.entry(&module.package).or_default().push(place);
    }
    let mut join = |a: usize, b: usize| {
        let (a, b) = (find(&leader, a), find(&leader, b));
        if let Some(slot) = leader.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    };
    for (place, module) in modules.iter().enumerate() {
        for path in data_references(&module.file.text) {
            for (package, places) in &by_package {
                if is_prefix(package, path) || is_prefix(path, package) {
                    for other in places {
                        join(place, *other);
                    }
                }
            }
        }
        // What it can ask of its metadata also stands in the packages above.
        if module.file.text.contains("rego.metadata.") {
            let says = |other: &Module<F>| other.file.text.contains("subpackages");
            let above = modules.iter().enumerate();
            let above = above.filter(|(_, other)| is_below(&module.package, &other.package) && says(other));
            above.for_each(|(other, _)| join(place, other));
        }
        if let Some([first, ..]) = by_package.get(module.package.as_str()).map(Vec::as_slice) {
            join(place, *first);
        }
    }
    let mut grouped: BTreeMap<usize, Vec<Module<F>>> = BTreeMap::new();
    for (place, module) in modules.into_iter().enumerate() {
        grouped.entry(find(&leader, place)).or_default().push(module);
    }
    grouped.into_values().collect()
}

/// Whether a package is below another, and not that one itself.
pub(super) fn is_below(package: &str, above: &str) -> bool {
    package != above && is_prefix(above, package)
}

fn is_prefix(prefix: &str, of: &str) -> bool {
    of.strip_prefix(prefix)
        .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('.'))
}

/// What follows `data.` wherever it stands.
fn data_references(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    text.match_indices("data").filter_map(move |(at, word)| {
        let before = text.get(..at)?.chars().next_back();
        if before.is_some_and(is_name) {
            return None;
        }
        let rest = text.get(at + word.len()..)?;
        if !rest.starts_with(['.', '[']) {
            return None;
        }
        let path = rest.strip_prefix('.').unwrap_or_default();
        let end = path.find(|c| !is_name(c)).unwrap_or(path.len());
        path.get(..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn grouped(texts: &[&str]) -> Vec<Vec<String>> {
        let files: Vec<File> = texts
            .iter()
            .enumerate()
            .map(|(n, text)| File::new(format!("{n}.rego"), *text))
            .collect();
        let names = |group: &Vec<Source<'_>>| group.iter().map(|source| source.file.to_owned()).collect();
        super::grouped(files.iter()).unwrap().iter().map(names).collect()
    }

    #[test]
    fn files_that_refer_to_each_other_are_together() {
        let lib = "package lib.names\nok(x) if x != \"\"\n";
        let user = "package a\nimport data.lib.names\ndeny contains \"no\" if not names.ok(input.x)\n";
        let alone = "package b\ndeny contains data.context.cluster.name\n";
        assert_eq!(grouped(&[user, lib, alone]), [vec!["0.rego", "1.rego"], vec!["2.rego"]]);
    }

    #[test]
    fn what_reads_all_packages_is_with_all_of_them() {
        let main =
            "package system\nmain := {\"all\": all}\nall contains d if { some p; d := data.policies[p].deny[_] }\n";
        let policy = "package policies.a\ndeny contains \"a\" if input.x\n";
        let other = "package policies.b\ndeny contains \"b\" if input.y\n";
        assert_eq!(grouped(&[main, policy, other]), [vec!["0.rego", "1.rego", "2.rego"]]);
    }

    #[test]
    fn what_asks_for_its_metadata_is_with_the_packages_that_speak_of_it() {
        let above = "# METADATA\n# scope: subpackages\n# title: Shop\npackage shop\n";
        let asks = "package shop.a\ndeny contains rego.metadata.chain() if input.x\n";
        let other = "package shop.b\ndeny contains \"b\" if input.y\n";
        assert_eq!(
            grouped(&[above, asks, other]),
            [vec!["0.rego", "1.rego"], vec!["2.rego"]]
        );
    }

    #[test]
    fn a_package_is_named_after_any_blank() {
        assert_eq!(package("# x\npackage\tshop.a # y\n"), "shop.a");
        assert_eq!(package("packages := 1\npackage  a;import data.b\n"), "a");
    }

    #[test]
    fn the_older_syntax_is_told_from_the_newer() {
        let files = [
            File::new("a.rego", "package a\ndeny[msg] { msg := \"x\" }\n"),
            File::new("b.rego", "package b\ndeny contains \"x\" if true\n"),
        ];
        let groups = super::grouped(files.iter()).unwrap();
        let dialects: Vec<Dialect> = groups.iter().flatten().map(|source| source.dialect).collect();
        assert_eq!(dialects, [Dialect::V0, Dialect::V1]);
    }
}
