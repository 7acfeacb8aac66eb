//! Policies and context that change while requests are served.
//!
//! ```text
//! explainer -> lead.rs (one instance, under a lease) -> shared data -> staging.rs, surroundings.rs (each instance, in slices)
//!           -> all that serve have it -> `whynot/active` -> the next request of each takes it
//! ```
//!
//! A request keeps what it was decided with to its end. Nothing that is here can be half there: a revision is staged whole
//! before it serves, and one small value says which one does.

mod board;
mod bundles;
mod generation;
mod lead;
mod lease;
mod staging;
mod surroundings;
mod workers;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use engine::context::Namespace;
use engine::eval::PolicySet;
use engine::warm;
use proxy_wasm::types::LogLevel;

use crate::config::{Config, ConfigError, Plugin};
use crate::host;
use crate::metrics::{Live as Counted, Metrics};
use board::{ACCEPTED, ACTIVE, FAILED, NEXT_ID, SOURCE, TARGET};
use lead::Lead;
use staging::{Staging, Step};
use surroundings::Surroundings;
use workers::Worker;

/// For so long a new configuration is warmed up, and then for the rest of one review: its worker serves nobody meanwhile.
const WARM_UP_US: u64 = 20_000;

/// How often an instance looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(100);

/// How often it works while it stages, and for how long at a time and then for the rest of one step. A worker that serves has
/// short turns; one that does not leaves the machine to those that do.
const TURN: Duration = Duration::from_millis(2);
const TURN_US: u64 = 1_000;
const IDLE_TURN: Duration = Duration::from_millis(20);

/// With no policies at all there is nobody to be kept waiting.
const FIRST_TURN_US: u64 = 20_000;

/// Of so many policies the statistics are defined in one turn.
const COUNTED: usize = 20;

/// Bytes of reviews that are kept while webhooks behind judge them. A VM may take 512 MiB, and reviews are up to 15.
const MAX_KEPT: usize = 64 << 20;

/// Who had a request within this time serves.
const RECENT_US: u64 = 30_000_000;

/// Who serves describes itself to the others so often, and at once when something changed.
const TELL_US: u64 = 1_000_000;

/// What all requests of one instance share.
pub(crate) struct Shared {
    pub(crate) plugin: Plugin,
    pub(crate) metrics: Metrics,
    requests: Cell<u64>,
    served_us: Cell<u64>,
    /// Bytes of reviews that webhooks behind judge at this moment.
    kept: Cell<usize>,
    state: RefCell<Hot>,
}

/// What changes.
struct Hot {
    me: Worker,
    serving: Option<Serving>,
    /// Ready to serve.
    staged: Option<PolicySet>,
    staging: Option<Staging>,
    /// Which of its policies have statistics.
    counted: usize,
    surroundings: Surroundings,
    lead: Lead,
    period: Duration,
    told_us: u64,
    /// What served until now, until there is time to take it apart.
    retired: Vec<Rc<Config>>,
}

/// The set that serves.
struct Serving {
    set: PolicySet,
    config: Rc<Config>,
    /// The same without the context, since it is too old.
    without_context: Option<Rc<Config>>,
}

