//! [`PolicySet`] and a review become a [`Verdict`]. With `document.rs` the only file that names the evaluator's crate.
//!
//! Each policy is a program of its own with limits of its own. What it may do is counted in units of work, not in time, so that
//! the same review gets the same verdict on every machine, and in wasm where there is no clock. `deny` undefined, of another
//! shape, an error or a limit is a [`Failure`]: nothing here turns one into "no violations".

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};
use regorus::{Engine, LimitError, Value};

use crate::admission::{Operation, Review};
use crate::context::Context;
use crate::document::Document;
use crate::explain::wire::GroupVersionKind;
use crate::finding::{self, Finding};
use crate::policy::compile::PolicyMeta;
use crate::policy::matching::{Criteria, Glob, Index, Subject};
use crate::template::Workload;
use crate::verdict::{Failure, FailureKind, Verdict};

/// How much work one policy may do for one review, in statements and steps of loops. A Pod of 13 kB takes a policy some hundreds;
/// this much takes about a second in wasm.
pub const MAX_WORK: u64 = 2_000_000;

/// How much work all policies together may do for one review: a webhook's deadline is shared by all of them.
pub const MAX_REVIEW_WORK: u64 = 3 * MAX_WORK;

/// How many violations one policy may report for one review.
pub const MAX_VIOLATIONS: usize = 500;

/// The longest message of one violation, in bytes.
pub const MAX_MESSAGE: usize = 8 * 1024;

/// The evaluator asks the clock once in so many units of work.
const UNITS_PER_LOOK: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// A clock that moves by one whenever the evaluator looks at it: its time limit becomes a budget of work.
struct WorkClock;

thread_local! {
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

impl TimeSource for WorkClock {
    fn now(&self) -> Option<Duration> {
        LOOKS.with(|looks| looks.set(looks.get().wrapping_add(1)));
        Some(Duration::from_nanos(looks()))
    }
}

/// How often the evaluator looked at the clock in this thread.
fn looks() -> u64 {
    LOOKS.with(Cell::get)
}

fn new_engine() -> Engine {
    static CLOCK: WorkClock = WorkClock;
    static ONCE: Once = Once::new();
    // Fails only when a clock is set already, and nobody else can name the evaluator.
    ONCE.call_once(|| set_time_source(&CLOCK).unwrap_or_default());
    let mut engine = Engine::new();
    engine.set_rego_v0(false);
    // In OPA a builtin that fails is undefined, and the violation that it would have worded is lost. The evaluator's builtins fail
    // where OPA's do not, so here that is an error, and the policy a failure.
    engine.set_strict_builtin_errors(true);
    engine.set_gather_prints(true);
    engine
}

/// One policy's program.
#[derive(Debug)]
pub struct Program {
    engine: Mutex<Engine>,
    entry: String,
}

impl Program {
    /// Reads one source. The error is a line and what is wrong there.
    pub fn load(file: &str, text: &str, context: Document) -> Result<Self, (usize, String)> {
        let mut engine = new_engine();
        engine
            .add_policy(file.to_owned(), text.to_owned())
            .map_err(|error| located(&error.to_string()))?;
        let data = Document::object([("context", context)]);
        engine.add_data(data.0).map_err(|error| (0, error.to_string()))?;
        Ok(Self {
            engine: Mutex::new(engine),
            entry: String::new(),
        })
    }

    /// The evaluator's syntax tree.
    pub fn syntax_tree(&self) -> Result<serde_json::Value, String> {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let json = engine.get_ast_as_json().map_err(|error| error.to_string())?;
        let mut files: Vec<serde_json::Value> = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        let tree = files
            .pop()
            .and_then(|mut file| file.get_mut("ast").map(serde_json::Value::take));
        tree.ok_or_else(|| "the evaluator has no syntax tree".to_owned())
    }

    /// Whether the evaluator has a function for so many arguments, which it tells only by calling it.
    pub fn check_builtin(name: &str, count: usize) -> Result<(), String> {
        // Not functions to the evaluator: part of the language.
        if matches!(name, "print" | "walk") {
            return Ok(());
        }
        // They read the paths of OPA's `json.remove(x, ["/a/b"])` as other paths, and then change nothing.
        if matches!(name, "json.remove" | "json.filter") {
            return Err(format!(
                "function {name} is not available here; use object.remove or object.filter"
            ));
        }
        let arguments = vec!["0"; count].join(", ");
        let mut engine = new_engine();
        let called = engine
            .add_policy(
                "probe".to_owned(),
                format!("package probe\n\nx := {name}({arguments})\n"),
            )
            .and_then(|_| engine.eval_rule("data.probe.x".to_owned()));
        let Err(error) = called.map_err(|error| error.to_string()) else {
            return Ok(());
        };
        // What it says of the arguments themselves is no fault of the policy.
        if error.contains("could not find function") {
            return Err(format!("function {name} is not available here"));
        }
        let expected = error.split_once("expects ").and_then(|(_, rest)| rest.chars().next());
        let is_count = expected.is_some_and(|first| first.is_ascii_digit());
        if is_count {
            return Err(format!("function {name} does not take {count} arguments"));
        }
        Ok(())
    }

    /// Makes it ready to run: the rest of the compiler's work happens now, and what it finds is found now, not at the first
    /// request. The error is a line and what is wrong there.
    pub fn prepare(mut self, package: &str) -> Result<Self, (usize, String)> {
        self.entry = format!("data.{package}.deny");
        let engine = self.engine.get_mut().unwrap_or_else(PoisonError::into_inner);
        engine
            .compile_with_entrypoint(&self.entry.as_str().into())
            .map_err(|error| located(&error.to_string()))?;
        Ok(self)
    }

    /// What `deny` is for an input, with at most so much work.
    fn run(&self, input: Document, work: u64) -> Result<Document, Stop> {
        let limit = |work| Stop::new(FailureKind::Limit, format!("it took more than {work} steps"));
        if work == 0 {
            let detail = format!("the policies before it took all of the {MAX_REVIEW_WORK} steps that a review has");
            return Err(Stop::new(FailureKind::Limit, detail));
        }
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: Duration::from_nanos(work / u64::from(UNITS_PER_LOOK.get())),
            check_interval: UNITS_PER_LOOK,
        });
        engine.set_input(input.0);
        let value = engine.eval_rule(self.entry.clone());
        // Nothing of the request stays in memory, and prints of a policy go nowhere.
        engine.set_input(Value::Undefined);
        let _ = engine.take_prints();
        match value {
            Ok(Value::Undefined) => Err(Stop::new(FailureKind::Undefined, "`deny` is undefined")),
            Ok(value) => Ok(Document(value)),
            Err(error) if error.downcast_ref::<LimitError>().is_some() => Err(limit(work)),
            Err(error) => Err(Stop::new(FailureKind::Error, without_values(&error.to_string()))),
        }
    }
}

