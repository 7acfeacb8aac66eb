//! The files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use engine::policy::Problem;

use super::Note;
use super::archive::{self, Entry};
use super::limits::{Limits, size};
use super::manifest::Manifest;
use super::signature;

/// What was found below a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Sorted by name.
    pub(super) entries: Vec<Entry>,
    pub(super) notes: Vec<Note>,
}

/// Reads every file below a folder that may be of a policy set.
///
/// Hidden files and folders are passed over: they are not part of a library, and Kubernetes keeps every file of a
/// mounted `ConfigMap` a second time in `..data`. Links to files are followed within the folder, links to
/// folders are not.
pub(super) fn walk(root: &Path, limits: &Limits) -> Result<Found, Vec<Problem>> {
    let real = fs::canonicalize(root).map_err(|error| vec![Problem::at("", 0, format!("cannot be read: {error}"))])?;
    let mut walk = Walk {
        real,
        limits,
        left: limits.unpacked,
        files: 0,
        found: Found::default(),
        problems: Vec::new(),
    };
    walk.folder(root, "", 0);
    walk.found.entries.sort_by(|a, b| a.name.cmp(&b.name));
    if walk.problems.is_empty() {
        Ok(walk.found)
    } else {
        Err(walk.problems)
    }
}

struct Walk<'a> {
    real: PathBuf,
    limits: &'a Limits,
    left: u64,
    files: usize,
    found: Found,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(Problem::at(name, 0, message));
    }

    fn folder(&mut self, folder: &Path, name: &str, depth: usize) {
        if depth > self.limits.depth {
            return self.problem(name, format!("is deeper than {} folders, the limit", self.limits.depth));
        }
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.problem(name, format!("cannot be read: {error}")),
        };
        for entry in entries {
            let own = entry.file_name();
            let own = own.to_string_lossy();
            let below = if name.is_empty() {
                own.clone().into_owned()
            } else {
                format!("{name}/{own}")
            };
            let marks_bundle =
                depth == 0 && [Manifest::FILE, Manifest::PROTOBUF, signature::FILE].contains(&own.as_ref());
            if own.starts_with('.') && !marks_bundle {
                continue;
            }
            let path = entry.path();
            match entry.file_type() {
                Err(error) => self.problem(&below, format!("cannot be read: {error}")),
                Ok(kind) if kind.is_dir() => self.folder(&path, &below, depth + 1),
                Ok(kind) if kind.is_symlink() => self.link(&path, &below, marks_bundle),
                Ok(kind) if marks_bundle || is_wanted(&own) => self.regular(&path, below, kind.is_file()),
                Ok(_) => {}
            }
        }
    }

    fn link(&mut self, path: &Path, name: &str, marks_bundle: bool) {
        let wanted = marks_bundle || is_wanted(name);
        match fs::canonicalize(path) {
            Ok(target) if target.is_dir() => {
                let message = "is a link to a folder and was passed over; name that folder too if its files are wanted";
                self.found.notes.push(Note {
                    file: name.to_owned(),
                    message: message.to_owned(),
                });
            }
            _ if !wanted => {}
            Ok(target) if target.starts_with(&self.real) => self.regular(&target, name.to_owned(), target.is_file()),
            Ok(target) => {
                let target = target.display();
                let message =
                    format!("is a link that leads out of the folder, to {target}; copy the file, or name it too");
                self.problem(name, message);
            }
            Err(error) => self.problem(name, format!("is a link that leads nowhere: {error}")),
        }
    }

    /// A pipe may keep its reader waiting, and a device has no end.
    fn regular(&mut self, path: &Path, name: String, is_file: bool) {
        if is_file {
            self.file(path, name);
        } else {
            self.problem(&name, "is a pipe or a device; expected a file");
        }
    }

    fn file(&mut self, path: &Path, name: String) {
        self.files += 1;
        if self.files > self.limits.files {
            if self.files == self.limits.files + 1 {
                self.problem("", format!("holds more than {} files, the limit", self.limits.files));
            }
            return;
        }
        match read(path, self.limits.file.min(self.left)) {
            Ok(bytes) => {
                self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                self.found.entries.push(Entry {
                    written: name.clone(),
                    name,
                    bytes,
                });
            }
            Err(_) if self.left < self.limits.file => {
                self.left = 0;
                self.problem("", format!("holds more than {}, the limit", size(self.limits.unpacked)));
                self.files = self.limits.files.saturating_add(1);
            }
            Err(reason) => self.problem(&name, reason),
        }
    }
}

/// A file of at most this size.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut file = fs::File::open(path).map_err(unreadable)?;
    match archive::read(&mut file, limit).map_err(unreadable)? {
        Some(bytes) => Ok(bytes),
        None => Err(format!("is larger than {}, the limit for a file", size(limit))),
    }
}

/// By the end of the name.
fn is_wanted(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("rego" | "yaml" | "yml" | "json" | "wasm"))
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
