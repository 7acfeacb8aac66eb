//! The policies of the repository with their cases.

use std::fs;
use std::path::{Path, PathBuf};

use engine::cases::{Case, CaseFile};

/// A policy as it lies in its folder.
pub(crate) struct Policy {
    /// `pod-security/privileged-containers`.
    pub(crate) id: String,
    /// Its Rego.
    pub(crate) text: String,
    /// What it is tried on; each with its file.
    pub(crate) cases: Vec<(String, Case)>,
}

/// All of them, in the order of their ids.
pub(crate) fn load() -> Vec<Policy> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut found = Vec::new();
    folders(&root, &mut found);
    let policy = |folder: PathBuf| {
        let id = folder.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let mut cases = Vec::new();
        for path in sorted(&folder.join("cases")) {
            let file = format!("{id}/cases/{}", path.file_name().unwrap().to_str().unwrap());
            let parsed = CaseFile::parse(&fs::read_to_string(path).unwrap());
            let parsed = parsed.unwrap_or_else(|error| panic!("{file}: {error}"));
            cases.extend(parsed.cases.into_iter().map(|case| (file.clone(), case)));
        }
        Policy {
            text: fs::read_to_string(folder.join("policy.rego")).unwrap(),
            cases,
            id,
        }
    };
    found.into_iter().map(policy).collect()
}

/// The entries of a folder by their names.
pub(crate) fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The folders of the policies: those with a folder of cases.
fn folders(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in sorted(folder) {
        if path.join("cases").is_dir() {
            found.push(path);
        } else if path.is_dir() {
            folders(&path, found);
        }
    }
}
