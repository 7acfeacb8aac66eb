//! What one instance does for all: asks the explainer, says which revision serves, reports who has which.

use std::time::Duration;

use proxy_wasm::types::LogLevel;

use super::board::{self, ACTIVE, FAILED, PROCESS, SOURCE, TARGET};
use super::workers::{self, Worker};
use super::{bundles, surroundings};
use crate::config::Live;
use crate::host;
use crate::metrics::{Live as Counted, Metrics};

/// The largest bundle, and the largest context.
const MAX_BYTES: usize = 64 << 20;

/// A worker that has not staged a revision by then stages it when its next request comes.
const PATIENCE_US: u64 = 5_000_000;

/// Of a revision that does not come to serve in this time nothing is expected any more.
const STUCK_US: u64 = 30_000_000;

/// A report is sent so often, and when something changed, but not more often than that.
const REPORT_US: u64 = 5_000_000;
const REPORT_AGAIN_US: u64 = 250_000;

/// Who has lead in this time leads.
const LEADING_US: u64 = 1_000_000;

/// An answer that was held back for less was not held back.
const HELD_US: u64 = 100_000;

/// One kind of question: one at a time.
#[derive(Default)]
struct Poll {
    token: Option<u32>,
    asked_us: u64,
    next_us: u64,
}

impl Poll {
    fn is_due(&self, now_us: u64) -> bool {
        self.token.is_none() && self.next_us <= now_us
    }

    fn asked(&mut self, token: Option<u32>, live: &Live, now_us: u64) {
        self.token = token;
        self.asked_us = now_us;
        self.next_us = now_us + live.pause_ms * 1000;
    }

    /// At once, where the service waits for news; later, where it does not.
    fn again(&mut self, is_news: bool, live: &Live, now_us: u64) {
        let was_held = now_us.saturating_sub(self.asked_us) >= HELD_US;
        let pause_ms = if is_news || was_held { 0 } else { live.pause_ms };
        self.next_us = now_us + pause_ms * 1000;
    }
}

/// An answer.
pub(super) struct Answer {
    status: u32,
    revision: String,
    /// How old the knowledge is.
    age_ms: u64,
    body: Result<Vec<u8>, String>,
}

impl Answer {
    /// The one that Envoy has at this moment. `None`: there is none.
    pub(super) fn read(body_size: usize) -> Option<Self> {
        let status = host::call_status()?;
        let tag = host::call_header("etag").unwrap_or_default();
        let tag = tag.strip_prefix("W/").unwrap_or(&tag);
        Some(Self {
            status,
            revision: tag.trim_matches('"').to_owned(),
            age_ms: host::call_header("whynot-context-age-ms")
                .and_then(|age| age.parse().ok())
                .unwrap_or(0),
            body: if body_size > MAX_BYTES {
                Err(format!(
                    "it has {body_size} bytes, and no more than {MAX_BYTES} are read"
                ))
            } else {
                Ok(host::call_body(body_size))
            },
        })
    }

    fn is_revision(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=64).contains(&self.revision.len()) && self.revision.bytes().all(is_plain)
    }
}

/// What an instance knows while it leads.
#[derive(Default)]
pub(super) struct Lead {
    policies: Poll,
    context: Poll,
    report: Poll,
    /// The revision that is to serve, and since when.
    target: (String, u64),
    /// What was reported, but for what always changes.
    reported: String,
    turn_us: u64,
}

impl Lead {
    /// Whether it leads.
    pub(super) fn is_leading(&self, now_us: u64) -> bool {
        self.turn_us > 0 && self.turn_us + LEADING_US > now_us
    }

