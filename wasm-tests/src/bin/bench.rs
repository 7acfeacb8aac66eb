//! `just bench`: Envoy with the filter against the same Envoy without it, and evaluation in wasm against native evaluation.
//!
//! Everything that is compared runs in turn within each round, so that a machine that slows down slows down all of it.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use engine::{
    admission::Review,
    answer,
    context::Context,
    eval::PolicySet,
    policy::{self, bundle::Bundle, settings::Override},
};
use serde_json::{Value, json};
use wasm_tests::stack::{Part, Settings, TestStack};

/// Measures Envoy with the filter against the same Envoy without it.
#[derive(Parser)]
struct Arguments {
    /// How often everything is measured in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each load runs, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// How many policies are on.
    #[arg(long, default_value_t = 20)]
    policies: usize,
    /// The file with the review to send.
    #[arg(
        long,
        default_value = "wasm-tests/fixtures/admission-reviews/02-pod-create-real.create-pods.json"
    )]
    review: PathBuf,
    /// Where the figures go, as JSON.
    #[arg(long, default_value = "build/bench/filter.json")]
    output: PathBuf,
}

/// One run of the load generator.
#[derive(Debug, Clone, Copy)]
struct Load {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    failed: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let review = fs::read(&arguments.review).with_context(|| arguments.review.display().to_string())?;
    let work = PathBuf::from("build/bench");
    fs::create_dir_all(&work)?;
    let (bundle, set) = bundle_of(arguments.policies, &review)?;
    let bundle_file = work.join("bundle.json");
    fs::write(&bundle_file, bundle.to_json())?;
    fs::write(work.join("review.json"), &review)?;
    fs::write(work.join("load.lua"), LOAD)?;

    let with = envoy("with", &bundle_file, None)?;
    let control = control_template(&work)?;
    let without = envoy("without", &bundle_file, Some(&control))?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} policies, a review of {} bytes, allowed; TLS, keep-alive, one worker; {} rounds of {} s, in turn.\n",
        set.policies().len(),
        review.len(),
        arguments.rounds,
        arguments.seconds
    )?;
    for url in [with.admission_url(), without.admission_url()] {
        load(&url, 4, 3, &work)?;
    }
    let mut loads: BTreeMap<(&str, u32), Vec<Load>> = BTreeMap::new();
    let mut native = Vec::new();
    let before = evaluation(&with)?;
    for round in 1..=arguments.rounds {
        write!(out, "\rround {round} of {} ", arguments.rounds)?;
        out.flush()?;
        for connections in [1, 8] {
            for (name, stack) in [("filter", &with), ("none", &without)] {
                let run = load(&stack.admission_url(), connections, arguments.seconds, &work)?;
                loads.entry((name, connections)).or_default().push(run);
            }
        }
        native.push(native_us(&set, &review)?);
    }
    let after = evaluation(&with)?;
    let wasm_us = (after.0 - before.0) / (after.1 - before.1);
    writeln!(out, "\r")?;
    let report = report(&loads, median(&native), wasm_us);
    print(&report, &mut out)?;
    fs::write(&arguments.output, serde_json::to_vec_pretty(&report)?)?;
    writeln!(out, "\nAs JSON: {}", arguments.output.display())?;
    Ok(())
}

/// As many policies of the library as asked for, of those that run for the review and allow it.
fn bundle_of(count: usize, review: &[u8]) -> Result<(Bundle, PolicySet)> {
    let text = fs::read("build/bundle.json").context("build/bundle.json: `just bundle` makes it")?;
    let library = Bundle::from_json(&text).map_err(|problems| anyhow::anyhow!(policy::list(&problems)))?;
    let review = Review::parse(review)?;
    let mut chosen = Vec::new();
    let mut settings = library.settings.clone();
    settings.policies.clear();
    for file in &library.files {
        let files = [(file.path.clone(), file.text.clone())];
        let one = Bundle::new(settings.clone(), files.clone());
        let set = compile(&one)?;
        let verdict = set.evaluate(&review);
        if verdict.evaluated() == 1 && verdict.is_silent() {
            chosen.extend(files);
        }
    }
    chosen.truncate(count);
    if chosen.len() < count {
        bail!(
            "only {} policies of the library run for this review and allow it",
            chosen.len()
        );
    }
    settings.policies.insert(
        "*".to_owned(),
        Override {
            enabled: Some(true),
            ..Override::default()
        },
    );
    let bundle = Bundle::new(settings, chosen);
    let set = compile(&bundle)?;
    Ok((bundle, set))
}

fn compile(bundle: &Bundle) -> Result<PolicySet> {
    policy::compile::compile(bundle, Context::default()).map_err(|problems| anyhow::anyhow!(policy::list(&problems)))
}

/// Envoy alone, with one worker.
fn envoy(name: &str, bundle: &Path, template: Option<&Path>) -> Result<TestStack> {
    let mut settings = Settings::for_test(&format!("bench-{name}"))?.without_kubernetes();
    settings.parts.remove(&Part::Explainer);
    settings.bundle = fs::canonicalize(bundle)?;
    settings.concurrency = 1;
    if let Some(template) = template {
        settings.envoy_template = fs::canonicalize(template)?;
    }
    TestStack::start(settings)
}

