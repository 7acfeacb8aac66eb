//! The smallest set of changes after which one policy does not say what it is about any more.
//!
//! What the policy compares says what to change ([`crate::rego::why`]). The cheapest changes are tried first, each by evaluating
//! all policies again. Where something else is objected to afterwards, the search goes on from there.

use serde_json::Value as Json;

use super::author::Advice;
use super::bounds;
use super::change::{self, Edit, Step};
use super::couple::couple;
use super::places::{blame_of, is_same_object, lifted, merged, named, steps, whole_volumes};
use super::prices::edit;
use super::proof::{Aim, Proof};
use super::values::{self, Candidate, Spot};
use super::ways::{MAX_WANTS, Way, ways};
use crate::rego::builtins::Host;
use crate::rego::value::Value;
use crate::rego::why::{Blame, Goal, Source, Test, Want};
use crate::schema::{self, Field, Type};

/// How often the policies are evaluated for one policy.
const MAX_EVALUATIONS: usize = 64;

/// The size of an object, in bytes, up to which it is tried as often as that.
const TYPICAL: usize = 32 * 1024;

/// How many rounds of changes follow from each other.
const MAX_ROUNDS: usize = 4;

/// How many states wait.
const MAX_WAITING: usize = 256;

/// How many alternatives of one field are combined with the rest.
const MAX_VARIANTS: usize = 4;

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) edits: Vec<Edit>,
}

/// Why nothing was.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is found out by itself, and several can be true"
)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nothing {
    /// What decides, when no field of the object does.
    pub(super) blame: Option<Blame>,
    /// Only another object would do.
    pub(super) identity: bool,
    /// The field cannot be changed on an object that exists.
    pub(super) frozen: bool,
    /// The change would show what may be a secret.
    pub(super) hidden: bool,
    /// Changes were tried.
    pub(super) tried: bool,
    /// What else than the object a field of it is compared with, when nothing that was tried holds.
    pub(super) other: Option<Source>,
}

/// A set of edits that waits for its trial.
struct State {
    edits: Vec<Edit>,
    cost: u32,
    round: usize,
}

pub(super) struct Search<'a, 'p> {
    pub(super) proof: &'a mut Proof<'p>,
    pub(super) aim: &'a Aim<'p>,
    pub(super) host: Host,
    pub(super) kind: Option<Type>,
    pub(super) tried: Vec<Json>,
    pub(super) nothing: Nothing,
    /// What the policy says where it found something.
    pub(super) reported: Vec<Vec<Step>>,
    /// Fields that hold an example in the state that is looked at.
    pub(super) open: Vec<Vec<Step>>,
    /// What the policy said.
    pub(super) words: String,
    /// The same in small letters.
    pub(super) said: String,
    /// Fields that have to be as they were.
    pub(super) kept: Vec<Vec<Step>>,
    /// The values that it names for a field.
    pub(super) options: Vec<(Vec<Step>, Vec<Value>)>,
    /// What the policy's author says about the search.
    pub(super) advice: Advice,
    /// What can be found out by trying is found out.
    probed: bool,
}

/// To give more than there was.
const WIDER: u32 = 60;

impl<'a, 'p> Search<'a, 'p> {
    pub(super) fn new(proof: &'a mut Proof<'p>, aim: &'a Aim<'p>) -> Self {
        let kind = &proof.review().kind;
        let kind = Type::of_kind(&kind.group, &kind.version, &kind.kind);
        let words = aim.said();
        let said = words.to_lowercase();
        let reported = aim.reported().iter().map(|path| change::steps(path)).collect();
        Self {
            proof,
            aim,
            host: Host::new(100_000),
            kind,
            tried: Vec::new(),
            nothing: Nothing::default(),
            reported,
            open: Vec::new(),
            words,
            said,
            kept: Vec::new(),
            options: Vec::new(),
            advice: Advice::default(),
            probed: false,
        }
    }

    /// Heeds what the policy's author says.
    pub(super) fn advised(mut self, advice: Advice) -> Self {
        self.advice = advice;
        self
    }

