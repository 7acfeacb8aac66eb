//! Down a route: who is asked, how often, and what it is charged to. The first answer counts.

use std::time::Duration;

use backon::BackoffBuilder as _;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::Inner;
use super::bank::{Reservation, Settling, Spent, Used};
use super::breaker::Breaker;
use super::budget::{Amount, Spender};
use super::call::{Call, Fallback, Money, Refused, Usage};
use super::config::{Route, Target};
use super::policy;
use super::prices::Price;
use super::provider::{Answered, Fault, FaultKind, Question, Remote, bounds, input_bound, most, tools};
use super::seams::Guarded;

/// Reasons of places that were passed over, beside those of faults.
const NOT_ALLOWED: &str = "not-allowed";
const OVER_BUDGET: &str = "budget";
const WITHOUT_PRICE: &str = "no-price";
const SATURATED: &str = "saturated";

/// What came of a route.
#[derive(Debug)]
pub(super) struct Won {
    pub(super) target: Target,
    pub(super) answered: Answered,
    pub(super) usage: Usage,
    /// How often the place that answered was asked.
    pub(super) attempts: u32,
    pub(super) bill: Bill,
    pub(super) fallbacks: Vec<Fallback>,
}

/// What attempts came to, those without an answer too.
#[derive(Debug)]
pub(super) struct Bill {
    /// `None` when one of them was of a model without a price.
    pub(super) cost: Option<Money>,
    /// On their way into the database.
    pub(super) settling: Vec<Settling>,
    /// How many tools the bodies that were sent gave to a model, at most.
    pub(super) tools: usize,
}

/// No answer, and what was tried.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) refused: Refused,
    pub(super) fallbacks: Vec<Fallback>,
}

/// A place of a route, ready to be asked.
struct Place<'a> {
    target: &'a Target,
    remote: &'a Remote,
    places: &'a tokio::sync::Semaphore,
    breaker: &'a Breaker,
    price: Option<Price>,
}

/// Why a place gave no answer.
enum Passed {
    /// On to the next one.
    Over(Fallback, Option<Refused>),
    /// No other one will do; with the place, where it was asked.
    End(Refused, Option<Fallback>),
}

/// How a place is asked.
struct Asking<'a> {
    call: &'a Call,
    route: &'a Route,
    sent: &'a Guarded,
    place: Place<'a>,
    /// How many places may still be asked, this one included.
    left: u32,
}

impl Default for Bill {
    fn default() -> Self {
        Self {
            cost: Some(Money::default()),
            settling: Vec::new(),
            tools: 0,
        }
    }
}

impl Bill {
    fn add(&mut self, other: Self) {
        let sum = self.cost.zip(other.cost);
        self.cost = sum.map(|(Money(one), Money(other))| Money(one.saturating_add(other)));
        self.settling.extend(other.settling);
        self.tools = self.tools.max(other.tools);
    }
}

impl Asking<'_> {
    /// One attempt.
    async fn once(&self, question: &Question<'_>, body: &Value, patience: Duration) -> Result<Answered, Fault> {
        let until = self.call.deadline.min(Instant::now() + self.route.attempt_timeout);
        let asked = self.place.remote.ask(question, body, patience);
        tokio::time::timeout_at(until, asked).await.unwrap_or_else(|_| {
            Err(Fault {
                // It may have answered, for all that is known here.
                began: Some(most(question)),
                ..Fault::new(FaultKind::Stalled, "the attempt took too long")
            })
        })
    }

    /// What a fault says about the provider: nothing, where there was no time.
    fn judge(&self, fault: &Fault, patience: Duration, now: Instant) {
        let Place { remote, breaker, .. } = &self.place;
        let is_hurried = patience < remote.time_for(fault.kind) / 2;
        let breaks = fault.kind.breaks() && now < self.call.deadline && !is_hurried;
        match (breaks, fault.retry_after) {
            (true, _) => breaker.failed(now),
            (false, Some(wait)) => breaker.quiet(now, wait),
            (false, None) => breaker.over(),
        }
    }

    /// How long this place may be silent: those after it have as much.
    fn patience(&self) -> Duration {
        self.call.deadline.saturating_duration_since(Instant::now()) / self.left.max(1)
    }
}

impl Inner {
    /// Why the policy denies the places of a route; `None` where it does not.
    pub(super) fn objections(&self, call: &Call, route: &Route) -> Vec<Option<Vec<String>>> {
        let now = Timestamp::now();
        let each = route.targets.iter().map(|target| {
            let Some(lane) = self.lanes.get(&target.provider) else {
                return Some(vec!["there is no such provider".to_owned()]);
            };
            let lines = self.bank.lines(&spender(call, route, target), now);
            let mut reasons = self.settings.policy.objections(&policy::Question {
                agent: &call.agent,
                team: &call.team,
                purpose: &call.purpose,
                policy: call.policy.as_deref(),
                model: &route.name,
                target: policy::Place::new(lane.remote.provider(), &target.model),
                budget: self.bank.standing(&lines),
            });
            // Words of an explanation are a prompt's; an agent's own words are its own business.
            if let (Some(release), Some(key)) = (&self.settings.release, &call.cache)
                && !release.allows(target, &key.prompt)
            {
                reasons.push(format!(
                    "{}/{} has not passed the evaluation with this prompt",
                    target.provider, target.model
                ));
            }
            (!reasons.is_empty()).then_some(reasons)
        });
        each.collect()
    }

