//! What a policy sees of a review, and what it says of it.

use super::tasks::{Task, is_namespace};
use super::{MAX_REVIEW_WORK, Memos, Policy, PolicySet, Stop};
use crate::admission::Review;
use crate::document::Document;
use crate::finding::{self, Finding};
use crate::policy::format::Form;
use crate::policy::gatekeeper;
use crate::rego::builtins::{Halt, Host};
use crate::rego::value::Value;
use crate::verdict::FailureKind;

/// What is common to all policies of one review, made when the first one needs it.
pub(super) struct Shown<'a> {
    set: &'a PolicySet,
    review: &'a Review,
    namespace: Option<Value>,
    pod_request: Option<Value>,
    gatekeeper: Option<Result<Value, String>>,
}

fn halted(halt: Halt, work: u64) -> Stop {
    match halt {
        Halt::Depth => Stop::new(FailureKind::Limit, Halt::TOO_DEEP),
        Halt::Limit => Stop::new(FailureKind::Limit, format!("it took more than {work} steps")),
        Halt::Error(reason) => Stop::new(FailureKind::Error, reason),
    }
}

impl<'a> Shown<'a> {
    pub(super) fn new(set: &'a PolicySet, review: &'a Review) -> Self {
        Self {
            set,
            review,
            namespace: None,
            pod_request: None,
            gatekeeper: None,
        }
    }
}

impl Shown<'_> {
    pub(super) fn ask(&mut self, task: &Task<'_>, host: &mut Host, memos: &mut Memos) -> Result<Vec<Finding>, Stop> {
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
    pub(super) fn input(&mut self, task: &Task<'_>) -> Result<Value, Stop> {
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
