//! Where policies come from, asked again and again.

mod bundle;
mod folder;
mod oci;
mod pace;

use std::sync::PoisonError;
use std::time::Instant;

use jiff::Timestamp;

use self::pace::Pace;
use super::attempts::Attempts;
use super::examine::{self, Material, sha256};
use super::{By, Delivery, Location, Settings};
use crate::telemetry::PolicyEvent;

/// What a source had when it was asked.
#[derive(Debug)]
enum Checked {
    /// What it had before.
    Unchanged,
    /// Other policies.
    Changed(Material),
    /// Something that is not even looked into, and why.
    Refused(Vec<String>),
    /// No answer, and why.
    Failed(String),
}

/// A source with what it remembers between two questions.
#[derive(Debug)]
pub(super) struct Source(Kind);

#[derive(Debug)]
enum Kind {
    Folder(folder::Folder),
    Bundle(Box<bundle::Server>),
    Oci(Box<oci::Artefact>),
}

impl Source {
    /// `None` when policies are pushed.
    fn new(settings: &Settings, attempts: &Attempts) -> Option<Self> {
        let kind = match &settings.location {
            Location::Push => return None,
            Location::Files(paths) => Kind::Folder(folder::Folder::new(paths.clone(), settings, attempts.clone())),
            Location::Bundle(url) => Kind::Bundle(Box::new(bundle::Server::new(url.clone(), settings))),
            Location::Oci(reference) => Kind::Oci(Box::new(oci::Artefact::new(reference.clone(), settings))),
        };
        Some(Self(kind))
    }

    async fn check(&mut self) -> Checked {
        match &mut self.0 {
            Kind::Folder(folder) => folder.check().await,
            Kind::Bundle(server) => server.check().await,
            Kind::Oci(artefact) => artefact.check().await,
        }
    }

    /// Whether it answers when it has something new, so that it can be asked again at once.
    fn waits_itself(&self) -> bool {
        matches!(&self.0, Kind::Bundle(server) if server.waits())
    }
}

impl Delivery {
    /// Reads files once, before the server answers: who starts it with wrong ones learns it there.
    ///
    /// # Errors
    /// They cannot be used, and there are no policies of before.
    pub async fn begin(&self) -> anyhow::Result<()> {
        let settings = &self.0.settings;
        if !matches!(settings.location, Location::Files(_)) {
            return Ok(());
        }
        let Some(mut source) = Source::new(settings, &self.0.attempts) else {
            return Ok(());
        };
        let checked = source.check().await;
        self.checked(checked).await;
        *self.0.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        if self.current().is_some() {
            return Ok(());
        }
        let state = self.state();
        let reasons = match (&state.last_error, state.refused.front()) {
            (Some(error), _) => error.clone(),
            (None, Some(refused)) => refused.reasons.join("\n"),
            (None, None) => "nothing was read".to_owned(),
        };
        Err(anyhow::anyhow!("the policies cannot be used:\n{reasons}"))
    }

    /// Asks the source until the server ends.
    pub async fn follow(self) {
        let begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut source) = begun.or_else(|| Source::new(&self.0.settings, &self.0.attempts)) else {
            return;
        };
        let mut pace = Pace::new(&self.0.settings);
        loop {
            // In a task of its own: a defect in a client must not end the asking.
            let asking = tokio::spawn(async move {
                let checked = source.check().await;
                (source, checked)
            });
            let abort = asking.abort_handle();
            let asked = tokio::select! {
                asked = asking => asked,
                () = self.0.stop.cancelled() => {
                    abort.abort();
                    return;
                }
            };
            let (next, checked) = match asked {
                Ok((source, checked)) => (Some(source), checked),
                Err(error) => {
                    tracing::error!(event = "policies_source_defect", %error, "asking the source panicked");
                    let reason = "the client failed, which is a defect of whynot; the log says more".to_owned();
                    (Source::new(&self.0.settings, &self.0.attempts), Checked::Failed(reason))
                }
            };
            let Some(next) = next else {
                return;
            };
            source = next;
            let pause = pace.after(&checked, source.waits_itself());
            tokio::select! {
                () = self.checked(checked) => {}
                () = self.0.stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.0.stop.cancelled() => return,
            }
        }
    }

    /// Acts on what a source had.
    async fn checked(&self, checked: Checked) {
        let location = self.0.settings.location.to_string();
        let metrics = self.0.metrics.policies();
        if let Checked::Failed(error) = checked {
            metrics.count(PolicyEvent::FetchFailed);
            tracing::warn!(
                event = "policies_source_error",
                source = location,
                error,
                "the source does not answer"
            );
            self.state().last_error = Some(error);
            return;
        }
        {
            let mut state = self.state();
            state.last_checked = Some((Instant::now(), Timestamp::now()));
            state.last_error = None;
        }
        match checked {
            Checked::Failed(_) => {}
            Checked::Unchanged => metrics.count(PolicyEvent::Unchanged),
            Checked::Refused(reasons) => {
                metrics.count(PolicyEvent::Fetched);
                self.refuse(None, &location, reasons);
            }
            Checked::Changed(material) => {
                metrics.count(PolicyEvent::Fetched);
                // What is refused was told about already.
                if let Ok(accepted) = self.examine(material, By::Source, &location).await {
                    let _ = self.take(accepted, By::Source, &location).await;
                }
            }
        }
    }
}

/// What was looked at last, to be not looked at again.
#[derive(Debug, Default)]
struct Seen(Option<String>);

impl Seen {
    fn is_news(&mut self, bytes: &[u8]) -> bool {
        let digest = Some(sha256(bytes));
        let is_news = self.0 != digest;
        self.0 = digest;
        is_news
    }
}

/// A size for people.
fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// A token or a password from a file, read each time: Kubernetes replaces it.
async fn secret(path: &std::path::Path) -> Result<String, String> {
    let read = tokio::task::spawn_blocking({
        let path = path.to_owned();
        move || std::fs::read_to_string(path)
    });
    let text = match read.await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(format!("{} cannot be read: {error}", path.display())),
        Err(error) => return Err(error.to_string()),
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(text.to_owned())
}

/// The certificates of an authority.
fn authorities(path: &std::path::Path) -> Result<Vec<Vec<u8>>, String> {
    let wrong = |reason: String| format!("{} {reason}", path.display());
    let content = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let blocks = pem::parse_many(&content).map_err(|error| wrong(format!("is not PEM: {error}")))?;
    let certificates: Vec<Vec<u8>> = blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .collect();
    if certificates.is_empty() {
        return Err(wrong("holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(certificates)
}

/// TLS by rustls on ring, for every client of the process.
pub(crate) fn install_tls() {
    // Somebody else may have done it; that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A problem with reading as a refusal.
fn refused(problems: &[engine::policy::Problem], paths: &[std::path::PathBuf]) -> Checked {
    Checked::Refused(examine::reasons(paths, problems))
}
