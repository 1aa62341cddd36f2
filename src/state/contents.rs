//! What manifests were found to hold, by digest: a digest says everything, so it is looked at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many digests are remembered. A node has a few hundred images.
const MOST: usize = 4096;

/// What would lead containerd past the rules, and the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// It is a checkpoint.
    pub is_checkpoint: bool,
    /// A layer comes from another host than the registry: the host, and which layer.
    pub foreign_url: Option<String>,
    /// Why not all of it could be looked at, if so.
    pub unclear: Option<String>,
    /// The bytes of its layers; of several manifests those of the largest, as containerd takes one.
    pub size: u64,
}

impl Contents {
    /// Adds what another manifest of the same index holds.
    pub fn add(&mut self, other: Self) {
        self.is_checkpoint |= other.is_checkpoint;
        self.foreign_url = self.foreign_url.take().or(other.foreign_url);
        self.unclear = self.unclear.take().or(other.unclear);
        self.size = self.size.max(other.size);
    }
}

/// The digests that were looked at last.
#[derive(Default)]
pub struct KnownContents(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_digest: HashMap<String, Contents>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl KnownContents {
    /// What was found, if it was looked at.
    pub fn get(&self, digest: &str) -> Option<Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_digest.get(digest).cloned()
    }

    /// Notes what was found.
    pub fn note(&self, digest: &str, contents: Contents) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.by_digest.insert(digest.to_owned(), contents).is_none() {
            known.order.push_back(digest.to_owned());
        }
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_digest.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_digests_is_remembered() {
        let known = KnownContents::default();
        for i in 0..MOST + 10 {
            known.note(&i.to_string(), Contents::default());
        }
        assert_eq!((known.get("9"), known.get("10")), (None, Some(Contents::default())));
    }
}
