//! What the instances of one Envoy process tell each other, in Envoy's shared data: small texts, each under one key.

use crate::host;

/// Counts instances.
pub(super) const NEXT_ID: &str = "whynot/next-id";
/// A number for each configuration, and what tells it from the one before.
pub(super) const GENERATION: &str = "whynot/generation";
/// A name for this process.
pub(super) const PROCESS: &str = "whynot/process";
/// Who asks the explainer, and until when.
pub(super) const LEASE: &str = "whynot/lease";
/// The revision to stage.
pub(super) const TARGET: &str = "whynot/target";
/// The revision that serves. Read for each request.
pub(super) const ACTIVE: &str = "whynot/active";
/// The embedded revision that was compiled in this process: who is made anew need not find out again that it compiles.
pub(super) const ACCEPTED: &str = "whynot/accepted";
/// A revision that does not compile, and why.
pub(super) const FAILED: &str = "whynot/failed";
/// Why there are no policies from the explainer.
pub(super) const SOURCE: &str = "whynot/source";
/// Who is there.
pub(super) const WORKERS: &str = "whynot/workers";
/// The context's revision and what time it is of.
pub(super) const CONTEXT: &str = "whynot/context";
/// The context itself, behind its revision.
pub(super) const CONTEXT_DATA: &str = "whynot/context/data";

/// A version that no value has: with it, a value is set where there is none, and nowhere else.
const NONE_YET: u32 = u32::MAX;

/// So often somebody else may come first.
const TRIES: usize = 16;

/// What stands there; empty when nothing does.
pub(super) fn text(key: &str) -> String {
    let (value, _) = host::shared_data(key);
    value
        .and_then(|value| String::from_utf8(value).ok())
        .unwrap_or_default()
}

/// Writes, whatever stood there.
pub(super) fn write(key: &str, value: &str) -> bool {
    host::set_shared_data(key, value.as_bytes(), None)
}

/// Writes where nothing stands; false when something does.
pub(super) fn create(key: &str, value: &str) -> bool {
    host::set_shared_data(key, value.as_bytes(), Some(NONE_YET))
}

/// Changes what stands there, and nobody comes between. `change` may be asked again; with `None` all stays as it is.
pub(super) fn update(key: &str, mut change: impl FnMut(&str) -> Option<String>) -> bool {
    for _ in 0..TRIES {
        let (value, version) = host::shared_data(key);
        let before = value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let Some(after) = change(&before) else {
            return false;
        };
        if host::set_shared_data(key, after.as_bytes(), Some(version.unwrap_or(NONE_YET))) {
            return true;
        }
    }
    false
}

/// The next of a row of numbers, from 1 on.
pub(super) fn next(key: &str) -> u32 {
    let mut next = 0;
    update(key, |last| {
        next = last.parse::<u32>().unwrap_or(0).wrapping_add(1);
        Some(next.to_string())
    });
    next
}
