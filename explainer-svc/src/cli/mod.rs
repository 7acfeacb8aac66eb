//! The command line: one file a subcommand.
//!
//! Exit codes: 0 done, 1 what was given has problems (all of them printed), 2 used wrongly; for tests and checks also when they
//! could not be run.

mod audit;
mod check;
mod context;
mod envoy;
mod evaluate;
mod files;
mod gateway;
mod governance;
mod man;
mod policy;
mod serve;
mod server;
mod style;
mod wrap;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use style::Looks;

/// Where a command writes. The only way of this crate to print.
pub struct Streams<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Errors, progress, logs.
    pub err: &'a mut dyn Write,
    /// What they may show.
    pub looks: Looks,
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failed {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// The input has problems, which the command has printed already: exit code 1.
    Reported,
    /// What was to be tested could not be read; the command has printed why: exit code 2.
    Unreadable,
    /// Anything else: exit code 1.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Kubernetes admission denials that say why, and prove their fix.
#[derive(Debug, Parser)]
#[command(
    name = "whynot",
    version,
    max_term_width = 100,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the explainer: words for denials, permanent links, the ledger of violations.
    Serve(Box<crate::config::ServeArgs>),
    /// Says before a deploy what admission says after it, with the same words and fixes.
    ///
    /// Exit code: 0 nothing is denied, 1 something is, 2 something could not be told.
    ///
    /// Examples: whynot check -f manifests --policies policies
    ///           helm template shop | whynot check --policies policies --diff
    ///           whynot check -f manifests --policies policies --fix
    #[command(verbatim_doc_comment)]
    Check(Box<check::CheckArgs>),
    /// Checks, bundles, tests and describes policies.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// What policies know of the cluster.
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// Checks, exports and watches the audit log.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The gateway to models: what it is configured for, turning models off, what they cost.
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    /// How the controls of AIUC-1 and NIST stand, with their evidence.
    #[command(subcommand)]
    Governance(governance::GovernanceCommand),
    /// Makes Envoy's configuration.
    #[command(subcommand)]
    Envoy(envoy::EnvoyCommand),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Makes the man pages: this program's on standard output, or a page for each command in a folder.
    Man {
        /// The folder for the pages; it is made when it is not there.
        #[arg(long, value_name = "DIR")]
        output: Option<std::path::PathBuf>,
    },
}

impl Cli {
    /// Runs the command and says how the process should exit.
    pub fn run(self, streams: &mut Streams<'_>) -> ExitCode {
        let result = match self.command {
            Command::Serve(args) => serve::run(*args, streams),
            Command::Check(args) => check::run(&args, streams),
            Command::Policy(command) => command.run(streams),
            Command::Context(command) => command.run(streams),
            Command::Audit(command) => command.run(streams),
            Command::Gateway(command) => command.run(streams),
            Command::Governance(command) => command.run(streams),
            Command::Envoy(command) => command.run(streams),
            Command::Completions { shell } => completions(shell, streams),
            Command::Man { output } => man::run(Self::command(), output.as_deref(), streams),
        };
        let (code, text) = match result {
            Ok(()) => return ExitCode::SUCCESS,
            Err(Failed::Reported) => return ExitCode::from(1),
            Err(Failed::Unreadable) => return ExitCode::from(2),
            Err(Failed::Usage(text)) => (2, text),
            Err(Failed::Other(error)) => (1, format!("{error:#}")),
        };
        // Nobody to tell when standard error is gone; the exit code still says it.
        let _ = writeln!(streams.err, "error: {text}");
        ExitCode::from(code)
    }
}

fn completions(shell: clap_complete::Shell, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "whynot", &mut script);
    streams.out.write_all(&script)?;
    Ok(())
}
