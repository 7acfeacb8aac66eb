//! A provider's model that failed several times in a row is left alone for a while, and then tried by one call.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The state of one breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls pass.
    Closed,
    /// One call passes, to see.
    HalfOpen,
    /// No call passes.
    Open,
}

#[derive(Debug)]
struct Inner {
    failures: u32,
    /// When it may be tried again.
    open_until: Option<Instant>,
    /// Until when the call that tries it has time.
    trying_until: Option<Instant>,
    /// It asked to be left alone.
    quiet_until: Option<Instant>,
}

/// One breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    limit: u32,
    open_for: Duration,
    inner: Mutex<Inner>,
}

impl Breaker {
    pub(super) fn new(limit: u32, open_for: Duration) -> Self {
        Self {
            limit,
            open_for,
            inner: Mutex::new(Inner {
                failures: 0,
                open_until: None,
                trying_until: None,
                quiet_until: None,
            }),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a call may pass; else why not.
    pub(super) fn admit(&self, now: Instant, attempt: Duration) -> Result<(), &'static str> {
        self.with(|inner| {
            if inner.quiet_until.is_some_and(|until| now < until) {
                return Err("rate-limited");
            }
            let Some(open_until) = inner.open_until else {
                return Ok(());
            };
            // A call that was to try it and never came back does not keep it open for ever.
            if now < open_until || inner.trying_until.is_some_and(|until| now < until) {
                return Err("breaker-open");
            }
            inner.trying_until = Some(now + attempt);
            Ok(())
        })
    }

    pub(super) fn succeeded(&self) {
        self.with(|inner| {
            inner.failures = 0;
            inner.open_until = None;
            inner.trying_until = None;
            inner.quiet_until = None;
        });
    }

    pub(super) fn failed(&self, now: Instant) {
        self.with(|inner| {
            inner.failures = inner.failures.saturating_add(1);
            if inner.failures >= self.limit {
                inner.open_until = Some(now + self.open_for);
                inner.trying_until = None;
            }
        });
    }

    /// It answered, and wants no calls for a while.
    pub(super) fn quiet(&self, now: Instant, wait: Duration) {
        self.with(|inner| {
            inner.quiet_until = Some(now + wait);
            inner.trying_until = None;
        });
    }

    /// A call that says nothing about its health is over.
    pub(super) fn over(&self) {
        self.with(|inner| inner.trying_until = None);
    }

    pub(super) fn state(&self, now: Instant) -> State {
        self.with(|inner| match inner.open_until {
            None => State::Closed,
            Some(until) if now < until => State::Open,
            Some(_) => State::HalfOpen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_call_tries() {
        let breaker = Breaker::new(2, Duration::from_secs(10));
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        breaker.failed(begun);
        breaker.succeeded();
        breaker.failed(begun);
        assert_eq!(breaker.admit(begun, second), Ok(()), "not in a row");
        breaker.failed(begun);
        assert_eq!(breaker.state(begun), State::Open);
        assert_eq!(breaker.admit(begun + second * 9, second), Err("breaker-open"));
        let later = begun + second * 10;
        assert_eq!(breaker.state(later), State::HalfOpen);
        assert_eq!(breaker.admit(later, second), Ok(()));
        assert_eq!(breaker.admit(later, second), Err("breaker-open"), "one at a time");
        breaker.failed(later);
        assert_eq!(breaker.admit(later + second, second), Err("breaker-open"));
        let last = later + second * 10;
        assert_eq!(breaker.admit(last, second), Ok(()));
        assert_eq!(
            breaker.admit(last + second, second),
            Ok(()),
            "the one before never came back"
        );
        breaker.succeeded();
        assert_eq!(breaker.state(last), State::Closed);
        breaker.quiet(last, second);
        assert_eq!(breaker.admit(last, second), Err("rate-limited"));
        assert_eq!(breaker.admit(last + second, second), Ok(()));
    }
}
