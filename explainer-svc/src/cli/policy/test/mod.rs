//! `whynot policy test`: policies' tests in Rego, and their cases in YAML.

mod junit;
mod report;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::super::{Failed, Streams};
use super::inputs::{self, Inputs};
use crate::assembly::{Coverage, Filter, Outcome, Test, Trial};
use crate::sources;

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// Only tests whose name contains this, or matches it as a regular expression.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How to print the results.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Also which lines of Rego no Rego test ran. Cases do not count.
    #[arg(long)]
    coverage: bool,
    /// Fails when the coverage of all files together is below this, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    threshold: Option<u8>,
    /// Also names the tests that passed.
    #[arg(short, long)]
    verbose: bool,
}

/// For people, or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
    /// As most systems of continuous integration read it.
    Junit,
}

/// All that came out.
#[derive(Debug)]
struct Results {
    tests: Vec<Test>,
    coverage: Option<Coverage>,
    time: Duration,
}

impl Results {
    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.tests.iter().filter(|test| of(&test.outcome)).count()
    }

    fn passed(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Passed)
    }

    /// Broken ones too.
    fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Broken(_)))
    }

    fn skipped(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Skipped)
    }

    /// What the coverage is below of.
    fn too_low(&self, threshold: Option<u8>) -> Option<u8> {
        let percent = self.coverage.as_ref()?.percent();
        threshold.filter(|threshold| percent < usize::from(*threshold))
    }
}

/// The line on the terminal that says what is being done.
struct Progress<'s, 'w> {
    streams: &'s mut Streams<'w>,
    done: usize,
    shown: bool,
}

impl Progress<'_, '_> {
    /// Shorter than most terminals: what breaks into a second line is not written over.
    const WIDTH: usize = 70;

    fn step(&mut self, name: &str) {
        self.done += 1;
        if !self.shown {
            return;
        }
        let name: String = name.chars().take(Self::WIDTH).collect();
        // A terminal that is gone is no reason to stop.
        let _ = write!(self.streams.err, "\r\u{1b}[K{} {name}", self.done);
        let _ = self.streams.err.flush();
    }

    fn end(self) {
        if self.shown {
            let _ = write!(self.streams.err, "\r\u{1b}[K");
            let _ = self.streams.err.flush();
        }
    }
}

pub(super) fn run(args: &TestArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let options = args.inputs.options()?;
    let start = Instant::now();
    let shown = streams.looks.progress && args.output == Output::Text;
    let read = sources::read(&args.inputs.paths, &options).and_then(|sources| {
        let bundle = inputs::bundle(&sources)?;
        Ok((sources, bundle))
    });
    let ran = read.and_then(|(sources, bundle)| {
        let mut progress = Progress {
            streams: &mut *streams,
            done: 0,
            shown,
        };
        let filter = Filter::new(args.filter.as_deref());
        let ran = Trial {
            filter: &filter,
            located: &|file| args.inputs.located(file),
            step: &mut |name| progress.step(name),
        }
        .run(&sources, &bundle);
        progress.end();
        ran
    });
    let (tests, coverage) = match ran {
        Ok(ran) => ran,
        Err(problems) => {
            match args.output {
                Output::Json => report::unreadable(&args.inputs, &problems, streams)?,
                Output::Text | Output::Junit => super::report(&args.inputs, &problems, "nothing was tested", streams)?,
            }
            return Err(Failed::Unreadable);
        }
    };
    if let (true, Some(filter)) = (tests.is_empty(), &args.filter) {
        return Err(Failed::Usage(format!("--filter {filter:?} matches no test")));
    }
    let results = Results {
        tests,
        coverage: (args.coverage || args.threshold.is_some()).then_some(coverage),
        time: start.elapsed(),
    };
    match args.output {
        Output::Text => report::text(args, &results, streams)?,
        Output::Json => report::json(args, &results, streams)?,
        Output::Junit => junit::write(&results, streams)?,
    }
    let too_low = results.too_low(args.threshold);
    if let (Output::Junit, Some(threshold)) = (args.output, too_low) {
        // The format has no place for it.
        let percent = results.coverage.as_ref().map_or(0, Coverage::percent);
        writeln!(
            streams.err,
            "error: coverage is {percent}%, below the threshold of {threshold}%"
        )?;
    }
    if results.failed() == 0 && too_low.is_none() {
        Ok(())
    } else {
        Err(Failed::Reported)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Looks;
    use super::*;

    fn shown(shown: bool) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams {
            out: &mut out,
            err: &mut err,
            looks: Looks::default(),
        };
        let mut progress = Progress {
            streams: &mut streams,
            done: 0,
            shown,
        };
        progress.step("a");
        progress.end();
        assert!(out.is_empty());
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn progress_is_for_terminals_and_leaves_nothing_behind() {
        assert_eq!(shown(false), "");
        assert_eq!(shown(true), "\r\u{1b}[K1 a\r\u{1b}[K");
    }
}
