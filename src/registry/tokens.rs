//! What registries have granted, kept for the next question.
//!
//! A grant stands under who asked whom for what: the endpoint with its TLS settings and headers, the repository
//! and the login. It is used again only for the same realm, service and scopes. Several questions at once wait
//! for one token. The number of grants is bounded, and one that is not used for long goes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::token::Wish;

/// How many grants are kept. With what a server wants to be asked for, each may have 128 KiB.
const MOST: usize = 256;

/// How long an unused grant is good for the next question.
const UNUSED: Duration = Duration::from_secs(3600);

/// How often unused grants are looked for.
const SWEEP: Duration = Duration::from_secs(600);

/// Who asks whom for what, without the secrets in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity([u8; 32]);

/// The grants.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    known: HashMap<Identity, (Instant, Arc<Slot>)>,
    /// Whether a task drops grants that are not used.
    swept: bool,
}

/// The place of one grant. Whoever gets a new one holds the lock meanwhile.
#[derive(Default)]
pub(super) struct Slot(pub(super) tokio::sync::Mutex<Option<Kept>>);

/// What a registry takes for a login.
#[derive(Clone)]
pub(super) struct Kept {
    /// What the token server was asked for; `None` for Basic.
    pub(super) wish: Option<Wish>,
    /// The value of `Authorization`.
    pub(super) authorization: HeaderValue,
    /// Until when it is sent without being asked for.
    pub(super) until: Instant,
}

impl Identity {
    /// Of parts that are told apart by their lengths.
    pub(super) fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Identity(hash.finalize().into())
    }
}

impl Tokens {
    pub(super) fn slot(self: &Arc<Self>, identity: Identity) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After so long a time the registry is asked what it wants now.
        slots.drop_unused();
        if slots.known.len() >= MOST && !slots.known.contains_key(&identity) {
            slots.drop_oldest();
        }
        let now = Instant::now();
        let (used, slot) = slots.known.entry(identity).or_insert_with(|| (now, Arc::default()));
        *used = now;
        let slot = Arc::clone(slot);
        if !slots.swept {
            slots.swept = true;
            drop(tokio::spawn(sweep(Arc::downgrade(self))));
        }
        slot
    }
}

impl Slots {
    fn drop_unused(&mut self) {
        self.known.retain(|_, (used, _)| used.elapsed() < UNUSED);
    }

    fn drop_oldest(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, (used, _))| *used).map(|(identity, _)| *identity);
        if let Some(oldest) = oldest {
            self.known.remove(&oldest);
        }
    }
}

/// Drops grants that have been unused for too long, until none is left.
async fn sweep(tokens: Weak<Tokens>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(tokens) = tokens.upgrade() else { return };
        let mut slots = tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.drop_unused();
        if slots.known.is_empty() {
            slots.swept = false;
            return;
        }
    }
}

impl Kept {
    pub(super) fn holds(&self) -> bool {
        Instant::now() < self.until
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: usize) -> Identity {
        Identity::of([number.to_le_bytes().as_slice()])
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_that_is_not_used_goes_without_any_further_question() {
        let tokens = Arc::new(Tokens::default());
        let known = || tokens.0.lock().unwrap().known.len();
        for number in 0..2 {
            let slot = Arc::downgrade(&tokens.slot(identity(number)));
            tokio::time::sleep(UNUSED - Duration::from_secs(1)).await;
            // This one is still used.
            drop(tokens.slot(identity(7)));
            assert_eq!(known(), 2);
            tokio::time::sleep(SWEEP + Duration::from_secs(1)).await;
            assert!(slot.upgrade().is_none());
            assert_eq!(known(), 1);
            // The next one is watched again.
            tokio::time::sleep(UNUSED + SWEEP).await;
            assert_eq!(known(), 0);
        }
    }

    #[tokio::test]
    async fn the_number_of_grants_is_bounded_and_the_oldest_goes() {
        let tokens = Arc::new(Tokens::default());
        let first = tokens.slot(identity(0));
        for number in 1..MOST + 10 {
            drop(tokens.slot(identity(number)));
        }
        assert_eq!(tokens.0.lock().unwrap().known.len(), MOST);
        assert!(!Arc::ptr_eq(&first, &tokens.slot(identity(0))));
        let last = identity(MOST + 9);
        assert!(Arc::ptr_eq(&tokens.slot(last), &tokens.slot(last)));
    }

    #[test]
    fn parts_of_an_identity_do_not_run_together() {
        assert_ne!(Identity::of([&b"ab"[..], b"c"]), Identity::of([&b"a"[..], b"bc"]));
    }
}
