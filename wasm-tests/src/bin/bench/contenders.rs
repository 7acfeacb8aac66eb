//! The servers that are compared, each started the way it would run, with the same policies and as many threads.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde_json::Value;
use wasm_tests::{
    fixtures::repository,
    opa,
    stack::{Gatekeeper, Opa, Part, Settings, TestStack, client},
};

use crate::{
    Arguments, five,
    reviews::{Expected, Fault, Size, review},
    say,
};

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Envoy with the filter, and the explainer behind it.
    Filter,
    /// The same without an explainer: denials are answered in the filter's own words.
    FilterAlone,
    /// The same Envoy without the filter.
    None,
    /// Gatekeeper's webhook.
    Gatekeeper,
    /// `opa run --server`.
    Opa,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Filter, Self::FilterAlone, Self::None, Self::Gatekeeper, Self::Opa];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::FilterAlone => "filter-alone",
            Self::None => "none",
            Self::Gatekeeper => "gatekeeper",
            Self::Opa => "opa",
        })
    }
}

/// One server. Its process ends before the stack that it belongs to.
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    server: Server,
    pub(crate) stack: TestStack,
}

enum Server {
    Envoy,
    Gatekeeper(Gatekeeper),
    Opa(Opa),
}

impl Contender {
    pub(crate) fn start(kind: Kind, arguments: &Arguments, bundle: &Path) -> Result<Self> {
        say(&format!("starting: {kind}"));
        let workers = arguments.workers();
        let (server, stack) = match kind {
            Kind::Filter => (Server::Envoy, envoy("filter", bundle, workers, true)?),
            Kind::FilterAlone => (Server::Envoy, envoy("alone", bundle, workers, false)?),
            Kind::None => (Server::Envoy, without_filter(arguments, bundle, workers)?),
            Kind::Gatekeeper => {
                let folder = gatekeeper_folder()?;
                let five = five::Gatekeeper::read(&arguments.gatekeeper_policies)?;
                let mut settings = Settings::for_test("bench-gatekeeper")?;
                settings.parts = [Part::Etcd, Part::ApiServer].into();
                let stack = TestStack::start(settings)?;
                // The reviews' namespace, which Gatekeeper looks up.
                let made = stack.kubectl(["create", "namespace", "shop"]).output()?;
                if !made.status.success() {
                    bail!("{}", String::from_utf8_lossy(&made.stderr));
                }
                let violating = review(Size::Usual, 0, &Fault::ALL)?;
                let gatekeeper =
                    Gatekeeper::start(&stack, &folder, workers, &five.templates, &five.constraints, &violating)?;
                (Server::Gatekeeper(gatekeeper), stack)
            }
            Kind::Opa => {
                let program = opa::folder()?.join("opa-oracle");
                let policies = five::Gatekeeper::read(&arguments.gatekeeper_policies)?.for_opa(&arguments.output)?;
                // Nothing runs in this stack: it has the certificates.
                let mut settings = Settings::for_test("bench-opa")?;
                settings.parts.clear();
                let stack = TestStack::start(settings)?;
                (
                    Server::Opa(Opa::start(&stack, &program, workers, &policies.folder)?),
                    stack,
                )
            }
        };
        Ok(Self { kind, server, stack })
    }

    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::Envoy => self.stack.admission_url(),
            Server::Gatekeeper(gatekeeper) => gatekeeper.admission_url().to_owned(),
            Server::Opa(opa) => opa.admission_url().to_owned(),
        }
    }

    /// Resident memory of the server's process, in MiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let pid = match &self.server {
            Server::Envoy => self.stack.process(Part::Envoy).context("no Envoy")?.pid(),
            Server::Gatekeeper(gatekeeper) => gatekeeper.process().pid(),
            Server::Opa(opa) => opa.process().pid(),
        };
        resident(pid)
    }

    /// Sends each review once: a server that says the wrong thing has nothing to be compared with.
    pub(crate) fn check(&self, expected: Expected, reviews: &[Vec<u8>]) -> Result<()> {
        if self.kind == Kind::None {
            return Ok(());
        }
        let client = client(&self.stack.ca_file())?;
        let url = format!("{}?timeout=30s", self.url());
        for review in reviews {
            let request = client.post(&url).header("content-type", "application/json");
            let text = request.send(review.as_slice())?.body_mut().read_to_string()?;
            let answer: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
            let allowed = answer.pointer("/response/allowed").and_then(Value::as_bool);
            if allowed != Some(expected == Expected::Allowed) {
                bail!(
                    "{} should have {} a review and answered {text}\nThe review: {}",
                    self.kind,
                    expected.name(),
                    String::from_utf8_lossy(review)
                );
            }
        }
        Ok(())
    }
}

/// The folder with Gatekeeper and its definitions: built, which takes minutes, when it is not there yet.
fn gatekeeper_folder() -> Result<PathBuf> {
    let script = "scripts/gatekeeper-build.sh";
    let output = Command::new(repository(script))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context(script)?;
    if !output.status.success() {
        bail!("{script} failed ({})", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident(pid: i32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// Envoy with the filter.
pub(crate) fn envoy(name: &str, bundle: &Path, workers: u32, explained: bool) -> Result<TestStack> {
    TestStack::start(envoy_settings(name, bundle, workers, explained)?)
}

fn envoy_settings(name: &str, bundle: &Path, workers: u32, explained: bool) -> Result<Settings> {
    let mut settings = Settings::for_test(&format!("bench-{name}"))?.without_kubernetes();
    if !explained {
        settings.parts.remove(&Part::Explainer);
    }
    settings.bundle = fs::canonicalize(bundle)?;
    settings.concurrency = workers;
    Ok(settings)
}

/// The same Envoy without the filter: the request is received whole, and answered with what the filter would answer.
fn without_filter(arguments: &Arguments, bundle: &Path, workers: u32) -> Result<TestStack> {
    let mut settings = envoy_settings("none", bundle, workers, false)?;
    settings.envoy_template = control_template(&settings.envoy_template, &arguments.output)?;
    // Nobody is there to say whether there are policies.
    "/healthz".clone_into(&mut settings.envoy_probe);
    TestStack::start(settings)
}

fn control_template(template: &Path, output: &Path) -> Result<PathBuf> {
    let template = fs::read_to_string(template)?;
    let filter = "                  - name: whynot\n";
    let buffer = "                  - name: buffer\n                    typed_config:\n                      \
                  \"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer\n                      \
                  max_request_bytes: 15728640\n";
    let answer =
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"0","allowed":true}}"#;
    let refusal =
        "status: 500\n                            body: {inline_string: \"whynot: this review was not evaluated\\n\"}";
    if !template.contains(filter) || !template.contains(refusal) {
        bail!("envoy/envoy.yaml has changed: this bench no longer finds the filter and the route in it");
    }
    let control = template
        .replace(filter, &format!("{buffer}{filter}                    disabled: true\n"))
        .replace(
            refusal,
            &format!("status: 200\n                            body: {{inline_string: '{answer}'}}"),
        );
    let path = output.join("envoy-without.yaml");
    fs::write(&path, control)?;
    Ok(path)
}