    /// The cheapest edits after which the policy objects no more, on top of those that are made already.
    pub(super) fn run(mut self, made: &[Edit]) -> Result<Found, Nothing> {
        // A large object is tried less often: the time is that of the person who waits.
        let size = self.proof.before().to_string().len();
        let mut limit = self.proof.evaluations() + (MAX_EVALUATIONS * TYPICAL / size.max(TYPICAL)).max(4);
        let mut waiting: Vec<State> = Vec::new();
        let start = State {
            edits: made.to_vec(),
            cost: 0,
            round: 0,
        };
        self.expand(&start, &[self.aim.policy.to_owned()], &mut waiting);
        loop {
            if waiting.is_empty() || self.proof.is_over(limit) {
                // What the policy itself says leads nowhere: what can be found out by trying.
                let Some(goal) = self.probe(&start) else { break };
                limit = self.proof.evaluations() + MAX_EVALUATIONS / 4;
                waiting.clear();
                self.follow(&start, &goal, &mut waiting);
                continue;
            }
            // The first of the cheapest: equals in the order of the policy.
            let mut next = 0;
            for (place, state) in waiting.iter().enumerate() {
                if waiting.get(next).is_some_and(|best| state.cost < best.cost) {
                    next = place;
                }
            }
            let state = waiting.remove(next);
            let Some((after, _)) = change::apply(self.proof.before(), &state.edits) else {
                continue;
            };
            if self.tried.contains(&after) || !self.is_valid(&after) {
                continue;
            }
            self.tried.push(after.clone());
            self.nothing.tried = true;
            let trial = self.proof.trial(&after, self.aim);
            if trial.holds && self.undoes(&state.edits, &after) {
                // To put everything back as it was is no way to change it.
                self.nothing.blame = Some(Blame::before());
                continue;
            }
            if trial.holds {
                let edits = self.smaller(state.edits, limit);
                return Ok(Found { edits });
            }
            if state.round < MAX_ROUNDS && trial.moved {
                self.expand(&state, &trial.objecting, &mut waiting);
            }
        }
        Err(self.nothing)
    }

    /// What trying finds out about the start, once.
    fn probe(&mut self, start: &State) -> Option<Goal> {
        if std::mem::replace(&mut self.probed, true) {
            return None;
        }
        let (object, _) = change::apply(self.proof.before(), &start.edits)?;
        self.sensed(&object)
    }

    /// Whether all that is changed is put back because it may not change.
    fn undoes(&self, edits: &[Edit], after: &Json) -> bool {
        let is_old = |edit: &Edit| self.kept.contains(&edit.path);
        edits.iter().all(is_old) && is_same_object(after, &self.proof.review().old_object().to_json())
    }

    /// Leaves out what is not needed.
    fn smaller(&mut self, mut edits: Vec<Edit>, limit: usize) -> Vec<Edit> {
        let mut place = edits.len();
        while place > 0 && edits.len() > 1 && edits.len() <= 12 && !self.proof.is_over(limit + 12) {
            place -= 1;
            let mut fewer = edits.clone();
            let edit = fewer.remove(place);
            let names = change::names(&edit.path);
            let spreads = names.contains(&"topologySpreadConstraints") && names.last() == Some(&"labelSelector");
            if names.contains(&"valueFrom") || spreads {
                // A variable without its value is no use, nor is to spread no Pods.
                continue;
            }
            let Some((after, _)) = change::apply(self.proof.before(), &fewer) else {
                continue;
            };
            if self.is_valid(&after) && self.proof.trial(&after, self.aim).holds {
                edits = fewer;
            }
        }
        edits
    }

    /// Whether Kubernetes would take the object, as far as it did before.
    fn is_valid(&self, after: &Json) -> bool {
        schema::new_problems(&self.proof.review().kind, self.proof.before(), after).is_empty()
    }

