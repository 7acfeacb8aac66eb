//! The task that writes, and its SQL.
//!
//! What is reserved is in memory only: no other process has this database, and what a process had reserved is nobody's once it has
//! ended. What was spent is written, and counts as reserved until it is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::Row as _;
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
        match self.written_at_once(&all).await {
            Ok(added) => {
                self.add(added, after);
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
            match self.written_at_once(std::slice::from_ref(&command)).await {
                Ok(added) => {
                    self.add(added, after);
                    self.came_back(command, true);
                }
                Err(error) if is_about_what_was_written(&error) => {
                    self.lose(&command, &error, after);
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
    fn lose(&self, command: &Command, error: &StoreError, after: &mut After) {
        let Command::Settle { lines, used, spent, .. } = command else {
            return;
        };
        tracing::error!(
            event = "charge_lost", %error, ?used, ?spent,
            "what a call came to cannot be written: its answer is not given, and it counts until a restart only"
        );
        let added = Amount::default().and(spent);
        self.add(lines.iter().map(|line| (line.clone(), added)), after);
    }

    /// One row for a budget and one for what is used, however many calls it was.
    async fn written_at_once(&self, commands: &[Command]) -> Result<HashMap<Line, Amount>, StoreError> {
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
            return Ok(HashMap::new());
        }
        let balances = added.iter().filter_map(|(line, added)| {
            let budget = self.bank.0.budgets.get(line.budget)?;
            let Amount {
                money,
                tokens,
                requests,
            } = *added;
            Some(json!([
                budget.name,
                line.scope,
                line.period,
                signed(money),
                signed(tokens),
                signed(requests)
            ]))
        });
        let usages = usage.iter().map(|((day, used), spent)| counted(day, used, spent));
        let settled = sqlx::query("INSERT INTO settled (balances, usages) VALUES (?, ?)")
            .bind(balances.collect::<Value>().to_string())
            .bind(usages.collect::<Value>().to_string());
        self.store.write.execute(settled).await?;
        Ok(added.into_iter().map(|(line, added)| (line.clone(), added)).collect())
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

    /// What is spent now, and what is to be told of it. No other process writes to these rows.
    fn add(&self, all: impl IntoIterator<Item = (Line, Amount)>, after: &mut After) {
        let mut known = self.bank.0.known.write().unwrap_or_else(PoisonError::into_inner);
        for (line, added) in all {
            let Some(budget) = self.bank.0.budgets.get(line.budget) else {
                continue;
            };
            let amount = known.entry(line.clone()).or_default();
            let before = *amount;
            *amount = before.plus(added);
            if budget.is_over_soft(*amount) && !budget.is_over_soft(before) {
                after.reached.push((line, *amount, false));
            }
        }
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

/// What was used, as the view takes it.
fn counted(day: &str, used: &Used, all: &[&Spent]) -> Value {
    let sum = |of: fn(&Spent) -> u64| signed(all.iter().map(|spent| of(spent)).fold(0, u64::saturating_add));
    json!([
        day,
        used.agent,
        used.team,
        used.policy,
        used.provider,
        used.model,
        sum(|_| 1),
        sum(|spent| u64::from(spent.kept)),
        sum(|spent| spent.usage.input),
        sum(|spent| spent.usage.cached),
        sum(|spent| spent.usage.output),
        sum(|spent| spent.money.map_or(0, |Money(money)| money)),
        sum(|spent| u64::from(spent.money.is_none())),
    ])
}

/// What was spent. In all periods that are kept: what the clock says when a process starts may be wrong.
pub(super) async fn known(store: &Store, budgets: &[Budget]) -> Result<HashMap<Line, Amount>, StoreError> {
    let rows = sqlx::query("SELECT budget, scope, period, money, tokens, requests FROM balance")
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