/// Runs the rules `test_*` of a policy's test file. Each comes with whether it is true.
///
/// # Errors
/// What the evaluator says of a source that it does not take.
pub fn run_tests(policy: (&str, &str), tests: (&str, &str)) -> Result<Vec<(String, bool)>, String> {
    let mut engine = new_engine();
    let mut package = String::new();
    for (file, text) in [policy, tests] {
        package = engine
            .add_policy(file.to_owned(), text.to_owned())
            .map_err(|error| error.to_string())?;
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let names = tests.1.lines().filter(|line| line.starts_with("test_"));
    let names: BTreeSet<&str> = names.filter_map(|line| line.split(|c| !is_name(c)).next()).collect();
    let run = |name: &str| {
        let value = engine
            .eval_rule(format!("{package}.{name}"))
            .map_err(|error| error.to_string())?;
        Ok((name.to_owned(), value == Value::from(true)))
    };
    names.into_iter().map(run).collect()
}

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

/// The line and the sentence in the evaluator's report, which draws the source.
fn located(report: &str) -> (usize, String) {
    let place = report.lines().find_map(|line| line.trim().strip_prefix("--> "));
    let line = place
        .and_then(|place| place.rsplit(':').nth(1)?.parse().ok())
        .unwrap_or(0);
    let sentence = report
        .lines()
        .find_map(|line| line.trim().strip_prefix("error: "))
        .unwrap_or(report);
    let sentence = sentence.lines().next().unwrap_or_default();
    (line, sentence.to_owned())
}

/// The evaluator's sentence up to where it shows a value, which may be a secret of the object.
fn without_values(report: &str) -> String {
    let (line, sentence) = located(report);
    let shown = ["Got", "\"", "Set(", "Object(", "Array(", "String(", "Number(", "{", "["];
    let end = shown
        .iter()
        .filter_map(|mark| sentence.find(mark))
        .min()
        .unwrap_or(sentence.len());
    let sentence = sentence
        .get(..end)
        .unwrap_or_default()
        .trim_end_matches([' ', '.', ':', '`', ',']);
    let sentence = if sentence.is_empty() {
        "the evaluator stopped"
    } else {
        sentence
    };
    format!("{sentence} (line {line} of the policy)")
}

/// A policy, ready to run.
#[derive(Debug)]
pub struct Policy {
    /// What it says about itself.
    pub meta: PolicyMeta,
    /// What it concerns.
    pub criteria: Criteria,
    /// A failure of it lets the request pass.
    pub tolerant: bool,
    /// `input.parameters`.
    pub parameters: Document,
    /// Its program.
    pub program: Program,
}

/// Policies that decide together, under one revision.
#[derive(Debug, Clone)]
pub struct PolicySet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    revision: String,
    policies: Vec<Policy>,
    index: Index,
    excluded: Vec<Glob>,
    context: Context,
}

