//! The `whynot` binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use explainer_svc::cli::{Cli, Looks, Streams};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout();
    let mut err = std::io::stderr();
    cli.run(&mut Streams {
        out: &mut out,
        err: &mut err,
        looks: Looks::detect(),
    })
}
