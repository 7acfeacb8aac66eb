//! How old the knowledge is: what each watch last knew, whether the API server answers, and what is not published yet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// A poisoned lock holds what the panic left; the next list puts it right.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all watches of one cluster share.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Told when there is something to publish.
    pub(super) changed: Notify,
    pending: Mutex<Pending>,
    beat: Mutex<Beat>,
    /// Counts the times after which no open connection is to be trusted.
    reconnect: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Pending {
    /// Since when something is known that is not published.
    since: Option<Instant>,
    /// The same, for what is being published now.
    building: Option<Instant>,
}

#[derive(Debug)]
struct Beat {
    last: Instant,
    failure: Option<String>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            changed: Notify::new(),
            pending: Mutex::default(),
            beat: Mutex::new(Beat {
                last: Instant::now(),
                failure: None,
            }),
            reconnect: watch::Sender::new(0),
        }
    }
}

impl Pulse {
    /// Something is known since then that nobody was told.
    pub(super) fn touch(&self, since: Instant) {
        let mut pending = locked(&self.pending);
        pending.since = Some(pending.since.map_or(since, |known| known.min(since)));
        drop(pending);
        self.changed.notify_one();
    }

    /// What is known now is about to be published.
    pub(super) fn begin(&self) {
        let mut pending = locked(&self.pending);
        pending.building = pending.since.take();
    }

    /// It is published.
    pub(super) fn done(&self) {
        locked(&self.pending).building = None;
    }

    /// The API server answered; whether it had not before.
    pub(super) fn beat(&self) -> bool {
        let mut beat = locked(&self.beat);
        beat.last = Instant::now();
        beat.failure.take().is_some()
    }

    /// The API server did not answer; whether it had before.
    pub(super) fn missed(&self, reason: String) -> bool {
        locked(&self.beat).failure.replace(reason).is_none()
    }

    /// Why the API server does not answer.
    pub(super) fn failure(&self) -> Option<String> {
        locked(&self.beat).failure.clone()
    }

    /// When the API server answered last.
    pub(super) fn last_beat(&self) -> Instant {
        locked(&self.beat).last
    }

    /// Lets every watch connect again.
    pub(super) fn reconnect(&self) {
        self.reconnect.send_modify(|count| *count += 1);
    }

    /// Told when open connections are not to be trusted.
    pub(super) fn reconnects(&self) -> watch::Receiver<u64> {
        self.reconnect.subscribe()
    }

    /// How old the knowledge is, but for what single watches know.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let pending = locked(&self.pending);
        let pending = pending.building.into_iter().chain(pending.since).min();
        let beat = locked(&self.beat);
        let beat = beat.failure.is_some().then_some(beat.last);
        let oldest = pending.into_iter().chain(beat).min();
        oldest.map_or(Duration::ZERO, |oldest| now.saturating_duration_since(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_not_published_ages_until_it_is() {
        let pulse = Pulse::default();
        let begun = Instant::now();
        assert_eq!(pulse.age(begun + SECOND), Duration::ZERO);
        pulse.touch(begun + SECOND);
        assert_eq!(pulse.age(begun + SECOND * 2), SECOND);
        pulse.begin();
        pulse.touch(begun + SECOND * 2);
        assert_eq!(
            pulse.age(begun + SECOND * 3),
            SECOND * 2,
            "what is being published is not published"
        );
        pulse.done();
        assert_eq!(pulse.age(begun + SECOND * 3), SECOND, "what came meanwhile");
        pulse.touch(begun);
        assert_eq!(pulse.age(begun + SECOND * 3), SECOND * 3, "the oldest counts");
        pulse.begin();
        pulse.done();
        assert_eq!(pulse.age(begun + SECOND * 3), Duration::ZERO);
    }

    #[test]
    fn an_api_server_that_is_silent_ages_everything() {
        let pulse = Pulse::default();
        pulse.beat();
        let last = pulse.last_beat();
        assert!(pulse.missed("gone".to_owned()) && !pulse.missed("gone".to_owned()));
        assert_eq!(pulse.age(last + SECOND * 2), SECOND * 2, "since it answered last");
        assert!(pulse.beat() && !pulse.beat());
        assert_eq!(pulse.age(Instant::now() + SECOND), Duration::ZERO);
    }
}
