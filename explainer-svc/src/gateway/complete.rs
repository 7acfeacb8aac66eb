//! One call, from its first check to its leaf in the audit log.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::asking::{Bill, Lost, Won, used};
use super::bank::{Settling, Spent};
use super::cache::Kept;
use super::call::{Call, Completion, Fallback, Form, Money, Refused, Usage};
use super::config::{Route, Target};
use super::guards::Redactor;
use super::seams::{Answer, Clean, Event, Fired, Guarded, Happened};
use super::{Inner, sha256};

/// After the deadline, for what is recorded of a call.
const TO_TELL: Duration = Duration::from_secs(1);

/// Who answered, and what it took.
struct Source {
    target: Target,
    usage: Usage,
    /// How often it was asked.
    attempts: u32,
    /// What it came to, with everybody who was asked.
    bill: Bill,
    fallbacks: Vec<Fallback>,
    cached: bool,
}

/// What is known of a call that was refused, for the audit log.
#[derive(Default)]
struct Known {
    fallbacks: Vec<Fallback>,
    called: Value,
    guard: Option<String>,
}

impl Inner {
    pub(super) async fn complete(self: Arc<Self>, call: Call) -> Result<Completion, Refused> {
        let begun = Instant::now();
        let mut known = Known::default();
        // Whoever asked does not wait for what comes after the deadline: what was begun is told, with who was asked.
        let until = call.deadline + TO_TELL;
        let result = match tokio::time::timeout_at(until, self.answered(&call, &mut known, begun)).await {
            Ok(result) => result,
            Err(_) => Err(Refused::Deadline),
        };
        match &result {
            Ok(completion) => self.metrics.completed(completion.cached, begun.elapsed()),
            Err(refused) => self.told(&call, refused, &known, begun),
        }
        result
    }

    async fn answered(&self, call: &Call, known: &mut Known, begun: Instant) -> Result<Completion, Refused> {
        if self.is_killed() {
            return Err(Refused::Killed);
        }
        if !self.trail.is_ready() {
            return Err(Refused::Unrecorded("audit log"));
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Refused::Busy);
        };
        let agent = self.settings.agents.iter().find(|agent| agent.name == call.agent);
        if let Some(Err(retry_after)) = agent.map(|agent| self.rates.take(agent, Instant::now())) {
            return Err(Refused::Rate { retry_after });
        }
        let name = call.model.as_deref().unwrap_or(&self.settings.default_route);
        let route = self
            .settings
            .routes
            .get(name)
            .ok_or_else(|| Refused::UnknownModel(name.to_owned()))?;
        let objections = self.objections(call, route);
        if objections.iter().all(Option::is_some) {
            let mut reasons: Vec<String> = objections.into_iter().flatten().flatten().collect();
            reasons.sort();
            reasons.dedup();
            return Err(Refused::Policy(reasons));
        }
        let guarded = self
            .guards
            .inbound(call)
            .map_err(|fired| self.fired(call, known, &fired, true))?;
        self.metrics.guarded(&guarded.counts);

