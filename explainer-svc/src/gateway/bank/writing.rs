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
    /// What was spent and can never be written.
    lost: HashMap<Line, Amount>,
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
            lost: HashMap::new(),
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
        self.bank.0.failing.store(!is_written, Ordering::Relaxed);
        match written {
            Ok(()) => {
                let now = Timestamp::now();
                for reserve in reserves {
                    self.reserve(reserve, now, &mut after);
                }
                self.waiting = std::mem::take(&mut after.waiting);
            }
            Err(error) => {
                tracing::error!(%error, "budgets cannot be written; no model is asked until they can");
                for reserve in reserves {
                    let _ = reserve.reply.send(Err(Refused::Unrecorded("budgets")));
                }
                for command in &mut self.unsettled {
                    if let Command::Settle { reply, .. } = command
                        && let Some(reply) = reply.take()
                    {
                        let _ = reply.send(false);
                    }
                }
            }
        }
        self.done(after);
        for reply in flushes {
            let _ = reply.send(is_written);
        }
        if !is_written {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Writes what was spent, each on its own where not all of it can be written: what never can must not keep back the rest.
    async fn written(&mut self, after: &mut After) -> Result<(), StoreError> {
        let all = std::mem::take(&mut self.unsettled);
        let mut at_once = After::default();
        match self.written_at_once(&all, &mut at_once).await {
            Ok(()) => {
                self.learn(at_once, after);
                for command in all {
                    self.came_back(command, true);
                }
                return Ok(());
            }
            Err(error) if is_about_what_was_written(&error) => {}
            Err(error) => {
                self.unsettled = all;
                return Err(error);
            }
        }
        let mut each = all.into_iter();
        while let Some(command) = each.next() {
            let mut alone = After::default();
            let written = self.written_at_once(std::slice::from_ref(&command), &mut alone).await;
            match written {
                Ok(()) => {
                    self.learn(alone, after);
                    self.came_back(command, true);
                }
                Err(error) if is_about_what_was_written(&error) => {
                    self.lose(&command, &error);
                    self.came_back(command, false);
                }
                Err(error) => {
                    self.unsettled = std::iter::once(command).chain(each).collect();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// What the database does not take counts as long as this process lives.
    fn lose(&mut self, command: &Command, error: &StoreError) {
        let Command::Settle { lines, used, spent, .. } = command else {
            return;
        };
        tracing::error!(
            event = "charge_lost", %error, ?used, ?spent,
            "what a call came to cannot be written: its answer is not given, and it counts until a restart only"
        );
        let mut known = self.bank.0.known.write().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            for amounts in [&mut *known, &mut self.lost] {
                let amount = amounts.entry(line.clone()).or_default();
                *amount = amount.and(spent);
            }
        }
    }

    /// One row for a budget and one for what is used, however many calls it was.
    async fn written_at_once(&self, commands: &[Command], after: &mut After) -> Result<(), StoreError> {
        let mut usage: HashMap<(String, &Used), Vec<&Spent>> = HashMap::new();
        let mut added: HashMap<&Line, Amount> = HashMap::new();
        for command in commands {
            if let Command::Settle {
                lines, used, spent, at, ..
            } = command
            {
                usage.entry((today(*at).to_string(), used)).or_default().push(spent);
                for line in lines {
                    let sum = added.entry(line).or_default();
                    *sum = sum.and(spent);
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
    fn came_back(&mut self, command: Command, is_written: bool) {
        let (call, lines) = match command {
            Command::Settle { call, lines, reply, .. } => {
                if let Some(reply) = reply {
                    let _ = reply.send(is_written);
                }
                (call, lines)
            }
            Command::Release { call, lines } => (call, lines),
            Command::Reserve(_) | Command::Flush(_) => return,
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

    /// What is spent now, and what is to be told of it.
    fn learn(&self, written: After, after: &mut After) {
        let mut known = self.bank.0.known.write().unwrap_or_else(PoisonError::into_inner);
        for (line, amount) in written.known {
            let lost = self.lost.get(&line).copied().unwrap_or_default();
            known.insert(line, amount.plus(lost));
        }
        after.reached.extend(written.reached);
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
        held.values().fold(Amount::default(), |sum, held| sum.plus(held.amount))
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

impl Amount {
    /// With what one call came to.
    fn and(self, spent: &Spent) -> Self {
        self.plus(Self {
            money: spent.money.map_or(0, |Money(money)| money),
            tokens: spent.usage.total(),
            requests: 1,
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            money: self.money.saturating_add(other.money),
            tokens: self.tokens.saturating_add(other.tokens),
            requests: self.requests.saturating_add(other.requests),
        }
    }
}

/// Whether the database refuses this and may take other things: a constraint, a type, a size. What ails the database itself
/// (no room, no file, a lock) may pass.
fn is_about_what_was_written(error: &StoreError) -> bool {
    let StoreError::Database(sqlx::Error::Database(error)) = error else {
        return false;
    };
    // The lower byte is the kind: TOOBIG, CONSTRAINT, MISMATCH, RANGE.
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 18 | 19 | 20 | 25))
}

/// A sum that would be larger than a number of the database stays the largest: `SQLite` would make a fraction of it, which its
/// column does not take.
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
         ON CONFLICT (budget, scope, period) DO UPDATE SET money = min(money + excluded.money, 9223372036854775807),
             tokens = min(tokens + excluded.tokens, 9223372036854775807),
             requests = min(requests + excluded.requests, 9223372036854775807)
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
             requests = min(requests + excluded.requests, 9223372036854775807),
             kept = min(kept + excluded.kept, 9223372036854775807),
             input = min(input + excluded.input, 9223372036854775807),
             cached = min(cached + excluded.cached, 9223372036854775807),
             output = min(output + excluded.output, 9223372036854775807),
             money = min(money + excluded.money, 9223372036854775807),
             unpriced = min(unpriced + excluded.unpriced, 9223372036854775807)",
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
