//! `whynot policy build`: policies in, one checked bundle out.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::policy::Problem;
use engine::policy::bundle::Bundle;

use super::super::style::count;
use super::super::{Failed, Streams, files};
use super::inputs::{self, Inputs};
use super::{Output, json, report};
use crate::sources::{self, Note, Options};

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// The bundle to write; `-` for standard output. Without it policies are checked only.
    #[arg(short, long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to print the outcome.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What was built.
struct Built {
    bundle: Bundle,
    policies: usize,
    turned_off: usize,
    notes: Vec<Note>,
}

pub(super) fn run(args: &BuildArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let options = args.inputs.options()?;
    match build(&args.inputs, &options) {
        Ok(built) => {
            if let Some(out) = &args.out {
                files::write(out, &built.bundle.to_json(), streams)?;
            }
            report_success(args, &built, streams)
        }
        Err(problems) => {
            match args.output {
                Output::Json => {
                    let report = serde_json::json!({"ok": false, "problems": json(&args.inputs, &problems)});
                    print(args, &report.to_string(), streams)?;
                }
                Output::Text => report(&args.inputs, &problems, "nothing was written", streams)?,
            }
            Err(Failed::Reported)
        }
    }
}

fn build(given: &Inputs, options: &Options) -> Result<Built, Vec<Problem>> {
    let (sources, problems) = sources::survey(&given.paths, options);
    let bundle = inputs::bundle(&sources);
    let bundle = match bundle {
        Ok(bundle) if problems.is_empty() => bundle,
        _ => return Err(inputs::all_problems(&sources, problems)),
    };
    let policies = inputs::compiled(&sources, &bundle)?.policies().len();
    let turned_off = if bundle
        .settings
        .policies
        .values()
        .any(|entry| entry.enabled == Some(false))
    {
        let all = inputs::compiled(&sources, &inputs::all_on(&bundle))?.policies().len();
        all.saturating_sub(policies)
    } else {
        0
    };
    Ok(Built {
        bundle,
        policies,
        turned_off,
        notes: sources.notes,
    })
}

fn report_success(args: &BuildArgs, built: &Built, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let Built {
        bundle,
        policies,
        turned_off,
        notes,
    } = built;
    let text = match args.output {
        Output::Text => {
            for note in notes {
                writeln!(streams.err, "note: {}", args.inputs.note(note))?;
            }
            let off = if *turned_off == 0 {
                String::new()
            } else {
                format!(" ({turned_off} turned off)")
            };
            let written = match args.out.as_deref() {
                None => "nothing was written: no --out".to_owned(),
                Some(path) if path == Path::new("-") => "written to standard output".to_owned(),
                Some(path) => format!("written to {}", path.display()),
            };
            format!(
                "{}{off}, revision {}, {written}",
                count(*policies, "policy"),
                bundle.revision
            )
        }
        Output::Json => {
            let notes: Vec<_> = notes
                .iter()
                .map(|note| serde_json::json!({"file": note.file, "message": note.message}))
                .collect();
            serde_json::json!({
                "ok": true, "policies": policies, "turnedOff": turned_off, "revision": bundle.revision, "file": args.out,
                "notes": notes, "problems": [],
            })
            .to_string()
        }
    };
    print(args, &text, streams)
}

/// The outcome goes to standard output, unless the bundle does.
fn print(args: &BuildArgs, text: &str, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let to_out = args.out.as_deref() != Some(Path::new("-"));
    let stream = if to_out { &mut streams.out } else { &mut streams.err };
    Ok(writeln!(stream, "{text}")?)
}
