//! `whynot policy status`.

use std::time::{Duration, Instant};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::style::{Looks, count};
use super::super::{Failed, Streams};
use super::Output;
use super::server::{Server, Unanswered, printable, report};
use crate::delivery::{Proxy, Status, Worker, WorkerState};

/// Workers report every five seconds; one that missed this many is not known.
const SILENT: SignedDuration = SignedDuration::from_secs(16);
/// Between looks, while something is waited for.
const LOOK: Duration = Duration::from_millis(500);
/// Of refused policies; the JSON has all.
const REASONS: usize = 10;
const REFUSED: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    server: Server,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Waits until this revision is current and every worker that serves has it.
    #[arg(long, value_name = "REVISION")]
    wait: Option<String>,
    /// How long to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "wait",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// Whether everything is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// Every worker that serves has the current policies.
    Current,
    /// Some have not.
    Behind(String),
    /// Nobody knows.
    Unclear(String),
}

impl Answer {
    fn word(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind(_) => "behind",
            Self::Unclear(_) => "unclear",
        }
    }
}

pub(super) fn run(args: &StatusArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let (status, answer) = loop {
        let asked: Result<Status, Unanswered> = args.server.get("/v1/policies/status");
        let is_over = args.wait.is_none() || Instant::now() >= deadline;
        match asked {
            Ok(status) => {
                let answer = answer(&status, args.wait.as_deref());
                if answer == Answer::Current || is_over {
                    break (status, answer);
                }
                progress(&answer, streams)?;
            }
            // The explainer may be starting.
            Err(Unanswered::Unclear(text)) if !is_over => progress(&Answer::Unclear(text), streams)?,
            Err(unanswered) => {
                report(unanswered, streams);
                return Err(Failed::Unreadable);
            }
        }
        std::thread::sleep(LOOK);
    };
    if streams.looks.progress && args.wait.is_some() {
        write!(streams.err, "\r\u{1b}[K")?;
    }
    match args.output {
        Output::Text => {
            let text = text(&status, &answer, streams.looks);
            streams.out.write_all(text.as_bytes())?;
        }
        Output::Json => {
            let mut value = serde_json::to_value(&status)?;
            if let Some(members) = value.as_object_mut() {
                members.insert("answer".to_owned(), json!(answer.word()));
            }
            writeln!(streams.out, "{}", serde_json::to_string_pretty(&value)?)?;
        }
    }
    match answer {
        Answer::Current => Ok(()),
        Answer::Behind(_) => Err(Failed::Reported),
        Answer::Unclear(_) => Err(Failed::Unreadable),
    }
}

fn progress(answer: &Answer, streams: &mut Streams<'_>) -> std::io::Result<()> {
    if !streams.looks.progress {
        return Ok(());
    }
    let text = match answer {
        Answer::Current => "",
        Answer::Behind(reason) | Answer::Unclear(reason) => reason,
    };
    let text: String = printable(text).chars().take(70).collect();
    write!(streams.err, "\r\u{1b}[Kwaiting: {text}")?;
    streams.err.flush()
}

/// A worker counts when it serves: the main thread and those that finish are no workers that lag. But somebody has to be there that
/// has the policies.
fn answer(status: &Status, wanted: Option<&str>) -> Answer {
    let Some(current) = &status.current else {
        return Answer::Behind("there are no policies".to_owned());
    };
    if let Some(wanted) = wanted
        && current.revision != wanted
    {
        return Answer::Behind(format!("{} is current, not {wanted}", current.revision));
    }
    let is_behind = |worker: &Worker| worker.active.as_deref() != Some(current.revision.as_str());
    let (mut silent, mut behind, mut serving) = (0, 0, 0);
    let (mut idle, mut ready) = (0, 0);
    for proxy in &status.proxies {
        if is_silent(status, proxy) {
            silent += 1;
            continue;
        }
        for worker in &proxy.workers {
            match (worker.state, is_behind(worker)) {
                (WorkerState::Serving, is_behind) => {
                    serving += 1;
                    behind += usize::from(is_behind);
                }
                (WorkerState::Idle, true) => idle += 1,
                (WorkerState::Idle, false) => ready += 1,
                (WorkerState::Draining, _) => {}
            }
        }
    }
    match (behind, silent) {
        (0, 0) if status.proxies.iter().all(|proxy| proxy.workers.is_empty()) => {
            Answer::Unclear("no Envoy reports which policies it has".to_owned())
        }
        // Each takes them up with its next request, and nobody knows yet that it can.
        (0, 0) if serving == 0 && (idle > 0 || ready == 0) => Answer::Unclear(format!(
            "no worker serves, and {} with other policies",
            if idle == 1 {
                "1 is idle".to_owned()
            } else {
                format!("{idle} are idle")
            }
        )),
        (0, 0) => Answer::Current,
        (0, silent) => Answer::Unclear(format!("{silent} of Envoy's processes stopped reporting")),
        (1, _) => Answer::Behind("1 worker has other policies".to_owned()),
        (behind, _) => Answer::Behind(format!("{behind} workers have other policies")),
    }
}

fn is_silent(status: &Status, proxy: &Proxy) -> bool {
    age(status, &proxy.seen_at).is_none_or(|age| age > SILENT)
}

