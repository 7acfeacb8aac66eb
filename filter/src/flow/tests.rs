use engine::explain::wire::ExplainRequest;

use super::asking::{lacks_change, patience, with_review};
use super::*;
use crate::config::Explainer;

const BY_LABEL: &str = "package a\n\ndeny contains \"locked\" if input.namespace.labels.locked == \"yes\"\n";

fn placing(namespace_timeout_ms: Option<u64>) -> (Config, State, Vec<Effect>) {
    let bundle = engine::policy::bundle::Bundle::new(
        engine::policy::settings::Settings::default(),
        [("a.rego".to_owned(), BY_LABEL.to_owned())],
    );
    let json = format!(r#"{{"bundle": {}}}"#, String::from_utf8(bundle.to_json()).unwrap());
    let plugin = crate::config::Plugin::parse(json.as_bytes()).unwrap();
    let config = Config {
        namespace_timeout_ms,
        ..plugin.with(plugin.compile().unwrap().unwrap())
    };
    let review = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"",
        "version":"v1","kind":"Pod"},"operation":"CREATE","namespace":"shop","name":"web","object":{"metadata":{}}}}"#;
    let target = Target {
        webhook: None,
        deadline_ms: 1_000,
    };
    let (state, effects) = step(State::Receiving(target), Event::Complete(review.into()), &config);
    (config, state, effects)
}

