use serde_json::json;

use super::*;
use crate::explain::text::{Extras, render};
use crate::policy::bundle::Bundle;
use crate::policy::compile::compile;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TEMPLATE: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: k8srequiredlabels
  annotations:
    metadata.gatekeeper.sh/title: Required Labels
    description: Alerts need somebody to go to.
spec:
  crd:
    spec:
      names: {kind: K8sRequiredLabels}
      validation:
        openAPIV3Schema:
          type: object
          properties: {labels: {type: array, items: {type: string}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8srequiredlabels
        violation[{"msg": msg}] {
          provided := {label | input.review.object.metadata.labels[label]}
          required := {label | label := input.parameters.labels[_]}
          missing := required - provided
          count(missing) > 0
          msg := sprintf("you must provide labels: %v", [missing])
        }
"#;

fn constraint(name: &str, labels: &str, enforcement: &str) -> String {
    format!(
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sRequiredLabels\nmetadata: {{name: {name}}}\nspec:\n  \
         enforcementAction: {enforcement}\n  match: {{kinds: [{{apiGroups: [\"\"], kinds: [Pod]}}]}}\n  parameters: {{labels: [{labels}]}}\n"
    )
}

fn set(settings: &str) -> PolicySet {
    let files = [
        ("t.yaml".to_owned(), TEMPLATE.to_owned()),
        ("owner.yaml".to_owned(), constraint("must-have-owner", "owner", "deny")),
        ("team.yaml".to_owned(), constraint("must-have-team", "team", "warn")),
    ];
    let bundle = Bundle::from_parts(Some(settings), files.to_vec()).unwrap();
    compile(&bundle, crate::context::Context::default())
        .unwrap_or_else(|problems| panic!("{}", crate::policy::list(&problems)))
}

const EXPLAINS: &str = "policies:\n  'k8srequiredlabels/*': {action: explain}\n";

fn review() -> Review {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "nginx"}]},
    });
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "u", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "name": "web",
            "namespace": "shop", "object": object},
    });
    Review::parse(review.to_string().as_bytes()).unwrap()
}

fn words(explained: &Explained) -> String {
    render(&explained.request, &Extras::default()).message
}

#[test]
fn a_policy_that_only_explains_says_nothing_at_admission() {
    let set = set(EXPLAINS);
    let verdict = set.evaluate(&review());
    assert!(verdict.is_silent());
    assert_eq!(verdict.evaluated(), 0, "it costs nothing");
    assert_eq!(set.policies().len(), 2);
}

#[test]
fn a_denial_gets_the_metadata_and_a_fix_of_the_policy_of_its_name() {
    let set = set(EXPLAINS);
    let message = "[must-have-owner] you must provide labels: {\"owner\"}";
    let explained = explain(&set, &review(), "gatekeeper", message, Depth::Proof);
    let request = &explained.request;
    assert_eq!(request.decision, Decision::Deny);
    let violation = &request.violations[0];
    assert_eq!(violation.policy, "webhook/gatekeeper/must-have-owner");
    assert_eq!(violation.title, "Required Labels");
    assert_eq!(violation.why, "Alerts need somebody to go to.");
    let fix = request.fix.as_ref().unwrap();
    assert_eq!(fix.policies, ["webhook/gatekeeper/must-have-owner"]);
    assert!(fix.complete && !fix.kubectl.is_empty() | !fix.placeholders.is_empty());
    let patch = fix.patch.to_string();
    assert!(
        patch.contains("owner") && !patch.contains("team"),
        "the other constraint was not named: {patch}"
    );
    let upstream = request.upstream.as_ref().unwrap();
    assert_eq!(
        (upstream.webhook.as_str(), upstream.message.as_str()),
        ("gatekeeper", message)
    );
    assert!(upstream.items[0].known);
    let text = words(&explained);
    assert!(
        text.starts_with("1 problem in Pod shop/web found by the webhook gatekeeper\n"),
        "{text}"
    );
    assert!(text.contains("against the policy as whynot has it"), "{text}");

    // Late: the words of its author, and no evaluation.
    let late = explain(&set, &review(), "gatekeeper", message, Depth::Words);
    assert!(late.request.fix.is_none() && late.request.violations[0].title == "Required Labels");
    assert_eq!(late.remedies.evaluations, 0);
}

#[test]
fn a_policy_that_warns_here_and_denies_there_is_explained() {
    let set = set("policies:\n  k8srequiredlabels/must-have-owner: {action: explain}\n");
    let explained = explain(
        &set,
        &review(),
        "g",
        "[must-have-team] you must provide labels: {\"team\"}",
        Depth::Proof,
    );
    let fix = explained.request.fix.unwrap();
    assert_eq!(fix.policies, ["webhook/g/must-have-team"]);
}

#[test]
fn no_fix_is_invented() {
    let set = set(EXPLAINS);
    for (message, says) in [
        (
            "[other] you must provide labels: {\"owner\"}",
            "by its own policy other, which whynot does not have.",
        ),
        ("[must-have-owner] something else", "was not found to say the same"),
        ("plain", "its message names no policy."),
        ("", "gave no reason"),
    ] {
        let explained = explain(&set, &review(), "g", message, Depth::Proof);
        assert!(explained.request.fix.is_none(), "{message}");
        let text = words(&explained).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(says), "{message}: {text}");
    }
    // Half of it was tried: not a fix for all of it.
    let both = "[must-have-owner] you must provide labels: {\"owner\"}\n[other] metadata.labels.app is wrong";
    let explained = explain(&set, &review(), "g", both, Depth::Proof);
    let fix = explained.request.fix.as_ref().unwrap();
    assert!(!fix.complete);
    assert_eq!(explained.request.violations[1].found[0].path, "/metadata/labels/app");
    let text = words(&explained);
    assert!(text.contains("the rest needs what is said above"), "{text}");
}

#[test]
fn whatever_a_webhook_says_is_bounded() {
    let set = set(EXPLAINS);
    let long = format!("[must-have-owner] {}", "x\u{1b}[31m".repeat(200_000));
    let explained = explain(&set, &review(), "g", &long, Depth::Proof);
    let size = serde_json::to_vec(&explained.request).unwrap().len();
    assert!(size < 128 * 1024, "{size}");
    assert!(!words(&explained).contains('\u{1b}'));
}
