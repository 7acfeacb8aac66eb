//! Asks for words for each denial, one after the other or some at a time.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use json_patch::Patch;
use tokio::time::Instant;

use super::figures::{Attempt, Change, Outcome};
use super::stalls::Stalls;
use crate::assembly::Denial;

/// What came of asking for words, and for a change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// They; or why there are none, and which guard it was that stopped an answer.
    pub(crate) words: Result<String, (String, Option<String>)>,
    /// More was said, and had no grounds.
    pub(crate) is_cut: bool,
    /// A change was proposed.
    pub(crate) proposed: bool,
    /// The verifier said so of it.
    pub(crate) verified: bool,
    /// What is shown.
    pub(crate) shown: Option<Patch>,
}

/// Who has words for a denial.
pub(crate) trait Words: Sync {
    /// Not later than the deadline.
    fn words(&self, denial: &Denial, deadline: Instant) -> impl Future<Output = Said> + Send;
}

/// Asks for words for all denials, `parallel` at a time; `step` is told how many are done.
pub(crate) async fn run(
    words: &impl Words,
    denials: &[Denial],
    deadline: Duration,
    parallel: usize,
    step: &mut dyn FnMut(usize),
) -> Vec<Attempt> {
    let watched = &Stalls::watch();
    let asked = futures_util::stream::iter(denials).map(|denial| async move {
        let (begun, stalled) = (Instant::now(), watched.so_far());
        let said = words.words(denial, begun + deadline).await;
        let took = begun.elapsed();
        if took > deadline {
            // Who watches may be woken after us.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Attempt {
            case: denial.name.clone(),
            took,
            stalled: watched.so_far().saturating_sub(stalled),
            allowed: deadline,
            change: change(denial, &said),
            outcome: match said.words {
                Ok(text) => Outcome::Words {
                    text,
                    is_cut: said.is_cut,
                },
                Err((reason, guard)) => Outcome::Nothing { reason, guard },
            },
        }
    });
    let mut asked = asked.buffered(parallel.max(1));
    let mut attempts = Vec::with_capacity(denials.len());
    while let Some(attempt) = asked.next().await {
        attempts.push(attempt);
        step(attempts.len());
    }
    attempts
}

fn change(denial: &Denial, said: &Said) -> Change {
    let shown = said.shown.as_ref();
    Change {
        proposed: said.proposed,
        verified: said.verified,
        shown: shown.is_some(),
        confirmed: shown.is_some_and(|change| denial.passes_after(change)),
    }
}

/// So many of them, spread evenly over all and always the same; all of them again when there are fewer.
pub(crate) fn sampled<T: Clone>(all: &[T], wanted: usize) -> Vec<T> {
    if wanted <= all.len() {
        let place = |number: usize| number * all.len() / wanted;
        return (0..wanted)
            .filter_map(|number| all.get(place(number)).cloned())
            .collect();
    }
    all.iter().cycle().take(wanted).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::sources::{self, Options};

    /// The denials of the library's policies.
    fn library() -> Vec<Denial> {
        let policies = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"));
        let sources = sources::read(&[policies], &Options::default()).unwrap();
        let bundle = crate::assembly::bundle(&sources).unwrap();
        crate::assembly::denials(&sources, &bundle).unwrap()
    }

    struct Fixed(Said);

    impl Words for Fixed {
        async fn words(&self, _: &Denial, _: Instant) -> Said {
            self.0.clone()
        }
    }

    struct Slow;

    impl Words for Slow {
        async fn words(&self, _: &Denial, deadline: Instant) -> Said {
            tokio::time::sleep_until(deadline + Duration::from_millis(100)).await;
            Said {
                words: Err(("deadline".to_owned(), None)),
                is_cut: false,
                proposed: false,
                verified: false,
                shown: None,
            }
        }
    }

    async fn asked(words: &impl Words, denials: &[Denial]) -> Vec<Attempt> {
        run(words, denials, Duration::from_secs(10), 4, &mut |_| {}).await
    }

    #[test]
    fn the_library_has_enough_denials_and_each_names_its_policy() {
        let denials = library();
        assert!(denials.len() >= 200, "{}", denials.len());
        for denial in &denials {
            let policy = denial.name.split_once(": ").unwrap().0;
            let names = denial
                .request
                .violations
                .iter()
                .map(|violation| violation.policy.as_str());
            let failures = denial.request.failures.len();
            assert!(
                names.into_iter().any(|name| name == policy) || failures > 0,
                "{}",
                denial.name
            );
        }
    }

    #[tokio::test]
    async fn a_shown_change_is_tried_again() {
        let denials = library();
        let shown = |change: serde_json::Value| {
            Fixed(Said {
                words: Ok("Words.".to_owned()),
                is_cut: false,
                proposed: true,
                verified: true,
                shown: Some(serde_json::from_value(change).unwrap()),
            })
        };
        let change_of = |attempt: &Attempt| attempt.change.shown && attempt.change.confirmed;
        let does_nothing = asked(&shown(json!([])), &denials).await;
        assert!(!does_nothing.iter().any(change_of), "the policies deny it as before");
        let breaks = asked(&shown(json!([{"op": "remove", "path": "/nowhere"}])), &denials).await;
        assert!(!breaks.iter().any(change_of));
        // What the engine found and tried holds here, too.
        let own: Vec<&Denial> = denials
            .iter()
            .filter(|denial| denial.request.fix.as_ref().is_some_and(|fix| fix.complete))
            .collect();
        assert!(own.len() > 100, "{}", own.len());
        for denial in own {
            let patch = denial.request.fix.as_ref().map(|fix| fix.patch.clone()).unwrap();
            assert!(
                denial.passes_after(&serde_json::from_value(patch).unwrap()),
                "{}",
                denial.name
            );
        }
    }

    #[tokio::test]
    async fn who_is_late_is_seen() {
        let denials = library();
        let few = denials.get(..8).unwrap();
        let attempts = run(&Slow, few, Duration::from_millis(10), 8, &mut |_| {}).await;
        assert!(attempts.iter().all(|attempt| attempt.took > attempt.allowed));
        assert_eq!(attempts.len(), 8);
    }

    #[test]
    fn a_sample_is_spread_and_always_the_same() {
        assert_eq!(sampled(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 5), [0, 2, 4, 6, 8]);
        assert_eq!(sampled(&[0, 1], 5), [0, 1, 0, 1, 0]);
        assert_eq!(sampled::<u8>(&[], 5), [0_u8; 0]);
    }
}
