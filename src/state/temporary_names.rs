//! The names under which containerd fetches for pulls that are under way, and who uses them.
//!
//! A pull from a mirror leaves such a name in containerd's store, and removes it once the image has its own. Pulls
//! of one image can share one. Holds: a name is removed by the last of its users, and no pull begins to use it
//! while it is being removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The facts about one name while it has users.
#[derive(Debug, Default)]
pub struct Known {
    /// Whether it was there before its first user came; none while that is not known.
    pub was_there: Option<bool>,
}

/// Held by each user for reading, and for writing by the one who removes the name.
type Lock = RwLock<Arc<Mutex<Known>>>;
type Gate = Arc<Lock>;
type Gates = HashMap<String, Weak<Lock>>;

/// All of them.
#[derive(Default)]
pub struct TemporaryNames(Mutex<Gates>);

/// One user of a name.
pub struct InUse {
    gate: Gate,
    held: OwnedRwLockReadGuard<Arc<Mutex<Known>>>,
}

/// The last user of a name. No pull begins to use the name while this lives.
pub struct LastUse {
    held: OwnedRwLockWriteGuard<Arc<Mutex<Known>>>,
}

impl TemporaryNames {
    fn lock(&self) -> MutexGuard<'_, Gates> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self, name: &str) -> Gate {
        let mut gates = self.lock();
        if let Some(gate) = gates.get(name).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Gate::default();
        gates.insert(name.to_owned(), Arc::downgrade(&gate));
        gate
    }

    /// Begins to use `name`; waits while it is being removed.
    pub async fn enter(&self, name: &str) -> InUse {
        let gate = self.gate(name);
        let held = gate.clone().read_owned().await;
        InUse { gate, held }
    }

    /// How many names are in use.
    pub fn count(&self) -> usize {
        self.lock().values().filter(|gate| gate.strong_count() > 0).count()
    }
}

impl InUse {
    /// The facts about the name, shared by all its users.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the use. Of several users the last one gets the right to remove the name.
    pub fn leave(self) -> Option<LastUse> {
        let Self { gate, held } = self;
        drop(held);
        let held = gate.try_write_owned().ok()?;
        Some(LastUse { held })
    }
}

impl LastUse {
    /// Whether the name was there before its first user came.
    pub fn was_there(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).was_there == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_user_removes_a_name_and_the_next_one_waits_for_that() {
        let names = TemporaryNames::default();
        let (first, second) = (names.enter("m/r@d").await, names.enter("m/r@d").await);
        first.known().was_there = Some(true);
        assert_eq!(second.known().was_there, Some(true), "users of one name know the same");
        assert_eq!(names.count(), 1);
        assert!(first.leave().is_none(), "somebody else still uses it");
        let last = second.leave().expect("it was the last");
        assert!(last.was_there());
        let mut next = Box::pin(names.enter("m/r@d"));
        assert!(futures_util::poll!(&mut next).is_pending(), "it is being removed");
        drop(last);
        let next = next.await;
        assert!(next.leave().is_some());
        assert_eq!(names.count(), 0);
    }
}
