//! [`PolicySet`] and a review become a [`Verdict`].
//!
//! Each policy has limits of its own. What it may do is counted in units of work, not in time, so that the same review gets the
//! same verdict on every machine, and in wasm where there is no clock. A result that is undefined, of another shape, an error or
//! a limit is a [`Failure`]: nothing here turns one into "no violations".

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::admission::{Operation, Review};
use crate::context::{Context, Namespace};
use crate::document::Document;
use crate::explain::wire::GroupVersionKind;
use crate::finding::{self, Finding};
use crate::memo::{Memo, Reads};
use crate::policy::compile::PolicyMeta;
use crate::policy::format::Form;
use crate::policy::gatekeeper::{self, Labels, Match, Outcome};
use crate::policy::index::Index;
use crate::policy::matching::{Criteria, Glob, Subject};
use crate::rego::builtins::{Halt, Host};
use crate::rego::value::Value;
use crate::rego::why::{self, Goal};
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
    /// `input.parameters`.
    pub parameters: Value,
    /// The rules that are asked.
    pub entries: Vec<Entry>,
    /// conftest's `exception`: says which of these rules do not count.
    pub exception: Option<Location>,
    /// The program that they are in.
    pub program: Arc<Program>,
}

/// Policies that decide together, under one revision.
#[derive(Clone)]
pub struct PolicySet(Arc<Inner>);

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
}

/// Values of rules that took long, by whether they read the context.
struct Memos {
    plain: Memo,
    with_context: Memo,
}

/// One policy and the form of the request in which it sees it.
struct Task<'a> {
    policy: &'a Policy,
    /// Its place in the set.
    place: usize,
    workload: Option<&'static Workload>,
    /// Nobody can tell whether it concerns the request, and why.
    unknown: Option<String>,
}

/// What is common to all policies of one review, made when the first one needs it.
struct Shown<'a> {
    set: &'a PolicySet,
    review: &'a Review,
    namespace: Option<Value>,
    pod_request: Option<Value>,
    gatekeeper: Option<Result<Value, String>>,
}

impl PolicySet {
    /// A set of compiled policies, with an empty context. `data` is what the bundle brings.
    pub(crate) fn new(
        revision: String,
        policies: Vec<Policy>,
        index: Index,
        excluded: Vec<Glob>,
        data: &Value,
    ) -> Self {
        let compiled = Compiled {
            revision,
            policies,
            index,
            excluded,
            data: data.clone(),
            patterns: Mutex::default(),
            memo: Mutex::default(),
        };
        Self::of(Arc::new(compiled), Surroundings::default())
    }

    fn of(compiled: Arc<Compiled>, surroundings: Surroundings) -> Self {
        let data = surroundings.data(&compiled.data);
        Self(Arc::new(Inner {
            compiled,
            surroundings,
            data,
            memo: Mutex::default(),
        }))
    }

    fn with(&self, surroundings: Surroundings) -> Self {
        Self::of(Arc::clone(&self.0.compiled), surroundings)
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
        let tasks = self.tasks(review);
        let mut findings: Vec<Finding> = Vec::new();
        let mut failures = Vec::new();
        let evaluated = tasks.len();
        let mut left = MAX_REVIEW_WORK;
        let mut shown = Shown {
            set: self,
            review,
            namespace: None,
            pod_request: None,
            gatekeeper: None,
        };
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
                Ok(found) => findings.extend(found),
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
        Verdict::new(self.revision().to_owned(), findings, failures, evaluated)
    }

