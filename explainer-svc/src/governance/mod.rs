//! Controls of AIUC-1 and NIST, evaluated against what happened.
//!
//! ```text
//! controls.yaml -> control --+
//! attestations ------------- +-> evaluate -> Report -> text, Markdown, HTML, JSON, OSCAL
//! audit log ---> facts ------+                 \-> schedule: governance-evaluated, metrics, alert
//! metrics, witness --^
//! ```
//!
//! Evidence is what the audit log says, and proves: a report can be made of a database alone, and whoever doubts it finds the
//! leaves. What software cannot evidence is for people to attest; it is never passed.

mod alert;
pub mod attestation;
mod checks;
mod condition;
pub mod control;
mod evaluate;
#[cfg(test)]
mod evidence_tests;
mod facts;
mod metrics;
mod previous;
pub mod render;
pub mod report;
#[cfg(test)]
mod samples;
mod schedule;
mod settings;
#[cfg(test)]
mod tests;
mod verifying;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use reqwest::Url;
use tokio::sync::Mutex;

use self::alert::Alert;
use self::attestation::Attestations;
use self::control::Controls;
use self::evaluate::evaluate;
use self::facts::{Facts, Read};
pub use self::metrics::GovernanceMetrics;
use self::previous::Previous;
pub use self::report::{Report, Status};
pub use self::settings::{GovernanceArgs, Settings, WitnessSource};
use self::verifying::{Verifier, is_over, witnessed};
use crate::audit::{self, Log, PublicKey, Reader};
use crate::gateway::Gateway;
use crate::telemetry::Metrics;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no audit log to read.
    #[error("the audit log: {0}")]
    Audit(#[from] audit::Error),
    /// The controls or the attestations are wrong.
    #[error("{0}")]
    Input(String),
}

/// What a service evaluates with.
#[derive(Debug)]
pub struct Parts {
    /// How.
    pub settings: Settings,
    /// The open log.
    pub log: Log,
    /// Its file, which is read again to verify it.
    pub database: PathBuf,
    /// Of this process.
    pub metrics: Metrics,
    /// Whose guards are tried again.
    pub gateway: Option<Gateway>,
    /// Where people reach the service.
    pub public_url: String,
}

/// Evaluates controls for a running service: cheap to clone.
#[derive(Debug, Clone)]
pub struct Governance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    controls: Controls,
    settings: Settings,
    log: Log,
    metrics: Metrics,
    gateway: Option<Gateway>,
    public_url: String,
    alert: Option<Alert>,
    /// One evaluation at a time.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    verifier: Verifier,
    /// Of the last evaluation on schedule: the log that says it may be damaged since.
    previous: Option<Previous>,
}

impl Governance {
    /// With the controls that come along.
    ///
    /// # Errors
    /// The attestations cannot be read, or the webhook's client cannot be made.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts {
            settings,
            log,
            database,
            metrics,
            gateway,
            public_url,
        } = parts;
        let controls = Controls::shipped().map_err(Error::Input)?;
        attestations(settings.attestations.as_deref(), &controls)?;
        let alert = settings
            .webhook
            .clone()
            .map(Alert::new)
            .transpose()
            .map_err(Error::Input)?;
        Ok(Self(Arc::new(Inner {
            controls,
            settings,
            log,
            metrics,
            gateway,
            public_url,
            alert,
            state: Mutex::new(State {
                verifier: Verifier::new(database),
                previous: None,
            }),
        })))
    }

    /// How all controls stand now. A log that cannot be read is said in the report, and evidences nothing.
    ///
    /// # Errors
    /// The attestations cannot be read, or the process is shutting down.
    pub async fn report(&self) -> Result<Report, Error> {
        let inner = &*self.0;
        let mut state = inner.state.lock().await;
        // Read each time: people replace it.
        let attestations = attestations(inner.settings.attestations.as_deref(), &inner.controls)?;
        let (signed, unsigned) = match inner.log.signed_now().await {
            Ok(signed) => (signed, None),
            Err(error) if is_over(&error) => return Err(error.into()),
            Err(error) => (inner.log.checkpoint(), Some(error.to_string())),
        };
        let reader = inner.log.reader();
        let now = now();
        let (witness, cosigned) = witnessed(inner.settings.witness.as_ref(), inner.log.public_key());
        let Read {
            events,
            older,
            mut problems,
        } = Facts::read(&inner.controls, &reader, now).await?;
        problems.extend(unsigned);
        let log = state.verifier.verify(&inner.log, &signed, cosigned).await?;
        let facts = Facts {
            now,
            events,
            older,
            log: log.beside(problems),
            witness,
            metrics: inner.metrics.encode().ok(),
            previous: state.previous.clone(),
        };
        Ok(evaluate(
            &inner.controls,
            &attestations,
            &facts,
            Some(&inner.public_url),
        ))
    }
}

/// What a report of a database needs.
#[derive(Debug)]
pub struct Offline<'a> {
    /// The audit log's database.
    pub database: &'a Path,
    /// The log's public key.
    pub key: &'a PublicKey,
    /// Its last checkpoint, as far as it is known.
    pub checkpoint: Option<Vec<u8>>,
    /// What people attested.
    pub attestations: Option<&'a Path>,
    /// What a witness keeps.
    pub witness: Option<&'a WitnessSource>,
    /// Where proofs are to be had.
    pub server: Option<Url>,
}

/// How all controls stand by what a database says.
///
/// # Errors
/// There is no such database, or the attestations cannot be read.
pub async fn offline(given: &Offline<'_>) -> Result<Report, Error> {
    let controls = Controls::shipped().map_err(Error::Input)?;
    let attestations = attestations(given.attestations, &controls)?;
    let reader = Reader::database(given.database).await?;
    let now = now();
    let (witness, cosigned) = witnessed(given.witness, given.key);
    let Read {
        events,
        older,
        problems,
    } = Facts::read(&controls, &reader, now).await?;
    let log = verifying::database(given.database, given.key, given.checkpoint.as_deref(), cosigned).await?;
    let facts = Facts {
        now,
        events,
        older,
        log: log.beside(problems),
        witness,
        metrics: None,
        previous: None,
    };
    let server = given.server.as_ref().map(|url| url.as_str().trim_end_matches('/'));
    Ok(evaluate(&controls, &attestations, &facts, server))
}

/// Now, to the millisecond: as the audit log has its times.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn attestations(path: Option<&Path>, controls: &Controls) -> Result<Attestations, Error> {
    let read = path.map(|path| Attestations::load(path, controls));
    let read = read
        .transpose()
        .map_err(|problem| Error::Input(format!("--attestations: {problem}")))?;
    Ok(read.unwrap_or_default())
}
