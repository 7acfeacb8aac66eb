//! Envoy with and without the filter, Gatekeeper and OPA, under the same load.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    Arguments,
    contenders::{Contender, Kind},
    load::{Bodies, Load, load},
    report::{Table, column, median},
    reviews::{Expected, Size, reviews},
    say, sets,
};

/// So many different reviews are sent in turn.
const REVIEWS: usize = 400;

const CONNECTIONS: [u32; 2] = [1, 8];

/// The figures of each round.
type Rounds = BTreeMap<(Expected, u32, Kind), Vec<Load>>;

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let bundle = sets::write(&sets::five(arguments)?, &arguments.output, "five")?;
    let count = if arguments.quick { 10 } else { REVIEWS };
    let mut bodies = Vec::new();
    for expected in Expected::ALL {
        let reviews = reviews(Size::Usual, expected, count)?;
        let file = Bodies::write(&arguments.output, expected.name(), &reviews)?;
        bodies.push((expected, reviews, file));
    }
    let contenders: Vec<Contender> = arguments
        .contenders
        .iter()
        .map(|kind| Contender::start(*kind, arguments, &bundle))
        .collect::<Result<_>>()?;
    for contender in &contenders {
        for (expected, reviews, file) in &bodies {
            contender.check(*expected, reviews)?;
            load(&contender.url(), file, 4, 1)?;
        }
    }
    let wasm = filter_evaluation(&contenders)?;
    let mut rounds = Rounds::new();
    for round in 0..arguments.rounds {
        say(&format!("servers: round {} of {}", round + 1, arguments.rounds));
        for (expected, _, file) in &bodies {
            for connections in CONNECTIONS {
                // Nobody is always the first one.
                let turn = contenders.iter().cycle().skip(round).take(contenders.len());
                for contender in turn {
                    let run = load(&contender.url(), file, connections, arguments.seconds)?;
                    let key = (*expected, connections, contender.kind);
                    rounds.entry(key).or_default().push(run);
                }
            }
        }
    }
    let mut table = table(arguments, &rounds, &contenders)?;
    if let (Some(before), Some(after)) = (wasm, filter_evaluation(&contenders)?) {
        let mean = (after.0 - before.0) / (after.1 - before.1);
        table.note(format!(
            "In the filter, from a review's bytes to its answer, allowed and denied: {mean:.0} us on average."
        ));
    }
    Ok(table)
}

fn table(arguments: &Arguments, rounds: &Rounds, contenders: &[Contender]) -> Result<Table> {
    let title = format!(
        "Servers with the five policies; Pods of {} that differ; TLS, keep-alive, {} threads each; {} rounds of {} s, in turn. \
         Ratios: how many times slower than the filter, in the same round.",
        Size::Usual.name(),
        arguments.workers(),
        arguments.rounds,
        arguments.seconds
    );
    let columns = [
        column("reviews", "reviews", 0),
        column("connections", "conns", 0),
        column("server", "server", 0),
        column("requestsPerSecond", "requests/s", 0),
        column("p50Ms", "p50 ms", 3),
        column("p99Ms", "p99 ms", 3),
        column("throughputRatio", "ratio of req/s", 2),
        column("p50Ratio", "of p50", 2),
        column("p99Ratio", "of p99", 2),
        column("residentMiB", "RSS MiB", 0),
    ];
    let mut table = Table::new(title, &columns);
    for ((expected, connections, kind), runs) in rounds {
        let middle = |of: fn(&Load) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        let filter = rounds.get(&(*expected, *connections, Kind::Filter));
        let ratio = |of: fn(&Load, &Load) -> f64| {
            let pairs = filter.map(|filter| runs.iter().zip(filter).map(|(run, filter)| of(run, filter)));
            pairs.map_or(Value::Null, |pairs| json!(median(&pairs.collect::<Vec<_>>())))
        };
        let contender = contenders.iter().find(|contender| contender.kind == *kind);
        table.row(&[
            json!(expected.name()),
            json!(connections),
            json!(kind.to_string()),
            json!(middle(|run| run.per_second)),
            json!(middle(|run| run.p50_us) / 1e3),
            json!(middle(|run| run.p99_us) / 1e3),
            ratio(|run, filter| filter.per_second / run.per_second),
            ratio(|run, filter| run.p50_us / filter.p50_us),
            ratio(|run, filter| run.p99_us / filter.p99_us),
            json!(contender.context("a figure of nobody")?.resident()?),
        ]);
    }
    Ok(table)
}

/// Sum and count of the filter's own histogram, in microseconds.
fn filter_evaluation(contenders: &[Contender]) -> Result<Option<(f64, f64)>> {
    let filter = contenders.iter().find(|contender| contender.kind == Kind::Filter);
    filter.map(|filter| evaluation(&filter.stack.admin_url())).transpose()
}

/// Sum and count of the histogram of evaluations that an Envoy has, in microseconds: from a review's bytes to its answer.
pub(crate) fn evaluation(admin_url: &str) -> Result<(f64, f64)> {
    // Envoy merges its workers' histograms every five seconds.
    thread::sleep(Duration::from_secs(6));
    let text = ureq::get(format!("{admin_url}/stats/prometheus"))
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
