//! The policy library's cases, for every place where they run.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use engine::cases::{Case, CaseFile};
use engine::policy::bundle::Bundle;

use crate::fixtures::{files_below, repository};

/// A policy with its cases.
#[derive(Debug)]
pub struct Policy {
    /// The policy's id, which is its folder.
    pub id: String,
    /// The file as a bundle names it.
    pub path: String,
    /// The source.
    pub text: String,
    /// Of all its files.
    pub cases: Vec<Case>,
}

impl Policy {
    /// The bundle of this policy alone, with a case's parameters.
    pub fn bundle(&self, case: &Case) -> Bundle {
        case.bundle(&self.id, &self.path, &self.text)
    }
}

/// Every policy of the library, sorted by id.
pub fn policies() -> Result<Vec<Policy>> {
    let root = repository("policies");
    let files = files_below(&root)?;
    let mut policies = Vec::new();
    for source in files.iter().filter(|file| file.ends_with("policy.rego")) {
        let folder: PathBuf = source.parent().map(Into::into).unwrap_or_default();
        let relative =
            |path: &PathBuf| -> Result<String> { Ok(path.strip_prefix(&root)?.to_string_lossy().into_owned()) };
        let mut cases = Vec::new();
        for file in files.iter().filter(|file| file.starts_with(folder.join("cases"))) {
            let yaml = fs::read_to_string(file)?;
            let parsed = CaseFile::parse(&yaml).map_err(|error| anyhow!("{}: {error}", file.display()))?;
            cases.extend(parsed.cases);
        }
        let text = fs::read_to_string(source).with_context(|| source.display().to_string())?;
        policies.push(Policy {
            id: relative(&folder)?,
            path: relative(source)?,
            text,
            cases,
        });
    }
    Ok(policies)
}
