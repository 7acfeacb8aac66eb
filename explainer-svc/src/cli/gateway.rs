//! `whynot gateway`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::evaluate::{self, EvaluateArgs};
use super::server::{Administrator, Server, printable, report};
use super::style::count;
use super::{Failed, Looks, Streams};
use crate::gateway::Settings;
use crate::gateway::usage::UsageRow;

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Checks the gateway's file, with its keys, prices and policy, and says who is asked for what.
    Check {
        /// The file of `whynot serve --gateway`.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Measures how good models' words are with the prompts, on the cases of policies that are denied, and whether that is good
    /// enough.
    ///
    /// Exit code: 0 every model passed the thresholds, 1 one did not, or it could not be evaluated.
    ///
    /// Examples: whynot gateway evaluate gateway.yaml --policies policies --result evaluation.json
    ///           whynot gateway evaluate gateway.yaml --policies policies --model default --cases 50 --gate gate.yaml
    #[command(verbatim_doc_comment)]
    Evaluate(Box<EvaluateArgs>),
    /// Turns models off: none is asked, and no answer that is on its way is given. Words go on without them.
    Kill(SwitchArgs),
    /// Lets models be asked again.
    ///
    /// Exit code: 0 models are on, 1 they are still off: the file of --gateway-kill-file is there.
    Allow(SwitchArgs),
    /// Says whether models are off, and what was used and spent.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    administrator: Administrator,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// How the result looks.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    administrator: Administrator,
    /// The first day that is told about, in UTC. Default: the first of this month.
    #[arg(long, value_name = "DAY")]
    since: Option<jiff::civil::Date>,
    /// How the result looks.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Whether models are off, as the server says it.
#[derive(Debug, Serialize, Deserialize)]
struct Switch {
    off: bool,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Serialize)]
struct State {
    off: bool,
    since: String,
    usage: Vec<UsageRow>,
}

impl GatewayCommand {
    pub(crate) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Evaluate(args) => evaluate::run(*args, streams),
            Self::Check { file } => check(&file, streams),
            Self::Kill(args) => switch(&args, true, streams),
            Self::Allow(args) => switch(&args, false, streams),
            Self::Status(args) => status(&args, streams),
        }
    }
}

fn check(file: &Path, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let settings = Settings::load(file).map_err(|problem| Failed::Other(anyhow::anyhow!(problem)))?;
    let out = &mut streams.out;
    for route in settings.routes.values() {
        let default = if route.name == settings.default_route {
            " (default)"
        } else {
            ""
        };
        writeln!(out, "{}{default}", route.name)?;
        for target in &route.targets {
            let region = settings
                .providers
                .get(&target.provider)
                .map_or("", |provider| &provider.region);
            let price = settings.prices.of(&target.provider, &target.model);
            let price = if price.is_some() { "" } else { ", without a price" };
            writeln!(out, "  {}/{} in {region}{price}", target.provider, target.model)?;
        }
    }
    let (agents, budgets) = (settings.agents.len(), settings.budgets.len());
    writeln!(
        out,
        "{agents} agents, {budgets} budgets, prices as of {}",
        settings.prices.as_of
    )?;
    Ok(())
}

fn switch(args: &SwitchArgs, off: bool, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let token = args.administrator.token()?;
    let body = serde_json::to_vec(&Switch {
        off,
        reason: args.reason.clone(),
    })?;
    let posted = args.server.post("/v1/gateway/kill", &token, "application/json", &body);
    let now: Switch = posted.map_err(|unanswered| report(unanswered, streams))?;
    match args.output {
        Output::Json => writeln!(streams.out, "{}", serde_json::to_string(&now)?)?,
        Output::Text => writeln!(streams.out, "models are {}", word(now.off, streams.looks))?,
    }
    if now.off == off {
        return Ok(());
    }
    writeln!(
        streams.err,
        "error: models stay off as long as the server's --gateway-kill-file is there"
    )?;
    Err(Failed::Reported)
}

fn status(args: &StatusArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let token = args.administrator.token()?;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let since = args.since.unwrap_or_else(|| today.first_of_month()).to_string();
    let asked = args.server.get_as("/v1/gateway/kill", &token);
    let Switch { off, .. } = asked.map_err(|unanswered| report(unanswered, streams))?;
    let asked = args.server.get_as(&format!("/v1/gateway/usage?since={since}"), &token);
    let usage = asked.map_err(|unanswered| report(unanswered, streams))?;
    let state = State { off, since, usage };
    match args.output {
        Output::Json => writeln!(streams.out, "{}", serde_json::to_string_pretty(&state)?)?,
        Output::Text => print(&state, streams)?,
    }
    Ok(())
}

fn word(off: bool, looks: Looks) -> String {
    if off { looks.bad("off") } else { looks.good("on") }
}

/// By model, whoever asked: who wants more takes `--output json`.
fn print(state: &State, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let out = &mut streams.out;
    writeln!(out, "models are {}", word(state.off, streams.looks))?;
    if state.usage.is_empty() {
        writeln!(out, "nothing was used since {}", state.since)?;
        return Ok(());
    }
    let mut sums: std::collections::BTreeMap<(&str, &str, &str), [i64; 6]> = std::collections::BTreeMap::new();
    for row in &state.usage {
        let sum = sums.entry((&row.provider, &row.model, &row.agent)).or_default();
        let each = [
            row.requests,
            row.kept,
            row.input,
            row.output,
            row.nanodollars,
            row.unpriced,
        ];
        for (sum, value) in sum.iter_mut().zip(each) {
            *sum = sum.saturating_add(value);
        }
    }
    writeln!(out, "used since {}:", state.since)?;
    for ((provider, model, agent), [requests, kept, input, output, money, unpriced]) in sums {
        let requests = count(usize::try_from(requests).unwrap_or(0), "answer");
        let price = match (unpriced, money) {
            (0, money) => dollars(money),
            (unpriced, 0) => format!("{unpriced} without a price"),
            (unpriced, money) => format!("{}, and {unpriced} without a price", dollars(money)),
        };
        let name = printable(&format!("{provider}/{model} for {agent}"));
        writeln!(
            out,
            "  {name}: {requests} ({kept} kept), {input} + {output} tokens, {price}"
        )?;
    }
    Ok(())
}

/// Of billionths.
fn dollars(nano: i64) -> String {
    let cents = nano / 10_000_000;
    if cents == 0 && nano > 0 {
        return format!("${}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    }
    format!("${}.{:02}", cents / 100, cents % 100)
}
