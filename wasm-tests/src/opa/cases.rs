//! OPA's own conformance cases.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
pub use probe::cases::{Case, Verdict};

/// All cases of the oracle's version of OPA.
pub fn all() -> Result<Vec<Case>> {
    let file = super::folder()?.join("cases.jsonl");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// A case, evaluated in this process.
pub fn run(case: &Case) -> Verdict {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    case.run(since.ok().and_then(|since| i64::try_from(since.as_nanos()).ok()))
}
