//! Checkpoints: a tree's size and hash, signed; and what a witness adds.

use data_encoding::BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use signed_note::{Note, Signature, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::Hash;

use super::tree::MAX_SIZE;
use super::{Error, Key, PublicKey};

/// The kind of key that cosigns, in its encoding and in its id.
pub(super) const COSIGNATURE: u8 = 4;

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The hash of the tree of these leaves.
    pub root: Hash,
}

/// A checkpoint that the log's key has signed.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note, with all its signatures.
    note: String,
    /// The key that has signed it.
    key: PublicKey,
}

impl SignedCheckpoint {
    /// Signs a tree.
    pub(super) fn sign(key: &Key, size: u64, root: Hash) -> Result<Self, Error> {
        let origin = key.name().to_owned();
        let malformed = |_| Error::Note(format!("`{origin}` cannot be the name of a log"));
        let text = tlog_tiles::Checkpoint::new(&origin, size, root, "").map_err(malformed)?;
        let failed = |error: signed_note::NoteError| Error::Note(format!("a checkpoint cannot be signed: {error}"));
        let mut note = Note::new(&text.to_bytes(), &[]).map_err(failed)?;
        let signer: &StandardSigner = key.signer();
        note.add_sigs(&[signer]).map_err(failed)?;
        Ok(Self {
            checkpoint: Checkpoint { origin, size, root },
            note: String::from_utf8_lossy(&note.to_bytes()).into_owned(),
            key: key.public(),
        })
    }

    /// Reads a checkpoint, and checks that `key` signed it.
    pub fn open(note: &[u8], key: &PublicKey) -> Result<Self, Error> {
        let wrong = |why: &dyn std::fmt::Display| Error::Note(format!("it is no checkpoint of this log: {why}"));
        let note = Note::from_bytes(note).map_err(|error| wrong(&error))?;
        let verifier = StandardVerifier::new(key.text()).map_err(|error| wrong(&error))?;
        let (signed, _) = note
            .verify(&VerifierList::new(vec![Box::new(verifier)]))
            .map_err(|error| wrong(&format!("{error} (the public key is {})", key.text())))?;
        if signed.is_empty() {
            return Err(wrong(&"its signature is missing"));
        }
        let text = tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|error| wrong(&error))?;
        if text.origin() != key.name() {
            return Err(wrong(&format!(
                "it is of {}, the key is of {}",
                text.origin(),
                key.name()
            )));
        }
        if text.size() > MAX_SIZE {
            return Err(wrong(&"its size is not possible"));
        }
        Ok(Self {
            checkpoint: Checkpoint {
                origin: text.origin().to_owned(),
                size: text.size(),
                root: *text.hash(),
            },
            note: String::from_utf8_lossy(&note.to_bytes()).into_owned(),
            key: key.clone(),
        })
    }

    /// The key that it was checked with.
    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The signed note.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// What was signed: all of the note before its signatures.
    fn text(&self) -> &str {
        self.note
            .rsplit_once("\n\n")
            .and_then(|(text, _)| self.note.get(..=text.len()))
            .unwrap_or(&self.note)
    }

    /// When a witness cosigned it, in seconds since 1970.
    pub fn cosigned(&self, witness: &Cosigner) -> Result<u64, Error> {
        let missing = || Error::Note(format!("{} has not cosigned it", witness.name));
        let (_, signatures) = self.note.rsplit_once("\n\n").ok_or_else(missing)?;
        let ours = signatures
            .lines()
            .filter_map(|line| Signature::from_bytes(line.as_bytes()).ok())
            .find(|signature| signature.name() == witness.name && signature.id() == witness.id)
            .ok_or_else(missing)?;
        let wrong = || Error::Note(format!("the cosignature of {} is wrong", witness.name));
        let (time, signature) = ours.signature().split_first_chunk::<8>().ok_or_else(wrong)?;
        let time = u64::from_be_bytes(*time);
        UnparsedPublicKey::new(&ED25519, &witness.public)
            .verify(cosigned_message(time, self.text()).as_bytes(), signature)
            .map_err(|_| wrong())?;
        Ok(time)
    }

    /// The same checkpoint with a witness's signature in place of one that it may have.
    pub fn cosign(&self, key: &Key, log: &PublicKey, time: u64) -> Result<Self, Error> {
        let malformed =
            |error: signed_note::NoteError| Error::Note(format!("a checkpoint cannot be cosigned: {error}"));
        let note = Note::from_bytes(self.note.as_bytes()).map_err(malformed)?;
        let verifier = StandardVerifier::new(log.text()).map_err(|error| Error::Note(error.to_string()))?;
        let (signed, _) = note
            .verify(&VerifierList::new(vec![Box::new(verifier)]))
            .map_err(malformed)?;
        let mut signature = time.to_be_bytes().to_vec();
        signature.extend(key.sign(cosigned_message(time, self.text()).as_bytes())?);
        let witness = key.cosigner()?;
        let ours = Signature::new(witness.name, witness.id, signature).map_err(malformed)?;
        let signatures: Vec<Signature> = signed.into_iter().chain([ours]).collect();
        let note = Note::new(self.text().as_bytes(), &signatures).map_err(malformed)?;
        Ok(Self {
            checkpoint: self.checkpoint.clone(),
            note: String::from_utf8_lossy(&note.to_bytes()).into_owned(),
            key: self.key.clone(),
        })
    }
}

