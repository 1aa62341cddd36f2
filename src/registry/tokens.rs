//! What registries have granted, kept for the next question.
//!
//! A grant stands under who asked whom for what: the endpoint with its TLS settings and headers, the repository
//! and the login. It is used again only for the same realm, service and scopes. Several questions at once wait
//! for one token. The number of grants and their age are bounded.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::token::Wish;

/// How many grants are kept.
const MOST: usize = 1024;

/// How long an unused grant is kept.
const UNUSED: Duration = Duration::from_secs(3600);

/// Who asks whom for what, without the secrets in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity([u8; 32]);

/// The grants.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<Identity, (Instant, Arc<Slot>)>>);

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
    pub(super) fn slot(&self, identity: Identity) -> Arc<Slot> {
        let now = Instant::now();
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(&identity) {
            slots.retain(|_, (used, _)| now.duration_since(*used) < UNUSED);
            let oldest = slots.iter().min_by_key(|(_, (used, _))| *used).map(|(identity, _)| *identity);
            if let Some(oldest) = oldest.filter(|_| slots.len() >= MOST) {
                slots.remove(&oldest);
            }
        }
        let (used, slot) = slots.entry(identity).or_insert_with(|| (now, Arc::default()));
        // After so long a time the registry is asked what it wants now.
        if now.duration_since(*used) >= UNUSED {
            *slot = Arc::default();
        }
        *used = now;
        Arc::clone(slot)
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

    #[test]
    fn the_number_of_grants_is_bounded_and_the_oldest_goes() {
        let tokens = Tokens::default();
        let identity = |number: usize| Identity::of([number.to_le_bytes().as_slice()]);
        let first = tokens.slot(identity(0));
        for number in 1..MOST + 10 {
            drop(tokens.slot(identity(number)));
        }
        assert_eq!(tokens.0.lock().unwrap().len(), MOST);
        assert!(!Arc::ptr_eq(&first, &tokens.slot(identity(0))));
        let last = identity(MOST + 9);
        assert!(Arc::ptr_eq(&tokens.slot(last), &tokens.slot(last)));
    }

    #[test]
    fn parts_of_an_identity_do_not_run_together() {
        assert_ne!(Identity::of([&b"ab"[..], b"c"]), Identity::of([&b"a"[..], b"bc"]));
    }
}
