//! That a team was reminded, for the audit log.

use engine::explain::text::nudge;
use serde_json::json;

use crate::audit::{Event, Kind};
use crate::ledger::Attempt;
use crate::store::Recorded;

/// Of an answer that says how often a team met a rule. A controller that tries again is told the same, and is nobody to remind.
pub(super) fn event(attempt: &Attempt<'_>, recorded: &Recorded) -> Option<Event> {
    if recorded.attempts > 1 {
        return None;
    }
    let words = std::iter::once(&recorded.words.message).chain(&recorded.words.warnings);
    // As it stands in a terminal, where lines are broken.
    let words: Vec<&str> = words.flat_map(|text| text.split_whitespace()).collect();
    let words = words.join(" ");
    let told: Vec<_> = recorded
        .repeats
        .iter()
        .filter(|repeat| repeat.count > 1 && words.contains(&nudge(repeat)))
        .map(|repeat| json!({"policy": repeat.policy, "count": repeat.count, "days": repeat.window_days}))
        .collect();
    (!told.is_empty()).then(|| {
        let payload = json!({"team": attempt.team, "rules": told});
        Event::new(Kind::NudgeSent, recorded.id.as_str(), payload)
    })
}
