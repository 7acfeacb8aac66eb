//! Policy sets from disk, in whichever form they are: folders, OPA bundles, single files.
//!
//! ```text
//! path -> walk (a folder) | archive (.tar.gz) | one file -> entries
//!      -> signature (verified, or refused) -> manifest (roots, Rego's version)
//!      -> classify (YAML, JSON), scan (Rego) -> Sources, with the form of each package and why
//! ```
//!
//! What is read is not compiled here: a broken policy is kept, and refused by the engine. What cannot be read is
//! refused with everything else that is wrong, at once.

mod archive;
mod classify;
mod data;
mod digest;
mod format;
mod gather;
mod json;
mod keys;
mod limits;
mod manifest;
mod packages;
mod scan;
mod signature;
pub(crate) mod tokens;
mod walk;

use std::path::{Component, Path, PathBuf};

use engine::policy::Problem;

pub use data::Data;
pub use format::{Detection, Format};
pub use keys::{Algorithm, Key};
pub use limits::Limits;
pub use manifest::Manifest;
pub use packages::Package;
pub use scan::Dialect;
pub use signature::{Exclude, Signed, Trust, Verification};

/// How sources are read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How much.
    pub limits: Limits,
    /// Signed by whom.
    pub verification: Verification,
}

/// Everything that was found, each kind sorted by path.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What decides: Rego, Gatekeeper's YAML, bundles of `whynot policy build`.
    pub files: Vec<File>,
    /// `*_test.rego`.
    pub tests: Vec<File>,
    /// Files of cases.
    pub cases: Vec<File>,
    /// The packages of the Rego in `files`.
    pub packages: Vec<Package>,
    /// All data files as one document.
    pub data: Data,
    /// `policy-set.yaml`.
    pub settings: Option<File>,
    /// The OPA bundles that some of it came from.
    pub bundles: Vec<OpaBundle>,
    /// What was passed over, or is worth knowing.
    pub notes: Vec<Note>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative to the path that was named; below that path's name when several were named.
    pub path: String,
    /// The content.
    pub text: String,
    /// What it is.
    pub kind: Kind,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A module, in this Rego, and why it is taken for that.
    Rego(Dialect, String),
    /// `ConstraintTemplate`s and constraints.
    Gatekeeper,
    /// What `whynot policy build` wrote.
    Bundle,
    /// Cases for policies.
    Cases,
    /// `policy-set.yaml`.
    Settings,
}

/// An OPA bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct OpaBundle {
    /// Where it was read from; empty when only one path was named.
    pub path: String,
    /// What it says about itself.
    pub manifest: Manifest,
    /// Whose signature was verified.
    pub signed: Option<Signed>,
}

/// Something that is no problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// As in [`File::path`]; empty when it concerns a whole path.
    pub file: String,
    /// What there is to know.
    pub message: String,
}

/// Reads everything that the paths name.
///
/// # Errors
/// All problems at once. Their files are those of [`File::path`]; [`located`] makes paths of them that can be opened.
pub fn read(paths: &[PathBuf], options: &Options) -> Result<Sources, Vec<Problem>> {
    let (sources, problems) = survey(paths, options);
    if problems.is_empty() {
        Ok(sources)
    } else {
        Err(problems)
    }
}

/// Reads an OPA bundle (.tar.gz) that somebody sent.
///
/// # Errors
/// As [`read`].
pub fn read_archive(bytes: &[u8], options: &Options) -> Result<Sources, Vec<Problem>> {
    let mut gathered = gather::Gathered::default();
    gathered.bytes(bytes, options);
    let (sources, problems) = gathered.finish();
    if problems.is_empty() {
        Ok(sources)
    } else {
        Err(problems)
    }
}

/// Reads what can be read of everything that the paths name, with the problems of the rest, as in [`read`].
pub fn survey(paths: &[PathBuf], options: &Options) -> (Sources, Vec<Problem>) {
    let mut gathered = gather::Gathered::default();
    for (index, path) in paths.iter().enumerate() {
        let prefix = if paths.len() == 1 { String::new() } else { plain(path) };
        if paths.iter().take(index).any(|other| plain(other) == plain(path)) {
            gathered.problem(&prefix, "is named twice");
            continue;
        }
        gathered.path(path, &prefix, options);
    }
    gathered.finish()
}

/// Where the file of a problem or of a note is, seen from here.
pub fn located(paths: &[PathBuf], file: &str) -> String {
    let join = |path: &Path, below: &str| {
        if below.is_empty() || path.file_name().is_some_and(|name| name == below && !path.is_dir()) {
            path.display().to_string()
        } else {
            path.join(below).display().to_string()
        }
    };
    if let [path] = paths {
        return join(path, file);
    }
    let found = paths.iter().find_map(|path| {
        let below = file.strip_prefix(plain(path).as_str())?;
        (below.is_empty() || below.starts_with('/')).then(|| join(path, below.trim_start_matches('/')))
    });
    found.unwrap_or_else(|| file.to_owned())
}

/// The path's names with `/` between them on every system: it is part of the revision.
fn plain(path: &Path) -> String {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod opa_tests;
#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
