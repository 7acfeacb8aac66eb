//! The ledger: which team hit which rule, and how often.

mod attempt;

use engine::explain::wire::{ExplainRequest, Repeat};
use engine::verdict::{Action, Violation};

pub use attempt::{UNKNOWN_TEAM, action_name, counts, is_retried, payer, team};

/// How the ledger counts.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Labels that name a team, the first one first.
    pub team_labels: Vec<String>,
    /// How far back repeats are counted, in days.
    pub window_days: u32,
}

/// One attempt, ready to be recorded.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    /// What was asked.
    pub request: &'a ExplainRequest,
    /// Who is responsible, or [`UNKNOWN_TEAM`].
    pub team: String,
    /// Under which retries find the explanation.
    pub retry_key: Option<String>,
    /// One entry for each policy and action.
    pub entries: Vec<Entry<'a>>,
    /// When, in milliseconds since 1970.
    pub now: i64,
    /// The start of the window, likewise.
    pub since: i64,
}

/// One policy's part of an attempt.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// What it objected to; never empty.
    pub violations: Vec<&'a Violation>,
    /// The policy's id.
    pub policy: &'a str,
    /// What follows.
    pub action: Action,
    /// Under which retries find the row.
    pub retry_key: Option<String>,
    /// It is among the team's repeats.
    pub counted: bool,
}

/// Milliseconds of a number of days.
pub fn days(days: u32) -> i64 {
    i64::from(days) * 86_400_000
}

impl<'a> Attempt<'a> {
    /// Attributes and groups what was found: several violations of one policy are one entry.
    pub fn new(request: &'a ExplainRequest, rules: &Rules, now: i64) -> Self {
        let team = team(&request.review, &rules.team_labels);
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for violation in &request.violations {
            let known = entries
                .iter_mut()
                .find(|entry| entry.policy == violation.policy && entry.action == violation.action);
            match known {
                Some(entry) => entry.violations.push(violation),
                None => entries.push(Entry {
                    violations: vec![violation],
                    policy: &violation.policy,
                    action: violation.action,
                    retry_key: None,
                    counted: counts(request, violation.action),
                }),
            }
        }
        for entry in &mut entries {
            entry.retry_key = attempt::violation_key(request, &team, &entry.violations);
        }
        let retry_key = attempt::explanation_key(request, &team);
        Self {
            request,
            team,
            retry_key,
            entries,
            now,
            since: now - days(rules.window_days),
        }
    }

    /// The policies whose repeats may be told: an attempt that does not count says nothing about them, and neither does one of
    /// nobody's.
    pub fn countable(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries
            .iter()
            .filter(|entry| entry.counted && self.team != UNKNOWN_TEAM)
    }

    /// A count in words' terms.
    pub fn repeat(&self, policy: &str, count: u64, window_days: u32) -> Repeat {
        Repeat {
            policy: policy.to_owned(),
            team: self.team.clone(),
            count,
            window_days,
        }
    }
}
