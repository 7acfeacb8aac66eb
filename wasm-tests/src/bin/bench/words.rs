//! Denials while a real model writes about them: Envoy with the filter, `whynot serve` with the gateway, and llama.cpp's server
//! with a small model on the wire. Does each denial keep its webhook's deadline, and does anything that a model made up get shown?

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use engine::{
    admission::Review,
    context::Context,
    explain::wire::Decision,
    policy::{bundle::Bundle, compile::compile, list},
};
use json_patch::Patch;
use serde_json::{Value, json};
use wasm_tests::{
    fixtures::{self, repository},
    library,
    stack::{Live, Server, Settings, TestStack, client, free_port},
};

use crate::{
    Arguments,
    gateway::{released, script},
    report::{Table, column, percentile},
    say,
};

/// What API servers wait for a webhook, in turn: in seconds.
const TIMEOUTS: [u32; 3] = [1, 2, 10];
/// How long a model may write behind one denial: its 30 seconds, and what it takes to notice.
const PATIENCE: Duration = Duration::from_secs(45);
const MODEL: &str = "gemma3-270m";
/// What the library leaves to those who built for it.
const RESTRICTED: &str = "pod-security/restricted/*";

/// What became of one denial.
struct Denied {
    timeout: u32,
    took: Duration,
    /// Its webhook was still waiting, and there were the engine's words, with a link.
    in_time: bool,
    /// A model's words, at the link.
    words: bool,
    /// A model's change, at the link: whether the policies pass after it, asked once more.
    change: Option<bool>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let folder = arguments.output.join("words");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let policies = strict(&folder)?;
    let (model, address) = model(&folder)?;
    let mut settings = Settings::for_test("bench-words")?.without_kubernetes();
    settings.programs.whynot = released("whynot")?;
    // From the first review on, and not only once the explainer's have come.
    settings.bundle = folder.join("bundle.json");
    let built = Command::new(&settings.programs.whynot)
        .args(["policy", "build"])
        .arg(&policies)
        .arg("-o")
        .arg(&settings.bundle)
        .status()?;
    ensure!(built.success(), "building the policies");
    settings.render_arguments.push("--explainer-object".to_owned());
    settings.live = Some(Live {
        policies: Some(policies),
        serve_arguments: vec![
            "--gateway".to_owned(),
            gateway(&folder, &address)?.display().to_string(),
            "--model-words=inline".to_owned(),
        ],
        ..Live::default()
    });
    let stack = TestStack::start(settings)?;
    let asking = Asking::new(&stack)?;
    Asking::until("the explainer has no policies", || {
        let status = asking.json("/v1/policies/status")?;
        Ok(status.pointer("/current/revision").is_some_and(Value::is_string))
    })?;
    let reviews = denied(if arguments.quick { 3 } else { arguments.denials })?;
    let mut all = Vec::new();
    for ((number, review), timeout) in reviews.iter().enumerate().zip(TIMEOUTS.into_iter().cycle()) {
        if number % 10 == 0 {
            say(&format!("words: {number} of {} denials", reviews.len()));
        }
        all.push(asking.explained(review, timeout)?);
    }
    let table = table(&all, &asking.events()?)?;
    drop(model);
    Ok(table)
}

/// The library's policies, with all of the Pod Security Standards on: more than one objects to most of what is denied.
fn strict(folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("policies");
    let status = Command::new("cp")
        .arg("-R")
        .arg(repository("policies"))
        .arg(&copy)
        .status()?;
    ensure!(status.success(), "copying the policies");
    let file = copy.join("policy-set.yaml");
    let text = fs::read_to_string(&file)?;
    let changed = text.replacen(
        &format!("{RESTRICTED}:\n    enabled: false"),
        &format!("{RESTRICTED}:\n    enabled: true"),
        1,
    );
    ensure!(changed != text, "{} is not as this bench expects it", file.display());
    fs::write(&file, changed)?;
    Ok(copy)
}

/// The small model's server, and where it is.
fn model(folder: &Path) -> Result<(Server, String)> {
    script("scripts/model-setup.sh", &[])?;
    let port = free_port()?;
    say("starting: llama.cpp's server");
    let mut command = Command::new(repository("scripts/model.sh"));
    command.args(["--port", &port.to_string()]);
    let root = format!("http://127.0.0.1:{port}");
    let ready = format!("{root}/health");
    let server = Server::start("model", &command, folder, &ready, Duration::from_mins(2))?;
    Ok((server, format!("{root}/v1")))
}

fn gateway(folder: &Path, url: &str) -> Result<PathBuf> {
    fs::write(
        folder.join("prices.yaml"),
        format!("asOf: 2026-11-01\nmodels:\n  {MODEL}: {{input: 0, output: 0}}\n"),
    )?;
    let settings = json!({
        "apiVersion": "whynot.dev/v1", "kind": "Gateway", "prices": "prices.yaml",
        "providers": [{
            "name": "local", "kind": "openai", "url": url, "region": "local", "models": [MODEL], "concurrency": 1,
            "firstByteTimeoutMs": 30_000, "idleTimeoutMs": 30_000,
        }],
        "routes": [{"model": "default", "targets": [{"provider": "local", "model": MODEL}], "attempts": 1}],
        "agents": [{"name": "explainer", "team": "*", "models": ["*"], "purposes": ["explain"]}],
    });
    let file = folder.join("gateway.yaml");
    fs::write(&file, settings.to_string())?;
    Ok(file)
}

