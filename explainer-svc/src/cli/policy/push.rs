//! `whynot policy push`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use clap::Args;
use engine::policy::bundle::Bundle;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::json;

use super::super::style::count;
use super::super::{Failed, Streams};
use super::inputs::{self, Inputs};
use super::server::{Administrator, Server, Unanswered, report};
use crate::assembly::{Filter, Outcome, Trial};
use crate::sources::{self, Dialect, Kind, Sources};

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    administrator: Administrator,
}

#[derive(Deserialize)]
struct Taken {
    revision: String,
    changed: bool,
}

pub(super) fn run(args: &PushArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let options = args.inputs.options()?;
    let token = args.administrator.token()?;
    let body = match packed(args, &options, streams) {
        Ok(body) => body?,
        Err(problems) => {
            super::report(&args.inputs, &problems, "nothing was pushed", streams)?;
            return Err(Failed::Reported);
        }
    };
    if streams.looks.progress {
        write!(streams.err, "\r\u{1b}[Kpushing {} KiB …", body.len() >> 10)?;
        streams.err.flush()?;
    }
    let answer: Result<Taken, Unanswered> = args.server.post("/v1/policies", &token, "application/gzip", &body);
    if streams.looks.progress {
        write!(streams.err, "\r\u{1b}[K")?;
    }
    let Taken { revision, changed } = answer.map_err(|unanswered| report(unanswered, streams))?;
    let done = if changed { "is current" } else { "was current already" };
    writeln!(
        streams.out,
        "revision {} {done} at {}",
        streams.looks.strong(&revision),
        args.server.address()
    )?;
    Ok(())
}

type Packed = Result<Result<Vec<u8>, Failed>, Vec<engine::policy::Problem>>;

/// Checks and tests here, where problems have paths that can be opened, and packs what is to be checked and tested there.
fn packed(args: &PushArgs, options: &sources::Options, streams: &mut Streams<'_>) -> Packed {
    let (sources, problems) = sources::survey(&args.inputs.paths, options);
    let bundle = match inputs::bundle(&sources) {
        Ok(bundle) if problems.is_empty() => bundle,
        _ => return Err(inputs::all_problems(&sources, problems)),
    };
    inputs::compiled(&sources, &bundle)?;
    let filter = Filter::new(None);
    let trial = Trial {
        filter: &filter,
        located: &|file| args.inputs.located(file),
        step: &mut |_| {},
    };
    let (tests, _) = trial.run(&sources, &bundle)?;
    let mut failed = 0;
    for test in &tests {
        if let Outcome::Failed(reason) | Outcome::Broken(reason) = &test.outcome {
            failed += 1;
            // Nobody to tell when standard error is gone; the exit code still says it.
            let _ = writeln!(
                streams.err,
                "{}:{}: {}: {reason}",
                test.file,
                test.line,
                test.full_name()
            );
        }
    }
    if failed > 0 {
        let _ = writeln!(
            streams.err,
            "error: {} failed; nothing was pushed",
            count(failed, "test")
        );
        return Ok(Err(Failed::Reported));
    }
    // One that is packed already may be signed, and stays as it is.
    if let [path] = args.inputs.paths.as_slice()
        && let Some(bytes) = archive(path)
    {
        return Ok(Ok(bytes));
    }
    Ok(pack(&sources, &bundle).map_err(Failed::from))
}

fn archive(path: &Path) -> Option<Vec<u8>> {
    let bytes = if path.is_file() {
        std::fs::read(path).ok()?
    } else {
        return None;
    };
    bytes.starts_with(&[0x1f, 0x8b]).then_some(bytes)
}

/// The bundle as it was built here, so that its revision is the same there, with the tests and cases beside it.
fn pack(sources: &Sources, bundle: &Bundle) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len().try_into().unwrap_or(u64::MAX));
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, content)
    };
    add("bundle.json", &bundle.to_json())?;
    let mut versions = BTreeMap::new();
    for file in sources.tests.iter().chain(&sources.cases) {
        add(&file.path, file.text.as_bytes())?;
        if let Kind::Rego(dialect, _) = &file.kind {
            versions.insert(globset::escape(&file.path), u8::from(*dialect == Dialect::V1));
        }
    }
    let manifest = json!({"revision": bundle.revision, "roots": [""], "file_rego_versions": versions});
    add(".manifest", manifest.to_string().as_bytes())?;
    let mut packed = archive.into_inner()?;
    packed.flush()?;
    packed.finish()
}
