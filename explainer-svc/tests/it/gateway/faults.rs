//! What goes wrong with providers: handled, counted, recorded, and never after the deadline.

use std::time::Duration;

use explainer_svc::gateway::call::{Form, Message, Role};
use explainer_svc::gateway::{Call, Content, Refused};
use serde_json::json;
use tokio::time::Instant;

use super::provider::{Provider, Step, answer, event, json_response, messages, response, stream_head, streamed};
use super::{call, patient, stand};

fn to(model: &str) -> Call {
    Call {
        model: Some(model.to_owned()),
        ..call("why?")
    }
}

/// Every fault on its own, with the reason that is counted and recorded for it.
fn faults() -> Vec<(&'static str, Vec<Step>)> {
    let minute = Step::Wait(Duration::from_mins(1));
    let piece = event(&json!({"choices": [{"index": 0, "delta": {"content": "half"}}]}));
    let large = "x".repeat(1 << 20);
    vec![
        (
            "rate-limited",
            response("429 Too Many Requests", "retry-after: 30\r\n", "{}"),
        ),
        ("server", response("500 Internal Server Error", "", "why? I say")),
        (
            "key",
            response("401 Unauthorized", "", "{\"error\":{\"code\":\"invalid_api_key\"}}"),
        ),
        (
            "rejected",
            response(
                "400 Bad Request",
                "content-type: application/json\r\n",
                "{\"error\":{\"type\":\"x\"}}",
            ),
        ),
        (
            "rejected",
            response("307 Temporary Redirect", "location: http://127.0.0.1:9/\r\n", ""),
        ),
        ("stalled", vec![stream_head(), piece.clone(), minute.clone()]),
        ("slow", vec![minute]),
        ("connection", vec![Step::Reset]),
        ("cut", vec![stream_head(), piece.clone(), Step::Close]),
        (
            "malformed",
            vec![
                stream_head(),
                Step::Write(b"data: {\"choices\": 5}\n\n".to_vec()),
                Step::Close,
            ],
        ),
        (
            "malformed",
            response("200 OK", "content-type: application/json\r\n", "{\"choices\": ["),
        ),
        ("malformed", json_response(&json!({"hello": "world"}))),
        (
            "content-type",
            response("200 OK", "content-type: text/html\r\n", "<html>login</html>"),
        ),
        ("too-large", answer(&large, 1, 1)),
        ("too-large", streamed(&large, 1, 1)),
        (
            "filtered",
            json_response(
                &json!({"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "content_filter"}]}),
            ),
        ),
        (
            "server",
            vec![
                stream_head(),
                event(&json!({"error": {"message": "overloaded"}})),
                Step::Close,
            ],
        ),
    ]
}

#[tokio::test]
async fn each_fault_is_counted_and_recorded_and_the_next_place_answers() {
    for (reason, steps) in faults() {
        let broken = Provider::start(move |_, _| steps.clone()).await;
        let good = Provider::start(|_, _| messages("because", 7, 2)).await;
        let stand = stand(&broken.url(), &good.url(), "").await;

        let begun = Instant::now();
        let alone = stand.gateway.complete(to("only-a")).await.unwrap_err();
        let Refused::Providers(fallbacks) = &alone else {
            panic!("{reason}: {alone:?}");
        };
        assert_eq!((fallbacks[0].reason, fallbacks[0].attempts), (reason, 1));
        let refused = stand.trail.of("model-refused");
        assert_eq!(refused[0].payload["fallbacks"][0]["reason"], reason);
        assert!(
            !format!("{refused:?}").contains("why?"),
            "{reason}: the question is in the audit log"
        );

        let completion = stand.gateway.complete(call("why?")).await.unwrap();
        assert_eq!(
            (completion.clean.text.as_str(), completion.provider.as_str()),
            ("because", "b"),
            "{reason}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{reason}: {:?}",
            begun.elapsed()
        );
        assert_eq!(completion.tokens.input, 10, "with those of its cache");
        let called = stand.trail.of("model-called");
        assert_eq!(called.len(), 1);
        let told = &called[0].payload["fallbacks"][0]["reason"];
        assert!(told == reason || told == "rate-limited", "{reason}: {told}");
        let metrics = stand.metrics();
        let counted = format!("outcome=\"{reason}\"");
        assert!(metrics.contains(&counted), "{reason}: {metrics}");
        assert!(
            metrics.contains("model_refusals_total{reason=\"providers\"} 1"),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn no_fault_outlives_the_deadline() {
    let begun = Instant::now();
    let mut all = Vec::new();
    for (reason, steps) in faults() {
        all.push(tokio::spawn(async move {
            let broken = Provider::start(move |_, _| steps.clone()).await;
            let stand = stand(&broken.url(), &broken.url(), "").await;
            let deadline = Duration::from_millis(350);
            let begun = Instant::now();
            let refused = stand
                .gateway
                .complete(Call {
                    deadline: begun + deadline,
                    ..call("why?")
                })
                .await;
            (reason, refused, begun.elapsed())
        }));
    }
    for task in all {
        let (reason, refused, took) = task.await.unwrap();
        assert!(refused.is_err(), "{reason}: {refused:?}");
        // What is over is a busy machine's.
        assert!(took < Duration::from_millis(350 + 400), "{reason}: {took:?}");
    }
    assert!(begun.elapsed() < Duration::from_mins(1));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_left_alone() {
    let flaky = Provider::start(|number, _| match number {
        0 => response("503 Service Unavailable", "", ""),
        _ => streamed("because I said", 5, 3),
    })
    .await;
    let stand = stand(&flaky.url(), &flaky.url(), "").await;
    let completion = stand.gateway.complete(call("why?")).await.unwrap();
    assert_eq!((completion.clean.text.as_str(), flaky.count()), ("because I said", 2));
    assert_eq!((completion.tokens.input, completion.tokens.output), (5, 3));
    assert_eq!(completion.cost.unwrap().0, 3_000);

    let wrong = Provider::start(|_, _| response("400 Bad Request", "", "")).await;
    let stand = super::stand(&wrong.url(), &wrong.url(), "").await;
    assert!(stand.gateway.complete(call("why?")).await.is_err());
    assert_eq!(wrong.count(), 2, "once a place");

    // After a short wait that it asked for.
    let busy = Provider::start(|number, _| match number {
        0 => response("429 Too Many Requests", "retry-after: 1\r\n", ""),
        _ => answer("because", 1, 1),
    })
    .await;
    let stand = super::stand(&busy.url(), &busy.url(), "").await;
    let begun = Instant::now();
    stand.gateway.complete(call("why?")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_broken_provider_is_left_alone() {
    let broken = Provider::start(|_, _| response("500 Internal Server Error", "", "")).await;
    let good = Provider::start(|_, _| messages("because", 1, 1)).await;
    let stand = stand(&broken.url(), &good.url(), "").await;
    for _ in 0..6 {
        stand.gateway.complete(call("why?")).await.unwrap();
    }
    assert_eq!(broken.count(), 4, "until its breaker opened");
    let state = "model_breaker_state{provider=\"a\",model=\"m\"} 2";
    assert!(stand.metrics().contains(state), "{}", stand.metrics());
    let last = stand.trail.of("model-called").pop().unwrap();
    assert_eq!(last.payload["fallbacks"][0]["reason"], "breaker-open");
}

#[tokio::test]
async fn what_a_question_brings_about_opens_no_breaker() {
    let provider = Provider::start(|number, _| match number {
        12.. => answer("because", 1, 1),
        number => match number % 4 {
            0 => answer(&"x".repeat(1 << 20), 1, 1),
            1 => response("400 Bad Request", "", "{}"),
            2 => response("413 Payload Too Large", "", "{}"),
            _ => json_response(
                &json!({"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "content_filter"}]}),
            ),
        },
    })
    .await;
    let stand = patient(&provider.url(), &provider.url(), "").await;
    for _ in 0..12 {
        assert_eq!(
            stand.gateway.complete(to("only-a")).await.unwrap_err().reason(),
            "providers"
        );
    }
    stand.gateway.complete(to("only-a")).await.unwrap();
    assert_eq!(provider.count(), 13, "it was asked each time");
    let metrics = stand.metrics();
    assert!(
        metrics.contains("model_breaker_state{provider=\"a\",model=\"m\"} 0"),
        "{metrics}"
    );
    for (outcome, times) in [("too-large", 3), ("rejected", 6), ("filtered", 3)] {
        let counted = format!("outcome=\"{outcome}\"}} {times}");
        assert!(metrics.contains(&counted), "{counted}: {metrics}");
    }
}

#[tokio::test]
async fn an_error_in_a_stream_is_what_it_says_it_is() {
    let openai = |error: &str| {
        vec![
            stream_head(),
            event(&json!({"error": {"type": error, "message": "why? I say"}})),
            Step::Close,
        ]
    };
    let anthropic = |error: &str| {
        let error = json!({"type": "error", "error": {"type": error, "message": "why? I say"}});
        vec![stream_head(), event(&error), Step::Close]
    };
    let named = [
        "rate_limit_error",
        "invalid_request_error",
        "authentication_error",
        "overloaded_error",
    ];
    let first = Provider::start(move |number, _| openai(named[number])).await;
    let second = Provider::start(move |number, _| anthropic(named[number])).await;
    let stand = patient(&first.url(), &second.url(), "").await;
    for (name, kind) in named.into_iter().zip(["rate-limited", "rejected", "key", "server"]) {
        for route in ["only-a", "only-b"] {
            let once = Call {
                model: Some(route.to_owned()),
                ..call("why?")
            };
            let Err(Refused::Providers(fallbacks)) = stand.gateway.complete(once).await else {
                panic!("{route}: {name}");
            };
            assert_eq!(fallbacks[0].reason, kind, "{route}: {name}");
            assert!(fallbacks[0].detail.contains(name) && !fallbacks[0].detail.contains("I say"));
        }
    }
}

#[tokio::test]
async fn a_model_that_wants_tools_is_refused() {
    let tools = Provider::start(|number, _| {
        let calls = json!([{"id": "1", "type": "function", "function": {"name": "kubectl", "arguments": "{}"}}]);
        match number {
            0 => json_response(&json!({"choices": [{"index": 0, "message": {"content": "ok", "tool_calls": calls}, "finish_reason": "tool_calls"}]})),
            _ => vec![
                stream_head(),
                event(&json!({"choices": [{"index": 0, "delta": {"content": "ok", "tool_calls": calls}}]})),
                event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})),
                Step::Write(b"data: [DONE]\n\n".to_vec()),
                Step::Close,
            ],
        }
    })
    .await;
    let stand = stand(&tools.url(), &tools.url(), "").await;
    for round in 1..=2 {
        let refused = stand.gateway.complete(to("only-a")).await.unwrap_err();
        assert!(
            matches!(&refused, Refused::Guard { guard, inbound: false } if guard == "tool-calls"),
            "{refused:?}"
        );
        assert_eq!(stand.trail.of("guard-fired").len(), round);
    }
    let refused = &stand.trail.of("model-refused")[0].payload;
    assert_eq!(refused["called"]["provider"], "a", "that it was asked is recorded");
    for seen in tools.seen() {
        assert!(seen.body.get("tools").is_none());
    }
}

#[tokio::test]
async fn both_protocols_are_spoken_with_schema_and_guards_have_seen_what_is_sent() {
    let first = Provider::start(|_, _| streamed("{}", 1, 1)).await;
    let second = Provider::start(|_, _| messages("{}", 1, 1)).await;
    let stand = stand(&first.url(), &second.url(), "").await;
    let schema = json!({"type": "object", "additionalProperties": false});
    let question = |model: &str| Call {
        model: Some(model.to_owned()),
        content: Content::Chat(vec![
            Message {
                role: Role::System,
                content: "Be short.".to_owned(),
            },
            Message {
                role: Role::User,
                content: "why? s3cret".to_owned(),
            },
            Message {
                role: Role::Tool,
                content: "data".to_owned(),
            },
        ]),
        form: Some(Form::Schema(schema.clone())),
        ..call("")
    };
    stand.gateway.complete(question("only-a")).await.unwrap();
    stand.gateway.complete(question("only-b")).await.unwrap();
    let (openai, anthropic) = (&first.seen()[0], &second.seen()[0]);
    assert!(
        openai.head.starts_with("POST /v1/chat/completions HTTP/1.1"),
        "{}",
        openai.head
    );
    assert_eq!(
        openai.body,
        json!({
            "model": "m", "max_tokens": 10, "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "why? [redacted]"},
                {"role": "user", "content": "data"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}},
        })
    );
    assert!(
        anthropic.head.starts_with("POST /v1/messages HTTP/1.1"),
        "{}",
        anthropic.head
    );
    assert!(
        anthropic.head.contains("anthropic-version: 2023-06-01"),
        "{}",
        anthropic.head
    );
    assert_eq!(
        anthropic.body,
        json!({
            "model": "claude", "max_tokens": 10, "stream": true, "system": "Be short.",
            "messages": [{"role": "user", "content": "why? [redacted]\n\ndata"}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        })
    );
}

#[tokio::test]
async fn who_has_no_time_opens_no_breaker() {
    let provider = Provider::start(|_, _| {
        let mut steps = vec![Step::Wait(Duration::from_millis(150))];
        steps.extend(answer("because", 1, 1));
        steps
    })
    .await;
    let stand = stand(&provider.url(), &provider.url(), "").await;
    for _ in 0..6 {
        let hurried = Call {
            deadline: Instant::now() + Duration::from_millis(40),
            ..to("only-a")
        };
        assert_eq!(stand.gateway.complete(hurried).await.unwrap_err(), Refused::Deadline);
    }
    stand.gateway.complete(to("only-a")).await.unwrap();
}
