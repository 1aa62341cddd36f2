//! How fast mirrors answer, for rules that try the fastest one first.
//!
//! Holds: a mirror of which nothing is known, or nothing new, is tried first now and then, and not more often.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::rests::MOST;
use crate::policy::Candidate;

/// For how long it counts what a mirror has shown.
const FRESH: Duration = Duration::from_secs(600);

/// One pull of so many begins with a mirror of which nothing new is known, if there is one.
const ONE_OF: u32 = 4;

/// A new answer counts as one part of so many.
const WEIGHT: u32 = 4;

/// The mirrors that have answered, each as the client of a pull and as the node.
#[derive(Default)]
pub(super) struct Speeds(Mutex<Known>);

#[derive(Default)]
struct Known {
    speeds: HashMap<Key, Speed>,
    /// Counts the pulls.
    pulls: u32,
}

/// A host, and whether it gets the client's login. With another login it may have another way to a token.
type Key = (String, bool);

struct Speed {
    /// The moving average; none while it was tried and has not answered.
    average: Option<Duration>,
    tried: Instant,
}

impl Speeds {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mirror has answered.
    pub(super) fn note(&self, mirror: &Candidate, took: Duration) {
        let now = Instant::now();
        let mut known = self.lock();
        let Some(speed) = known.entry(key(mirror), now) else { return };
        speed.average = Some(match speed.average {
            Some(average) if now.duration_since(speed.tried) < FRESH => {
                (average * (WEIGHT - 1) + took) / WEIGHT
            }
            _ => took,
        });
        speed.tried = now;
    }

    /// Puts the fastest first, and those of which nothing is known last, in the order in which they came.
    pub(super) fn sort(&self, mirrors: &mut [Candidate]) {
        let now = Instant::now();
        let mut known = self.lock();
        let average = |mirror: &Candidate| known.speeds.get(&key(mirror)).and_then(|speed| speed.average);
        mirrors.sort_by_cached_key(|mirror| {
            average(mirror).map_or((true, Duration::ZERO), |took| (false, took))
        });
        known.pulls = known.pulls.wrapping_add(1);
        if !known.pulls.is_multiple_of(ONE_OF) {
            return;
        }
        let age = |mirror: &Candidate| match known.speeds.get(&key(mirror)) {
            Some(speed) => now.duration_since(speed.tried),
            None => Duration::MAX,
        };
        let oldest = (0..mirrors.len()).max_by_key(|index| (age(&mirrors[*index]), Reverse(*index)));
        if let Some(oldest) = oldest.filter(|oldest| age(&mirrors[*oldest]) >= FRESH) {
            mirrors[..=oldest].rotate_right(1);
            if let Some(speed) = known.entry(key(&mirrors[0]), now) {
                speed.tried = now;
            }
        }
    }
}

impl Known {
    /// None where there is no room.
    fn entry(&mut self, key: Key, now: Instant) -> Option<&mut Speed> {
        if self.speeds.len() >= MOST && !self.speeds.contains_key(&key) {
            self.speeds.retain(|_, speed| now.duration_since(speed.tried) < FRESH);
            if self.speeds.len() >= MOST {
                return None;
            }
        }
        Some(self.speeds.entry(key).or_insert(Speed { average: None, tried: now }))
    }
}

fn key(mirror: &Candidate) -> Key {
    (mirror.name.key().host().to_owned(), mirror.same_host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Ns, Role};

    fn mirrors() -> Vec<Candidate> {
        let mirror = |name: &str| Candidate {
            name: name.parse().unwrap(),
            role: Role::Mirror,
            same_host: false,
            ns: Ns::Off,
            endpoint: None,
            warm_by_tag: false,
            needs_private_host: false,
        };
        ["a.example/x", "b.example/x", "c.example/x"].map(mirror).to_vec()
    }

    fn sorted(speeds: &Speeds) -> String {
        let mut mirrors = mirrors();
        speeds.sort(&mut mirrors);
        mirrors.iter().map(|mirror| &mirror.name.host()[..1]).collect()
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn the_fastest_comes_first_and_the_unknown_now_and_then() {
        let (speeds, all) = (Speeds::default(), mirrors());
        assert_eq!(sorted(&speeds), "abc", "as the rule has them");
        speeds.note(&all[1], millis(5));
        assert_eq!(sorted(&speeds), "bac");
        speeds.note(&all[0], millis(4));
        assert_eq!(sorted(&speeds), "abc");
        assert_eq!(sorted(&speeds), "cab", "the fourth pull");
        // It has not answered, and is not tried again soon.
        let next: Vec<String> = (0..8).map(|_| sorted(&speeds)).collect();
        assert_eq!(next, ["abc"; 8]);
        tokio::time::advance(FRESH).await;
        let next: Vec<String> = (0..8).map(|_| sorted(&speeds)).collect();
        assert_eq!(next, ["abc", "abc", "abc", "abc", "abc", "abc", "abc", "bac"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_answer_is_not_much_and_an_old_one_nothing() {
        let (speeds, all) = (Speeds::default(), mirrors());
        speeds.note(&all[0], millis(10));
        speeds.note(&all[1], millis(100));
        speeds.note(&all[0], millis(200));
        assert_eq!(sorted(&speeds), "abc");
        speeds.note(&all[0], millis(400));
        assert_eq!(sorted(&speeds), "bac");
        tokio::time::advance(FRESH).await;
        speeds.note(&all[0], millis(20));
        assert_eq!(sorted(&speeds), "abc");
    }

    #[tokio::test(start_paused = true)]
    async fn not_more_than_so_many_are_remembered() {
        let (speeds, mut mirror) = (Speeds::default(), mirrors().remove(0));
        for number in 0..MOST + 9 {
            mirror.name = format!("m{number}.example/x").parse().unwrap();
            speeds.note(&mirror, millis(1));
        }
        assert_eq!(speeds.lock().speeds.len(), MOST);
    }
}
