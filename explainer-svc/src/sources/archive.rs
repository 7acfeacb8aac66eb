//! A `.tar.gz` into files in memory. Nothing is written to disk, and nothing is believed: sizes are counted as they
//! come out.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Read};

use engine::policy::Problem;
use flate2::read::MultiGzDecoder;

use super::limits::{Limits, size};

/// The first bytes of what gzip writes.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file, before anybody looked into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The path with `/` between its parts, without `/` or `./` at the beginning.
    pub(super) name: String,
    /// The path as it was written; patterns of a manifest mean this one.
    pub(super) written: String,
    pub(super) bytes: Vec<u8>,
}

/// Unpacks an archive. The problems name files of the archive, or nothing when they concern all of it.
pub(super) fn unpack(compressed: impl Read, limits: &Limits) -> Result<Vec<Entry>, Vec<Problem>> {
    let over_compressed = Cell::new(false);
    let over_unpacked = Cell::new(false);
    let compressed = Bounded::new(compressed, limits.compressed, &over_compressed);
    let unpacked = Bounded::new(MultiGzDecoder::new(compressed), limits.unpacked, &over_unpacked);

    let mut problems = Vec::new();
    let mut entries = Vec::new();
    if let Err(error) = collect(unpacked, limits, &mut entries, &mut problems) {
        let message = if over_compressed.get() {
            format!("is larger than {}, the limit for an archive", size(limits.compressed))
        } else if over_unpacked.get() {
            format!(
                "unpacks to more than {}, the limit for its content",
                size(limits.unpacked)
            )
        } else {
            format!("cannot be unpacked: {error}; expected a tar archive that gzip compressed, as `opa build` writes")
        };
        problems.push(Problem::at("", 0, message));
    }
    if problems.is_empty() {
        Ok(entries)
    } else {
        Err(problems)
    }
}

fn collect(
    unpacked: impl Read,
    limits: &Limits,
    entries: &mut Vec<Entry>,
    problems: &mut Vec<Problem>,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(unpacked);
    let mut names = BTreeSet::new();
    for (count, entry) in archive.entries()?.enumerate() {
        if count >= limits.files {
            let message = format!("holds more than {} files and folders, the limit", limits.files);
            problems.push(Problem::at("", 0, message));
            return Ok(());
        }
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        // Comments on the whole archive, as `git archive` writes them.
        if kind.is_pax_global_extensions() {
            continue;
        }
        let written = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = match normal(&written, limits) {
            Ok(name) => name,
            Err(reason) => {
                problems.push(Problem::at(&printable(&written), 0, reason));
                continue;
            }
        };
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() && !kind.is_contiguous() {
            let reason = "is a link or a device; an archive of policies holds files and folders only";
            problems.push(Problem::at(&name, 0, reason));
            continue;
        }
        if name.is_empty() {
            problems.push(Problem::at("", 0, "holds a file without a name"));
            continue;
        }
        if !names.insert(name.clone()) {
            problems.push(Problem::at(&name, 0, "is in the archive twice"));
            continue;
        }
        if let Some(bytes) = read(&mut entry, limits.file)? {
            entries.push(Entry { name, written, bytes });
        } else {
            let message = format!("is larger than {}, the limit for a file", size(limits.file));
            problems.push(Problem::at(&name, 0, message));
        }
    }
    Ok(())
}

/// All of it, or nothing when it is larger than `limit`.
pub(super) fn read(from: &mut impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((u64::try_from(bytes.len()).unwrap_or(u64::MAX) <= limit).then_some(bytes))
}

/// The path below the archive's root. OPA writes `/` in front of each; it means nothing more than that root.
fn normal(written: &str, limits: &Limits) -> Result<String, String> {
    if written.len() > limits.path {
        return Err(format!("its path is longer than {} bytes, the limit", limits.path));
    }
    if written.contains(|c: char| c == '\\' || c == char::REPLACEMENT_CHARACTER || c.is_control()) {
        return Err("its path holds a backslash, a control character or something that is not UTF-8".to_owned());
    }
    let parts: Vec<&str> = written
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return Err("its path leads out of the archive".to_owned());
    }
    if parts.len() > limits.depth {
        return Err(format!("its path is deeper than {} folders, the limit", limits.depth));
    }
    Ok(parts.join("/"))
}

/// The beginning of a path that somebody may have made to confuse a terminal.
fn printable(path: &str) -> String {
    path.chars()
        .take(120)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Fails as soon as more is read than the limit, and says that it was this.
struct Bounded<'a, R> {
    inner: R,
    left: u64,
    over: &'a Cell<bool>,
}

impl<'a, R> Bounded<'a, R> {
    fn new(inner: R, limit: u64, over: &'a Cell<bool>) -> Self {
        Self {
            inner,
            left: limit,
            over,
        }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(left) = self.left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX)) {
            self.left = left;
            Ok(count)
        } else {
            self.over.set(true);
            Err(io::Error::other("too large"))
        }
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
