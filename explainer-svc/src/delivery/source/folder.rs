//! Files and folders, looked at again and again.
//!
//! Polled, not watched: in a mounted `ConfigMap` Kubernetes replaces the link `..data`, which is neither a file that policies are read
//! from nor below a path that a watch would have been set on; and network file systems tell no watcher anything.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::Settings;
use super::super::attempts::{Attempt, Attempts};
use super::super::examine::Material;
use super::{Checked, refused};
use crate::deep::deep;
use crate::sources::{self, Options};

/// Somebody may be copying; what moves is looked at again.
const SETTLING: Duration = Duration::from_millis(200);
/// Then it is read as it is.
const LOOKS: usize = 5;
/// Bounds as those of reading.
const DEPTH: usize = 32;
const ENTRIES: usize = 20_000;
const LARGEST: u64 = 32 << 20;

/// The state of all files in a few bytes.
type Fingerprint = [u8; 32];

#[derive(Debug)]
pub(super) struct Folder {
    paths: Vec<PathBuf>,
    options: Options,
    attempts: Attempts,
    origin: String,
    seen: Option<Fingerprint>,
}

impl Folder {
    pub(super) fn new(paths: Vec<PathBuf>, settings: &Settings, attempts: Attempts) -> Self {
        Self {
            paths,
            options: settings.options.clone(),
            attempts,
            origin: settings.location.to_string(),
            seen: None,
        }
    }

    pub(super) async fn check(&mut self) -> Checked {
        let (paths, options, seen) = (self.paths.clone(), self.options.clone(), self.seen);
        // The state of the files alone is no work.
        match tokio::task::spawn_blocking(move || fingerprint(&paths)).await {
            Ok(Ok(print)) if Some(print) == seen => return Checked::Unchanged,
            _ => {}
        }
        let (paths, attempts, origin) = (self.paths.clone(), self.attempts.clone(), self.origin.clone());
        let looked = deep(move || look(&paths, &options, seen, &|sha256| begin(&attempts, sha256, &origin))).await;
        match looked {
            Ok((seen, checked)) => {
                self.seen = seen;
                checked
            }
            Err(error) => Checked::Failed(format!("reading failed: {error}")),
        }
    }
}

/// Before the first of the bytes is looked into.
fn begin(attempts: &Attempts, sha256: String, origin: &str) -> Result<Attempt, Vec<String>> {
    match attempts.ended(&sha256) {
        Some(ended) => Err(vec![ended.reason()]),
        None => Ok(attempts.begin(sha256, origin)),
    }
}

fn look(
    paths: &[PathBuf],
    options: &Options,
    seen: Option<Fingerprint>,
    begin: &dyn Fn(String) -> Result<Attempt, Vec<String>>,
) -> (Option<Fingerprint>, Checked) {
    let mut print = match fingerprint(paths) {
        Ok(print) if Some(print) == seen => return (seen, Checked::Unchanged),
        Ok(print) => print,
        Err(reason) => return (None, Checked::Failed(reason)),
    };
    for _ in 0..LOOKS {
        // What was there when the server began is there already.
        if seen.is_some() {
            std::thread::sleep(SETTLING);
        }
        let attempt = match walked(paths, Of::Content) {
            Ok(digest) => begin(HEXLOWER.encode(&digest)),
            Err(reason) => return (None, Checked::Failed(reason)),
        };
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(reasons) => return (Some(print), Checked::Refused(reasons)),
        };
        let read = sources::read(paths, options);
        match fingerprint(paths) {
            Ok(after) if after == print => {
                let checked = match read {
                    Ok(sources) => Checked::Changed(Material::Files(Box::new(sources), paths.to_vec(), attempt)),
                    Err(problems) => refused(&problems, paths),
                };
                return (Some(print), checked);
            }
            Ok(after) => print = after,
            Err(reason) => return (None, Checked::Failed(reason)),
        }
    }
    let reason = "the files change faster than they can be read".to_owned();
    (None, Checked::Failed(reason))
}

/// Names, and of what they lead to the place on disk, the size and the times. A change within the same tick of the clock and of the
/// same size would be missed, were it not that a write also changes `ctime`, and a swapped link the inode.
fn fingerprint(paths: &[PathBuf]) -> Result<Fingerprint, String> {
    walked(paths, Of::State)
}

