//! What all handlers share: the policy in force, the way to containerd, and what was learned.
//!
//! Holds: a request sees one [`Generation`] from its beginning to its end, whatever is reloaded meanwhile.

mod bypass;
mod calls;
mod contents;
mod dir_lock;
mod drift;
mod extent;
mod fetches;
#[cfg(test)]
pub(crate) mod fixture;
mod gates;
mod generation;
mod health;
mod login_key;
mod needed_files;
mod outages;
mod pulls;
mod request;
mod seals;
mod temporary_names;
mod turns;
mod unread_hosts;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::containerd::hosts::{PrivateHosts, Report};
use crate::containerd::{Containerd, Roots};
use crate::registry;
use crate::registry::proxy::Proxies;
use crate::tell::Tell;
use crate::tell::metrics::ORIGIN;

pub use bypass::Bypass;
pub use calls::Calls;
pub use contents::{Contents, KnownContents};
pub use dir_lock::{DirLock, NoLock};
pub use drift::Drift;
pub use extent::{Extent, counted};
pub use fetches::Fetches;
pub use gates::Gates;
pub use generation::{Generation, PullSettings};
pub use health::{Health, Rest, Trouble, Troubled};
pub use login_key::{LoginKey, NoKey};
pub use needed_files::{NeededFile, Verdict};
pub use outages::Outages;
pub use pulls::{Pulls, Shown, UnderWay};
pub use request::{Client, CriVersion, Pod, Request, RequestId, RequestIds};
pub use seals::{Seal, Sealed, Seals};
pub use temporary_names::{InUse, TemporaryName, TemporaryNames};
pub use turns::Turns;
pub use unread_hosts::UnreadHosts;

/// What the program's own `explain` is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// A reference as a client writes it.
    pub image: String,
    /// The namespace of the pod that it is for; empty for a client without a pod.
    pub namespace: String,
}

impl Question {
    /// For a client without a pod.
    #[must_use]
    pub fn without_pod(image: &str) -> Self {
        Self { image: image.to_owned(), namespace: String::new() }
    }
}

/// What the program's own `explain` says of an image by a policy.
#[derive(Debug)]
pub struct Explained {
    /// For people.
    pub text: String,
    /// As one line of JSON.
    pub json: String,
    /// Whether the image may not be pulled.
    pub refused: bool,
}

/// Explains an image. It reads the files of logins, so it may wait for a disk.
pub type Explain = Box<dyn Fn(&Generation, &Question) -> Explained + Send + Sync>;

/// How long a pull waits until the file for a host is in place. It takes milliseconds, once containerd answers.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// What happens to calls of containerd's own API, which chooses images past every rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeApi {
    /// They are refused while a policy is in force.
    #[default]
    Refuse,
    /// They are relayed.
    Relay,
}

