//! `whynot policy`: a folder of policies in, one checked bundle out.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use engine::context::Context;
use engine::policy::Problem;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::policy::settings::Settings;

use super::{Failed, Streams, files};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Checks every policy of a folder and writes them as one bundle.
    ///
    /// Takes every *.rego file under DIR except *_test.rego, and DIR/policy-set.yaml when there is one. All problems are
    /// printed at once, with file and line, and then nothing is written.
    Build(BuildArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The folder of the policies.
    dir: PathBuf,
    /// The bundle to write; `-` for standard output.
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
    /// How to print the outcome.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl PolicyCommand {
    pub(crate) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Build(args) => build(&args, streams),
        }
    }
}

fn build(args: &BuildArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    if !args.dir.is_dir() {
        return Err(Failed::Usage(format!(
            "{} is not a folder; name the folder of the policies",
            args.dir.display()
        )));
    }
    match checked_bundle(&args.dir) {
        Ok((bundle, policies)) => {
            files::write(&args.out, &bundle.to_json(), streams)?;
            report_success(args, &bundle, policies, streams)
        }
        Err(problems) => {
            report_problems(args, &problems, streams)?;
            Err(Failed::Reported)
        }
    }
}

/// Reads, bundles and compiles; the second value is the number of policies that are turned on.
fn checked_bundle(dir: &Path) -> Result<(Bundle, usize), Vec<Problem>> {
    let sources = Sources::read(dir)?;
    let bundle = Bundle::from_parts(sources.settings.as_deref(), sources.policies)?;
    let set = compile(&bundle, Context::default())?;
    Ok((bundle, set.policies().len()))
}

/// The files of a folder that make a bundle.
struct Sources {
    settings: Option<String>,
    policies: Vec<(String, String)>,
}

impl Sources {
    fn read(dir: &Path) -> Result<Self, Vec<Problem>> {
        let mut paths = Vec::new();
        let mut problems = Vec::new();
        collect(dir, dir, &mut paths, &mut problems);
        paths.sort();

        let mut policies = Vec::new();
        for path in paths {
            let name = relative(dir, &path);
            match std::fs::read_to_string(&path) {
                Ok(text) => policies.push((name, text)),
                Err(error) => problems.push(Problem::at(&name, 0, format!("cannot be read: {error}"))),
            }
        }
        if policies.is_empty() && problems.is_empty() {
            let hint = "no policy found: expected at least one *.rego file that is not a *_test.rego";
            problems.push(Problem::at("", 0, hint));
        }
        let settings = match std::fs::read_to_string(dir.join(Settings::FILE)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                problems.push(Problem::at(Settings::FILE, 0, format!("cannot be read: {error}")));
                None
            }
        };
        if problems.is_empty() {
            Ok(Self { settings, policies })
        } else {
            Err(problems)
        }
    }
}

/// Every policy file under `dir`. Hidden entries and symbolic links to folders are passed over: neither is part of a library,
/// and a link may lead in a circle.
fn collect(root: &Path, dir: &Path, paths: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let entries = match std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(Problem::at(&relative(root, dir), 0, format!("cannot be read: {error}")));
            return;
        }
    };
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(root, &path, paths, problems);
        } else if path.extension().is_some_and(|extension| extension == "rego") && !name.ends_with("_test.rego") {
            paths.push(path);
        }
    }
}

/// The path under `dir`, with `/` between its parts on every system: it is part of the revision.
fn relative(dir: &Path, path: &Path) -> String {
    let below = path.strip_prefix(dir).unwrap_or(path);
    below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

fn report_success(args: &BuildArgs, bundle: &Bundle, policies: usize, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let off = bundle.files.len().saturating_sub(policies);
    let text = match args.output {
        Output::Text => {
            let noun = if policies == 1 { "policy" } else { "policies" };
            let off = if off == 0 { String::new() } else { format!(" ({off} turned off)") };
            let path = args.out.display().to_string();
            let path = if path == "-" { "standard output" } else { &path };
            let revision = &bundle.revision;
            format!("{policies} {noun}{off}, revision {revision}, written to {path}")
        }
        Output::Json => serde_json::json!({
            "ok": true, "policies": policies, "turnedOff": off, "revision": bundle.revision, "file": args.out, "problems": [],
        })
        .to_string(),
    };
    print(args, &text, streams)
}

fn report_problems(args: &BuildArgs, problems: &[Problem], streams: &mut Streams<'_>) -> Result<(), Failed> {
    match args.output {
        Output::Json => {
            let problems: Vec<_> = problems
                .iter()
                .map(|problem| serde_json::json!({"file": problem.file, "line": problem.line, "message": problem.message}))
                .collect();
            print(
                args,
                &serde_json::json!({"ok": false, "problems": problems}).to_string(),
                streams,
            )
        }
        Output::Text => {
            for Problem { file, line, message } in problems {
                // With the folder in front: a path that can be opened from here.
                let path = if file.is_empty() {
                    args.dir.clone()
                } else {
                    args.dir.join(file)
                };
                let line = if *line == 0 { String::new() } else { format!(":{line}") };
                writeln!(streams.err, "{}{line}: {message}", path.display())?;
            }
            let noun = if problems.len() == 1 { "problem" } else { "problems" };
            writeln!(streams.err, "error: {} {noun}; nothing was written", problems.len())?;
            Ok(())
        }
    }
}

/// The outcome goes to standard output, unless the bundle does.
fn print(args: &BuildArgs, text: &str, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let stream = if args.out == Path::new("-") {
        &mut streams.err
    } else {
        &mut streams.out
    };
    Ok(writeln!(stream, "{text}")?)
}
