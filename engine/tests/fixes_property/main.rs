//! Every change that is shown passes, whatever the policies and the object are.
//!
//! `WHYNOT_FIX_SEED` and `WHYNOT_FIX_RUNS` say where to begin and how many fixes are looked at: a long run takes 10,000.

#![cfg(test)]
// The corpus is files.
#![cfg(not(target_arch = "wasm32"))]

mod check;
mod generate;
mod hostile;
#[path = "../support/library.rs"]
mod library;
// One generator of broken documents for the whole repository.
#[path = "../../../wasm-tests/tests/opa/mutate.rs"]
mod mutate;
mod shrink;
#[expect(dead_code, reason = "what is written as right is for other tests")]
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::admission::Review;
use engine::eval::PolicySet;
use engine::fix::{self, Class, Effort, Fix, Remedies, Remedy};
use engine::policy::bundle::Bundle;
use serde_json::Value;

use self::check::Denied;
use self::generate::{Corpus, Round};

/// [`fix::remedies`] ends a policy's search that it has begun: its own bound and what one search can take.
const MOST_EVALUATIONS: usize = 240 + 90;

/// Rounds between two looks at how many fixes there are.
const BATCH: u64 = 8;

/// Failures that are made small and shown.
const SHOWN: usize = 8;

#[derive(Default)]
struct Tally {
    rounds: usize,
    objects: usize,
    objected: usize,
    fixes: usize,
    placeholders: usize,
    complete: usize,
    unfixable: usize,
    unknown: usize,
    most_evaluations: usize,
    failed: Vec<Failed>,
}

struct Failed {
    seed: u64,
    round: Round,
    review: Value,
    looked: Looked,
}

impl Tally {
    fn count(&mut self, looked: &Looked) {
        self.objects += 1;
        let Some(remedies) = &looked.remedies else { return };
        self.objected += 1;
        self.most_evaluations = self.most_evaluations.max(remedies.evaluations);
        for remedy in remedies.policies.values() {
            self.unfixable += usize::from(matches!(remedy, Remedy::Unfixable(_)));
            self.unknown += usize::from(matches!(remedy, Remedy::Unknown));
        }
        for (_, fix) in fixes(remedies) {
            self.fixes += 1;
            self.complete += usize::from(fix.complete());
            self.placeholders += usize::from(fix.class() == Class::Placeholder);
        }
    }

    fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.objects += other.objects;
        self.objected += other.objected;
        self.fixes += other.fixes;
        self.placeholders += other.placeholders;
        self.complete += other.complete;
        self.unfixable += other.unfixable;
        self.unknown += other.unknown;
        self.most_evaluations = self.most_evaluations.max(other.most_evaluations);
        self.failed.extend(other.failed);
    }

    fn line(&self, seed: u64) -> String {
        let exceptions: usize = self.failed.iter().map(|failed| failed.looked.exceptions.len()).sum();
        format!(
            "{} fixes from seed {seed}, {exceptions} exceptions in {} reviews: {} rounds, {} objects, {} objected to; {} \
             complete, {} with placeholders; unfixable {}, unknown {}; at most {} evaluations",
            self.fixes,
            self.failed.len(),
            self.rounds,
            self.objects,
            self.objected,
            self.complete,
            self.placeholders,
            self.unfixable,
            self.unknown,
            self.most_evaluations,
        )
    }

    /// One of each kind first.
    fn report(self) -> String {
        let mut report = String::new();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for Failed {
            seed,
            round,
            review,
            looked,
        } in self.failed
        {
            let seen = kinds.entry(shrink::kind_of(&looked)).or_default();
            *seen += 1;
            if *seen > 2 || report.matches("--- ").count() >= SHOWN {
                continue;
            }
            let (round, review, looked) = shrink::smallest(round, review, looked);
            let exception = &looked.exceptions[0];
            writeln!(
                report,
                "--- seed {seed}, {:?}, {}\n{}\n{}\n{}\n{review}",
                looked.effort,
                round.policies.join(", "),
                exception.what,
                exception.fix,
                serde_json::to_string(&round.bundle.settings.policies).unwrap(),
            )
            .unwrap();
        }
        for (kind, count) in kinds {
            writeln!(report, "{count} reviews: {kind}").unwrap();
        }
        report
    }
}

