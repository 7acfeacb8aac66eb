//! What a person reads in a terminal, whole.

use serde_json::{Value, json};

use super::*;
use crate::explain::wire::ExplainRequest;

fn violation(policy: &str, message: &str, path: &str, value: &str) -> Value {
    json!({"policy": policy, "action": "deny", "message": message, "found": [{"path": path, "value": value}],
        "why": "It matters for a reason. And that is not all that can be said of it.",
        "remediation": "Do it in another way."})
}

#[expect(clippy::needless_pass_by_value, reason = "json! at every call")]
fn request(violations: Value, more: Value) -> ExplainRequest {
    let mut request = json!({
        "apiVersion": "whynot.dev/v1", "revision": "3f2a9c01d4e5", "decision": "deny", "deadlineMs": 0,
        "review": {"uid": "u", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "shop", "name": "web"},
        "violations": violations,
    });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    serde_json::from_value(request).unwrap()
}

fn text(violations: Value, more: Value) -> String {
    let extras = Extras {
        repeats: vec![],
        url: Some("http://explainer/e/id".into()),
        by_model: None,
    };
    let text = render(&request(violations, more), &extras).message;
    assert!(text.is_ascii(), "{text}");
    text
}

fn privileged() -> Value {
    violation(
        "pod-security/privileged",
        "Container \"app\" runs privileged.",
        "/spec/containers/0/securityContext/privileged",
        "true",
    )
}

fn root() -> Value {
    violation(
        "pod-security/root",
        "Container \"app\" may run as root.",
        "/spec/containers/0/securityContext",
        "{}",
    )
}

fn owner() -> Value {
    violation("general/owner", "There is no label owner.", "/metadata/labels", "{}")
}

fn fix(policies: &[&str], is_complete: bool) -> Value {
    json!({
        "patch": [{"op": "replace", "path": "/spec/containers/0/securityContext/privileged", "value": false}],
        "snippet": "spec:\n  containers:\n    - name: app\n      securityContext:\n        privileged: false # was: true\n",
        "policies": policies, "complete": is_complete,
    })
}

