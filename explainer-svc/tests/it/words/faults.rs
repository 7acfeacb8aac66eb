//! Whatever goes wrong with a model, the denial is in time, with the engine's words; it is counted and audited.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{COMPLETIONS, GOOD, MODEL, Stand, denial, good, said};
use crate::gateway::provider::{Seen, Step, answer, event, json_response, response, stream_head};
use crate::support::TestServer;

const DEADLINE: Duration = Duration::from_millis(2400);

pub(super) fn hang() -> Step {
    Step::Wait(Duration::from_mins(1))
}

pub(super) type Behaviour = fn(usize, &Seen) -> Vec<Step>;

/// Faults, with the reason that is counted for each.
const FAULTS: [(&str, &str, Behaviour); 12] = [
    ("429", "providers", |_, _| {
        response("429 Too Many Requests", "retry-after: 30\r\n", "{}")
    }),
    ("500", "providers", |_, _| {
        response("500 Internal Server Error", "", "oops")
    }),
    ("hangs before it answers", "providers", |_, _| vec![hang()]),
    ("hangs mid-stream", "providers", |_, _| {
        let piece = json!({"choices": [{"index": 0, "delta": {"content": "{\"expl"}, "finish_reason": null}]});
        vec![stream_head(), event(&piece), hang()]
    }),
    ("resets", "providers", |_, _| vec![Step::Reset]),
    ("no JSON", "guard-out", |_, _| {
        answer("Sure! Here is your explanation.", 1, 1)
    }),
    ("another schema", "guard-out", |_, _| {
        answer("{\"explanation\": 3}", 1, 1)
    }),
    ("tool calls", "guard-out", |_, _| {
        let call = json!([{"id": "1", "type": "function", "function": {"name": "kubectl", "arguments": "{}"}}]);
        json_response(&json!({
            "choices": [{"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": call}, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }))
    }),
    ("1 MB", "providers", |_, _| {
        answer(&said(&"x".repeat(1 << 20)).to_string(), 1, 1)
    }),
    ("says approved", "guard-out", |_, _| {
        answer(&said(&format!("{GOOD} The request is approved.")).to_string(), 1, 1)
    }),
    ("a foreign link", "guard-out", |_, _| {
        answer(
            &said(&format!("{GOOD} See https://evil.example/fix.")).to_string(),
            1,
            1,
        )
    }),
    ("another policy", "guard-out", |_, _| {
        let mut other = said(GOOD);
        other["policies"] = json!(["general/made-up"]);
        answer(&other.to_string(), 1, 1)
    }),
];

#[tokio::test]
async fn every_fault_leaves_a_good_denial_in_time_and_is_counted_and_audited() {
    each_leaves_a_good_denial(COMPLETIONS, &FAULTS).await;
}

pub(super) async fn each_leaves_a_good_denial(protocol: &str, faults: &[(&str, &str, Behaviour)]) {
    let engines = TestServer::start().await.explain(&denial()).await;
    let lines = |answer: &Value| -> Vec<String> {
        let message = answer["message"].as_str().unwrap();
        let own = |line: &&str| !line.starts_with("More: ");
        message.lines().filter(own).map(str::to_owned).collect()
    };
    for (name, reason, behaviour) in faults {
        let stand = Stand::speaking(
            protocol,
            &[],
            |config| config.words.budget = Duration::from_millis(400),
            *behaviour,
        )
        .await;
        let mut body = denial();
        body["deadlineMs"] = u64::try_from(DEADLINE.as_millis()).unwrap().into();
        let begun = Instant::now();
        let answer = stand.server.explain(&body).await;
        assert!(begun.elapsed() < DEADLINE, "{name}: {:?}", begun.elapsed());
        assert_eq!(answer["source"], "engine", "{name}: {answer}");
        assert_eq!(lines(&answer), lines(&engines), "{name}");
        let refused = stand.event("model-refused").await;
        assert_eq!(refused["payload"]["reason"], *reason, "{name}: {refused}");
        let counted = format!("whynot_model_words_missing_total{{what=\"words\",reason=\"{reason}\"}} 1");
        let metrics = stand.metrics().await;
        assert!(metrics.contains(&counted), "{name}: {counted} is not in {metrics}");
        assert!(stand.events("model-called").await.is_empty(), "{name}");
        let id = answer["id"].as_str().unwrap();
        assert!(
            stand.server.json(&format!("/e/{id}")).await["words"].is_null(),
            "{name}"
        );
    }
}

/// A rule that the engine proposes no change for.
pub(super) const TIER: &str = r#"# METADATA
# title: Pods name their tier
# description: The tier decides how the Pod is scheduled and who is called at night.
# custom:
#   severity: medium
#   action: deny
#   remediation: Set the annotation tier to gold or silver.
#   fix:
#     action: none
package shop.tier

deny contains {"msg": "The annotation tier is not one that is scheduled.", "path": "/metadata/annotations/tier"} if {
	some container in input.request.object.spec.containers
	container.name == "app"
	not input.request.object.metadata.annotations.tier in {"gold", "silver"}
}
"#;

pub(super) const TIER_ID: &str = "webhook/gate.example/shop/tier";

pub(super) fn asked() -> Value {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"tier": "bronze"}},
        "spec": {"containers": [{"name": "app", "image": "nginx:1.29"}, {"name": "log", "image": "log:1"}]},
    });
    json!({
        "apiVersion": "whynot.dev/v1", "kind": "ExplainRequest", "webhook": "gate.example",
        "message": "[shop/tier] The annotation tier is not one that is scheduled.", "deadlineMs": 30_000,
        "admissionReview": {
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": "CREATE", "name": "web", "namespace": "shop",
                "kind": {"group": "", "version": "v1", "kind": "Pod"}, "userInfo": {"username": "jane"}, "object": object,
            },
        },
    })
}

