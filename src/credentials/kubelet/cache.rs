//! The cached answers of one plugin.
//!
//! Holds: an answer is used only for what it is for, the image, the registry or everything, and only as long as
//! it is valid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::{KeyType, ProviderAnswer};

/// An answer, and when it ends.
type Kept = (Instant, Arc<ProviderAnswer>);

/// The answers of one plugin.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<(KeyType, String), Kept>>);

/// The registry of an image's name, with its port.
pub(super) fn registry(image: &str) -> &str {
    image.split('/').next().unwrap_or(image)
}

fn key(key_type: KeyType, image: &str) -> (KeyType, String) {
    let text = match key_type {
        KeyType::Image => image,
        KeyType::Registry => registry(image),
        KeyType::Global => "",
    };
    (key_type, text.to_owned())
}

impl Cache {
    /// The answer for an image: the narrowest first, as kubelet looks.
    pub(super) fn get(&self, image: &str, now: Instant) -> Option<Arc<ProviderAnswer>> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let types = [KeyType::Image, KeyType::Registry, KeyType::Global];
        let mut found = types.into_iter().filter_map(|key_type| answers.get(&key(key_type, image)));
        found.find(|(ends, _)| *ends > now).map(|(_, answer)| Arc::clone(answer))
    }

    /// Drops the answers for an image for which `refused` is true.
    pub(super) fn forget(&self, image: &str, refused: impl Fn(&ProviderAnswer) -> bool) {
        let keys = [KeyType::Image, KeyType::Registry, KeyType::Global].map(|key_type| key(key_type, image));
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|key, (_, answer)| !(keys.contains(key) && refused(answer)));
    }

    /// Keeps an answer as long as it is valid, and drops expired ones.
    pub(super) fn put(&self, answer: &Arc<ProviderAnswer>, lasts: Duration, now: Instant) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (ends, _)| *ends > now);
        // An end that is out of the range of the clock: not kept.
        let Some(ends) = now.checked_add(lasts).filter(|ends| *ends > now) else { return };
        answers.insert(key(answer.key_type, &answer.image), (ends, Arc::clone(answer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(key_type: KeyType, image: &str) -> Arc<ProviderAnswer> {
        Arc::new(ProviderAnswer { image: image.to_owned(), key_type, duration: None, auth: Vec::new() })
    }

    #[test]
    fn an_answer_is_for_what_it_says_and_for_as_long() {
        let now = Instant::now();
        let minute = Duration::from_secs(60);
        let kept = |key_type, image| {
            let cache = Cache::default();
            cache.put(&answer(key_type, "h:1/a/b"), minute, now);
            cache.get(image, now).is_some()
        };
        assert!(kept(KeyType::Image, "h:1/a/b") && !kept(KeyType::Image, "h:1/a"));
        assert!(kept(KeyType::Registry, "h:1/x") && !kept(KeyType::Registry, "h/a/b"));
        assert!(kept(KeyType::Global, "other/x"));
        let cache = Cache::default();
        cache.put(&answer(KeyType::Global, "h/a"), Duration::ZERO, now);
        assert!(cache.get("h/a", now).is_none());
        cache.put(&answer(KeyType::Global, "h/a"), minute, now);
        assert!(cache.get("h/a", now + minute - Duration::from_secs(1)).is_some());
        assert!(cache.get("h/a", now + minute).is_none());
        cache.put(&answer(KeyType::Image, "h/b"), minute, now + minute);
        assert_eq!(cache.0.lock().unwrap().len(), 1, "what has ended is gone");
        cache.forget("h/a", |_| true);
        cache.forget("h/b", |_| false);
        assert!(cache.get("h/b", now + minute).is_some());
        cache.forget("h/b", |_| true);
        assert!(cache.get("h/b", now + minute).is_none());
    }
}
