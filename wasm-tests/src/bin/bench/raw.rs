//! Bytes to verdict here, bytes to result in OPA: the same policies, the same reviews, one thread each, in turn.

use std::{
    fs,
    hint::black_box,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use engine::{admission::Review, eval::PolicySet};
use serde::Deserialize;
use serde_json::json;
use wasm_tests::opa::{self, Answer, Evaluator as _, Module, Oracle, Request};

use crate::{
    Arguments,
    five::{self, ForOpa},
    report::{Table, column, median},
    reviews::{Expected, Size, reviews},
    say, sets,
};

/// Different reviews, in turn.
const REVIEWS: usize = 100;

/// How often each side runs before the other one does.
const ITERATIONS: usize = 300;

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let set = sets::compile(&sets::five(arguments)?)?;
    let columns = [
        column("reviews", "reviews", 0),
        column("whynotUs", "whynot us", 1),
        column("opaUs", "OPA us", 1),
        column("ratio", "ratio", 2),
    ];
    let title = format!(
        "Bytes to verdict, the five policies, Pods of {} that differ, one thread; medians of {} rounds, in turn.",
        Size::Usual.name(),
        arguments.rounds.max(5)
    );
    let mut table = Table::new(title, &columns);
    for expected in Expected::ALL {
        say(&format!("raw: {}", expected.name()));
        let reviews = reviews(Size::Usual, expected, REVIEWS)?;
        for review in &reviews {
            let verdict = set.evaluate(&Review::parse(review)?);
            if !verdict.failures().is_empty() || (verdict.violations().count() > 0) != (expected == Expected::Denied) {
                bail!("the policies should have {} a review: {verdict:?}", expected.name());
            }
        }
        let mut opa = Opa::start(arguments, expected, &reviews)?;
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let iterations = if arguments.quick { 10 } else { ITERATIONS };
        opa.run(iterations)?;
        for _ in 0..arguments.rounds.max(5) {
            let here = verdicts(&set, &reviews, iterations)?;
            let there = opa.run(iterations)?;
            ours.push(here);
            theirs.push(there);
            ratios.push(there / here);
        }
        table.row(&[
            json!(expected.name()),
            json!(median(&ours)),
            json!(median(&theirs)),
            json!(median(&ratios)),
        ]);
    }
    Ok(table)
}

/// The median of so many verdicts, in microseconds.
fn verdicts(set: &PolicySet, reviews: &[Vec<u8>], iterations: usize) -> Result<f64> {
    let mut times = Vec::with_capacity(iterations);
    for review in reviews.iter().cycle().take(iterations) {
        let start = Instant::now();
        let parsed = Review::parse(review)?;
        black_box(set.evaluate(&parsed));
        drop(parsed);
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&times))
}

/// OPA must say of the reviews what is expected.
fn check(policies: &ForOpa, expected: Expected, reviews: &[Vec<u8>]) -> Result<()> {
    let modules = policies.modules.iter().map(|file| -> Result<Module> {
        Ok(Module {
            file: file.display().to_string(),
            text: fs::read_to_string(file)?,
            version: "v0".to_owned(),
        })
    });
    let inputs = reviews.iter().map(|review| String::from_utf8(review.clone()).map(Some));
    let request = Request {
        modules: modules.collect::<Result<_>>()?,
        data: fs::read_to_string(&policies.data)?,
        inputs: inputs.collect::<Result<_, _>>()?,
        queries: vec!["data.system.main.response.allowed".to_owned()],
    };
    let wanted = (expected == Expected::Allowed).to_string();
    match Oracle::start()?.ask(&request)? {
        Answer::Outcomes(all) if all.iter().flatten().all(|outcome| outcome.to_string() == wanted) => Ok(()),
        other => bail!("OPA should have {} all of these: {other:?}", expected.name()),
    }
}

/// OPA, which times itself when it is asked to.
struct Opa {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Timing {
    /// Nanoseconds.
    median: f64,
}

impl Opa {
    fn start(arguments: &Arguments, expected: Expected, reviews: &[Vec<u8>]) -> Result<Self> {
        let policies = five::Gatekeeper::read(&arguments.gatekeeper_policies)?.for_opa(&arguments.output)?;
        check(&policies, expected, reviews)?;
        let folder = arguments.output.join(format!("raw-{}", expected.name()));
        fs::create_dir_all(&folder)?;
        let mut command = opa::command(&["bench", "-version", "v0", "-query", "data.system.main"])?;
        command.arg("-data").arg(&policies.data);
        for module in &policies.modules {
            command.arg("-module").arg(module);
        }
        for (number, review) in reviews.iter().enumerate() {
            let file = folder.join(format!("{number}.json"));
            fs::write(&file, review)?;
            command.arg("-input").arg(file);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting OPA")?;
        let ask = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, ask, answers })
    }

    /// The median of so many results, in microseconds.
    fn run(&mut self, iterations: usize) -> Result<f64> {
        writeln!(self.ask, "run {iterations}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let timing: Timing = serde_json::from_str(&line).with_context(|| format!("OPA answered {line:?}"))?;
        Ok(timing.median / 1e3)
    }
}

impl Drop for Opa {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
