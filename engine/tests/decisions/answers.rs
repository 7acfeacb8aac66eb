//! What the API server is told.

use engine::admission::Review;
use engine::admission::salvage_uid;
use engine::answer;
use engine::answer::decide;
use serde_json::Value;
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{DENY_ALL, review, set};

#[test]
fn a_broken_review_is_answered_when_its_uid_can_be_told() {
    let truncated =
        br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"c7-1","kind":{"gro"#;
    let error = Review::parse(truncated).unwrap_err();
    assert_eq!(error.uid.as_deref(), Some("c7-1"));
    let answer: Value = serde_json::from_slice(&answer::refusal(&error).unwrap().to_bytes()).unwrap();
    assert_eq!(answer["response"]["uid"], "c7-1");
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    assert_eq!(answer::refusal(&Review::parse(b"[]").unwrap_err()), None);
    for (body, uid) in [
        (&br#"{"request":{"uid" : "a-b""#[..], Some("a-b")),
        (br#"{"request":{"uid":"a\u0022"}}"#, None),
        (br#"{"request":{"uid":"unterminated"#, None),
        (br#"{"uid":7}"#, None),
        (b"", None),
    ] {
        assert_eq!(salvage_uid(body).as_deref(), uid, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn reviews_that_are_none_say_which_field() {
    let reason = |body: Value| Review::parse(body.to_string().as_bytes()).unwrap_err().reason;
    assert!(reason(json!({"apiVersion": "admission.k8s.io/v2", "kind": "AdmissionReview"})).contains("v2"));
    assert!(reason(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"})).contains("no request"));
    let request = |request: Value| {
        reason(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}))
    };
    assert!(request(json!({})).contains("request.uid"));
    assert!(request(json!({"uid": "a"})).contains("request.operation"));
    assert!(request(json!({"uid": "a", "operation": "CREATE"})).contains("request.kind"));
    assert!(
        Review::parse(b"{\"uid\": \"\xff\"}")
            .unwrap_err()
            .reason
            .contains("not UTF-8")
    );
}

#[test]
fn the_answer_has_the_version_of_its_review() {
    let set = set(&[DENY_ALL]);
    let version = |body: &[u8]| {
        let answer = match Review::parse(body) {
            Ok(review) => decide(&set, &review).own_answer(),
            Err(error) => answer::refusal(&error).unwrap(),
        };
        serde_json::from_slice::<Value>(&answer.to_bytes()).unwrap()["apiVersion"].clone()
    };
    for name in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
        let request = json!({"uid": "u", "operation": "CREATE", "kind": {"kind": "Pod"}});
        let review = json!({"apiVersion": name, "kind": "AdmissionReview", "request": request}).to_string();
        assert_eq!(version(review.as_bytes()), name);
        let truncated = format!(r#"{{"kind":"AdmissionReview","apiVersion":"{name}","request":{{"uid":"u","kind""#);
        assert_eq!(version(truncated.as_bytes()), name);
    }
}

#[test]
fn the_answer_names_policies_and_revision() {
    let warn = "# METADATA\n# custom: {action: warn, remediation: \"Do it.\"}\npackage soft\n\ndeny contains \"hm\\n\\u001b[31mred\"\n";
    let set = set(&[DENY_ALL, warn]);
    let answer: Value = serde_json::from_slice(&decide(&set, &review(json!({}))).own_answer().to_bytes()).unwrap();
    let response = &answer["response"];
    assert_eq!(response["warnings"], json!(["[soft] hm [31mred Do it."]));
    let annotations = json!({"revision": set.revision(), "denied-by": "everything", "warned-by": "soft"});
    assert_eq!(response["auditAnnotations"], annotations);
    assert_eq!(response["status"]["reason"], "Forbidden");
}

#[test]
fn a_fix_that_breaks_another_policy_is_not_shown() {
    let fixable = |package: &str, wrong: i64, right: i64| {
        format!(
            "# METADATA\n# custom: {{fix: {{action: set, value: {right}}}}}\npackage {package}\n\n\
             deny contains {{\"msg\": \"a is wrong\", \"path\": \"/spec/a\"}} if input.request.object.spec.a == {wrong}\n"
        )
    };
    let fix = |policies: &[&str]| decide(&set(policies), &review(json!({}))).request.fix;
    let (one, other) = (fixable("one", 1, 2), fixable("other", 2, 3));
    let shown = fix(&[&one]).unwrap();
    assert_eq!(shown.patch, json!([{"op": "replace", "path": "/spec/a", "value": 2}]));
    assert!(shown.complete);
    // After the author's change another policy objects: one that both take is searched.
    let shown = fix(&[&one, &other]).unwrap();
    assert_eq!(shown.patch, json!([{"op": "replace", "path": "/spec/a", "value": 3}]));
    let partial = fix(&[&one, DENY_ALL]).unwrap();
    assert_eq!((partial.complete, partial.policies), (false, vec!["one".to_owned()]));
    let useless = fixable("useless", 1, 1);
    let shown = fix(&[&useless]).unwrap();
    assert_ne!(shown.patch[0]["value"], json!(1), "the author's change changes nothing");
}
