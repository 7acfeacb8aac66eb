//! The canary: samples of what guards have to stop, on the very way that calls go. It is a gateway of its own that
//! has the guards of the real one, and a model that says what it is told to: nobody pays, nothing is kept, recorded
//! or counted, and no request leaves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber as _;

use super::agents::{Keys, Rates};
use super::bank::Bank;
use super::breaker::Breaker;
use super::cache::Cache;
use super::call::{Completion, Refused};
use super::config::Target;
use super::kill::Switch;
use super::provider::{Remote, Script};
use super::seams::{Appending, Event, Expected, Guards, Sample, Trail};
use super::store::Store;
use super::{GatewayMetrics, Inner, Lane, Settings};

/// Both protocols, each with a schema on the wire.
const FILE: &str = "
apiVersion: whynot.dev/v1
kind: Gateway
providers:
  - {name: openai, kind: openai, url: 'http://localhost', region: local, models: [canary]}
  - {name: anthropic, kind: anthropic, url: 'http://localhost', region: local, models: [canary]}
routes:
  - {model: openai, targets: [{provider: openai, model: canary}], attempts: 1}
  - {model: anthropic, targets: [{provider: anthropic, model: canary}], attempts: 1}
defaultRoute: openai
agents:
  - {name: canary, team: canary, models: ['*'], purposes: [canary]}
cache: {entries: 0}
";
/// As who and what for.
const NAME: &str = "canary";
/// For one sample; a busy machine is no missing guard.
const PATIENCE: Duration = Duration::from_mins(1);

/// The way of calls, for samples.
pub(super) struct Rehearsal {
    inner: Arc<Inner>,
    script: Arc<Script>,
    turn: Mutex<()>,
}

/// Nothing happened, so there is nothing to record.
struct Nowhere;

impl Trail for Nowhere {
    fn append(&self, _: Event) -> Appending<'_> {
        Box::pin(async { Ok(0) })
    }

    fn record(&self, _: Event) {}
}

impl Rehearsal {
    pub(super) fn open(guards: Arc<dyn Guards>) -> Result<Self, String> {
        let settings = Settings::parse(FILE, Path::new(""))?;
        let script = Arc::new(Script::default());
        let trail: Arc<dyn Trail> = Arc::new(Nowhere);
        let store = Store::unused();
        let (bank, writer) = Bank::without_books();
        let lanes = settings.providers.values().map(|provider| {
            let lane = Lane {
                remote: Remote::rehearsed(provider.clone(), Arc::clone(&script)),
                places: Semaphore::new(1),
            };
            (provider.name.clone(), lane)
        });
        let targets = settings.routes.values().flat_map(|route| &route.targets);
        let breakers = targets.map(|Target { provider, model }| {
            let breaker = Breaker::new(u32::MAX, Duration::ZERO);
            ((provider.clone(), model.clone()), breaker)
        });
        let inner = Inner {
            lanes: lanes.collect(),
            breakers: breakers.collect::<BTreeMap<_, _>>(),
            guards,
            metrics: GatewayMetrics::default(),
            bank,
            cache: Cache::new(store.clone(), settings.cache.clone()),
            switch: Switch::never(store.clone(), Arc::clone(&trail)),
            trail,
            rates: Rates::default(),
            keys: Keys::default(),
            places: Arc::new(Semaphore::new(1)),
            tasks: TaskTracker::new(),
            store,
            writer: writer.abort_handle(),
            settings,
        };
        Ok(Self {
            inner: Arc::new(inner),
            script,
            turn: Mutex::default(),
        })
    }

    /// Tries each guard; their names.
    ///
    /// # Errors
    /// The names of those that are not in the path.
    pub(super) async fn canary(&self) -> Result<Vec<&'static str>, Vec<&'static str>> {
        let _turn = self.turn.lock().await;
        let samples = self.inner.guards.samples();
        if samples.is_empty() {
            return Err(vec!["any"]);
        }
        let (mut tried, mut missing) = (Vec::new(), Vec::new());
        for sample in &samples {
            // What is stopped here is no news.
            let holds = self.holds(sample).with_subscriber(Dispatch::none()).await;
            let names = if holds { &mut tried } else { &mut missing };
            if !names.contains(&sample.guard) {
                names.push(sample.guard);
            }
        }
        if missing.is_empty() { Ok(tried) } else { Err(missing) }
    }

