//! `whynot audit verify`.

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::super::style::{Looks, count};
use super::{Failed, Progress, PublicKey, Streams, block_on, checkpoint_beside, key_of, public_key, remote, show};
use crate::api::Proof;
use crate::audit::verify::{Problem, Report, Source, inclusion, payload, verify};
use crate::audit::{Cosigner, Error, SignedCheckpoint};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["database", "export", "proof"]))]
pub(crate) struct VerifyArgs {
    /// The log's database, or a copy of it; it may be in use.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// A file that `whynot audit export` wrote; - for standard input.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// One proof, as GET /v1/audit/proof gives it; - for standard input.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// A checkpoint that the log must lead to as well: a file, or an address. Repeatable: what a witness keeps shows a fork.
    ///
    /// Always checked: the .checkpoint beside the database, the one in the export, the one in the proof. A database without the file
    /// beside it needs one named here.
    #[arg(long, value_name = "FILE|URL")]
    checkpoint: Vec<String>,
    /// The log's public key, or a file with it. Default: the one of the .key beside the database, or of the export.
    #[arg(long, value_name = "KEY|FILE", value_parser = public_key)]
    public_key: Option<PublicKey>,
    /// The public key of a witness that must have cosigned one of the checkpoints; repeatable.
    #[arg(long, value_name = "KEY", value_parser = Cosigner::parse)]
    witness_key: Vec<Cosigner>,
    /// How the result looks.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    origin: String,
    public_key: String,
    /// The key came with what it signed: who did both could have made it up.
    own_key: bool,
    /// There is no checkpoint beside the database: only those that were named were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_own_checkpoint: Option<String>,
    witnessed: Vec<Witnessed>,
    #[serde(flatten)]
    report: Report,
}

#[derive(Debug, Serialize)]
struct Witnessed {
    name: String,
    /// When, in RFC 3339.
    at: String,
    size: u64,
}

/// What cannot be checked: exit code 2.
fn unreadable(streams: &mut Streams<'_>, error: &dyn std::fmt::Display) -> Failed {
    let _ = writeln!(streams.err, "error: it cannot be checked: {error}");
    Failed::Unreadable
}

pub(crate) fn run(args: &VerifyArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    if let Some(file) = &args.proof {
        return proof(args, file, streams);
    }
    let (source, key, own_note) = match open(args) {
        Ok(opened) => opened,
        Err(Failed::Other(error)) => return Err(unreadable(streams, &error)),
        Err(failed) => return Err(failed),
    };
    let mut notes = Vec::new();
    // A witness is behind the log: what was changed since it looked, its checkpoint does not show.
    let no_own_checkpoint = match own_note {
        Ok(own) => {
            notes.push(own);
            None
        }
        Err(error) if args.checkpoint.is_empty() => {
            return Err(unreadable(streams, &format!("{error}; name it with --checkpoint")));
        }
        Err(error) => Some(error),
    };
    for place in &args.checkpoint {
        let note = remote::checkpoint(place).map_err(|error| unreadable(streams, &error))?;
        notes.push((place.clone(), note));
    }
    let mut problems = Vec::new();
    let mut checkpoints = Vec::new();
    for (place, note) in notes {
        match SignedCheckpoint::open(&note, &key) {
            Ok(signed) => checkpoints.push(signed),
            Err(error) => problems.push(Problem {
                code: "signature",
                leaf: None,
                text: format!("{place}: {error}"),
            }),
        }
    }
    let witnessed = witnessed(args, &checkpoints, &mut problems);
    let mut progress = Progress::new(streams);
    let err = &mut *streams.err;
    let mut told = |done: u64| progress.show(err, &leaves(done));
    let checked = block_on(verify(source, &checkpoints, &mut told))?;
    progress.end(&mut *streams.err);
    let mut report = checked.map_err(|error| unreadable(streams, &error))?;
    report.problems_found += u64::try_from(problems.len()).unwrap_or(0);
    report.problems.splice(0..0, problems);
    report.verified = report.problems_found == 0;
    let result = Outcome {
        origin: key.name().to_owned(),
        public_key: key.text().to_owned(),
        own_key: args.public_key.is_none(),
        no_own_checkpoint,
        witnessed,
        report,
    };
    let mut text = Vec::new();
    print(args.output, &result, streams.looks, &mut text)?;
    show(streams, &text)?;
    if result.report.verified {
        return Ok(());
    }
    Err(Failed::Reported)
}

type Opened = (Source, PublicKey, Result<(String, Vec<u8>), String>);

/// What is to be checked, with which key, and the checkpoint that comes with it.
fn open(args: &VerifyArgs) -> Result<Opened, Failed> {
    if let Some(database) = &args.database {
        let key = key_of(args.public_key.as_ref(), database)?;
        let place = checkpoint_beside(database).display().to_string();
        let note = remote::checkpoint(&place);
        let source = block_on(Source::database(database))??;
        return Ok((source, key, note.map(|note| (place, note))));
    }
    let file = args.export.as_deref().unwrap_or(Path::new("-"));
    let lines: Box<dyn std::io::BufRead + Send> = if file == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let opened = std::fs::File::open(file);
        let opened = opened.map_err(|error| anyhow::anyhow!("cannot read {}: {error}", file.display()))?;
        Box::new(BufReader::with_capacity(1 << 20, opened))
    };
    let (source, header) = Source::export(lines)?;
    let key = match &args.public_key {
        Some(key) => key.clone(),
        None => PublicKey::parse(&header.public_key).map_err(Error::Note)?,
    };
    let note = ("the export".to_owned(), header.checkpoint.into_bytes());
    Ok((source, key, Ok(note)))
}

