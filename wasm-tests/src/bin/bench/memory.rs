//! Resident memory of Envoy with one worker.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use wasm_tests::stack::{Part, TestStack, client};

use crate::{
    Arguments,
    contenders::{envoy, resident},
    load::{Bodies, load},
    report::{Table, column},
    reviews::{Expected, Size, review, reviews},
    say, sets,
};

const POLICIES: [usize; 2] = [5, 100];

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let columns = [
        column("policies", "policies", 0),
        column("startedMiB", "started", 1),
        column("warmMiB", "warm", 1),
        column("largeMiB", "after a 2 MB review", 1),
        column("largeAgainMiB", "after four more", 1),
        column("requests", "requests", 0),
        column("halfMiB", "after half", 1),
        column("endMiB", "after them", 1),
        column("growthMiB", "growth", 1),
    ];
    let title = "Resident memory of Envoy with one worker and the filter, in MiB; growth is over the requests, allowed and denied in turn.";
    let mut table = Table::new(title.to_owned(), &columns);
    let mut bodies = Vec::new();
    for expected in Expected::ALL {
        let reviews = reviews(Size::Usual, expected, 200)?;
        bodies.push(Bodies::write(
            &arguments.output,
            &format!("memory-{}", expected.name()),
            &reviews,
        )?);
    }
    for count in POLICIES {
        say(&format!("memory: {count} policies"));
        let bundle = sets::many(count)?;
        let file = sets::write(&bundle, &arguments.output, &format!("memory-{count}"))?;
        let stack = envoy(&format!("memory-{count}"), &file, 1, false)?;
        table.row(&measure(arguments, &stack, count, &bodies)?);
    }
    Ok(table)
}

fn measure(arguments: &Arguments, stack: &TestStack, count: usize, bodies: &[Bodies]) -> Result<Vec<Value>> {
    let pid = stack.process(Part::Envoy).context("no Envoy")?.pid();
    let url = stack.admission_url();
    let started = resident(pid)?;
    for bodies in bodies {
        load(&url, bodies, 4, arguments.seconds.min(2))?;
    }
    let warm = resident(pid)?;
    let client = client(&stack.ca_file())?;
    let large = review(Size::Huge, 0, &[])?;
    let send = || -> Result<f64> {
        let request = client.post(&url).header("content-type", "application/json");
        let status = request.send(large.as_slice())?.status();
        anyhow::ensure!(status == 200, "a review of 2 MB was answered with {status}");
        resident(pid)
    };
    let after_large = send()?;
    let mut after_more = after_large;
    for _ in 0..4 {
        after_more = send()?;
    }
    let (mut requests, mut half, mut turn) = (0, None, bodies.iter().cycle());
    while requests < arguments.requests {
        let bodies = turn.next().context("no bodies")?;
        requests += load(&url, bodies, 4, arguments.seconds)?.requests;
        if half.is_none() && requests >= arguments.requests / 2 {
            half = Some(resident(pid)?);
        }
    }
    let end = resident(pid)?;
    Ok(vec![
        json!(count),
        json!(started),
        json!(warm),
        json!(after_large),
        json!(after_more),
        json!(requests),
        json!(half),
        json!(end),
        json!(end - after_more),
    ])
}
