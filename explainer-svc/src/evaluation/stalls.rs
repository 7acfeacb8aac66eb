//! How long the machine stood still: a virtual machine that is paused, a laptop that sleeps. No program keeps a deadline meanwhile, so
//! that time is nobody's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
/// A thread that only sleeps is never as late as this for want of a processor.
const STALL: Duration = Duration::from_secs(1);

/// Watches, from a thread that does nothing else.
#[derive(Debug)]
pub(super) struct Stalls {
    milliseconds: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Stalls {
    pub(super) fn watch() -> Self {
        let stalls = Self {
            milliseconds: Arc::default(),
            is_over: Arc::default(),
        };
        let (milliseconds, is_over) = (Arc::clone(&stalls.milliseconds), Arc::clone(&stalls.is_over));
        thread::spawn(move || {
            let mut last = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                let now = Instant::now();
                let late = now.duration_since(last).saturating_sub(TICK);
                if late >= STALL {
                    milliseconds.fetch_add(u64::try_from(late.as_millis()).unwrap_or(0), Ordering::Relaxed);
                }
                last = now;
            }
        });
        stalls
    }

    /// All of it until now.
    pub(super) fn so_far(&self) -> Duration {
        Duration::from_millis(self.milliseconds.load(Ordering::Relaxed))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_does_not_stand_still() {
        let stalls = Stalls::watch();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            std::hint::black_box(begun.elapsed());
        }
        assert!(stalls.so_far() <= begun.elapsed().saturating_sub(Duration::from_millis(300)));
    }
}