    /// Runs some of the policies on a review, by their places, for nothing but that what they need is compiled then.
    pub(crate) fn rehearse(&self, review: &Review, places: &Range<usize>) {
        let mut shown = Shown {
            set: self,
            review,
            namespace: None,
            pod_request: None,
            gatekeeper: None,
        };
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

    /// What would have to be otherwise for a policy to say nothing of a review, for each form in which it sees it.
    pub(crate) fn goals(
        &self,
        review: &Review,
        policy: &str,
        host: &mut Host,
    ) -> Vec<(Option<&'static Workload>, Goal)> {
        let mut shown = Shown {
            set: self,
            review,
            namespace: None,
            pod_request: None,
            gatekeeper: None,
        };
        let mut goals = Vec::new();
        for task in self.tasks(review).iter().filter(|task| task.policy.meta.id == policy) {
            let Ok(input) = shown.input(task) else { continue };
            let entries: Vec<&Location> = task.policy.entries.iter().map(|entry| &entry.location).collect();
            let roots = task.policy.form.roots();
            let goal = why::silence(&task.policy.program, &entries, &input, &self.0.data, &roots, host);
            goals.push((task.workload, goal));
        }
        goals
    }

    /// Which policies concern the review, and whether as itself or as a Pod template.
    fn tasks(&self, review: &Review) -> Vec<Task<'_>> {
        let is_excluded = self
            .0
            .compiled
            .excluded
            .iter()
            .any(|glob| glob.matches(&review.namespace));
        if is_excluded || is_leaving(review) {
            return Vec::new();
        }
        let namespace_labels = self.namespace_labels(review);
        // As the API server's own selectors do: an update that takes a label away is still one of an object that had it.
        let objects: Vec<Document> = [review.object(), review.old_object()]
            .into_iter()
            .filter(|object| !object.is_null())
            .collect();
        let labels = |of: &dyn Fn(&Document) -> Document| -> Vec<BTreeMap<String, String>> {
            let labels = |object| of(object).at(&["metadata", "labels"]).map(|map| map.string_map());
            objects
                .iter()
                .map(|object| labels(object).unwrap_or_default())
                .collect()
        };
        let own = labels(&Document::clone);
        let mut tasks = self.matching(review, &review.kind, &own, namespace_labels.as_ref(), None);
        if let Some(workload) = Workload::of(&review.kind).filter(|_| review.sub_resource.is_empty()) {
            let pod = GroupVersionKind {
                group: String::new(),
                version: "v1".into(),
                kind: "Pod".into(),
            };
            let labels = labels(&|object| workload.pod(object));
            tasks.extend(self.matching(review, &pod, &labels, namespace_labels.as_ref(), Some(workload)));
        }
        tasks.sort_by(|a, b| a.policy.meta.id.cmp(&b.policy.meta.id));
        tasks
    }

    fn matching(
        &self,
        review: &Review,
        kind: &GroupVersionKind,
        labels: &[BTreeMap<String, String>],
        namespace_labels: Option<&BTreeMap<String, String>>,
        workload: Option<&'static Workload>,
    ) -> Vec<Task<'_>> {
        let subject = Subject {
            kind,
            sub_resource: &review.sub_resource,
            operation: review.operation,
            namespace: &review.namespace,
            labels,
            namespace_labels,
        };
        let namespace = (!review.namespace.is_empty() && !is_namespace(review)).then_some(review.namespace.as_str());
        let candidates = self.0.compiled.index.candidates(kind, namespace, labels);
        // Made once for all constraints, when there is one.
        let mut constrained: Option<gatekeeper::Subject<'_>> = None;
        let task = |(place, policy)| {
            let plain = Task {
                policy,
                place,
                workload,
                unknown: None,
            };
            let policy: &Policy = policy;
            match &policy.concern {
                // A policy on everything sees the workload itself; only one that names Pods also sees the template.
                Concern::Criteria(criteria) => {
                    let is_meant = workload.is_none() || criteria.names_pods();
                    (is_meant && criteria.matches(&subject)).then_some(plain)
                }
                // Gatekeeper sees objects as they are.
                Concern::Constraint(_) if workload.is_some() => None,
                Concern::Constraint(criteria) => {
                    let subject = constrained.get_or_insert_with(|| {
                        let labels = self.gatekeeper_labels(review);
                        gatekeeper::Subject::new(&review.request.0, review.operation, labels)
                    });
                    match criteria.matches(subject) {
                        Outcome::Differs => None,
                        Outcome::Matches => Some(plain),
                        Outcome::Unknown(reason) => Some(Task {
                            unknown: Some(reason),
                            ..plain
                        }),
                    }
                }
            }
        };
        candidates
            .into_iter()
            .filter_map(|place| Some((place, self.0.compiled.policies.get(place)?)))
            .filter_map(task)
            .collect()
    }

    fn gatekeeper_labels(&self, review: &Review) -> Option<Labels<'_>> {
        self.0.surroundings.namespace(&review.namespace)?;
        Some(Labels(self.0.data.at(&[
            "context",
            "namespaces",
            &review.namespace,
            "labels",
        ])))
    }
}