fn answer_of(effects: &[Effect]) -> String {
    match effects.last() {
        Some(Effect::Respond(response)) => String::from_utf8(response.body.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_namespace_that_is_not_known_is_asked_for_and_counts() {
    let labels = [("locked".to_owned(), "yes".to_owned())].into();
    let locked = Namespace {
        labels,
        ..Namespace::default()
    };
    for (answer, expected) in [
        (Ok(Some(locked)), "locked"),
        (Ok(Some(Namespace::default())), "\"allowed\":true"),
        (Ok(None), "\"allowed\":true"),
        (Err(CallError::NoAnswer), "does not answer"),
        (Err(CallError::Status), "cannot tell"),
    ] {
        let (config, state, effects) = placing(Some(800));
        let asked = Effect::Place {
            namespace: "shop".to_owned(),
            timeout_ms: 500,
        };
        assert_eq!(effects, [asked, Effect::Wait]);
        let (state, effects) = step(state, Event::Placed(answer), &config);
        assert!(matches!(state, State::Done), "{state:?}");
        let text = answer_of(&effects);
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn without_somebody_to_ask_it_stays_unknown() {
    let (_, state, effects) = placing(None);
    assert!(matches!(state, State::Done));
    assert!(answer_of(&effects).contains("\"allowed\":true"));
}

#[test]
fn the_review_goes_along_only_where_a_change_is_missing() {
    let request = |more: serde_json::Value| -> ExplainRequest {
        let mut request = serde_json::json!({
            "apiVersion": "whynot.dev/v1", "revision": "r", "decision": "deny", "deadlineMs": 0,
            "review": {"uid": "u", "operation": "CREATE", "kind": {"version": "v1", "kind": "Pod"}},
            "violations": [{
                "policy": "a/b", "action": "deny", "severity": "high", "title": "", "message": "no", "found": [], "why": "",
                "remediation": "", "links": [], "controls": [],
            }],
        });
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(request).unwrap()
    };
    let upstream = |known: bool| serde_json::json!({"upstream": {"webhook": "w", "message": "no", "items": [{"message": "no", "known": known}]}});
    assert!(lacks_change(&request(serde_json::json!({}))));
    assert!(lacks_change(&request(upstream(true))));
    for other in [
        serde_json::json!({"decision": "allow"}),
        upstream(false),
        serde_json::json!({"unfixable": {"a/b": "No edit helps."}}),
        serde_json::json!({"fix": {"patch": [], "snippet": "", "policies": ["a/b"], "complete": true}}),
        serde_json::json!({"review": {"uid": "u", "operation": "DELETE", "kind": {"kind": "Pod"}}}),
        serde_json::json!({"review": {"uid": "u", "operation": "CREATE", "kind": {"kind": "Secret"}}}),
    ] {
        assert!(!lacks_change(&request(other.clone())), "{other}");
    }
    let body = with_review(br#"{"a":1}"#.to_vec(), Some(br#"{"kind":"AdmissionReview"}"#));
    assert_eq!(body, br#"{"admissionReview":{"kind":"AdmissionReview"},"a":1}"#);
    assert_eq!(with_review(b"{}".to_vec(), None), b"{}");
}

#[test]
fn the_explainer_gets_what_the_deadline_leaves() {
    let explainer = Explainer {
        cluster: "e".into(),
        authority: "e".into(),
        path: "/".into(),
        timeout_ms: 800,
        margin_ms: 200,
        token: None,
        object: false,
    };
    assert_eq!(patience(&explainer, 10_000), Some(800));
    assert_eq!(patience(&explainer, 700), Some(500));
    assert_eq!(patience(&explainer, 200), None);
    assert_eq!(patience(&explainer, 0), None);
}

const UNMENDED: &str = "# METADATA\n# custom:\n#   fix:\n#     action: none\npackage a\n\ndeny contains \"No.\"\n";
const ONLY_HERE: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"",
    "version":"v1","kind":"Pod"},"operation":"CREATE","namespace":"shop","name":"web","object":{"metadata":{"name":"only-here"}}}}"#;

fn unmended() -> String {
    let bundle = engine::policy::bundle::Bundle::new(
        engine::policy::settings::Settings::default(),
        [("a.rego".to_owned(), UNMENDED.to_owned())],
    );
    String::from_utf8(bundle.to_json()).unwrap()
}

#[test]
fn the_review_leaves_when_it_was_asked_for_and_a_model_is_named_in_the_annotations() {
    let bundle = unmended();
    for (object, leaves) in [("", false), (r#","object":false"#, false), (r#","object":true"#, true)] {
        let explainer = format!(r#"{{"cluster":"e","authority":"e","path":"/v1/explain"{object}}}"#);
        let json = format!(r#"{{"bundle": {bundle}, "explainer": {explainer}}}"#);
        let plugin = crate::config::Plugin::parse(json.as_bytes()).unwrap();
        let config = plugin.with(plugin.compile().unwrap().unwrap());
        let target = Target {
            webhook: None,
            deadline_ms: 10_000,
        };
        let (state, effects) = step(State::Receiving(target), Event::Complete(ONLY_HERE.into()), &config);
        let body = effects.iter().find_map(|effect| match effect {
            Effect::Call { body, .. } => Some(String::from_utf8(body.clone()).unwrap()),
            _ => None,
        });
        let body = body.unwrap_or_else(|| panic!("{effects:?}"));
        assert_eq!(body.contains("only-here"), leaves, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
        for (more, expected) in [
            (
                r#","source":"model","model":"m-1","prompt":"explain@1""#,
                Some(r#""words-by":"m-1 explain@1""#),
            ),
            (r#","source":"engine""#, None),
        ] {
            let answer = format!(r#"{{"id":"i","url":"u","message":"words"{more}}}"#);
            let asking = match &state {
                State::Asking(target, decided, body) => State::Asking(target.clone(), decided.clone(), body.clone()),
                other => panic!("{other:?}"),
            };
            let (_, effects) = step(asking, Event::Explained(Ok(answer.into_bytes())), &config);
            let text = answer_of(&effects);
            match expected {
                Some(expected) => assert!(text.contains(expected), "{text}"),
                None => assert!(!text.contains("words-by"), "{text}"),
            }
        }
    }
}

#[test]
fn a_denial_of_a_webhook_behind_carries_the_review_where_a_policy_says_the_same() {
    let bundle = unmended();
    for (object, message, leaves) in [
        (true, "[a] No.", true),
        (false, "[a] No.", false),
        (true, "[a] Something else.", false),
        (true, "[b] No.", false),
    ] {
        let explainer = format!(r#"{{"cluster":"e","authority":"e","path":"/v1/explain","object":{object}}}"#);
        let json = format!(r#"{{"bundle": {bundle}, "explainer": {explainer}}}"#);
        let plugin = crate::config::Plugin::parse(json.as_bytes()).unwrap();
        let config = plugin.with(plugin.compile().unwrap().unwrap());
        let passed = Passed {
            target: Target {
                webhook: Some("gatekeeper".to_owned()),
                deadline_ms: 10_000,
            },
            uid: "u".to_owned(),
            body: ONLY_HERE.into(),
        };
        let answer = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"u","allowed":false,"status":{{"message":"{message}"}}}}}}"#
        );
        let (_, effects) = upstream::ends(&passed, answer.into_bytes(), 0, &config);
        let body = effects.iter().find_map(|effect| match effect {
            Effect::Call { body, .. } => Some(String::from_utf8(body.clone()).unwrap()),
            _ => None,
        });
        let body = body.unwrap_or_else(|| panic!("nobody is asked: {effects:?}"));
        assert_eq!(body.contains("only-here"), leaves, "{object} {message}: {body}");
        assert_eq!(body.starts_with(r#"{"admissionReview":{"apiVersion""#), leaves);
    }
}