    /// Puts the changes that could help after this state among those that wait.
    fn expand(&mut self, state: &State, objecting: &[String], waiting: &mut Vec<State>) {
        let Some((object, _)) = change::apply(self.proof.before(), &state.edits) else {
            return;
        };
        let examples = state.edits.iter().filter(|edit| edit.placeholder.is_some());
        self.open = examples.map(|edit| edit.path.clone()).collect();
        let mut goals = Vec::new();
        for policy in objecting {
            for (workload, goal) in self.proof.goals(&object, (policy, self.aim), &mut self.host) {
                goals.push(lifted(goal, workload));
            }
        }
        let goal = match goals.len() {
            1 => goals.remove(0),
            _ => Goal::All(goals),
        };
        if let Goal::Never(blame) = blame_of(&goal)
            && state.round == 0
        {
            self.nothing.blame = Some(blame);
        }
        self.follow(state, &goal, waiting);
    }

    /// The same for what is to be reached.
    fn follow(&mut self, state: &State, goal: &Goal, waiting: &mut Vec<State>) {
        let Some((object, _)) = change::apply(self.proof.before(), &state.edits) else {
            return;
        };
        let mut wants = 0;
        goal.visit(&mut |want| {
            wants += 1;
            if state.round == 0 && matches!(want.source, Source::Inventory | Source::Old | Source::Request) {
                self.nothing.other.get_or_insert(want.source);
            }
        });
        if wants > MAX_WANTS {
            return;
        }
        self.options = options(goal);
        let mut prices: Vec<(Want, Option<u32>)> = Vec::new();
        let found = ways(goal, &mut |want| {
            if let Some((_, price)) = prices.iter().find(|(known, _)| known == want) {
                return *price;
            }
            let price = self.price(&object, want);
            prices.push((want.clone(), price));
            price
        });
        for way in found {
            for (cost, mut edits) in self.solve(&object, &way) {
                couple(&object, &mut edits);
                self.completed(&object, &mut edits);
                // What is found later to be right for a field takes the place of what was tried first.
                let edits = self.in_new_elements(&state.edits, edits);
                if edits.iter().any(|edit| self.advice.avoids(self.proof.before(), edit)) {
                    continue;
                }
                let all = merged(&state.edits, edits);
                if bounds::empties(self.proof.before(), &all) {
                    continue;
                }
                let wider = bounds::widens(self.proof.before(), &all);
                let cost = state.cost + cost + if state.round > 0 { 4 } else { 0 } + if wider { WIDER } else { 0 };
                if waiting.len() < MAX_WAITING && !waiting.iter().any(|other| other.edits == all) {
                    waiting.push(State {
                        edits: all,
                        cost,
                        round: state.round + 1,
                    });
                }
            }
        }
    }

    /// Edits below elements that earlier edits added, as edits of these elements.
    fn in_new_elements(&self, earlier: &[Edit], mut later: Vec<Edit>) -> Vec<Edit> {
        let mut added: Vec<(Vec<Step>, u32)> = Vec::new();
        for edit in earlier {
            if let Some(at) = edit.path.iter().position(|step| matches!(step, Step::New(_)))
                && let (Some(list), Some(Step::New(id))) = (edit.path.get(..at), edit.path.get(at))
                && !added.iter().any(|(known, other)| known == list && other == id)
            {
                added.push((list.to_vec(), *id));
            }
        }
        added.sort();
        for edit in &mut later {
            for (list, id) in &added {
                let Some(Step::Key(place)) = edit.path.get(list.len()) else {
                    continue;
                };
                if !edit.path.starts_with(list) {
                    continue;
                }
                let length = change::pointer(list)
                    .and_then(|list| self.proof.before().pointer(&list))
                    .and_then(Json::as_array)
                    .map_or(0, Vec::len);
                let before = added.iter().take_while(|(known, other)| (known, other) != (list, id));
                let own = length + before.filter(|(known, _)| known == list).count();
                if place.parse() == Ok(own) {
                    let at = list.len();
                    if let Some(step) = edit.path.get_mut(at) {
                        *step = Step::New(*id);
                    }
                    break;
                }
            }
        }
        later
    }

