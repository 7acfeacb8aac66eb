//! Turns models off: by a file, or by an administrator. What cannot be told counts as off.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::guards::Redactor;
use super::seams::{Event, Happened, Trail};
use super::store::{Store, StoreError};

/// Under which name it outlives a restart.
const SETTING: &str = "killed";

/// The switch of one gateway.
pub(super) struct Switch {
    file: Option<PathBuf>,
    by_call: AtomicBool,
    /// What was last seen of the file, so that a change is told once.
    by_file: Mutex<bool>,
    /// One at a time: what holds, what is kept and what is told last are the same.
    setting: tokio::sync::Mutex<()>,
    store: Store,
    trail: Arc<dyn Trail>,
}

impl Switch {
    pub(super) async fn open(file: Option<PathBuf>, store: Store, trail: Arc<dyn Trail>) -> Result<Self, StoreError> {
        let by_call = store.setting(SETTING).await?.is_some_and(|value| value != "off");
        Ok(Self {
            file,
            by_call: AtomicBool::new(by_call),
            by_file: Mutex::new(false),
            setting: tokio::sync::Mutex::default(),
            store,
            trail,
        })
    }

    /// One that is never on, for calls that nobody makes.
    pub(super) fn never(store: Store, trail: Arc<dyn Trail>) -> Self {
        Self {
            file: None,
            by_call: AtomicBool::new(false),
            by_file: Mutex::new(false),
            setting: tokio::sync::Mutex::default(),
            store,
            trail,
        }
    }

    /// Whether models are off now.
    pub(super) fn is_on(&self) -> bool {
        let by_file = self
            .file
            .as_ref()
            .is_some_and(|path| match std::fs::symlink_metadata(path) {
                Ok(_) => true,
                Err(error) => error.kind() != std::io::ErrorKind::NotFound,
            });
        let changed = {
            let mut seen = self.by_file.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, by_file) != by_file
        };
        if changed {
            self.trail.record(told(by_file, "file", ""));
        }
        by_file || self.by_call.load(Ordering::SeqCst)
    }

    /// Turns models off, or on again unless the file is there. Off is off at once, whether or not it can be kept.
    pub(super) async fn set(&self, on: bool, reason: &str) -> Result<(), StoreError> {
        // A person in a hurry may paste anything, and the log keeps it.
        let reason = Redactor::default().text(reason);
        if on {
            self.by_call.store(true, Ordering::SeqCst);
        }
        let _one = self.setting.lock().await;
        if on {
            // Somebody else may have turned them on meanwhile.
            self.by_call.store(true, Ordering::SeqCst);
        }
        self.store.set(SETTING, if on { "on" } else { "off" }).await?;
        self.by_call.store(on, Ordering::SeqCst);
        if let Err(error) = self.trail.append(told(on, "call", &reason)).await {
            tracing::error!(error, "that models were turned off or on cannot be recorded");
        }
        Ok(())
    }
}

/// The event for the audit log, which is in the log of the process as well.
fn told(on: bool, by: &str, reason: &str) -> Event {
    tracing::warn!(
        event = "kill_switch",
        models_off = on,
        by,
        reason,
        "models were turned off or on"
    );
    Event {
        kind: Happened::KillSwitch,
        subject: if on { "off" } else { "on" }.to_owned(),
        payload: json!({"models": if on { "off" } else { "on" }, "by": by, "reason": reason}),
    }
}
