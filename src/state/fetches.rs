//! Which fetches are under way: containerd lets two that share a blob share its download.

use std::sync::{Mutex, PoisonError};

/// Counts the fetches of this process, to know of one whether others ran beside it.
#[derive(Default)]
pub struct Fetches(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    begun: u64,
    under_way: u64,
}

/// A fetch that is under way until this is dropped.
pub struct Fetching<'a> {
    fetches: &'a Fetches,
    number: u64,
    had_company: bool,
}

impl Fetches {
    /// containerd is asked for an image from now on.
    pub fn begin(&self) -> Fetching<'_> {
        self.change(|counts| {
            counts.begun += 1;
            counts.under_way += 1;
            Fetching { fetches: self, number: counts.begun, had_company: counts.under_way > 1 }
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        // Nothing panics while it holds the lock.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Fetching<'_> {
    /// Whether no other fetch was under way since this one began.
    pub fn is_alone(&self) -> bool {
        !self.had_company && self.fetches.change(|counts| counts.begun) == self.number
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.fetches.change(|counts| counts.under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_at_any_moment_counts() {
        let fetches = Fetches::default();
        assert!(fetches.begin().is_alone());
        let first = fetches.begin();
        let second = fetches.begin();
        assert!(!second.is_alone(), "one was under way when it began");
        drop(first);
        assert!(!second.is_alone(), "and has ended since");
        drop(second);
        let third = fetches.begin();
        assert!(third.is_alone());
        drop(fetches.begin());
        assert!(!third.is_alone(), "one began and ended meanwhile");
    }
}
