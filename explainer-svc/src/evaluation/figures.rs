//! What a model and a prompt came to, in figures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::readability;

/// What came of one denial.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Of which case.
    pub case: String,
    /// How long it took.
    pub took: Duration,
    /// For how much of it the whole machine stood still.
    pub stalled: Duration,
    /// How long it might have taken.
    pub allowed: Duration,
    /// What came.
    pub outcome: Outcome,
    /// What became of a change that was proposed.
    pub change: Change,
}

/// What came of asking for words.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Words that may be shown.
    Words {
        /// They.
        text: String,
        /// Of an answer that said more.
        is_cut: bool,
    },
    /// None.
    Nothing {
        /// As counters and the audit log call it.
        reason: String,
        /// The guard that stopped the answer: there was one.
        guard: Option<String>,
    },
}

/// What became of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each can be without the next one: that is what is looked for"
)]
pub struct Change {
    /// The model proposed one.
    pub proposed: bool,
    /// The policies pass after it, said who tried it.
    pub verified: bool,
    /// It is shown.
    pub shown: bool,
    /// The evaluation tried it again: the policies pass. Only for what is shown.
    pub confirmed: bool,
}

/// All attempts of one model with one prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Figures {
    /// Denials that were to be explained.
    pub denials: u64,
    /// A model answered, whatever it was.
    pub answered: u64,
    /// Words that may be shown.
    pub words: u64,
    /// Of what was answered: has the form that was asked for.
    pub schema_valid: Option<f64>,
    /// Of what has the form and no guard before stopped: rests on the facts.
    pub grounded: Option<f64>,
    /// Of all denials: have a model's words.
    pub explained: Option<f64>,
    /// Changes that were proposed.
    pub fixes_proposed: u64,
    /// Those of them after which the policies pass.
    pub fixes_verified: u64,
    /// Those that are shown.
    pub fixes_shown: u64,
    /// Shown, and the policies do not pass after it: never.
    pub fixes_unverified: u64,
    /// Of what was proposed: the policies pass.
    pub fix_pass_rate: Option<f64>,
    /// Of all denials: answered, or given up, within the deadline; time in which the whole machine stood still does not count.
    pub in_time: Option<f64>,
    /// The same by the clock alone.
    pub in_time_by_clock: Option<f64>,
    /// Milliseconds in which the whole machine stood still.
    pub stalled_ms: u64,
    /// Flesch reading ease, in the middle.
    pub reading_ease: Option<f64>,
    /// Flesch-Kincaid grade, in the middle.
    pub reading_grade: Option<f64>,
    /// Milliseconds, in the middle.
    pub p50_ms: Option<f64>,
    /// Milliseconds, all but one in a hundred.
    pub p99_ms: Option<f64>,
    /// Tokens of questions.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// What it cost, as far as there is a price; `None` when there is none.
    pub dollars: Option<f64>,
    /// For a denial.
    pub dollars_each: Option<f64>,
    /// Why there were no words, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// What a pair used, from the gateway's own books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens of questions.
    pub input: u64,
    /// Tokens of answers.
    pub output: u64,
    /// Billionths of a dollar.
    pub nanodollars: u64,
    /// Answers without a price.
    pub unpriced: u64,
}

/// The guards that come before, or are, the one that reads the form.
const BEFORE_FORM: [&str; 3] = ["tool-calls", "length", "schema"];
const GROUNDEDNESS: &str = "groundedness";
/// What is too late by less is a busy machine's: this, and a hundredth of the time that there was.
const TOLERANCE: Duration = Duration::from_millis(50);

