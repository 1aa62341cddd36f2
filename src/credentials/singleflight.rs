//! One run at a time for each key; who asks meanwhile waits for that run.
//!
//! Before: several pulls need the same answer.  After: each has it, and it was asked for once.
//! Holds: an asker that goes away takes its run with it, and another one that waits begins anew; nothing is
//! kept once nobody waits.
//! Not here: keeping answers for later (`kubelet::cache`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// The runs under way.
#[derive(Debug)]
pub(super) struct Flights<T>(Mutex<HashMap<String, Arc<OnceCell<T>>>>);

/// Takes an asker off the list when it ends, however it ends.
struct Seat<'a, T> {
    flights: &'a Flights<T>,
    key: String,
    cell: Arc<OnceCell<T>>,
}

impl<T: Clone> Flights<T> {
    /// The answer of the run under `key` that is under way, or of a new one.
    pub(super) async fn join(&self, key: String, run: impl Future<Output = T>) -> T {
        let cell = Arc::clone(self.lock().entry(key.clone()).or_default());
        let seat = Seat { flights: self, key, cell };
        seat.cell.get_or_init(|| run).await.clone()
    }
}

impl<T> Flights<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<T>>>> {
        // Nothing panics while it holds the lock, and a map of cells is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Flights(Mutex::default())
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // Two: the list's and ours. Others who wait have one each.
        let last = Arc::strong_count(&self.cell) == 2;
        let listed = flights.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if listed && (self.cell.initialized() || last) {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_the_same_waits_for_the_one_run() {
        let flights = Flights::default();
        let runs = AtomicU32::new(0);
        let run = async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            runs.fetch_add(1, Ordering::Relaxed) + 1
        };
        let join = |key: &str| flights.join(key.to_owned(), run());
        let (one, two, three) = tokio::join!(join("a"), join("a"), join("b"));
        assert!(one == two && two != three, "{one} {two} {three}");
        assert_eq!(join("a").await, 3, "nothing is kept");
        assert!(flights.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_that_leaves_takes_nobody_with_it() {
        let flights = Flights::default();
        let slow = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            1
        };
        let leaves = tokio::time::timeout(Duration::from_secs(1), flights.join("a".to_owned(), slow));
        let stays = flights.join("a".to_owned(), async { 2 });
        let (left, stayed) = tokio::join!(leaves, stays);
        left.unwrap_err();
        assert_eq!(stayed, 2);
        let alone = flights.join("a".to_owned(), std::future::pending::<i32>());
        let left = tokio::time::timeout(Duration::from_secs(1), alone).await;
        left.unwrap_err();
        assert!(flights.lock().is_empty());
    }
}
