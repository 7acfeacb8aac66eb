//! Keys, from files or the environment. They are read when they are needed, because files are replaced; nothing prints
//! them.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;
/// Bytes of a file with a key.
const LONGEST: u64 = 16 << 10;

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A key. Neither its `Debug` nor anything else shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Source {
    /// The key.
    ///
    /// # Errors
    /// It is not there, or is none. The error has where, never what.
    pub fn read(&self) -> Result<Secret, String> {
        let text = match self {
            Self::File(path) => {
                let wrong = |error: std::io::Error| format!("{self} cannot be read: {error}");
                if std::fs::metadata(path).map_err(wrong)?.len() > LONGEST {
                    return Err(format!("{self} is no key: it is too long"));
                }
                std::fs::read_to_string(path).map_err(wrong)?
            }
            Self::Env(name) => std::env::var(name).map_err(|_| format!("{self} is not set"))?,
        };
        let key = text.trim();
        if key.is_empty() || key.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(format!("{self} holds no key: expected one word"));
        }
        Ok(Secret(key.to_owned()))
    }
}

impl Secret {
    /// For the one place that sends it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is long enough to stand for somebody.
    pub(super) fn is_long(&self) -> bool {
        self.0.len() >= SHORTEST
    }

    /// Its SHA-256, under which agents are found.
    pub(super) fn digest(&self) -> Digested {
        Digested::of(&self.0)
    }
}

/// The SHA-256 of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digested([u8; 32]);

impl Digested {
    /// Of what somebody sent.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Takes the same time whatever is different.
    pub fn is(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }

    /// Names a key in events, without a way back to it.
    pub fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(self.0.get(..6).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_each_time_and_never_shown() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("key");
        let source = Source::File(path.clone());
        assert!(source.read().unwrap_err().contains("cannot be read"));
        for wrong in ["", " \n", "two words", "a\u{202e}b"] {
            std::fs::write(&path, wrong).unwrap();
            let problem = source.read().unwrap_err();
            assert!(
                problem.contains("holds no key") && !problem.contains("words"),
                "{problem}"
            );
        }
        std::fs::write(&path, "sk-first-key-of-all\n").unwrap();
        let first = source.read().unwrap();
        assert_eq!(first.reveal(), "sk-first-key-of-all");
        assert_eq!(format!("{first:?} {source:?}").matches("sk-first").count(), 0);
        std::fs::write(&path, "sk-second-key").unwrap();
        assert_eq!(source.read().unwrap().reveal(), "sk-second-key");
        assert!(first.is_long() && !source.read().unwrap().is_long());
        assert!(Digested::of("a").is(&Digested::of("a")) && !Digested::of("a").is(&Digested::of("b")));
    }
}
