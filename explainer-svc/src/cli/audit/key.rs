//! `whynot audit key`.

use std::path::PathBuf;

use clap::Args;

use super::{Failed, Streams};
use crate::audit::Key;

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The file of the private key.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Makes a new key of this name; the file must not be there.
    #[arg(long, value_name = "NAME", value_parser = crate::audit::origin)]
    new: Option<String>,
    /// Prints the public key of a witness; the one of a log when not said.
    #[arg(long)]
    witness: bool,
}

pub(crate) fn run(args: &KeyArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let key = match &args.new {
        Some(name) => {
            let key = Key::generate(name)?;
            if args.witness {
                key.write(&args.file)?;
            } else {
                key.make(&args.file)?;
            }
            key
        }
        None => Key::read(&args.file)?,
    };
    if args.witness {
        writeln!(streams.out, "{}", key.cosigner()?)?;
    } else {
        writeln!(streams.out, "{}", key.public().text())?;
    }
    Ok(())
}