/// Which witnesses cosigned; one that did not is a problem.
fn witnessed(args: &VerifyArgs, checkpoints: &[SignedCheckpoint], problems: &mut Vec<Problem>) -> Vec<Witnessed> {
    let mut found = Vec::new();
    for witness in &args.witness_key {
        let cosigned = checkpoints
            .iter()
            .find_map(|signed| Some((signed, signed.cosigned(witness).ok()?)));
        let Some((signed, seconds)) = cosigned else {
            problems.push(Problem {
                code: "witness",
                leaf: None,
                text: format!("no checkpoint has a valid cosignature of {}", witness.name()),
            });
            continue;
        };
        let at = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        found.push(Witnessed {
            name: witness.name().to_owned(),
            at: at.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string(),
            size: signed.checkpoint.size,
        });
    }
    found
}

fn print(output: Output, result: &Outcome, looks: Looks, out: &mut Vec<u8>) -> Result<(), Failed> {
    if output == Output::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(result)?)?;
        return Ok(());
    }
    let report = &result.report;
    if report.verified {
        writeln!(
            out,
            "{}: {} of {}",
            looks.good("verified"),
            leaves(report.leaves),
            result.origin
        )?;
    } else {
        let problems = count(usize::try_from(report.problems_found).unwrap_or(usize::MAX), "problem");
        writeln!(
            out,
            "{}: {problems} in {} of {}",
            looks.bad("NOT VERIFIED"),
            leaves(report.leaves),
            result.origin
        )?;
        for problem in &report.problems {
            writeln!(out, "  {} ({})", problem.text, problem.code)?;
        }
        let more = report
            .problems_found
            .saturating_sub(u64::try_from(report.problems.len()).unwrap_or(0));
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
    }
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        writeln!(out, "  written from {first} to {last}")?;
    }
    for size in &report.checkpoints {
        writeln!(out, "  leads to the signed checkpoint of {}", leaves(*size))?;
    }
    for witness in &result.witnessed {
        writeln!(
            out,
            "  {} cosigned {} at {}",
            witness.name,
            leaves(witness.size),
            witness.at
        )?;
    }
    if report.sealed > 0 {
        writeln!(
            out,
            "  {} after the last checkpoint, with the seal of the log's key in the database",
            leaves(report.sealed)
        )?;
    }
    if let Some(missing) = &result.no_own_checkpoint {
        let note = format!(
            "  not checked: the log's own last checkpoint ({missing}); what is newer than those named may be cut off"
        );
        writeln!(out, "{}", looks.dim(&note))?;
    }
    writeln!(
        out,
        "  payloads: {} fit, {} deleted by retention",
        report.payloads, report.payloads_erased
    )?;
    if result.own_key {
        let note = format!(
            "  the key was found beside the log: compare it with what you know: {}",
            result.public_key
        );
        writeln!(out, "{}", looks.dim(&note))?;
    }
    Ok(())
}

fn leaves(number: u64) -> String {
    if number == 1 {
        "1 leaf".to_owned()
    } else {
        format!("{number} leaves")
    }
}

/// One leaf and its proof.
fn proof(args: &VerifyArgs, file: &Path, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let Some(key) = &args.public_key else {
        return Err(Failed::Usage(
            "a proof is checked with the log's public key: name it with --public-key".to_owned(),
        ));
    };
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let proof = text.map_err(anyhow::Error::from);
    let proof = proof.and_then(|text| Ok(serde_json::from_str::<Proof>(&text)?));
    let proof = proof.map_err(|error| unreadable(streams, &format!("{}: {error}", file.display())))?;
    let checked = SignedCheckpoint::open(proof.checkpoint.as_bytes(), key).and_then(|signed| {
        inclusion(&signed, proof.index, &proof.leaf, &proof.hashes)?;
        let has_payload = match (&proof.salt, &proof.payload) {
            (Some(salt), Some(bytes)) => {
                payload(&proof.leaf, salt, bytes)?;
                true
            }
            (None, None) => false,
            // One without the other says nothing, and looks as if it were proven.
            (None, Some(_)) => {
                return Err(Error::Note(
                    "there is a payload without its salt: nothing proves it".to_owned(),
                ));
            }
            (Some(_), None) => return Err(Error::Note("there is a salt without its payload".to_owned())),
        };
        Ok((signed, has_payload))
    });
    let (verified, has_payload, text) = match &checked {
        Ok((signed, has_payload)) => {
            let place = format!(
                "leaf {} is in the tree of {}",
                proof.index,
                leaves(signed.checkpoint.size)
            );
            let of_payload = if *has_payload {
                "its payload is the one that it commits to"
            } else {
                "its payload is not in the proof, and was not checked"
            };
            (true, *has_payload, format!("{place}; {of_payload}"))
        }
        Err(error) => (false, false, error.to_string()),
    };
    let shown = if args.output == Output::Json {
        let result = serde_json::json!({
            "verified": verified, "index": proof.index, "payloadVerified": has_payload, "text": text,
        });
        format!("{result:#}\n")
    } else {
        let looks = streams.looks;
        let word = if verified {
            looks.good("verified")
        } else {
            looks.bad("NOT VERIFIED")
        };
        format!("{word}: {text}\n")
    };
    show(streams, shown.as_bytes())?;
    if verified { Ok(()) } else { Err(Failed::Reported) }
}
