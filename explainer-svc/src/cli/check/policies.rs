//! The policies that decide, and the context that they know: from files, or from a running explainer.

use std::path::PathBuf;

use clap::Args;
use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::Problem;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::policy::settings::Settings;

use super::super::policy::inputs::{self, Signatures};
use super::super::style::count;
use super::super::{Failed, Streams, files};
use super::remote::Remote;
use crate::sources;

#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("deciding").args(["policies", "server"]).required(true))]
pub(super) struct PolicyArgs {
    /// Folders, single files and bundles, as `whynot policy build` takes them; their policy-set.yaml applies.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// A running explainer, whose policies and context are used.
    #[arg(long, value_name = "URL", conflicts_with_all = ["policies", "context"], value_parser = Remote::parse)]
    server: Option<Remote>,
    /// What policies may know about the cluster, in YAML or JSON, as `whynot envoy render` takes it.
    #[arg(long, value_name = "FILE", help_heading = "What policies know")]
    context: Option<PathBuf>,
    #[command(flatten)]
    signatures: Signatures,
}

/// What was read.
pub(super) struct Loaded {
    pub(super) bundle: Bundle,
    pub(super) context: Context,
}

impl PolicyArgs {
    /// Reads everything.
    pub(super) fn load(&self, streams: &mut Streams<'_>) -> Result<Loaded, Failed> {
        if let Some(server) = &self.server {
            return server.load().map_err(|reason| cannot_tell(&reason, streams));
        }
        let context = match &self.context {
            None => Context::default(),
            Some(path) => files::context(path)?,
        };
        let options = self.signatures.options(&self.policies)?;
        let read = sources::read(&self.policies, &options);
        let bundle = read.and_then(|sources| inputs::bundle(&sources));
        match bundle {
            Ok(bundle) => Ok(Loaded { bundle, context }),
            Err(problems) => Err(self.refused(&problems, streams)),
        }
    }

    /// The policies, ready to decide.
    pub(super) fn compiled(
        &self,
        bundle: &Bundle,
        context: Context,
        streams: &mut Streams<'_>,
    ) -> Result<PolicySet, Failed> {
        compile(bundle, context).map_err(|problems| self.refused(&problems, streams))
    }

    fn refused(&self, problems: &[Problem], streams: &mut Streams<'_>) -> Failed {
        for problem in problems {
            let line = if problem.file == Settings::FILE && self.policies.len() > 1 {
                problem.to_string()
            } else {
                inputs::line(&self.policies, problem)
            };
            // Nobody to tell when standard error is gone; the exit code still says it.
            let _ = writeln!(streams.err, "{line}");
        }
        let text = format!(
            "{} of the policies; nothing was checked",
            count(problems.len(), "problem")
        );
        cannot_tell(&text, streams)
    }
}

/// Exit code 2: there is no verdict.
fn cannot_tell(reason: &str, streams: &mut Streams<'_>) -> Failed {
    let _ = writeln!(streams.err, "error: {reason}");
    Failed::Unreadable
}
