//! Policies that change while requests are served: several instances of one process, an explainer that the test plays.

use std::time::Duration;

use engine::policy::bundle::Bundle;
use serde_json::{Value, json};
use wasm_tests::fixtures::{PRIVILEGED, configuration, pod, policies, review_bytes};
use wasm_tests::host::{Call, Host, Options, Outcome, Process};

use crate::support::{answer, send};

/// A policy set of which each one has its own revision, and denies what has its name.
fn set(name: &str) -> Bundle {
    let policy = format!("package tests.{name}\n\ndeny contains {name:?} if input.request.name == {name:?}\n");
    policies(&[PRIVILEGED, &policy])
}

fn broken() -> Bundle {
    policies(&[PRIVILEGED, "package tests.broken\n\ndeny := {"])
}

/// One Envoy process: its instances share data and clock.
struct Proxy {
    process: Process,
    configuration: Value,
    instances: Vec<Host>,
}

impl Proxy {
    fn new(bundle: Option<&Bundle>, instances: usize) -> Self {
        let mut configuration = configuration(&set("unused")).unwrap();
        configuration["bundle"] = serde_json::to_value(bundle).unwrap();
        configuration["explainer"] = Value::Null;
        configuration["live"] = json!({"cluster": "explainer", "authority": "explainer", "policies": true});
        Self::with(configuration, instances)
    }

    fn with(configuration: Value, instances: usize) -> Self {
        let mut proxy = Self {
            process: Process::default(),
            configuration,
            instances: Vec::new(),
        };
        for _ in 0..instances {
            proxy.add();
        }
        proxy
    }

    fn add(&mut self) -> usize {
        let options = Options {
            process: self.process.clone(),
            ..Options::default()
        };
        let host = Host::with_options(self.configuration.to_string(), options);
        self.instances.push(host.unwrap_or_else(|error| panic!("{error}")));
        self.instances.len() - 1
    }

    /// Time passes, and all instances do what is due.
    fn tick(&self, times: usize) {
        for _ in 0..times {
            self.process.advance_clock(Duration::from_millis(20));
            for host in &self.instances {
                host.tick();
            }
        }
    }

    /// The questions to a path that were not answered yet, with who asks.
    fn asked(&self, answered: &mut Vec<(usize, u32)>, path: &str) -> Option<(usize, Call)> {
        let calls = self.instances.iter().enumerate().flat_map(|(place, host)| {
            let calls = host
                .calls()
                .into_iter()
                .filter(|call| header(call, ":path").starts_with(path));
            calls.map(move |call| (place, call))
        });
        let open = calls.filter(|(place, call)| !answered.contains(&(*place, call.token)));
        let found = open.last()?;
        answered.push((found.0, found.1.token));
        Some(found)
    }
}