/// What a witness signs: the checkpoint, and when it saw it.
fn cosigned_message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// The public key of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigner {
    pub(super) name: String,
    pub(super) id: u32,
    pub(super) public: Vec<u8>,
}

impl Cosigner {
    /// Of a name and an Ed25519 public key.
    pub(super) fn new(name: &str, public: &[u8]) -> Self {
        let mut encoded = vec![COSIGNATURE];
        encoded.extend(public);
        Self {
            name: name.to_owned(),
            id: signed_note::key_id(name, &encoded),
            public: public.to_vec(),
        }
    }

    /// Reads `NAME+ID+KEY`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || "expected the public key of a witness, NAME+ID+KEY, as `whynot audit key` prints it".to_owned();
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(expected());
        };
        let key = BASE64.decode(key.as_bytes()).map_err(|_| expected())?;
        let Some((&COSIGNATURE, public)) = key.split_first() else {
            return Err(expected());
        };
        let read = Self::new(name, public);
        let is_whole = public.len() == 32 && signed_note::is_key_name_valid(name);
        if !is_whole || format!("{:08x}", read.id) != id {
            return Err(expected());
        }
        Ok(read)
    }

    /// The name of the witness.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Cosigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![COSIGNATURE];
        key.extend(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, self.id, BASE64.encode(&key))
    }
}

#[cfg(test)]
mod tests {
    use tlog_tiles::record_hash;

    use super::*;

    fn key(name: &str) -> Key {
        Key::generate(name).unwrap()
    }

    #[test]
    fn a_checkpoint_is_what_its_key_signed() {
        let (ours, other) = (key("example.com"), key("example.com"));
        let signed = SignedCheckpoint::sign(&ours, 3, record_hash(b"a")).unwrap();
        assert!(signed.note().starts_with("example.com\n3\n"), "{}", signed.note());
        let read = SignedCheckpoint::open(signed.note().as_bytes(), &ours.public()).unwrap();
        assert_eq!(read, signed);
        assert!(SignedCheckpoint::open(signed.note().as_bytes(), &other.public()).is_err());
        let longer = signed.note().replacen("\n3\n", "\n4\n", 1);
        assert!(SignedCheckpoint::open(longer.as_bytes(), &ours.public()).is_err());
        // A key of the same bytes under another name is another log's.
        let renamed = signed.note().replacen("example.com\n3", "example.org\n3", 1);
        assert!(SignedCheckpoint::open(renamed.as_bytes(), &ours.public()).is_err());
    }

    #[test]
    fn a_size_that_cannot_be_is_refused() {
        let ours = key("example.com");
        let signed = SignedCheckpoint::sign(&ours, u64::MAX, record_hash(b"a")).unwrap();
        assert!(SignedCheckpoint::open(signed.note().as_bytes(), &ours.public()).is_err());
    }

    #[test]
    fn a_witness_adds_its_signature_with_the_time() {
        let (ours, witness) = (key("example.com"), key("witness.example.com/w1"));
        let signed = SignedCheckpoint::sign(&ours, 3, record_hash(b"a")).unwrap();
        let cosigner = Cosigner::parse(&witness.cosigner().unwrap().to_string()).unwrap();
        assert!(signed.cosigned(&cosigner).is_err());
        let once = signed.cosign(&witness, &ours.public(), 1_679_315_147).unwrap();
        assert_eq!(once.cosigned(&cosigner).unwrap(), 1_679_315_147);
        // Anew, and not beside the old one.
        let again = once.cosign(&witness, &ours.public(), 1_679_315_148).unwrap();
        assert_eq!(again.note().matches("witness.example.com/w1").count(), 1);
        let read = SignedCheckpoint::open(again.note().as_bytes(), &ours.public()).unwrap();
        assert_eq!(read.cosigned(&cosigner).unwrap(), 1_679_315_148);
        assert!(
            read.cosigned(&key("witness.example.com/w1").cosigner().unwrap())
                .is_err()
        );
    }

    /// The example of C2SP's tlog-cosignature: its log and its witness, and what is signed.
    #[test]
    fn what_a_witness_signs_is_what_the_specification_says() {
        assert_eq!(
            cosigned_message(
                1_679_315_147,
                "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
            ),
            "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        );
    }
}
