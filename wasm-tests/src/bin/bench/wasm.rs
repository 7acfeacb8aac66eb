//! The same bytes to the same answer, in this process and in Envoy's V8, in turn.

use std::{hint::black_box, time::Instant};

use anyhow::{Result, bail};
use engine::{admission::Review, answer, eval::PolicySet};
use serde_json::json;

use crate::{
    Arguments,
    contenders::envoy,
    load::{Bodies, load},
    report::{Table, column, median},
    reviews::{Expected, Size, reviews},
    say,
    servers::evaluation,
    sets,
};

/// Different reviews, in turn.
const REVIEWS: usize = 100;

/// How often this process answers in each round.
const ITERATIONS: usize = 5000;

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let bundle = sets::five(arguments)?;
    let set = sets::compile(&bundle)?;
    let reviews = reviews(Size::Usual, Expected::Allowed, REVIEWS)?;
    let bodies = Bodies::write(&arguments.output, "wasm", &reviews)?;
    let stack = envoy("wasm", &sets::write(&bundle, &arguments.output, "wasm")?, 1, false)?;
    load(&stack.admission_url(), &bodies, 1, 2)?;
    let iterations = if arguments.quick { 50 } else { ITERATIONS };
    answers(&set, &reviews, iterations)?;
    let (mut native, mut wasm, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        say(&format!("wasm: round {} of {}", round + 1, arguments.rounds));
        let here = answers(&set, &reviews, iterations)?;
        let before = evaluation(&stack.admin_url())?;
        load(&stack.admission_url(), &bodies, 1, arguments.seconds)?;
        let after = evaluation(&stack.admin_url())?;
        let there = (after.0 - before.0) / (after.1 - before.1);
        native.push(here);
        wasm.push(there);
        ratios.push(there / here);
    }
    let columns = [
        column("nativeUs", "native us", 1),
        column("wasmUs", "in Envoy us", 1),
        column("ratio", "ratio", 2),
    ];
    let title = format!(
        "Bytes to answer, the five policies, Pods of {} that differ, allowed, one connection: means, in this process and in \
         Envoy's V8; medians of {} rounds, in turn.",
        Size::Usual.name(),
        arguments.rounds
    );
    let mut table = Table::new(title, &columns);
    table.row(&[json!(median(&native)), json!(median(&wasm)), json!(median(&ratios))]);
    Ok(table)
}

/// The mean of so many answers, in microseconds: what the filter's histogram holds can only be averaged.
fn answers(set: &PolicySet, reviews: &[Vec<u8>], iterations: usize) -> Result<f64> {
    let start = Instant::now();
    for review in reviews.iter().cycle().take(iterations) {
        let decided = answer::decide(set, &Review::parse(review)?);
        if !decided.is_silent {
            bail!("the policies should have nothing to say");
        }
        black_box(decided.own_answer().to_bytes());
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let iterations = iterations as f64;
    Ok(start.elapsed().as_secs_f64() * 1e6 / iterations)
}