/// One policy and the form of the request in which it sees it.
struct Task<'a> {
    policy: &'a Policy,
    workload: Option<&'static Workload>,
}

impl PolicySet {
    /// A set of compiled policies; [`crate::policy::compile::compile`] makes it.
    pub(crate) fn new(
        revision: String,
        policies: Vec<Policy>,
        index: Index,
        excluded: Vec<Glob>,
        context: Context,
    ) -> Self {
        Self(Arc::new(Inner {
            revision,
            policies,
            index,
            excluded,
            context,
        }))
    }

    /// The revision of the bundle.
    pub fn revision(&self) -> &str {
        &self.0.revision
    }

    /// The policies, by id.
    pub fn policies(&self) -> &[Policy] {
        &self.0.policies
    }

    /// The context that the set evaluates with.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// The labels of the object's namespace; `None` when the context does not know it.
    pub fn namespace_labels(&self, review: &Review) -> Option<BTreeMap<String, String>> {
        if review.kind.kind == "Namespace" && review.kind.group.is_empty() {
            return Some(
                review
                    .object()
                    .at(&["metadata", "labels"])
                    .map(|labels| labels.string_map())
                    .unwrap_or_default(),
            );
        }
        self.0
            .context
            .namespaces
            .get(&review.namespace)
            .map(|namespace| namespace.labels.clone())
    }

    /// Decides.
    pub fn evaluate(&self, review: &Review) -> Verdict {
        let tasks = self.tasks(review);
        let mut findings: Vec<Finding> = Vec::new();
        let mut failures = Vec::new();
        let evaluated = tasks.len();
        let mut budget = MAX_REVIEW_WORK;
        let namespace = self.namespace(review);
        let pod_request = tasks
            .iter()
            .find_map(|task| task.workload)
            .map(|workload| workload.request(review));
        for task in &tasks {
            let meta = &task.policy.meta;
            let request = match (task.workload, &pod_request) {
                (Some(_), Some(request)) => request,
                _ => &review.request,
            };
            let mut members = vec![
                ("request", request.clone()),
                ("namespace", namespace.clone()),
                ("parameters", task.policy.parameters.clone()),
            ];
            members.extend(task.workload.map(|workload| ("template", workload.origin(review))));
            let before = looks();
            let output = task.policy.program.run(Document::object(members), budget.min(MAX_WORK));
            let units = looks().wrapping_sub(before).saturating_mul(UNITS_PER_LOOK.get().into());
            budget = budget.saturating_sub(units);
            match output.and_then(|output| finding::read(&output, meta, task.workload)) {
                Ok(found) => findings.extend(found),
                Err(stop) => failures.push(Failure {
                    policy: meta.id.clone(),
                    kind: stop.kind,
                    detail: stop.detail,
                    tolerated: task.policy.tolerant,
                }),
            }
        }
        finding::show_values(&mut findings, review);
        Verdict::new(self.revision().to_owned(), findings, failures, evaluated)
    }

    /// Which policies concern the review, and whether as itself or as a Pod template.
    fn tasks(&self, review: &Review) -> Vec<Task<'_>> {
        let is_excluded = self.0.excluded.iter().any(|glob| glob.matches(&review.namespace));
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
        let candidates = self.0.index.candidates(kind);
        candidates
            .into_iter()
            .filter_map(|position| self.0.policies.get(position))
            .filter(|policy| policy.criteria.matches(&subject))
            // A policy on everything sees the workload itself; only one that names Pods also sees the template.
            .filter(|policy| workload.is_none() || policy.criteria.names_pods())
            .map(|policy| Task { policy, workload })
            .collect()
    }

    /// `input.namespace`.
    fn namespace(&self, review: &Review) -> Document {
        let known = self.0.context.namespaces.get(&review.namespace);
        let mut members = vec![("name", Document::from(review.namespace.as_str()))];
        // What is not known is undefined, and not an empty map, which would say that there are no labels.
        members.extend(
            self.namespace_labels(review)
                .map(|labels| ("labels", Document::from(&labels))),
        );
        members.extend(known.map(|namespace| ("annotations", Document::from(&namespace.annotations))));
        Document::object(members)
    }
}

/// An update of an object that is being deleted and that changes nothing but its bookkeeping: a controller takes its finalizer
/// away. Refusing that would keep the object for ever.
fn is_leaving(review: &Review) -> bool {
    let (object, old) = (review.object(), review.old_object());
    let leaving = object
        .at(&["metadata", "deletionTimestamp"])
        .is_some_and(|value| !value.is_null());
    let labels = ["labels", "annotations"].map(|key| ["metadata", key]);
    leaving
        && review.operation == Operation::Update
        && object.without(&["metadata", "status"]) == old.without(&["metadata", "status"])
        && labels.iter().all(|path| object.at(path) == old.at(path))
}
