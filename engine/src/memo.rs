//! What is provably the same is not evaluated twice.
//!
//! Controllers make hundreds of equal Pods, and try again what was refused. What a rule comes to follows from the values at the
//! places that it reads, its parameters, the data of its set, and the budget that it has; where these are the same, so is what
//! came out, the steps that it took included. Only what took many steps is kept: comparing has to be cheaper than evaluating.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use smol_str::SmolStr;

use crate::policy::format::Form;
use crate::rego::builtins::{Halt, Host};
use crate::rego::value::Value;
use crate::rego::{Location, Program};

/// What takes fewer steps is evaluated again.
pub(crate) const WORTH: u64 = 2_000;

/// As is what takes fewer steps for each value that would be compared.
const STEPS_EACH: u64 = 8;

/// So many results are kept.
const MAX_KEPT: usize = 256;

/// The values of one, in bytes.
const MAX_BYTES: usize = 128 << 10;

/// So deep are they at most.
const MAX_DEPTH: usize = 100;

/// Of all.
const MAX_ALL_BYTES: usize = 4 << 20;

/// What came out of a rule.
type Outcome = Result<Option<Value>, Halt>;

/// The number of a policy in its set, and that of its rule.
type Asked = (usize, usize);

/// What a rule reads of a review.
#[derive(Debug, Clone)]
pub(crate) struct Reads(Vec<Vec<SmolStr>>);

impl Reads {
    /// `None` for a rule that sees what differs in every review.
    pub(crate) fn of(program: &Program, location: &Location, form: Form) -> Option<Self> {
        let request = match form {
            Form::Gatekeeper => "review",
            Form::Admission | Form::Response | Form::Object => "request",
        };
        let mut paths = program.inputs(location)?;
        // They are the policy's own, and the same in every review.
        paths.retain(|path| form == Form::Object || path.first().is_none_or(|name| name != "parameters"));
        let is_unique = |path: &Vec<SmolStr>| match path.as_slice() {
            [first] => first == request,
            [first, second, ..] => first == request && second == "uid",
            [] => true,
        };
        (!paths.iter().any(is_unique)).then_some(Self(paths))
    }
}

/// The values that a rule read.
struct Seen {
    values: Vec<Option<Value>>,
    hash: u64,
    count: u64,
    bytes: usize,
}

struct Kept {
    asked: Asked,
    budget: u64,
    seen: Seen,
    outcome: Outcome,
    left: u64,
}

/// Results that are kept from one review to the next.
pub(crate) struct Memo {
    /// By the hash of what was read. Of two with the same one the later stays.
    kept: HashMap<u64, Kept>,
    /// Their hashes, from the oldest on.
    order: VecDeque<u64>,
    /// How many there are of each rule: one without any is not looked for.
    counts: HashMap<Asked, usize>,
    bytes: usize,
    worth: u64,
    /// How many evaluations were spared.
    pub(crate) spared: u64,
}

impl Default for Memo {
    fn default() -> Self {
        Self::new(WORTH)
    }
}

impl Memo {
    /// Keeps what takes at least so many steps.
    pub(crate) fn new(worth: u64) -> Self {
        Self {
            kept: HashMap::new(),
            order: VecDeque::new(),
            counts: HashMap::new(),
            bytes: 0,
            worth,
            spared: 0,
        }
    }

    /// All of it, for one review; one that runs beside it finds nothing, and whoever is done last leaves what it has.
    pub(crate) fn lend(&mut self) -> Self {
        let worth = self.worth;
        std::mem::replace(self, Self::new(worth))
    }

