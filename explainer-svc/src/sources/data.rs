//! Data files, each at the path of its folder, as one document.

use std::collections::BTreeMap;

use super::json::Json;

/// The base document: what policies read below `data`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    members: BTreeMap<String, Json>,
    /// Where each file was merged, for the error that names the other file.
    merged: Vec<(String, Vec<String>, Json)>,
}

impl Data {
    /// Whether a file of this name is data wherever it lies.
    pub(super) fn is_data_file(name: &str) -> bool {
        matches!(base(name), "data.json" | "data.yaml" | "data.yml")
    }

    /// Nothing was read.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The document as JSON: keys sorted, numbers as they were written.
    pub fn to_json(&self) -> String {
        Json::Object(self.members.clone()).canonical()
    }

    /// The document as a value.
    ///
    /// # Errors
    /// A number is larger than a float can be; [`Data::to_json`] has no such limit.
    pub fn to_value(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_str(&self.to_json())
    }

    /// Adds a file at the path of its folder.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let value = if base(name) == "data.json" {
            Json::parse(bytes)
        } else {
            Json::parse_yaml(bytes)
        };
        let value = value.map_err(|reason| format!("cannot be read as data: {reason}"))?;
        self.insert(name, folders(name), value)
    }

    fn insert(&mut self, name: &str, path: Vec<String>, value: Json) -> Result<(), String> {
        let tree = path.iter().rev().fold(value.clone(), |below, key| {
            Json::Object(BTreeMap::from([(key.clone(), below)]))
        });
        let Json::Object(tree) = tree else {
            return Err(
                "is data for the root, which has to be an object; move it into a folder, or wrap it".to_owned(),
            );
        };
        if let Some(at) = conflict(&self.members, &tree) {
            let other = self.merged.iter().find(|(_, path, value)| reaches(path, value, &at));
            let other = other.map_or("another file", |(name, _, _)| name.as_str());
            return Err(format!(
                "gives data.{} a value, and so does {other}; keep one of them",
                at.join(".")
            ));
        }
        merge(&mut self.members, tree);
        self.merged.push((name.to_owned(), path, value));
        Ok(())
    }

    /// Why OPA refuses this data under these roots, if it does.
    pub(super) fn outside_of(&self, roots: &[String]) -> Option<String> {
        outside(&Json::Object(self.members.clone()), "", roots)
    }

    /// Adds all of `other`, which came from another path.
    pub(super) fn absorb(&mut self, other: Self, prefix: &str, problems: &mut Vec<engine::policy::Problem>) {
        for (name, path, value) in other.merged {
            let name = format!("{prefix}{name}");
            if let Err(reason) = self.insert(&name, path, value) {
                problems.push(engine::policy::Problem::at(&name, 0, reason));
            }
        }
    }
}

/// The last part of a path.
pub(super) fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The folders of a path, as OPA takes them for keys: dots at the beginning of the path do not count.
fn folders(name: &str) -> Vec<String> {
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = folder.trim_start_matches(['/', '.']);
    if folder.is_empty() {
        Vec::new()
    } else {
        folder.split('/').map(str::to_owned).collect()
    }
}

/// The first path that both have, unless both have an object there.
fn conflict(ours: &BTreeMap<String, Json>, theirs: &BTreeMap<String, Json>) -> Option<Vec<String>> {
    theirs.iter().find_map(|(key, theirs)| match (ours.get(key)?, theirs) {
        (Json::Object(ours), Json::Object(theirs)) => {
            let mut below = conflict(ours, theirs)?;
            below.insert(0, key.clone());
            Some(below)
        }
        _ => Some(vec![key.clone()]),
    })
}

fn merge(ours: &mut BTreeMap<String, Json>, theirs: BTreeMap<String, Json>) {
    for (key, theirs) in theirs {
        match (ours.get_mut(&key), theirs) {
            (Some(Json::Object(ours)), Json::Object(theirs)) => merge(ours, theirs),
            (_, theirs) => {
                ours.insert(key, theirs);
            }
        }
    }
}

/// Whether a file's value, merged at `path`, has something at `at`.
fn reaches(path: &[String], value: &Json, at: &[String]) -> bool {
    let shared = path.len().min(at.len());
    path.iter().zip(at).all(|(ours, theirs)| ours == theirs)
        && at
            .iter()
            .skip(shared)
            .try_fold(value, |value, key| value.as_object()?.get(key))
            .is_some()
}

/// OPA's own walk, with its generous reading of what may still hold a root.
fn outside(value: &Json, path: &str, roots: &[String]) -> Option<String> {
    let path = path.trim_matches('/');
    if contained(roots, path) {
        return None;
    }
    let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    match value {
        Json::Object(members) if roots.iter().any(|root| contained(&parts, root)) => members
            .iter()
            .find_map(|(key, member)| outside(member, &format!("{path}/{key}"), roots)),
        _ => Some(path.to_owned()),
    }
}

/// Whether one of the roots is the path or above it. The empty root is above everything.
pub(super) fn contained(roots: &[String], path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    roots.iter().any(|root| {
        let root: Vec<&str> = root.split('/').collect();
        root == [""] || parts.starts_with(&root)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(files: &[(&str, &str)]) -> Result<String, String> {
        let mut data = Data::default();
        for (name, text) in files {
            data.add(name, text.as_bytes())?;
        }
        Ok(data.to_json())
    }

    #[test]
    fn each_file_is_at_the_path_of_its_folder() {
        let files = [
            ("data.json", r#"{"a": {"x": 1.0}}"#),
            ("a/data.yaml", "y: 0644\n"),
            ("a/b/data.yml", "- 1\n"),
            ("c/data.json", "7"),
        ];
        assert_eq!(data(&files).unwrap(), r#"{"a":{"b":[1],"x":1.0,"y":420},"c":7}"#);
    }

    #[test]
    fn two_values_at_one_path_are_refused_and_both_files_named() {
        let error = data(&[("a/data.json", r#"{"b": {"c": 1}}"#), ("a/b/data.yaml", "c: 1\n")]).unwrap_err();
        assert_eq!(
            error,
            "gives data.a.b.c a value, and so does a/data.json; keep one of them"
        );
        let error = data(&[("a/b/data.json", "1"), ("data.json", r#"{"a": {"b": {"c": 2}}}"#)]).unwrap_err();
        assert!(error.contains("data.a.b a value, and so does a/b/data.json"), "{error}");
    }

    #[test]
    fn the_root_has_to_be_an_object() {
        assert!(
            data(&[("data.json", "[1]")])
                .unwrap_err()
                .contains("has to be an object")
        );
        assert!(
            data(&[("data.json", "a: 1")])
                .unwrap_err()
                .contains("cannot be read as data")
        );
    }

    #[test]
    fn data_outside_of_the_roots_is_found() {
        let outside = |text: &str, roots: &[&str]| {
            let mut data = Data::default();
            data.add("data.json", text.as_bytes()).unwrap();
            data.outside_of(&roots.iter().map(|root| (*root).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(outside(r#"{"a": {"b": 1}}"#, &[""]), None);
        assert_eq!(outside(r#"{"a": {"b": 1}}"#, &["a/b"]), None);
        assert_eq!(outside(r#"{"a": {"b": {"c": 1}}}"#, &["a/b"]), None);
        assert_eq!(outside(r#"{"a": {"b": 1, "c": 2}}"#, &["a/b"]), Some("a/c".to_owned()));
        assert_eq!(outside(r#"{"ab": 1}"#, &["a"]), Some("ab".to_owned()));
        assert_eq!(outside("{}", &[]), Some(String::new()));
        assert_eq!(outside("{}", &["a"]), None);
    }
}
