//! `just bench`: what the filter costs, against Envoy without it, and against Gatekeeper and OPA with the same policies.
//!
//! What is compared runs in turn within each round, so that a machine that slows down slows down all of it; ratios are taken
//! within a round, and the median of them is reported.

mod contenders;
mod five;
mod fixes;
mod gateway;
mod load;
mod matching;
mod memory;
mod native;
mod provider;
mod raw;
mod repeats;
mod report;
mod reviews;
mod servers;
mod sets;
mod swap;
mod wasm;
mod words;

use std::{
    fs,
    io::{self, Write as _},
    num::NonZero,
    path::PathBuf,
    thread,
};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use contenders::Kind;
use report::Table;

/// What is measured. All of it by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Bytes to answer in this process: numbers of policies, sizes of reviews.
    Native,
    /// Bytes to verdict against OPA's bytes to result, one thread each, the five policies.
    Raw,
    /// Envoy with and without the filter, Gatekeeper and OPA under the same load.
    Servers,
    /// Bytes to answer in this process against the same in Envoy's V8, the five policies.
    Wasm,
    /// 1,000 policies of which 10 concern the request, against the 10 alone, in Envoy.
    Matching,
    /// The same Pod again and again, with what is kept from one review to the next and without.
    Repeats,
    /// The search for a fix of a denied Pod, 20 policies, in this process.
    Fixes,
    /// Resident memory of Envoy.
    Memory,
    /// Policies that are swapped under load.
    Swap,
    /// The gateway to models beside `LiteLLM`'s proxy, before a provider that answers at once.
    Gateway,
    /// Denials while a small real model writes about them: some ten seconds for each.
    Words,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Raw => "raw",
            Self::Servers => "servers",
            Self::Wasm => "wasm",
            Self::Matching => "matching",
            Self::Repeats => "repeats",
            Self::Fixes => "fixes",
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Gateway => "gateway",
            Self::Words => "words",
        }
    }
}

/// Measures the filter, and what it is compared with.
#[derive(Parser)]
struct Arguments {
    /// What to measure.
    scenarios: Vec<Scenario>,
    /// A smoke test: everything runs, nothing long enough to mean something.
    #[arg(long)]
    quick: bool,
    /// How often everything that is compared runs in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each load runs, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// How many threads each server may use at once; as many as there are cores by default.
    #[arg(long)]
    workers: Option<u32>,
    /// What runs in `servers`.
    #[arg(long, value_delimiter = ',', default_values_t = Kind::ALL)]
    contenders: Vec<Kind>,
    /// How many requests `memory` sends: 200000 shows a leak that a smaller number does not.
    #[arg(long, default_value_t = 20_000)]
    requests: u64,
    /// How many denials a model writes about in `words`.
    #[arg(long, default_value_t = 200)]
    denials: usize,
    /// A folder of policies (`whynot policy build`) instead of the library's five; build/bench/five has the templates.
    #[arg(long)]
    policies: Option<PathBuf>,
    /// The folder with the same five as templates and constraints of Gatekeeper.
    #[arg(long, default_value = "wasm-tests/fixtures/gatekeeper")]
    gatekeeper_policies: PathBuf,
    /// Where the figures go, as JSON, one file for each scenario.
    #[arg(long, default_value = "build/bench")]
    output: PathBuf,
}

impl Arguments {
    fn workers(&self) -> u32 {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        self.workers.unwrap_or_else(|| u32::try_from(cores()).unwrap_or(1))
    }
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.quick {
        (arguments.rounds, arguments.seconds, arguments.requests) = (1, 1, 200);
    }
    if arguments.scenarios.is_empty() {
        arguments.scenarios = Scenario::value_variants().to_vec();
    }
    fs::create_dir_all(&arguments.output).with_context(|| arguments.output.display().to_string())?;
    arguments.output = fs::canonicalize(&arguments.output)?;
    five::Gatekeeper::read(&arguments.gatekeeper_policies)?.write(&arguments.output)?;
    for scenario in arguments.scenarios.clone() {
        let table = match scenario {
            Scenario::Native => native::run(&arguments)?,
            Scenario::Raw => raw::run(&arguments)?,
            Scenario::Servers => servers::run(&arguments)?,
            Scenario::Wasm => wasm::run(&arguments)?,
            Scenario::Matching => matching::run(&arguments)?,
            Scenario::Repeats => repeats::run(&arguments)?,
            Scenario::Fixes => fixes::run(&arguments)?,
            Scenario::Memory => memory::run(&arguments)?,
            Scenario::Swap => swap::run(&arguments)?,
            Scenario::Gateway => gateway::run(&arguments)?,
            Scenario::Words => words::run(&arguments)?,
        };
        finish(&arguments, scenario, &table)?;
    }
    Ok(())
}

fn finish(arguments: &Arguments, scenario: Scenario, table: &Table) -> Result<()> {
    let file = arguments.output.join(format!("{}.json", scenario.name()));
    fs::write(&file, serde_json::to_vec_pretty(&table.to_json(scenario.name()))?)?;
    let mut out = io::stdout().lock();
    table.print(&mut out)?;
    writeln!(out, "As JSON: {}\n", file.display())?;
    Ok(())
}

/// What is being done, for whoever waits.
fn say(what: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "  - {what}");
}
