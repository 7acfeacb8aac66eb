//! The line on the terminal that says how far the check is.

use std::time::{Duration, Instant};

use super::super::Streams;

/// Less often than this would look stuck, more often costs time.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    total: usize,
    done: usize,
    next: Instant,
}

impl Progress {
    /// Shown on a terminal, when there is enough to do that it can take a moment.
    pub(super) fn new(total: usize, streams: &Streams<'_>) -> Self {
        Self {
            shown: streams.looks.progress,
            total,
            done: 0,
            next: Instant::now() + EVERY,
        }
    }

    /// So many files are done.
    pub(super) fn files(&mut self, done: usize, objects: usize, streams: &mut Streams<'_>) {
        self.done = done;
        if !self.shown || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + EVERY;
        // A terminal that is gone is no reason to stop.
        let _ = write!(
            streams.err,
            "\r\u{1b}[K{} of {} files, {objects} objects",
            self.done, self.total
        );
        let _ = streams.err.flush();
    }

    /// Takes the line away.
    pub(super) fn end(&self, streams: &mut Streams<'_>) {
        if self.shown {
            let _ = write!(streams.err, "\r\u{1b}[K");
            let _ = streams.err.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Looks;
    use super::*;

    fn shown(progress: bool) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let looks = Looks {
            colour: false,
            progress,
        };
        let mut streams = Streams {
            out: &mut out,
            err: &mut err,
            looks,
        };
        let mut line = Progress::new(1000, &streams);
        line.next = Instant::now();
        line.files(400, 800, &mut streams);
        // Too soon after the one before.
        line.files(401, 802, &mut streams);
        line.end(&mut streams);
        assert!(out.is_empty());
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn progress_is_for_terminals_and_leaves_nothing_behind() {
        assert_eq!(shown(false), "");
        assert_eq!(shown(true), "\r\u{1b}[K400 of 1000 files, 800 objects\r\u{1b}[K");
    }
}