/// The shared state of the running program.
pub struct State {
    generation: ArcSwap<Generation>,
    /// Counts the generations.
    replaced: watch::Sender<u64>,
    /// How things stand with containerd's files, and since which generation.
    transport: watch::Sender<(Option<u64>, Arc<Report>)>,
    /// The files that pulls need, as they were found last.
    files: ArcSwap<Vec<Verdict>>,
    /// Held while somebody looks at these files.
    pub looking: Arc<tokio::sync::Mutex<()>>,
    /// The break-glass file.
    pub bypass: Bypass,
    /// What happens to calls of containerd's own API.
    pub native_api: NativeApi,
    reload_error: ArcSwap<Option<String>>,
    /// When and why a reload was refused last, also if a later one was taken.
    last_refused: ArcSwap<Option<(SystemTime, String)>>,
    /// The containerd behind the shunt.
    pub containerd: Arc<Containerd>,
    /// Registries that fail or want to be left alone at present.
    pub health: Health,
    /// Asks registries.
    pub registry: registry::Client,
    /// The same for registries that clients choose: their requests are counted as those of one.
    pub origins: registry::Client,
    /// The host names by which containerd is led to mirrors.
    pub private_hosts: PrivateHosts,
    /// Those that pulls of this process need. Their files stay while it runs.
    needed_hosts: Mutex<BTreeSet<String>>,
    /// Those whose files containerd did not read.
    pub unread_hosts: UnreadHosts,
    /// The names under which containerd fetches for pulls under way.
    pub temporary_names: TemporaryNames,
    /// What manifests were found to hold.
    pub contents: KnownContents,
    /// What was found signed as it has to be.
    pub seals: Seals,
    /// The images whose signatures are looked for, each with what was found wrong, and the login that was asked with.
    pub verifying: Gates<Option<(registry::Login, String)>>,
    /// Ids for requests.
    pub request_ids: RequestIds,
    /// The calls that are under way.
    pub calls: Calls,
    /// Cancelled when work has to come to an end at once: what is not finished is undone.
    pub hurry: CancellationToken,
    /// Work that goes on when its client has left. A stop waits for it.
    pub tasks: TaskTracker,
    /// The adoptions that are under way.
    pub adopting: Gates,
    /// The repositories from which pulls go on as they came. No temporary name in them is removed meanwhile.
    pub as_asked: Gates,
    /// The fetches that are under way.
    pub fetches: Fetches,
    /// Content that is fetched again, by digest, because what came was something else.
    pub spoilt: Gates,
    /// By which logins are remembered.
    pub login_key: LoginKey,
    /// Pulls that are under way.
    pub pulls: Pulls,
    /// Which pull may begin.
    pub turns: Turns,
    /// Pulls that were answered from the node.
    pub outages: Outages,
    /// Explains an image, for those who ask the daemon. The command line knows how.
    pub explain: OnceLock<Explain>,
    /// Where requests are told.
    pub tell: Tell,
}

impl State {
    /// Puts the parts together. Nothing is asked of containerd yet.
    pub fn new(
        generation: Generation,
        containerd: Arc<Containerd>,
        private_hosts: PrivateHosts,
        login_key: LoginKey,
        bypass: Bypass,
    ) -> Self {
        let registry = registry::Client::new(Proxies::default(), registry::Limits::default());
        Self {
            generation: ArcSwap::from_pointee(generation),
            replaced: watch::Sender::new(0),
            transport: watch::Sender::default(),
            files: ArcSwap::default(),
            looking: Arc::default(),
            bypass,
            native_api: NativeApi::default(),
            reload_error: ArcSwap::from_pointee(None),
            last_refused: ArcSwap::from_pointee(None),
            containerd,
            health: Health::default(),
            origins: registry.counting_as(ORIGIN),
            registry,
            private_hosts,
            needed_hosts: Mutex::default(),
            unread_hosts: UnreadHosts::default(),
            temporary_names: TemporaryNames::default(),
            contents: KnownContents::default(),
            seals: Seals::default(),
            verifying: Gates::default(),
            request_ids: RequestIds::new(),
            calls: Calls::default(),
            hurry: CancellationToken::new(),
            tasks: TaskTracker::new(),
            adopting: Gates::default(),
            as_asked: Gates::default(),
            fetches: Fetches::default(),
            spoilt: Gates::default(),
            login_key,
            pulls: Pulls::default(),
            turns: Turns::default(),
            outages: Outages::default(),
            explain: OnceLock::new(),
            tell: Tell::default(),
        }
    }

    /// The same, which tells of requests there.
    pub fn telling(self, tell: Tell) -> Self {
        let (proxies, limits) = (Proxies::default(), registry::Limits::default());
        let registry = registry::Client::counting(proxies, limits, tell.metrics.asked.clone());
        let origins = registry.counting_as(ORIGIN);
        Self { tell, registry, origins, ..self }
    }

