//! Runs a future once at a time for each key; callers that come meanwhile wait for that run.
//!
//! Holds: when the caller goes away that runs the future, the run ends, and a waiting caller starts its own. The
//! result is not kept.
//! Not here: keeping answers for later (`kubelet::cache`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// The runs under way, by key.
#[derive(Debug)]
pub(super) struct SingleFlight<T>(Mutex<HashMap<String, Arc<OnceCell<T>>>>);

/// A caller. Removes the run from the list when the last caller goes away.
struct Caller<'a, T> {
    single_flight: &'a SingleFlight<T>,
    key: String,
    cell: Arc<OnceCell<T>>,
}

impl<T: Clone> SingleFlight<T> {
    /// The result of the run for `key` that is under way, or of `run`.
    pub(super) async fn join(&self, key: String, run: impl Future<Output = T>) -> T {
        let cell = Arc::clone(self.lock().entry(key.clone()).or_default());
        let caller = Caller { single_flight: self, key, cell };
        caller.cell.get_or_init(|| run).await.clone()
    }
}

impl<T> SingleFlight<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<T>>>> {
        // Nothing panics while it holds the lock, and the map is always valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        SingleFlight(Mutex::default())
    }
}

impl<T> Drop for Caller<'_, T> {
    fn drop(&mut self) {
        let mut single_flight = self.single_flight.lock();
        // Two: the list's and this caller's. Each other caller has one more.
        let last = Arc::strong_count(&self.cell) == 2;
        let listed = single_flight.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if listed && (self.cell.initialized() || last) {
            single_flight.remove(&self.key);
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
        let single_flight = SingleFlight::default();
        let runs = AtomicU32::new(0);
        let run = async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            runs.fetch_add(1, Ordering::Relaxed) + 1
        };
        let join = |key: &str| single_flight.join(key.to_owned(), run());
        let (one, two, three) = tokio::join!(join("a"), join("a"), join("b"));
        assert!(one == two && two != three, "{one} {two} {three}");
        assert_eq!(join("a").await, 3, "nothing is kept");
        assert!(single_flight.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_that_leaves_takes_nobody_with_it() {
        let single_flight = SingleFlight::default();
        let slow = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            1
        };
        let leaves = tokio::time::timeout(Duration::from_secs(1), single_flight.join("a".to_owned(), slow));
        let stays = single_flight.join("a".to_owned(), async { 2 });
        let (left, stayed) = tokio::join!(leaves, stays);
        left.unwrap_err();
        assert_eq!(stayed, 2);
        let alone = single_flight.join("a".to_owned(), std::future::pending::<i32>());
        let left = tokio::time::timeout(Duration::from_secs(1), alone).await;
        left.unwrap_err();
        assert!(single_flight.lock().is_empty());
    }
}
