//! What policies have to pass before they are current: read, compiled, tested.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use data_encoding::HEXLOWER;
use engine::context::Context;
use engine::policy::Problem;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use sha2::{Digest, Sha256};

use super::attempts::Attempt;
use super::proof::Proof;
use crate::assembly::{self, Filter, Outcome, Trial};
use crate::context::kinds;
use crate::sources::{self, Options, Sources, Verification};

/// Reasons that are told; a set whose every test fails has hundreds.
const REASONS: usize = 50;
/// Letters of one of them.
const REASON: usize = 1000;

/// Policies, before anybody looked into them.
#[derive(Debug)]
pub(super) enum Material {
    /// Read from these paths, which was begun before.
    Files(Box<Sources>, Vec<PathBuf>, Attempt),
    /// An OPA bundle, and the key by which the artefact was verified that it came in.
    Archive(Bytes, Option<String>),
    /// What `whynot policy build` wrote.
    Json(Bytes),
    /// The same, verified when it was taken.
    Kept(Bytes, Proof),
}

impl Material {
    /// What came over the network, by its first bytes.
    pub(super) fn sent(bytes: Bytes) -> Self {
        if bytes.starts_with(&[0x1f, 0x8b]) {
            Self::Archive(bytes, None)
        } else {
            Self::Json(bytes)
        }
    }

    /// Of the bytes, unless their examination was begun already.
    pub(super) fn sha256(&self) -> Option<String> {
        match self {
            Self::Files(..) => None,
            Self::Archive(bytes, _) | Self::Json(bytes) | Self::Kept(bytes, _) => Some(sha256(bytes)),
        }
    }
}

/// Policies that may become current.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) revision: String,
    pub(super) json: Bytes,
    pub(super) policies: usize,
    pub(super) tests: usize,
    pub(super) proof: Proof,
}

/// What is wrong with policies.
#[derive(Debug)]
pub(super) struct Refusal {
    /// As far as it can be told.
    pub(super) revision: Option<String>,
    pub(super) reasons: Vec<String>,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self {
            revision: None,
            reasons: vec![reason],
        }
    }
}

/// Hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Reads, compiles and tests. Nothing is begun after `within`.
pub(super) fn examine(material: Material, options: &Options, within: Duration) -> Result<Accepted, Refusal> {
    let deadline = Instant::now() + within;
    let mut artefact = None;
    let (sources, paths, _attempt) = match material {
        Material::Files(sources, paths, attempt) => (*sources, paths, Some(attempt)),
        Material::Archive(bytes, key) => {
            artefact = key;
            let read = sources::read_archive(&bytes, options).map_err(|problems| refusal(None, &[], &problems))?;
            (read, Vec::new(), None)
        }
        Material::Json(_) if matches!(options.verification, Verification::Required(_)) => {
            return Err(Refusal::from(
                "cannot be verified: a verification key is configured, and only a bundle that `opa build` packed and \
                 signed (.tar.gz) has a signature"
                    .to_owned(),
            ));
        }
        Material::Json(json) => return prebuilt(&json, Proof::default()),
        Material::Kept(json, proof) => return prebuilt(&json, proof),
    };
    let bundle = assembly::bundle(&sources).map_err(|problems| refusal(None, &paths, &problems))?;
    let wrong = |problems: &[Problem]| refusal(Some(&bundle), &paths, problems);
    let set = assembly::compiled(&sources, &bundle).map_err(|problems| wrong(&problems))?;
    let policies = set.policies().len();
    drop(set);
    kinds::of_bundle(&bundle).map_err(|problems| wrong(&problems))?;

    let filter = Filter::until(deadline);
    let located = |file: &str| sources::located(&paths, file);
    let trial = Trial {
        filter: &filter,
        located: &located,
        step: &mut |_| {},
    };
    let (tests, _) = trial.run(&sources, &bundle).map_err(|problems| wrong(&problems))?;
    if filter.is_overdue() {
        let seconds = within.as_secs();
        return Err(Refusal {
            revision: Some(bundle.revision),
            reasons: vec![format!("its tests take longer than {seconds} s")],
        });
    }
    let failed = tests.iter().filter_map(|test| {
        let (verb, reason) = match &test.outcome {
            Outcome::Passed | Outcome::Skipped => return None,
            Outcome::Failed(reason) => ("failed", reason),
            Outcome::Broken(reason) => ("could not be evaluated", reason),
        };
        let name = test.full_name();
        Some(format!("{}:{}: the test {name} {verb}: {reason}", test.file, test.line))
    });
    let reasons: Vec<String> = failed.collect();
    if !reasons.is_empty() {
        return Err(Refusal {
            revision: Some(bundle.revision),
            reasons: bounded(reasons),
        });
    }
    Ok(Accepted {
        json: bundle.to_json().into(),
        revision: bundle.revision,
        policies,
        tests: tests.len(),
        proof: Proof::of(&sources, &options.verification, artefact),
    })
}

/// A bundle that `whynot policy build` wrote: its tests ran there, and are not in it.
fn prebuilt(json: &Bytes, proof: Proof) -> Result<Accepted, Refusal> {
    let (bundle, policies) = built(json).map_err(|reasons| Refusal {
        revision: None,
        reasons,
    })?;
    // It is done with what is current: what it may do to the process it has to do here.
    let _ = kinds::of_bundle(&bundle);
    Ok(Accepted {
        // In our own form, so that equal policies are equal bytes.
        json: bundle.to_json().into(),
        revision: bundle.revision,
        policies,
        tests: 0,
        proof,
    })
}

fn built(json: &[u8]) -> Result<(Bundle, usize), Vec<String>> {
    let lines = |problems: Vec<Problem>| bounded(problems.iter().map(ToString::to_string).collect());
    let bundle = Bundle::from_json(json).map_err(lines)?;
    let policies = compile(&bundle, Context::default()).map_err(lines)?.policies().len();
    if bundle.files.is_empty() {
        return Err(vec!["holds no policy".to_owned()]);
    }
    Ok((bundle, policies))
}

/// Whether a bundle can be used by this version.
pub(super) fn usable(json: &[u8]) -> Result<(), Vec<String>> {
    built(json).map(|_| ())
}

fn refusal(bundle: Option<&Bundle>, paths: &[PathBuf], problems: &[Problem]) -> Refusal {
    Refusal {
        revision: bundle.map(|bundle| bundle.revision.clone()),
        reasons: reasons(paths, problems),
    }
}

/// Problems as lines, with paths that can be opened.
pub(super) fn reasons(paths: &[PathBuf], problems: &[Problem]) -> Vec<String> {
    bounded(problems.iter().map(|problem| assembly::line(paths, problem)).collect())
}

fn bounded(mut reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(REASONS);
    reasons.truncate(REASONS);
    for reason in &mut reasons {
        if reason.chars().count() > REASON {
            *reason = reason.chars().take(REASON).chain(['…']).collect();
        }
    }
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    reasons
}
