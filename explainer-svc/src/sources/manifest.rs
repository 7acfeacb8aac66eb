//! `.manifest` of an OPA bundle: what the bundle owns, and in which Rego it is written.

use std::collections::BTreeMap;

use engine::policy::Problem;
use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

use super::data::contained;
use super::scan::Dialect;

/// What a bundle says about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// As its author named it; empty when there is none.
    pub revision: String,
    /// The paths below `data` that the bundle owns. `[""]` is everything.
    pub roots: Vec<String>,
    /// For files that no pattern matches.
    pub rego_version: Option<Dialect>,
    /// Patterns over paths; the first that matches decides.
    pub file_rego_versions: BTreeMap<String, Dialect>,
    /// Its author's own.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Members that OPA does not know.
    pub(super) unknown: Vec<String>,
}

/// As it is written. `null` counts as absent, as everywhere in Go.
#[derive(Deserialize)]
struct Written {
    revision: Option<String>,
    roots: Option<Vec<String>>,
    rego_version: Option<i64>,
    file_rego_versions: Option<BTreeMap<String, i64>>,
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

const KNOWN: [&str; 6] = [
    "revision",
    "roots",
    "wasm",
    "rego_version",
    "file_rego_versions",
    "metadata",
];

impl Manifest {
    /// The name of the file.
    pub(super) const FILE: &str = ".manifest";
    /// The same as a Protocol Buffer.
    pub(super) const PROTOBUF: &str = ".manifest.pb";

    /// What a bundle without a manifest has.
    pub(super) fn absent() -> Self {
        Self {
            roots: vec![String::new()],
            ..Self::default()
        }
    }

    /// Reads the file.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let refuse = |message: String| vec![Problem::at(file, 0, message)];
        let value: serde_json::Value = serde_json::from_slice(bytes)
            .map_err(|error| vec![Problem::at(file, error.line(), format!("is not JSON: {error}"))])?;
        let unknown = value.as_object().map_or_else(Vec::new, |members| {
            let unknown = members.keys().filter(|key| !KNOWN.contains(&key.as_str()));
            unknown.cloned().collect()
        });
        let written: Written = serde_path_to_error::deserialize(value)
            .map_err(|error| refuse(format!("{}: {}", error.path(), error.inner())))?;

        let mut problems = Vec::new();
        let roots = written.roots.map_or_else(
            || vec![String::new()],
            |roots| roots.iter().map(|root| root.trim_matches('/').to_owned()).collect(),
        );
        if let Some((a, b)) = overlapping(&roots) {
            problems.extend(refuse(format!(
                "roots: {a:?} and {b:?} overlap; name only the outer one"
            )));
        }
        let mut version = |field: &str, number: i64| match number {
            0 => Some(Dialect::V0),
            1 => Some(Dialect::V1),
            _ => {
                problems.extend(refuse(format!("{field}: expected 0 or 1, got {number}")));
                None
            }
        };
        let rego_version = written.rego_version.and_then(|number| version("rego_version", number));
        let versions = written.file_rego_versions.unwrap_or_default();
        let file_rego_versions = versions
            .into_iter()
            .filter_map(|(pattern, number)| {
                let dialect = version(&format!("file_rego_versions.{pattern:?}"), number)?;
                Some((pattern, dialect))
            })
            .collect();
        let manifest = Self {
            revision: written.revision.unwrap_or_default(),
            roots,
            rego_version,
            file_rego_versions,
            metadata: written.metadata.unwrap_or_default(),
            unknown,
        };
        problems.extend(manifest.patterns().err().map(|reason| Problem::at(file, 0, reason)));
        if problems.is_empty() {
            Ok(manifest)
        } else {
            Err(problems)
        }
    }

    /// The Rego that a file is written in, when the manifest says it. The path is the one of the archive, as it was
    /// written.
    pub(super) fn dialect(&self, written: &str) -> Option<Dialect> {
        let patterns = self.patterns().unwrap_or_default();
        let matching = patterns.iter().find(|(glob, _)| glob.is_match(written));
        matching.map(|(_, dialect)| *dialect).or(self.rego_version)
    }

    /// Whether the bundle may hold this package.
    pub(super) fn permits(&self, package: &[String]) -> bool {
        contained(&self.roots, &package.join("/"))
    }

    fn patterns(&self) -> Result<Vec<(GlobMatcher, Dialect)>, String> {
        let compiled = self.file_rego_versions.iter().map(|(pattern, dialect)| {
            // `*` passes `/`, as in OPA.
            match GlobBuilder::new(pattern)
                .literal_separator(false)
                .backslash_escape(true)
                .build()
            {
                Ok(glob) => Ok((glob.compile_matcher(), *dialect)),
                Err(error) => Err(format!(
                    "file_rego_versions.{pattern:?}: is not a pattern: {}",
                    error.kind()
                )),
            }
        });
        compiled.collect()
    }
}

/// Two roots of which one holds the other.
fn overlapping(roots: &[String]) -> Option<(&String, &String)> {
    roots.iter().enumerate().find_map(|(index, a)| {
        let later = roots.iter().skip(index + 1);
        later.map(|b| (a, b)).find(|(a, b)| overlap(a, b))
    })
}

/// Whether one of the roots holds the other.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    contained(&[a.to_owned()], b) || contained(&[b.to_owned()], a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        engine::policy::list(&Manifest::parse(".manifest", text.as_bytes()).unwrap_err())
    }

    #[test]
    fn all_of_it_is_read() {
        let manifest = Manifest::parse(
            ".manifest",
            br#"{"revision": "r1", "roots": ["/a/b/", "c"], "rego_version": 1,
                 "file_rego_versions": {"/old/*.rego": 0}, "metadata": {"team": "shop"}, "root": 1, "wasm": []}"#,
        )
        .unwrap();
        assert_eq!(
            (manifest.revision.as_str(), manifest.roots.clone()),
            ("r1", vec!["a/b".to_owned(), "c".to_owned()])
        );
        assert_eq!(manifest.dialect("/old/deep/x.rego"), Some(Dialect::V0));
        assert_eq!(manifest.dialect("old/x.rego"), Some(Dialect::V1));
        assert_eq!(manifest.metadata["team"], "shop");
        assert_eq!(manifest.unknown, ["root"]);
        assert!(manifest.permits(&["c".to_owned(), "x".to_owned()]));
        assert!(!manifest.permits(&["a".to_owned()]));
    }

    #[test]
    fn without_roots_everything_is_owned_and_with_none_nothing() {
        let all = Manifest::parse(".manifest", br#"{"roots": null}"#).unwrap();
        assert!(all.permits(&["x".to_owned()]) && all.dialect("x.rego").is_none());
        let none = Manifest::parse(".manifest", br#"{"roots": []}"#).unwrap();
        assert!(!none.permits(&["x".to_owned()]));
    }

    #[test]
    fn mistakes_name_the_field_and_all_are_told() {
        let text = refused(r#"{"roots": ["a", "a/b"], "rego_version": 2, "file_rego_versions": {"x": 7, "[": 1}}"#);
        for part in [
            r#"roots: "a" and "a/b" overlap"#,
            "rego_version: expected 0 or 1, got 2",
            r#""x": expected 0 or 1, got 7"#,
            r#""[": is not a pattern"#,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(refused(r#"{"roots": "a"}"#).contains("roots: invalid type"));
        assert!(refused("{").contains("is not JSON"));
        assert!(refused(r#"{"roots": ["", "a"]}"#).contains("overlap"));
    }
}