impl Figures {
    /// Counts.
    pub fn of(attempts: &[Attempt], used: Used) -> Self {
        let mut figures = Self {
            denials: count(attempts.len()),
            input_tokens: used.input,
            output_tokens: used.output,
            ..Self::default()
        };
        let (mut valid, mut grounded, mut ungrounded) = (0, 0, 0);
        let (mut in_time, mut by_clock) = (0, 0);
        let (mut eases, mut grades, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for attempt in attempts {
            let allowed = attempt.allowed + TOLERANCE + attempt.allowed / 100;
            by_clock += u64::from(attempt.took <= allowed);
            in_time += u64::from(attempt.took.saturating_sub(attempt.stalled) <= allowed);
            figures.stalled_ms += u64::try_from(attempt.stalled.as_millis()).unwrap_or(0);
            times.push(attempt.took.as_secs_f64() * 1e3);
            let change = &attempt.change;
            figures.fixes_proposed += u64::from(change.proposed);
            figures.fixes_verified += u64::from(change.verified);
            figures.fixes_shown += u64::from(change.shown);
            figures.fixes_unverified += u64::from(change.shown && !(change.verified && change.confirmed));
            match &attempt.outcome {
                Outcome::Words { text, is_cut } => {
                    figures.answered += 1;
                    figures.words += 1;
                    valid += 1;
                    grounded += u64::from(!is_cut);
                    ungrounded += u64::from(*is_cut);
                    if let Some(read) = readability::of(text) {
                        eases.push(read.ease);
                        grades.push(read.grade);
                    }
                }
                Outcome::Nothing { reason, guard } => {
                    if let Some(guard) = guard.as_deref() {
                        figures.answered += 1;
                        valid += u64::from(!BEFORE_FORM.contains(&guard));
                        ungrounded += u64::from(guard == GROUNDEDNESS);
                    }
                    let name = guard
                        .as_ref()
                        .map_or_else(|| reason.clone(), |guard| format!("{reason}: {guard}"));
                    *figures.refused.entry(name).or_default() += 1;
                }
            }
        }
        figures.schema_valid = share(valid, figures.answered);
        figures.grounded = share(grounded, grounded + ungrounded);
        figures.explained = share(figures.words, figures.denials);
        figures.fix_pass_rate = share(figures.fixes_verified, figures.fixes_proposed);
        figures.in_time = share(in_time, figures.denials);
        figures.in_time_by_clock = share(by_clock, figures.denials);
        figures.reading_ease = percentile(&mut eases, 0.5);
        figures.reading_grade = percentile(&mut grades, 0.5);
        figures.p50_ms = percentile(&mut times, 0.5);
        figures.p99_ms = percentile(&mut times, 0.99);
        if used.unpriced == 0 && (used.input > 0 || used.output > 0) {
            let dollars = number(used.nanodollars) / 1e9;
            figures.dollars = Some(dollars);
            figures.dollars_each = (figures.denials > 0).then(|| dollars / number(figures.denials));
        }
        figures
    }

    /// A figure by its name in the file of results; `None` when there is no such figure, or nothing to say it of.
    pub fn named(&self, name: &str) -> Option<f64> {
        serde_json::to_value(self).ok()?.get(name)?.as_f64()
    }

    /// Whether there is such a figure at all.
    pub fn has(name: &str) -> bool {
        let value = serde_json::to_value(Self::default()).unwrap_or_default();
        name != "refused" && value.get(name).is_some()
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "shown, and compared with a threshold")]
fn number(count: u64) -> f64 {
    count as f64
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| number(part) / number(whole))
}

