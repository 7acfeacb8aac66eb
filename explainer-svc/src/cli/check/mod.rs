//! `whynot check`: before the deploy what admission says after it.
//!
//! ```text
//! files -> yaml (documents with places) -> objects -> surroundings (a review) -> judge (the engine) -> report
//!                                                                                      +-> repair (changed files)
//! ```
//!
//! Verdicts and words are the engine's, from the review's bytes on, as in Envoy.

mod again;
mod diff;
mod files;
mod judge;
mod kinds;
mod mask;
mod objects;
mod policies;
mod progress;
pub(super) mod remote;
mod repair;
mod report;
mod surroundings;
mod work;
mod yaml;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use self::again::Again;
use self::judge::{Checked, FailOn, Wanted};
use self::policies::{Loaded, PolicyArgs};
use self::progress::Progress;
use self::repair::FixArgs;
use self::report::{Output, Report};
use self::surroundings::{Asking, Surroundings};
use self::work::{Outcome, Setup, Trouble};
use super::{Failed, Streams};

/// The arguments of `whynot check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A file, a folder, or `-` for standard input; repeatable. Default: standard input, when it is no terminal.
    ///
    /// Read are YAML and JSON with any number of documents, lists, and `AdmissionReview`s, whose operation, old object and
    /// user count. In folders, files that end in .yaml, .yml and .json are read, also in folders below.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    policies: PolicyArgs,
    /// The namespace of objects that name none.
    #[arg(
        short,
        long,
        value_name = "NAME",
        default_value = "default",
        help_heading = "What policies know"
    )]
    namespace: String,
    /// Namespaces as objects, for what policies ask of their labels and annotations; repeatable.
    ///
    /// Namespaces and definitions of custom resources among the objects that are checked count too, as they would when all are applied.
    #[arg(long, value_name = "FILE", help_heading = "What policies know")]
    namespace_file: Vec<PathBuf>,
    /// Objects of the cluster, for policies that read data.inventory; repeatable.
    #[arg(long, value_name = "FILE", help_heading = "What policies know")]
    inventory: Vec<PathBuf>,
    /// Who asks, for policies that read the user.
    #[arg(
        long = "as",
        value_name = "USER",
        default_value = "whynot:check",
        help_heading = "What policies know"
    )]
    user: String,
    /// A group of who asks; repeatable.
    #[arg(
        long = "as-group",
        value_name = "GROUP",
        default_value = "system:authenticated",
        help_heading = "What policies know"
    )]
    groups: Vec<String>,
    /// How to print the results.
    #[arg(short, long, value_enum, default_value_t = Output::Text, help_heading = "Results")]
    output: Output,
    /// Also the changes that make objects pass, as unified diffs.
    #[arg(long, help_heading = "Results")]
    diff: bool,
    /// What counts as a violation.
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = FailOn::Deny, help_heading = "Results")]
    fail_on: FailOn,
    #[command(flatten)]
    fix: FixArgs,
}

/// What came of all files.
#[derive(Default)]
struct Found {
    checked: Vec<Checked>,
    troubles: Vec<Trouble>,
}

/// Checks, and exits with 2 for whatever kept it from telling.
pub(crate) fn run(args: &CheckArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    check(args, streams).map_err(|failed| match failed {
        Failed::Other(error) => Failed::Usage(format!("{error:#}")),
        known => known,
    })
}

