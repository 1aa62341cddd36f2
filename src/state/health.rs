//! Which registries cannot serve at present, so that one of them costs a short wait or one question, and not that much
//! for each pull.
//!
//! Holds: a mirror that fails is put behind the other mirrors, never behind the origin and never left out. A registry
//! that wants to be left alone is not asked at all (`rests`). All of it is bounded.

mod rests;
mod speeds;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

pub use self::rests::Rest;
use self::rests::{MOST, Rests};
use self::speeds::Speeds;
use crate::policy::{Candidate, Name, Order, Role};
use crate::registry::Login;

/// The longest that a mirror stays behind the others after one more failure.
const LONGEST: Duration = Duration::from_secs(300);

/// The mirrors that fail at present.
#[derive(Default)]
pub struct Health {
    down: Mutex<HashMap<String, Down>>,
    rests: Rests,
    speeds: Speeds,
}

struct Down {
    /// When it failed first, after it had been well.
    since: SystemTime,
    until: Instant,
    wait: Duration,
    trouble: Trouble,
}

/// How a mirror fails. The later one is forgotten later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It does not answer.
    Mute,
    /// It answers with errors of its own (5xx).
    Errors,
    /// It does not give what it says that it has, or something else.
    NotGiven,
}

/// A mirror that fails.
#[derive(Clone, Debug)]
pub struct Troubled {
    /// Its host.
    pub host: String,
    /// How it fails.
    pub trouble: Trouble,
    /// When it failed first, after it had been well.
    pub since: SystemTime,
    /// Until when it is tried after the others.
    pub until: SystemTime,
}

impl Trouble {
    /// What such a mirror does.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Mute => "does not answer",
            Self::Errors => "answers with errors",
            Self::NotGiven => "does not give what it says it has",
        }
    }
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Down>> {
        // Nothing panics while it holds the lock.
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The candidates in the order in which to try them now.
    pub fn order(&self, candidates: &[Candidate], order: Order) -> Vec<Candidate> {
        let down = self.lock();
        let now = Instant::now();
        let fails = |candidate: &Candidate| {
            down.get(candidate.name.key().host()).is_some_and(|down| down.until > now)
        };
        let mut ordered = candidates.to_vec();
        ordered.sort_by_cached_key(|candidate| match candidate.role {
            Role::Mirror if !fails(candidate) => 0,
            Role::Mirror => 1,
            Role::Origin => 2,
        });
        if order == Order::Fastest {
            let well = |candidate: &&Candidate| candidate.role == Role::Mirror && !fails(candidate);
            let count = ordered.iter().take_while(well).count();
            self.speeds.sort(&mut ordered[..count]);
        }
        ordered
    }

    /// The candidate said within this time that it has the image.
    pub fn note_speed(&self, candidate: &Candidate, took: Duration) {
        self.speeds.note(candidate, took);
    }

    /// The candidate's host failed: it is tried after the others for `first`, and longer each time it fails again.
    pub fn note_down(&self, candidate: &Name, trouble: Trouble, first: Duration) {
        let key = candidate.key();
        let now = Instant::now();
        let mut hosts = self.lock();
        if hosts.len() >= MOST {
            hosts.retain(|_, down| down.until > now);
        }
        let new = Down { since: SystemTime::now(), until: now, wait: Duration::ZERO, trouble };
        let down = hosts.entry(key.host().to_owned()).or_insert(new);
        // Pulls that failed together are one failure.
        if down.until <= now {
            down.wait = (down.wait * 2).clamp(first, LONGEST.max(first));
            down.until = now + down.wait;
            tracing::warn!(mirror = key.host(), last_for = ?down.wait, "mirror {}", trouble.words());
        }
        down.trouble = down.trouble.max(trouble);
    }

    /// The candidate's host gave an answer that says nothing against it. Only an image mends wrong content.
    pub fn note_answer(&self, candidate: &Name) {
        self.forget(candidate, |trouble| trouble != Trouble::NotGiven);
    }

    /// The candidate served an image.
    pub fn note_served(&self, candidate: &Name) {
        self.forget(candidate, |_| true);
    }

    fn forget(&self, candidate: &Name, is_over: impl Fn(Trouble) -> bool) {
        let key = candidate.key();
        let mut hosts = self.lock();
        if hosts.get(key.host()).is_some_and(|down| is_over(down.trouble)) {
            hosts.remove(key.host());
            tracing::info!(mirror = key.host(), "mirror is well again");
        }
    }

    /// The candidate's registry wants to be left alone by this login, for as long as it has `said`.
    pub fn note_rest(&self, candidate: &Name, login: &Login, said: Option<Duration>) -> Rest {
        self.rests.note(candidate, login, said)
    }

    /// Whether the candidate's registry is left alone by this login now, and until when.
    pub fn rest(&self, candidate: &Name, login: &Login) -> Option<Rest> {
        self.rests.of(candidate, login)
    }

    /// Whether the candidate's registry is left alone by any login now.
    pub fn has_rests(&self, candidate: &Name) -> bool {
        self.rests.any_at(candidate)
    }

    /// The registries that are left alone now.
    pub fn rests(&self) -> Vec<Rest> {
        self.rests.all()
    }

    /// The mirrors that fail now, by host.
    pub fn troubled(&self) -> Vec<Troubled> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let troubled = |(host, down): (&String, &Down)| Troubled {
            host: host.clone(),
            trouble: down.trouble,
            since: down.since,
            until: clock + down.until.duration_since(now),
        };
        let mut all: Vec<Troubled> =
            self.lock().iter().filter(|(_, down)| down.until > now).map(troubled).collect();
        all.sort_by(|one, two| one.host.cmp(&two.host));
        all
    }

    /// The hosts that fail now.
    pub fn down(&self) -> Vec<String> {
        self.troubled().into_iter().map(|troubled| troubled.host).collect()
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
            warm_by_tag: false,
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
        assert_eq!(
            hosts(&health.order(&candidates, Order::Fixed)),
            ["a.example", "b.example:443", "docker.io"]
        );
        health.note_down(&candidates[0].name, Trouble::Mute, FIRST);
        assert_eq!(
            hosts(&health.order(&candidates, Order::Fixed)),
            ["b.example:443", "a.example", "docker.io"]
        );
        health.note_down(&candidates[1].name, Trouble::Mute, FIRST);
        assert_eq!(
            hosts(&health.order(&candidates, Order::Fixed)),
            ["a.example", "b.example:443", "docker.io"]
        );
        assert_eq!(health.down(), ["a.example", "b.example"]);

        tokio::time::advance(FIRST).await;
        assert!(health.down().is_empty());
        health.note_down(&candidates[0].name, Trouble::Mute, FIRST);
        tokio::time::advance(FIRST).await;
        assert_eq!(health.down(), ["a.example"], "the second rest is twice as long");
        health.note_answer(&candidates[0].name);
        assert!(health.down().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_does_not_mend_wrong_content() {
        let health = Health::default();
        let name: Name = "a.example/x".parse().unwrap();
        health.note_down(&name, Trouble::NotGiven, FIRST);
        health.note_answer(&name);
        assert_eq!(health.down(), ["a.example"]);
        tokio::time::advance(FIRST).await;
        health.note_down(&name, Trouble::Mute, FIRST);
        health.note_answer(&name);
        tokio::time::advance(FIRST).await;
        assert_eq!(health.down(), ["a.example"], "it grows");
        health.note_served(&name);
        assert!(health.down().is_empty());
    }
}
