//! What the commands on policies are given: paths, and whose signatures are trusted.

use std::path::PathBuf;

use clap::Args;
use engine::policy::Problem;

use super::super::Failed;
use crate::sources::{self, Algorithm, Exclude, Key, Note, Options, Trust, Verification};

pub(in super::super) use crate::assembly::{all_on, all_problems, bundle, compiled, dialect, line, placed};

/// Paths, and how they are read.
#[derive(Debug, Args)]
pub(super) struct Inputs {
    /// Folders, single files and OPA bundles (.tar.gz), together one policy set.
    ///
    /// Read are *.rego with their *_test.rego, templates and constraints of Gatekeeper, data.json and data.yaml,
    /// files of cases, policy-set.yaml, and what `whynot policy build` wrote.
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    signatures: Signatures,
}

/// Whose signatures are trusted.
#[derive(Debug, Args)]
pub(in super::super) struct Signatures {
    /// A public key (PEM, JWK or JWK set) that every bundle has to be signed with; with an HMAC algorithm the secret.
    #[arg(long, value_name = "FILE", help_heading = "Signed bundles")]
    verification_key: Option<PathBuf>,
    /// The name of the key that has to have signed.
    #[arg(
        long,
        value_name = "ID",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    verification_key_id: Option<String>,
    /// The only algorithm that is taken, for example ES256; by default all that fit the key.
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    signing_alg: Option<Algorithm>,
    /// The scope that the signature has to have.
    #[arg(
        long,
        value_name = "SCOPE",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    scope: Option<String>,
    /// Files of a bundle that need not be signed; repeatable.
    #[arg(
        long,
        value_name = "GLOB",
        help_heading = "Signed bundles",
        requires = "verification_key"
    )]
    exclude_files_verify: Vec<String>,
    /// Takes signed bundles without a look at their signatures.
    #[arg(long, help_heading = "Signed bundles", conflicts_with = "verification_key")]
    skip_verify: bool,
}

impl Inputs {
    /// How to read, or what is wrong with the arguments.
    pub(super) fn options(&self) -> Result<Options, Failed> {
        self.signatures.options(&self.paths)
    }

    /// A file as it can be opened from here.
    pub(super) fn located(&self, file: &str) -> String {
        sources::located(&self.paths, file)
    }

    /// A problem as it is printed: with a path that can be opened.
    pub(super) fn line(&self, problem: &Problem) -> String {
        line(&self.paths, problem)
    }

    /// A note as it is printed.
    pub(super) fn note(&self, note: &Note) -> String {
        placed(&self.located(&note.file), 0, &note.message)
    }
}

impl Signatures {
    /// How to read these paths, or what is wrong with the arguments.
    pub(in super::super) fn options(&self, paths: &[PathBuf]) -> Result<Options, Failed> {
        if let Some(path) = paths.iter().find(|path| !path.exists()) {
            let text = format!("{} does not exist; name a folder, a file or a bundle", path.display());
            return Err(Failed::Usage(text));
        }
        let verification = match &self.verification_key {
            _ if self.skip_verify => Verification::Skip,
            None => Verification::NoKey,
            Some(path) => {
                let wrong = |reason: String| Failed::Usage(format!("--verification-key: {} {reason}", path.display()));
                let content = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
                let keys = Key::parse(&content, self.signing_alg).map_err(wrong)?;
                let exclude = Exclude::new(&self.exclude_files_verify)
                    .map_err(|reason| Failed::Usage(format!("--exclude-files-verify: {reason}")))?;
                Verification::Required(Box::new(Trust {
                    keys,
                    key_id: self.verification_key_id.clone(),
                    algorithm: self.signing_alg,
                    scope: self.scope.clone().unwrap_or_default(),
                    exclude,
                }))
            }
        };
        Ok(Options {
            verification,
            ..Options::default()
        })
    }
}