impl Shared {
    /// Takes a configuration up. What is active in this process already counts more than what is embedded.
    pub(crate) fn configured(json: &[u8]) -> Result<Self, ConfigError> {
        let mut plugin = Plugin::parse(json)?;
        let now_us = host::now_us();
        let is_live = plugin.live.as_ref().is_some_and(|live| live.policies);
        let active = if is_live { board::text(ACTIVE) } else { String::new() };
        let embedded = plugin.bundle.as_ref().map(|bundle| bundle.revision.clone());
        let of_process = staging::active_set(&active, embedded.as_deref());
        let set = match of_process {
            // This process has compiled it before: a VM that is made anew need not.
            Some(set) if embedded.as_ref().is_none_or(|own| board::text(ACCEPTED) == *own) => Some(set),
            Some(set) => {
                plugin.compile()?;
                Some(set)
            }
            None => plugin.compile()?,
        };
        if let Some(bundle) = plugin.bundle.take_if(|_| is_live) {
            board::write(ACCEPTED, &bundle.revision);
            if board::create(ACTIVE, &bundle.revision) {
                bundles::put(&bundle.revision, &bundle.to_json(), &[]);
                board::create(TARGET, &bundle.revision);
            }
        }
        plugin.bundle = None;
        let mut surroundings = Surroundings::new(plugin.context.take(), plugin.live.as_ref(), now_us);
        surroundings.finish(now_us);
        let me = Worker {
            id: if plugin.live.is_some() { board::next(NEXT_ID) } else { 0 },
            generation: if plugin.live.is_some() {
                generation::number(json)
            } else {
                0
            },
            ..Worker::default()
        };
        let metrics = Metrics::new();
        metrics.wrapped(plugin.wrapped.keys());
        let shared = Self {
            plugin,
            metrics,
            requests: Cell::new(0),
            served_us: Cell::new(0),
            kept: Cell::new(0),
            state: RefCell::new(Hot {
                me,
                serving: None,
                staged: None,
                staging: None,
                counted: 0,
                surroundings,
                lead: Lead::default(),
                period: Duration::ZERO,
                told_us: 0,
                retired: Vec::new(),
            }),
        };
        if let Some(set) = set {
            for policy in set.policies() {
                shared.metrics.policy(&policy.meta.id);
            }
            shared.state.borrow_mut().serve(set, &shared.plugin);
        }
        if shared.plugin.live.is_some() {
            shared.state.borrow_mut().pace(LOOK);
        }
        Ok(shared)
    }

    /// Says what it starts with, and judges made-up reviews, so that the first real one meets warm code. Nothing is counted.
    pub(crate) fn warm_up(&self) {
        let state = self.state.borrow();
        let Some(serving) = &state.serving else {
            host::log(LogLevel::Info, "whynot: no policies yet; they are fetched");
            return;
        };
        let started = host::now_us();
        let elapsed = || host::now_us().saturating_sub(started);
        let set = &serving.config.policies;
        let judged = warm::up(set, || elapsed() < WARM_UP_US);
        let (revision, count, micros) = (set.revision(), set.policies().len(), elapsed());
        let text =
            format!("whynot: revision {revision}, {count} policies; warmed up by {judged} reviews in {micros} us");
        host::log(LogLevel::Info, &text);
    }

    /// What a request is judged with at this moment; `None` when there are no policies.
    pub(crate) fn current(&self, now_us: u64) -> Option<Rc<Config>> {
        let mut state = self.state.borrow_mut();
        state.follow(self, true);
        self.served_us.set(now_us);
        let unusable = state.surroundings.unusable(now_us);
        let state = &mut *state;
        let serving = state.serving.as_mut()?;
        let Some(reason) = unusable else {
            return Some(Rc::clone(&serving.config));
        };
        let around = || Rc::new(self.plugin.with(state.surroundings.around(&serving.set, Some(&reason))));
        Some(Rc::clone(serving.without_context.get_or_insert_with(around)))
    }

    /// Whether there is room for another review that a webhook behind judges.
    pub(crate) fn may_keep(&self, bytes: usize) -> bool {
        self.kept.get().saturating_add(bytes) <= MAX_KEPT
    }

    /// What one request keeps has become more or less.
    pub(crate) fn keeps(&self, before: usize, now: usize) {
        self.kept
            .set(self.kept.get().saturating_sub(before).saturating_add(now));
    }

    /// Counts a review.
    pub(crate) fn judged(&self, config: &Config) {
        self.requests.set(self.requests.get() + 1);
        if config.policies.lacks_context() {
            self.metrics.live(Counted::Stale);
        }
    }

    /// Counts a review whose namespace is not in the context.
    pub(crate) fn missed(&self) {
        self.metrics.live(Counted::Miss);
    }

    /// Asks for a namespace; `None` when Envoy did not take the call.
    pub(crate) fn ask_for_namespace(&self, name: &str, timeout_ms: u64) -> Option<u32> {
        let live = self.plugin.live.as_ref()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        // Anything else is no name of a namespace, and would be another path.
        if !name.bytes().all(is_plain) || name.starts_with('.') {
            return None;
        }
        let path = format!("{}/context/namespaces/{name}", live.path);
        host::ask(
            &live.cluster,
            &live.authority,
            &path,
            "",
            None,
            Duration::from_millis(timeout_ms),
        )
    }

