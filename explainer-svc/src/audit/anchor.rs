//! Files beside the database: written whole, and on the disk when that is said.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Error, PublicKey, SignedCheckpoint};

/// Replaces a file; after a crash there is the old content or the new one.
pub fn write_durably(path: &Path, content: &[u8]) -> Result<(), Error> {
    let staged = beside(path, ".new");
    let write = || {
        let mut file = std::fs::File::create(&staged)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&staged, path)?;
        sync_folder(path)
    };
    write().map_err(|source| Error::file(path, source))
}

/// Makes the names in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// `path` with something after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

/// The checkpoint in a file; none when there is no file.
pub(super) fn read(path: &Path, key: &PublicKey) -> Result<Option<SignedCheckpoint>, Error> {
    match std::fs::read(path) {
        Ok(note) => Ok(Some(SignedCheckpoint::open(&note, key)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::file(path, source)),
    }
}
