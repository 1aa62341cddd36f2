//! How much of something may be in use at the same time: by all, and by each part of them.
//!
//! Holds: what was taken is given back when the [`Taken`] is dropped, and at no other time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What may be in use at the same time. A part of another one takes from both.
#[derive(Debug)]
pub struct Share {
    used: AtomicUsize,
    most: usize,
    whole: Option<Arc<Share>>,
}

/// What is in use until this is dropped.
#[derive(Debug)]
pub struct Taken {
    share: Arc<Share>,
    amount: usize,
}

impl Share {
    /// One of which `most` may be in use.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), most, whole: None })
    }

    /// One without an end, for what the shunt does by itself.
    pub fn endless() -> Arc<Self> {
        Self::new(usize::MAX)
    }

    /// A part of this one, of which `most` may be in use.
    pub fn part(self: &Arc<Self>, most: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), most, whole: Some(self.clone()) })
    }

    /// Takes this much, if there is so much left. It never waits.
    pub fn take(self: &Arc<Self>, amount: usize) -> Option<Taken> {
        self.begin(amount).then(|| Taken { share: self.clone(), amount })
    }

    fn begin(&self, amount: usize) -> bool {
        let added = |used: usize| used.checked_add(amount).filter(|used| *used <= self.most);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_err() {
            return false;
        }
        let taken = self.whole.as_ref().is_none_or(|whole| whole.begin(amount));
        if !taken {
            self.used.fetch_sub(amount, Ordering::Relaxed);
        }
        taken
    }

    fn end(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.end(amount);
        }
    }
}

impl Taken {
    /// Takes more of the same. False, and nothing is taken, if there is not so much left.
    pub fn grow(&mut self, amount: usize) -> bool {
        let taken = self.share.begin(amount);
        if taken {
            self.amount += amount;
        }
        taken
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.share.end(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_leaves_the_rest_to_others_and_gives_back_all_that_it_took() {
        let whole = Share::new(10);
        let (one, other) = (whole.part(6), whole.part(6));
        let mut first = one.take(5).unwrap();
        assert!(one.take(2).is_none());
        assert!(!first.grow(2));
        assert!(first.grow(1));
        assert!(other.take(5).is_none(), "only four are left");
        let second = other.take(4).unwrap();
        drop(first);
        assert!(other.take(2).is_some());
        drop(second);
        assert!(whole.take(10).is_some());
        assert!(whole.take(usize::MAX).is_none());
    }
}