    /// Keeps a namespace that a request asked for, for those that come. False: it is too old, and not to be used at all.
    pub(crate) fn learn(&self, name: &str, namespace: &Namespace, age_ms: u64) -> bool {
        let mut state = self.state.borrow_mut();
        let is_usable = state.surroundings.learn(name, namespace, age_ms, host::now_us());
        if is_usable {
            state.surround(&self.plugin);
        }
        is_usable
    }

    /// The revision that serves, or why there is none, for people.
    pub(crate) fn readiness(&self) -> Result<String, String> {
        let mut state = self.state.borrow_mut();
        state.follow(self, true);
        match &state.serving {
            Some(serving) => Ok(serving.set.revision().to_owned()),
            None => Err(lead::problem(
                &board::text(SOURCE),
                self.plugin.live.as_ref(),
                host::now_us(),
            )),
        }
    }

    /// Does a little of all that is to be done between requests.
    pub(crate) fn tick(&self) {
        let Some(live) = &self.plugin.live else { return };
        let now_us = host::now_us();
        let mut state = self.state.borrow_mut();
        state.retired.clear();
        if live.policies {
            state.follow(self, false);
        }
        self.surround(&mut state);
        let period = if live.policies {
            self.stage(&mut state, now_us)
        } else {
            LOOK
        };
        self.metrics.context_age(state.surroundings.age_ms(now_us));
        self.tell(&mut state, now_us);
        let mut period = period;
        if generation::is_current(state.me.generation, now_us) && lease::hold(state.me.id, now_us) {
            let Hot { lead, me, .. } = &mut *state;
            if lead.turn(live, me, &self.metrics, now_us) {
                period = TURN;
            }
        }
        state.pace(period);
    }

    /// The answer of a call that was made by [`Self::tick`].
    pub(crate) fn answered(&self, token: u32, has_headers: bool, body_size: usize) {
        let Some(live) = &self.plugin.live else { return };
        let answer = if has_headers {
            lead::Answer::read(body_size)
        } else {
            None
        };
        let mut state = self.state.borrow_mut();
        let now_us = host::now_us();
        // Whoever lost the lease meanwhile does not write over what its successor has written.
        let answer = answer.filter(|_| lease::is_of(state.me.id, now_us));
        state.lead.answered(live, token, answer, now_us);
        // What came is looked at soon.
        state.pace(TURN);
    }

    /// Looks for another context.
    fn surround(&self, state: &mut Hot) {
        let started = host::now_us();
        match state.surroundings.step(started) {
            surroundings::Step::Idle => return,
            surroundings::Step::More => {}
            surroundings::Step::Changed => state.surround(&self.plugin),
        }
        self.metrics.stalled(host::now_us().saturating_sub(started));
    }

    /// Stages for a turn; how long until the next one.
    fn stage(&self, state: &mut Hot, now_us: u64) -> Duration {
        let target = board::text(TARGET);
        if !state.lacks(&target) {
            state.staging = None;
            return self.count(state);
        }
        let is_serving = self.served_us.get() + RECENT_US > now_us && self.served_us.get() > 0;
        let (turn_us, turn) = match &state.serving {
            None => (FIRST_TURN_US, TURN),
            Some(_) if is_serving => (TURN_US, TURN),
            Some(_) => (TURN_US, if state.lead.is_leading(now_us) { TURN } else { IDLE_TURN }),
        };
        let elapsed = || host::now_us().saturating_sub(now_us);
        let staging = state.staging.take().filter(|staging| staging.revision == target);
        let mut staging =
            staging.unwrap_or_else(|| Staging::new(&target, state.serving.as_ref().map(|serving| &serving.set)));
        let step = loop {
            match staging.step() {
                Step::More if elapsed() < turn_us => {}
                step => break step,
            }
        };
        match step {
            Step::More => state.staging = Some(staging),
            Step::Ready(set) => {
                state.staged = Some(set);
                state.counted = 0;
            }
            Step::Gone => {}
            Step::Failed(reason) => state.fail(&target, reason, &self.metrics),
        }
        self.metrics.stalled(elapsed());
        turn
    }

    /// Defines statistics of policies that are ready to serve.
    fn count(&self, state: &mut Hot) -> Duration {
        let Some(set) = &state.staged else { return LOOK };
        for policy in set.policies().iter().skip(state.counted).take(COUNTED) {
            self.metrics.policy(&policy.meta.id);
        }
        state.counted += COUNTED;
        if state.counted < set.policies().len() {
            TURN
        } else {
            LOOK
        }
    }

