//! From a review's bytes to the answer's, in this process.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Result;
use engine::{admission::Review, answer, eval::PolicySet};
use serde_json::json;

use crate::{
    Arguments,
    report::{Table, column, percentile},
    reviews::{Expected, Fault, Size, review},
    say, sets,
};

const POLICIES: [usize; 5] = [1, 10, 100, 500, 1000];

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let columns = [
        column("policies", "policies", 0),
        column("review", "review", 0),
        column("reviews", "", 0),
        column("p50Us", "p50 us", 1),
        column("p99Us", "p99 us", 1),
        column("runs", "runs", 0),
        column("loadMs", "loaded in ms", 0),
    ];
    let title =
        "Native, one thread: bytes to answer. One policy denies what is denied, and a fix is tried; all policies run.";
    let mut table = Table::new(title.to_owned(), &columns);
    for count in POLICIES {
        say(&format!("native: {count} policies"));
        let bundle = sets::many(count)?;
        let start = Instant::now();
        let set = sets::compile(&bundle)?;
        let loaded = start.elapsed();
        sets::check(&set)?;
        for size in Size::ALL {
            for expected in Expected::ALL {
                let fault = (expected == Expected::Denied).then_some(Fault::Privileged);
                let bodies: Vec<Vec<u8>> = (0..5)
                    .map(|turn| review(size, turn * Fault::ALL.len(), fault.as_slice()))
                    .collect::<Result<_>>()?;
                let times = times(arguments, &set, &bodies)?;
                table.row(&[
                    json!(count),
                    json!(size.name()),
                    json!(expected.name()),
                    json!(percentile(&times, 0.5)),
                    json!(percentile(&times, 0.99)),
                    json!(times.len()),
                    json!(loaded.as_secs_f64() * 1e3),
                ]);
            }
        }
    }
    Ok(table)
}

/// At least five runs, and as many as fit in the time, in microseconds each.
fn times(arguments: &Arguments, set: &PolicySet, bodies: &[Vec<u8>]) -> Result<Vec<f64>> {
    let patience = Duration::from_millis(if arguments.quick { 0 } else { 1000 });
    let (mut times, began) = (Vec::new(), Instant::now());
    for body in bodies.iter().cycle() {
        let start = Instant::now();
        black_box(answered(set, body)?);
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if times.len() >= 5 && began.elapsed() > patience {
            break;
        }
    }
    Ok(times)
}

/// What the filter does with a review when nobody is asked for words.
pub(crate) fn answered(set: &PolicySet, body: &[u8]) -> Result<Vec<u8>> {
    let review = Review::parse(body)?;
    Ok(answer::decide(set, &review).own_answer().to_bytes())
}
