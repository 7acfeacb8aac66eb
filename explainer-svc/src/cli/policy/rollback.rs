//! `whynot policy rollback`.

use clap::Args;
use serde::Deserialize;

use super::super::{Failed, Streams};
use super::server::{Administrator, Server, report};

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The revision to go back to: one that `whynot policy status` names; by default the one before the current one.
    #[arg(value_name = "REVISION")]
    revision: Option<String>,
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

pub(super) fn run(args: &RollbackArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let token = args.administrator.token()?;
    let body = serde_json::json!({"revision": args.revision}).to_string();
    let answer = args
        .server
        .post("/v1/policies/rollback", &token, "application/json", body.as_bytes());
    let Taken { revision, changed } = answer.map_err(|unanswered| report(unanswered, streams))?;
    let done = if changed {
        "is current again"
    } else {
        "was current already"
    };
    writeln!(
        streams.out,
        "revision {} {done} at {}",
        streams.looks.strong(&revision),
        args.server.address()
    )?;
    Ok(())
}
