//! The gateway as agents reach it, with `OpenAI`'s interface, and as administrators do.

use std::sync::Arc;

use explainer_svc::delivery::Token;
use explainer_svc::gateway::{Neighbours, Setup};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::provider::{Provider, response, streamed};
use super::{TestGuards, TestTrail, folder, settings};
use crate::support::TestServer;

const AGENT: &str = "token-of-the-triage-agent";
const ADMINISTRATOR: &str = "token-of-the-administrator";

struct Service {
    server: TestServer,
    folder: TempDir,
}

impl Service {
    async fn start(provider: &Provider, more: &str) -> Self {
        let folder = folder();
        std::fs::write(folder.path().join("agent"), AGENT).unwrap();
        std::fs::write(folder.path().join("administrator"), ADMINISTRATOR).unwrap();
        let text = settings(&provider.url(), &provider.url(), more)
            .replace("team: platform,", "team: platform, token: {file: agent},");
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, text).unwrap();
        let setup = Setup {
            file,
            kill_file: Some(folder.path().join("kill")),
            neighbours: Some(Neighbours {
                guards: Arc::new(TestGuards::default()),
                trail: Arc::new(TestTrail::default()),
            }),
        };
        let token = Token::open(folder.path().join("administrator")).unwrap();
        let server = TestServer::with(|config| {
            config.gateway = Some(setup);
            config.policies.administrator = Some(token);
        })
        .await;
        Self { server, folder }
    }

    async fn ask(&self, token: &str, body: &Value) -> Response {
        let request = self
            .server
            .client
            .post(format!("{}/v1/chat/completions", self.server.url));
        request.bearer_auth(token).json(body).send().await.unwrap()
    }

    async fn admin(&self, path: &str, body: Option<&Value>) -> Response {
        let url = format!("{}{path}", self.server.url);
        let request = match body {
            Some(body) => self.server.client.post(url).json(body),
            None => self.server.client.get(url),
        };
        request.bearer_auth(ADMINISTRATOR).send().await.unwrap()
    }
}

fn question() -> Value {
    json!({"model": "only-a", "messages": [{"role": "user", "content": "why?"}], "max_tokens": 10})
}

/// What a client is told about asking again.
fn retried(response: &Response) -> Option<&str> {
    response.headers().get("x-should-retry")?.to_str().ok()
}

async fn error(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    for member in ["message", "type", "param", "code"] {
        assert!(body["error"].get(member).is_some(), "{body}");
    }
    (status, body["error"]["code"].clone())
}

#[tokio::test]
async fn an_answer_and_a_stream_have_the_shape_that_clients_know() {
    let text = "because \u{202e}it is so, and there is more to say about it than one would think at first";
    let provider = Provider::start(move |_, _| streamed(text, 5, 3)).await;
    let service = Service::start(&provider, "").await;
    let whole: Value = service.ask(AGENT, &question()).await.json().await.unwrap();
    let clean = text.replace('\u{202e}', "");
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(
        whole["choices"][0]["message"],
        json!({"role": "assistant", "content": clean})
    );
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&whole["model"], &whole["usage"]["total_tokens"]),
        (&json!("only-a"), &json!(8))
    );
    assert_eq!(whole["whynot"]["provider"], "a");

    let mut body = question();
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let response = service.ask(AGENT, &body).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let events = response.text().await.unwrap();
    let data: Vec<&str> = events
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .collect();
    assert_eq!(*data.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = data[..data.len() - 1]
        .iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, clean, "the guards saw the stream");
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 3);
    assert!(
        chunks
            .iter()
            .any(|chunk| chunk["choices"][0]["finish_reason"] == "stop")
    );

    let models = service
        .server
        .client
        .get(format!("{}/v1/models", service.server.url))
        .bearer_auth(AGENT);
    let models: Value = models.send().await.unwrap().json().await.unwrap();
    let names: Vec<&str> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default", "only-a", "only-b"]);
    let one = async |id: &str| {
        let url = format!("{}/v1/models/{id}", service.server.url);
        service.server.client.get(url).bearer_auth(AGENT).send().await.unwrap()
    };
    let known: Value = one("only-a").await.json().await.unwrap();
    assert_eq!((&known["id"], &known["object"]), (&json!("only-a"), &json!("model")));
    assert_eq!(error(one("gpt-99").await).await, (404, json!("model_not_found")));
}

