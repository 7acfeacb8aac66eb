//! Who may ask for words: a file with a token for each client, read again when it changes.
//!
//! ```text
//! # comment
//! envoy     6d1f…                       a token as it is sent
//! kyverno   sha256:9f86d081884c7d65…    or its SHA-256, so that the file gives no token away
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// What can be guessed is no secret.
const SHORTEST: usize = 16;
/// Before the hash of a token.
const HASHED: &str = "sha256:";
/// More clients than this are a file that is something else.
const MAX_CLIENTS: usize = 1000;

/// The clients of a file that may be replaced.
#[derive(Clone)]
pub struct Clients(Arc<Inner>);

struct Inner {
    path: PathBuf,
    known: Mutex<Option<(Stamp, Arc<[Client]>)>>,
}

/// What tells that a file is another one.
type Stamp = (u64, u64, u64, i64, i64);

struct Client {
    name: String,
    /// SHA-256 of its token.
    hash: [u8; 32],
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clients({})", self.0.path.display())
    }
}

impl Clients {
    /// The clients of a file.
    ///
    /// # Errors
    /// It cannot be read, or has a line that is none; which one is told without what is in it.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let clients = Self(Arc::new(Inner {
            path,
            known: Mutex::new(None),
        }));
        clients.current()?;
        Ok(clients)
    }

    /// The name of the client whose token this is. How long this takes tells nothing about any token.
    ///
    /// # Errors
    /// The file cannot be used any more. Then nobody is known: who was taken out of it must not stay.
    pub fn named(&self, token: &str) -> Result<Option<String>, String> {
        let clients = self.current()?;
        let given = Sha256::digest(token);
        let mut place = u32::MAX;
        for (index, client) in (0_u32..).zip(clients.iter()) {
            let is_this: Choice = given.as_slice().ct_eq(&client.hash);
            place.conditional_assign(&index, is_this);
        }
        let found = usize::try_from(place).ok().and_then(|place| clients.get(place));
        Ok(found.map(|client| client.name.clone()))
    }

    fn current(&self) -> Result<Arc<[Client]>, String> {
        let Inner { path, known } = &*self.0;
        let wrong = |reason: String| format!("the file of tokens {} {reason}", path.display());
        let stamp = std::fs::metadata(path).map(|metadata| stamp(&metadata));
        let stamp = stamp.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        // What is behind it is replaced as a whole.
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, clients)) = known.as_ref().filter(|(of, _)| *of == stamp) {
            return Ok(Arc::clone(clients));
        }
        *known = None;
        let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let clients: Arc<[Client]> = parse(&text).map_err(wrong)?.into();
        *known = Some((stamp, Arc::clone(&clients)));
        Ok(clients)
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

fn parse(text: &str) -> Result<Vec<Client>, String> {
    let mut clients = Vec::new();
    let mut names = BTreeSet::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let client = client(line).map_err(|reason| format!("is wrong in line {number}: {reason}"))?;
        if !names.insert(client.name.clone()) {
            return Err(format!("is wrong in line {number}: {} is there twice", client.name));
        }
        clients.push(client);
    }
    match clients.len() {
        0 => Err("names no client; expected lines of NAME TOKEN".to_owned()),
        1..=MAX_CLIENTS => Ok(clients),
        _ => Err(format!("names more than {MAX_CLIENTS} clients")),
    }
}

/// Reasons show nothing of the line: it may be a token.
fn client(line: &str) -> Result<Client, String> {
    let expected = || format!("expected NAME TOKEN, or NAME {HASHED}HEX");
    let (name, token) = line.split_once(char::is_whitespace).ok_or_else(expected)?;
    let token = token.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() > 63 || !name.chars().all(is_plain) || token.contains(char::is_whitespace) {
        return Err(expected());
    }
    let hash = if let Some(hex) = token.strip_prefix(HASHED) {
        let hash = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok();
        hash.and_then(|hash| hash.try_into().ok())
            .ok_or_else(|| format!("after {HASHED} there have to be 64 hexadecimal digits"))?
    } else if token.len() < SHORTEST {
        return Err(format!(
            "the token has less than {SHORTEST} letters; make one with: openssl rand -hex 32"
        ));
    } else {
        Sha256::digest(token).into()
    };
    Ok(Client {
        name: name.to_owned(),
        hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    fn hashed(token: &str) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(token))
    }

    #[test]
    fn clients_are_told_apart_and_the_file_is_read_again() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("tokens");
        let text = format!("# who\n\nenvoy {ONE}\n  gate\tsha256:{}  \n", hashed(OTHER));
        std::fs::write(&path, text).unwrap();
        let clients = Clients::open(path.clone()).unwrap();
        assert_eq!(clients.named(ONE), Ok(Some("envoy".to_owned())));
        assert_eq!(clients.named(OTHER), Ok(Some("gate".to_owned())));
        for wrong in ["", "0123456789abcde", "envoy", &hashed(OTHER)] {
            assert_eq!(clients.named(wrong), Ok(None), "{wrong}");
        }
        // As Kubernetes does it: another file under the same name.
        let next = folder.path().join("next");
        std::fs::write(&next, format!("gate {OTHER}")).unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert_eq!(clients.named(ONE), Ok(None));
        assert_eq!(clients.named(OTHER), Ok(Some("gate".to_owned())));
        std::fs::write(&path, "gate").unwrap();
        assert!(
            clients.named(OTHER).is_err(),
            "nobody is known by what was there before"
        );
        std::fs::remove_file(&path).unwrap();
        assert!(clients.named(OTHER).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_without_a_token() {
        let secret = "topsecrettopsecret";
        for (text, expected) in [
            (String::new(), "names no client"),
            (secret.to_owned(), "line 1: expected NAME TOKEN"),
            ("a short".to_owned(), "openssl rand"),
            (format!("a {secret}\na {secret}"), "line 2: a is there twice"),
            (format!("a {secret} {secret}"), "line 1: expected"),
            (format!("a/b {secret}"), "line 1: expected"),
            (format!("a sha256:{secret}"), "64 hexadecimal digits"),
        ] {
            let reason = parse(&text).err().unwrap();
            assert!(
                reason.contains(expected) && !reason.contains(secret),
                "{text}: {reason}"
            );
        }
    }
}
