//! `whynot policy inspect`: what was found, and how it will be applied.

mod survey;
mod text;

use clap::Args;

use self::survey::Survey;
use super::super::{Failed, Streams};
use super::Output;
use super::inputs::Inputs;
use crate::sources;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(args: &InspectArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let options = args.inputs.options()?;
    let (sources, problems) = sources::survey(&args.inputs.paths, &options);
    let survey = Survey::new(&args.inputs, &sources, problems);
    match args.output {
        Output::Text => text::print(&survey, streams)?,
        Output::Json => writeln!(streams.out, "{}", serde_json::to_string_pretty(&survey)?)?,
    }
    if survey.ok { Ok(()) } else { Err(Failed::Reported) }
}