/// By the server's clock alone.
fn age(status: &Status, time: &str) -> Option<SignedDuration> {
    let now: Timestamp = status.at.parse().ok()?;
    let then: Timestamp = time.parse().ok()?;
    Some(now.duration_since(then))
}

fn ago(status: &Status, time: &str) -> String {
    let Some(seconds) = age(status, time).map(|age| age.as_secs().max(0)) else {
        return "at an unknown time".to_owned();
    };
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

fn text(status: &Status, answer: &Answer, looks: Looks) -> String {
    let mut out = String::new();
    match &status.current {
        Some(current) => out.push_str(&format!(
            "{}  since {}, from {}\n",
            looks.strong(&printable(&current.revision)),
            printable(&current.since),
            printable(&current.source)
        )),
        None => out.push_str(&format!("{}\n", looks.bad("no policies"))),
    }
    let source = &status.source;
    out.push_str(&format!("source     {}", printable(&source.location)));
    if let Some(checked) = &source.last_checked {
        out.push_str(&format!(", answered {}", ago(status, checked)));
    }
    out.push('\n');
    if let Some(error) = &source.last_error {
        out.push_str(&format!("           {}\n", looks.bad(&printable(error))));
    }
    if let Some(held) = &source.held_back {
        let text = format!(
            "offers {}, which was rolled back; it is taken once the source has had another",
            printable(held)
        );
        out.push_str(&format!("           {}\n", looks.doubtful(&text)));
    }
    for refused in status.refused.iter().take(REFUSED) {
        let revision = refused.revision.as_deref().unwrap_or("unreadable");
        let line = format!("refused    {}  {}", printable(revision), ago(status, &refused.at));
        out.push_str(&format!("{}, from {}\n", looks.bad(&line), printable(&refused.origin)));
        for reason in refused.reasons.iter().take(REASONS) {
            out.push_str(&format!("           {}\n", printable(reason)));
        }
        let more = refused.reasons.len().saturating_sub(REASONS);
        if more > 0 {
            out.push_str(&format!("           and {more} more (--output json)\n"));
        }
    }
    let before: Vec<String> = status
        .history
        .iter()
        .filter(|change| {
            status
                .current
                .as_ref()
                .is_none_or(|current| current.revision != change.revision)
        })
        .map(|change| {
            let mark = match &change.unusable {
                Some(_) => " (not verified)",
                None if status.avoided.contains(&change.revision) => " (rolled back)",
                None => "",
            };
            format!("{}{mark}", printable(&change.revision))
        })
        .collect();
    if !before.is_empty() {
        out.push_str(&format!("before     {}\n", before.join(", ")));
    }
    for proxy in &status.proxies {
        let silent = is_silent(status, proxy);
        let seen = if silent {
            format!(", silent: last seen {}", ago(status, &proxy.seen_at))
        } else {
            String::new()
        };
        let line = format!("{}{seen}", printable(&proxy.proxy));
        out.push_str(&format!("\n{}\n", if silent { looks.doubtful(&line) } else { line }));
        for worker in &proxy.workers {
            out.push_str(&worker_line(worker, status, looks));
        }
    }
    let (mark, reason) = match answer {
        Answer::Current => {
            let workers = || status.proxies.iter().flat_map(|proxy| &proxy.workers);
            let serving = workers().filter(|worker| worker.state == WorkerState::Serving).count();
            let idle = workers().filter(|worker| worker.state == WorkerState::Idle).count();
            let serving = match serving {
                0 => format!("{}, idle,", count(idle, "worker")),
                serving => count(serving, "worker"),
            };
            (
                looks.good("current"),
                format!("{} of {}", serving, count(status.proxies.len(), "proxy")),
            )
        }
        Answer::Behind(reason) => (looks.bad("behind"), reason.clone()),
        Answer::Unclear(reason) => (looks.doubtful("unclear"), reason.clone()),
    };
    out.push_str(&format!("\n{mark}: {reason}\n"));
    out
}

fn worker_line(worker: &Worker, status: &Status, looks: Looks) -> String {
    let current = status.current.as_ref().map(|current| current.revision.as_str());
    let active = worker.active.as_deref().filter(|active| !active.is_empty());
    let shown = printable(active.unwrap_or("none"));
    let shown = match (worker.state, active == current) {
        (WorkerState::Serving, true) => looks.good(&shown),
        (WorkerState::Serving, false) => looks.bad(&shown),
        _ => looks.dim(&shown),
    };
    let state = match worker.state {
        WorkerState::Serving => "serving",
        WorkerState::Idle => "idle",
        WorkerState::Draining => "draining",
    };
    let mut line = format!("  worker {:<4} {state:<8}  {shown}", worker.id);
    let staged: Vec<String> = worker
        .staged
        .iter()
        .filter(|staged| Some(staged.as_str()) != active)
        .map(|staged| printable(staged))
        .collect();
    if !staged.is_empty() {
        line.push_str(&format!(", staged {}", staged.join(", ")));
    }
    if let Some(failed) = &worker.failed {
        let text = format!("{}: {}", printable(&failed.revision), printable(&failed.reason));
        line.push_str(&format!(", {}", looks.bad(&format!("cannot take {text}"))));
    }
    line.push('\n');
    line
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
