//! [`PolicySet`] and a review become a [`Verdict`].
//!
//! Each policy has limits of its own. What it may do is counted in units of work, not in time, so that the same review gets the
//! same verdict on every machine, and in wasm where there is no clock. A result that is undefined, of another shape, an error or
//! a limit is a [`Failure`]: nothing here turns one into "no violations".

mod shown;
mod tasks;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use self::shown::Shown;
use self::tasks::{Task, is_namespace};
use crate::admission::Review;
use crate::context::{Context, Namespace};
use crate::finding::{self, Finding};
use crate::memo::{Memo, Reads};
use crate::policy::compile::{Kept, PolicyMeta};
use crate::policy::format::Form;
use crate::policy::gatekeeper::Match;
use crate::policy::index::Index;
use crate::policy::matching::{Criteria, Glob};
use crate::rego::builtins::Host;
use crate::rego::value::Value;
use crate::rego::why::{self, Goal, Roots};
use crate::rego::{Location, Program};
use crate::surroundings::{Needs, Prepared, Surroundings};
use crate::template::Workload;
use crate::verdict::{Action, Failure, FailureKind, Verdict};

/// How much work one policy may do for one review, in steps of its rules. A Pod of 13 kB takes a policy some hundreds.
pub const MAX_WORK: u64 = 2_000_000;

/// How much work all policies together may do for one review: a webhook's deadline is shared by all of them.
pub const MAX_REVIEW_WORK: u64 = 3 * MAX_WORK;

/// How much of it a policy may do on a review that nobody sent.
const REHEARSED_WORK: u64 = 20_000;

/// So many compiled regexes are taken over by the next set.
const KEPT_PATTERNS: usize = 1_000;

/// How many violations one policy may report for one review.
pub const MAX_VIOLATIONS: usize = 500;

/// The longest message of one violation, in bytes.
pub const MAX_MESSAGE: usize = 8 * 1024;

/// Why a policy has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What exactly.
    pub detail: String,
}

impl Stop {
    /// A reason.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }
}

/// Which requests a policy concerns.
#[derive(Debug)]
pub enum Concern {
    /// `match` of METADATA.
    Criteria(Criteria),
    /// `spec.match` of a constraint.
    Constraint(Match),
}

/// A rule that is asked.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub rule: String,
    /// Where it is.
    pub location: Location,
    /// What a violation leads to; `None` leaves it to the policy.
    pub action: Option<Action>,
    /// What it reads, when its value may be kept from one review to the next.
    pub(crate) reads: Option<Reads>,
}

/// A policy, ready to run.
#[derive(Debug)]
pub struct Policy {
    /// What it says about itself.
    pub meta: PolicyMeta,
    /// What it concerns.
    pub concern: Concern,
    /// What it sees and answers.
    pub form: Form,
    /// Why it is taken for that: "it …".
    pub form_reason: String,
    /// What it looks at beside the review.
    pub needs: Needs,
    /// A failure of it lets the request pass.
    pub tolerant: bool,
    /// It is asked only about what another webhook denied.
    pub explains: bool,
    /// `input.parameters`.
    pub parameters: Value,
    /// The rules that are asked.
    pub entries: Vec<Entry>,
    /// conftest's `exception`: says which of these rules do not count.
    pub exception: Option<Location>,
    /// The program that they are in.
    pub program: Arc<Program>,
}

impl Policy {
    /// It is a constraint of Gatekeeper's.
    pub fn is_constraint(&self) -> bool {
        matches!(self.concern, Concern::Constraint(_))
    }
}

/// Policies that decide together, under one revision.
///
/// The second part is empty, but for [`PolicySet::accused`]: the places of the policies that another webhook is taken to enforce.
#[derive(Clone)]
pub struct PolicySet(Arc<Inner>, Option<Arc<[usize]>>);

impl fmt::Debug for PolicySet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.policies().iter().map(|policy| &policy.meta.id);
        out.debug_struct("PolicySet")
            .field("revision", &self.revision())
            .field("policies", &ids.collect::<Vec<_>>())
            .finish()
    }
}