#[test]
fn one_change_for_two_rules_stands_once_behind_both() {
    let mut fix = fix(&["pod-security/privileged", "pod-security/root"], true);
    fix["kubectl"] = "kubectl patch --local -f FILE --type=json -p '[]' -o yaml | kubectl apply -n shop -f -".into();
    insta::assert_snapshot!(text(json!([privileged(), root()]), json!({"fix": fix})), @r#"
    2 problems in Pod shop/web

    * Container "app" runs privileged.
        spec.containers[0].securityContext.privileged: true
      Why:  It matters for a reason. And that is not all that can be said of it.
      Rule: pod-security/privileged

    * Container "app" may run as root.
        spec.containers[0].securityContext: {}
      Rule: pod-security/root

    Fix (checked: all policies pass after it):

        spec:
          containers:
            - name: app
              securityContext:
                privileged: false # was: true

      Run: kubectl patch --local -f FILE --type=json -p '[]' -o yaml | kubectl apply -n shop -f -

    More: http://explainer/e/id
    "#);
}

#[test]
fn the_three_classes_are_not_mixed() {
    let mut fix = fix(&["pod-security/privileged"], false);
    fix["removes"] = json!(["/spec/hostNetwork", "/spec/containers/0/ports/1"]);
    fix["widens"] = json!(["/spec/tolerations"]);
    let reason = "Another object of the cluster decides here: no value in this object makes it right by itself.";
    let unfixable = json!({"general/host": reason, "general/other-host": reason});
    let host = violation("general/host", "The host is taken.", "/spec/host", "\"a.example.com\"");
    let other = violation(
        "general/other-host",
        "The other host is taken.",
        "/spec/other",
        "\"b.example.com\"",
    );
    let violations = json!([host, other, owner(), privileged()]);
    insta::assert_snapshot!(text(violations, json!({"fix": fix, "unfixable": unfixable})), @r#"
    4 problems in Pod shop/web

    * The host is taken.
        spec.host: "a.example.com"
      Why:  It matters for a reason.
      Hint: Do it in another way.
      Rule: general/host

    * The other host is taken.
        spec.other: "b.example.com"
      Hint: Do it in another way.
      Rule: general/other-host
      No edit of this object helps (for the 2 rules above): Another object of the cluster decides
      here: no value in this object makes it right by itself.

    * There is no label owner.
        metadata.labels: {}
      Hint: Do it in another way.
      Rule: general/owner
      No change that passes was found. Do what the hint says.
      Try a change without a deploy: whynot check -f FILE --server http://explainer

    * Container "app" runs privileged.
        spec.containers[0].securityContext.privileged: true
      Rule: pod-security/privileged

    Fix for pod-security/privileged (checked: it passes after it; the rest needs what is said
    above):

        spec:
          containers:
            - name: app
              securityContext:
                privileged: false # was: true

      removes: spec.hostNetwork, spec.containers[0].ports[1]
      gives more access: spec.tolerations

    More: http://explainer/e/id
    "#);
}

#[test]
fn what_a_person_fills_in_is_no_fix() {
    let fix = json!({
        "patch": [{"op": "add", "path": "/metadata/labels/owner", "value": "example"}],
        "snippet": "metadata:\n  labels:\n    owner: example # fill in: the owner of this service\n",
        "policies": ["general/owner"], "complete": true, "class": "placeholder", "source": "search",
        "placeholders": [{"path": "/metadata/labels/owner", "meaning": "the owner of this service"}],
    });
    insta::assert_snapshot!(text(json!([owner()]), json!({"fix": fix})), @r"
    1 problem in Pod shop/web

    * There is no label owner.
        metadata.labels: {}
      Why:  It matters for a reason. And that is not all that can be said of it.
      Hint: Do it in another way.
      Rule: general/owner

    Fill in the marked values (checked with an example: all policies pass after it):

        metadata:
          labels:
            owner: example # fill in: the owner of this service

    More: http://explainer/e/id
    ");
}

#[test]
fn a_change_belongs_where_the_object_is_made() {
    let mut fix = fix(&["pod-security/privileged"], true);
    fix["lifted"] = "spec:\n  template:\n    spec:\n      hostNetwork: false # was: true\n".into();
    let origin = json!({"kind": "Deployment", "namespace": "shop", "name": "web",
        "text": "This Pod is made from Deployment shop/web: change its template."});
    insta::assert_snapshot!(text(json!([privileged()]), json!({"fix": fix, "origin": origin})), @r#"
    1 problem in Pod shop/web

    * Container "app" runs privileged.
        spec.containers[0].securityContext.privileged: true
      Why:  It matters for a reason. And that is not all that can be said of it.
      Rule: pod-security/privileged

    This Pod is made from Deployment shop/web: change its template.

    Fix (checked on this Pod: all policies pass after it), as it stands in Deployment web:

        spec:
          template:
            spec:
              hostNetwork: false # was: true

    More: http://explainer/e/id
    "#);
}

#[test]
fn a_rule_without_words_is_worded_from_itself() {
    let mut titled = violation("a/b", "No.", "/spec/dnsPolicy", "\"ClusterFirst\"");
    titled["why"] = "".into();
    titled["remediation"] = "".into();
    let mut bare = titled.clone();
    bare["policy"] = "k8srequiredlabels/all-have-owners".into();
    titled["title"] = "Pods use the resolver of their node".into();
    insta::assert_snapshot!(text(json!([titled, bare]), json!({"defaulted": ["/spec/dnsPolicy"]})), @r#"
    2 problems in Pod shop/web

    * No.
        spec.dnsPolicy: "ClusterFirst" (the default; nobody wrote it)
      Rule: a/b, "Pods use the resolver of their node"

    * No.
        spec.dnsPolicy: "ClusterFirst" (the default; nobody wrote it)
      Rule: k8srequiredlabels/all-have-owners
      No change that passes was found (for the 2 rules above). Go by the messages, or ask those who
      keep these rules.
      Try a change without a deploy: whynot check -f FILE --server http://explainer

    More: http://explainer/e/id
    "#);
}

#[test]
fn a_rule_about_a_known_field_says_why_there_are_such_rules() {
    let mut bare = privileged();
    bare["why"] = "".into();
    bare["remediation"] = "".into();
    let mut same = bare.clone();
    same["policy"] = "k8spspprivileged/no-privileged".into();
    same["title"] = "K8sPSPPrivileged".into();
    insta::assert_snapshot!(text(json!([bare, same]), json!({})), @r#"
    2 problems in Pod shop/web

    * Container "app" runs privileged.
        spec.containers[0].securityContext.privileged: true
      Why:  A privileged container has all rights on its node: whoever breaks into the program in it
            controls the node and all that runs there.
      Rule: pod-security/privileged

    * Container "app" runs privileged.
        spec.containers[0].securityContext.privileged: true
      Rule: k8spspprivileged/no-privileged
      No change that passes was found (for the 2 rules above). Go by the messages, or ask those who
      keep these rules.
      Try a change without a deploy: whynot check -f FILE --server http://explainer

    More: http://explainer/e/id
    "#);
}

#[test]
fn where_nothing_was_found_it_is_said_whom_to_ask() {
    let mut bare = violation("shop/colour", "The colour is not ours.", "/spec/colour", "\"red\"");
    bare["why"] = "".into();
    bare["remediation"] = "".into();
    bare["links"] = json!([{"description": "kept by Platform", "ref": "mailto:platform@example.com"}]);
    insta::assert_snapshot!(text(json!([bare]), json!({})), @r#"
    1 problem in Pod shop/web

    * The colour is not ours.
        spec.colour: "red"
      Rule: shop/colour
      See:  kept by Platform: mailto:platform@example.com
      No change that passes was found. Go by the message, or ask those who keep this rule.
      Try a change without a deploy: whynot check -f FILE --server http://explainer

    More: http://explainer/e/id
    "#);
}

#[test]
fn what_a_value_may_be_is_told_below_the_change() {
    let fix = json!({
        "patch": [{"op": "add", "path": "/metadata/labels/owner", "value": "pay"}],
        "snippet": "metadata:\n  labels:\n    owner: pay # fill in: who answers for it\n",
        "policies": ["general/owner"], "complete": true, "class": "placeholder", "source": "search",
        "placeholders": [{"path": "/metadata/labels/owner", "meaning": "who answers for it: pay or shop"}],
    });
    let text = text(json!([owner()]), json!({"fix": fix}));
    assert!(text.contains("\n\n  metadata.labels.owner: pay or shop\n"), "{text}");
}

#[test]
fn a_warning_keeps_to_the_advised_length_where_it_can() {
    let mut long = owner();
    long["action"] = "warn".into();
    long["remediation"] =
        "Set the label owner to the name of the team that is called when this service breaks at night.".into();
    let mut short = long.clone();
    short["policy"] = "general/contact".into();
    short["remediation"] = "Set it.".into();
    let warnings = render(
        &request(json!([long, short]), json!({"decision": "allow"})),
        &Extras::default(),
    )
    .warnings;
    assert_eq!(
        warnings,
        [
            "[general/owner] There is no label owner.",
            "[general/contact] There is no label owner. Set it."
        ]
    );
}

#[test]
fn typographic_signs_are_shown_as_every_terminal_can() {
    let mut typographic = owner();
    typographic["message"] = "The label \u{201C}owner\u{201D} \u{2014} who\u{2019}s called\u{2026}".into();
    let text = text(json!([typographic]), json!({}));
    assert!(text.contains("* The label \"owner\" - who's called...\n"), "{text}");
}

#[test]
fn three_rules_fit_on_a_screen() {
    let violations = json!([owner(), privileged(), root()]);
    let fix = fix(&["general/owner", "pod-security/privileged", "pod-security/root"], true);
    let text = text(violations, json!({"fix": fix}));
    assert!(text.lines().count() <= 40, "{text}");
}

#[test]
fn many_rules_are_brief() {
    let rules: Vec<Value> = (0..5)
        .map(|n| violation(&format!("a/{n}"), "No.", "/spec/a", "1"))
        .collect();
    let text = text(json!(rules), json!({}));
    assert!(text.contains("for a reason.") && !text.contains("not all"), "{text}");
}

#[test]
fn a_long_change_cuts_neither_the_command_nor_the_link() {
    let mut fix = fix(&["pod-security/privileged"], true);
    fix["snippet"] = "spec: # and so on\n".repeat(2000).into();
    fix["kubectl"] = "kubectl patch --local -f FILE".into();
    let text = text(json!([privileged()]), json!({"fix": fix}));
    assert!(
        text.ends_with("  Run: kubectl patch --local -f FILE\n\nMore: http://explainer/e/id"),
        "{text}"
    );
    assert!(
        text.len() <= redact::MAX_MESSAGE && text.contains("runs privileged"),
        "{text}"
    );
}

#[test]
fn none_of_our_words_is_taken_for_a_field_that_never_changes() {
    // Flux deletes and makes anew what it is told such a thing about, when it may.
    for words in ["is immutable", "immutable field"] {
        for source in [
            include_str!("text.rs"),
            include_str!("remedy.rs"),
            include_str!("origin/mod.rs"),
            include_str!("origin/tools.rs"),
            include_str!("../fix/mod.rs"),
        ] {
            assert!(!source.contains(words), "{words}");
        }
    }
}

#[test]
fn a_models_words_are_called_that_and_take_the_place_of_nothing() {
    let by_model = ByModel {
        model: "m-1".into(),
        text: "It is so.".into(),
        steps: vec!["Do this.".into()],
    };
    let worded = |violations: Value, more: Value, by_model: Option<ByModel>| {
        let extras = Extras {
            repeats: vec![],
            url: Some("http://explainer/e/id".into()),
            by_model,
        };
        render(&request(violations, more), &extras).message
    };
    let one = json!([{"policy": "a/b", "action": "deny", "message": "No."}]);
    let fix = json!({"fix": {"patch": [], "snippet": "spec: {}", "policies": ["a/b"], "complete": true}});
    let plain = worded(one.clone(), fix.clone(), None);
    let with = worded(one.clone(), fix, Some(by_model.clone()));
    let block = "\nThese words are by a model (m-1); what is above and the fix below are checked:\n  It is so.\n";
    assert_eq!(with.replacen(block, "", 1), plain);
    let without_fix = worded(one, json!({}), Some(by_model.clone()));
    assert!(without_fix.contains("  It is so.\n  - Do this.\n"), "{without_fix}");
    // Where there is no room, nothing is cut for them.
    let many: Vec<Value> = (0..400)
        .map(|at| json!({"policy": format!("a/{at}"), "action": "deny", "message": "No, because of this and of that."}))
        .collect();
    let many = Value::Array(many);
    assert_eq!(
        worded(many.clone(), json!({}), Some(by_model)),
        worded(many, json!({}), None)
    );
}