fn check(args: &CheckArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let start = Instant::now();
    let named = named(args)?;
    args.fix.check(&named)?;
    let Loaded { bundle, context } = args.policies.load(streams)?;
    let mut surroundings = Surroundings::new(context, &args.namespace_file, &args.inventory)?;
    let sources = files::sources(&named)?;
    let teachers = sources
        .iter()
        .enumerate()
        .filter(|(_, source)| surroundings.learn(source));
    let teachers: BTreeSet<usize> = teachers.map(|(index, _)| index).collect();
    let set = args.policies.compiled(&bundle, surroundings.context.clone(), streams)?;
    let programs = matches!(args.output, Output::Json | Output::Sarif);
    let setup = Setup {
        bundle,
        set,
        surroundings,
        asking: Asking {
            namespace: args.namespace.clone(),
            user: args.user.clone(),
            groups: args.groups.clone(),
        },
        wanted: Wanted {
            fail_on: args.fail_on,
            each: programs,
            diffs: programs || args.diff,
        },
        again: Again::of_this_process(teachers),
    };
    let mut found = all(&setup, &sources, args.output, streams)?;
    let report = Report {
        checked: &found.checked,
        troubles: &found.troubles,
        files: sources.len(),
        revision: setup.set.revision(),
        policies: setup.set.policies(),
        fail_on: args.fail_on,
        diffs: args.diff,
        time: start.elapsed(),
    };
    let text = report.render(args.output, streams.looks)?;
    // What is made of standard input goes to standard output.
    let is_piped = args.fix.is_wanted() && sources.iter().any(|source| source.path().is_none());
    let stream = if is_piped { &mut streams.err } else { &mut streams.out };
    stream.write_all(text.as_bytes())?;
    stream.flush()?;
    if args.output == Output::Text {
        for trouble in &found.troubles {
            writeln!(streams.err, "{}", line(trouble))?;
        }
    }
    let fixed = args.fix.run(&sources, &found.checked, streams)?;
    found.troubles.extend(fixed.troubles);
    let is_broken = |checked: &Checked| !checked.failures.is_empty();
    if !found.troubles.is_empty() || found.checked.iter().any(is_broken) {
        return Err(Failed::Unreadable);
    }
    let mut left = found.checked.iter().enumerate();
    if left.any(|(index, checked)| checked.is_bad(args.fail_on) && !fixed.whole.contains(&index)) {
        return Err(Failed::Reported);
    }
    Ok(())
}

/// What is to be checked.
fn named(args: &CheckArgs) -> Result<Vec<PathBuf>, Failed> {
    if !args.files.is_empty() {
        return Ok(args.files.clone());
    }
    if std::io::stdin().is_terminal() {
        let text = "nothing to check: name files with -f, or pipe objects into it".to_owned();
        return Err(Failed::Usage(text));
    }
    Ok(vec![Path::new("-").to_owned()])
}

fn all(setup: &Setup, sources: &[files::Source], output: Output, streams: &mut Streams<'_>) -> Result<Found, Failed> {
    let mut found = Found::default();
    let mut progress = Progress::new(sources.len(), streams);
    let (mut done, mut notes) = (0, Vec::new());
    let (mut is_empty, mut has_empty_list) = (true, false);
    work::run(setup, sources, |outcome| {
        is_empty &= matches!(outcome, Outcome::FileDone);
        match outcome {
            Outcome::Checked(checked) => found.checked.push(*checked),
            Outcome::Wrong(trouble) => found.troubles.push(trouble),
            Outcome::Passed(note) => notes.push(note),
            Outcome::EmptyList(note) => {
                has_empty_list = true;
                notes.push(note);
            }
            Outcome::FileDone => {
                // In folders, a template that made nothing leaves such a file.
                let source = sources.get(done).filter(|source| is_empty && !source.is_found);
                found.troubles.extend(source.map(nothing));
                (is_empty, done) = (true, done + 1);
            }
        }
        progress.files(done, found.checked.len(), streams);
    })?;
    progress.end(streams);
    for checked in &found.checked {
        for failure in &checked.failures {
            found.troubles.push(Trouble {
                file: checked.place.file.to_string(),
                line: checked.place.line,
                column: 0,
                message: format!(
                    "{}: policy {} could not be evaluated: {}",
                    checked.subject, failure.policy, failure.detail
                ),
            });
        }
    }
    if output == Output::Text {
        for note in &notes {
            writeln!(streams.err, "note: {}", line(note))?;
        }
    }
    if found.checked.is_empty() && found.troubles.is_empty() && !has_empty_list {
        return Err(Failed::Usage(format!(
            "there is nothing to check in what was named: {EXPECTED}"
        )));
    }
    Ok(found)
}

/// What should have been there.
const EXPECTED: &str = "expected objects of Kubernetes in YAML or JSON";

/// Of a source in which nothing is: mostly something went wrong before.
fn nothing(source: &files::Source) -> Trouble {
    let what = if source.is_empty() {
        "is empty"
    } else {
        "has only comments and empty documents"
    };
    let message = match source.path() {
        Some(_) => format!("{what}: {EXPECTED}"),
        None => format!("standard input {what}: {EXPECTED}, as `helm template` and `kustomize build` print them"),
    };
    Trouble {
        file: source.name.to_string(),
        line: 0,
        column: 0,
        message,
    }
}

/// `file:line:column: message`, as far as the place is known.
fn line(trouble: &Trouble) -> String {
    let Trouble {
        file,
        line,
        column,
        message,
    } = trouble;
    match (line, column) {
        (0, _) => format!("{file}: {message}"),
        (line, 0) => format!("{file}:{line}: {message}"),
        (line, column) => format!("{file}:{line}:{column}: {message}"),
    }
}
