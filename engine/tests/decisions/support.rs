//! Policy sets and reviews of a few lines.

use engine::admission::Review;
use engine::context::Context;
use engine::eval::PolicySet;
use engine::explain::wire::Decision;
use engine::policy;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::verdict::FailureKind;
use engine::verdict::Verdict;
use serde_json::Value;
use serde_json::json;

pub(crate) fn bundle(settings: &str, policies: &[&str]) -> Bundle {
    let files = policies
        .iter()
        .enumerate()
        .map(|(index, text)| (format!("{index}.rego"), (*text).to_owned()))
        .collect();
    Bundle::from_parts(Some(settings), files).unwrap()
}

pub(crate) fn set_with(settings: &str, policies: &[&str], context: Value) -> PolicySet {
    let context: Context = serde_json::from_value(context).unwrap();
    compile(&bundle(settings, policies), context).unwrap_or_else(|problems| panic!("{}", policy::list(&problems)))
}

pub(crate) fn set(policies: &[&str]) -> PolicySet {
    set_with("{}", policies, json!({}))
}

pub(crate) fn refused(policies: &[&str]) -> String {
    policy::list(&compile(&bundle("{}", policies), Context::default()).unwrap_err())
}

pub(crate) fn review(changes: impl Into<Value>) -> Review {
    let mut request = json!({
        "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
        "name": "web", "userInfo": {"username": "jane"}, "oldObject": null,
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"a": 1}},
    });
    json_patch::merge(&mut request, &changes.into());
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    Review::parse(review.to_string().as_bytes()).unwrap()
}

pub(crate) fn failure(verdict: &Verdict) -> (FailureKind, String) {
    assert_eq!(verdict.failures().len(), 1, "{verdict:?}");
    (verdict.failures()[0].kind, verdict.failures()[0].detail.clone())
}

pub(crate) fn fails(policy: &str) -> (FailureKind, String) {
    let verdict = set(&[policy]).evaluate(&review(json!({})));
    assert_eq!(
        verdict.decision(),
        Decision::Deny,
        "a policy that cannot be evaluated denies"
    );
    failure(&verdict)
}

pub(crate) const DENY_ALL: &str = "package everything\n\ndeny contains \"no\"\n";