struct Inner {
    compiled: Arc<Compiled>,
    surroundings: Surroundings,
    /// `data`.
    data: Value,
    /// Values of rules that took long and read `data.context` or `data.inventory`.
    memo: Mutex<Memo>,
}

/// What does not depend on the context, and is shared by sets that differ in it alone.
struct Compiled {
    revision: String,
    policies: Vec<Policy>,
    index: Index,
    excluded: Vec<Glob>,
    /// What the bundle brings below `data`.
    data: Value,
    /// Compiled regexes, from one review to the next.
    patterns: Mutex<HashMap<String, Option<regex::Regex>>>,
    /// Values of rules that took long and read nothing of the context: they are right with any.
    memo: Mutex<Memo>,
    /// For the set that comes after this one.
    kept: Arc<Kept>,
}

/// Values of rules that took long, by whether they read the context.
struct Memos {
    plain: Memo,
    with_context: Memo,
}

impl PolicySet {
    /// A set of compiled policies, with an empty context. `data` is what the bundle brings.
    pub(crate) fn new(
        revision: String,
        policies: Vec<Policy>,
        index: Index,
        excluded: Vec<Glob>,
        data: &Value,
        kept: Arc<Kept>,
    ) -> Self {
        let compiled = Compiled {
            revision,
            policies,
            index,
            excluded,
            data: data.clone(),
            patterns: Mutex::default(),
            memo: Mutex::default(),
            kept,
        };
        Self::of(Arc::new(compiled), Surroundings::default())
    }

    /// The same policies, as if another webhook's were among them: those at these places deny whatever their action is, and the
    /// others that only explain are asked too, so that no change is taken for a fix to which they would object.
    #[must_use]
    pub fn accused(&self, places: &[usize]) -> Self {
        Self(Arc::clone(&self.0), Some(places.into()))
    }

    fn of(compiled: Arc<Compiled>, surroundings: Surroundings) -> Self {
        let data = surroundings.data(&compiled.data);
        Self(
            Arc::new(Inner {
                compiled,
                surroundings,
                data,
                memo: Mutex::default(),
            }),
            None,
        )
    }

    fn with(&self, surroundings: Surroundings) -> Self {
        let mut set = Self::of(Arc::clone(&self.0.compiled), surroundings);
        set.1.clone_from(&self.1);
        set
    }

    /// The same policies with another context. Nothing is compiled again.
    #[must_use]
    pub fn with_context(&self, context: &Prepared) -> Self {
        self.with(Surroundings::new(context))
    }

    /// The same policies without the context, which is too old: `reason`, for people. Those that need it fail.
    #[must_use]
    pub fn without_context(&self, reason: &str) -> Self {
        self.with(self.0.surroundings.without_context(reason))
    }

    /// The same policies with a namespace that the context does not have, or with the reason why nobody knows it: then policies
    /// that need it fail.
    #[must_use]
    pub fn with_namespace(&self, name: &str, namespace: Result<Namespace, String>) -> Self {
        self.with(self.0.surroundings.clone().with_namespace(name, namespace))
    }

