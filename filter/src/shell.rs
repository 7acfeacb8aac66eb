//! One request: Envoy's callbacks become [`Event`]s, [`Effect`]s become calls of the host.

use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use engine::context::Namespace;
use engine::upstream::answer::MAX_ANSWER_BYTES;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};
use serde::Deserialize;

use crate::config::Config;
use crate::flow::{self, CallError, Effect, Event, MAX_EXPLANATION_BYTES, Response, State};
use crate::host;
use crate::root::Shared;
use crate::upstream::Head;

/// Where Envoy asks whether there are policies.
const READINESS: &str = "/readyz";

pub(crate) struct Request {
    shared: Option<Rc<Shared>>,
    /// What it is judged with: taken anew when the review is whole, and kept to its end.
    config: Option<Rc<Config>>,
    state: State,
    /// What the callbacks answer: pause, until the request may go on.
    verdict: Action,
    /// The same for the answer of the webhook behind, and for the filter's own, which nothing keeps back.
    answer: Action,
    /// The call that is under way.
    token: Option<u32>,
    /// The same, for this namespace.
    namespace: Option<(u32, String)>,
    /// When the request came, by the host's clock.
    started_us: u64,
    /// Bytes of the review that are kept for explaining a denial of the webhook behind.
    kept: usize,
}

/// Where an effect happens: inside of a callback of the request, or later, when Envoy must be told to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Callback,
    Later,
}

impl Request {
    pub(crate) fn new(shared: Option<Rc<Shared>>) -> Self {
        Self {
            shared,
            config: None,
            state: State::New,
            verdict: Action::Pause,
            answer: Action::Continue,
            token: None,
            namespace: None,
            started_us: 0,
            kept: 0,
        }
    }

    fn handle(&mut self, event: Event, moment: Moment) -> Action {
        let (Some(shared), Some(config)) = (self.shared.clone(), self.config.clone()) else {
            // Envoy makes no request context before it has configured the plugin, and `begin` asks for policies; nothing is
            // let through if they do not.
            host::respond(&flow::nothing_to_judge_with());
            return Action::Pause;
        };
        let (state, effects) = flow::step(mem::take(&mut self.state), event, &config);
        self.state = state;
        self.keep(&shared);
        for effect in effects {
            self.perform(effect, &shared, &config, moment);
        }
        self.verdict
    }

    /// The review that a webhook behind judges now is kept for as long as that takes, if there is room: an answer is forwarded
    /// without it, too, only nobody explains it then.
    fn keep(&mut self, shared: &Shared) {
        let now = match &mut self.state {
            State::Behind(passed) | State::Reading(passed) => {
                if self.kept == 0 && !shared.may_keep(passed.body.len()) {
                    passed.body = Vec::new();
                }
                passed.body.len()
            }
            _ => 0,
        };
        shared.keeps(self.kept, now);
        self.kept = now;
    }

    /// Takes what the request is judged with. What it answers when there is nothing, or when it is asked whether there is.
    fn begin(&mut self) -> Option<Response> {
        let shared = self.shared.as_ref()?;
        if host::request_header(":path") == READINESS {
            return Some(match shared.readiness() {
                Ok(revision) => flow::text(200, &format!("ready: revision {revision}")),
                Err(reason) => flow::text(503, &format!("whynot: {reason}")),
            });
        }
        self.config = shared.current(self.started_us);
        let reason = self
            .config
            .is_none()
            .then(|| shared.readiness().err().unwrap_or_default())?;
        Some(flow::text(503, &format!("whynot: {reason}")))
    }

    fn perform(&mut self, effect: Effect, shared: &Shared, config: &Config, moment: Moment) {
        match effect {
            Effect::Wait => {}
            Effect::PassOn => {
                self.verdict = Action::Continue;
                // An answer that is to be read must come plain.
                host::drop_request_header("accept-encoding");
                if moment == Moment::Later {
                    host::resume();
                }
            }
            Effect::Forward => self.let_answer_go(moment),
            Effect::Reword { size, body } => {
                if !host::replace_answer(size, &body) {
                    host::log(
                        LogLevel::Error,
                        "whynot: Envoy did not take the explanation of a denial",
                    );
                }
                self.let_answer_go(moment);
            }
            Effect::Respond(response) => {
                if !host::respond(&response) {
                    host::log(LogLevel::Error, "whynot: Envoy did not take the answer");
                    // Nothing that could be refused is in this one; without any answer the request would wait for its time-out.
                    host::respond(&flow::nothing_to_judge_with());
                }
            }
            Effect::Call {
                body,
                timeout_ms,
                give_up_ms,
            } => {
                let left_ms = give_up_ms.saturating_sub(host::now_us().saturating_sub(self.started_us) / 1000);
                let timeout = Duration::from_millis(timeout_ms.min(left_ms));
                let explainer = config.explainer.as_ref().filter(|_| !timeout.is_zero());
                self.token = explainer.and_then(|explainer| host::call(explainer, &body, timeout));
                if self.token.is_none() {
                    self.handle(Event::Explained(Err(CallError::Refused)), moment);
                }
            }
            Effect::Place { namespace, timeout_ms } => {
                shared.missed();
                let token = shared.ask_for_namespace(&namespace, timeout_ms);
                self.namespace = token.map(|token| (token, namespace));
                if self.namespace.is_none() {
                    self.handle(Event::Placed(Err(CallError::Refused)), moment);
                }
            }
            Effect::Count(count) => shared.metrics.count(&count),
            Effect::Log(message) => host::log(LogLevel::Warn, &format!("whynot: {message}")),
        }
    }

    fn let_answer_go(&mut self, moment: Moment) {
        self.answer = Action::Continue;
        if moment == Moment::Later {
            host::resume_answer();
        }
    }

