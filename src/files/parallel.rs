//! Does the same work for each of many items, on all processors.
//!
//! Holds: a few items are done on the calling thread; if a thread cannot be started, it only takes longer.

use std::num::NonZero;
use std::thread::{self, ScopedJoinHandle};

/// Fewer items take less time than starting a thread.
const WORTH_A_THREAD: usize = 256;

/// The result of `work` for each item.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(items.len() / WORTH_A_THREAD).max(1);
    let (own, others) = items.split_at(items.len().div_ceil(threads));
    let all = |items: &[T]| items.iter().map(&work).collect::<Vec<R>>();
    if others.is_empty() {
        return all(own);
    }
    thread::scope(|scope| {
        let start = |items| thread::Builder::new().spawn_scoped(scope, move || all(items)).map_err(|_| items);
        let started: Vec<_> = others.chunks(own.len()).map(start).collect();
        let mut results = all(own);
        for part in started {
            results.extend(part.map_or_else(all, ended));
        }
        results
    })
}

/// The results of a thread; a panic there is a panic here.
fn ended<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_items() {
        for count in [0, 1, WORTH_A_THREAD, 10 * WORTH_A_THREAD + 1] {
            let items: Vec<usize> = (0..count).collect();
            let expected: Vec<usize> = items.iter().map(|item| item + 1).collect();
            assert_eq!(map(&items, |item| item + 1), expected);
        }
    }
}
