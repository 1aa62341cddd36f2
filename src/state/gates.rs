//! Keeps adoptions into one repository apart from the taking back of names there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::RwLock;

/// Keeps adoptions into one repository apart from the taking back of names there.
#[derive(Default)]
pub struct Gates(Mutex<HashMap<String, Weak<RwLock<()>>>>);

impl Gates {
    /// The gate of one repository.
    pub fn of(&self, repository: &str) -> Arc<RwLock<()>> {
        // Nothing panics while it holds the lock.
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(repository).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::default();
        gates.insert(repository.to_owned(), Arc::downgrade(&gate));
        gate
    }
}
