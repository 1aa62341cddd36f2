//! What all handlers share: the policy in force, the way to containerd, and what was learned.
//!
//! Before: `app` builds one.  After: `router` hands it to each handler.
//! Holds: a request sees one [`Generation`] from its beginning to its end, whatever is reloaded meanwhile.

#[cfg(test)]
pub(crate) mod fixture;
mod gates;
mod health;
mod ledger;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::containerd::Containerd;
use crate::containerd::hosts::{Report, Wanted};
use crate::credentials::Credentials;
use crate::policy::Policy;

pub use gates::Gates;
pub use health::Health;
pub use ledger::{Brought, Due, Ledger, LedgerError, Stamp, Ticket, is_digest};

/// How long a pull waits for containerd to be told of a host. It takes milliseconds, once containerd answers.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// One policy with its settings, built whole and swapped in whole.
#[derive(Debug)]
pub struct Generation {
    /// The rules.
    pub policy: Policy,
    /// How pulls behave around them.
    pub pull: PullSettings,
    /// The node's logins for registries.
    pub credentials: Credentials,
    /// What containerd is to be told of registry hosts.
    pub transport: Wanted,
    /// The files it was read from.
    pub sources: Vec<PathBuf>,
    /// How often these are looked at for a change; none: never.
    pub watch: Option<Duration>,
    /// When it was read.
    pub loaded_at: SystemTime,
}

/// How long the steps of a pull may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullSettings {
    /// After how long a candidate that shows no life is looked at; none: never.
    pub stall_after: Option<Duration>,
    /// How long an adopted name may take to appear in CRI.
    pub adopt_timeout: Duration,
    /// How long a mirror's repository rests before its names are swept.
    pub sweep_after: Duration,
    /// How long a mirror that did not answer stays behind the others, the first time.
    pub retry_down_after: Duration,
}

/// The shared state of the running program.
pub struct State {
    generation: ArcSwap<Generation>,
    /// Counts the generations.
    replaced: watch::Sender<u64>,
    /// How things stand with containerd's files, and as of which generation.
    transport: watch::Sender<(Option<u64>, Arc<Report>)>,
    bypass: PathBuf,
    reload_error: ArcSwap<Option<String>>,
    /// The containerd behind the shunt.
    pub containerd: Arc<Containerd>,
    /// Which mirrors do not answer at present.
    pub health: Health,
    /// Which names at mirrors are ours to remove.
    pub ledger: Arc<Ledger>,
    /// Which adoptions are under way.
    pub adopting: Gates,
}

impl State {
    /// Puts the parts together. Nothing is asked of containerd yet.
    pub fn new(
        generation: Generation,
        containerd: Arc<Containerd>,
        ledger: Arc<Ledger>,
        bypass: PathBuf,
    ) -> Self {
        Self {
            generation: ArcSwap::from_pointee(generation),
            replaced: watch::Sender::new(0),
            transport: watch::Sender::default(),
            bypass,
            reload_error: ArcSwap::from_pointee(None),
            containerd,
            health: Health::default(),
            ledger,
            adopting: Gates::default(),
        }
    }

    /// The policy in force now.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts another policy in force; requests under way keep theirs.
    pub fn replace_generation(&self, generation: Generation) {
        self.generation.store(Arc::new(generation));
        self.reload_error.store(Arc::new(None));
        self.replaced.send_modify(|count| *count += 1);
    }

    /// Changes whenever another policy is put in force.
    pub fn generations(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    /// How things stand with containerd's files.
    pub fn transport(&self) -> Arc<Report> {
        self.transport.borrow().1.clone()
    }

    /// Notes how things stand with containerd's files, as of the generation with this count.
    pub fn note_transport(&self, generation: u64, report: Report) {
        self.transport.send_replace((Some(generation), Arc::new(report)));
    }

    /// Whether containerd is told of a host, of which it is to be told something. After a start and after a
    /// reload that takes a moment, which is waited for.
    pub async fn told(&self, host: &str) -> bool {
        let (mut transport, now) = (self.transport.subscribe(), *self.replaced.borrow());
        let known = transport.wait_for(|(generation, _)| generation.is_some_and(|seen| seen >= now));
        match tokio::time::timeout(TOLD_WITHIN, known).await {
            Ok(Ok(known)) => known.1.tells(host),
            _ => false,
        }
    }

    /// Notes why a reload was refused. The policy in force stays.
    pub fn refuse_reload(&self, reason: String) {
        self.reload_error.store(Arc::new(Some(reason)));
    }

    /// Why the last reload was refused, if it was.
    pub fn reload_error(&self) -> Option<String> {
        self.reload_error.load().as_ref().clone()
    }

    /// Whether the break-glass file is there, which suspends every policy. Looked up at each call that a
    /// policy would touch, so that it acts at once.
    pub fn bypassed(&self) -> bool {
        let bypassed = self.bypass.exists();
        if bypassed {
            tracing::warn!(file = %self.bypass.display(), "bypass file is there: no policy is applied");
        }
        bypassed
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::time::Instant;

    use super::*;
    use crate::containerd::hosts::{Transport, keep, plan};

    /// How things stand once the files are in place.
    fn report(state: &State, root: &Path) -> Report {
        let generation = state.generation();
        keep(&plan(&generation.policy, &generation.transport), &[root.to_owned()])
    }

    /// Whether a pull finds containerd told of a host, and the seconds that it waits for that.
    async fn told(state: &State, host: &str) -> (bool, u64) {
        let begin = Instant::now();
        (state.told(host).await, begin.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_waits_for_containerds_files_after_a_start_and_a_reload_and_not_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let state = fixture::state(dir.path(), "h.dev:5000", Transport::PlainHttp);
        assert_eq!(told(&state, "h.dev:5000").await, (false, 5));
        let later = async |after: u64, generation: u64| {
            tokio::time::sleep(Duration::from_secs(after)).await;
            state.note_transport(generation, report(&state, dir.path()));
        };
        assert_eq!(tokio::join!(told(&state, "h.dev:5000"), later(4, 0)).0, (true, 4));
        assert_eq!(told(&state, "h.dev:5000").await, (true, 0));
        assert_eq!(told(&state, "other.dev").await, (false, 0));
        // What was so before a reload does not count after it.
        state.replace_generation(fixture::generation("other.dev", Transport::PlainHttp));
        let waited = async || tokio::join!(told(&state, "other.dev"), later(1, 0), later(3, 1)).0;
        assert_eq!(waited().await, (true, 3));
    }
}
