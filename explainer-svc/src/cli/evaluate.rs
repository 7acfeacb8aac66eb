//! `whynot gateway evaluate`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{Failed, Streams};
use crate::assembly;
use crate::evaluation::{self, Gate, Plan};
use crate::sources::{self, Options};
use crate::words::Prompts;

#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// The file of `whynot serve --gateway`.
    #[arg(value_name = "FILE")]
    gateway: PathBuf,
    /// Policies with their cases; those that are denied are explained.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// The route whose models are evaluated; repeatable. The default route otherwise.
    #[arg(long, value_name = "ROUTE")]
    model: Vec<String>,
    /// The folder of the prompts, instead of those that come along.
    #[arg(long, value_name = "DIR")]
    prompts: Option<PathBuf>,
    /// How many denials: a sample that is always the same, spread over all cases.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// How long the model has for each.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..))]
    deadline_ms: u64,
    /// How many denials at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// For which denials a change is asked for, too: those that the engine found none for, or all.
    #[arg(long, value_enum, default_value_t = Changes::Needed)]
    changes: Changes,
    /// The thresholds (YAML), instead of those that come along.
    #[arg(long, value_name = "FILE")]
    gate: Option<PathBuf>,
    /// Writes what was found, for `releaseGate` in the gateway's file.
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// The folder for the books and the audit log of the evaluation; else they are thrown away.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// For which denials a change is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Changes {
    /// Those that the engine found none for, as in `whynot serve`.
    Needed,
    /// All: what the model can do.
    All,
}

/// For people, or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(super) fn run(args: EvaluateArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let gate = match &args.gate {
        None => Gate::parse(evaluation::gate::SHIPPED),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| Gate::parse(&text)),
    };
    let gate = gate.map_err(|problem| Failed::Usage(format!("--gate: {problem}")))?;
    let prompts = match &args.prompts {
        None => Prompts::shipped(),
        Some(folder) => Prompts::load(folder),
    };
    let prompts = prompts.map_err(|problem| Failed::Usage(format!("--prompts: {problem}")))?;
    let (temporary, state) = if let Some(folder) = args.state {
        (None, folder)
    } else {
        let folder = tempfile::tempdir()?;
        let path = folder.path().to_owned();
        (Some(folder), path)
    };
    let plan = Plan {
        gateway: args.gateway,
        routes: args.model,
        prompts,
        state,
        denials: denials(&args.policies, args.cases, streams)?,
        deadline: Duration::from_millis(args.deadline_ms),
        parallel: usize::from(args.parallel),
        all_changes: args.changes == Changes::All,
        gate,
    };
    let all = plan.denials.len();
    let shown = streams.looks.progress && args.output == Output::Text;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let err = &mut *streams.err;
    let evaluated = runtime.block_on(plan.evaluated(&mut |pair, done| {
        if shown {
            // A terminal that is gone is no reason to stop.
            let _ = write!(err, "\r\u{1b}[K{pair}: {done} of {all}").and_then(|()| err.flush());
        }
    }));
    if shown {
        let _ = write!(streams.err, "\r\u{1b}[K");
    }
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(temporary);
    let evaluated = evaluated?;
    let json = serde_json::to_string_pretty(&evaluated)?;
    if let Some(path) = &args.result {
        std::fs::write(path, format!("{json}\n")).with_context(|| path.display().to_string())?;
    }
    match args.output {
        Output::Text => evaluation::report(streams.out, streams.looks, &evaluated)?,
        Output::Json => writeln!(streams.out, "{json}")?,
    }
    if evaluated.pairs.iter().all(|pair| pair.passed) {
        Ok(())
    } else {
        Err(Failed::Reported)
    }
}

fn denials(paths: &[PathBuf], wanted: u32, streams: &mut Streams<'_>) -> Result<Vec<assembly::Denial>, Failed> {
    if let Some(path) = paths.iter().find(|path| !path.exists()) {
        return Err(Failed::Usage(format!("--policies: {} does not exist", path.display())));
    }
    let read = sources::read(paths, &Options::default()).and_then(|sources| {
        let bundle = assembly::bundle(&sources)?;
        assembly::denials(&sources, &bundle)
    });
    let all = match read {
        Ok(all) => all,
        Err(problems) => {
            for problem in &problems {
                writeln!(streams.err, "{}", assembly::line(paths, problem))?;
            }
            return Err(Failed::Reported);
        }
    };
    if all.is_empty() {
        return Err(Failed::Usage(
            "--policies: there are no cases that are denied".to_owned(),
        ));
    }
    Ok(evaluation::sampled(&all, usize::try_from(wanted).unwrap_or(usize::MAX)))
}