#[tokio::test]
async fn errors_have_the_shape_that_clients_know() {
    let provider = Provider::start(|number, _| match number {
        0 => response("500 Internal Server Error", "", ""),
        1 => streamed("STOP-OUT", 1, 1),
        _ => streamed("because", 1, 1),
    })
    .await;
    let service = Service::start(
        &provider,
        "budgets: [{name: daily, period: day, requests: {hard: 2}}]\n",
    )
    .await;
    let with = |name: &str, value: Value| {
        let mut body = question();
        body[name] = value;
        body
    };
    assert_eq!(
        error(service.ask("", &question()).await).await,
        (401, json!("invalid_api_key"))
    );
    assert_eq!(
        error(service.ask("someone-elses-token", &question()).await).await,
        (401, json!("invalid_api_key"))
    );
    let tools = with("tools", json!([{"type": "function"}]));
    assert_eq!(
        error(service.ask(AGENT, &tools).await).await,
        (400, json!("unsupported_parameter"))
    );
    let unknown = with("model", json!("gpt-99"));
    assert_eq!(
        error(service.ask(AGENT, &unknown).await).await,
        (404, json!("model_not_found"))
    );
    let long = with("model", json!("x".repeat(900_000)));
    assert_eq!(
        error(service.ask(AGENT, &long).await).await,
        (400, json!("invalid_request"))
    );
    let stopped = with("messages", json!([{"role": "user", "content": "STOP-IN"}]));
    assert_eq!(
        error(service.ask(AGENT, &stopped).await).await,
        (400, json!("content_filter"))
    );
    let large = with("messages", json!([{"role": "user", "content": "x".repeat(1 << 20)}]));
    assert_eq!(error(service.ask(AGENT, &large).await).await, (413, json!("too_large")));
    assert_eq!(provider.count(), 0, "nobody was asked until now");
    assert_eq!(
        error(service.ask(AGENT, &question()).await).await,
        (502, json!("provider_error"))
    );
    let filtered = service.ask(AGENT, &with("stream", json!(true))).await;
    assert_eq!(retried(&filtered), Some("false"), "a model would be paid again");
    assert_eq!(error(filtered).await, (502, json!("content_filter")));
    assert_eq!(service.ask(AGENT, &question()).await.status(), 200);
    let spent = service.ask(AGENT, &question()).await;
    let wait: u64 = spent.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    assert_eq!(retried(&spent), Some("false"));
    assert_eq!(error(spent).await, (429, json!("insufficient_quota")));
}

#[tokio::test]
async fn administrators_turn_models_off_and_see_what_was_used() {
    let provider = Provider::start(|_, _| streamed("because", 5, 3)).await;
    let service = Service::start(&provider, "").await;
    assert_eq!(service.ask(AGENT, &question()).await.status(), 200);
    let url = format!("{}/v1/gateway/kill", service.server.url);
    let stranger = service
        .server
        .client
        .post(url)
        .bearer_auth(AGENT)
        .json(&json!({"off": true}));
    assert_eq!(stranger.send().await.unwrap().status(), 401);
    let off = service
        .admin("/v1/gateway/kill", Some(&json!({"off": true, "reason": "a drill"})))
        .await;
    assert_eq!(off.json::<Value>().await.unwrap()["off"], true);
    assert_eq!(
        error(service.ask(AGENT, &question()).await).await,
        (503, json!("models_off"))
    );
    service.admin("/v1/gateway/kill", Some(&json!({"off": false}))).await;
    assert_eq!(service.ask(AGENT, &question()).await.status(), 200);
    std::fs::write(service.folder.path().join("kill"), "").unwrap();
    assert_eq!(
        error(service.ask(AGENT, &question()).await).await,
        (503, json!("models_off"))
    );

    let mut rows = Value::Null;
    // Written a moment after the answer.
    for _ in 0..100 {
        rows = service
            .admin("/v1/gateway/usage?since=2026-01-01", None)
            .await
            .json()
            .await
            .unwrap();
        if rows[0]["requests"] == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let row = &rows[0];
    assert_eq!(
        (
            &row["agent"],
            &row["team"],
            &row["model"],
            &row["requests"],
            &row["output"],
            &row["nanodollars"]
        ),
        (
            &json!("triage"),
            &json!("platform"),
            &json!("m"),
            &json!(2),
            &json!(6),
            &json!(6_000)
        )
    );
    let metrics = service.server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("whynot_model_tokens_total{provider=\"a\",model=\"m\",kind=\"output\"} 6"),
        "{metrics}"
    );
    service.server.stop().await;
}

#[tokio::test]
async fn without_a_gateway_there_are_no_models() {
    let server = TestServer::start().await;
    let answer = server
        .client
        .post(format!("{}/v1/chat/completions", server.url))
        .json(&question())
        .send()
        .await
        .unwrap();
    assert_eq!(error(answer).await, (404, json!("no_gateway")));
}