    /// The same policies with several such namespaces.
    #[must_use]
    pub fn with_namespaces<'a>(&self, found: impl IntoIterator<Item = (&'a str, Namespace)>) -> Self {
        let mut found = found.into_iter().peekable();
        if found.peek().is_none() {
            return self.clone();
        }
        let with = |surroundings: Surroundings, (name, namespace)| surroundings.with_namespace(name, Ok(namespace));
        self.with(found.fold(self.0.surroundings.clone(), with))
    }

    /// The revision of the bundle.
    pub fn revision(&self) -> &str {
        &self.0.compiled.revision
    }

    /// The policies, by id.
    pub fn policies(&self) -> &[Policy] {
        &self.0.compiled.policies
    }

    /// The context that the set evaluates with.
    pub fn context(&self) -> &Context {
        self.0.surroundings.context()
    }

    /// The context's revision, when it has one.
    pub fn context_revision(&self) -> Option<&str> {
        self.0.surroundings.revision()
    }

    /// Whether it judges without the context, since that is too old.
    pub fn lacks_context(&self) -> bool {
        self.0.surroundings.is_without_context()
    }

    /// The labels of the object's namespace; `None` when the context does not know it.
    pub fn namespace_labels(&self, review: &Review) -> Option<BTreeMap<String, String>> {
        if is_namespace(review) {
            let object = review.object();
            return Some(
                object
                    .at(&["metadata", "labels"])
                    .map(|labels| labels.string_map())
                    .unwrap_or_default(),
            );
        }
        let namespace = self.0.surroundings.namespace(&review.namespace);
        namespace.map(|namespace| namespace.labels.clone())
    }

    /// Whether a policy that may concern the review needs to know its namespace, and the set does not know it.
    pub fn lacks_namespace(&self, review: &Review) -> bool {
        let is_unknown = !review.namespace.is_empty()
            && !is_namespace(review)
            && self.0.surroundings.namespace(&review.namespace).is_none();
        let needs = |task: &Task<'_>| task.policy.needs.namespace || task.policy.needs.context;
        is_unknown && self.tasks(review).iter().any(needs)
    }

    /// Forgets what earlier reviews came to, and keeps from now on what takes at least so many steps; returns how many
    /// evaluations were spared until now. No verdict changes by it: that is what tests use it for.
    pub fn forget(&self, worth: u64) -> u64 {
        let forget = |memo: &Mutex<Memo>| {
            let mut memo = memo.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *memo, Memo::new(worth)).spared
        };
        forget(&self.0.memo) + forget(&self.0.compiled.memo)
    }

    /// Decides.
    pub fn evaluate(&self, review: &Review) -> Verdict {
        self.evaluate_within(review, MAX_REVIEW_WORK).0
    }

    /// The same with no more than so many steps of work; how many of them were left.
    pub(crate) fn evaluate_within(&self, review: &Review, work: u64) -> (Verdict, u64) {
        let tasks = self.tasks(review);
        let mut findings: Vec<Finding> = Vec::new();
        let mut failures = Vec::new();
        let evaluated = tasks.len();
        let mut left = work.min(MAX_REVIEW_WORK);
        let mut shown = Shown::new(self, review);
        let mut host = Host::new(0);
        let compiled = &self.0.compiled;
        host.patterns = std::mem::take(&mut *compiled.patterns.lock().unwrap_or_else(PoisonError::into_inner));
        let lend = |memo: &Mutex<Memo>| memo.lock().unwrap_or_else(PoisonError::into_inner).lend();
        let mut memos = Memos {
            plain: lend(&compiled.memo),
            with_context: lend(&self.0.memo),
        };
        for task in tasks {
            host.budget = left.min(MAX_WORK);
            let before = host.budget;
            let found = shown.ask(&task, &mut host, &mut memos);
            left = left.saturating_sub(before.saturating_sub(host.budget));
            match found {
                Ok(mut found) => {
                    self.sentence(&task, &mut found);
                    findings.extend(found);
                }
                Err(stop) => failures.push(Failure {
                    policy: task.policy.meta.id.clone(),
                    kind: stop.kind,
                    detail: stop.detail,
                    tolerated: task.policy.tolerant,
                }),
            }
        }
        *compiled.patterns.lock().unwrap_or_else(PoisonError::into_inner) = host.patterns;
        *compiled.memo.lock().unwrap_or_else(PoisonError::into_inner) = memos.plain;
        *self.0.memo.lock().unwrap_or_else(PoisonError::into_inner) = memos.with_context;
        finding::show_values(&mut findings, review);
        let verdict = Verdict::new(self.revision().to_owned(), findings, failures, evaluated);
        (verdict, left)
    }

    /// What follows from what a policy found, when it is asked about another webhook's denial.
    fn sentence(&self, task: &Task<'_>, found: &mut [Finding]) {
        let Some(accused) = &self.1 else { return };
        let action = match accused.contains(&task.place) {
            true => Action::Deny,
            false if task.policy.explains => Action::Audit,
            false => return,
        };
        for finding in found {
            finding.violation.action = action;
        }
    }

    /// What the set after this one need not compile again.
    pub(crate) fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.0.compiled.kept)
    }

    /// Takes over the regexes that were compiled for the set before this one.
    pub(crate) fn take_patterns(&self, before: &Self) {
        let known = before
            .0
            .compiled
            .patterns
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Those of sets that are long gone among them: some day it begins anew.
        if known.len() <= KEPT_PATTERNS {
            known.clone_into(&mut self.0.compiled.patterns.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Runs some of the policies on a review, by their places, for nothing but that what they need is compiled then.
    pub(crate) fn rehearse(&self, review: &Review, places: &[usize]) {
        let mut shown = Shown::new(self, review);
        let mut host = Host::new(0);
        let patterns = &self.0.compiled.patterns;
        host.patterns = std::mem::take(&mut *patterns.lock().unwrap_or_else(PoisonError::into_inner));
        let mut memos = Memos {
            plain: Memo::default(),
            with_context: Memo::default(),
        };
        for task in self.tasks(review).iter().filter(|task| places.contains(&task.place)) {
            host.budget = REHEARSED_WORK;
            // Whether it fails is told to whoever sends a real review.
            let _ = shown.ask(task, &mut host, &mut memos);
        }
        *patterns.lock().unwrap_or_else(PoisonError::into_inner) = host.patterns;
    }

    /// What would have to be otherwise for a policy to say nothing of a review, for each form in which it sees it. `asks` leaves
    /// out what may be said.
    pub(crate) fn goals(
        &self,
        review: &Review,
        policy: &str,
        asks: &dyn Fn(&Value) -> bool,
        host: &mut Host,
    ) -> Vec<(Option<&'static Workload>, Goal)> {
        self.traced(review, policy, |program, entries, input, roots| {
            why::silence(program, entries, input, &self.0.data, roots, asks, host)
        })
    }

    /// What a policy reads of a review's object, for each form in which it sees it.
    pub(crate) fn reads(
        &self,
        review: &Review,
        policy: &str,
        host: &mut Host,
    ) -> Vec<(Option<&'static Workload>, why::Reads)> {
        self.traced(review, policy, |program, entries, input, roots| {
            why::reads(program, entries, input, &self.0.data, roots, host)
        })
    }

    /// What is found out about a policy from what it sees, in each form in which it sees a review.
    fn traced<T>(
        &self,
        review: &Review,
        policy: &str,
        mut trace: impl FnMut(&Program, &[&Location], &Value, &Roots) -> T,
    ) -> Vec<(Option<&'static Workload>, T)> {
        let mut shown = Shown::new(self, review);
        let mut found = Vec::new();
        for task in self.tasks(review).iter().filter(|task| task.policy.meta.id == policy) {
            let Ok(input) = shown.input(task) else { continue };
            let entries: Vec<&Location> = task.policy.entries.iter().map(|entry| &entry.location).collect();
            let traced = trace(&task.policy.program, &entries, &input, &task.policy.form.roots());
            found.push((task.workload, traced));
        }
        found
    }

    /// What one policy says of a review, asked by itself; none when it fails.
    pub(crate) fn said_alone(&self, review: &Review, policy: &str) -> Option<Vec<String>> {
        let mut shown = Shown::new(self, review);
        let mut host = Host::new(0);
        host.patterns = std::mem::take(&mut *self.0.compiled.patterns.lock().unwrap_or_else(PoisonError::into_inner));
        let lend = |memo: &Mutex<Memo>| memo.lock().unwrap_or_else(PoisonError::into_inner).lend();
        let mut memos = Memos {
            plain: lend(&self.0.compiled.memo),
            with_context: lend(&self.0.memo),
        };
        let mut said = Some(Vec::new());
        for task in self.tasks(review).iter().filter(|task| task.policy.meta.id == policy) {
            host.budget = MAX_WORK;
            let found = shown.ask(task, &mut host, &mut memos).ok();
            said = said.zip(found).map(|(mut said, found)| {
                said.extend(found.into_iter().map(|finding| finding.violation.message));
                said
            });
        }
        *self.0.compiled.patterns.lock().unwrap_or_else(PoisonError::into_inner) = host.patterns;
        *self.0.compiled.memo.lock().unwrap_or_else(PoisonError::into_inner) = memos.plain;
        *self.0.memo.lock().unwrap_or_else(PoisonError::into_inner) = memos.with_context;
        said
    }
}