fn halted(halt: Halt, work: u64) -> Stop {
    match halt {
        Halt::Depth => Stop::new(FailureKind::Limit, "its rules and loops are in each other too deep"),
        Halt::Limit => Stop::new(FailureKind::Limit, format!("it took more than {work} steps")),
        Halt::Error(reason) => Stop::new(FailureKind::Error, reason),
    }
}

impl Shown<'_> {
    fn ask(&mut self, task: &Task<'_>, host: &mut Host, memos: &mut Memos) -> Result<Vec<Finding>, Stop> {
        let policy = task.policy;
        let namespace = if is_namespace(self.review) {
            ""
        } else {
            &self.review.namespace
        };
        if let Some(reason) = self.set.0.surroundings.lacks(policy.needs, namespace) {
            return Err(Stop::new(FailureKind::Context, reason));
        }
        if let Some(reason) = &task.unknown {
            return Err(Stop::new(FailureKind::Error, reason.clone()));
        }
        let work = host.budget;
        if work == 0 {
            let detail = format!("the policies before it took all of the {MAX_REVIEW_WORK} steps that a review has");
            return Err(Stop::new(FailureKind::Limit, detail));
        }
        let input = self.input(task)?;
        let memo = if policy.needs.context {
            &mut memos.with_context
        } else {
            &mut memos.plain
        };
        let mut findings = Vec::new();
        for (place, entry) in policy.entries.iter().enumerate() {
            let data = &self.set.0.data;
            let evaluate = |host: &mut Host| policy.program.value(&entry.location, Some(&input), data, host);
            let value = match &entry.reads {
                Some(reads) => memo.value((task.place, place), reads, &input, host, evaluate),
                None => evaluate(host),
            };
            let Some(value) = value.map_err(|halt| halted(halt, work))? else {
                return Err(Stop::new(
                    FailureKind::Undefined,
                    format!("`{}` is undefined", entry.rule),
                ));
            };
            let more = match policy.form {
                Form::Response => finding::read_response(&value, &policy.meta)?,
                _ => finding::read(&value, entry, &policy.meta, task.workload)?,
            };
            if !more.is_empty() && self.is_excepted(policy, &entry.rule, &input, host, work)? {
                continue;
            }
            findings.extend(more);
        }
        Ok(findings)
    }

    /// Whether the policy itself says that a rule does not count, as conftest asks it: `exception` has lists of names without
    /// `deny_`, `violation_` and `warn_`; the empty name stands for the rules without a suffix.
    fn is_excepted(
        &self,
        policy: &Policy,
        rule: &str,
        input: &Value,
        host: &mut Host,
        work: u64,
    ) -> Result<bool, Stop> {
        let Some(exception) = &policy.exception else {
            return Ok(false);
        };
        let value = policy.program.value(exception, Some(input), &self.set.0.data, host);
        let Some(value) = value.map_err(|halt| halted(halt, work))? else {
            return Ok(false);
        };
        let suffix = rule.split_once('_').map_or("", |(_, suffix)| suffix);
        let lists = finding::lists_of_texts(&value).ok_or_else(|| {
            let detail = "`exception` has to be a set of lists with names of rules";
            Stop::new(FailureKind::Shape, detail)
        })?;
        Ok(lists.iter().any(|names| names.contains(&suffix)))
    }

    /// What the policy sees.
    fn input(&mut self, task: &Task<'_>) -> Result<Value, Stop> {
        let policy = task.policy;
        let review = self.review;
        Ok(match policy.form {
            Form::Object => review.object().0,
            Form::Response => Value::object(vec![
                (Value::string("apiVersion"), Value::string("admission.k8s.io/v1")),
                (Value::string("kind"), Value::string("AdmissionReview")),
                (Value::string("request"), review.request.0.clone()),
            ]),
            Form::Gatekeeper => {
                let set = self.set;
                let made = self.gatekeeper.get_or_insert_with(|| {
                    let namespace = set.namespace_object(review);
                    gatekeeper::review::review(&review.request.0, namespace.as_ref())
                });
                let review = made.clone().map_err(|reason| Stop::new(FailureKind::Error, reason))?;
                gatekeeper::review::input(review, policy.parameters.clone())
            }
            Form::Admission => {
                let namespace = self.namespace.get_or_insert_with(|| self.set.namespace(review)).clone();
                let request = match task.workload {
                    Some(workload) => self
                        .pod_request
                        .get_or_insert_with(|| workload.request(review).0)
                        .clone(),
                    None => review.request.0.clone(),
                };
                let mut members = vec![
                    (Value::string("apiVersion"), Value::string("admission.k8s.io/v1")),
                    (Value::string("kind"), Value::string("AdmissionReview")),
                    (Value::string("namespace"), namespace),
                ];
                if let Some(owner) = review.controller() {
                    let text = |key: &'static str, value: &str| (Value::string(key), Value::string(value));
                    let owner = vec![
                        text("kind", &owner.kind),
                        text("name", &owner.name),
                        text("uid", &owner.uid),
                    ];
                    members.push((Value::string("owner"), Value::object(owner)));
                }
                members.push((Value::string("parameters"), policy.parameters.clone()));
                members.push((Value::string("request"), request));
                members.extend(
                    task.workload
                        .map(|workload| (Value::string("template"), workload.origin(review).0)),
                );
                Value::object(members)
            }
        })
    }
}