        let key = self.cache.key(call, &route.name);
        let turn = key.as_ref().map(|key| self.cache.turn(key));
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let kept = match &key {
            Some(key) => self.cache.get(key).await.unwrap_or_else(|error| {
                tracing::error!(%error, "kept answers cannot be read");
                None
            }),
            None => None,
        };
        // Who may be asked is decided anew: a kept answer goes around nothing.
        let kept = kept.filter(|kept| kept.may_be_given(route, &objections));
        if kept.is_none()
            && let Some(guard) = key.as_ref().and_then(|key| self.cache.refused(key))
        {
            known.guard = Some(guard.clone());
            return Err(Refused::Guard { guard, inbound: false });
        }
        let from_cache = kept.is_some();
        let (kept, tool_calls, mut source) = match kept {
            Some(kept) => {
                let source = Source::kept(&kept);
                self.counted(call, &source.target).await;
                (kept, 0, source)
            }
            None => self.asked(call, route, &objections, &guarded, known).await?,
        };
        known.called = source.described();
        let clean = self.guarded(call, known, &guarded, &kept.text, tool_calls);
        if let (Some(key), Err(Refused::Guard { guard, .. })) = (&key, &clean) {
            self.cache.refuse(key, guard);
        }
        let clean = clean?;
        // What was turned off meanwhile says nothing any more.
        if self.is_killed() {
            return Err(Refused::Killed);
        }
        if Instant::now() >= call.deadline {
            return Err(Refused::Deadline);
        }
        let payload = self.described(call, route, &guarded, &clean, &kept, &source, begun);
        let event = Event {
            kind: Happened::ModelCalled,
            subject: call.agent.clone(),
            payload,
        };
        let settling = std::mem::take(&mut source.bill.settling);
        let audit = self.recorded(event, settling).await?;
        // Only what was given is kept: who asks next is still waiting for its turn.
        if let Some(key) = key.filter(|_| !from_cache)
            && let Err(error) = self.cache.put(&key, &kept).await
        {
            tracing::error!(%error, "an answer cannot be kept");
        }
        Ok(Completion {
            clean,
            model: source.target.model,
            provider: source.target.provider,
            tokens: source.usage,
            cost: source.bill.cost,
            audit,
            fallbacks: source.fallbacks,
            stop: kept.stop,
            cached: from_cache,
        })
    }

    /// An answer that is given is one that is in the audit log and was charged, also when the process is killed at the next moment.
    /// Neither waits for the other.
    async fn recorded(&self, event: Event, settling: Vec<Settling>) -> Result<u64, Refused> {
        let settled = join_all(settling.into_iter().map(Settling::written));
        let (appended, settled) = tokio::join!(self.trail.append(event), settled);
        let audit = appended.map_err(|error| {
            tracing::error!(error, "a call is not in the audit log, so its answer is not given");
            Refused::Unrecorded("audit log")
        })?;
        if settled.contains(&false) {
            return Err(Refused::Unrecorded("budgets"));
        }
        Ok(audit)
    }

    async fn asked(
        &self,
        call: &Call,
        route: &Route,
        objections: &[Option<Vec<String>>],
        guarded: &Guarded,
        known: &mut Known,
    ) -> Result<(Kept, usize, Source), Refused> {
        let won = self.ask(call, route, objections, guarded).await;
        let Won {
            target,
            answered,
            usage,
            attempts,
            bill,
            fallbacks,
        } = won.map_err(|Lost { refused, fallbacks }| {
            known.fallbacks = fallbacks;
            refused
        })?;
        known.fallbacks.clone_from(&fallbacks);
        let kept = Kept {
            provider: target.provider.clone(),
            model: target.model.clone(),
            stop: answered.stop,
            text: answered.text,
        };
        let source = Source {
            target,
            usage,
            attempts,
            bill,
            fallbacks,
            cached: false,
        };
        Ok((kept, answered.tool_calls, source))
    }

    /// A kept answer costs nothing, and is counted all the same.
    async fn counted(&self, call: &Call, target: &Target) {
        let none = super::budget::Amount::default();
        let wait = Duration::ZERO;
        if let Ok(reservation) = self.bank.reserve(Vec::new(), none, call.deadline, wait).await {
            let spent = Spent {
                money: Some(Money::default()),
                kept: true,
                ..Spent::default()
            };
            reservation.settle(used(call, target), spent);
        }
    }

    fn guarded(
        &self,
        call: &Call,
        known: &mut Known,
        guarded: &Guarded,
        text: &str,
        tool_calls: usize,
    ) -> Result<Clean, Refused> {
        let checked = (guarded.outbound)(&Answer { text, tool_calls });
        // Whatever guards there are: a model has no tools here.
        let checked = checked.and_then(|clean| {
            if tool_calls == 0 {
                return Ok(clean);
            }
            Err(Fired {
                guard: "tool-calls",
                detail: "a model has no tools here".to_owned(),
                report: Value::Null,
            })
        });
        let clean = checked.map_err(|fired| self.fired(call, known, &fired, false))?;
        self.metrics.guarded(&clean.counts);
        Ok(clean)
    }

    fn fired(&self, call: &Call, known: &mut Known, fired: &Fired, inbound: bool) -> Refused {
        self.metrics.fired(fired.guard);
        tracing::warn!(
            event = "guard_fired",
            guard = fired.guard,
            inbound,
            agent = call.agent,
            "a guard stopped something"
        );
        // Why a guard refuses an answer quotes what a model said: that is in no log.
        let detail = inbound.then(|| Redactor::default().text(&fired.detail));
        self.trail.record(Event {
            kind: Happened::GuardFired,
            subject: fired.guard.to_owned(),
            payload: cut(json!({
                "way": if inbound { "in" } else { "out" }, "agent": call.agent, "team": call.team, "purpose": call.purpose,
                "policy": call.policy, "detail": detail, "report": fired.report,
            })),
        });
        known.guard = Some(fired.guard.to_owned());
        Refused::Guard {
            guard: fired.guard.to_owned(),
            inbound,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is in the leaf's payload")]
    fn described(
        &self,
        call: &Call,
        route: &Route,
        guarded: &Guarded,
        clean: &Clean,
        kept: &Kept,
        source: &Source,
        begun: Instant,
    ) -> Value {
        let sampling = &guarded.sampling;
        let form = match &guarded.form {
            None => Value::Null,
            Some(Form::Object) => json!({"type": "object"}),
            Some(Form::Schema(schema)) => schema.clone(),
        };
        let sent = json!([
            guarded.messages,
            form,
            [sampling.temperature, sampling.top_p],
            sampling.stop,
            call.max_tokens
        ])
        .to_string();
        let region = self
            .settings
            .providers
            .get(&kept.provider)
            .map(|provider| provider.region.as_str());
        cut(json!({
            "agent": call.agent, "team": call.team, "purpose": call.purpose, "policy": call.policy, "route": route.name,
            "called": source.described(), "region": region, "fallbacks": source.fallbacks, "stop": kept.stop,
            "pricesAsOf": self.settings.prices.as_of.to_string(), "promptDigest": sha256(&sent),
            "answerDigest": sha256(&kept.text), "guardsIn": guarded.report, "guardsOut": clean.report,
            "milliseconds": milliseconds(begun), "tools": source.bill.tools,
        }))
    }

    /// A call without an answer: counted and recorded.
    fn told(&self, call: &Call, refused: &Refused, known: &Known, begun: Instant) {
        let reason = refused.reason();
        self.metrics.refused(reason, begun.elapsed());
        tracing::info!(event = "model_refused", reason, agent = call.agent, "no model's words");
        // What a caller made up is not recorded: it may be a secret, or as long as it wants.
        let name = call
            .model
            .as_ref()
            .filter(|name| self.settings.routes.contains_key(*name));
        let detail = match refused {
            Refused::UnknownModel(_) => "there is no such model".to_owned(),
            refused => refused.to_string(),
        };
        self.trail.record(Event {
            kind: Happened::ModelRefused,
            subject: call.agent.clone(),
            payload: cut(json!({
                "agent": call.agent, "team": call.team, "purpose": call.purpose, "policy": call.policy,
                "model": name, "reason": reason, "detail": detail, "fallbacks": known.fallbacks,
                "called": known.called, "guard": known.guard,
                "milliseconds": milliseconds(begun),
            })),
        });
    }
}

impl Source {
    fn kept(kept: &Kept) -> Self {
        Self {
            target: Target {
                provider: kept.provider.clone(),
                model: kept.model.clone(),
            },
            usage: Usage::default(),
            attempts: 0,
            bill: Bill::default(),
            fallbacks: Vec::new(),
            cached: true,
        }
    }

    fn described(&self) -> Value {
        json!({
            "provider": self.target.provider, "model": self.target.model, "tokens": self.usage,
            "nanodollars": self.bill.cost, "attempts": self.attempts, "cached": self.cached,
        })
    }
}

/// Bytes of one text of a payload: the log takes no event that is too large, and none may be lost.
const TEXT: usize = 1024;

fn cut(mut payload: Value) -> Value {
    fn each(value: &mut Value) {
        match value {
            Value::String(text) if text.len() > TEXT => {
                let end = (0..=TEXT).rev().find(|end| text.is_char_boundary(*end));
                text.truncate(end.unwrap_or(0));
                text.push('…');
            }
            Value::Array(items) => items.iter_mut().for_each(each),
            Value::Object(members) => members.values_mut().for_each(each),
            _ => {}
        }
    }
    each(&mut payload);
    payload
}

fn milliseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
