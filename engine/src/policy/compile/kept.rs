//! What a policy set keeps of how it was made, so that the next one compiles only what is new in it.
//!
//! Each piece is found by a digest of all that it is made of, names of files included. So it means the same wherever it is found,
//! and what is taken over is what compiling would come to.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::policy::metadata::Annotation;
use crate::rego::{Dialect, Program, Source};

/// Says what a piece is made of.
pub(super) type Key = [u8; 32];

/// Pieces by what they are made of.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(super) dialects: HashMap<Key, Dialect>,
    pub(super) programs: HashMap<Key, Arc<Program>>,
    pub(super) said: HashMap<Key, Arc<[Annotation]>>,
}

/// What is being kept, and what the set before has.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    before: Arc<Kept>,
    now: Kept,
}

impl Keeping {
    pub(super) fn after(before: Arc<Kept>) -> Self {
        Self {
            before,
            now: Kept::default(),
        }
    }

    /// One of the pieces: of the set before, or made now. What cannot be made is not kept.
    pub(super) fn piece<T: Clone, E>(
        &mut self,
        of: fn(&Kept) -> &HashMap<Key, T>,
        of_mut: fn(&mut Kept) -> &mut HashMap<Key, T>,
        key: Key,
        compile: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let piece = match of(&self.before).get(&key) {
            Some(known) => known.clone(),
            None => compile()?,
        };
        of_mut(&mut self.now).insert(key, piece.clone());
        Ok(piece)
    }

    pub(super) fn finish(self) -> Arc<Kept> {
        Arc::new(self.now)
    }
}

/// Of a file that is read for its own sake.
pub(super) fn of_file(path: &str, text: &str) -> Key {
    of_texts(&[path, text])
}

/// Of sources that are compiled together.
pub(super) fn of_sources(sources: &[Source<'_>]) -> Key {
    let names = sources.iter().flat_map(|source| {
        let dialect = match source.dialect {
            Dialect::V0 => "0",
            Dialect::V1 => "1",
        };
        [dialect, source.file, source.text]
    });
    of_texts(&names.collect::<Vec<_>>())
}

/// Each text with its length: no two lists of texts are taken for each other.
fn of_texts(texts: &[&str]) -> Key {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
