//! Lets pulls begin one after another: a thousand that come at the same time would hold up everybody else, for one thread
//! does the work of all.

use tokio::sync::Mutex;

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Turns(Mutex<()>);

impl Turns {
    /// Returns when it is the caller's turn. Between two turns, whatever else is ready goes on once.
    pub async fn next(&self) {
        let _turn = self.0.lock().await;
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn others_go_on_between_two_turns() {
        let (turns, begun) = (Arc::new(Turns::default()), Arc::new(AtomicUsize::new(0)));
        for _ in 0..100 {
            let (turns, begun) = (turns.clone(), begun.clone());
            tokio::spawn(async move {
                turns.next().await;
                begun.fetch_add(1, Ordering::Relaxed);
            });
        }
        let mut before = 0;
        while before < 100 {
            tokio::task::yield_now().await;
            let now = begun.load(Ordering::Relaxed);
            assert!(now <= before + 1, "{before} pulls had begun, and then {now}");
            before = now;
        }
    }
}
