//! Spends what budgets have: an amount is reserved before a call and settled after it.
//!
//! One task writes. What waits for it is one transaction, in which what comes back is settled before anything new is
//! reserved. Who asks for what others have only reserved waits until they settle: so what fits is spent, and nothing
//! over.

#[cfg(test)]
mod tests;
mod writing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::writing::Writer;
use super::budget::{Amount, Budget, Line, Spender, Standing};
use super::call::{Money, Refused, Usage};
use super::seams::Trail;
use super::store::{Store, StoreError};

/// Reservations outlive the deadline of their call by this: what is settled at the last moment finds them.
const GRACE: Duration = Duration::from_secs(5);

/// Under what a call's usage is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Used {
    pub(super) agent: String,
    pub(super) team: String,
    pub(super) policy: String,
    pub(super) provider: String,
    pub(super) model: String,
}

/// What a call came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    pub(super) usage: Usage,
    pub(super) money: Option<Money>,
    pub(super) kept: bool,
}

#[derive(Debug)]
struct Reserve {
    lines: Vec<Line>,
    asked: Amount,
    /// Milliseconds since 1970.
    expires: i64,
    /// How long to wait for what others have reserved.
    until: Instant,
    reply: oneshot::Sender<Result<Reservation, Refused>>,
}

#[derive(Debug)]
enum Command {
    Reserve(Reserve),
    Settle {
        call: u64,
        lines: Vec<Line>,
        used: Used,
        spent: Spent,
        at: Timestamp,
        /// Whether it is written; gone once that was said.
        reply: Option<oneshot::Sender<bool>>,
    },
    Release {
        call: u64,
        lines: Vec<Line>,
    },
    /// Answered when all before it is tried: whether it is written.
    Flush(oneshot::Sender<bool>),
}

#[derive(Debug)]
struct Shared {
    budgets: Vec<Budget>,
    /// Settlements must never be lost for want of room; there are as many as there are calls, and those are limited.
    commands: mpsc::UnboundedSender<Command>,
    /// What is spent: what is written, and what was lost. For reservations, and for the policy on agents.
    known: RwLock<HashMap<Line, Amount>>,
    failing: AtomicBool,
    next: AtomicU64,
}

/// The budgets of one gateway.
#[derive(Debug, Clone)]
pub(super) struct Bank(Arc<Shared>);

/// What a call may spend. Dropped without a settlement, it is given back.
#[derive(Debug)]
pub(super) struct Reservation {
    bank: Bank,
    call: u64,
    lines: Vec<Line>,
    open: bool,
}

impl Reservation {
    /// Charges what was spent, and gives back the rest.
    pub(super) fn settle(mut self, used: Used, spent: Spent) -> Settling {
        self.open = false;
        let (reply, written) = oneshot::channel();
        self.bank.send(Command::Settle {
            call: self.call,
            lines: std::mem::take(&mut self.lines),
            used,
            spent,
            at: Timestamp::now(),
            reply: Some(reply),
        });
        Settling(written)
    }
}

/// A charge that is on its way into the database. It gets there whether or not somebody waits.
#[derive(Debug)]
pub(super) struct Settling(oneshot::Receiver<bool>);

impl Settling {
    /// Whether it is written; `false` when it cannot be now.
    pub(super) async fn written(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open && !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            self.bank.send(Command::Release { call: self.call, lines });
        }
    }
}

impl Bank {
    /// Begins to work, with what was spent before. What calls of an earlier process had reserved is not reserved any more.
    pub(super) async fn open(
        store: Store,
        budgets: Vec<Budget>,
        trail: Arc<dyn Trail>,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let known = writing::known(&store, &budgets).await?;
        let (commands, queue) = mpsc::unbounded_channel();
        let bank = Self(Arc::new(Shared {
            budgets,
            commands,
            known: RwLock::new(known),
            failing: AtomicBool::new(false),
            next: AtomicU64::new(1),
        }));
        let writer = Writer::new(bank.clone(), store, trail);
        Ok((bank, tokio::spawn(writer.run(queue))))
    }

