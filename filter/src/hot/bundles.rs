//! Bundles in shared data, in a fixed number of places: keys are never deleted there, so each revision cannot have its own.

use super::board;
use crate::host;

/// What serves, what is staged, and one that was fetched while both are needed.
const PLACES: usize = 3;

/// Which revision is in which place.
const INDEX: &str = "whynot/bundles";

fn key(place: usize) -> String {
    format!("whynot/bundle/{place}")
}

fn index() -> Vec<String> {
    let mut revisions: Vec<String> = board::text(INDEX).split('\n').map(str::to_owned).collect();
    revisions.resize(PLACES, String::new());
    revisions
}

/// Puts a bundle where none of `needed` is. False when there is no such place, or no memory.
pub(super) fn put(revision: &str, json: &[u8], needed: &[&str]) -> bool {
    let mut revisions = index();
    let is_free = |known: &String| known.is_empty() || known == revision || !needed.contains(&known.as_str());
    let Some(place) = revisions.iter().position(is_free) else {
        return false;
    };
    // The revision is in the value too: who reads while it is replaced sees that.
    let mut value = Vec::with_capacity(revision.len() + 1 + json.len());
    value.extend_from_slice(revision.as_bytes());
    value.push(b'\n');
    value.extend_from_slice(json);
    let is_put = host::set_shared_data(&key(place), &value, None);
    if let Some(slot) = revisions.get_mut(place) {
        revision.clone_into(slot);
    }
    is_put && board::write(INDEX, &revisions.join("\n"))
}

/// A bundle's JSON.
pub(super) fn get(revision: &str) -> Option<Vec<u8>> {
    let place = index().iter().position(|known| known == revision)?;
    valued(host::shared_data(&key(place)).0?, revision)
}

/// What stands behind the revision, if it is this one.
pub(super) fn valued(value: Vec<u8>, revision: &str) -> Option<Vec<u8>> {
    let rest = value.strip_prefix(revision.as_bytes())?.strip_prefix(b"\n")?;
    let start = value.len() - rest.len();
    let mut value = value;
    drop(value.drain(..start));
    Some(value)
}

/// Empties the places of all others.
pub(super) fn free(needed: &[&str]) {
    let mut revisions = index();
    let mut is_changed = false;
    for (place, revision) in revisions.iter_mut().enumerate() {
        if !revision.is_empty() && !needed.contains(&revision.as_str()) {
            host::set_shared_data(&key(place), b"", None);
            revision.clear();
            is_changed = true;
        }
    }
    if is_changed {
        board::write(INDEX, &revisions.join("\n"));
    }
}
