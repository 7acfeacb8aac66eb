//! How soon a source is asked again.

use std::time::{Duration, Instant};

use super::super::{Location, Settings};
use super::Checked;

/// Files are looked at twice a second.
const FILES: Duration = Duration::from_millis(500);
/// After the first failure; doubled with each.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(1);
/// A server that says it waits, and does not, is not asked in a circle.
const SOONEST: Duration = Duration::from_millis(250);

/// Pauses between questions.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    failures: u32,
    asked: Instant,
}

impl Pace {
    pub(super) fn new(settings: &Settings) -> Self {
        let interval = match settings.location {
            Location::Files(_) => FILES,
            _ => settings.interval,
        };
        Self {
            interval,
            failures: 0,
            asked: Instant::now(),
        }
    }

    /// How long to leave it alone.
    pub(super) fn after(&mut self, checked: &Checked, waits_itself: bool) -> Duration {
        let took = self.asked.elapsed();
        let pause = match checked {
            // What is refused before it is read may be large, and come again each time.
            Checked::Failed(_) | Checked::Refused(_) => {
                let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
                self.failures = self.failures.saturating_add(1);
                let longest = match checked {
                    // Files are there again as soon as they are.
                    Checked::Failed(_) | Checked::Refused(_) if self.interval == FILES => FILES,
                    _ => LONGEST,
                };
                jittered(doubled.min(longest))
            }
            Checked::Unchanged | Checked::Changed(_) => {
                self.failures = 0;
                match waits_itself {
                    true if took >= SOONEST => Duration::ZERO,
                    true => SOONEST,
                    false if self.interval == FILES => FILES,
                    false => jittered(self.interval),
                }
            }
        };
        self.asked = Instant::now() + pause;
        pause
    }
}

/// Between half of it and all of it, so that many servers do not ask at the same moment.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(location: Location) -> Pace {
        Pace::new(&Settings {
            location,
            interval: Duration::from_secs(10),
            ..Settings::default()
        })
    }

    fn url() -> Location {
        Location::Bundle("https://example.test/bundle.tar.gz".to_owned())
    }

    #[test]
    fn failures_are_asked_less_and_less_often_and_never_at_the_same_moment() {
        let mut pace = pace(url());
        let failed = || Checked::Failed(String::new());
        let pauses: Vec<Duration> = (0..12).map(|_| pace.after(&failed(), true)).collect();
        for (number, pause) in pauses.iter().enumerate() {
            let most = FIRST.saturating_mul(1 << number).min(LONGEST);
            assert!((most / 2..=most).contains(pause), "{number}: {pause:?}");
        }
        assert!(pauses[10] != pauses[11]);
        pace.after(&Checked::Unchanged, true);
        assert!(pace.after(&failed(), true) <= FIRST, "an answer ends it");
    }

    #[test]
    fn a_server_that_waits_is_asked_at_once_and_not_in_a_circle() {
        let mut pace = pace(url());
        assert_eq!(pace.after(&Checked::Unchanged, true), SOONEST);
        pace.asked = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
        assert_eq!(pace.after(&Checked::Unchanged, true), Duration::ZERO);
        assert!(pace.after(&Checked::Unchanged, false) >= Duration::from_secs(5));
    }

    #[test]
    fn files_are_looked_at_twice_a_second_whatever_happens() {
        let mut pace = pace(Location::Files(vec!["policies".into()]));
        assert_eq!(pace.after(&Checked::Unchanged, false), FILES);
        for _ in 0..5 {
            assert!(pace.after(&Checked::Failed(String::new()), false) <= FILES);
        }
    }
}
