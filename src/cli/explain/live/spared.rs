//! Registries that are not asked for the rest of a long list: a dead one would cost the full time for each image, and one
//! that is at its limit wants to be left alone.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::cli::explain::outcome::Outcome;
use crate::registry::Failure;

/// After so many questions without any answer, one after another, a registry is not asked any more.
const MOST: u32 = 3;

/// What is known of the registries that were asked. For a single image nothing is kept.
#[derive(Default)]
pub(super) struct Spared {
    is_on: bool,
    hosts: RefCell<HashMap<String, Silence>>,
}

/// How often a registry gave no answer, and the last reason.
struct Silence {
    times: u32,
    failure: Failure,
    error: String,
}

impl Spared {
    /// For a list of images.
    pub(super) fn for_many() -> Self {
        Self { is_on: true, ..Self::default() }
    }

    /// What counts for a registry that is not asked any more.
    pub(super) fn answer(&self, host: &str) -> Option<Outcome> {
        let hosts = self.hosts.borrow();
        let Silence { failure, error, .. } = hosts.get(host).filter(|silence| silence.times >= MOST)?;
        Some(Outcome::failed(*failure, format!("{host} is not asked any more: {error}")))
    }

    /// Notes how a question has ended: with a failure in words, or else with an answer.
    pub(super) fn note(&self, host: &str, failed: Option<(Failure, &str)>) {
        if !self.is_on {
            return;
        }
        let mut hosts = self.hosts.borrow_mut();
        let Some((failure, error)) = failed.filter(|(failure, _)| is_silent(*failure)) else {
            // Another question may still be under way that began before.
            hosts.retain(|other, silence| other != host || silence.times >= MOST);
            return;
        };
        let before = hosts.get(host).map_or(0, |silence| silence.times);
        let times = if failure == Failure::RateLimited { MOST } else { before + 1 };
        if before < MOST {
            hosts.insert(host.to_owned(), Silence { times, failure, error: error.to_owned() });
        }
    }
}

/// Whether the next image would fare no better.
fn is_silent(failure: Failure) -> bool {
    use Failure::{Connect, Dns, Proxy, RateLimited, Timeout, Tls};
    matches!(failure, Connect | Dns | Proxy | RateLimited | Timeout | Tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: Option<(Failure, &str)> = Some((Failure::Connect, "refused"));

    #[test]
    fn a_registry_without_answers_is_left_after_three() {
        let spared = Spared::for_many();
        for host in ["a.dev", "a.dev", "b.dev"] {
            spared.note(host, DEAD);
        }
        assert!(spared.answer("a.dev").is_none());
        spared.note("a.dev", DEAD);
        let text = spared.answer("a.dev").map(|outcome| outcome.text());
        assert_eq!(text.as_deref(), Some("error: a.dev is not asked any more: refused"));
        assert!(spared.answer("b.dev").is_none());
    }

    #[test]
    fn an_answer_begins_the_count_anew_and_a_limit_ends_it() {
        let spared = Spared::for_many();
        let missing = Some((Failure::NotFound, "404"));
        for failed in [DEAD, DEAD, missing, DEAD, DEAD, None, DEAD] {
            spared.note("a.dev", failed);
        }
        assert!(spared.answer("a.dev").is_none());
        spared.note("a.dev", Some((Failure::RateLimited, "429")));
        spared.note("a.dev", None);
        assert!(spared.answer("a.dev").is_some());
    }

    #[test]
    fn for_one_image_nothing_is_kept() {
        let spared = Spared::default();
        (0..9).for_each(|_| spared.note("a.dev", DEAD));
        assert!(spared.answer("a.dev").is_none());
    }
}
