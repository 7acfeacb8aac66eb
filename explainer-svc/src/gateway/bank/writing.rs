//! The task that writes, and its SQL.
//!
//! What is reserved is in memory only: no other process has this database, and what a process had reserved is nobody's once it has
//! ended. What was spent is written, and counts as reserved until it is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Bank, Command, Reservation, Reserve, Spent, Used};
use crate::gateway::budget::{Amount, Budget, Line, Room, today, until};
use crate::gateway::call::{Money, Refused};
use crate::gateway::seams::{Event, Happened, Trail};
use crate::gateway::store::{Store, StoreError};

/// Commands of one transaction.
const BATCH: usize = 512;
/// How often those that wait are looked at when nothing else happens.
const LOOK: Duration = Duration::from_millis(100);

type Reply = oneshot::Sender<Result<Reservation, Refused>>;

pub(super) struct Writer {
    bank: Bank,
    store: Store,
    trail: Arc<dyn Trail>,
    /// They fit when what others have reserved comes back.
    waiting: VecDeque<Reserve>,
    /// What could not be written yet. As many as there are calls.
    unsettled: Vec<Command>,
    /// What calls that run now may spend, by the number of the call; gone when it is settled, or after its deadline.
    held: HashMap<Line, HashMap<u64, Held>>,
    /// Of which it was told that they are spent.
    told: HashSet<Line>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    amount: Amount,
    /// Milliseconds since 1970.
    expires: i64,
}

/// What is done once the transaction is.
#[derive(Default)]
struct After {
    replies: Vec<(Reply, Result<Reservation, Refused>)>,
    waiting: VecDeque<Reserve>,
    known: HashMap<Line, Amount>,
    reached: Vec<(Line, Amount, bool)>,
}

