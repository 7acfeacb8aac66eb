//! Controllers that try again: what is kept from one review to the next, against evaluating everything anew.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Result;
use engine::{
    context::Context,
    eval::PolicySet,
    policy::{self, bundle::Bundle, settings::Settings},
};
use serde_json::{Value, json};
use wasm_tests::fixtures::{pod, review_bytes};

use crate::{
    Arguments,
    native::answered,
    report::{Table, column, median},
    say,
};

/// Compares each variable with each other one, as a policy against duplicates does.
const PAIRS: &str = "package bench.pairs\n\ndeny contains msg if {\n\tsome container in input.request.object.spec.containers\n\t\
                     some i, one in container.env\n\tsome j, other in container.env\n\ti < j\n\tone.name == other.name\n\t\
                     msg := sprintf(\"%s is there twice.\", [one.name])\n}\n";

/// Looks at each variable once.
const EACH: &str = "package bench.each\n\ndeny contains msg if {\n\tsome container in input.request.object.spec.containers\n\t\
                    some variable in container.env\n\tregex.match(`^[a-z]`, variable.name)\n\tmsg := sprintf(\"%s is small.\", \
                    [variable.name])\n}\n";

const VARIABLES: [usize; 4] = [10, 30, 100, 300];

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let columns = [
        column("policy", "policy", 0),
        column("variables", "variables", 0),
        column("reviews", "reviews", 0),
        column("anewUs", "anew us", 1),
        column("keptUs", "kept us", 1),
        column("ratio", "ratio", 3),
        column("spared", "spared", 0),
    ];
    let title = "Native, one thread: bytes to answer, one policy. The same Pod under another name, or other Pods; evaluated anew, or \
                 with what is kept.";
    let mut table = Table::new(title.to_owned(), &columns);
    for (name, text) in [("pairs", PAIRS), ("each", EACH)] {
        for variables in VARIABLES {
            say(&format!("repeats: {name}, {variables} variables"));
            for (kind, is_same) in [("the same", true), ("others", false)] {
                let (anew, kept) = (set(text)?, set(text)?);
                anew.forget(u64::MAX);
                let bodies: Vec<Vec<u8>> = (0..1_000).map(|turn| body(turn, variables, is_same)).collect();
                let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
                for _ in 0..arguments.rounds {
                    let round = [time(arguments, &anew, &bodies)?, time(arguments, &kept, &bodies)?];
                    ratios.push(round[1] / round[0]);
                    times[0].push(round[0]);
                    times[1].push(round[1]);
                }
                table.row(&[
                    json!(name),
                    json!(variables),
                    json!(kind),
                    json!(median(&times[0])),
                    json!(median(&times[1])),
                    json!(median(&ratios)),
                    json!(kept.forget(0)),
                ]);
            }
        }
    }
    Ok(table)
}

fn set(text: &str) -> Result<PolicySet> {
    let bundle = Bundle::new(Settings::default(), [("policy.rego".to_owned(), text.to_owned())]);
    policy::compile::compile(&bundle, Context::default()).map_err(|problems| anyhow::anyhow!(policy::list(&problems)))
}

fn body(turn: usize, variables: usize, is_same: bool) -> Vec<u8> {
    let of = if is_same { 0 } else { turn };
    let variable = |number: usize| {
        // The last one differs, as far from the start as can be.
        let value = if number + 1 == variables { of } else { 0 };
        json!({"name": format!("FEATURE_{number}_ENABLED"), "value": format!("https://features.example.test/v1/flags/{value}")})
    };
    let mut pod = pod(false);
    if let Some(metadata) = pod.pointer_mut("/metadata") {
        metadata["name"] = json!(format!("web-{turn}"));
    }
    if let Some(container) = pod.pointer_mut("/spec/containers/0") {
        container["env"] = Value::Array((0..variables).map(variable).collect());
    }
    review_bytes(&pod)
}

/// The mean over some time, in microseconds.
fn time(arguments: &Arguments, set: &PolicySet, bodies: &[Vec<u8>]) -> Result<f64> {
    let patience = Duration::from_millis(if arguments.quick { 0 } else { 200 });
    let (mut count, began) = (0_u32, Instant::now());
    for body in bodies.iter().cycle() {
        black_box(answered(set, body)?);
        count += 1;
        if count >= 5 && began.elapsed() > patience {
            break;
        }
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(count))
}