#[test]
fn every_fix_that_is_shown_passes() {
    let seed = number("WHYNOT_FIX_SEED", 1);
    let wanted = usize::try_from(number("WHYNOT_FIX_RUNS", 1_500)).unwrap();
    let corpus = Corpus::read();
    let mut tally = Tally::default();
    let mut next = seed.wrapping_mul(1_000_003);
    while tally.fixes < wanted {
        let results: Vec<Tally> = std::thread::scope(|scope| {
            let corpus = &corpus;
            let halves = [0, 1].map(|half| {
                scope.spawn(move || {
                    let mut tally = Tally::default();
                    for place in (0..BATCH).filter(|place| place % 2 == half) {
                        tally.add(tried(corpus, next.wrapping_add(place)));
                    }
                    tally
                })
            });
            halves.into_iter().map(|half| half.join().unwrap()).collect()
        });
        next = next.wrapping_add(BATCH);
        for result in results {
            tally.add(result);
        }
        // Else the generators make nothing that is objected to.
        assert!(tally.rounds < 400 || tally.fixes > tally.rounds, "{}", tally.line(seed));
    }
    println!("{}", tally.line(seed));
    assert!(
        tally.placeholders * 20 > tally.fixes && tally.complete * 10 > tally.fixes,
        "hardly anything was compared: {}",
        tally.line(seed)
    );
    assert!(tally.failed.is_empty(), "{}\n{}", tally.line(seed), tally.report());
}

fn tried(corpus: &Corpus, seed: u64) -> Tally {
    let round = corpus.round(seed);
    let mut tally = Tally {
        rounds: 1,
        ..Tally::default()
    };
    let sets = shrink::compiled(&round.bundle, &round.context);
    let sets = sets.unwrap_or_else(|| panic!("seed {seed}: {:?} does not compile", round.policies));
    for (place, review) in round.reviews.iter().enumerate() {
        let effort = Effort {
            warnings: place % 2 == 0,
            authors: place % 3 > 0,
        };
        let looked = look(&round.bundle, &sets, review, effort);
        tally.count(&looked);
        if !looked.exceptions.is_empty() {
            tally.failed.push(Failed {
                seed,
                round: corpus.round(seed),
                review: review.clone(),
                looked,
            });
        }
    }
    tally
}

/// What was found for one review.
pub(crate) struct Looked {
    pub(crate) effort: Effort,
    pub(crate) exceptions: Vec<Exception>,
    /// Nothing when nobody objects, or it panics.
    pub(crate) remedies: Option<Remedies>,
}

/// What is not as it has to be.
pub(crate) struct Exception {
    pub(crate) what: String,
    /// The policy that the fix is for, and the patch.
    pub(crate) fix: String,
}

/// Looks for fixes and at them. The second set is the same, compiled once more.
pub(crate) fn look(bundle: &Bundle, [set, again]: &[PolicySet; 2], review: &Value, effort: Effort) -> Looked {
    let mut looked = Looked {
        effort,
        exceptions: Vec::new(),
        remedies: None,
    };
    let body = review.to_string().into_bytes();
    let Ok(parsed) = Review::parse(&body) else {
        return looked;
    };
    let mut report = |what: &str, policy: &str, fix: Option<&Fix>| {
        let patch = fix.map_or_else(String::new, |fix| fix.patch().to_string());
        looked.exceptions.push(Exception {
            what: what.to_owned(),
            fix: format!("{policy}: {patch}"),
        });
    };
    let Ok(found) = catch_unwind(AssertUnwindSafe(|| remedies(set, &parsed, effort))) else {
        report("it panics", "", None);
        return looked;
    };
    let Some(found) = found else { return looked };
    // With nothing kept from what was evaluated before.
    let once_more = remedies(again, &parsed, effort).unwrap_or_default();
    if (&found.whole, &found.policies, found.evaluations)
        != (&once_more.whole, &once_more.policies, once_more.evaluations)
    {
        report("another answer the second time", "", found.whole.as_ref());
    }
    if found.evaluations > MOST_EVALUATIONS {
        report("too many evaluations", &found.evaluations.to_string(), None);
    }
    let denied = Denied {
        bundle,
        set: again,
        body: &body,
        warnings: effort.warnings,
    };
    for (policy, fix) in fixes(&found) {
        let is_partial = found
            .partly
            .iter()
            .flat_map(|(violations, _)| violations)
            .any(|violation| violation.policy == policy);
        if policy != "all" && fix.policies().iter().any(|own| own == policy) == is_partial {
            report("it is for others, or for more than it mends", policy, Some(fix));
        }
        for exception in denied.exceptions(fix) {
            report(&exception, policy, Some(fix));
        }
    }
    looked.remedies = Some(found);
    looked
}

fn fixes(remedies: &Remedies) -> impl Iterator<Item = (&str, &Fix)> {
    let single = remedies.policies.iter().filter_map(|(policy, remedy)| match remedy {
        Remedy::Fix(fix) => Some((policy.as_str(), &**fix)),
        _ => None,
    });
    let partly = remedies
        .partly
        .iter()
        .filter_map(|(violations, remedy)| match (violations.first(), remedy) {
            (Some(violation), Remedy::Fix(fix)) => Some((violation.policy.as_str(), &**fix)),
            _ => None,
        });
    single
        .chain(partly)
        .chain(remedies.whole.as_ref().map(|fix| ("all", fix)))
}

/// Nothing, when nobody objects.
fn remedies(set: &PolicySet, review: &Review, effort: Effort) -> Option<Remedies> {
    let verdict = set.evaluate(review);
    verdict.violations().next()?;
    Some(fix::remedies(set, review, &verdict, effort))
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}"))
    })
}