    /// Describes this instance to the others.
    fn tell(&self, state: &mut Hot, now_us: u64) {
        let revision = |set: &PolicySet| set.revision().to_owned();
        let worker = Worker {
            seen_us: now_us,
            served_us: self.served_us.get(),
            requests: self.requests.get(),
            active: state
                .serving
                .as_ref()
                .map(|serving| revision(&serving.set))
                .unwrap_or_default(),
            staged: state.staged.iter().map(revision).collect(),
            context: state.surroundings.revision().to_owned(),
            context_age_ms: state.surroundings.age_ms(now_us),
            ..state.me.clone()
        };
        if worker.differs(&state.me) || state.told_us + TELL_US <= now_us {
            workers::tell(&worker, now_us);
            state.told_us = now_us;
        }
        state.me = worker;
    }
}

impl Hot {
    /// Goes over to the revision that is active, if it is another one; for who waits for it also when it is not staged.
    fn follow(&mut self, shared: &Shared, is_waiting: bool) {
        if !shared.plugin.live.as_ref().is_some_and(|live| live.policies) {
            return;
        }
        let active = board::text(ACTIVE);
        let is_it = |set: &PolicySet| set.revision() == active;
        if active.is_empty() || self.serving.as_ref().is_some_and(|serving| is_it(&serving.set)) {
            return;
        }
        if let Some(set) = self.staged.take_if(|set| is_it(set)) {
            self.serve(set, &shared.plugin);
            return;
        }
        let is_failed = self.me.failed.as_ref().is_some_and(|(failed, _)| *failed == active);
        if is_failed || !is_waiting {
            return;
        }
        // A VM that is new, or a worker that had nothing to do for long: the request waits for its policies.
        let started = host::now_us();
        let staging = self.staging.take().filter(|staging| staging.revision == active);
        let before = self.serving.as_ref().map(|serving| serving.set.clone());
        match staging
            .unwrap_or_else(|| Staging::new(&active, before.as_ref()))
            .finish()
        {
            Step::Ready(set) => {
                shared.metrics.live(Counted::Late);
                self.serve(set, &shared.plugin);
            }
            Step::Failed(reason) => self.fail(&active, reason, &shared.metrics),
            Step::More | Step::Gone => {}
        }
        shared.metrics.stalled(host::now_us().saturating_sub(started));
    }

    fn serve(&mut self, set: PolicySet, plugin: &Plugin) {
        let config = Rc::new(plugin.with(self.surroundings.around(&set, None)));
        let serving = Serving {
            set,
            config,
            without_context: None,
        };
        if let Some(before) = self.serving.replace(serving) {
            self.retired.push(before.config);
        }
    }

    /// Puts the surroundings of now around what serves.
    fn surround(&mut self, plugin: &Plugin) {
        if let Some(serving) = &mut self.serving {
            serving.config = Rc::new(plugin.with(self.surroundings.around(&serving.set, None)));
            serving.without_context = None;
        }
    }

    /// Whether a revision is still to be staged.
    fn lacks(&mut self, target: &str) -> bool {
        let is_it = |set: &PolicySet| set.revision() == target;
        if self.staged.as_ref().is_some_and(|set| !is_it(set)) {
            self.staged = None;
        }
        self.me.failed.take_if(|(revision, _)| revision != target);
        if target.is_empty() || self.me.failed.is_some() {
            return false;
        }
        // Somebody else found out: compiling it would come to the same.
        if let Some((revision, reason)) = board::text(FAILED).split_once('\n')
            && revision == target
        {
            self.me.failed = Some((revision.to_owned(), reason.to_owned()));
            return false;
        }
        let is_serving = self.serving.as_ref().is_some_and(|serving| is_it(&serving.set));
        !is_serving && self.staged.is_none()
    }

    fn fail(&mut self, revision: &str, reason: String, metrics: &Metrics) {
        host::log(
            LogLevel::Error,
            &format!("whynot: revision {revision} is refused, and the one before serves on:\n{reason}"),
        );
        metrics.live(Counted::Failed);
        board::write(FAILED, &format!("{revision}\n{reason}"));
        self.me.failed = Some((revision.to_owned(), reason));
    }

    fn pace(&mut self, period: Duration) {
        if self.period != period {
            self.period = period;
            host::tick_every(period);
        }
    }
}
