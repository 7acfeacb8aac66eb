//! What does not come from the cluster: a file, read again when it changes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use engine::context::Context;
use tokio::sync::watch;

/// How often to look. A `ConfigMap`'s file changes by a link, which no watch of the file itself reports.
const LOOK: Duration = Duration::from_secs(1);

/// Reads a context, in YAML or JSON.
pub fn read(path: &Path) -> Result<Context, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_saphyr::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// What a file looks like from outside.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Sends each new content; one that cannot be read is logged, and what was there before stays.
pub(super) async fn follow(path: PathBuf, sender: watch::Sender<Context>, failed: impl Fn(Option<String>)) {
    let mut seen = None;
    loop {
        let now = stamp(&path);
        if now.is_none() || now != seen {
            seen = now;
            let file = path.clone();
            let result = tokio::task::spawn_blocking(move || read(&file)).await;
            match result.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(context) => {
                    failed(None);
                    sender.send_if_modified(|known| {
                        let is_new = *known != context;
                        if is_new {
                            tracing::info!(file = %path.display(), "the context has changed");
                            *known = context;
                        }
                        is_new
                    });
                }
                Err(reason) => failed(Some(reason)),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