    /// What `evaluate` gives, from memory where it is there. The host's budget is charged the same either way.
    pub(crate) fn value(
        &mut self,
        asked: Asked,
        reads: &Reads,
        input: &Value,
        host: &mut Host,
        evaluate: impl FnOnce(&mut Host) -> Outcome,
    ) -> Outcome {
        let budget = host.budget;
        let mut seen = None;
        if self.counts.contains_key(&asked) {
            seen = Seen::of(asked, budget, reads, input);
            if let Some(kept) = seen.as_ref().and_then(|seen| self.find(asked, budget, seen)) {
                host.budget = kept.left;
                let outcome = kept.outcome.clone();
                self.spared += 1;
                return outcome;
            }
        }
        let outcome = evaluate(host);
        let steps = budget.saturating_sub(host.budget);
        if steps >= self.worth {
            let seen = seen.or_else(|| Seen::of(asked, budget, reads, input));
            let each = STEPS_EACH.min(self.worth);
            if let Some(seen) = seen.filter(|seen| steps >= each * seen.count) {
                self.keep(Kept {
                    asked,
                    budget,
                    seen,
                    outcome: outcome.clone(),
                    left: host.budget,
                });
            }
        }
        outcome
    }

    fn find(&self, asked: Asked, budget: u64, seen: &Seen) -> Option<&Kept> {
        let kept = self.kept.get(&seen.hash)?;
        let is_same = kept.asked == asked && kept.budget == budget && all_same(&kept.seen.values, &seen.values);
        is_same.then_some(kept)
    }

    fn keep(&mut self, mut kept: Kept) {
        if let Ok(Some(value)) = &kept.outcome {
            let mut measure = Measure::new();
            if measure.value(value, MAX_DEPTH).is_none() {
                return;
            }
            kept.seen.bytes += measure.bytes;
        }
        let hash = kept.seen.hash;
        self.forget(hash);
        self.bytes += kept.seen.bytes;
        *self.counts.entry(kept.asked).or_default() += 1;
        self.kept.insert(hash, kept);
        self.order.push_back(hash);
        while self.kept.len() > MAX_KEPT || self.bytes > MAX_ALL_BYTES {
            match self.order.front().copied() {
                Some(oldest) => self.forget(oldest),
                None => break,
            }
        }
    }

    fn forget(&mut self, hash: u64) {
        let Some(kept) = self.kept.remove(&hash) else {
            return;
        };
        self.order.retain(|own| *own != hash);
        self.bytes = self.bytes.saturating_sub(kept.seen.bytes);
        if let Some(count) = self.counts.get_mut(&kept.asked) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&kept.asked);
            }
        }
    }
}

impl Seen {
    /// `None` when it is too much to be kept, or not worth looking at.
    fn of(asked: Asked, budget: u64, reads: &Reads, input: &Value) -> Option<Self> {
        let mut measure = Measure::new();
        (asked, budget).hash(&mut measure.hasher);
        let mut values = Vec::with_capacity(reads.0.len());
        for path in &reads.0 {
            let value = path.iter().try_fold(input, |value, name| value.member(name));
            measure.hasher.write_u8(u8::from(value.is_some()));
            if let Some(value) = value {
                measure.value(value, MAX_DEPTH)?;
            }
            values.push(value.cloned());
        }
        Some(Self {
            values,
            hash: measure.hasher.finish(),
            count: measure.count,
            bytes: measure.bytes,
        })
    }
}

/// Goes through values: their hash, how many they are, and what memory they may keep.
struct Measure {
    hasher: DefaultHasher,
    count: u64,
    bytes: usize,
}

impl Measure {
    fn new() -> Self {
        Self {
            hasher: DefaultHasher::new(),
            count: 0,
            bytes: 0,
        }
    }

    fn value(&mut self, value: &Value, depth: usize) -> Option<()> {
        // The stack of a wasm module is small.
        let depth = depth.checked_sub(1)?;
        self.count += 1;
        self.bytes += size_of::<Value>();
        match value {
            Value::Null => self.hasher.write_u8(0),
            Value::Bool(value) => self.hasher.write_u8(1 + u8::from(*value)),
            Value::Number(number) => match number.small() {
                Some(number) => self.hasher.write_i64(number),
                None => self.text(&number.to_string()),
            },
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.hasher.write_usize(items.len());
                for item in items.iter() {
                    self.value(item, depth)?;
                }
            }
            Value::Set(set) => {
                self.hasher.write_usize(set.len());
                for member in set.iter() {
                    self.value(member, depth)?;
                }
            }
            // What was not read yet would be read for this alone; it is what API servers keep of every change, and differs.
            Value::Object(object) if object.is_deferred() => return None,
            Value::Object(object) => {
                self.hasher.write_usize(object.len());
                for (key, member) in object.iter() {
                    self.value(key, depth)?;
                    self.value(member, depth)?;
                }
            }
        }
        (self.bytes <= MAX_BYTES).then_some(())
    }

    fn text(&mut self, text: &str) {
        text.hash(&mut self.hasher);
        self.bytes += text.len();
    }
}

