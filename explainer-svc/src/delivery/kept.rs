//! Policies on disk: the current ones and those before them, so that a start without the source has some.
//!
//! `<revision>.json` are bundles, `index.json` says which one is current. Each is written beside itself, synced and renamed, a
//! bundle before the index that names it: whenever the process ends, the index names whole files. What is read is compared with
//! the digest in the index. What is examined now, and what ended a process, is beside them (`attempts`).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Current;
use super::examine::{self, sha256};
use super::proof::{Proof, Requirement};
use super::settings::shown;

/// Revisions to go back to, the current one included.
const HISTORY: usize = 10;
const INDEX: &str = "index.json";
/// What is being written; what a crash leaves of it is removed at the next start.
const STAGED: &str = ".staged-";

/// Policies that were current once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Which.
    pub revision: String,
    /// When they became current.
    pub at: String,
    /// The kind of the source, or `rollback`.
    pub by: String,
    /// Where they came from.
    pub source: String,
    /// Of the bundle's bytes.
    pub sha256: String,
    /// By which keys it was verified.
    #[serde(default)]
    pub proof: Proof,
}

/// What is kept, as `index.json` says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    /// The newest first; each revision once.
    #[serde(default)]
    history: Vec<Taken>,
    /// Rolled back from: neither used at a start nor gone back to.
    #[serde(default)]
    avoided: Vec<String>,
    /// Those of them that the source has had only since: not taken from it. `None`: written by an earlier version, all of them.
    #[serde(default)]
    held: Option<Vec<String>>,
}

impl Kept {
    /// Earlier versions kept addresses whole.
    fn shown(mut self) -> Self {
        for taken in &mut self.history {
            if taken.source.contains("://") {
                taken.source = shown(&taken.source).to_owned();
            }
        }
        self
    }

    pub(super) fn history(&self) -> &[Taken] {
        &self.history
    }

    pub(super) fn avoided(&self) -> &[String] {
        &self.avoided
    }

    pub(super) fn is_avoided(&self, revision: &str) -> bool {
        self.avoided.iter().any(|avoided| avoided == revision)
    }

    /// Whether a rollback holds against what a source has.
    pub(super) fn is_held(&self, revision: &str) -> bool {
        self.held().iter().any(|held| held == revision)
    }

    fn held(&self) -> &[String] {
        self.held.as_deref().unwrap_or(&self.avoided)
    }

    pub(super) fn avoid(&mut self, revision: &str) {
        let mut held = self.held().to_vec();
        self.forgive(revision);
        self.avoided.insert(0, revision.to_owned());
        self.avoided.truncate(HISTORY);
        held.retain(|held| held != revision);
        held.insert(0, revision.to_owned());
        held.truncate(HISTORY);
        self.held = Some(held);
    }

    pub(super) fn forgive(&mut self, revision: &str) {
        let mut held = self.held().to_vec();
        held.retain(|held| held != revision);
        self.held = Some(held);
        self.avoided.retain(|avoided| avoided != revision);
    }

    /// The source has something else: should it go back to what it had, somebody wants that.
    pub(super) fn release(&mut self) {
        if !self.held().is_empty() {
            self.held = Some(Vec::new());
        }
    }

    /// Puts what is current now in front.
    pub(super) fn add(&mut self, taken: Taken) {
        self.history.retain(|other| other.revision != taken.revision);
        self.history.insert(0, taken);
        self.history.truncate(HISTORY);
    }

    /// The same policies came again, verified as it is asked for now.
    pub(super) fn prove(&mut self, revision: &str, proof: &Proof) {
        if let Some(taken) = self.history.iter_mut().find(|taken| taken.revision == revision) {
            taken.proof.clone_from(proof);
        }
    }