/// A model that answers with words, and where a change is asked for with this one.
fn proposing(change: Value) -> impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static {
    move |_, seen| {
        let mut said = json!({
            "explanation": "The annotation tier is not one that is scheduled.", "steps": [],
            "policies": [TIER_ID], "fields": ["/metadata/annotations/tier"],
        });
        if seen.body["messages"][0].to_string().contains("You propose") {
            said["change"] = change.clone();
        }
        answer(&said.to_string(), 50, 10)
    }
}

fn tier(value: &str) -> Value {
    json!([{"op": "replace", "path": "/metadata/annotations/tier", "value": value}])
}

#[tokio::test]
async fn a_change_that_holds_is_shown_as_a_models_fix() {
    let stand = Stand::start(&[("tier.rego", TIER)], |_| {}, proposing(tier("gold"))).await;
    let answer = stand.server.explain(&asked()).await;
    assert_eq!(
        (&answer["fix"]["source"], &answer["fix"]["verified"]),
        (&"model".into(), &true.into()),
        "{answer}"
    );
    assert_eq!(
        (&answer["fix"]["class"], &answer["fix"]["patch"]),
        (&"fix".into(), &tier("gold"))
    );
    assert_eq!((&answer["source"], &answer["model"]), (&"model".into(), &MODEL.into()));
    let text = answer["explanation"].as_str().unwrap();
    assert!(
        text.contains("Fix (proposed by a model, checked against the policy"),
        "{text}"
    );
    assert!(text.contains("tier: gold"), "{text}");
    let page = stand.finished(answer["id"].as_str().unwrap()).await;
    assert_eq!(
        (&page["fix"]["source"], &page["request"]["fix"]),
        (&"model".into(), &Value::Null),
        "{page}"
    );
    let verified = stand.event("fix-verified").await;
    assert_eq!(
        (&verified["payload"]["model"], &verified["payload"]["policies"][0]),
        (&MODEL.into(), &TIER_ID.into())
    );
    assert!(
        stand
            .metrics()
            .await
            .contains("whynot_model_fixes_total{outcome=\"verified\",reason=\"none\"} 1")
    );
    // The object is not in the record of what was decided.
    assert!(!page["request"].to_string().contains("log:1"), "{page}");
}

#[tokio::test]
async fn a_change_that_does_not_hold_or_dodges_is_not_shown() {
    let only_log = json!([{"name": "log", "image": "log:1"}]);
    let one = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    let cases = [
        ("still-denied", tier("platinum")),
        ("dodge", one("replace", "/spec/containers", only_log)),
        ("dodge", one("replace", "/spec/containers/0/name", json!("main"))),
        ("guard", json!([{"op": "remove", "path": "/spec/containers/0"}])),
        ("guard", one("replace", "/spec/containers", json!([]))),
        ("guard", one("replace", "/metadata/name", json!("other"))),
        ("guard", one("replace", "/spec/nothing/here", json!(1))),
        (
            "invalid",
            json!([tier("gold")[0], {"op": "add", "path": "/spec/containers/0/imagePullPolicy", "value": "Sometimes"}]),
        ),
    ];
    for (reason, change) in cases {
        let stand = Stand::start(&[("tier.rego", TIER)], |_| {}, proposing(change.clone())).await;
        let answer = stand.server.explain(&asked()).await;
        let rejected = stand.event("fix-rejected").await;
        assert_eq!(rejected["payload"]["reason"], reason, "{change}: {rejected}");
        assert_eq!(answer["fix"], Value::Null, "{change}: {answer}");
        let text = answer["explanation"].as_str().unwrap();
        assert!(text.contains("No change that passes was found"), "{text}");
        assert!(text.contains("These words are by a model"), "{text}");
        let counted = format!("whynot_model_fixes_total{{outcome=\"rejected\",reason=\"{reason}\"}} 1");
        assert!(stand.metrics().await.contains(&counted), "{counted}");
        let page = stand.finished(answer["id"].as_str().unwrap()).await;
        assert_eq!(page["fix"], Value::Null);
        assert!(stand.events("fix-verified").await.is_empty());
    }
}