/// What a digest of files is made of, beside their names.
#[derive(Clone, Copy)]
enum Of {
    /// Their place, size and times.
    State,
    /// Their bytes: the same after a copy, too.
    Content,
}

fn walked(paths: &[PathBuf], of: Of) -> Result<Fingerprint, String> {
    let mut digest = Sha256::new();
    let mut left = ENTRIES;
    for path in paths {
        entry(&mut digest, of, path, path, 0, &mut left)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    }
    Ok(digest.finalize().into())
}

fn entry(digest: &mut Sha256, of: Of, root: &Path, path: &Path, depth: usize, left: &mut usize) -> io::Result<()> {
    *left = left
        .checked_sub(1)
        .ok_or_else(|| io::Error::other("it holds too many files"))?;
    let data = match fs::metadata(path) {
        Ok(data) => data,
        // A link that leads nowhere is for the reader to complain about.
        Err(error) if path != root => {
            digest.update(error.to_string());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    digest.update(path.as_os_str().as_encoded_bytes());
    match of {
        Of::State => state(digest, &data),
        Of::Content if data.is_file() => {
            let mut content = Vec::new();
            // No policy is larger, and what is does not get read.
            let read = fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut content));
            // That it cannot be read is for the reader to complain about, too.
            digest.update(read.map_or_else(|error| error.to_string(), |size| size.to_string()));
            digest.update(&content);
        }
        Of::Content => {}
    }
    // Links to folders are not followed by the reader either.
    let is_folder = if path == root {
        data.is_dir()
    } else {
        fs::symlink_metadata(path)?.is_dir()
    };
    if !is_folder || depth > DEPTH {
        return Ok(());
    }
    let mut below: Vec<PathBuf> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    below.sort();
    for path in below {
        let name = path
            .file_name()
            .map(|name| name.as_encoded_bytes().to_vec())
            .unwrap_or_default();
        let is_bundles = [&b".manifest"[..], b".signatures.json"].contains(&name.as_slice());
        if !name.starts_with(b".") || is_bundles {
            entry(digest, of, root, &path, depth + 1, left)?;
        }
    }
    Ok(())
}

fn state(digest: &mut Sha256, data: &fs::Metadata) {
    let numbers = [
        i64::from(data.is_dir()),
        data.dev().cast_signed(),
        data.ino().cast_signed(),
        data.size().cast_signed(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec(),
    ];
    for number in numbers {
        digest.update(number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    #[test]
    fn a_config_map_that_is_swapped_is_seen() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "package a"), ("..2", "package b")] {
            write(&at(version), "a.rego", text);
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.rego", at("a.rego")).unwrap();
        let paths = [folder.path().to_owned()];
        let before = fingerprint(&paths).unwrap();
        assert_eq!(fingerprint(&paths).unwrap(), before);
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_ne!(fingerprint(&paths).unwrap(), before);
    }

    #[test]
    fn a_link_to_another_release_is_seen() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for release in ["one", "two"] {
            write(&at(release), "a.rego", "package a");
        }
        symlink("one", at("current")).unwrap();
        let paths = [at("current")];
        let before = fingerprint(&paths).unwrap();
        symlink("two", at("next")).unwrap();
        fs::rename(at("next"), at("current")).unwrap();
        assert_ne!(fingerprint(&paths).unwrap(), before);
    }

    #[test]
    fn a_file_that_is_changed_in_place_to_the_same_size_is_seen() {
        let folder = TempDir::new().unwrap();
        write(folder.path(), "a.rego", "package a");
        let paths = [folder.path().to_owned()];
        let before = fingerprint(&paths).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        write(folder.path(), "a.rego", "package b");
        assert_ne!(fingerprint(&paths).unwrap(), before);
    }

    #[test]
    fn a_path_that_is_gone_is_an_error_and_not_an_empty_set() {
        let folder = TempDir::new().unwrap();
        let (_, checked) = look(&[folder.path().join("gone")], &Options::default(), None, &|_| {
            Err(vec!["nothing is begun".to_owned()])
        });
        assert!(
            matches!(&checked, Checked::Failed(reason) if reason.contains("gone")),
            "{checked:?}"
        );
    }
}
