//! `whynot audit witness`: remembers on its own disk what a log was, and signs only what goes on from there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::remote::Remote;
use super::{Failed, PublicKey, Streams, public_key};
use crate::audit::witness::{Seen, look};
use crate::audit::{Key, SignedCheckpoint, write_durably};

#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    /// Where the log is: the address under which `checkpoint` and `tile/` are, for example `https://whynot.example.com/audit`.
    #[arg(long, value_name = "URL")]
    log: String,
    /// The log's public key, or a file with it.
    #[arg(long, value_name = "KEY|FILE", value_parser = public_key)]
    public_key: PublicKey,
    /// The witness's own key, as `whynot audit key FILE --new NAME` makes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What it remembers: the last checkpoint, cosigned. Give it to `whynot audit verify --checkpoint`.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// Looks once.
    #[arg(long)]
    once: bool,
}

/// How a look ended.
enum Looked {
    Well(String),
    /// Worth trying again.
    Unclear(String),
    /// Evidence was kept.
    Forked(String),
}

pub(crate) fn run(args: &WitnessArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let key = Key::read(&args.key)?;
    let log = Remote::new(&args.log);
    let evidence = evidence(&args.state);
    let err = &mut *streams.err;
    loop {
        if evidence.exists() {
            return Err(anyhow::anyhow!(
                "this log was forked: {} has both checkpoints. Nothing is cosigned until a person has moved that file away",
                evidence.display()
            )
            .into());
        }
        let looked = look_once(args, &key, &log)?;
        let now = jiff::Timestamp::now();
        match &looked {
            Looked::Well(text) => writeln!(err, "{now:.0} {text}")?,
            Looked::Unclear(text) => writeln!(err, "{now:.0} ALARM: {text}")?,
            Looked::Forked(text) => {
                return Err(anyhow::anyhow!(
                    "THE LOG WAS FORKED: {text}. Both signed checkpoints are in {}: that is proof against the holder of the key",
                    evidence.display()
                )
                .into());
            }
        }
        if args.once {
            return match looked {
                Looked::Well(_) => Ok(()),
                Looked::Unclear(_) | Looked::Forked(_) => Err(Failed::Reported),
            };
        }
        std::thread::sleep(Duration::from_secs(args.every));
    }
}

fn look_once(args: &WitnessArgs, key: &Key, log: &Remote) -> Result<Looked, Failed> {
    let remembered = remembered(&args.state, &args.public_key)?;
    let note = match log.checkpoint() {
        Ok(note) => note,
        Err(error) => return Ok(Looked::Unclear(error)),
    };
    let now = match SignedCheckpoint::open(&note, &args.public_key) {
        Ok(now) => now,
        Err(error) => return Ok(Looked::Unclear(format!("{}/checkpoint: {error}", args.log))),
    };
    let size = now.checkpoint.size;
    let text = match look(remembered.as_ref(), &now, log) {
        Seen::First => format!("{size} leaves, seen for the first time"),
        Seen::Same => format!("{size} leaves, as before"),
        Seen::Grown { from } => format!("{size} leaves, {} more, and the first {from} are the same", size - from),
        Seen::Back(text) => return Ok(Looked::Unclear(text)),
        Seen::Unclear(text) => return Ok(Looked::Unclear(log.failed().unwrap_or(text))),
        Seen::Forked(text) => {
            let before = remembered.as_ref().map_or("", SignedCheckpoint::note);
            write_durably(&evidence(&args.state), format!("{before}\n{}", now.note()).as_bytes())?;
            return Ok(Looked::Forked(text));
        }
    };
    let seconds = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    let cosigned = now.cosign(key, &args.public_key, seconds)?;
    // Remembered before anybody sees the signature: a witness that forgets could sign a fork.
    write_durably(&args.state, cosigned.note().as_bytes())?;
    Ok(Looked::Well(text))
}

/// What was seen last; refuses a file that is not it, rather than to begin anew.
fn remembered(state: &Path, log: &PublicKey) -> Result<Option<SignedCheckpoint>, Failed> {
    match std::fs::read(state) {
        Ok(note) => {
            let signed = SignedCheckpoint::open(&note, log);
            Ok(Some(
                signed.map_err(|error| anyhow::anyhow!("{}: {error}", state.display()))?,
            ))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow::anyhow!("cannot read {}: {error}", state.display()).into()),
    }
}

fn evidence(state: &Path) -> PathBuf {
    state.with_extension("fork")
}
