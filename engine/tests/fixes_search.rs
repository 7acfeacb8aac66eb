//! The search for fixes, held against the changes that were written down before it: how many pass, and how many a good engineer
//! would make. `WHYNOT_FIXES=tuned` or `library` lists what differs.

#![cfg(test)]
// The corpus is files.
#![cfg(not(target_arch = "wasm32"))]

#[path = "support/library.rs"]
mod library;
mod support;

use std::fmt::Write as _;

use engine::admission::Review;
use engine::cases::{Class, Expect, Expectation};
use engine::eval::PolicySet;
use engine::fix::{self, Effort, Fix, Remedy};
use engine::template::Workload;
use serde_json::Value;
use support::fixes::{HELD_OUT, TUNED, load};

/// What was counted.
#[derive(Default)]
struct Score {
    fixable: usize,
    passing: usize,
    right: usize,
    /// Of what is not right, what is but for its class.
    other_class: usize,
    unfixable: usize,
    rightly_none: usize,
    widening_in_silence: usize,
    /// Policies for which there is neither a change nor a reason why there is none.
    silent: usize,
    evaluations: Vec<usize>,
    differing: String,
}

impl Score {
    fn share(part: usize, whole: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some hundred cases")]
        let share = 100.0 * part as f64 / whole.max(1) as f64;
        share
    }

    fn passing(&self) -> f64 {
        Self::share(self.passing, self.fixable)
    }

    fn right(&self) -> f64 {
        Self::share(self.right, self.fixable)
    }

    fn print(&mut self, name: &str) {
        self.evaluations.sort_unstable();
        let at = |share: usize| {
            self.evaluations
                .get(self.evaluations.len() * share / 100)
                .copied()
                .unwrap_or(0)
        };
        println!(
            "{name}: {} fixable, {:.1} % pass, {:.1} % right ({:.1} % more in another class); {} of {} rightly none; {} neither a change nor a reason; \
             evaluations p50 {} p99 {}",
            self.fixable,
            self.passing(),
            self.right(),
            Self::share(self.other_class, self.fixable),
            self.rightly_none,
            self.unfixable,
            self.silent,
            at(50),
            at(99),
        );
        if std::env::var("WHYNOT_FIXES").is_ok_and(|wanted| name.starts_with(&wanted)) {
            println!("{}", self.differing);
        }
    }

    fn count(&mut self, name: &str, set: &PolicySet, review: &Review, object: &Case<'_>) {
        let verdict = set.evaluate(review);
        let effort = Effort {
            warnings: true,
            authors: object.authors,
        };
        let remedies = fix::remedies(set, review, &verdict, effort);
        self.evaluations.push(remedies.evaluations);
        let silent = remedies.policies.values().filter(|remedy| **remedy == Remedy::Unknown);
        self.silent += silent.count();
        let expected = object.fix;
        let whole = remedies.whole.as_ref();
        if let Some(fix) = whole {
            // The parser takes no key twice.
            let shown = serde_saphyr::from_str::<Value>(&fix.snippet(""));
            assert!(shown.is_ok(), "{name}: {shown:?}\n{}", fix.snippet(""));
        }
        let says_nothing = whole.is_some_and(|fix| {
            let changed = review.with_object(fix.after().clone().into());
            set.evaluate(&changed).is_silent()
        });
        if expected.class == Class::None {
            self.unfixable += 1;
            let is_none = whole.is_none();
            self.rightly_none += usize::from(is_none);
            if !is_none {
                self.differ(name, "none is right", object, whole, &remedies.policies);
            }
            return;
        }
        self.fixable += 1;
        self.passing += usize::from(says_nothing);
        let is_right = says_nothing && whole.is_some_and(|fix| is_right(object, fix));
        self.right += usize::from(is_right);
        self.other_class += usize::from(!is_right && says_nothing && whole.is_some_and(|fix| is_accepted(object, fix)));
        if let Some(fix) = whole
            && !fix.widens()
            && !is_right
            && looks_wider(fix)
        {
            self.widening_in_silence += 1;
        }
        if !is_right {
            let what = if says_nothing {
                "passes, another is right"
            } else {
                "not found"
            };
            self.differ(name, what, object, whole, &remedies.policies);
        }
    }

