//! Registries that want to be left alone, each for one login.
//!
//! Holds: no more than so many are remembered, and none for longer than an hour. Of a login's secret nothing is kept but
//! a number that only this process can make of it.

use std::collections::HashMap;
use std::fmt;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::policy::Name;
use crate::registry::Login;

/// The longest that a registry is left alone, whatever it says.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long it is left alone where it does not say for how long.
const UNSAID: Duration = Duration::from_secs(60);

/// The most rests that are remembered. Clients may bring any number of logins.
pub(super) const MOST: usize = 1024;

/// The rests that are not over.
#[derive(Default)]
pub(super) struct Rests {
    keys: RandomState,
    known: Mutex<HashMap<(String, u64), Rest>>,
}

/// A registry that is left alone for one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Its host.
    pub host: String,
    /// Whose requests it limits, in words.
    whose: String,
    since: SystemTime,
    until: Instant,
    at: SystemTime,
}

impl Rests {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, u64), Rest>> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, candidate: &Name, login: &Login) -> (String, u64) {
        (candidate.key().host().to_owned(), login.number(&self.keys))
    }

    /// The registry wants to be left alone: for as long as it has `said`, within bounds.
    pub(super) fn note(&self, candidate: &Name, login: &Login, said: Option<Duration>) -> Rest {
        let key = self.key(candidate, login);
        let rest = Rest::from_now(&key.0, login, said);
        let mut known = self.lock();
        let now = Instant::now();
        if known.len() >= MOST && !known.contains_key(&key) {
            known.retain(|_, rest| rest.until > now);
        }
        if known.len() >= MOST
            && !known.contains_key(&key)
            && let Some(soonest) = known.iter().min_by_key(|(_, rest)| rest.until).map(|(key, _)| key.clone())
        {
            known.remove(&soonest);
        }
        // Of answers to questions that were asked at the same time the longest counts.
        let kept = known.entry(key).or_insert_with(|| rest.clone());
        let is_new = *kept == rest || kept.until <= now;
        if kept.until < rest.until {
            let since = if is_new { rest.since } else { kept.since };
            *kept = Rest { since, ..rest };
        }
        let kept = kept.clone();
        drop(known);
        if is_new && kept.until > now {
            tracing::warn!(registry = kept.host, "{kept}");
        }
        kept
    }

    /// The rest of the registry for this login, if there is one now.
    pub(super) fn of(&self, candidate: &Name, login: &Login) -> Option<Rest> {
        let key = self.key(candidate, login);
        self.lock().get(&key).filter(|rest| rest.until > Instant::now()).cloned()
    }

    /// Whether the registry rests for any login.
    pub(super) fn any_at(&self, candidate: &Name) -> bool {
        let key = candidate.key();
        let now = Instant::now();
        self.lock().values().any(|rest| rest.host == key.host() && rest.until > now)
    }

    /// All rests, by host.
    pub(super) fn all(&self) -> Vec<Rest> {
        let now = Instant::now();
        let mut rests: Vec<Rest> = self.lock().values().filter(|rest| rest.until > now).cloned().collect();
        rests.sort_by(|one, two| (&one.host, &one.whose).cmp(&(&two.host, &two.whose)));
        rests
    }
}

impl Rest {
    /// A rest that begins now, for as long as the registry has `said`, within bounds.
    pub fn from_now(host: &str, login: &Login, said: Option<Duration>) -> Self {
        let time = said.unwrap_or(UNSAID).min(LONGEST);
        let since = SystemTime::now();
        let (until, at) = (Instant::now() + time, since + time);
        Rest { host: host.to_owned(), whose: login.whose(), since, until, at }
    }
}

impl Rest {
    /// `rate-limited until 14:05 UTC`, rounded up to the minute.
    pub fn without_login(&self) -> String {
        let since_epoch = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since_epoch.as_secs() + u64::from(since_epoch.subsec_nanos() > 0);
        let minutes = seconds.div_ceil(60);
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        format!("rate-limited until {hour:02}:{minute:02} UTC")
    }

    /// Since when it lasts.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// When it is over.
    pub fn over_at(&self) -> SystemTime {
        self.at
    }
}

impl fmt::Display for Rest {
    /// `rate-limited until 14:05 UTC for robot`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.without_login(), self.whose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::secret::Secret;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn robot(password: &str) -> Login {
        Login::Password { username: "robot".to_owned(), password: Secret::new(password.to_owned()) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_rests_for_one_login_and_for_its_time() {
        let rests = Rests::default();
        let (here, port) = (name("m.example/a:1"), name("m.example:443/b"));
        rests.note(&here, &robot("one"), Some(Duration::from_secs(5)));
        assert!(rests.of(&port, &robot("one")).is_some(), "any image, any spelling of the host");
        assert!(rests.any_at(&port) && !rests.any_at(&name("n.example/a")));
        for other in [robot("two"), Login::Anonymous] {
            assert_eq!(rests.of(&here, &other), None, "{other:?}");
        }
        rests.note(&here, &robot("one"), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(rests.of(&here, &robot("one")).is_some(), "the longer rest counts");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((rests.of(&here, &robot("one")), rests.any_at(&here)), (None, false));
        assert_eq!(rests.all(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_has_bounds() {
        let rests = Rests::default();
        let here = name("m.example/a:1");
        rests.note(&here, &Login::Anonymous, None);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(rests.any_at(&here));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!rests.any_at(&here));
        rests.note(&here, &Login::Anonymous, Some(Duration::from_secs(86400)));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(!rests.any_at(&here));
        rests.note(&here, &Login::Anonymous, Some(Duration::ZERO));
        assert!(!rests.any_at(&here), "it may be asked at once");
    }

    #[tokio::test(start_paused = true)]
    async fn not_more_than_so_many_are_remembered() {
        let rests = Rests::default();
        let here = name("m.example/a:1");
        let seconds = |number: usize| Some(Duration::from_secs(number as u64 % 600 + 10));
        for number in 0..MOST + 50 {
            rests.note(&here, &robot(&number.to_string()), seconds(number));
        }
        assert_eq!(rests.all().len(), MOST);
    }

    #[test]
    fn it_says_until_when_and_for_whom() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(50_641);
        let rest = |login: Login| Rest {
            host: "m".into(),
            whose: login.whose(),
            since: at,
            until: Instant::now(),
            at,
        };
        let token = Login::IdentityToken(Secret::new("hush-t".to_owned()));
        assert_eq!(rest(robot("hush-p")).to_string(), "rate-limited until 14:05 UTC for robot");
        assert_eq!(rest(token).to_string(), "rate-limited until 14:05 UTC for an identity token");
        assert_eq!(
            rest(Login::Anonymous).to_string(),
            "rate-limited until 14:05 UTC for requests without a login"
        );
    }
}
