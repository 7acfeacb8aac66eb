//! YAML and JSON as Kubernetes' clients read them, with the places of everything, and edits that keep what they do not change.

mod edit;
mod read;
mod scalars;
mod split;

pub(super) use self::edit::apply;
pub(super) use self::read::{Document, documents};
pub(super) use self::scalars::Scalar;
pub(super) use self::split::{Chunk, Chunks};
