//! Reading YAML, only so deep: what reads it is recursive, with large frames.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Options, budget::BudgetBreach};

/// Lists and maps in each other. A schema of everything that a Pod has is some 30 deep.
const MAX_DEPTH: usize = 48;

/// How all YAML is read.
pub(super) fn options() -> Options {
    serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: MAX_DEPTH } }
}

/// Reads one document.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, options())
}

/// The row (from 1) and the first line of what an error says.
pub(super) fn located(error: &Error) -> (usize, String) {
    let row = error
        .location()
        .map_or(0, |location| usize::try_from(location.line()).unwrap_or(0));
    (row, too_deep(error).unwrap_or_else(|| first_line(error)))
}

/// What to say when it is nested too deep.
pub(crate) fn too_deep(error: &Error) -> Option<String> {
    let is_depth = matches!(
        error.without_snippet(),
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        }
    );
    // The parser's own limit, for brackets.
    let is_depth = is_depth || first_line(error).starts_with("recursion limit exceeded");
    is_depth.then(|| format!("lists and maps are nested more than {MAX_DEPTH} deep; write them flatter"))
}

fn first_line(error: &Error) -> String {
    let plain = error.without_snippet().to_string();
    let line = plain.lines().next().unwrap_or_default();
    // The place that it names is that in the YAML alone.
    line.split(" at line ").next().unwrap_or_default().to_owned()
}