    /// Does what is due. True while a revision waits to serve.
    pub(super) fn turn(&mut self, live: &Live, me: &Worker, metrics: &Metrics, now_us: u64) -> bool {
        self.turn_us = now_us;
        let wait = |seconds: u64| Duration::from_millis(seconds * 1000 + live.timeout_ms);
        if live.policies && self.policies.is_due(now_us) && self.is_settled(me, now_us) {
            let path = format!("{}/policies?wait={}", live.path, live.wait_seconds);
            let token = host::ask(
                &live.cluster,
                &live.authority,
                &path,
                &known(),
                None,
                wait(live.wait_seconds),
            );
            self.policies.asked(token, live, now_us);
            if token.is_none() {
                missing(live, "Envoy cannot ask it: is there such a cluster?", now_us);
            }
        }
        if live.context && self.context.is_due(now_us) {
            // So often that what is confirmed by each answer is never too old in between.
            let seconds = live.wait_seconds.min(live.max_context_age_seconds / 3);
            let path = format!("{}/context?wait={seconds}", live.path);
            let revision = surroundings::shared_revision();
            let token = host::ask(&live.cluster, &live.authority, &path, &revision, None, wait(seconds));
            self.context.asked(token, live, now_us);
        }
        let all = workers::all(now_us);
        let is_waiting = live.policies && self.flip(me, &all, metrics, now_us);
        self.send_report(live, me, &all, now_us);
        is_waiting
    }

    /// Whether the next revision may be asked for: one that comes while another is staged would keep that one from ever serving.
    fn is_settled(&self, me: &Worker, now_us: u64) -> bool {
        let (target, active) = (board::text(TARGET), board::text(ACTIVE));
        let is_failed = me.failed.as_ref().is_some_and(|(failed, _)| *failed == target);
        let is_stuck = self.target.0 == target && self.target.1 + STUCK_US < now_us;
        target.is_empty() || target == active || is_failed || is_stuck
    }

    /// Lets the revision that is to serve do so, when all that serve are ready. True while it waits.
    fn flip(&mut self, me: &Worker, all: &[Worker], metrics: &Metrics, now_us: u64) -> bool {
        let (target, active) = (board::text(TARGET), board::text(ACTIVE));
        if target.is_empty() || target == active {
            return false;
        }
        if me.failed.as_ref().is_some_and(|(failed, _)| *failed == target) {
            bundles::free(&[&active]);
            return false;
        }
        if self.target.0 != target {
            self.target = (target.clone(), now_us);
        }
        let has_it = me.active == target || me.staged.contains(&target);
        let is_late = self.target.1 + PATIENCE_US < now_us;
        if !has_it || !(is_late || workers::are_ready(all, &target, now_us)) {
            return true;
        }
        board::write(ACTIVE, &target);
        metrics.live(Counted::Flip);
        host::log(
            LogLevel::Info,
            &format!("whynot: revision {target} serves, after {active:?}"),
        );
        bundles::free(&[&target]);
        false
    }

    fn send_report(&mut self, live: &Live, me: &Worker, all: &[Worker], now_us: u64) {
        let seen: Vec<_> = all
            .iter()
            .map(|worker| {
                (
                    worker.id,
                    &worker.active,
                    &worker.staged,
                    &worker.context,
                    &worker.failed,
                )
            })
            .collect();
        let seen = format!("{seen:?}");
        let is_news = seen != self.reported;
        let since_us = now_us.saturating_sub(self.report.asked_us);
        let pause_us = if is_news { REPORT_AGAIN_US } else { REPORT_US };
        if self.report.token.is_some() || since_us < pause_us {
            return;
        }
        let report = workers::report(all, &process(now_us), me.generation, now_us).to_string();
        let path = format!("{}/filter/status", live.path);
        let timeout = Duration::from_millis(live.timeout_ms);
        let token = host::ask(
            &live.cluster,
            &live.authority,
            &path,
            "",
            Some(report.as_bytes()),
            timeout,
        );
        self.report.asked(token, live, now_us);
        self.reported = seen;
    }

    /// An answer came, or will not.
    pub(super) fn answered(&mut self, live: &Live, token: u32, answer: Option<Answer>, now_us: u64) {
        if self.policies.token.take_if(|own| *own == token).is_some() {
            let is_news = policies(live, answer, now_us);
            self.policies.again(is_news, live, now_us);
        } else if self.context.token.take_if(|own| *own == token).is_some() {
            let is_news = context(answer, now_us);
            self.context.again(is_news, live, now_us);
        } else {
            // Nothing follows from a report.
            self.report.token.take_if(|own| *own == token);
        }
    }
}

/// The revision that the explainer need not send again.
fn known() -> String {
    let target = board::text(TARGET);
    if target.is_empty() { board::text(ACTIVE) } else { target }
}

