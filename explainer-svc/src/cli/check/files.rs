//! The files that are checked: folders, single files, and standard input, which is kept for as long as it is needed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::Failed;
use super::yaml::Chunks;

/// More on standard input is no set of manifests.
const MAX_INPUT: u64 = 512 << 20;

/// One file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// As it is printed: `-` for standard input.
    pub(super) name: Arc<str>,
    /// It was found in a folder, and not named.
    pub(super) is_found: bool,
    from: From,
}

#[derive(Debug, Clone)]
enum From {
    File(PathBuf),
    Input(Arc<[u8]>),
}

impl Source {
    /// Its documents, read one after the other.
    pub(super) fn chunks(&self) -> io::Result<Chunks<Box<dyn BufRead>>> {
        Ok(Chunks::new(match &self.from {
            From::File(path) => Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)),
            From::Input(bytes) => Box::new(io::Cursor::new(Arc::clone(bytes))),
        }))
    }

    /// Whether one thread is done with it before a second one has begun.
    pub(super) fn is_small(&self) -> bool {
        const SMALL: u64 = 256 << 10;
        match &self.from {
            From::File(path) => std::fs::metadata(path).is_ok_and(|about| about.len() < SMALL),
            From::Input(bytes) => (bytes.len() as u64) < SMALL,
        }
    }

    /// Whether nothing at all is in it.
    pub(super) fn is_empty(&self) -> bool {
        match &self.from {
            From::File(path) => std::fs::metadata(path).is_ok_and(|about| about.len() == 0),
            From::Input(bytes) => bytes.is_empty(),
        }
    }

    /// The file to write to; none for standard input.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.from {
            From::File(path) => Some(path),
            From::Input(_) => None,
        }
    }
}

/// Every file that is named, and those in the folders that are.
pub(super) fn sources(named: &[PathBuf]) -> Result<Vec<Source>, Failed> {
    let mut sources = Vec::new();
    for path in named {
        if path == Path::new("-") {
            if sources.iter().any(|source: &Source| source.path().is_none()) {
                return Err(Failed::Usage("-f - is named twice".to_owned()));
            }
            sources.push(input()?);
        } else if path.is_dir() {
            let before = sources.len();
            folder(path, &mut sources)
                .map_err(|error| Failed::Usage(format!("{} cannot be read: {error}", path.display())))?;
            if sources.len() == before {
                let text = format!(
                    "{} has no manifests: expected files that end in .yaml, .yml or .json in it or below, not hidden",
                    path.display()
                );
                return Err(Failed::Usage(text));
            }
        } else if path.exists() {
            sources.push(file(path.clone(), false));
        } else {
            let text = format!(
                "{} does not exist; name a file, a folder, or - for standard input",
                path.display()
            );
            return Err(Failed::Usage(text));
        }
    }
    Ok(sources)
}

fn file(path: PathBuf, is_found: bool) -> Source {
    Source {
        name: path.display().to_string().into(),
        is_found,
        from: From::File(path),
    }
}

fn input() -> Result<Source, Failed> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        let text = format!("standard input is larger than {} MiB, the limit", MAX_INPUT >> 20);
        return Err(Failed::Usage(text));
    }
    Ok(Source {
        name: "-".into(),
        is_found: false,
        from: From::Input(bytes.into()),
    })
}

/// As kubectl does, files that end in .yaml, .yml and .json; folders below too, without hidden ones and links to folders.
fn folder(path: &Path, sources: &mut Vec<Source>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let (own, kind) = (entry.path(), entry.file_type()?);
        let is_wanted = own
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
        if kind.is_dir() {
            folder(&own, sources)?;
        } else if is_wanted && own.is_file() {
            sources.push(file(own, true));
        }
    }
    Ok(())
}