    /// One without budgets that counts nothing, for calls that nobody pays.
    pub(super) fn without_books() -> (Self, JoinHandle<()>) {
        let (commands, mut queue) = mpsc::unbounded_channel();
        let bank = Self(Arc::new(Shared {
            budgets: Vec::new(),
            commands,
            known: RwLock::default(),
            failing: AtomicBool::new(false),
            next: AtomicU64::new(1),
        }));
        let writer = async move {
            while let Some(command) = queue.recv().await {
                if let Command::Flush(reply) | Command::Settle { reply: Some(reply), .. } = command {
                    let _ = reply.send(true);
                }
            }
        };
        (bank, tokio::spawn(writer))
    }

    fn send(&self, command: Command) {
        if self.0.commands.send(command).is_err() {
            tracing::error!("budgets are not written any more");
        }
    }

    /// The budgets that a call is charged to.
    pub(super) fn lines(&self, spender: &Spender<'_>, now: Timestamp) -> Vec<Line> {
        let each = self.0.budgets.iter().enumerate();
        each.filter_map(|(index, budget)| budget.line(index, spender, now))
            .collect()
    }

    /// The first of them that is one of money.
    pub(super) fn money(&self, lines: &[Line]) -> Option<&str> {
        let budgets = lines.iter().filter_map(|line| self.0.budgets.get(line.budget));
        budgets
            .filter(|budget| budget.limits_money())
            .map(|budget| budget.name.as_str())
            .next()
    }

    /// How they stand.
    pub(super) fn standing(&self, lines: &[Line]) -> std::collections::BTreeMap<&str, Standing> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let each = lines.iter().filter_map(|line| {
            let budget = self.0.budgets.get(line.budget)?;
            let spent = known.get(line).copied().unwrap_or_default();
            Some((budget.name.as_str(), budget.standing(spent)))
        });
        each.collect()
    }

    /// Reserves, and waits for what others have reserved, at most `wait`.
    pub(super) async fn reserve(
        &self,
        lines: Vec<Line>,
        asked: Amount,
        deadline: Instant,
        wait: Duration,
    ) -> Result<Reservation, Refused> {
        if self.0.failing.load(Ordering::Relaxed) && lines.is_empty() {
            // Its usage could not be counted.
            let (reply, answer) = oneshot::channel();
            self.send(Command::Flush(reply));
            let _ = tokio::time::timeout_at(deadline, answer).await;
            if self.0.failing.load(Ordering::Relaxed) {
                return Err(Refused::Unrecorded("budgets"));
            }
        }
        if lines.is_empty() {
            return Ok(self.reservation(lines));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let until = Instant::now() + left.min(wait);
        let expires =
            Timestamp::now().as_millisecond() + i64::try_from((left + GRACE).as_millis()).unwrap_or(i64::MAX / 2);
        let (reply, answer) = oneshot::channel();
        self.send(Command::Reserve(Reserve {
            lines,
            asked,
            expires,
            until,
            reply,
        }));
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(reserved)) => reserved,
            Ok(Err(_)) => Err(Refused::Unrecorded("budgets")),
            Err(_) => Err(Refused::Deadline),
        }
    }

    /// Periods that are kept no more: days before a day, and months before its own.
    pub(super) fn forget(&self, day: &str, month: &str) {
        let is_kept = |period: &str| match period.len() {
            10 => period >= day,
            7 => period >= month,
            _ => true,
        };
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|line, _| is_kept(&line.period));
    }

    fn reservation(&self, lines: Vec<Line>) -> Reservation {
        Reservation {
            bank: self.clone(),
            call: self.0.next.fetch_add(1, Ordering::Relaxed),
            lines,
            open: true,
        }
    }

    /// Done when all that was settled until now is written; `false` when it cannot be now.
    pub(super) async fn flushed(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Flush(reply));
        answer.await.unwrap_or(false)
    }
}
