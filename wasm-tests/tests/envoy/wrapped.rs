//! A webhook behind the filter, by the route and the cluster that `--wrap` makes: what the caller gets, beside what it gets from
//! the webhook itself.

use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;
use wasm_tests::fixtures::{PRIVILEGED, pod, policies, review_bytes};
use wasm_tests::stack::{Part, Settings, client, free_port};
use wasm_tests::webhook::{Manner, Webhook};

use crate::fake::{Fake, Manner as Hangs};
use crate::support::{Envoy, Explainer, Reply, settings};

struct Wrapped {
    envoy: Envoy,
    webhook: Webhook,
    port: u16,
    direct: Agent,
}

/// `denied` or `allowed` with all that was said, or that the call failed.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answer(u16, Vec<u8>),
    Failed,
}

impl Wrapped {
    fn start(name: &str, explainer: Explainer, policies_are_asked: bool) -> Self {
        Self::with(settings(name, &policies(&[PRIVILEGED]), explainer), policies_are_asked)
    }

    fn with(mut settings: Settings, policies_are_asked: bool) -> Self {
        let bundle = policies(&[PRIVILEGED]);
        let port = free_port().unwrap();
        let ca = settings.run_dir.join("ca.crt").display().to_string();
        let mode = if policies_are_asked { "yes" } else { "no" };
        settings.render_arguments.extend([
            "--wrap".to_owned(),
            format!("behind=127.0.0.1:{port}/v1,ca={ca},policies={mode}"),
            "--wrap".to_owned(),
            // The certificate is for another name.
            format!("stranger=127.0.0.1:{port},ca={ca},sni=other.test"),
        ]);
        let envoy = Envoy::with(settings, &bundle);
        let webhook = Webhook::listen(port, &envoy.stack.settings().run_dir.join("tls")).unwrap();
        let direct = client(&envoy.stack.ca_file()).unwrap();
        Self {
            envoy,
            webhook,
            port,
            direct,
        }
    }

    fn review(&self, body: &[u8]) -> Reply {
        self.envoy.review_at("/wrap/behind/admit?timeout=10s", body)
    }

    fn wrapped(&self) -> Outcome {
        let root = self
            .envoy
            .stack
            .admission_url()
            .replace("/validate", "/wrap/behind/admit?timeout=10s");
        self.outcome(&root)
    }

    fn directly(&self) -> Outcome {
        self.outcome(&format!("https://127.0.0.1:{}/v1/admit?timeout=10s", self.port))
    }

    fn outcome(&self, url: &str) -> Outcome {
        let request = self.direct.post(url).header("content-type", "application/json");
        let answer = request
            .header("accept-encoding", "gzip")
            .send(review_bytes(&pod(false)))
            .and_then(|mut answer| {
                let status = answer.status().as_u16();
                Ok((status, answer.body_mut().with_config().limit(64 << 20).read_to_vec()?))
            });
        match answer {
            // To the API server all of these are one.
            Ok((status, _)) if status != 200 => Outcome::Failed,
            Ok((status, body)) => Outcome::Answer(status, body),
            Err(_) => Outcome::Failed,
        }
    }

    /// A counter of the filter's.
    fn count(&self, outcome: &str) -> u64 {
        let url = format!(
            "{}/stats?filter=whynot.upstream.behind.{outcome}",
            self.envoy.stack.admin_url()
        );
        let text = self
            .direct
            .get(url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        text.trim()
            .rsplit(' ')
            .next()
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("{text}"))
    }
}

fn message(body: &[u8]) -> String {
    let review: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(review.pointer("/response/allowed"), Some(&Value::Bool(false)));
    let message = review.pointer("/response/status/message").and_then(Value::as_str);
    message.unwrap().to_owned()
}