    /// The answer of the webhook behind is whole.
    fn complete_answer(&mut self, size: usize) -> Action {
        let body = host::answer_body(size.min(MAX_ANSWER_BYTES + 1));
        let elapsed_ms = host::now_us().saturating_sub(self.started_us) / 1000;
        self.handle(Event::AnswerComplete { body, elapsed_ms }, Moment::Callback);
        self.answer
    }

    fn is_reading(&self) -> bool {
        matches!(self.state, State::Reading(_))
    }

    fn is_receiving(&self) -> bool {
        matches!(self.state, State::Receiving(_))
    }

    /// The body is whole: the moment of the decision.
    fn complete(&mut self, size: usize) -> Action {
        let Some(shared) = self.shared.clone() else {
            return self.handle(Event::Gone, Moment::Callback);
        };
        let start = host::now_us();
        // Other policies may serve since the headers came.
        self.config = shared.current(start).or_else(|| self.config.take());
        let limit = self.config.as_ref().map_or(0, |config| config.max_body_bytes);
        // One byte more than the limit tells that it is passed.
        let body = host::request_body(size.min(limit.saturating_add(1)));
        if let Some(config) = &self.config {
            shared.judged(config);
        }
        let action = self.handle(Event::Complete(body), Moment::Callback);
        shared.metrics.evaluated(host::now_us().saturating_sub(start));
        action
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.keeps(self.kept, 0);
        }
    }
}

/// What the explainer knows of a namespace, and how old that is, in milliseconds.
fn namespace_answer(has_headers: bool, body_size: usize) -> Result<Option<(Namespace, u64)>, CallError> {
    // Without headers there was no answer, and asking for one of them would make the SDK panic.
    let status = if has_headers { host::call_status() } else { None };
    match status {
        None => Err(CallError::NoAnswer),
        Some(200) if body_size > MAX_EXPLANATION_BYTES => Err(CallError::TooLarge),
        Some(200) => {
            let named: Result<Named, _> = serde_json::from_slice(&host::call_body(body_size));
            let namespace = |named: Named| Namespace {
                labels: named.labels,
                annotations: named.annotations,
            };
            let age = host::call_header("whynot-context-age-ms").and_then(|age| age.parse().ok());
            let known = named.map(|named| Some((namespace(named), age.unwrap_or(0))));
            known.map_err(|_| CallError::Status)
        }
        Some(404) => Ok(None),
        Some(_) => Err(CallError::Status),
    }
}

/// A namespace as the explainer sends it, with its name.
#[derive(Deserialize)]
struct Named {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Context for Request {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _trailers: usize) {
        if let Some((_, name)) = self.namespace.take_if(|(known, _)| *known == token) {
            let answer = namespace_answer(headers > 0, body_size).and_then(|known| {
                let Some((namespace, age_ms)) = known else {
                    return Ok(None);
                };
                if self
                    .shared
                    .as_ref()
                    .is_some_and(|shared| !shared.learn(&name, &namespace, age_ms))
                {
                    return Err(CallError::Stale);
                }
                Ok(Some(namespace))
            });
            self.handle(Event::Placed(answer), Moment::Later);
            return;
        }
        if self.token.take_if(|known| *known == token).is_none() {
            return;
        }
        // Without headers there was no answer, and asking for one of them would make the SDK panic.
        let status = if headers == 0 { None } else { host::call_status() };
        let answer = match status {
            None => Err(CallError::NoAnswer),
            Some(200) if body_size > MAX_EXPLANATION_BYTES => Err(CallError::TooLarge),
            Some(200) => Ok(host::call_body(body_size)),
            // Envoy's own answer when the cluster is down, or the service's when it is not well.
            Some(_) => Err(CallError::Status),
        };
        self.handle(Event::Explained(answer), Moment::Later);
    }

    fn on_done(&mut self) -> bool {
        self.token = None;
        self.namespace = None;
        // One that was answered before there was anything to judge it with has nothing to be told.
        if self.config.is_some() {
            self.handle(Event::Gone, Moment::Later);
        }
        true
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.started_us = host::now_us();
        if let Some(response) = self.begin() {
            self.state = State::Done;
            host::respond(&response);
            return Action::Pause;
        }
        let event = Event::Headers {
            method: host::request_header(":method"),
            path: host::request_header(":path"),
            content_type: host::request_header("content-type"),
            is_end: end_of_stream,
        };
        self.handle(event, Moment::Callback)
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        if !self.is_receiving() {
            return self.verdict;
        }
        if end_of_stream {
            return self.complete(body_size);
        }
        let is_over = self
            .config
            .as_ref()
            .is_some_and(|config| body_size > config.max_body_bytes);
        let head = if is_over { host::request_body(4096) } else { Vec::new() };
        self.handle(Event::Body { size: body_size, head }, Moment::Callback)
    }

    /// With trailers the body never reports its end.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.is_receiving() {
            self.complete(usize::MAX)
        } else {
            self.verdict
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        // Of the filter's own answers nothing is read.
        if !matches!(self.state, State::Behind(_)) {
            return self.answer;
        }
        self.answer = Action::Pause;
        let head = Head {
            status: host::answer_header(":status"),
            encoding: host::answer_header("content-encoding"),
            length: host::answer_header("content-length"),
            is_end: end_of_stream,
        };
        self.handle(Event::Answer(head), Moment::Callback);
        self.answer
    }

    fn on_http_response_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        if self.is_reading() {
            if end_of_stream {
                return self.complete_answer(body_size);
            }
            self.handle(Event::AnswerBody(body_size), Moment::Callback);
        }
        self.answer
    }

    /// With trailers the body never reports its end.
    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if self.is_reading() {
            return self.complete_answer(usize::MAX);
        }
        self.answer
    }
}