fn header(call: &Call, name: &str) -> String {
    let value = call.headers.iter().find(|(known, _)| known == name);
    value
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

/// The explainer.
#[derive(Default)]
struct Explainer {
    answered: Vec<(usize, u32)>,
}

impl Explainer {
    /// Answers the open question for policies with a bundle, if there is one.
    fn serve(&mut self, proxy: &Proxy, bundle: &Bundle) -> bool {
        self.serve_as(proxy, &bundle.revision, &bundle.to_json())
    }

    fn serve_as(&mut self, proxy: &Proxy, revision: &str, json: &[u8]) -> bool {
        let Some((place, call)) = proxy.asked(&mut self.answered, "/v1/policies") else {
            return false;
        };
        let tag = format!("\"{revision}\"");
        proxy.instances[place].answer_call(call.token, [(":status", "200"), ("etag", &tag)], json);
        true
    }

    fn answer(
        &mut self,
        proxy: &Proxy,
        path: &str,
        status: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Call> {
        let (place, call) = proxy.asked(&mut self.answered, path)?;
        let headers = [&[(":status", status)], headers].concat();
        proxy.instances[place].answer_call(call.token, headers, body);
        Some(call)
    }
}

fn revision_of(host: &Host) -> String {
    let mut request = send(host, &review_bytes(&pod(false)));
    let answer = answer(host, &request);
    // As in Envoy: a request that has not ended keeps its policies.
    request.end();
    assert!(answer.allowed, "{}", answer.message);
    answer.annotations["revision"].as_str().unwrap().to_owned()
}

fn status_of(host: &Host, path: &str) -> (u32, String) {
    let request = host.request_without_body("GET", path, [("accept", "*/*")]);
    match request.outcome() {
        Outcome::Local(response) => (response.status, String::from_utf8(response.body).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_revision_is_staged_by_all_and_then_serves_everywhere_at_once() {
    let (first, second) = (set("first"), set("second"));
    let proxy = Proxy::new(Some(&first), 3);
    let mut explainer = Explainer::default();
    // Two of them serve; the third is as that of Envoy's main thread.
    for host in &proxy.instances[..2] {
        assert_eq!(revision_of(host), first.revision);
    }
    proxy.tick(1);
    let asked: usize = proxy
        .instances
        .iter()
        .map(|host| {
            host.calls()
                .iter()
                .filter(|call| header(call, ":path").starts_with("/v1/policies"))
                .count()
        })
        .sum();
    assert_eq!(asked, 1, "one of them asks");
    let known = proxy
        .instances
        .iter()
        .flat_map(Host::calls)
        .map(|call| header(&call, "if-none-match"));
    assert!(known.into_iter().any(|tag| tag == format!("\"{}\"", first.revision)));
    assert!(explainer.serve(&proxy, &second));
    // Only the first of those that serve has staged it: the old one goes on.
    proxy.process.advance_clock(Duration::from_millis(20));
    proxy.instances[0].tick();
    assert_eq!(revision_of(&proxy.instances[0]), first.revision);
    proxy.tick(3);
    for host in &proxy.instances {
        assert_eq!(revision_of(host), second.revision);
        assert_eq!(host.metrics()["whynot.policies.staged_late"], 0);
    }
}

#[test]
fn a_new_instance_takes_what_is_active_and_not_what_is_embedded() {
    let (first, second) = (set("first"), set("second"));
    let mut proxy = Proxy::new(Some(&first), 1);
    let mut explainer = Explainer::default();
    proxy.tick(1);
    assert!(explainer.serve(&proxy, &second));
    proxy.tick(3);
    let place = proxy.add();
    assert_eq!(revision_of(&proxy.instances[place]), second.revision);
    let logged = proxy.instances[place].log_text();
    assert!(logged.contains(&format!("revision {}", second.revision)), "{logged}");
}

#[test]
fn one_that_slept_stages_with_its_next_request() {
    let (first, second) = (set("first"), set("second"));
    let proxy = Proxy::new(Some(&first), 2);
    let mut explainer = Explainer::default();
    for host in &proxy.instances {
        revision_of(host);
    }
    proxy.tick(1);
    assert!(explainer.serve(&proxy, &second));
    // The second one does nothing any more; after a while nobody waits for it.
    for _ in 0..400 {
        proxy.process.advance_clock(Duration::from_millis(20));
        proxy.instances[0].tick();
    }
    assert_eq!(revision_of(&proxy.instances[0]), second.revision);
    assert_eq!(revision_of(&proxy.instances[1]), second.revision);
    assert_eq!(proxy.instances[1].metrics()["whynot.policies.staged_late"], 1);
}

#[test]
fn what_does_not_compile_is_refused_once_and_the_old_one_serves_on() {
    let (first, second) = (set("first"), set("second"));
    let proxy = Proxy::new(Some(&first), 2);
    let mut explainer = Explainer::default();
    for host in &proxy.instances {
        revision_of(host);
    }
    proxy.tick(1);
    assert!(explainer.serve(&proxy, &broken()));
    proxy.tick(100);
    let failed: u64 = proxy
        .instances
        .iter()
        .map(|host| host.metrics()["whynot.policies.failed"])
        .sum();
    assert_eq!(failed, 1, "one compiles it, once");
    for host in &proxy.instances {
        assert_eq!(revision_of(host), first.revision);
    }
    proxy.tick(1);
    assert!(explainer.serve(&proxy, &second));
    proxy.tick(5);
    for host in &proxy.instances {
        assert_eq!(revision_of(host), second.revision);
    }
}

#[test]
fn what_is_not_what_its_revision_says_is_refused() {
    let first = set("first");
    for (revision, json) in [
        ("abc", set("second").to_json()),
        ("def", b"{".to_vec()),
        ("ghi", Vec::new()),
        ("jkl", set("second").to_json()[..500].to_vec()),
    ] {
        let proxy = Proxy::new(Some(&first), 1);
        proxy.tick(1);
        assert!(Explainer::default().serve_as(&proxy, revision, &json));
        proxy.tick(5);
        assert_eq!(revision_of(&proxy.instances[0]), first.revision);
        let log = proxy.instances[0].log_text();
        assert!(log.contains(&format!("revision {revision} is refused")), "{log}");
    }
}

#[test]
fn without_policies_it_is_not_ready_and_says_why() {
    let first = set("first");
    let proxy = Proxy::new(None, 2);
    let mut explainer = Explainer::default();
    for host in &proxy.instances {
        let (status, text) = status_of(host, "/readyz");
        assert_eq!(status, 503);
        assert!(text.contains("has not answered yet"), "{text}");
        // Also with a body to come: the request is answered at its headers.
        let request = host.request("POST", "/validate", [("content-type", "application/json")]);
        let Outcome::Local(response) = request.outcome() else {
            panic!("{:?}", request.outcome())
        };
        assert_eq!(response.status, 503);
    }
    proxy.tick(1);
    let problem = r#"{"title": "No policies", "detail": "The folder is empty."}"#;
    assert!(explainer.answer(&proxy, "/v1/policies", "404", &[], problem).is_some());
    proxy.process.advance_clock(Duration::from_secs(12));
    let (_, text) = status_of(&proxy.instances[1], "/readyz");
    assert!(
        text.contains("for 12 s") && text.contains("status 404: The folder is empty."),
        "{text}"
    );
    proxy.tick(60);
    assert!(explainer.serve(&proxy, &first));
    proxy.tick(5);
    for host in &proxy.instances {
        let (status, text) = status_of(host, "/readyz");
        assert_eq!((status, text.contains(&first.revision)), (200, true), "{text}");
        assert_eq!(revision_of(host), first.revision);
    }
}

#[test]
fn another_asks_when_the_one_who_did_is_gone() {
    let (first, second) = (set("first"), set("second"));
    let mut proxy = Proxy::new(Some(&first), 2);
    let mut explainer = Explainer::default();
    proxy.tick(1);
    let (leader, _) = proxy.asked(&mut explainer.answered, "/v1/policies").unwrap();
    // Its VM trapped: nothing of it comes any more.
    proxy.instances.remove(leader);
    explainer.answered.clear();
    proxy.tick(100);
    assert!(
        proxy.asked(&mut explainer.answered, "/v1/policies").is_none(),
        "the lease has not ended yet"
    );
    proxy.tick(100);
    assert!(explainer.serve(&proxy, &second));
    proxy.tick(5);
    assert_eq!(revision_of(&proxy.instances[0]), second.revision);
}

#[test]
fn who_serves_is_reported_and_who_never_did_is_not() {
    let first = set("first");
    let mut proxy = Proxy::new(Some(&first), 3);
    for host in &proxy.instances[..2] {
        revision_of(host);
    }
    let mut explainer = Explainer::default();
    let mut reports = |proxy: &Proxy, of: usize| -> Value {
        for _ in 0..250 {
            proxy.tick(1);
            while explainer.answer(proxy, "/v1/filter/status", "204", &[], "").is_some() {}
        }
        let mut calls = proxy.instances[of].calls().into_iter();
        let last = calls
            .rfind(|call| header(call, ":path") == "/v1/filter/status")
            .unwrap();
        serde_json::from_slice(&last.body).unwrap()
    };
    let report = reports(&proxy, 0);
    assert!(report["proxy"].as_str().unwrap().starts_with("test/"), "{report}");
    let workers = report["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2, "{report}");
    for worker in workers {
        assert_eq!(worker["active"], first.revision.as_str());
        assert_eq!((&worker["state"], &worker["requests"]), (&json!("serving"), &json!(1)));
    }
    // Another configuration: those of the first one drain.
    proxy.configuration["maxBodyBytes"] = json!(1_000_000);
    let place = proxy.add();
    revision_of(&proxy.instances[place]);
    let report = reports(&proxy, place);
    let states: Vec<&str> = report["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|worker| worker["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states.iter().filter(|state| **state == "draining").count(),
        2,
        "{report}"
    );
    assert!(states.contains(&"serving"), "{report}");
}

#[test]
fn a_thousand_swaps_keep_nothing() {
    let sets = [set("first"), set("second"), set("third")];
    let proxy = Proxy::new(Some(&sets[0]), 2);
    let mut explainer = Explainer::default();
    let mut size = 0;
    for turn in 1..=1_000 {
        let next = &sets[turn % 3];
        for host in &proxy.instances {
            revision_of(host);
        }
        let mut tries = 0;
        while !explainer.serve(&proxy, next) {
            proxy.tick(1);
            tries += 1;
            assert!(tries < 200, "turn {turn}");
        }
        proxy.tick(4);
        for host in &proxy.instances {
            assert_eq!(revision_of(host), next.revision, "turn {turn}");
        }
        if turn == 100 {
            size = proxy.instances[0].memory_size();
        }
    }
    let grown = proxy.instances[0].memory_size() - size;
    assert!(grown <= 1 << 20, "{grown} bytes more after 900 swaps");
    let shared = proxy.process.shared_data();
    let bundles = shared.keys().filter(|key| key.starts_with("whynot/bundle/"));
    assert!(bundles.count() <= 3, "{:?}", shared.keys());
    let kept: usize = shared.values().map(Vec::len).sum();
    assert!(kept < 2 * sets[0].to_json().len() + 10_000, "{kept}");
}