fn all_same(some: &[Option<Value>], others: &[Option<Value>]) -> bool {
    let pairs = some.iter().zip(others);
    some.len() == others.len()
        && pairs.into_iter().all(|pair| match pair {
            (Some(one), Some(other)) => same(one, other),
            (None, None) => true,
            _ => false,
        })
}

/// More than equal: `1` and `1.0` are equal, and a message shows them as they are written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.small(), other.small()) {
            (Some(one), Some(other)) => one == other,
            (None, None) => one.to_string() == other.to_string(),
            _ => false,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| same(one, other))
        }
        (Value::Set(one), Value::Set(other)) => {
            one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let pairs = one.iter().zip(other.iter());
            one.len() == other.len()
                && pairs
                    .into_iter()
                    .all(|(one, other)| same(one.0, other.0) && same(one.1, other.1))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::rego::{Dialect, Source};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn json(text: &str) -> Value {
        Value::from(&serde_json::from_str::<serde_json::Value>(text).unwrap())
    }

    /// Asks for `data.a.deny`, and says whether it was evaluated and what is left of the budget.
    struct Asking {
        memo: Memo,
        program: Program,
        reads: Reads,
    }

    impl Asking {
        fn new(body: &str) -> Self {
            let text = format!("package a\n\ndeny contains x if {{\n\t{body}\n}}\n");
            let source = Source {
                file: "a.rego",
                text: &text,
                dialect: Dialect::V1,
            };
            let program = Program::compile(&[source]).unwrap();
            let reads = Reads::of(&program, &program.locate("data.a.deny"), Form::Admission).unwrap();
            Self {
                memo: Memo::new(0),
                program,
                reads,
            }
        }

        fn ask(&mut self, input: &str, budget: u64) -> (bool, Outcome, u64) {
            let (input, mut host, is_run) = (json(input), Host::new(budget), Cell::new(false));
            let outcome = self.memo.value((0, 0), &self.reads, &input, &mut host, |host| {
                is_run.set(true);
                self.program
                    .eval("data.a.deny", Some(&input), &Value::object(Vec::new()), host)
            });
            (is_run.get(), outcome, host.budget)
        }
    }

    #[test]
    fn what_was_read_decides_and_costs_the_same() {
        let mut asking = Asking::new("some x in input.request.object.xs\n\tx > 1");
        let first = asking.ask(r#"{"request": {"uid": "1", "object": {"xs": [1, 2], "y": 1}}}"#, 100);
        let again = asking.ask(r#"{"request": {"uid": "2", "object": {"xs": [1, 2], "y": 2}}}"#, 100);
        assert_eq!((first.0, again.0), (true, false));
        assert_eq!((&first.1, first.2), (&again.1, again.2));
        assert!(first.2 < 100);
        for other in ["[1, 2.0]", "[1, 3]", "[2, 1]", "{\"a\": 2}", "null"] {
            let input = format!(r#"{{"request": {{"object": {{"xs": {other}}}}}}}"#);
            assert!(asking.ask(&input, 100).0, "{other}");
            assert!(!asking.ask(&input, 100).0, "{other}");
        }
        assert!(asking.ask(r#"{"request": {"object": {}}}"#, 100).0);
        assert!(!asking.ask(r#"{"request": {"object": {}, "name": "x"}}"#, 100).0);
    }

    #[test]
    fn another_budget_is_another_question() {
        let mut asking = Asking::new("some x in input.request.object.xs\n\tx > 1");
        let input = r#"{"request": {"object": {"xs": [1, 2]}}}"#;
        let (_, _, left) = asking.ask(input, 100);
        let steps = 100 - left;
        for _ in 0..2 {
            assert_eq!(asking.ask(input, steps - 1).1, Err(Halt::Limit));
            assert!(asking.ask(input, steps).1.is_ok());
        }
    }

    #[test]
    fn rules_are_not_taken_for_each_other() {
        let mut asking = Asking::new("x := input.request.name");
        let input = json(r#"{"request": {"name": "web"}}"#);
        let mut host = Host::new(100);
        assert!(asking.ask(r#"{"request": {"name": "web"}}"#, 100).0);
        let other = asking
            .memo
            .value((1, 0), &asking.reads, &input, &mut host, |_| Ok(Some(Value::Null)));
        assert_eq!(other, Ok(Some(Value::Null)));
    }

    #[test]
    fn it_is_bounded() {
        let mut asking = Asking::new("x := input.request.object");
        let text = "x".repeat(MAX_BYTES / 2);
        for number in 0..MAX_KEPT + 10 {
            assert!(asking.ask(&format!(r#"{{"request": {{"object": {number}}}}}"#), 100).0);
            assert!(asking.memo.kept.len() <= MAX_KEPT);
        }
        assert_eq!(asking.memo.kept.len(), MAX_KEPT);
        for number in 0..MAX_KEPT {
            assert!(
                asking
                    .ask(&format!(r#"{{"request": {{"object": "{text}{number}"}}}}"#), 100)
                    .0
            );
            assert!(asking.memo.bytes <= MAX_ALL_BYTES, "{}", asking.memo.bytes);
        }
        assert_eq!(asking.memo.order.len(), asking.memo.kept.len());
        assert_eq!(asking.memo.counts.values().sum::<usize>(), asking.memo.kept.len());
        let bytes: usize = asking.memo.kept.values().map(|kept| kept.seen.bytes).sum();
        assert_eq!(asking.memo.bytes, bytes);
        // Too large, too deep.
        for object in [
            format!("\"{text}{text}{text}\""),
            format!("{}{}", "[".repeat(120), "]".repeat(120)),
        ] {
            let input = format!(r#"{{"request": {{"object": {object}}}}}"#);
            assert!(asking.ask(&input, 1_000).0);
            assert!(asking.ask(&input, 1_000).0);
        }
    }

    #[test]
    fn what_is_cheap_is_evaluated_again() {
        let mut asking = Asking::new("some x in input.request.object.xs\n\tx > 1");
        asking.memo = Memo::new(100);
        let input = |count: usize| {
            let items = vec!["2"; count].join(",");
            format!(r#"{{"request": {{"object": {{"xs": [{items}]}}}}}}"#)
        };
        for _ in 0..2 {
            assert!(asking.ask(&input(3), 10_000).0);
            // Many steps, but few for each value that is read.
            assert!(asking.ask(&input(300), 10_000).0);
        }
    }

    #[test]
    fn what_differs_in_every_review_is_not_looked_at() {
        let reads = |body: &str, form| {
            let text = format!("package a\n\ndeny contains \"x\" if {{\n\t{body}\n}}\n");
            let source = Source {
                file: "a.rego",
                text: &text,
                dialect: Dialect::V1,
            };
            let program = Program::compile(&[source]).unwrap();
            Reads::of(&program, &program.locate("data.a.deny"), form).map(|reads| reads.0.len())
        };
        assert_eq!(reads("input.request.uid", Form::Admission), None);
        assert_eq!(reads("input.request[x] == 1\n\tx", Form::Admission), None);
        assert_eq!(reads("input.review.uid", Form::Gatekeeper), None);
        assert_eq!(
            reads("input.request.object.a\n\tinput.parameters.b", Form::Admission),
            Some(1)
        );
        assert_eq!(
            reads("input.review.object.a\n\tinput.parameters.b", Form::Gatekeeper),
            Some(1)
        );
        assert_eq!(reads("input.parameters.b", Form::Object), Some(1));
    }
}
