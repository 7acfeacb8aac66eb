//! Whether the audit log is as it was signed, before anything is believed that it says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tlog_tiles::check_tree;
use tokio::time::Instant;

use super::facts::Witnessed;
use super::report::LogState;
use super::settings::WitnessSource;
use crate::audit::verify::{Report, Source, verify};
use crate::audit::{Checkpoint, Error, Log, PublicKey, SignedCheckpoint};

/// Logs that are read again each time.
const SMALL: u64 = 100_000;
/// Others are read again after this; between, it is proved that they only grew.
const AGAIN: Duration = Duration::from_hours(24);
/// Problems that are told.
const TOLD: usize = 10;

/// Verifies the log of this process.
#[derive(Debug)]
pub(super) struct Verifier {
    database: PathBuf,
    /// The last tree that was found right, and when all of it was read.
    last: Option<(Checkpoint, Instant)>,
}

impl Verifier {
    pub(super) fn new(database: PathBuf) -> Self {
        Self { database, last: None }
    }

    /// Reads the log, or proves that it only grew since it was read. What cannot be read to its end does not verify.
    ///
    /// # Errors
    /// The process is shutting down.
    pub(super) async fn verify(
        &mut self,
        log: &Log,
        signed: &SignedCheckpoint,
        witness: Option<SignedCheckpoint>,
    ) -> Result<LogState, Error> {
        match self.verified(log, signed, witness).await {
            Err(error) if !is_over(&error) => {
                self.last = None;
                let now = &signed.checkpoint;
                Ok(LogState {
                    origin: now.origin.clone(),
                    leaves: now.size,
                    signed: now.size,
                    root: now.root.to_string(),
                    problems: vec![error.to_string()],
                    ..LogState::default()
                })
            }
            verified => verified,
        }
    }

    async fn verified(
        &mut self,
        log: &Log,
        signed: &SignedCheckpoint,
        witness: Option<SignedCheckpoint>,
    ) -> Result<LogState, Error> {
        let now = &signed.checkpoint;
        let recent = self.last.clone().filter(|(last, read)| {
            now.size > SMALL && last.size > 0 && last.size <= now.size && read.elapsed() < AGAIN
        });
        if let Some((last, read)) = recent {
            let mut before = vec![last.clone()];
            before.extend(witness.map(|signed| signed.checkpoint));
            let mut problems = Vec::new();
            for before in before {
                if let Err(problem) = grew(log, &before, now).await {
                    problems.push(problem);
                }
            }
            if problems.is_empty() {
                self.last = Some((now.clone(), read));
            }
            return Ok(LogState {
                origin: now.origin.clone(),
                leaves: now.size,
                signed: now.size,
                root: now.root.to_string(),
                verified: problems.is_empty(),
                read_from: last.size,
                problems,
            });
        }
        let checkpoints: Vec<SignedCheckpoint> = [Some(signed.clone()), witness].into_iter().flatten().collect();
        let found = read(&self.database, checkpoints).await?;
        let state = state(&now.origin, found, Vec::new());
        self.last = state.verified.then(|| (now.clone(), Instant::now()));
        Ok(state)
    }
}

/// Whether an error says that the process is shutting down, and nothing of the log.
pub(super) fn is_over(error: &Error) -> bool {
    matches!(error, Error::Closed | Error::Database(sqlx::Error::PoolClosed))
}

impl LogState {
    /// With what else is wrong with the log.
    pub(super) fn beside(mut self, problems: Vec<String>) -> Self {
        self.verified &= problems.is_empty();
        for problem in problems {
            if self.problems.len() < TOLD && !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        self
    }
}

/// Whether the log's tree begins with one of before.
async fn grew(log: &Log, before: &Checkpoint, now: &Checkpoint) -> Result<(), String> {
    if before.size == 0 {
        return Ok(());
    }
    let wrong = |error: &dyn std::fmt::Display| {
        format!(
            "the tree of {} leaves does not lead on from that of {}: {error}",
            now.size, before.size
        )
    };
    let proof = log.consistency(before.size, Some(now.size)).await;
    let (_, hashes) = proof.map_err(|error| wrong(&error))?;
    check_tree(&hashes, now.size, now.root, before.size, before.root).map_err(|error| wrong(&error))
}

/// Verifies a database.
pub(super) async fn database(
    path: &Path,
    key: &PublicKey,
    checkpoint: Option<&[u8]>,
    witness: Option<SignedCheckpoint>,
) -> Result<LogState, Error> {
    let mut problems = Vec::new();
    let signed = match checkpoint {
        None => {
            problems.push("there is no signed checkpoint of it".to_owned());
            None
        }
        Some(note) => match SignedCheckpoint::open(note, key) {
            Ok(signed) => Some(signed),
            Err(error) => {
                problems.push(format!("its checkpoint: {error}"));
                None
            }
        },
    };
    let checkpoints: Vec<SignedCheckpoint> = [signed, witness].into_iter().flatten().collect();
    match read(path, checkpoints).await {
        Ok(found) => Ok(state(key.name(), found, problems)),
        Err(error) if is_over(&error) => Err(error),
        Err(error) => {
            problems.push(error.to_string());
            Ok(LogState {
                origin: key.name().to_owned(),
                problems,
                ..LogState::default()
            })
        }
    }
}

/// Reads a whole log, away from what answers requests.
async fn read(database: &Path, checkpoints: Vec<SignedCheckpoint>) -> Result<Report, Error> {
    let (database, runtime) = (database.to_owned(), tokio::runtime::Handle::current());
    let work =
        move || runtime.block_on(async { verify(Source::database(&database).await?, &checkpoints, &mut |_| {}).await });
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|ended| {
        if ended.is_panic() {
            // Not an end of the process: what is in the log may have brought it about.
            Error::Damaged("it cannot be verified to its end".to_owned())
        } else {
            Error::Closed
        }
    })?
}

fn state(origin: &str, found: Report, mut problems: Vec<String>) -> LogState {
    let told = found.problems.into_iter().map(|problem| problem.text);
    problems.extend(told);
    problems.truncate(TOLD);
    LogState {
        origin: origin.to_owned(),
        leaves: found.leaves,
        signed: found.signed,
        root: found.root,
        verified: problems.is_empty() && found.verified,
        read_from: 0,
        problems,
    }
}

/// What the witness says, and the checkpoint that it cosigned.
pub(super) fn witnessed(
    source: Option<&WitnessSource>,
    log: &PublicKey,
) -> (Result<Witnessed, String>, Option<SignedCheckpoint>) {
    let Some(WitnessSource { checkpoint, key }) = source else {
        return (Err("no witness is known (--witness-checkpoint)".to_owned()), None);
    };
    let read = || -> Result<(Witnessed, SignedCheckpoint), String> {
        let note = std::fs::read(checkpoint).map_err(|error| format!("{}: {error}", checkpoint.display()))?;
        let signed = SignedCheckpoint::open(&note, log).map_err(|error| error.to_string())?;
        let at = signed.cosigned(key).map_err(|error| error.to_string())?;
        let at = i64::try_from(at).ok().and_then(|at| Timestamp::from_second(at).ok());
        let witnessed = Witnessed {
            name: key.name().to_owned(),
            at: at.ok_or("its cosignature has no time")?,
            size: signed.checkpoint.size,
        };
        Ok((witnessed, signed))
    };
    match read() {
        Ok((witnessed, signed)) => (Ok(witnessed), Some(signed)),
        Err(why) => (Err(format!("the witness's checkpoint does not count: {why}")), None),
    }
}
