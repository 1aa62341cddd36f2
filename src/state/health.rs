//! Which mirrors did not answer lately, so that a dead one costs a short wait and not one per pull.
//!
//! Holds: a mirror is put behind the other mirrors, never behind the origin and never left out; only a
//! failed connection counts, by host and port, not an answer such as 401, 403, 404 or 429.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::policy::{Candidate, Name, Role};

/// The longest that a mirror stays behind the others after one more failure.
const LONGEST: Duration = Duration::from_secs(300);

/// The mirrors that do not answer at present.
#[derive(Default)]
pub struct Health {
    down: Mutex<HashMap<String, Down>>,
}

struct Down {
    until: Instant,
    wait: Duration,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Down>> {
        // Nothing panics while it holds the lock.
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The candidates in the order in which to try them now.
    pub fn order(&self, candidates: &[Candidate]) -> Vec<Candidate> {
        let down = self.lock();
        let now = Instant::now();
        let rests = |candidate: &Candidate| {
            down.get(candidate.name.key().host()).is_some_and(|down| down.until > now)
        };
        let mut ordered = candidates.to_vec();
        ordered.sort_by_key(|candidate| match candidate.role {
            Role::Mirror if !rests(candidate) => 0,
            Role::Mirror => 1,
            Role::Origin => 2,
        });
        ordered
    }

    /// The candidate's host did not answer: it rests for `first`, and longer each time it fails again.
    pub fn note_down(&self, candidate: &Name, first: Duration) {
        let key = candidate.key();
        let now = Instant::now();
        let mut hosts = self.lock();
        let down = hosts.entry(key.host().to_owned()).or_insert(Down { until: now, wait: Duration::ZERO });
        // Pulls that failed together are one failure.
        if down.until <= now {
            down.wait = (down.wait * 2).clamp(first, LONGEST.max(first));
            down.until = now + down.wait;
            tracing::warn!(mirror = key.host(), rests_for = ?down.wait, "mirror does not answer");
        }
    }

    /// The candidate's host answered.
    pub fn note_up(&self, candidate: &Name) {
        let key = candidate.key();
        if self.lock().remove(key.host()).is_some() {
            tracing::info!(mirror = key.host(), "mirror answers again");
        }
    }

    /// The hosts that rest now.
    pub fn down(&self) -> Vec<String> {
        let now = Instant::now();
        let mut hosts: Vec<String> =
            self.lock().iter().filter(|(_, down)| down.until > now).map(|(host, _)| host.clone()).collect();
        hosts.sort();
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Ns;

    const FIRST: Duration = Duration::from_secs(10);

    fn candidate(name: &str, role: Role) -> Candidate {
        Candidate {
            name: name.parse().unwrap(),
            role,
            same_host: false,
            ns: Ns::Off,
            endpoint: None,
            needs_private_host: false,
        }
    }

    fn hosts(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().map(|candidate| candidate.name.host()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_mirror_goes_behind_the_others_but_never_behind_the_origin() {
        let health = Health::default();
        let candidates = [
            candidate("a.example/x", Role::Mirror),
            candidate("b.example:443/x", Role::Mirror),
            candidate("docker.io/x", Role::Origin),
        ];
        assert_eq!(hosts(&health.order(&candidates)), ["a.example", "b.example:443", "docker.io"]);
        health.note_down(&candidates[0].name, FIRST);
        assert_eq!(hosts(&health.order(&candidates)), ["b.example:443", "a.example", "docker.io"]);
        health.note_down(&candidates[1].name, FIRST);
        assert_eq!(hosts(&health.order(&candidates)), ["a.example", "b.example:443", "docker.io"]);
        assert_eq!(health.down(), ["a.example", "b.example"]);

        tokio::time::advance(FIRST).await;
        assert!(health.down().is_empty());
        health.note_down(&candidates[0].name, FIRST);
        tokio::time::advance(FIRST).await;
        assert_eq!(health.down(), ["a.example"], "the second rest is twice as long");
        health.note_up(&candidates[0].name);
        assert!(health.down().is_empty());
    }
}
