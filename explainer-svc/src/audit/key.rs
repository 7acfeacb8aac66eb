//! The log's key: a file that only its owner can read, and the public key that others check with.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use signed_note::{StandardSigner, StandardVerifier};

use super::anchor::{beside, sync_folder, write_durably};
use super::{Cosigner, Error};

/// Ed25519, in the encoding of keys for signed notes.
const ED25519: u8 = 1;

/// A private key with its name: `PRIVATE+KEY+NAME+ID+KEY`, as Go's `note` writes it.
#[derive(Clone)]
pub struct Key {
    name: String,
    seed: [u8; 32],
    signer: StandardSigner,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}, not shown)", self.name)
    }
}

impl Key {
    /// A new key.
    pub fn generate(name: &str) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Self::of_seed(name, seed)
    }

    fn of_seed(name: &str, seed: [u8; 32]) -> Result<Self, Error> {
        if !signed_note::is_key_name_valid(name) {
            return Err(Error::Note(format!(
                "`{name}` cannot be the name of a key: it must have no spaces and no +"
            )));
        }
        let signer = StandardSigner::new(&encoded(name, &seed)?)
            .map_err(|error| Error::Note(format!("the key is not usable: {error}")))?;
        Ok(Self {
            name: name.to_owned(),
            seed,
            signer,
        })
    }

    /// Reads a key from a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?;
        // The text is a secret: no part of it is in an error.
        let wrong = || Error::Note(format!("{} is no key that `whynot audit key` has made", path.display()));
        let mut parts = text.trim().splitn(5, '+');
        let name = parts.nth(2).ok_or_else(wrong)?;
        let key = BASE64
            .decode(parts.nth(1).ok_or_else(wrong)?.as_bytes())
            .map_err(|_| wrong())?;
        let Some((&ED25519, seed)) = key.split_first() else {
            return Err(wrong());
        };
        let key = Self::of_seed(name, seed.try_into().map_err(|_| wrong())?)?;
        (encoded(name, &key.seed)? == text.trim())
            .then_some(key)
            .ok_or_else(wrong)
    }

    /// Writes the key to a new file that only its owner can read.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = format!("{}\n", encoded(&self.name, &self.seed)?);
        let staged = beside(path, ".new");
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&staged)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // Whole or not at all, and never in place of another key, as a rename would be.
            std::fs::hard_link(&staged, path)?;
            sync_folder(path)
        };
        let written = write();
        let _ = std::fs::remove_file(&staged);
        written.map_err(|source| Error::file(path, source))
    }

    /// The same for a log, with a note beside the file that the key has signed nothing yet.
    pub fn make(&self, path: &Path) -> Result<(), Error> {
        if path.exists() {
            return Err(Error::file(path, std::io::ErrorKind::AlreadyExists.into()));
        }
        // First: a key without it begins no log. It names its key, so it is of no use to another one.
        write_durably(&unused(path), format!("{}\n", self.public().text()).as_bytes())?;
        self.write(path)
    }

    /// Whether the key was made, and no log began with it.
    pub(super) fn is_unused(&self, path: &Path) -> bool {
        std::fs::read_to_string(unused(path)).is_ok_and(|public| public.trim() == self.public().text())
    }

    /// Takes that note away.
    pub(super) fn forget_unused(path: &Path) -> Result<(), Error> {
        let unused = unused(path);
        match std::fs::remove_file(&unused) {
            Ok(()) => sync_folder(&unused).map_err(|source| Error::file(&unused, source)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(Error::file(&unused, source)),
        }
    }

    /// The name of the log or the witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others check a log's checkpoints with.
    pub fn public(&self) -> PublicKey {
        PublicKey {
            name: self.name.clone(),
            text: self.pair().map_or_else(
                |_| String::new(),
                |pair| verifier(&self.name, pair.public_key().as_ref()),
            ),
        }
    }

    /// What others check a witness's cosignatures with.
    pub fn cosigner(&self) -> Result<Cosigner, Error> {
        Ok(Cosigner::new(&self.name, self.pair()?.public_key().as_ref()))
    }

    pub(super) fn signer(&self) -> &StandardSigner {
        &self.signer
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.pair()?.sign(message).as_ref().to_vec())
    }

    pub(super) fn pair(&self) -> Result<Ed25519KeyPair, Error> {
        pair(&self.seed)
    }
}

fn unused(path: &Path) -> PathBuf {
    beside(path, ".unused")
}

fn pair(seed: &[u8; 32]) -> Result<Ed25519KeyPair, Error> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::Note("the key is not usable".to_owned()))
}

fn encoded(name: &str, seed: &[u8; 32]) -> Result<String, Error> {
    let public = with_algorithm(pair(seed)?.public_key().as_ref());
    let id = signed_note::key_id(name, &public);
    Ok(format!(
        "PRIVATE+KEY+{name}+{id:08x}+{}",
        BASE64.encode(&with_algorithm(seed))
    ))
}

fn verifier(name: &str, public: &[u8]) -> String {
    let public = with_algorithm(public);
    format!(
        "{name}+{:08x}+{}",
        signed_note::key_id(name, &public),
        BASE64.encode(&public)
    )
}

fn with_algorithm(key: &[u8]) -> Vec<u8> {
    let mut encoded = vec![ED25519];
    encoded.extend(key);
    encoded
}

/// The public key of a log: `NAME+ID+KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    text: String,
}

impl PublicKey {
    /// Reads `NAME+ID+KEY`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let expected = "expected the public key of a log, NAME+ID+KEY, as `whynot audit key` prints it";
        StandardVerifier::new(text).map_err(|error| format!("{expected}: {error}"))?;
        let (name, _) = text.split_once('+').ok_or(expected)?;
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
        })
    }

    /// The name of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself. `parse` has seen that it is there.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let encoded = self.text.splitn(3, '+').nth(2).unwrap_or_default();
        let mut key = BASE64.decode(encoded.as_bytes()).unwrap_or_default();
        key.drain(..key.len().min(1));
        key
    }

    /// The key as text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_kept_in_a_private_file_and_shown_nowhere() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("audit.key");
        let key = Key::generate("example.com").unwrap();
        key.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(key.write(&path).is_err(), "a key is never written over");
        let read = Key::read(&path).unwrap();
        assert_eq!(read.public(), key.public());
        assert_eq!(PublicKey::parse(key.public().text()).unwrap(), key.public());
        let text = std::fs::read_to_string(&path).unwrap();
        // Base64 has pluses of its own.
        let secret = text.trim().splitn(5, '+').nth(4).unwrap();
        assert!(secret.len() > 40, "{}", secret.len());
        assert!(!format!("{key:?}").contains(secret) && !key.public().text().contains(secret));

        for wrong in ["", "PRIVATE+KEY+a", &text.replacen("example.com", "example.org", 1)] {
            std::fs::write(&path, wrong).unwrap();
            let error = Key::read(&path).unwrap_err().to_string();
            assert!(error.contains("audit.key") && !error.contains(secret), "{error}");
        }
    }

    #[test]
    fn names_must_fit_into_a_note() {
        for name in ["", "a b", "a+b", "a\nb"] {
            assert!(Key::generate(name).is_err(), "{name}");
        }
    }
}