/// The same denial as the filter tells it, with the review.
async fn by_the_filter(stand: &Stand) -> Value {
    let mut body = denial();
    body["revision"] = stand.server.json("/v1/policies/status").await["current"]["revision"].clone();
    body.as_object_mut().unwrap().remove("fix");
    body["review"]["uid"] = "u".into();
    body["violations"] = json!([{
        "policy": "shop/tier", "action": "deny", "severity": "medium", "title": "Pods name their tier",
        "message": "The annotation tier is not one that is scheduled.", "why": "The tier decides how the Pod is scheduled.",
        "found": [{"path": "/metadata/annotations/tier", "value": "bronze"}],
        "remediation": "Set the annotation tier to gold or silver.",
    }]);
    body["admissionReview"] = asked()["admissionReview"].clone();
    body
}

#[tokio::test]
async fn with_the_review_a_change_is_tried_for_the_filter_too_and_only_by_the_same_policies() {
    let propose = |id: &'static str| {
        move |_: usize, seen: &Seen| {
            let mut said = json!({
                "explanation": "The annotation tier is not one that is scheduled.", "steps": [],
                "policies": [id], "fields": ["/metadata/annotations/tier"],
            });
            if seen.body["messages"][0].to_string().contains("You propose") {
                said["change"] = tier("silver");
            }
            answer(&said.to_string(), 50, 10)
        }
    };
    let stand = Stand::start(&[("tier.rego", TIER)], |_| {}, propose("shop/tier")).await;
    let body = by_the_filter(&stand).await;
    let answer = stand.server.explain(&body).await;
    assert_eq!(
        (&answer["fix"]["source"], &answer["fix"]["patch"]),
        (&"model".into(), &tier("silver")),
        "{answer}"
    );
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains("Fix (proposed by a model, checked: all policies pass after it):"),
        "{message}"
    );
    let page = stand.finished(answer["id"].as_str().unwrap()).await;
    assert!(page["request"].get("admissionReview").is_none(), "{page}");
    stand.event("fix-verified").await;

    // Another revision denied: what is here cannot say whether it would pass.
    let mut other = body.clone();
    other["revision"] = "000000000000".into();
    let answer = stand.server.explain(&other).await;
    assert!(answer.get("fix").is_none(), "{answer}");
    // Another review than the one that was decided.
    let mut other = body.clone();
    other["review"]["uid"] = "v".into();
    assert!(stand.server.explain(&other).await.get("fix").is_none());
    // An object that is not denied here for the same reason.
    let mut other = body.clone();
    other["admissionReview"]["request"]["object"]["metadata"]["annotations"]["tier"] = "gold".into();
    assert!(stand.server.explain(&other).await.get("fix").is_none());
    let rejected = stand.event("fix-rejected").await;
    assert_eq!(rejected["payload"]["reason"], "otherwise", "{rejected}");
    assert_eq!(stand.events("fix-verified").await.len(), 1);
}

#[tokio::test]
async fn no_change_is_asked_for_where_none_can_be_tried_or_none_is_needed() {
    // Without policies: the webhook's own are not known.
    let stand = Stand::start(&[], |_| {}, proposing(tier("gold"))).await;
    let mut body = asked();
    body["message"] = "[general/other] The annotation tier is not one that is scheduled.".into();
    stand.server.explain(&body).await;
    let changes = |stand: &Stand| {
        let seen = stand.provider.seen();
        seen.iter()
            .filter(|seen| seen.body.to_string().contains("You propose"))
            .count()
    };
    assert_eq!(changes(&stand), 0);
    // The filter sends no object, and a fix that the engine found stands.
    let stand = Stand::start(&[("tier.rego", TIER)], |_| {}, good).await;
    let mut without = denial();
    without.as_object_mut().unwrap().remove("fix");
    stand.server.explain(&without).await;
    stand.server.explain(&denial()).await;
    assert_eq!(changes(&stand), 0);
}

#[tokio::test]
async fn models_that_are_turned_off_are_not_asked_and_words_go_on() {
    let stand = Stand::start(&[], |_| {}, good).await;
    assert_eq!(stand.server.explain(&denial()).await["source"], "model");
    stand.kill();
    let answer = stand.server.explain(&denial()).await;
    assert_eq!(answer["source"], "engine", "also what is kept says nothing any more");
    assert!(stand.metrics().await.contains("what=\"words\",reason=\"killed\"} 1"));
    assert!(answer["message"].as_str().unwrap().contains("runs privileged"));
}
