//! Warnings, one line for each policy: clients print them as they come.

use super::{by_policy, typewriter};
use crate::explain::wire::ExplainRequest;
use crate::redact;
use crate::verdict::{Action, Violation};

/// What the API server advises for one warning, in characters; tools cut what is longer.
const ADVISED_WARNING: usize = 120;

/// More warnings than this are summed up in one.
const MAX_WARNINGS: usize = 10;

/// One line a policy: what, how often, and how to mend it when that fits.
pub(super) fn of(request: &ExplainRequest) -> Vec<String> {
    let mut all: Vec<String> = by_policy(request.with_action(Action::Warn))
        .iter()
        .filter_map(|rule| warning(rule))
        .collect();
    all.extend(
        request
            .failures
            .iter()
            .filter(|failure| failure.tolerated)
            .map(|failure| {
                format!(
                    "[{}] could not be evaluated and was let through: {}",
                    failure.policy, failure.detail
                )
            }),
    );
    let total = all.len();
    if total > MAX_WARNINGS {
        all.truncate(MAX_WARNINGS - 1);
        all.push(format!("and {} more warnings", total - all.len()));
    }
    let all: Vec<String> = all.iter().map(|warning| typewriter(warning)).collect();
    redact::warnings(&all)
}

fn warning(rule: &[&Violation]) -> Option<String> {
    let first = rule.first()?;
    let more = match rule.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let short = format!("[{}] {}{more}", first.policy, first.message);
    let whole = format!("{short} {}", first.remediation);
    // Half a sentence helps nobody.
    let fits = redact::line(&whole, usize::MAX).chars().count() <= ADVISED_WARNING;
    Some(if fits { whole } else { short })
}