    /// The policy in force now.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts another policy in force; requests under way keep theirs.
    pub fn replace_generation(&self, generation: Generation) {
        self.generation.store(Arc::new(generation));
        self.reload_error.store(Arc::new(None));
        self.unread_hosts.clear();
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

    /// Whether the file that containerd needs for a host is in place. After a start and after a reload this takes a
    /// moment, and the call waits for it.
    pub async fn synced(&self, host: &str) -> bool {
        let (mut transport, now) = (self.transport.subscribe(), *self.replaced.borrow());
        let known = transport.wait_for(|(generation, _)| generation.is_some_and(|seen| seen >= now));
        match tokio::time::timeout(TOLD_WITHIN, known).await {
            Ok(Ok(known)) => known.1.is_synced(host),
            _ => false,
        }
    }

    /// The files that pulls need, as they were found last.
    pub fn files(&self) -> Arc<Vec<Verdict>> {
        self.files.load_full()
    }

    /// Notes how the files that pulls need were found.
    pub fn note_files(&self, found: Vec<Verdict>) {
        self.files.store(Arc::new(found));
    }

    /// Notes that a pull needs the file of a private host. To be called before the file is written.
    pub fn need_host(&self, host: String) {
        self.needed_hosts.lock().unwrap_or_else(PoisonError::into_inner).insert(host);
    }

    /// Removes the files of private hosts that no pull of this process needs: an earlier run has left them. Returns
    /// what could not be removed, in words.
    pub fn remove_stale_hosts(&self, roots: &Roots) -> Vec<String> {
        // Held all the time, so that no file goes that a pull has just written.
        let needed = self.needed_hosts.lock().unwrap_or_else(PoisonError::into_inner);
        self.private_hosts.remove_stale(roots, &needed)
    }

    /// Notes why a reload was refused. The policy in force stays.
    pub fn refuse_reload(&self, reason: String) {
        self.last_refused.store(Arc::new(Some((SystemTime::now(), reason.clone()))));
        self.reload_error.store(Arc::new(Some(reason)));
    }

    /// When and why a reload was refused last, if one was since the start.
    pub fn last_refused(&self) -> Option<(SystemTime, String)> {
        self.last_refused.load().as_ref().clone()
    }

    /// Why the last reload was refused, if it was.
    pub fn reload_error(&self) -> Option<String> {
        self.reload_error.load().as_ref().clone()
    }

    /// Whether there are rules, and they hold now. Without one, every image may be pulled from everywhere.
    pub fn has_policy_in_force(&self) -> bool {
        !self.generation().policy.passes_all() && !self.bypass.is_there()
    }

    /// Whether there would be such rules if nothing were only observed.
    pub fn only_observes(&self) -> bool {
        let generation = self.generation();
        generation.policy.passes_all() && !generation.written().passes_all() && !self.bypass.is_there()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::time::Instant;

    use super::*;
    use crate::containerd::Roots;
    use crate::containerd::hosts::{Transport, keep, plan};

    /// How things stand once the files are in place.
    fn report(state: &State, root: &Path) -> Report {
        let generation = state.generation();
        keep(&plan(&generation.policy, &generation.reach()), &Roots::at(root))
    }

    /// Whether a pull finds containerd told of a host, and the seconds that it waits for that.
    async fn synced(state: &State, host: &str) -> (bool, u64) {
        let begin = Instant::now();
        (state.synced(host).await, begin.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_waits_for_containerds_files_after_a_start_and_a_reload_and_not_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let state = fixture::state(dir.path(), "h.dev:5000", Transport::PlainHttp);
        assert_eq!(synced(&state, "h.dev:5000").await, (false, 5));
        let later = async |after: u64, generation: u64| {
            tokio::time::sleep(Duration::from_secs(after)).await;
            state.note_transport(generation, report(&state, dir.path()));
        };
        assert_eq!(tokio::join!(synced(&state, "h.dev:5000"), later(4, 0)).0, (true, 4));
        assert_eq!(synced(&state, "h.dev:5000").await, (true, 0));
        assert_eq!(synced(&state, "other.dev").await, (false, 0));
        // What was so before a reload does not count after it.
        state.replace_generation(fixture::generation("other.dev", Transport::PlainHttp));
        let waited = async || tokio::join!(synced(&state, "other.dev"), later(1, 0), later(3, 1)).0;
        assert_eq!(waited().await, (true, 3));
    }
}