/// Reviews of the library's cases that are denied: so many, spread over all, no two of them the same.
fn denied(wanted: usize) -> Result<Vec<Value>> {
    let mut bundle = fixtures::library()?;
    let restricted = bundle.settings.policies.get_mut(RESTRICTED).context(RESTRICTED)?;
    restricted.enabled = Some(true);
    let context: Context = serde_json::from_value(fixtures::context()?)?;
    let files = bundle.files.into_iter().map(|file| (file.path, file.text));
    let set = compile(&Bundle::new(bundle.settings, files), context).map_err(|problems| anyhow!(list(&problems)))?;
    let mut denied = Vec::new();
    for policy in library::policies()? {
        for case in &policy.cases {
            for variant in case.variants().map_err(anyhow::Error::msg)? {
                let mut review = variant.review_json();
                let uid = review.pointer_mut("/request/uid").context("a review without a uid")?;
                *uid = json!(format!("00000000-0000-4000-8000-{:012}", denied.len()));
                let verdict = set.evaluate(&Review::parse(review.to_string().as_bytes())?);
                if verdict.decision() == Decision::Deny && verdict.failures().is_empty() {
                    denied.push(review);
                }
            }
        }
    }
    let found = denied.len();
    ensure!(found >= wanted, "only {found} of the library's cases are denied");
    let place = |number: usize| number * found / wanted.max(1);
    Ok((0..wanted)
        .filter_map(|number| denied.get(place(number)).cloned())
        .collect())
}

struct Asking<'s> {
    stack: &'s TestStack,
    envoy: ureq::Agent,
    explainer: ureq::Agent,
}

impl<'s> Asking<'s> {
    fn new(stack: &'s TestStack) -> Result<Self> {
        let agent = || client(&stack.ca_file());
        Ok(Self {
            stack,
            envoy: agent()?,
            explainer: agent()?,
        })
    }

    fn is_allowed(&self, review: &Value) -> Result<bool> {
        let answer = self.review(review, 10)?.0;
        let allowed = answer.pointer("/response/allowed").and_then(Value::as_bool);
        allowed.with_context(|| format!("no answer to a review: {answer}"))
    }

    fn review(&self, review: &Value, timeout: u32) -> Result<(Value, Duration)> {
        let url = format!("{}?timeout={timeout}s", self.stack.admission_url());
        let begun = Instant::now();
        let sent = self
            .envoy
            .post(url)
            .header("content-type", "application/json")
            .send(review.to_string().as_bytes());
        let text = sent?.body_mut().read_to_string()?;
        Ok((
            serde_json::from_str(&text).with_context(|| text.clone())?,
            begun.elapsed(),
        ))
    }

    /// Sends a review, waits until no model writes any more, and looks at the link.
    fn explained(&self, review: &Value, timeout: u32) -> Result<Denied> {
        let (answer, took) = self.review(review, timeout)?;
        let allowed = answer.pointer("/response/allowed").and_then(Value::as_bool);
        ensure!(allowed == Some(false), "was to be denied: {answer}\n{review}");
        let message = answer.pointer("/response/status/message").and_then(Value::as_str);
        let message = message.unwrap_or_default();
        let prefix = format!("{}/e/", self.stack.explainer_url());
        let id: Option<String> = message
            .split_once(&prefix)
            .map(|(_, rest)| rest.chars().take_while(char::is_ascii_alphanumeric).collect());
        let in_time = took <= Duration::from_secs(timeout.into());
        self.until_idle()?;
        let Some(id) = id else {
            return Ok(Denied {
                timeout,
                took,
                in_time: false,
                words: false,
                change: None,
            });
        };
        let shown = self.json(&format!("/e/{id}"))?;
        let words = shown.pointer("/words/text").and_then(Value::as_str);
        let is_models = shown.pointer("/fix/source").and_then(Value::as_str) == Some("model");
        let change = if is_models {
            let patch: Patch = serde_json::from_value(shown.pointer("/fix/patch").cloned().unwrap_or_default())?;
            let mut changed = review.clone();
            let object = changed
                .pointer_mut("/request/object")
                .context("a review without an object")?;
            json_patch::patch(object, &patch)?;
            Some(self.is_allowed(&changed)?)
        } else {
            None
        };
        Ok(Denied {
            timeout,
            took,
            in_time,
            words: words.is_some_and(|text| !text.is_empty()),
            change,
        })
    }

    /// Waits until models write about no denial.
    fn until_idle(&self) -> Result<()> {
        let url = format!("{}/metrics", self.stack.explainer_url());
        Self::until("a model writes on", || {
            let text = self.explainer.get(&url).call()?.body_mut().read_to_string()?;
            let busy = text.lines().find_map(|line| line.strip_prefix("whynot_model_writing "));
            Ok(busy.context("no whynot_model_writing among the metrics")? == "0")
        })
    }