/// The same Envoy without the filter: the request is received whole, and answered with what the filter would answer.
fn control_template(work: &Path) -> Result<PathBuf> {
    let template = fs::read_to_string("envoy/envoy.yaml")?;
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
    let path = work.join("envoy-without.yaml");
    fs::write(&path, control)?;
    Ok(path)
}

const LOAD: &str = r#"
local file = io.open("build/bench/review.json", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()
done = function(summary, latency, requests)
  io.write(string.format("FIGURES %f %f %f %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"#;

fn load(url: &str, connections: u32, seconds: u32, work: &Path) -> Result<Load> {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"])
        .arg(work.join("load.lua"))
        .arg(format!("{url}?timeout=5s"))
        .output()
        .context("starting wrk (`just setup bench` installs it)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "))
        .context("wrk printed no figures")?;
    let figures: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let &[per_second, p50_us, p99_us, failed] = figures.as_slice() else {
        bail!("wrk printed {line:?}")
    };
    if failed > 0.0 {
        bail!("{failed} of the requests to {url} failed");
    }
    Ok(Load {
        per_second,
        p50_us,
        p99_us,
        failed,
    })
}

/// Sum and count of the filter's own histogram, in microseconds: from the review's bytes to its answer.
fn evaluation(stack: &TestStack) -> Result<(f64, f64)> {
    // Envoy merges its workers' histograms every five seconds.
    std::thread::sleep(std::time::Duration::from_secs(6));
    let text = ureq::get(format!("{}/stats/prometheus", stack.admin_url()))
        .call()?
        .body_mut()
        .read_to_string()?;
    let value = |suffix: &str| {
        let name = format!("evaluation_us_{suffix}");
        let line = text.lines().find(|line| !line.starts_with('#') && line.contains(&name));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .context("Envoy has no evaluation_us")
    };
    Ok((value("sum")?, value("count")?))
}

/// The median of the same work in this process.
fn native_us(set: &PolicySet, review: &[u8]) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        let parsed = Review::parse(review)?;
        let bytes = answer::decide(set, &parsed).own_answer().to_bytes();
        times.push(start.elapsed().as_secs_f64() * 1e6);
        std::hint::black_box(bytes);
    }
    Ok(median(&times))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(loads: &BTreeMap<(&str, u32), Vec<Load>>, native_us: f64, wasm_us: f64) -> Value {
    let figure = |name: &str, connections: u32, of: fn(&Load) -> f64| {
        let runs = loads.get(&(name, connections)).map(Vec::as_slice).unwrap_or_default();
        median(&runs.iter().map(of).collect::<Vec<_>>())
    };
    let rows: Vec<Value> = [1, 8]
        .into_iter()
        .map(|connections| {
            let row = |name: &str| {
                json!({"requestsPerSecond": figure(name, connections, |run| run.per_second).round(),
                    "p50Us": figure(name, connections, |run| run.p50_us), "p99Us": figure(name, connections, |run| run.p99_us),
                    "failed": figure(name, connections, |run| run.failed)})
            };
            let (with, without) = (row("filter"), row("none"));
            let value = |row: &Value, key: &str| row.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
            let added = |key: &str| value(&with, key) - value(&without, key);
            json!({"connections": connections, "addedP50Us": added("p50Us"), "addedP99Us": added("p99Us"),
                "filter": with, "none": without})
        })
        .collect();
    json!({"envoy": rows, "evaluation": {"nativeUs": native_us.round(), "wasmUs": wasm_us.round(),
        "ratio": (wasm_us / native_us * 100.0).round() / 100.0}})
}

fn print(report: &Value, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:<12} {:<16} {:>12} {:>9} {:>9}",
        "connections", "Envoy", "requests/s", "p50 ms", "p99 ms"
    )?;
    let ms = |value: &Value| value.as_f64().unwrap_or(f64::NAN) / 1000.0;
    for row in report["envoy"].as_array().into_iter().flatten() {
        for (key, name) in [("filter", "with the filter"), ("none", "without it")] {
            let side = &row[key];
            writeln!(
                out,
                "{:<12} {name:<16} {:>12} {:>9.3} {:>9.3}",
                row["connections"],
                side["requestsPerSecond"],
                ms(&side["p50Us"]),
                ms(&side["p99Us"])
            )?;
        }
        writeln!(
            out,
            "{:<12} {:<16} {:>12} {:>9.3} {:>9.3}\n",
            "",
            "added",
            "",
            ms(&row["addedP50Us"]),
            ms(&row["addedP99Us"])
        )?;
    }
    let evaluation = &report["evaluation"];
    writeln!(
        out,
        "bytes to answer: native {} us (median), wasm in Envoy {} us (mean), ratio {}",
        evaluation["nativeUs"], evaluation["wasmUs"], evaluation["ratio"]
    )?;
    Ok(())
}