    fn differ(
        &mut self,
        name: &str,
        what: &str,
        object: &Case<'_>,
        whole: Option<&Fix>,
        policies: &std::collections::BTreeMap<String, Remedy>,
    ) {
        let found = whole.map_or_else(String::new, |fix| format!("{} {:?}", fix.patch(), fix.class()));
        let right = serde_json::to_string(&object.fix.patch).unwrap();
        writeln!(
            self.differing,
            "- {name}: {what}\n    found {found}\n    right {right} {:?}",
            object.fix.class
        )
        .unwrap();
        for (policy, remedy) in policies {
            if let Remedy::Unfixable(reason) = remedy {
                writeln!(self.differing, "    {policy}: {reason}").unwrap();
            }
        }
    }
}

/// What is judged.
struct Case<'a> {
    object: &'a Value,
    workload: Option<&'static Workload>,
    fix: &'a Expectation,
    authors: bool,
}

fn is_accepted(case: &Case<'_>, fix: &Fix) -> bool {
    case.fix.accepts(case.object, fix.after(), case.workload).unwrap()
}

fn is_right(case: &Case<'_>, fix: &Fix) -> bool {
    let accepted = is_accepted(case, fix);
    let lift = |path: &String| {
        case.workload
            .map_or_else(|| path.clone(), |workload| workload.lift(path))
    };
    // A change without any of the values that a person has to fill in, such as a removal, can be as good.
    let is_open = case.fix.any.iter().any(|path| {
        let path = lift(path);
        fix.after().pointer(&path).is_some() && fix.after().pointer(&path) != case.object.pointer(&path)
    });
    let same_class = match case.fix.class {
        Class::Placeholder => !is_open || fix.class() == fix::Class::Placeholder,
        _ => fix.class() == fix::Class::Fix || is_open,
    };
    accepted && same_class
}

/// Words that give more than there was.
fn looks_wider(fix: &Fix) -> bool {
    let patch = serde_json::to_string(fix.patch()).unwrap();
    ["\"*\"", "\"privileged\",\"value\":true", "Unconfined"]
        .iter()
        .any(|sign| patch.contains(sign))
}

fn templates(half: &str) -> Score {
    let mut score = Score::default();
    for policy in load(half).unwrap() {
        for denied in &policy.cases {
            let set = policy.policy_set(denied).unwrap();
            let name = format!("{}: {}", policy.name, denied.name);
            let case = Case {
                object: &denied.object,
                workload: None,
                fix: &denied.fix,
                authors: true,
            };
            score.count(&name, &set, &denied.review(&denied.object), &case);
        }
    }
    score
}

fn of_library(authors: bool) -> Score {
    let mut score = Score::default();
    for policy in library::load() {
        let id = &policy.id;
        for (_, case) in &policy.cases {
            let Some(fix) = &case.fix else { continue };
            if !matches!(case.expect, Expect::Deny | Expect::Warn | Expect::Audit) {
                continue;
            }
            let set = case.policy_set(id, "policy.rego", &policy.text).unwrap();
            for variant in case.variants().unwrap() {
                let object = variant.object();
                let case = Case {
                    object: &object,
                    workload: variant.workload(),
                    fix,
                    authors,
                };
                let review = Review::parse(&variant.review_bytes()).unwrap();
                score.count(&format!("{id}: {}", variant.name), &set, &review, &case);
            }
        }
    }
    score
}

#[test]
fn templates_that_the_search_was_tuned_on() {
    let mut score = templates(TUNED);
    score.print("tuned");
    assert!(score.passing() >= 94.0 && score.right() >= 80.0);
    assert_eq!(score.widening_in_silence, 0);
}

#[test]
fn templates_that_nobody_tuned_on() {
    let mut score = templates(HELD_OUT);
    score.print("held-out");
    // What is right is a floor that only rises: three quarters are the aim.
    assert!(score.passing() >= 85.0 && score.right() >= 65.0);
    assert_eq!(score.widening_in_silence, 0);
}

#[test]
fn the_library_without_a_word_of_its_authors() {
    let mut score = of_library(false);
    score.print("library alone");
    assert!(score.passing() >= 90.0 && score.right() >= 85.0);
    assert_eq!(score.widening_in_silence, 0);
}

#[test]
fn the_library_with_its_authors() {
    let mut score = of_library(true);
    score.print("library with authors");
    assert!(score.passing() >= 100.0 && score.right() >= 98.0);
}
