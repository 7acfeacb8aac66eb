//! `whynot governance`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Url;

use super::server::{Server, report as unanswered};
use super::style::count;
use super::{Failed, Looks, Streams, audit, files};
use crate::audit::{Cosigner, PublicKey};
use crate::governance::render::{html, markdown, oscal, text};
use crate::governance::{Offline, Report, Status, WitnessSource, offline};

#[derive(Debug, Subcommand)]
pub(crate) enum GovernanceCommand {
    /// Evaluates the controls of AIUC-1, the NIST AI RMF and NIST AI 600-1 against what happened.
    ///
    /// Each has a status: evidenced, with figures and the leaves of the audit log that prove them;
    /// not evidenced, and why; attested, or attestation missing, where only a person can say; not
    /// applicable, and why.
    ///
    /// Exit code: 0 done, 1 what --fail-on names was found, 2 there is no report.
    ///
    /// Examples: whynot governance report --token-file admin.token
    ///           whynot governance report --database audit.db --format html --output controls.html
    ///           whynot governance report --token-file admin.token --format oscal --fail-on regression
    #[command(verbatim_doc_comment)]
    Report(Box<ReportArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    server: Server,
    /// A file with the token that the explainer was started with (--admin-token-file).
    #[arg(
        long,
        env = "WHYNOT_ADMIN_TOKEN_FILE",
        value_name = "FILE",
        required_unless_present = "database"
    )]
    token_file: Option<PathBuf>,
    /// An audit log's database, or a copy of it, instead of a server; it may be in use.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// With --database: the log's checkpoint. Default: the .checkpoint beside the database.
    #[arg(long, value_name = "FILE", requires = "database")]
    checkpoint: Option<PathBuf>,
    /// With --database: the log's public key, or a file with it. Default: the one of the .key beside the database.
    #[arg(long, value_name = "KEY|FILE", value_parser = audit::public_key, requires = "database")]
    public_key: Option<PublicKey>,
    /// With --database: what people attest about controls that software cannot evidence.
    #[arg(long, value_name = "FILE", requires = "database")]
    attestations: Option<PathBuf>,
    /// With --database: the checkpoint that a witness keeps.
    #[arg(long, value_name = "FILE", requires_all = ["database", "witness_key"])]
    witness_checkpoint: Option<PathBuf>,
    /// With --database: that witness's public key.
    #[arg(long, value_name = "KEY", value_parser = Cosigner::parse, requires_all = ["database", "witness_checkpoint"])]
    witness_key: Option<Cosigner>,
    /// With --database: the address that links to proofs begin with.
    #[arg(long, value_name = "URL", requires = "database")]
    public_url: Option<Url>,
    /// How the report looks.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The file to write; - for standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What makes the exit code 1.
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Html,
    Json,
    /// OSCAL 1.1 assessment results, as JSON.
    Oscal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A control that is not evidenced, and not optional.
    NotEvidenced,
    /// The same, or one whose attestation is missing.
    Open,
    /// A control that was evidenced or attested when it was last evaluated on schedule, and is not any more.
    Regression,
}

impl GovernanceCommand {
    pub(crate) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Report(args) => report(&args, streams),
        }
    }
}

fn report(args: &ReportArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let report = match &args.database {
        Some(database) => of_database(args, database, streams)?,
        None => of_server(args, streams)?,
    };
    let looks = if args.output == Path::new("-") {
        streams.looks
    } else {
        Looks::default()
    };
    let shown = match args.format {
        Format::Text => text(&report, &|status, text| paint(looks, status, text)),
        Format::Markdown => markdown(&report),
        Format::Html => html(&report)?,
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
        Format::Oscal => format!("{}\n", serde_json::to_string_pretty(&oscal(&report))?),
    };
    files::write(&args.output, shown.as_bytes(), streams)?;
    let found = match args.fail_on {
        None => None,
        Some(FailOn::NotEvidenced) => Some((
            required(&report, |status| status == Status::NotEvidenced),
            "not evidenced",
        )),
        Some(FailOn::Open) => Some((required(&report, Status::is_open), "not evidenced, or not attested")),
        Some(FailOn::Regression) => Some((report.regressions.len(), "not evidenced any more")),
    };
    match found {
        Some((number, what)) if number > 0 => {
            writeln!(streams.err, "error: {}: {what}", count(number, "control"))?;
            Err(Failed::Reported)
        }
        _ => Ok(()),
    }
}

fn required(report: &Report, is: impl Fn(Status) -> bool) -> usize {
    let required = report.controls.iter().filter(|control| !control.optional);
    required.filter(|control| is(control.status)).count()
}

fn of_server(args: &ReportArgs, streams: &mut Streams<'_>) -> Result<Report, Failed> {
    let path = args.token_file.as_deref().unwrap_or(Path::new(""));
    let token = std::fs::read_to_string(path)
        .map_err(|error| Failed::Usage(format!("--token-file: {} cannot be read: {error}", path.display())))?;
    let asked = args.server.get_as("/v1/governance", token.trim());
    asked.map_err(|error| unanswered(error, streams))
}

fn of_database(args: &ReportArgs, database: &Path, streams: &mut Streams<'_>) -> Result<Report, Failed> {
    let beside = database.with_extension("checkpoint");
    let checkpoint = args.checkpoint.clone().or_else(|| beside.exists().then_some(beside));
    let witness = args.witness_checkpoint.clone().zip(args.witness_key.clone());
    let witness = witness.map(|(checkpoint, key)| WitnessSource { checkpoint, key });
    let work = || -> Result<Report, Failed> {
        if !database.exists() {
            return Err(Failed::Other(anyhow::anyhow!(
                "{}: there is no such file",
                database.display()
            )));
        }
        let key = audit::key_of(args.public_key.as_ref(), database)?;
        Ok(audit::block_on(offline(&Offline {
            database,
            key: &key,
            checkpoint: checkpoint.as_deref().map(read).transpose()?,
            attestations: args.attestations.as_deref(),
            witness: witness.as_ref(),
            server: args.public_url.clone(),
        }))??)
    };
    work().map_err(|failed| match failed {
        Failed::Other(error) => {
            // Nobody to tell when standard error is gone; the exit code still says it.
            // Each of these errors says all of it; what is behind it would be said twice.
            let _ = writeln!(streams.err, "error: there is no report: {error}");
            Failed::Unreadable
        }
        failed => failed,
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

fn paint(looks: Looks, status: Status, text: &str) -> String {
    match status {
        Status::Evidenced | Status::Attested => looks.good(text),
        Status::NotEvidenced => looks.bad(text),
        Status::AttestationMissing => looks.doubtful(text),
        Status::NotApplicable => looks.dim(text),
    }
}