#[test]
fn what_is_allowed_reaches_the_webhook_behind_and_what_is_denied_does_not() {
    let stack = Wrapped::start("wrapped", Explainer::Other, true);
    stack.webhook.behave(Manner::Allow(vec!["its own".into()]));
    let body = review_bytes(&pod(false));
    let reply = stack.review(&body);
    assert!(reply.is_allowed() && reply.text().contains("its own"));
    let asked = stack.webhook.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body, body, "the review as it came");
    let head = asked[0].head.to_lowercase();
    assert!(head.starts_with("post /v1/admit?timeout=10s http/1.1"), "{head}");
    assert!(head.contains(&format!("host: 127.0.0.1:{}", stack.port)), "{head}");
    assert!(!head.contains("accept-encoding"), "{head}");

    let reply = stack.review(&review_bytes(&pod(true)));
    assert!(!reply.is_allowed());
    assert!(stack.webhook.asked().is_empty(), "a denied review goes no further");

    let reply = stack.envoy.review_at("/wrap/nobody/admit", &body);
    assert_eq!(reply.status, 404, "without a route nothing says \"allowed\"");
    let reply = stack.envoy.review_at("/wrap/stranger/admit", &body);
    assert_eq!(reply.status, 503, "whoever cannot prove its name is not asked");
    assert!(stack.webhook.asked().is_empty());
}

#[test]
fn a_denial_arrives_explained_and_all_else_as_it_came() {
    let mut stack = Wrapped::start("wrapped-denied", Explainer::Real, true);
    let own = "[must-have-owner] you must provide labels: {\"owner\"}\nsee <https://example.test>";
    for manner in [Manner::Deny(own.into()), Manner::DenyInChunks(own.into())] {
        stack.webhook.behave(manner.clone());
        let Outcome::Answer(_, direct) = stack.directly() else {
            panic!("{manner:?}")
        };
        let reply = stack.review(&review_bytes(&pod(false)));
        let text = message(&reply.body);
        assert!(
            text.ends_with(&format!("\n\nIn the words of the webhook behind:\n{own}")),
            "{text}"
        );
        assert!(
            text.contains(&format!("{}/e/", stack.envoy.stack.explainer_url())),
            "{text}"
        );
        assert!(text.contains("webhook/behind/must-have-owner"), "{text}");
        let quoted = |text: &str| Value::from(text).to_string();
        assert_eq!(
            reply.text().replacen(&quoted(&text), &quoted(own), 1),
            String::from_utf8(direct).unwrap()
        );
    }
    assert_eq!(stack.count("denied"), 2);

    stack.envoy.stack.stop(Part::Explainer).unwrap();
    let started = Instant::now();
    let text = message(&stack.review(&review_bytes(&pod(false))).body);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(text.ends_with(own) && !text.contains("/e/"), "{text}");

    // As many as there are connections, and then some.
    let agents: Vec<_> = (0..8)
        .map(|_| {
            let url = stack
                .envoy
                .stack
                .admission_url()
                .replace("/validate", "/wrap/behind/admit");
            let agent = stack.direct.clone();
            std::thread::spawn(move || {
                for _ in 0..20 {
                    let request = agent.post(&url).header("content-type", "application/json");
                    let mut answer = request.send(review_bytes(&pod(false))).unwrap();
                    message(&answer.body_mut().read_to_vec().unwrap());
                }
            })
        })
        .collect();
    for agent in agents {
        agent.join().unwrap();
    }
    assert_eq!(stack.count("denied"), 163);
}

