//! Which leaves in the database the log wrote itself: its signature of size and root, kept beside them.
//!
//! A checkpoint says that to everybody, and is a file that follows a moment later. Until then, and when a process has ended before
//! it, only this says that what follows the last checkpoint is not of somebody who can write to the database.

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use tlog_tiles::Hash;

use super::{Error, Key, PublicKey};

/// Seals what the writer writes.
#[derive(Debug)]
pub(super) struct Sealer {
    pair: Ed25519KeyPair,
    origin: String,
}

impl Sealer {
    pub(super) fn new(key: &Key) -> Result<Self, Error> {
        Ok(Self {
            pair: key.pair()?,
            origin: key.name().to_owned(),
        })
    }

    pub(super) fn seal(&self, size: u64, root: Hash) -> Vec<u8> {
        let signature = self.pair.sign(message(&self.origin, size, root).as_bytes());
        signature.as_ref().to_vec()
    }
}

impl PublicKey {
    /// Whether the log's key has sealed this tree.
    pub(super) fn sealed(&self, size: u64, root: Hash, seal: &[u8]) -> bool {
        let public = self.bytes();
        let checked =
            UnparsedPublicKey::new(&ED25519, public).verify(message(self.name(), size, root).as_bytes(), seal);
        checked.is_ok()
    }
}

/// Never what a checkpoint or a cosignature can be: the first line of a checkpoint is a name, which has no spaces.
fn message(origin: &str, size: u64, root: Hash) -> String {
    format!("whynot audit database v1\n{origin}\n{size}\n{root}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_of_one_tree_of_one_log() {
        let key = Key::generate("example.com").unwrap();
        let (root, other) = (tlog_tiles::record_hash(b"a"), tlog_tiles::record_hash(b"b"));
        let seal = Sealer::new(&key).unwrap().seal(1, root);
        assert!(key.public().sealed(1, root, &seal));
        assert!(!key.public().sealed(2, root, &seal) && !key.public().sealed(1, other, &seal));
        assert!(!key.public().sealed(1, root, &[]));
        let stranger = Key::generate("example.com").unwrap();
        assert!(!stranger.public().sealed(1, root, &seal));
    }
}
