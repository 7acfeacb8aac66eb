//! Policies that do not concern a request: 1,000 of which 10 do, against the 10 alone, in Envoy.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use wasm_tests::stack::TestStack;

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

const CONCERNED: usize = 10;
const ALL: usize = 1000;

struct Side {
    policies: usize,
    stack: TestStack,
    started_ms: f64,
    p50: Vec<f64>,
    p99: Vec<f64>,
    before: (f64, f64),
}

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let bodies = reviews(Size::Usual, Expected::Allowed, 100)?;
    let bodies = Bodies::write(&arguments.output, "matching", &bodies)?;
    let mut sides = Vec::new();
    for policies in [CONCERNED, ALL] {
        say(&format!("matching: {policies} policies"));
        let bundle = sets::many_with_others(CONCERNED, policies - CONCERNED)?;
        sets::check(&sets::compile(&bundle)?)?;
        let file = sets::write(&bundle, &arguments.output, &format!("matching-{policies}"))?;
        let start = Instant::now();
        let stack = envoy(&format!("matching-{policies}"), &file, 1, false)?;
        let started_ms = start.elapsed().as_secs_f64() * 1e3;
        load(&stack.admission_url(), &bodies, 1, 1)?;
        let before = evaluation(&stack.admin_url())?;
        let (p50, p99) = (Vec::new(), Vec::new());
        sides.push(Side {
            policies,
            stack,
            started_ms,
            p50,
            p99,
            before,
        });
    }
    for _ in 0..arguments.rounds {
        for side in &mut sides {
            let run = load(&side.stack.admission_url(), &bodies, 1, arguments.seconds)?;
            side.p50.push(run.p50_us);
            side.p99.push(run.p99_us);
        }
    }
    let columns = [
        column("policies", "policies", 0),
        column("concerned", "concern it", 0),
        column("p50Us", "p50 us", 0),
        column("p99Us", "p99 us", 0),
        column("evaluationUs", "evaluation us", 1),
        column("p50Ratio", "ratio of p50", 3),
        column("evaluationRatio", "of evaluation", 3),
        column("startedMs", "Envoy ready in ms", 0),
    ];
    let title = format!(
        "Policies that do not concern the request, in wasm: a Pod of {}, allowed, one connection.",
        Size::Usual.name()
    );
    let mut table = Table::new(title, &columns);
    let mut alone: Option<(f64, &[f64])> = None;
    for side in &sides {
        let after = evaluation(&side.stack.admin_url())?;
        let mean = (after.0 - side.before.0) / (after.1 - side.before.1);
        let (alone_mean, alone_p50) = *alone.get_or_insert((mean, &side.p50));
        let pairs = side.p50.iter().zip(alone_p50);
        let ratios: Vec<f64> = pairs.map(|(p50, alone)| p50 / alone).collect();
        table.row(&[
            json!(side.policies),
            json!(CONCERNED),
            json!(median(&side.p50)),
            json!(median(&side.p99)),
            json!(mean),
            json!(median(&ratios)),
            json!(mean / alone_mean),
            json!(side.started_ms),
        ]);
    }
    Ok(table)
}
