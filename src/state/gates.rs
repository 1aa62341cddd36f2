//! One lock for each name, kept while somebody uses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::RwLock;

/// Locks by name, each with what its users share.
pub struct Gates<T = ()>(Mutex<HashMap<String, Weak<RwLock<T>>>>);

impl<T> Default for Gates<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Gates<T> {
    /// The lock of one name.
    pub fn of(&self, name: &str) -> Arc<RwLock<T>> {
        // Nothing panics while it holds the lock.
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(name).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::default();
        gates.insert(name.to_owned(), Arc::downgrade(&gate));
        gate
    }

    /// How many locks somebody holds.
    pub fn held(&self) -> usize {
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.values().filter_map(Weak::upgrade).filter(|gate| gate.try_write().is_err()).count()
    }
}