impl Writer {
    pub(super) fn new(bank: Bank, store: Store, trail: Arc<dyn Trail>) -> Self {
        Self {
            bank,
            store,
            trail,
            waiting: VecDeque::new(),
            unsettled: Vec::new(),
            held: HashMap::new(),
            told: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Command>) {
        let mut batch = Vec::new();
        loop {
            if self.waiting.is_empty() && self.unsettled.is_empty() {
                if queue.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
            } else {
                // Nothing came, or something: those that wait are looked at.
                let _ = tokio::time::timeout(LOOK, queue.recv_many(&mut batch, BATCH)).await;
            }
            self.step(&mut batch).await;
        }
    }

    async fn step(&mut self, batch: &mut Vec<Command>) {
        let mut reserves = std::mem::take(&mut self.waiting);
        let mut flushes = Vec::new();
        for command in batch.drain(..) {
            match command {
                Command::Reserve(reserve) => reserves.push_back(reserve),
                Command::Flush(reply) => flushes.push(reply),
                back => self.unsettled.push(back),
            }
        }
        // Who is gone does not reserve.
        reserves.retain(|reserve| !reserve.reply.is_closed());
        let mut after = After::default();
        let written = self.written(&mut after).await;
        let is_written = written.is_ok();
        self.bank.0.failing.store(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(()) => {
                self.came_back();
                self.known(&mut after);
                let now = Timestamp::now();
                for reserve in reserves {
                    self.reserve(reserve, now, &mut after);
                }
                self.waiting = std::mem::take(&mut after.waiting);
                self.done(after);
            }
            Err(error) => {
                tracing::error!(%error, "budgets cannot be written; no model is asked until they can");
                for reserve in reserves {
                    let _ = reserve.reply.send(Err(Refused::Unrecorded("budgets")));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        for reply in flushes {
            let _ = reply.send(is_written);
        }
    }

    /// Writes what was spent: one row for a budget and one for what is used, however many calls it was.
    async fn written(&self, after: &mut After) -> Result<(), StoreError> {
        let mut usage: HashMap<(String, &Used), Vec<&Spent>> = HashMap::new();
        let mut added: HashMap<&Line, Amount> = HashMap::new();
        for command in &self.unsettled {
            if let Command::Settle {
                lines, used, spent, at, ..
            } = command
            {
                usage.entry((today(*at).to_string(), used)).or_default().push(spent);
                for line in lines {
                    let sum = added.entry(line).or_default();
                    sum.money = sum.money.saturating_add(spent.money.map_or(0, |Money(money)| money));
                    sum.tokens = sum.tokens.saturating_add(spent.usage.total());
                    sum.requests = sum.requests.saturating_add(1);
                }
            }
        }
        if usage.is_empty() {
            return Ok(());
        }
        let mut transaction = self.store.write.begin_with("BEGIN IMMEDIATE").await?;
        for (line, added) in added {
            settle(&mut transaction, &self.bank.0.budgets, line, added, after).await?;
        }
        for ((day, used), spent) in usage {
            count(&mut transaction, &day, used, &spent).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What was settled or released is reserved no more.
    fn came_back(&mut self) {
        for command in self.unsettled.drain(..) {
            let (Command::Settle { call, lines, .. } | Command::Release { call, lines }) = command else {
                continue;
            };
            for line in lines {
                if let Some(held) = self.held.get_mut(&line) {
                    held.remove(&call);
                    if held.is_empty() {
                        self.held.remove(&line);
                    }
                }
            }
        }
    }

    /// What is spent now.
    fn known(&self, after: &mut After) {
        let mut known = self.bank.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(after.known.drain());
    }

    fn spent(&self, line: &Line) -> Amount {
        let known = self.bank.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(line).copied().unwrap_or_default()
    }

    fn reserved(&mut self, line: &Line, now: Timestamp) -> Amount {
        let Some(held) = self.held.get_mut(line) else {
            return Amount::default();
        };
        held.retain(|_, held| held.expires > now.as_millisecond());
        held.values().fold(Amount::default(), |sum, held| Amount {
            money: sum.money.saturating_add(held.amount.money),
            tokens: sum.tokens.saturating_add(held.amount.tokens),
            requests: sum.requests.saturating_add(held.amount.requests),
        })
    }

    fn reserve(&mut self, reserve: Reserve, now: Timestamp, after: &mut After) {
        let bank = self.bank.clone();
        let mut room = Room::Enough;
        let mut full = None;
        for line in &reserve.lines {
            let Some(budget) = bank.0.budgets.get(line.budget) else {
                continue;
            };
            let spent = self.spent(line);
            let reserved = self.reserved(line, now);
            match budget.room(spent, reserved, reserve.asked) {
                Room::Held if room == Room::Enough => {
                    room = Room::Held;
                    full = full.or(Some((line, budget, spent)));
                }
                Room::Enough | Room::Held => {}
                Room::None => {
                    room = Room::None;
                    full = Some((line, budget, spent));
                    break;
                }
            }
        }
        if room == Room::Held && Instant::now() < reserve.until {
            after.waiting.push_back(reserve);
            return;
        }
        if let Some((line, budget, spent)) = full {
            let ends = budget.period.ends(now);
            if room == Room::None {
                after.reached.push((line.clone(), spent, true));
            }
            let refused = Refused::Budget {
                budget: budget.name.clone(),
                scope: line.scope.clone(),
                resets: ends.to_string(),
                retry_after: if room == Room::None {
                    until(now, ends)
                } else {
                    Duration::from_secs(1)
                },
            };
            after.replies.push((reserve.reply, Err(refused)));
            return;
        }
        let reservation = bank.reservation(reserve.lines);
        for line in &reservation.lines {
            let held = Held {
                amount: reserve.asked,
                expires: reserve.expires,
            };
            self.held
                .entry(line.clone())
                .or_default()
                .insert(reservation.call, held);
        }
        after.replies.push((reserve.reply, Ok(reservation)));
    }

    fn done(&mut self, after: After) {
        for (line, spent, is_hard) in after.reached {
            // A soft limit is crossed once; a hard one is met again and again.
            if is_hard && !self.told.insert(line.clone()) {
                continue;
            }
            let Some(budget) = self.bank.0.budgets.get(line.budget) else {
                continue;
            };
            let payload = json!({
                "scope": line.scope, "period": line.period, "limit": if is_hard { "hard" } else { "soft" },
                "standing": budget.standing(spent),
            });
            tracing::warn!(budget = budget.name, hard = is_hard, "a budget is spent");
            self.trail.record(Event {
                kind: Happened::BudgetExhausted,
                subject: budget.name.clone(),
                payload,
            });
        }
        for (reply, result) in after.replies {
            // Whoever does not wait any more drops it, which gives it back.
            drop(reply.send(result));
        }
    }
}

fn amount(row: &sqlx::sqlite::SqliteRow) -> Result<Amount, StoreError> {
    Ok(Amount {
        money: unsigned(row.try_get("money")?),
        tokens: unsigned(row.try_get("tokens")?),
        requests: unsigned(row.try_get("requests")?),
    })
}

async fn settle(
    connection: &mut SqliteConnection,
    budgets: &[Budget],
    line: &Line,
    added: Amount,
    after: &mut After,
) -> Result<(), StoreError> {
    let Some(budget) = budgets.get(line.budget) else {
        return Ok(());
    };
    let row = sqlx::query(
        "INSERT INTO balance (budget, scope, period, money, tokens, requests) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (budget, scope, period) DO UPDATE SET money = money + excluded.money,
             tokens = tokens + excluded.tokens, requests = requests + excluded.requests
         RETURNING money, tokens, requests",
    )
    .bind(&budget.name)
    .bind(&line.scope)
    .bind(&line.period)
    .bind(signed(added.money))
    .bind(signed(added.tokens))
    .bind(signed(added.requests))
    .fetch_one(connection)
    .await?;
    let now = amount(&row)?;
    let before = Amount {
        money: now.money.saturating_sub(added.money),
        tokens: now.tokens.saturating_sub(added.tokens),
        requests: now.requests.saturating_sub(added.requests),
    };
    if budget.is_over_soft(now) && !budget.is_over_soft(before) {
        after.reached.push((line.clone(), now, false));
    }
    after.known.insert(line.clone(), now);
    Ok(())
}

async fn count(connection: &mut SqliteConnection, day: &str, used: &Used, all: &[&Spent]) -> Result<(), StoreError> {
    let sum = |of: fn(&Spent) -> u64| signed(all.iter().map(|spent| of(spent)).fold(0, u64::saturating_add));
    sqlx::query(
        "INSERT INTO usage (day, agent, team, policy, provider, model, requests, kept, input, cached, output, money, unpriced)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (day, agent, team, policy, provider, model) DO UPDATE SET
             requests = requests + excluded.requests, kept = kept + excluded.kept, input = input + excluded.input,
             cached = cached + excluded.cached, output = output + excluded.output, money = money + excluded.money,
             unpriced = unpriced + excluded.unpriced",
    )
    .bind(day)
    .bind(&used.agent)
    .bind(&used.team)
    .bind(&used.policy)
    .bind(&used.provider)
    .bind(&used.model)
    .bind(sum(|_| 1))
    .bind(sum(|spent| u64::from(spent.kept)))
    .bind(sum(|spent| spent.usage.input))
    .bind(sum(|spent| spent.usage.cached))
    .bind(sum(|spent| spent.usage.output))
    .bind(sum(|spent| spent.money.map_or(0, |Money(money)| money)))
    .bind(sum(|spent| u64::from(spent.money.is_none())))
    .execute(connection)
    .await?;
    Ok(())
}

/// What was spent in the periods that run.
pub(super) async fn known(store: &Store, budgets: &[Budget]) -> Result<HashMap<Line, Amount>, StoreError> {
    let date = today(Timestamp::now());
    let month = format!("{:04}-{:02}", date.year(), date.month());
    let rows = sqlx::query("SELECT budget, scope, period, money, tokens, requests FROM balance WHERE period IN (?, ?)")
        .bind(date.to_string())
        .bind(month)
        .fetch_all(&store.read)
        .await?;
    let mut known = HashMap::new();
    for row in rows {
        let name: String = row.try_get("budget")?;
        if let Some(budget) = budgets.iter().position(|budget| budget.name == name) {
            let line = Line {
                budget,
                scope: row.try_get("scope")?,
                period: row.try_get("period")?,
            };
            known.insert(line, amount(&row)?);
        }
    }
    Ok(known)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