    /// What a new element needs beside what is asked of it.
    fn completed(&self, object: &Json, edits: &mut Vec<Edit>) {
        let mut more: Vec<Edit> = Vec::new();
        for edit in edits.iter() {
            let Some(at) = edit.path.iter().position(|step| matches!(step, Step::New(_))) else {
                continue;
            };
            let Some(element) = edit.path.get(..=at) else { continue };
            let Some(schema::Form::Object(kind)) = self.field(element).map(Field::form) else {
                continue;
            };
            let list = change::names(element)
                .iter()
                .rev()
                .nth(1)
                .copied()
                .unwrap_or_default()
                .to_owned();
            let selects = list == "topologySpreadConstraints"
                || (list == "requiredDuringSchedulingIgnoredDuringExecution"
                    && !change::names(element).contains(&"nodeAffinity"));
            let selecting = selects.then_some("labelSelector");
            for name in kind.required().chain(selecting) {
                let mut path = element.to_vec();
                path.push(Step::Key(name.to_owned()));
                let is_there = |edit: &Edit| edit.path.starts_with(&path);
                if edits.iter().any(is_there) || more.iter().any(is_there) {
                    continue;
                }
                let spot = Spot {
                    object,
                    path: &path,
                    now: None,
                    field: self.field(&path),
                    options: 1,
                    is_part: false,
                };
                if let Some(candidate) = values::needed(&spot) {
                    more.push(super::prices::edit(&path, &candidate));
                }
            }
        }
        edits.extend(more);
    }

    /// The edits that give all wants of a way, with their cost: several, where a field can have several values.
    fn solve(&mut self, object: &Json, way: &Way) -> Vec<(u32, Vec<Edit>)> {
        let wants = whole_volumes(named(&way.wants));
        let mut paths: Vec<(Vec<Step>, Vec<&Want>)> = Vec::new();
        for want in &wants {
            let path = steps(&want.place);
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, list)) => list.push(want),
                None => paths.push((path, vec![want])),
            }
        }
        let is_made = |path: &[Step]| {
            paths
                .iter()
                .any(|(other, _)| other.len() > path.len() && other.starts_with(path))
        };
        let mut choices: Vec<(Vec<Step>, Vec<Candidate>)> = Vec::new();
        for (path, list) in &paths {
            let is_presence = list
                .iter()
                .all(|want| want.wanted && matches!(want.test, Test::Defined | Test::True));
            // It is there once something below it is.
            if is_presence && is_made(path) {
                continue;
            }
            let found = self.of(object, path, list);
            if found.is_empty() {
                return Vec::new();
            }
            choices.push((path.clone(), found));
        }
        let pick = |which: &dyn Fn(usize, &[Candidate]) -> usize| -> (u32, Vec<Edit>) {
            let mut cost = 0;
            let mut edits = Vec::new();
            for (place, (path, found)) in choices.iter().enumerate() {
                let at = which(place, found).min(found.len().saturating_sub(1));
                if let Some(candidate) = found.get(at) {
                    cost += candidate.cost;
                    edits.push(edit(path, candidate));
                }
            }
            (cost, edits)
        };
        let mut solved = vec![pick(&|_, _| 0)];
        for variant in 1..MAX_VARIANTS {
            if choices.iter().any(|(_, found)| found.len() > variant) {
                // The same everywhere, and in one place alone.
                solved.push(pick(&|_, _| variant));
                if choices.len() <= 3 && choices.len() > 1 {
                    for own in 0..choices.len() {
                        solved.push(pick(&|place, _| if place == own { variant } else { 0 }));
                    }
                }
            }
        }
        solved
    }
}

/// The values that a policy names for each field.
fn options(goal: &Goal) -> Vec<(Vec<Step>, Vec<Value>)> {
    let mut found: Vec<(Vec<Step>, Vec<Value>)> = Vec::new();
    goal.visit(&mut |want| {
        let Test::Among(values) = &want.test else { return };
        if !want.wanted || !matches!(want.source, Source::Rule | Source::Parameter) {
            return;
        }
        let path = steps(&want.place);
        let known = found.iter().position(|(known, _)| *known == path);
        let place = known.unwrap_or_else(|| {
            found.push((path, Vec::new()));
            found.len() - 1
        });
        if let Some((_, known)) = found.get_mut(place) {
            for value in values {
                if !known.contains(value) {
                    known.push(value.clone());
                }
            }
        }
    });
    found
}
