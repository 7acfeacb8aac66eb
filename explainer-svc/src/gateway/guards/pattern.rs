//! Regular expressions that are part of the program.

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

const MAX_COMPILED: usize = 64 * 1024 * 1024;

/// One that is written in the code. A wrong one finds nothing, and the canary of its guard fails; a test compiles all of them.
pub(super) fn fixed(pattern: &str) -> Regex {
    let built = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build();
    debug_assert!(built.is_ok(), "{pattern}: {built:?}");
    built.unwrap_or_else(|_| never())
}

/// Several at once.
pub(super) fn set<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> RegexSet {
    let built = RegexSetBuilder::new(patterns)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build();
    debug_assert!(built.is_ok(), "{built:?}");
    built.unwrap_or_else(|_| RegexSet::empty())
}

#[expect(clippy::expect_used, reason = "an empty class is a pattern that always compiles")]
fn never() -> Regex {
    Regex::new("[a&&b]").expect("compiles")
}