    fn until(otherwise: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so()? {
            if Instant::now() > deadline {
                bail!("after {} s {otherwise}", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn json(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.stack.explainer_url());
        let asked = self.explainer.get(&url).header("accept", "application/json");
        // What models were asked is for the administrator.
        let mut answer = asked.header("authorization", self.stack.authorization()?).call()?;
        let text = answer.body_mut().read_to_string()?;
        serde_json::from_str(&text).with_context(|| format!("{url}: {text}"))
    }

    /// What the audit log has of models, by kind.
    fn events(&self) -> Result<BTreeMap<&'static str, Vec<Value>>> {
        let mut events = BTreeMap::new();
        for kind in ["model-called", "model-refused", "fix-verified", "fix-rejected"] {
            let page = self.json(&format!("/v1/audit/events?kind={kind}&limit=1000"))?;
            let items = page.get("items").and_then(Value::as_array).context("no items")?.clone();
            ensure!(items.len() < 1000, "more {kind} than one page");
            events.insert(kind, items);
        }
        Ok(events)
    }
}

fn table(all: &[Denied], events: &BTreeMap<&'static str, Vec<Value>>) -> Result<Table> {
    let title = format!(
        "{} denials of the library's cases: real Envoy, the filter, whynot serve with --model-words inline, llama.cpp's server with \
         {MODEL} on the wire. Milliseconds from the review to its answer, for webhooks with these timeouts; in time: with the \
         engine's words and a link, before the webhook's timeout.",
        all.len()
    );
    let columns = [
        column("timeoutSeconds", "timeout s", 0),
        column("denials", "denials", 0),
        column("inTime", "in time", 0),
        column("p50Ms", "p50 ms", 1),
        column("p99Ms", "p99 ms", 1),
        column("slowestMs", "slowest ms", 1),
        column("words", "a model's words", 0),
    ];
    let mut table = Table::new(title, &columns);
    for timeout in TIMEOUTS {
        let of: Vec<&Denied> = all.iter().filter(|denied| denied.timeout == timeout).collect();
        let times: Vec<f64> = of.iter().map(|denied| denied.took.as_secs_f64() * 1e3).collect();
        table.row(&[
            json!(timeout),
            json!(of.len()),
            json!(of.iter().filter(|denied| denied.in_time).count()),
            json!(percentile(&times, 0.5)),
            json!(percentile(&times, 0.99)),
            json!(percentile(&times, 1.0)),
            json!(of.iter().filter(|denied| denied.words).count()),
        ]);
    }
    let of = |kind: &str| events.get(kind).map(Vec::as_slice).unwrap_or_default();
    let text = |event: &Value, key: &str| {
        let found = event.pointer("/payload")?.get(key)?.as_str()?;
        Some(found.to_owned())
    };
    let kept = |event: &&Value| event.pointer("/payload/called/cached") == Some(&json!(true));
    let (kept, called): (Vec<&Value>, Vec<&Value>) = of("model-called").iter().partition(kept);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    // A guard stopped an answer: there was one. The form is looked at by the guard `schema`, after these two.
    let (mut stopped, mut formless) = (0, 0);
    for event in of("model-refused") {
        let guard = text(event, "guard").unwrap_or_default();
        let called = event.pointer("/payload/called");
        let was_answered = !guard.is_empty() && called.is_some_and(|called| !called.is_null());
        stopped += usize::from(was_answered);
        formless += usize::from(was_answered && ["tool-calls", "length", "schema"].contains(&guard.as_str()));
        let name = [text(event, "reason").unwrap_or_default(), guard].join(" ");
        *refused.entry(name.trim_end().to_owned()).or_default() += 1;
    }
    let answered = called.len() + stopped;
    table.note(format!(
        "Asked {} times: {answered} answers, {} in the form that was asked for, {} of them with words or a change that may be used; \
         {} more answers were kept from before. Refused: {}.",
        called.len() + of("model-refused").len(),
        answered - formless,
        called.len(),
        kept.len(),
        json!(refused),
    ));
    let (verified, rejected) = (of("fix-verified").len(), of("fix-rejected").len());
    let shown: Vec<bool> = all.iter().filter_map(|denied| denied.change).collect();
    let unverified = shown.iter().filter(|passes| !**passes).count();
    table.note(format!(
        "Changes, where the engine found none: {} proposed, {verified} verified, {} shown, {unverified} of these denied when tried again.",
        verified + rejected,
        shown.len()
    ));
    let late = all.iter().filter(|denied| !denied.in_time).count();
    table.note(format!(
        "{} of {} denials in time, {late} not.",
        all.len() - late,
        all.len()
    ));
    ensure!(unverified == 0, "a change is shown that does not pass");
    ensure!(
        late == 0,
        "{late} denials came after their webhook's timeout, or without words"
    );
    Ok(table)
}