    /// Asks down a route.
    pub(super) async fn ask(
        &self,
        call: &Call,
        route: &Route,
        objections: &[Option<Vec<String>>],
        sent: &Guarded,
    ) -> Result<Won, Lost> {
        let mut fallbacks = Vec::new();
        let mut bill = Bill::default();
        // What the caller is told when nobody could be asked at all.
        let mut refusal = None;
        let allowed = objections.iter().filter(|objection| objection.is_none()).count();
        let mut left = u32::try_from(allowed).unwrap_or(u32::MAX);
        for (target, objection) in route.targets.iter().zip(objections) {
            let (Some(lane), Some(breaker)) = (self.lanes.get(&target.provider), self.breaker(target)) else {
                continue;
            };
            let place = Place {
                target,
                remote: &lane.remote,
                places: &lane.places,
                breaker,
                price: self.settings.prices.of(&target.provider, &target.model),
            };
            if objection.is_some() {
                fallbacks.push(place.passed_over(NOT_ALLOWED));
                continue;
            }
            let asking = Asking {
                call,
                route,
                sent,
                place,
                left,
            };
            left = left.saturating_sub(1);
            let mut own = Bill::default();
            let tried = self.tried(&asking, &mut own).await;
            let cost = own.cost;
            bill.add(own);
            let (fallback, ended) = match tried {
                Ok((answered, usage, attempts)) => {
                    return Ok(Won {
                        target: target.clone(),
                        answered,
                        usage,
                        attempts,
                        bill,
                        fallbacks,
                    });
                }
                Err(Passed::Over(fallback, told)) => {
                    refusal = refusal.or(told);
                    (Some(fallback), None)
                }
                Err(Passed::End(refused, fallback)) => (fallback, Some(refused)),
            };
            if let Some(fallback) = fallback {
                tracing::warn!(
                    event = "model_fallback",
                    provider = fallback.provider,
                    model = fallback.model,
                    reason = fallback.reason,
                    detail = fallback.detail,
                    "a model gave no answer"
                );
                fallbacks.push(Fallback { cost, ..fallback });
            }
            if let Some(refused) = ended {
                return Err(Lost { refused, fallbacks });
            }
        }
        let asked = fallbacks.iter().any(|fallback| fallback.attempts > 0);
        let refused = match refusal {
            Some(refusal) if !asked => refusal,
            _ => Refused::Providers(fallbacks.clone()),
        };
        Err(Lost { refused, fallbacks })
    }