impl PolicySet {
    /// `input.namespace`.
    fn namespace(&self, review: &Review) -> Value {
        let known = self.0.surroundings.namespace(&review.namespace);
        let mut members = vec![("name", Document::from(review.namespace.as_str()))];
        // What is not known is undefined, and not an empty map, which would say that there are no labels.
        members.extend(
            self.namespace_labels(review)
                .map(|labels| ("labels", Document::from(&labels))),
        );
        members.extend(known.map(|namespace| ("annotations", Document::from(&namespace.annotations))));
        let team = self.context().team_of(&review.namespace);
        members.extend(team.map(|team| ("team", Document::from(team))));
        Document::object(members).0
    }

    /// The Namespace as Gatekeeper shows it, as far as it is known.
    fn namespace_object(&self, review: &Review) -> Option<Value> {
        let known = self.0.surroundings.namespace(&review.namespace)?;
        let metadata = Document::object([
            ("name", Document::from(review.namespace.as_str())),
            ("labels", Document::from(&known.labels)),
            ("annotations", Document::from(&known.annotations)),
        ]);
        let object = [
            ("apiVersion", Document::from("v1")),
            ("kind", Document::from("Namespace")),
            ("metadata", metadata),
        ];
        Some(Document::object(object).0)
    }
}

fn is_namespace(review: &Review) -> bool {
    review.kind.kind == "Namespace" && review.kind.group.is_empty()
}

/// An update of an object that is being deleted and that changes nothing but its bookkeeping: a controller takes its finalizer
/// away. Refusing that would keep the object for ever.
fn is_leaving(review: &Review) -> bool {
    if review.operation != Operation::Update {
        return false;
    }
    let (object, old) = (review.object(), review.old_object());
    let leaving = object
        .at(&["metadata", "deletionTimestamp"])
        .is_some_and(|value| !value.is_null());
    let labels = ["labels", "annotations"].map(|key| ["metadata", key]);
    leaving
        && object.without(&["metadata", "status"]) == old.without(&["metadata", "status"])
        && labels.iter().all(|path| object.at(path) == old.at(path))
}