/// True when there is another revision, or when there is none yet.
fn policies(live: &Live, answer: Option<Answer>, now_us: u64) -> bool {
    let Some(answer) = answer else {
        missing(live, "it does not answer", now_us);
        return false;
    };
    match (answer.status, &answer.body) {
        (200, Ok(json)) if answer.is_revision() => {
            board::write(SOURCE, "");
            if answer.revision == known() {
                return false;
            }
            let (active, failed) = (board::text(ACTIVE), board::text(FAILED));
            // One that was refused and is offered again was changed back to meanwhile: it comes to the same.
            if failed
                .split_once('\n')
                .is_some_and(|(failed, _)| failed == answer.revision)
            {
                board::write(TARGET, &answer.revision);
                return false;
            }
            let is_put = answer.revision == active || bundles::put(&answer.revision, json, &[&active]);
            if is_put {
                board::write(TARGET, &answer.revision);
            } else {
                missing(live, "its policies do not fit into Envoy's shared data", now_us);
            }
            is_put
        }
        (304, _) => {
            board::write(SOURCE, "");
            false
        }
        (200, Ok(_)) => {
            missing(live, "it answers without an ETag that names a revision", now_us);
            false
        }
        (200, Err(reason)) => {
            missing(live, &format!("its bundle is refused: {reason}"), now_us);
            false
        }
        (status, body) => {
            let detail = body.as_ref().ok().and_then(|body| detail(body));
            let said = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            missing(live, &format!("it answers with status {status}{said}"), now_us);
            false
        }
    }
}

fn context(answer: Option<Answer>, now_us: u64) -> bool {
    let Some(answer) = answer else { return false };
    let as_of_us = now_us.saturating_sub(answer.age_ms.saturating_mul(1000));
    match (answer.status, &answer.body) {
        (200, Ok(json)) if answer.is_revision() => {
            surroundings::share(&answer.revision, Some(json), as_of_us);
            true
        }
        (304, _) => {
            let revision = surroundings::shared_revision();
            if !revision.is_empty() {
                surroundings::share(&revision, None, as_of_us);
            }
            false
        }
        (status, _) => {
            host::log(
                LogLevel::Warn,
                &format!("whynot: the explainer has no context: it answers with status {status}"),
            );
            false
        }
    }
}

/// `detail` of a problem (RFC 9457).
fn detail(body: &[u8]) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = problem.get("detail").or_else(|| problem.get("title"))?.as_str()?;
    Some(engine::redact::line(text, 300))
}

/// Remembers why there are no policies, and since when; the log has it once.
fn missing(live: &Live, reason: &str, now_us: u64) {
    let mut is_new = false;
    board::update(SOURCE, |text| {
        let (since_us, before) = text.split_once(' ').unwrap_or_default();
        is_new = before != reason;
        if !is_new {
            return None;
        }
        let since_us = since_us.parse().unwrap_or(now_us);
        Some(format!("{since_us} {reason}"))
    });
    if is_new {
        host::log(
            LogLevel::Warn,
            &format!(
                "whynot: no news from the explainer (cluster {:?}): {reason}",
                live.cluster
            ),
        );
    }
}

/// Why there are no policies, for people.
pub(super) fn problem(source: &str, live: Option<&Live>, now_us: u64) -> String {
    let cluster = live.map_or("", |live| live.cluster.as_str());
    let failed = board::text(FAILED);
    if let Some((revision, reason)) = failed.split_once('\n') {
        return format!("no policies: revision {revision} is refused: {reason}");
    }
    match source.split_once(' ') {
        Some((since_us, reason)) => {
            let seconds = now_us.saturating_sub(since_us.parse().unwrap_or(now_us)) / 1_000_000;
            format!("no policies: the explainer (cluster {cluster:?}) has sent none for {seconds} s: {reason}")
        }
        None => format!("no policies: the explainer (cluster {cluster:?}) has not answered yet"),
    }
}

/// The name of this process: that of the Envoy, and what no other process has.
fn process(now_us: u64) -> String {
    board::create(PROCESS, &format!("{now_us:x}"));
    format!("{}/{}", host::node_id(), board::text(PROCESS))
}
