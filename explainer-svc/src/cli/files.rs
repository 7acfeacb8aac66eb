//! Reading and writing the files that a command names.

use std::path::Path;

use anyhow::Context as _;
use engine::context::Context;

use super::{Failed, Streams};

/// Reads a text file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String, Failed> {
    Ok(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
}

/// Reads a context, in YAML or JSON.
pub(crate) fn context(path: &Path) -> Result<Context, Failed> {
    let read = serde_saphyr::from_str(&read(path)?);
    Ok(read.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?)
}

/// Writes `content` to a file, whole or not at all, or to standard output when the path is `-`.
pub(crate) fn write(path: &Path, content: &[u8], streams: &mut Streams<'_>) -> Result<(), Failed> {
    if path == Path::new("-") {
        streams.out.write_all(content)?;
        return Ok(());
    }
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(".new");
    let staged = path.with_file_name(name);
    std::fs::write(&staged, content)
        .and_then(|()| std::fs::rename(&staged, path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
