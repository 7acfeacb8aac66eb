//! The task that writes, and its SQL.

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
    /// Of which it was told that they are spent.
    told: HashSet<Line>,
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
        let written = self.written(&mut reserves, &mut after).await;
        self.bank.0.failing.store(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(()) => {
                self.unsettled.clear();
                self.waiting = std::mem::take(&mut after.waiting);
                self.done(after);
            }
            Err(error) => {
                tracing::error!(%error, "budgets cannot be written; no model is asked until they can");
                // What was reserved is rolled back; its handles release nothing that is there.
                let all = after.replies.into_iter().map(|(reply, _)| reply);
                let held = after.waiting.into_iter().chain(reserves).map(|reserve| reserve.reply);
                for reply in all.chain(held) {
                    let _ = reply.send(Err(Refused::Unrecorded("budgets")));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        for reply in flushes {
            let _ = reply.send(());
        }
    }

    async fn written(&self, reserves: &mut VecDeque<Reserve>, after: &mut After) -> Result<(), StoreError> {
        if self.unsettled.is_empty() && reserves.is_empty() {
            return Ok(());
        }
        let mut transaction = self.store.write.begin_with("BEGIN IMMEDIATE").await?;
        let now = Timestamp::now();
        let mut usage: HashMap<(String, &Used), Vec<&Spent>> = HashMap::new();
        for command in &self.unsettled {
            match command {
                Command::Settle {
                    call,
                    lines,
                    used,
                    spent,
                    at,
                } => {
                    settle(&mut transaction, &self.bank.0.budgets, *call, lines, spent, after).await?;
                    usage.entry((today(*at).to_string(), used)).or_default().push(spent);
                }
                Command::Release { call, lines } => release(&mut transaction, *call, lines).await?,
                Command::Reserve(_) | Command::Flush(_) => {}
            }
        }
        for ((day, used), spent) in usage {
            count(&mut transaction, &day, used, &spent).await?;
        }
        if !reserves.is_empty() {
            sqlx::query("DELETE FROM reservation WHERE expires <= ?")
                .bind(now.as_millisecond())
                .execute(&mut *transaction)
                .await?;
        }
        while let Some(reserve) = reserves.pop_front() {
            self.reserve(&mut transaction, reserve, now, after).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn reserve(
        &self,
        connection: &mut SqliteConnection,
        reserve: Reserve,
        now: Timestamp,
        after: &mut After,
    ) -> Result<(), StoreError> {
        let mut room = Room::Enough;
        let mut full = None;
        for line in &reserve.lines {
            let Some(budget) = self.bank.0.budgets.get(line.budget) else {
                continue;
            };
            let spent = balance(connection, budget, line).await?;
            let reserved = reserved(connection, budget, line).await?;
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
            return Ok(());
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
            return Ok(());
        }
        let reservation = self.bank.reservation(reserve.lines);
        for line in &reservation.lines {
            let Some(budget) = self.bank.0.budgets.get(line.budget) else {
                continue;
            };
            sqlx::query(
                "INSERT INTO reservation (call, budget, scope, period, money, tokens, requests, expires)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(signed(reservation.call))
            .bind(&budget.name)
            .bind(&line.scope)
            .bind(&line.period)
            .bind(signed(reserve.asked.money))
            .bind(signed(reserve.asked.tokens))
            .bind(signed(reserve.asked.requests))
            .bind(reserve.expires)
            .execute(&mut *connection)
            .await?;
        }
        after.replies.push((reserve.reply, Ok(reservation)));
        Ok(())
    }

    fn done(&mut self, after: After) {
        {
            let mut known = self.bank.0.known.write().unwrap_or_else(PoisonError::into_inner);
            known.extend(after.known);
        }
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

async fn balance(connection: &mut SqliteConnection, budget: &Budget, line: &Line) -> Result<Amount, StoreError> {
    let row = sqlx::query("SELECT money, tokens, requests FROM balance WHERE budget = ? AND scope = ? AND period = ?")
        .bind(&budget.name)
        .bind(&line.scope)
        .bind(&line.period)
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(Amount::default()), |row| amount(&row))
}

async fn reserved(connection: &mut SqliteConnection, budget: &Budget, line: &Line) -> Result<Amount, StoreError> {
    let row = sqlx::query(
        "SELECT coalesce(sum(money), 0) AS money, coalesce(sum(tokens), 0) AS tokens, coalesce(sum(requests), 0) AS requests
         FROM reservation WHERE budget = ? AND scope = ? AND period = ?",
    )
    .bind(&budget.name)
    .bind(&line.scope)
    .bind(&line.period)
    .fetch_one(connection)
    .await?;
    amount(&row)
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
    call: u64,
    lines: &[Line],
    spent: &Spent,
    after: &mut After,
) -> Result<(), StoreError> {
    release(connection, call, lines).await?;
    let added = Amount {
        money: spent.money.map_or(0, |Money(money)| money),
        tokens: spent.usage.total(),
        requests: 1,
    };
    for line in lines {
        let Some(budget) = budgets.get(line.budget) else {
            continue;
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
        .fetch_one(&mut *connection)
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
    }
    Ok(())
}

async fn release(connection: &mut SqliteConnection, call: u64, lines: &[Line]) -> Result<(), StoreError> {
    if !lines.is_empty() {
        sqlx::query("DELETE FROM reservation WHERE call = ?")
            .bind(signed(call))
            .execute(connection)
            .await?;
    }
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

/// This process is the only one, so whatever is reserved at its start belongs to nobody.
pub(super) async fn release_all(store: &Store) -> Result<u64, StoreError> {
    let deleted = sqlx::query("DELETE FROM reservation").execute(&store.write).await?;
    Ok(deleted.rows_affected())
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
