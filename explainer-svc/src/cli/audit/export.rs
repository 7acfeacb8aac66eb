//! `whynot audit export`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::{Failed, Progress, PublicKey, Streams, block_on, checkpoint_beside, key_of, public_key};
use crate::audit::{Error, SignedCheckpoint, export};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The log's database; it may be in use.
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// The checkpoint up to which leaves are exported. Default: the .checkpoint beside the database.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The log's public key, or a file with it. Default: the one of the .key beside the database.
    #[arg(long, value_name = "KEY|FILE", value_parser = public_key)]
    public_key: Option<PublicKey>,
    /// The file to write; - for standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

pub(crate) fn run(args: &ExportArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let key = key_of(args.public_key.as_ref(), &args.database)?;
    let file = args
        .checkpoint
        .clone()
        .unwrap_or_else(|| checkpoint_beside(&args.database));
    let note = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let signed = SignedCheckpoint::open(&note, &key)?;
    let mut progress = Progress::new(streams);
    let err = &mut *streams.err;
    let mut told = |done: u64, of: u64| progress.show(err, &format!("{done} of {of} leaves"));
    if args.output == Path::new("-") {
        let mut out = std::io::BufWriter::new(&mut *streams.out);
        let exported = block_on(export(&args.database, &key, &signed, &mut out, &mut told))?;
        match exported.and_then(|()| {
            out.flush().map_err(|source| Error::File {
                path: "the export".to_owned(),
                source,
            })
        }) {
            // Nobody reads on: there is nobody to tell either. The exit code says that it is not whole.
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
                return Err(Failed::Reported);
            }
            exported => exported?,
        }
    } else {
        // Under its own name only when it is whole.
        let staged = args.output.with_extension("new");
        let create = || std::fs::File::create(&staged).map(std::io::BufWriter::new);
        let mut out = create().with_context(|| format!("cannot write {}", staged.display()))?;
        block_on(export(&args.database, &key, &signed, &mut out, &mut told))??;
        let written = out.flush().and_then(|()| std::fs::rename(&staged, &args.output));
        written.with_context(|| format!("cannot write {}", args.output.display()))?;
    }
    progress.end(&mut *streams.err);
    Ok(())
}
