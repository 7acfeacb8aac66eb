//! How much is compared, and where it begins. CI takes the defaults; a longer run sets variables.

use std::env;

/// Where the generators begin. Printed by every test, so that what one found can be found again.
pub(crate) fn seed() -> u64 {
    number("WHYNOT_OPA_SEED", 1)
}

/// How many of something.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}"))
    })
}

/// A part of a name.
pub(crate) fn filter(variable: &str) -> String {
    env::var(variable).unwrap_or_default()
}

/// Splits work between the machine's cores, and keeps the order of the results.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    in_parallel_with(items, || (), |(), item| work(item))
}

/// The same, where each worker needs something of its own.
pub(crate) fn in_parallel_with<T: Sync, W, R: Send>(
    items: &[T],
    worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &T) -> R + Sync,
) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let size = items.len().div_ceil(cores).max(1);
    let (worker, work) = (&worker, &work);
    let all = |chunk: &[T]| {
        let mut worker = worker();
        chunk.iter().map(|item| work(&mut worker, item)).collect::<Vec<R>>()
    };
    std::thread::scope(|scope| {
        let chunks: Vec<_> = items
            .chunks(size)
            .map(|chunk| scope.spawn(move || all(chunk)))
            .collect();
        chunks.into_iter().flat_map(|chunk| chunk.join().unwrap()).collect()
    })
}