    /// Asks one place, several times when that may help.
    async fn tried(&self, asking: &Asking<'_>, bill: &mut Bill) -> Result<(Answered, Usage, u32), Passed> {
        let Asking {
            call,
            route,
            sent,
            place,
            left,
        } = asking;
        let question = Question {
            model: &place.target.model,
            messages: &sent.messages,
            form: sent.form.as_ref(),
            sampling: &sent.sampling,
            max_tokens: call.max_tokens,
        };
        let body = place.remote.body(&question);
        let mut pauses = backon::ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .build();
        let mut last: Option<Fault> = None;
        let mut attempts = 0;
        while attempts < route.attempts {
            let ended = if self.is_killed() {
                Some(Refused::Killed)
            } else {
                (Instant::now() >= call.deadline).then_some(Refused::Deadline)
            };
            if let Some(refused) = ended {
                return Err(Passed::End(refused, place.asked(last, attempts)));
            }
            if let Err(reason) = place.breaker.admit(Instant::now(), route.attempt_timeout) {
                return Err(Passed::Over(place.fallback(reason, last, attempts), None));
            }
            let reservation = match self.reserved(asking).await {
                Ok(reservation) => reservation,
                Err(refused) => {
                    place.breaker.over();
                    let reason = match &refused {
                        Refused::Budget { .. } => OVER_BUDGET,
                        Refused::NoPrice(_) => WITHOUT_PRICE,
                        _ => return Err(Passed::End(refused, place.asked(last, attempts))),
                    };
                    return Err(Passed::Over(place.fallback(reason, last, attempts), Some(refused)));
                }
            };
            // Somebody else on the route may have a place at once; the last has all the time that is left.
            let patience = Instant::now() + asking.patience().min(route.attempt_timeout);
            let Ok(Ok(_permit)) = tokio::time::timeout_at(patience, place.places.acquire()).await else {
                place.breaker.over();
                return Err(Passed::Over(
                    place.fallback(SATURATED, last, attempts),
                    Some(Refused::Busy),
                ));
            };
            attempts += 1;
            bill.tools = bill.tools.max(tools(&body));
            let patience = asking.patience();
            match asking.once(&question, &body, patience).await {
                Ok(answered) => {
                    let usage = answered.usage.unwrap_or_else(|| bounds(&question, &answered.text));
                    bill.add(self.settle(call, place, reservation, usage));
                    place.breaker.succeeded();
                    self.observed(place, "answered");
                    return Ok((answered, usage, attempts));
                }
                Err(fault) => {
                    match fault.began {
                        Some(usage) => bill.add(self.settle(call, place, reservation, usage)),
                        None => drop(reservation),
                    }
                    let now = Instant::now();
                    asking.judge(&fault, patience, now);
                    self.observed(place, fault.kind.name());
                    let pause = fault.retry_after.or_else(|| pauses.next()).unwrap_or_default();
                    // Who was silent once is not waited for again while there is somebody else.
                    let is_silent = matches!(fault.kind, FaultKind::Slow | FaultKind::Stalled);
                    let goes_on = fault.kind.may_pass() && attempts < route.attempts && !(is_silent && *left > 1);
                    last = Some(fault);
                    // What would come too late is not waited for: there may be another place.
                    if !goes_on
                        || now + pause + Duration::from_millis(50) >= call.deadline
                        || pause > route.attempt_timeout
                    {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
        if Instant::now() >= call.deadline {
            return Err(Passed::End(Refused::Deadline, place.asked(last, attempts)));
        }
        let reason = last.as_ref().map_or(SATURATED, |fault| fault.kind.name());
        Err(Passed::Over(place.fallback(reason, last, attempts), None))
    }

    async fn reserved(&self, asking: &Asking<'_>) -> Result<Reservation, Refused> {
        let Asking {
            call,
            route,
            sent,
            place,
            ..
        } = asking;
        let lines = self.bank.lines(&spender(call, route, place.target), Timestamp::now());
        let at_most = Usage {
            input: input_bound(&sent.messages, sent.form.as_ref()),
            cached: 0,
            output: u64::from(call.max_tokens),
            estimated: true,
        };
        let money = match place.price {
            Some(price) => price.cost(&at_most),
            None => match self.bank.money(&lines) {
                Some(budget) => return Err(Refused::NoPrice(budget.to_owned())),
                None => Money::default(),
            },
        };
        let asked = Amount {
            money: money.0,
            tokens: at_most.total(),
            requests: 1,
        };
        let wait = self.settings.limits.budget_wait.min(asking.patience());
        self.bank.reserve(lines, asked, call.deadline, wait).await
    }

    fn settle(&self, call: &Call, place: &Place<'_>, reservation: Reservation, usage: Usage) -> Bill {
        let Target { provider, model } = place.target;
        let money = place.price.map(|price| price.cost(&usage));
        self.metrics.spent(provider, model, &usage, money);
        let used = used(call, place.target);
        let spent = Spent {
            usage,
            money,
            kept: false,
        };
        Bill {
            cost: money,
            settling: vec![reservation.settle(used, spent)],
            tools: 0,
        }
    }

    fn observed(&self, place: &Place<'_>, outcome: &'static str) {
        let Target { provider, model } = place.target;
        self.metrics.attempted(provider, model, outcome);
        self.metrics
            .breaker(provider, model, place.breaker.state(Instant::now()));
    }
}

impl Place<'_> {
    fn passed_over(&self, reason: &'static str) -> Fallback {
        Fallback {
            provider: self.target.provider.clone(),
            model: self.target.model.clone(),
            region: self.remote.provider().region.clone(),
            reason,
            detail: String::new(),
            attempts: 0,
            cost: Some(Money::default()),
        }
    }

    fn fallback(&self, reason: &'static str, fault: Option<Fault>, attempts: u32) -> Fallback {
        Fallback {
            attempts,
            detail: fault.map(|fault| fault.to_string()).unwrap_or_default(),
            ..self.passed_over(reason)
        }
    }

    /// That it was asked, where it was.
    fn asked(&self, fault: Option<Fault>, attempts: u32) -> Option<Fallback> {
        let reason = fault.as_ref()?.kind.name();
        Some(self.fallback(reason, fault, attempts))
    }
}

/// Under what a call's usage is counted.
pub(super) fn used(call: &Call, target: &Target) -> Used {
    Used {
        agent: call.agent.clone(),
        team: call.team.clone(),
        policy: call.policy.clone().unwrap_or_default(),
        provider: target.provider.clone(),
        model: target.model.clone(),
    }
}

fn spender<'a>(call: &'a Call, route: &'a Route, target: &'a Target) -> Spender<'a> {
    Spender {
        agent: &call.agent,
        team: &call.team,
        route: &route.name,
        model: &target.model,
    }
}
