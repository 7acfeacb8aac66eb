//! Which policies concern a review, and in which form they see it.

use std::collections::BTreeMap;

use super::{Concern, Policy, PolicySet};
use crate::admission::{Operation, Review};
use crate::document::Document;
use crate::explain::wire::GroupVersionKind;
use crate::policy::gatekeeper::{self, Labels, Outcome};
use crate::policy::matching::Subject;
use crate::template::Workload;

/// One policy and the form of the request in which it sees it.
pub(super) struct Task<'a> {
    pub(super) policy: &'a Policy,
    /// Its place in the set.
    pub(super) place: usize,
    pub(super) workload: Option<&'static Workload>,
    /// Nobody can tell whether it concerns the request, and why.
    pub(super) unknown: Option<String>,
}

impl PolicySet {
    /// Which policies concern the review, and whether as itself or as a Pod template.
    pub(super) fn tasks(&self, review: &Review) -> Vec<Task<'_>> {
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
        let mut candidates = self.0.compiled.index.candidates(kind, namespace, labels);
        if self.1.is_some() {
            let explaining = self
                .0
                .compiled
                .policies
                .iter()
                .enumerate()
                .filter(|(_, policy)| policy.explains);
            candidates.extend(explaining.map(|(place, _)| place));
        }
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

pub(super) fn is_namespace(review: &Review) -> bool {
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
