//! Threads for what goes as deep as policies do: an overflow of the stack ends the process, whatever is done about panics.

use std::io;
use std::thread::{Builder, scope};

use tokio::sync::oneshot;

/// Rules may be in each other deep, and a proof deeper than they are. Memory is taken as far as it is used.
const STACK: usize = 64 << 20;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("it panicked")]
    Panicked,
    #[error("no thread can be started: {0}")]
    NoThread(io::Error),
}

fn thread() -> Builder {
    Builder::new().name("policies".to_owned()).stack_size(STACK)
}

/// Runs it where it has room, and where nobody else waits.
pub(crate) async fn deep<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
    let (sender, result) = oneshot::channel();
    // Whoever asked may be gone; that is no reason to fail.
    let run = move || drop(sender.send(work()));
    thread().spawn(run).map_err(Broken::NoThread)?;
    result.await.map_err(|_| Broken::Panicked)
}

/// The same, for who has nothing else to do meanwhile.
pub(crate) fn deep_here<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Broken> {
    scope(|scope| {
        let running = thread().spawn_scoped(scope, work).map_err(Broken::NoThread)?;
        running.join().map_err(|_| Broken::Panicked)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(left: usize) -> usize {
        let filler = std::hint::black_box([left; 128]);
        match left {
            0 => 0,
            _ => 1 + depth(left - 1).min(filler.len() * left),
        }
    }

    #[tokio::test]
    async fn there_is_room_and_a_panic_is_told() {
        // Some 20 MiB: ten times what other threads have.
        assert_eq!(deep(|| depth(20_000)).await.unwrap(), 20_000);
        assert_eq!(deep_here(|| depth(20_000)).unwrap(), 20_000);
        let broken = deep(|| panic!("a test's")).await;
        assert!(matches!(broken, Err::<(), _>(Broken::Panicked)));
        assert!(matches!(
            deep_here(|| panic!("a test's")),
            Err::<(), _>(Broken::Panicked)
        ));
    }
}