#[test]
fn whatever_the_webhook_does_the_caller_gets_the_same_as_from_itself() {
    let mut settings = settings("wrapped-odd", &policies(&[PRIVILEGED]), Explainer::Other);
    settings.render_arguments.push("--no-explainer".to_owned());
    let stack = Wrapped::with(settings, true);
    for (manner, count) in [
        (Manner::Allow(vec!["w".into()]), "allowed"),
        (Manner::Patch, "allowed"),
        (Manner::Large(5 << 20), "too_large"),
        (Manner::DenyCompressed("no".into()), "malformed"),
        (Manner::WrongUid, "malformed"),
        (Manner::HalfJson, "malformed"),
        (Manner::Nonsense, "malformed"),
        (Manner::HalfBody, "failed"),
        (Manner::Status(500), "failed"),
        (Manner::Status(503), "failed"),
        (Manner::Status(302), "failed"),
        (Manner::HangUp, "failed"),
        // Longer than the caller waits.
        (Manner::Slow(Duration::from_secs(7)), "failed"),
    ] {
        stack.webhook.behave(manner.clone());
        let before = stack.count(count);
        let (direct, wrapped) = (stack.directly(), stack.wrapped());
        assert!(direct == wrapped, "{manner:?}");
        // Counted when the stream ends, which may be a moment later.
        let is_counted = (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            stack.count(count) == before + 1
        });
        assert!(is_counted, "{manner:?}");
        let expected = matches!(
            manner,
            Manner::HalfBody | Manner::Status(_) | Manner::HangUp | Manner::Slow(_)
        );
        assert_eq!(wrapped == Outcome::Failed, expected, "{manner:?}");
        assert_eq!(
            stack.webhook.asked().len(),
            2,
            "{manner:?}: asked once by each, and not again"
        );
    }
    // The VM lives, and a larger denial than is read goes on as it is.
    stack.webhook.behave(Manner::Deny("x".repeat(3 << 20)));
    assert!(stack.directly() == stack.wrapped());
    stack.webhook.behave(Manner::Deny("y".repeat(900_000)));
    let text = message(&stack.review(&review_bytes(&pod(false))).body);
    assert!(text.ends_with(&"y".repeat(900_000)) && text.len() < 1_000_000);
    stack.webhook.behave(Manner::DenyInChunks("in pieces".into()));
    assert!(message(&stack.review(&review_bytes(&pod(false))).body).ends_with("behind:\nin pieces"));
    stack.webhook.behave(Manner::Deny(String::new()));
    assert!(message(&stack.review(&review_bytes(&pod(false))).body).contains("gave no reason"));
}

#[test]
fn whoever_leaves_while_words_are_awaited_does_no_harm() {
    let settings = settings("wrapped-left", &policies(&[PRIVILEGED]), Explainer::Other);
    let explainer = Fake::listen(settings.ports.explainer);
    explainer.behave(Hangs::Hang);
    let stack = Wrapped::with(settings, true);
    stack.webhook.behave(Manner::Deny("no".into()));
    let url = stack
        .envoy
        .stack
        .admission_url()
        .replace("/validate", "/wrap/behind/admit?timeout=10s");
    for _ in 0..3 {
        let request = stack
            .direct
            .post(&url)
            .config()
            .timeout_global(Some(Duration::from_millis(300)))
            .build();
        let left = request
            .header("content-type", "application/json")
            .send(review_bytes(&pod(false)));
        assert!(left.is_err(), "nobody explains within 300 ms");
    }
    let reply = stack.review(&review_bytes(&pod(false)));
    assert!(message(&reply.body).ends_with("behind:\nno"));
    assert!(explainer.asked() >= 1 && stack.count("denied") == 4);
}

#[test]
fn nobody_behind_is_a_failed_call() {
    let bundle = policies(&[PRIVILEGED]);
    let mut settings = settings("wrapped-down", &bundle, Explainer::Other);
    let ca = settings.run_dir.join("ca.crt").display().to_string();
    let wrap = format!("behind=127.0.0.1:{},ca={ca}", free_port().unwrap());
    settings.render_arguments.extend(["--wrap".to_owned(), wrap]);
    let envoy = Envoy::with(settings, &bundle);
    let reply = envoy.review_at("/wrap/behind/admit", &review_bytes(&pod(false)));
    assert_eq!(reply.status, 503);
}

#[test]
fn before_a_webhook_that_changes_objects_the_policies_may_be_silent() {
    let stack = Wrapped::start("wrapped-mutating", Explainer::Other, false);
    stack.webhook.behave(Manner::Patch);
    let body = review_bytes(&pod(true));
    let reply = stack.review(&body);
    assert!(reply.is_allowed() && reply.text().contains("\"patchType\":\"JSONPatch\""));
    assert_eq!(stack.webhook.asked()[0].body, body);
}