/// The smallest value that so large a share of all is not above; it was measured.
fn percentile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list in memory"
    )]
    let place = (number(count(values.len())) * share).ceil() as usize;
    values.get(place.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(milliseconds: u64, outcome: Outcome, change: Change) -> Attempt {
        Attempt {
            case: "a/b: x".to_owned(),
            took: Duration::from_millis(milliseconds),
            stalled: Duration::ZERO,
            allowed: Duration::from_secs(1),
            outcome,
            change,
        }
    }

    fn words() -> Outcome {
        Outcome::Words {
            text: "The cat sat on the mat.".to_owned(),
            is_cut: false,
        }
    }

    fn nothing(reason: &str, guard: Option<&str>) -> Outcome {
        Outcome::Nothing {
            reason: reason.to_owned(),
            guard: guard.map(str::to_owned),
        }
    }

    const NONE: Change = Change {
        proposed: false,
        verified: false,
        shown: false,
        confirmed: false,
    };

    fn close(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-9)
    }

    #[test]
    fn each_share_is_of_what_it_can_be_said_of() {
        let good = Change {
            proposed: true,
            verified: true,
            shown: true,
            confirmed: true,
        };
        let refused = Change {
            proposed: true,
            ..Change::default()
        };
        // A model that makes something up each time is not grounded because that was left out.
        let cut = Outcome::Words {
            text: "The cat sat on the mat.".to_owned(),
            is_cut: true,
        };
        let attempts = [
            attempt(10, words(), good),
            attempt(20, cut, NONE),
            attempt(30, nothing("guard-out", Some("schema")), refused),
            attempt(40, nothing("guard-out", Some("groundedness")), NONE),
            attempt(50, nothing("guard-out", Some("links")), NONE),
            attempt(2000, nothing("deadline", None), NONE),
        ];
        let used = Used {
            input: 600,
            output: 60,
            nanodollars: 6_000_000_000,
            unpriced: 0,
        };
        let figures = Figures::of(&attempts, used);
        assert_eq!((figures.denials, figures.answered, figures.words), (6, 5, 2));
        assert!(close(figures.schema_valid, 0.8), "{figures:?}");
        assert!(close(figures.grounded, 1.0 / 3.0), "{figures:?}");
        assert!(close(figures.in_time, 5.0 / 6.0), "{figures:?}");
        assert!(close(figures.fix_pass_rate, 0.5), "{figures:?}");
        assert_eq!((figures.fixes_shown, figures.fixes_unverified), (1, 0));
        assert!(
            close(figures.p50_ms, 30.0) && close(figures.p99_ms, 2000.0),
            "{figures:?}"
        );
        assert!(
            close(figures.dollars, 6.0) && close(figures.dollars_each, 1.0),
            "{figures:?}"
        );
        let refusals: Vec<(&str, u64)> = figures
            .refused
            .iter()
            .map(|(name, times)| (name.as_str(), *times))
            .collect();
        let expected = [
            ("deadline", 1),
            ("guard-out: groundedness", 1),
            ("guard-out: links", 1),
            ("guard-out: schema", 1),
        ];
        assert_eq!(refusals, expected);
    }

    #[test]
    fn a_shown_change_counts_only_when_it_was_tried_here_too() {
        let lied = Change {
            proposed: true,
            verified: true,
            shown: true,
            confirmed: false,
        };
        let figures = Figures::of(&[attempt(1, words(), lied)], Used::default());
        assert_eq!(figures.fixes_unverified, 1);
    }

    #[test]
    fn time_in_which_nothing_ran_is_told_apart() {
        let mut late = attempt(2000, nothing("deadline", None), NONE);
        late.stalled = Duration::from_millis(1500);
        let figures = Figures::of(&[late, attempt(10, words(), NONE)], Used::default());
        assert!(close(figures.in_time, 1.0), "{figures:?}");
        assert!(close(figures.in_time_by_clock, 0.5), "{figures:?}");
        assert_eq!(figures.stalled_ms, 1500);
    }

    #[test]
    fn what_has_no_price_has_no_cost() {
        let used = Used {
            input: 1,
            output: 1,
            nanodollars: 0,
            unpriced: 1,
        };
        assert_eq!(Figures::of(&[], used).dollars, None);
        assert_eq!(Figures::of(&[], Used::default()).schema_valid, None);
    }

    #[test]
    fn figures_are_found_by_name() {
        let figures = Figures::of(&[attempt(10, words(), NONE)], Used::default());
        assert!(close(figures.named("schemaValid"), 1.0));
        assert!(close(figures.named("fixesUnverified"), 0.0));
        assert_eq!(figures.named("dollars"), None);
        assert!(Figures::has("dollars") && !Figures::has("schema_valid") && !Figures::has("refused"));
    }
}
