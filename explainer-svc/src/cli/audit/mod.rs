//! `whynot audit`: checks, exports and watches an audit log. Nothing here writes to one.

mod export;
mod key;
mod remote;
mod verify;
mod witness;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failed, Streams};
use crate::audit::{Key, PublicKey};

/// The commands for the audit log.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Checks a log without the service that wrote it: signature, every leaf, the whole tree, payloads, order.
    ///
    /// Exit code: 0 all of it is as it was signed, 1 it is not, 2 it could not be checked.
    ///
    /// Examples: whynot audit verify --database audit.db
    ///           whynot audit verify --export audit.jsonl --public-key log.pub --checkpoint witness.checkpoint
    ///           curl -s localhost:8080/v1/audit/proof?index=7 | whynot audit verify --proof - --public-key log.pub
    #[command(verbatim_doc_comment)]
    Verify(Box<verify::VerifyArgs>),
    /// Writes a log into one file that can be checked without a database: JSON lines, the checkpoint, the public key.
    Export(export::ExportArgs),
    /// Watches a log: checks that it only grows, cosigns its checkpoints and remembers them; says loudly when it was forked.
    ///
    /// Run it where the log's owner cannot reach what it remembers. Exit code: 0 ended or, with --once, all is well; 1 the log was
    /// forked or set back, or it could not be read with --once.
    Witness(witness::WitnessArgs),
    /// Prints the public key of a log's or a witness's key, or makes a new key.
    Key(key::KeyArgs),
}

impl AuditCommand {
    pub(super) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Verify(args) => verify::run(&args, streams),
            Self::Export(args) => export::run(&args, streams),
            Self::Witness(args) => witness::run(&args, streams),
            Self::Key(args) => key::run(&args, streams),
        }
    }
}

/// A public key, or the file that has it.
pub(super) fn public_key(text: &str) -> Result<PublicKey, String> {
    let wrong = match PublicKey::parse(text) {
        Ok(key) => return Ok(key),
        Err(wrong) => wrong,
    };
    if text.contains('+') || !Path::new(text).exists() {
        return Err(wrong);
    }
    let content = std::fs::read_to_string(text).map_err(|error| format!("cannot read {text}: {error}"))?;
    PublicKey::parse(&content).map_err(|wrong| format!("{text}: {wrong}"))
}

/// The public key that was named, else the one of the key beside the database.
pub(super) fn key_of(named: Option<&PublicKey>, database: &Path) -> Result<PublicKey, Failed> {
    if let Some(key) = named {
        return Ok(key.clone());
    }
    let beside = database.with_extension("key");
    if !beside.exists() {
        return Err(Failed::Usage(format!(
            "there is no key beside {}: name the log's public key with --public-key",
            database.display()
        )));
    }
    Ok(Key::read(&beside)?.public())
}

fn checkpoint_beside(database: &Path) -> PathBuf {
    database.with_extension("checkpoint")
}

/// Prints a result. That nobody reads it to its end (`| head`) does not change what the exit code says.
fn show(streams: &mut Streams<'_>, text: &[u8]) -> Result<(), Failed> {
    match streams.out.write_all(text).and_then(|()| streams.out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Runs what is async in the library.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}

/// A line on the terminal that says how far it is.
struct Progress {
    shown: bool,
    next: std::time::Instant,
}

impl Progress {
    fn new(streams: &Streams<'_>) -> Self {
        Self {
            shown: streams.looks.progress,
            next: std::time::Instant::now() + std::time::Duration::from_millis(200),
        }
    }

    fn show(&mut self, err: &mut dyn std::io::Write, text: &str) {
        if self.shown && std::time::Instant::now() >= self.next {
            self.next = std::time::Instant::now() + std::time::Duration::from_millis(100);
            // A terminal that is gone is no reason to stop.
            let _ = write!(err, "\r\u{1b}[K{text}");
            let _ = err.flush();
        }
    }

    fn end(&self, err: &mut dyn std::io::Write) {
        if self.shown {
            let _ = write!(err, "\r\u{1b}[K");
            let _ = err.flush();
        }
    }
}
