//! Which configuration of this process is the newest one: Envoy replaces them, and the older ones drain.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::board::{self, GENERATION};
use super::workers;

/// Whether instances of this configuration may lead: it is the newest one, or of the newest one nobody is there. Envoy makes a VM for
/// an update before it takes the update, and may refuse it then.
pub(super) fn is_current(own: u32, now_us: u64) -> bool {
    let newest = board::text(GENERATION)
        .split_once(' ')
        .and_then(|(number, _)| number.parse().ok());
    newest == Some(own)
        || !workers::all(now_us)
            .iter()
            .any(|worker| newest == Some(worker.generation))
}

/// Which configuration of this process it is: the older ones drain.
pub(super) fn number(json: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    json.hash(&mut hasher);
    let hash = format!("{:x}", hasher.finish());
    let mut own = 0;
    board::update(GENERATION, |text| {
        let (number, known) = text.split_once(' ').unwrap_or(("0", ""));
        own = number.parse().unwrap_or(0);
        if known == hash {
            return None;
        }
        own += 1;
        Some(format!("{own} {hash}"))
    });
    own
}
