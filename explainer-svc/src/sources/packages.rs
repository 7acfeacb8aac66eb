//! Files of one package belong together: the form is the package's, and what it reads includes what it uses.

use std::collections::{BTreeMap, BTreeSet};

use super::format::{Detection, detect};
use super::scan::Scan;

/// A package, and what it was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name without `data.`, its parts joined with dots.
    pub name: String,
    /// Its files, sorted.
    pub files: Vec<String>,
    /// The form of the package.
    pub detection: Detection,
}

/// The packages of these modules, sorted by name.
pub(super) fn packages(modules: &[(String, Scan)]) -> Vec<Package> {
    let mut merged: BTreeMap<&[String], (Vec<String>, Scan)> = BTreeMap::new();
    for (file, scan) in modules {
        let (files, package) = merged.entry(&scan.package).or_default();
        files.push(file.clone());
        package.package.clone_from(&scan.package);
        package.merge(scan);
    }
    let packages = merged.iter().map(|(path, (files, scan))| {
        let mut scan = scan.clone();
        for used in reached(path, &merged) {
            scan.reads.extend(
                merged
                    .get(used)
                    .into_iter()
                    .flat_map(|(_, scan)| scan.reads.iter().cloned()),
            );
        }
        let mut files = files.clone();
        files.sort();
        Package {
            name: path.join("."),
            files,
            detection: detect(&scan),
        }
    });
    packages.collect()
}

/// The packages that one uses, directly or through others.
fn reached<'a>(from: &'a [String], packages: &BTreeMap<&'a [String], (Vec<String>, Scan)>) -> BTreeSet<&'a [String]> {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(path) = open.pop() {
        let Some((_, scan)) = packages.get(path) else { continue };
        for other in packages.keys() {
            // `data.lib.rule` and `data.lib` use the package lib; `data.a` also uses a.b.
            let used = scan
                .uses
                .iter()
                .any(|path| path.starts_with(other) || other.starts_with(path.as_slice()));
            if used && seen.insert(other) {
                open.push(other);
            }
        }
    }
    seen.remove(from);
    seen
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    fn of(modules: &[&str]) -> Vec<(String, Format)> {
        let modules = modules
            .iter()
            .enumerate()
            .map(|(index, text)| (format!("{index}.rego"), Scan::of(text)));
        let packages = packages(&modules.collect::<Vec<_>>());
        packages
            .into_iter()
            .map(|package| (package.name, package.detection.format))
            .collect()
    }

    #[test]
    fn files_of_one_package_are_one() {
        let found = of(&[
            "package a.b\nobject := input.request.object",
            "package a.b\ndeny[m] { object.x; m := \"x\" }",
        ]);
        assert_eq!(found, [("a.b".to_owned(), Format::Admission)]);
    }

    #[test]
    fn what_a_package_uses_counts_as_read() {
        let library = "package lib.k8s\nimport data.lib.deep\nkind := deep.object.kind";
        let deep = "package lib.deep\nobject := input.request.object";
        let policy = "package shop\nimport data.lib.k8s\ndeny[m] { k8s.kind == \"Pod\"; m := \"x\" }";
        let found = of(&[library, deep, policy]);
        let name = |name: &str, format| (name.to_owned(), format);
        assert_eq!(
            found,
            [
                name("lib.deep", Format::Library),
                name("lib.k8s", Format::Library),
                name("shop", Format::Admission)
            ]
        );
    }

    #[test]
    fn packages_that_use_each_other_come_to_an_end() {
        let found = of(&["package a\nx := data.b.y", "package b\ny := data.a.x"]);
        assert_eq!(found.len(), 2);
    }
}
