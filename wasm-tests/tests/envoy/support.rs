//! An Envoy of a test's own, and a client that never waits for ever.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::admission::Review;
use engine::answer::decide;
use engine::eval::PolicySet;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use wasm_tests::fixtures::context;
use wasm_tests::stack::{Part, Settings, TestStack};

/// How long a caller waits before it calls a request hanging: longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(12);

pub(crate) struct Envoy {
    pub(crate) stack: TestStack,
    set: PolicySet,
    agent: Agent,
    bundle: PathBuf,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

/// Who plays the explainer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Explainer {
    /// The real one.
    Real,
    /// Nobody, or the test itself, on its port.
    Other,
}

impl Envoy {
    pub(crate) fn start(name: &str, bundle: &Bundle, explainer: Explainer) -> Self {
        let settings = settings(name, bundle, explainer);
        Self::with(settings, bundle)
    }

    pub(crate) fn with(settings: Settings, bundle: &Bundle) -> Self {
        let path = settings.bundle.clone();
        let context = serde_json::from_value(context().unwrap()).unwrap();
        let set = compile(bundle, context).unwrap_or_else(|problems| panic!("{}", engine::policy::list(&problems)));
        let stack = TestStack::start(settings).unwrap_or_else(|error| panic!("{error:#}"));
        let agent = agent(&stack);
        Self {
            stack,
            set,
            agent,
            bundle: path,
        }
    }

    /// Sends a review as the API server does.
    pub(crate) fn review(&self, body: &[u8]) -> Reply {
        self.send("?timeout=10s", body)
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends a review to another path.
    pub(crate) fn review_at(&self, path: &str, body: &[u8]) -> Reply {
        let root = self.stack.admission_url().replace("/validate", path);
        self.post(&root, body)
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Asks the listener for another path, such as that of a probe.
    pub(crate) fn get(&self, path: &str) -> Result<Reply, ureq::Error> {
        let started = Instant::now();
        let url = self.stack.admission_url().replace("/validate", path);
        let mut response = self.agent.get(&url).call()?;
        Ok(Reply {
            status: response.status().as_u16(),
            body: response.body_mut().read_to_vec()?,
            took: started.elapsed(),
        })
    }

    /// One of Envoy's counters or gauges.
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        let url = format!("{}/stats?filter={name}", self.stack.admin_url());
        let text = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
        let value = text
            .lines()
            .find_map(|line| line.split_once(&format!("{name}: ")).map(|(_, value)| value));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    pub(crate) fn send(&self, query: &str, body: &[u8]) -> Result<Reply, ureq::Error> {
        self.post(&format!("{}{query}", self.stack.admission_url()), body)
    }

    fn post(&self, url: &str, body: &[u8]) -> Result<Reply, ureq::Error> {
        let started = Instant::now();
        let request = self.agent.post(url);
        let request = request
            .header("content-type", "application/json")
            .header("accept-encoding", "gzip");
        let mut response = request.send(body)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        Ok(Reply {
            status,
            body,
            took: started.elapsed(),
        })
    }

    /// The answer of the engine itself, in its own words.
    pub(crate) fn native(&self, body: &[u8]) -> Vec<u8> {
        decide(&self.set, &Review::parse(body).unwrap()).own_answer().to_bytes()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.bundle);
    }
}

/// A stack without Kubernetes for this policy set, which is written beside its run folder.
pub(crate) fn settings(name: &str, bundle: &Bundle, explainer: Explainer) -> Settings {
    let mut settings = Settings::for_test(name).unwrap().without_kubernetes();
    if explainer == Explainer::Other {
        settings.parts.remove(&Part::Explainer);
    }
    if let Some(filter) = std::env::var_os("WHYNOT_FILTER_WASM") {
        settings.filter = filter.into();
    }
    settings.bundle = settings.run_dir.with_extension("bundle.json");
    fs::create_dir_all(settings.run_dir.parent().unwrap()).unwrap();
    fs::write(&settings.bundle, bundle.to_json()).unwrap();
    settings
}

fn agent(stack: &TestStack) -> Agent {
    let pem = fs::read(stack.ca_file()).unwrap();
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let roots: Vec<Certificate<'static>> = certificates.collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(roots.into()))
        .build();
    let config = Agent::config_builder().tls_config(tls).http_status_as_error(false);
    config.timeout_global(Some(PATIENCE)).proxy(None).build().into()
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn response(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        let mut review: Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()));
        review.get_mut("response").map(Value::take).unwrap_or_default()
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.response()
            .get("allowed")
            .and_then(Value::as_bool)
            .unwrap_or_else(|| panic!("no verdict: {}", self.text()))
    }

    /// The revision of the policy set that answered.
    pub(crate) fn revision(&self) -> String {
        let response = self.response();
        let revision = response.pointer("/auditAnnotations/revision").and_then(Value::as_str);
        revision
            .unwrap_or_else(|| panic!("no revision: {}", self.text()))
            .to_owned()
    }

    pub(crate) fn message(&self) -> String {
        let message = self
            .response()
            .pointer("/status/message")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned);
        message.unwrap_or_default()
    }
}