    /// Where to go back to.
    pub(super) fn target(
        &self,
        wanted: Option<&str>,
        current: Option<&str>,
        requirement: &Requirement,
    ) -> Result<Taken, String> {
        let known = || {
            let known: Vec<&str> = self.history.iter().map(|taken| taken.revision.as_str()).collect();
            if known.is_empty() {
                "nothing is kept".to_owned()
            } else {
                format!("kept are {}", known.join(", "))
            }
        };
        let is_before = |taken: &&Taken| {
            Some(taken.revision.as_str()) != current
                && !self.is_avoided(&taken.revision)
                && requirement.is_met(&taken.proof).is_ok()
        };
        let found = if let Some(wanted) = wanted {
            self.history.iter().find(|taken| taken.revision == wanted)
        } else {
            self.history.iter().find(is_before)
        };
        let found = found.cloned().ok_or_else(|| match wanted {
            Some(wanted) => format!("The revision {wanted} is not kept; {}.", known()),
            None => format!(
                "There is no revision before the current one that can be used; {}.",
                known()
            ),
        })?;
        match requirement.is_met(&found.proof) {
            Ok(()) => Ok(found),
            Err(reason) => Err(format!("The revision {} {reason}.", found.revision)),
        }
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is kept, and of it the newest that can be used. Nothing here keeps a server from starting.
    pub(super) fn open(&self, requirement: &Requirement) -> (Kept, Option<Current>) {
        let kept = match self.index() {
            Ok(Some(kept)) => kept,
            Ok(None) => return (Kept::default(), None),
            Err(error) => {
                tracing::error!(
                    event = "policies_unreadable", folder = %self.folder.display(), error,
                    "what was kept of policies cannot be read"
                );
                return (Kept::default(), None);
            }
        };
        self.sweep(&kept);
        let newest = self.newest(&kept, requirement);
        (kept, newest)
    }

    /// For somebody else than the server whose folder it is: nothing is removed, what it writes now may be among it.
    pub(super) fn look(&self) -> Result<Option<Current>, String> {
        let kept = self.index()?;
        Ok(kept.and_then(|kept| self.newest(&kept, &Requirement::default())))
    }

    fn newest(&self, kept: &Kept, requirement: &Requirement) -> Option<Current> {
        for taken in kept.history.iter().filter(|taken| !kept.is_avoided(&taken.revision)) {
            let verified = requirement.is_met(&taken.proof);
            let usable = verified.and_then(|()| self.read(taken)).and_then(|json| {
                examine::usable(&json).map_err(|reasons| reasons.join("; "))?;
                Ok(json)
            });
            match usable {
                Ok(json) => {
                    return Some(Current {
                        revision: taken.revision.clone(),
                        json,
                        since: taken.at.parse().unwrap_or(Timestamp::UNIX_EPOCH),
                        source: taken.source.clone(),
                    });
                }
                Err(error) => tracing::error!(
                    event = "policies_unreadable",
                    revision = taken.revision,
                    error,
                    "policies of before cannot be used; those before them are tried"
                ),
            }
        }
        None
    }

    fn index(&self) -> Result<Option<Kept>, String> {
        match fs::read(self.folder.join(INDEX)) {
            Ok(bytes) => {
                let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
                Ok(Some(kept.shown()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A bundle, whole or not at all.
    pub(super) fn read(&self, taken: &Taken) -> Result<Bytes, String> {
        let path = self.bundle(&taken.revision).ok_or("its revision is none")?;
        let bytes = fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        if sha256(&bytes) != taken.sha256 {
            return Err(format!(
                "{} is not what was written: its digest differs",
                path.display()
            ));
        }
        Ok(bytes.into())
    }

    /// Writes the newest bundle of `kept`, then what is kept, and removes what is kept no more.
    pub(super) fn write(&self, kept: &Kept, newest: &[u8]) -> Result<(), String> {
        let write = || -> io::Result<()> {
            self.prepare()?;
            if let Some(path) = kept.history.first().and_then(|taken| self.bundle(&taken.revision)) {
                self.place(&path, newest)?;
            }
            let index = serde_json::to_vec_pretty(kept).map_err(io::Error::other)?;
            self.place(&self.folder.join(INDEX), &index)
        };
        write().map_err(|error| format!("{}: {error}", self.folder.display()))?;
        self.sweep(kept);
        Ok(())
    }

    /// A file of this folder that is no bundle.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the folder.
    pub(super) fn prepare(&self) -> io::Result<()> {
        private_folder(&self.folder)
    }

    /// What was made in the folder, and what was removed from it, is on the disk when this returns.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Writes a file that is no bundle.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.prepare()?;
        self.place(&self.path(name), content)
    }

    /// Puts a file in its place, whole, and on the disk when this returns.
    fn place(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        // Two servers on one folder must not write into one file.
        let staged = self.folder.join(format!("{STAGED}{}-{name}", std::process::id()));
        let mut file = File::create(&staged)?;
        file.write_all(content)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&staged, path)?;
        self.sync()
    }

    /// Removes what nothing names. Whatever stays for an error costs space only.
    fn sweep(&self, kept: &Kept) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_kept = kept
                .history
                .iter()
                .any(|taken| name == format!("{}.json", taken.revision));
            let is_ours = name.starts_with(STAGED) || name.strip_suffix(".json").is_some_and(is_revision);
            if is_ours && !is_kept {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// A revision that leads elsewhere is none.
    fn bundle(&self, revision: &str) -> Option<PathBuf> {
        is_revision(revision).then(|| self.folder.join(format!("{revision}.json")))
    }
}

fn is_revision(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Policies may hold names that are nobody else's business.
fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