    /// With each protocol.
    async fn holds(&self, sample: &Sample) -> bool {
        for route in self.inner.settings.routes.keys() {
            let mut call = sample.call.clone();
            NAME.clone_into(&mut call.agent);
            NAME.clone_into(&mut call.team);
            NAME.clone_into(&mut call.purpose);
            call.model = Some(route.clone());
            call.deadline = Instant::now() + PATIENCE;
            call.cache = None;
            self.script.say(&sample.answer, sample.tool_calls);
            let result = Arc::clone(&self.inner).complete(call).await;
            if !is_as_expected(sample, &result, self.script.sent().as_deref()) {
                return false;
            }
        }
        true
    }
}

fn is_as_expected(sample: &Sample, result: &Result<Completion, Refused>, sent: Option<&str>) -> bool {
    let is_refused = |on_the_way_in| match result {
        Err(Refused::Guard { guard, inbound }) => guard == sample.guard && *inbound == on_the_way_in,
        _ => false,
    };
    match &sample.expected {
        Expected::Unsent => is_refused(true) && sent.is_none(),
        Expected::Sent { with, without } => sent.is_some_and(|sent| {
            with.iter().all(|text| sent.contains(text)) && !without.iter().any(|text| sent.contains(text))
        }),
        Expected::Unsaid => is_refused(false),
        Expected::Given(is_so) => result.as_ref().is_ok_and(|completion| is_so(&completion.clean)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Guarding;
    use crate::gateway::call::{Call, Form, Sampling};
    use crate::gateway::guards::Guard;
    use crate::gateway::seams::{Fired, Guarded};

    const GUARDS: Guarding = Guarding { answer_bytes: 65_536 };

    #[tokio::test]
    async fn each_guard_is_in_the_path() {
        let rehearsal = Rehearsal::open(Arc::new(GUARDS)).unwrap();
        let mut present = rehearsal.canary().await.unwrap();
        present.sort_unstable();
        let mut all = Guard::ALL.map(Guard::name);
        all.sort_unstable();
        assert_eq!(present, all);
        // It leaves nothing behind that would stop the next one.
        rehearsal.canary().await.unwrap();
    }

    /// Guards that look at messages, and at nothing beside them.
    struct OnlyMessages;

    impl Guards for OnlyMessages {
        fn samples(&self) -> Vec<Sample> {
            GUARDS.samples()
        }

        fn inbound(&self, call: &Call) -> Result<Guarded, Fired> {
            let is_object = call.form.is_some();
            let without = Call {
                form: is_object.then_some(Form::Object),
                sampling: Sampling::default(),
                ..call.clone()
            };
            let mut guarded = GUARDS.inbound(&without)?;
            guarded.form.clone_from(&call.form);
            guarded.sampling = call.sampling.clone();
            Ok(guarded)
        }
    }

    #[tokio::test]
    async fn what_stands_beside_the_messages_is_tried_too() {
        let missing = Rehearsal::open(Arc::new(OnlyMessages)).unwrap().canary().await;
        assert_eq!(missing.unwrap_err(), ["redaction", "instructions", "size", "schema"]);
    }

    /// Guards that nobody tried.
    struct Untried;

    impl Guards for Untried {
        fn samples(&self) -> Vec<Sample> {
            Vec::new()
        }

        fn inbound(&self, call: &Call) -> Result<Guarded, Fired> {
            GUARDS.inbound(call)
        }
    }

    #[tokio::test]
    async fn guards_without_samples_are_none() {
        let missing = Rehearsal::open(Arc::new(Untried)).unwrap().canary().await;
        assert_eq!(missing.unwrap_err(), ["any"]);
    }
}
