//! What is examined right now, on disk: bytes that end this process must not end the next one too.
//!
//! `examining-*` names them for as long as it takes, and is locked by who does it. One that nobody holds was left by a process that
//! ended meanwhile; from then on `ended.json` names its bytes, and no source gets them examined again.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kept::Shelf;

const MARKER: &str = "examining-";
const ENDED: &str = "ended.json";
/// Of what ended a process, the newest.
const REMEMBERED: usize = 16;

/// What was examined when a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    sha256: String,
    /// Who brought it.
    pub(super) origin: String,
    /// When it was begun.
    at: String,
}

impl Ended {
    pub(super) fn reason(&self) -> String {
        format!(
            "examining it ended this process (begun at {}): it is not examined again until it changes, or somebody pushes it",
            self.at
        )
    }
}

/// What is and what was examined; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Attempts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shelf: Shelf,
    state: Mutex<State>,
    count: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The newest first.
    ended: Vec<Ended>,
    running: Vec<PathBuf>,
    is_stopping: bool,
}

/// One examination. What is dropped did not end the process.
#[derive(Debug)]
pub(super) struct Attempt {
    attempts: Attempts,
    sha256: String,
    /// Locked. `None`: it could not be written.
    marker: Option<(PathBuf, File)>,
}

impl Attempts {
    /// With what ended processes of before, and by itself what was learnt only now.
    pub(super) fn open(shelf: Shelf) -> (Self, Vec<Ended>) {
        let known = fs::read(shelf.path(ENDED)).map(|text| serde_json::from_slice::<Vec<Ended>>(&text));
        let mut ended = match known {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => {
                tracing::error!(event = "policies_unreadable", file = ENDED, %error, "it is begun anew");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        let (left, fresh) = left(&shelf);
        ended.retain(|known| fresh.iter().all(|fresh| fresh.sha256 != known.sha256));
        ended.splice(0..0, fresh.iter().cloned());
        ended.truncate(REMEMBERED);
        let state = State {
            ended,
            ..State::default()
        };
        let attempts = Self(Arc::new(Inner {
            shelf,
            state: Mutex::new(state),
            count: AtomicU64::new(0),
        }));
        if !fresh.is_empty() {
            attempts.remember(&attempts.state().ended);
        }
        // Only now, when it is remembered.
        for path in left {
            let _ = fs::remove_file(path);
        }
        (attempts, fresh)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, ended: &[Ended]) {
        let written = serde_json::to_vec_pretty(ended)
            .map_err(io::Error::other)
            .and_then(|text| self.0.shelf.put(ENDED, &text));
        if let Err(error) = written {
            tracing::error!(event = "policies_not_kept", file = ENDED, %error, "it cannot be written");
        }
    }

    /// That these bytes ended a process.
    pub(super) fn ended(&self, sha256: &str) -> Option<Ended> {
        self.state().ended.iter().find(|ended| ended.sha256 == sha256).cloned()
    }

    /// Says on disk what is examined from now on. Where nothing can be written that is no reason not to.
    pub(super) fn begin(&self, sha256: String, origin: &str) -> Attempt {
        let mut state = self.state();
        let marker = if state.is_stopping {
            None
        } else {
            self.mark(&sha256, origin)
                .inspect_err(|error| {
                    tracing::error!(event = "policies_not_kept", %error, "what is examined cannot be noted on disk");
                })
                .ok()
        };
        state.running.extend(marker.iter().map(|(path, _)| path.clone()));
        drop(state);
        Attempt {
            attempts: self.clone(),
            sha256,
            marker,
        }
    }

    fn mark(&self, sha256: &str, origin: &str) -> io::Result<(PathBuf, File)> {
        let ended = Ended {
            sha256: sha256.to_owned(),
            origin: origin.to_owned(),
            at: Timestamp::now().to_string(),
        };
        let folder = &self.0.shelf;
        folder.prepare()?;
        let number = self.0.count.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::now().as_nanosecond();
        let path = folder.path(&format!("{MARKER}{}-{now}-{number}", std::process::id()));
        let mut file = File::create_new(&path)?;
        // Where files cannot be locked there is one server for a folder.
        let _ = file.try_lock();
        file.write_all(&serde_json::to_vec(&ended).map_err(io::Error::other)?)?;
        file.sync_all()?;
        folder.sync()?;
        Ok((path, file))
    }

    /// The process ends of its own will, and what runs is not to blame.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.is_stopping = true;
        for path in state.running.drain(..) {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.attempts.state();
        if let Some((path, _)) = &self.marker {
            let _ = fs::remove_file(path);
            state.running.retain(|running| running != path);
        }
        let before = state.ended.len();
        state.ended.retain(|ended| ended.sha256 != self.sha256);
        if state.ended.len() != before {
            self.attempts.remember(&state.ended);
        }
    }
}

/// The markers that nobody holds, and what they say. One that was torn says nothing: nothing was begun yet.
fn left(shelf: &Shelf) -> (Vec<PathBuf>, Vec<Ended>) {
    let mut paths = Vec::new();
    let mut ended = Vec::new();
    for entry in fs::read_dir(shelf.path("")).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(MARKER) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            continue;
        }
        ended.extend(serde_json::from_reader::<_, Ended>(file).ok());
        paths.push(entry.path());
    }
    (paths, ended)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn open(folder: &TempDir) -> (Attempts, Vec<Ended>) {
        Attempts::open(Shelf::new(folder.path().join("policies")))
    }

    /// As a process that is gone left it.
    fn crash(folder: &TempDir, sha256: &str) {
        let (attempts, _) = open(folder);
        let mut attempt = attempts.begin(sha256.to_owned(), "a source");
        drop(attempt.marker.take().unwrap());
        std::mem::forget(attempt);
    }

    #[test]
    fn what_ended_a_process_is_remembered_until_it_is_examined_to_the_end() {
        let folder = TempDir::new().unwrap();
        crash(&folder, "aa");
        let (attempts, fresh) = open(&folder);
        assert_eq!((fresh.len(), fresh[0].origin.as_str()), (1, "a source"));
        let (attempts, fresh) = (attempts, open(&folder).1);
        assert!(fresh.is_empty(), "told once");
        assert!(attempts.ended("aa").is_some() && attempts.ended("bb").is_none());
        assert!(open(&folder).0.ended("aa").is_some(), "and known at every start");
        drop(attempts.begin("aa".to_owned(), "push"));
        assert!(attempts.ended("aa").is_none() && open(&folder).0.ended("aa").is_none());
    }

    #[test]
    fn what_another_process_examines_now_and_what_a_shutdown_interrupts_did_not_end_one() {
        let folder = TempDir::new().unwrap();
        let (attempts, _) = open(&folder);
        let running = attempts.begin("aa".to_owned(), "a source");
        assert!(open(&folder).1.is_empty(), "it is held");
        attempts.stop();
        std::mem::forget(running);
        std::mem::forget(attempts.begin("bb".to_owned(), "a source"));
        drop(attempts);
        assert!(open(&folder).1.is_empty());
    }

    #[test]
    fn where_nothing_can_be_written_it_is_examined_all_the_same() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policies"), "no folder").unwrap();
        let (attempts, fresh) = open(&folder);
        assert!(fresh.is_empty());
        assert!(attempts.begin("aa".to_owned(), "a source").marker.is_none());
    }
}
