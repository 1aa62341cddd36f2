//! The names under which containerd fetches for pulls that are under way, and who uses them.
//!
//! A pull from a mirror leaves such a name in containerd's store, and removes it once the image has its own. Pulls
//! of one image can share one. Holds: a name is removed by the last of its users, and no pull begins to use it
//! while it is being removed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::Gates;

/// The facts about one name, kept while anybody has a [`TemporaryName`] of it.
#[derive(Debug, Default)]
pub struct Known {
    /// Whether it was there before its first user came, or is to stay now; none while that is not known.
    pub was_there: Option<bool>,
}

impl Known {
    /// Lets the name stay, because it is one that an image is to have.
    pub fn keep(&mut self) {
        self.was_there = Some(true);
    }
}

type Shared = Mutex<Known>;

/// All of them.
#[derive(Default)]
pub struct TemporaryNames(Gates<Shared>);

/// One name. Each user holds its lock for reading, and the one who removes the name for writing.
#[derive(Clone)]
pub struct TemporaryName(Arc<RwLock<Shared>>);

/// One user of a name.
pub struct InUse {
    name: TemporaryName,
    held: OwnedRwLockReadGuard<Shared>,
}

/// The last user of a name. No pull begins to use the name while this lives.
pub struct LastUse {
    held: OwnedRwLockWriteGuard<Shared>,
}

impl TemporaryNames {
    /// Begins to use `name`; waits while it is being removed.
    pub async fn enter(&self, name: &str) -> InUse {
        TemporaryName(self.0.of(name)).enter().await
    }

    /// How many names are in use.
    pub fn count(&self) -> usize {
        self.0.held()
    }
}

impl TemporaryName {
    /// Begins to use it; waits while it is being removed.
    pub async fn enter(&self) -> InUse {
        InUse { name: self.clone(), held: self.0.clone().read_owned().await }
    }
}

impl InUse {
    /// The name that is in use. What is known of it is kept as long as this.
    pub fn name(&self) -> TemporaryName {
        self.name.clone()
    }

    /// The facts about the name, shared by all its users.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the use. Of several users the last one gets the right to remove the name.
    pub fn leave(self) -> Option<LastUse> {
        let Self { name, held } = self;
        drop(held);
        let held = name.0.try_write_owned().ok()?;
        Some(LastUse { held })
    }
}

impl LastUse {
    /// Whether the name was there before its first user came, as far as that is known.
    pub fn was_there(&self) -> Option<bool> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).was_there
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
        assert_eq!(last.was_there(), Some(true));
        let mut next = Box::pin(names.enter("m/r@d"));
        assert!(futures_util::poll!(&mut next).is_pending(), "it is being removed");
        drop(last);
        let next = next.await;
        let kept = next.name();
        assert!(next.leave().is_some());
        assert_eq!(names.count(), 0);
        assert_eq!(names.enter("m/r@d").await.known().was_there, Some(true), "it is kept");
        drop(kept);
        assert_eq!(names.enter("m/r@d").await.known().was_there, None, "it is forgotten");
    }
}
