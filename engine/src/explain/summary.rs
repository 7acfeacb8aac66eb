//! A decision as the explainer gets it: a projection, without the object.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::wire::{API_VERSION, ExplainRequest, FixSummary, ReviewSummary};
use super::{authored, fill_in, origin};
use crate::admission::{Review, string};
use crate::document::Document;
use crate::eval::PolicySet;
use crate::finding::path_order;
use crate::fix::{self, Fix, Placeholder, Remedies, Remedy};
use crate::policy::bundle::hex;
use crate::redact;
use crate::verdict::Verdict;

/// The longest reason why no edit helps, in characters.
const MAX_REASON: usize = 400;

/// What is sent to the explainer, and what the engine's own words are made from.
pub fn request(
    set: &PolicySet,
    review: &Review,
    verdict: &Verdict,
    remedies: &Remedies,
    deadline_ms: u64,
) -> ExplainRequest {
    let place = origin::of(review);
    let hidden = redact::Hidden::of_review(review);
    let unfixable = remedies.policies.iter().filter_map(|(policy, remedy)| match remedy {
        Remedy::Unfixable(reason) => Some((policy.clone(), redact::line(&hidden.mask(reason), MAX_REASON))),
        Remedy::Fix(_) | Remedy::Unknown => None,
    });
    ExplainRequest {
        api_version: API_VERSION.to_owned(),
        revision: verdict.revision().to_owned(),
        decision: verdict.decision(),
        deadline_ms,
        review: summary(set, review),
        violations: verdict
            .violations()
            .map(|violation| hidden.mask_violation(violation))
            .collect(),
        failures: verdict
            .failures()
            .iter()
            .map(|failure| hidden.mask_failure(failure))
            .collect(),
        fix: remedies
            .whole
            .as_ref()
            .map(|fix| shown(set, fix, review, place.as_ref())),
        unfixable: unfixable.collect(),
        origin: place.map(|place| place.origin),
        defaulted: defaulted(review, verdict),
        upstream: None,
    }
}

/// A fix that was found later, as it is shown.
pub fn of_fix(set: &PolicySet, review: &Review, fix: &Fix) -> FixSummary {
    shown(set, fix, review, origin::of(review).as_ref())
}

/// A fix as it is shown: where its change belongs, and the command for it.
fn shown(set: &PolicySet, fix: &Fix, review: &Review, place: Option<&origin::Place>) -> FixSummary {
    let mut summary = fix.summary();
    summary.placeholders = placeholders(set, fix, review, &summary.policies);
    // As people read the object, and not as the patch is applied.
    for paths in [&mut summary.removes, &mut summary.widens] {
        paths.sort_by_cached_key(|path| path_order(path));
    }
    match place {
        // A command would change what is made anew.
        Some(place) => {
            if let Some(under) = place.under.filter(|under| may_lift(fix, under)) {
                summary.lifted = fix.snippet(under);
            }
        }
        None => summary.kubectl = fix.kubectl(review).unwrap_or_default(),
    }
    summary
}

/// What a person has to fill in, value by value, with what the policies' parameters allow there.
fn placeholders(set: &PolicySet, fix: &Fix, review: &Review, policies: &[String]) -> Vec<Placeholder> {
    if fix.placeholders().is_empty() {
        return Vec::new();
    }
    let before = review.object().to_json();
    let parameters: Vec<Value> = set
        .policies()
        .iter()
        .filter(|policy| policies.contains(&policy.meta.id))
        .map(|policy| policy.parameters.to_json())
        .collect();
    fill_in::leaves(&review.kind, &before, fix.after(), fix.placeholders())
        .iter()
        .map(|placeholder| fill_in::with_parameters(placeholder, fix.after(), &parameters))
        .collect()
}

/// Whether what makes the object has a place for each part of the change.
fn may_lift(fix: &Fix, under: &str) -> bool {
    let places: &[&str] = match under {
        "" => &["/spec/template/"],
        _ => &["/spec/", "/metadata/labels", "/metadata/annotations"],
    };
    fix.patch().0.iter().all(|operation| {
        let path = fix::path_of(operation);
        places.iter().any(|place| path.starts_with(place))
    })
}

/// Those of the found places whose values the API server filled in.
fn defaulted(review: &Review, verdict: &Verdict) -> Vec<String> {
    let mut found: Vec<&str> = verdict
        .violations()
        .flat_map(|violation| &violation.found)
        .filter(|found| found.value.is_some())
        .map(|found| found.path.as_str())
        .collect();
    if found.is_empty() {
        return Vec::new();
    }
    let object = review.object().to_json();
    let own = authored::authored(&object);
    found.retain(|path| authored::is_default(&review.kind, &object, own.as_ref(), path));
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(str::to_owned).collect()
}

fn summary(set: &PolicySet, review: &Review) -> ReviewSummary {
    let object = review.object();
    let metadata = object.get("metadata").unwrap_or_default();
    ReviewSummary {
        uid: review.uid.clone(),
        operation: review.operation.as_str().to_owned(),
        kind: review.kind.clone(),
        sub_resource: review.sub_resource.clone(),
        namespace: review.namespace.clone(),
        name: review.name.clone(),
        generate_name: string(&metadata, "generateName"),
        dry_run: review.dry_run,
        username: review.username(),
        field_manager: review.field_manager(),
        labels: metadata
            .get("labels")
            .map(|labels| labels.string_map())
            .unwrap_or_default(),
        namespace_labels: set.namespace_labels(review).unwrap_or_default(),
        owner: review.controller(),
        spec_digest: spec_digest(&object),
    }
}

/// A digest of the object's spec that is the same for each retry of a controller.
///
/// The service-account volume that the API server adds to a Pod has a random suffix: it is left out.
fn spec_digest(object: &Document) -> String {
    let mut spec = object.get("spec").unwrap_or_default().to_json();
    drop_generated(&mut spec);
    hex(&Sha256::digest(spec.to_string()))
}

fn drop_generated(value: &mut Value) {
    const PREFIX: &str = "kube-api-access-";
    match value {
        Value::Array(items) => {
            items.retain(|item| {
                !item
                    .get("name")
                    .and_then(Value::as_str)
                    .is_some_and(|name| name.starts_with(PREFIX))
            });
            items.iter_mut().for_each(drop_generated);
        }
        Value::Object(members) => members.values_mut().for_each(drop_generated),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn retries_of_one_pod_have_one_digest() {
        let pod = |suffix: &str, image: &str| {
            Document::from(json!({"spec": {
                "volumes": [{"name": format!("kube-api-access-{suffix}")}, {"name": "data"}],
                "containers": [{"image": image, "volumeMounts": [{"name": format!("kube-api-access-{suffix}")}]}]}}))
        };
        assert_eq!(spec_digest(&pod("abcde", "a:1")), spec_digest(&pod("vwxyz", "a:1")));
        assert_ne!(spec_digest(&pod("abcde", "a:1")), spec_digest(&pod("abcde", "a:2")));
    }
}
