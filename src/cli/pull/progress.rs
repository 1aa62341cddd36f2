//! Shows on a terminal how far pulls are: which registry is tried, and how much containerd has.
//!
//! Holds: it never fails a pull. What cannot be learned is not shown: an older daemon does not say what it tries, and
//! not every user may ask containerd.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::names::Wanted;
use crate::cli::{daemon, table};
use crate::config::visible;
use crate::containerd::{Download, Have, Store};
use crate::policy::Name;
use crate::serve::admin::proto::PullUnderWay;

/// How often it is looked how far the pulls are.
const EVERY: Duration = Duration::from_millis(250);

/// How long the daemon may take to say what it tries.
const PATIENCE: Duration = Duration::from_secs(2);

/// Over how long the speed is taken.
const WINDOW: Duration = Duration::from_secs(3);

/// By how much a manifest may seem to be older than the pull that brings it.
const SLACK: Duration = Duration::from_secs(1);

/// The pulls that are shown.
pub(super) struct Progress {
    socket: PathBuf,
    store: Store,
    draws: bool,
    bars: MultiProgress,
    active: Mutex<Vec<Active>>,
}

/// A pull that is under way.
#[derive(Clone)]
struct Active {
    name: Name,
    since: SystemTime,
    bar: ProgressBar,
}

/// A pull that is shown until this is dropped.
pub(super) struct Shown<'p> {
    progress: &'p Progress,
    name: String,
}

/// What is known of a pull that is followed.
#[derive(Default)]
struct Followed {
    download: Download,
    samples: VecDeque<(Instant, u64)>,
}

impl Progress {
    pub(super) fn new(socket: PathBuf, store: Store, draws: bool) -> Self {
        let target = if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        Progress { socket, store, draws, bars, active: Mutex::default() }
    }

    /// A pull begins.
    pub(super) fn begin(&self, wanted: &Wanted) -> Shown<'_> {
        let name = wanted.name.as_str().to_owned();
        let bar = self.bars.add(ProgressBar::new(1));
        bar.set_style(style());
        bar.set_prefix(visible(&name).into_owned());
        bar.set_message("asked");
        let active = Active { name: wanted.name.clone(), since: SystemTime::now() - SLACK, bar };
        self.lock().push(active);
        Shown { progress: self, name }
    }

    /// Writes something while nothing is drawn.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bars.suspend(write)
    }

    /// Takes away all that is drawn.
    pub(super) fn clear(&self) {
        // A terminal that has gone shows nothing anyway.
        let _ = self.bars.clear();
    }

    /// Keeps what is shown up to date, for as long as it is polled.
    pub(super) async fn keep(&self) {
        if !self.draws {
            return std::future::pending().await;
        }
        let mut followed: HashMap<String, Followed> = HashMap::new();
        loop {
            tokio::time::sleep(EVERY).await;
            let active = self.lock().clone();
            followed.retain(|name, _| active.iter().any(|active| active.name.as_str() == name));
            let pulls = daemon::pulls(&self.socket, PATIENCE).await.unwrap_or_default();
            let downloads = self.store.downloads().await.unwrap_or_default();
            for active in &active {
                let pull = own(&pulls, active.name.as_str());
                let followed = followed.entry(active.name.as_str().to_owned()).or_default();
                let root = match followed.download.is_known() {
                    true => None,
                    false => self.root(active, &pulls).await,
                };
                let have =
                    followed.download.look(&self.store, root.as_deref(), &downloads, active.since).await;
                let have = have.unwrap_or_default();
                let speed = followed.speed(have.arrived, Instant::now());
                active.bar.set_length(have.bytes.max(1));
                active.bar.set_position(have.arrived);
                active.bar.set_message(visible(&words(pull, &have, speed)).into_owned());
            }
        }
    }

    /// The digest of what is pulled, once it is known.
    async fn root(&self, active: &Active, pulls: &[PullUnderWay]) -> Option<String> {
        let pull = own(pulls, active.name.as_str());
        match pull.map(|pull| pull.digest.as_str()).filter(|digest| !digest.is_empty()) {
            Some(digest) => Some(digest.to_owned()),
            // The manifest that comes may be another image's.
            None if has_sibling(&active.name, pulls) => None,
            // What the registry of the name itself has is known once its manifest is there.
            None => self.store.manifest_since(&active.name, active.since).await.unwrap_or_default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Active>> {
        // Nothing panics while it holds the lock.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.progress.lock().retain(|active| {
            let is_over = active.name.as_str() == self.name;
            if is_over {
                active.bar.finish_and_clear();
                self.progress.bars.remove(&active.bar);
            }
            !is_over
        });
    }
}

/// This process's own pull of the name. Where the daemon cannot see the process, any pull of that name.
fn own<'p>(pulls: &'p [PullUnderWay], name: &str) -> Option<&'p PullUnderWay> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let mut of_name = pulls.iter().filter(|pull| pull.image == name);
    of_name.clone().find(|pull| pull.pid == own).or_else(|| of_name.find(|pull| pull.pid == 0))
}

/// Whether another image of the same repository is being pulled.
fn has_sibling(name: &Name, pulls: &[PullUnderWay]) -> bool {
    let mut names = pulls.iter().filter_map(|pull| pull.image.parse::<Name>().ok());
    names.any(|other| other.repository() == name.repository() && other.as_str() != name.as_str())
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} [{bar:20}] {msg}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// `12.3 MB of 71.0 MB, 5.1 MB/s, layers 2/7, from m.dev:5000`.
fn words(pull: Option<&PullUnderWay>, have: &Have, speed: Option<u64>) -> String {
    let mut words = Vec::new();
    if have.layers > 0 {
        words.push(format!("{} of {}", table::size(have.arrived), table::size(have.bytes)));
        words.extend(speed.map(|speed| format!("{}/s", table::size(speed))));
        words.push(format!("layers {}/{}", have.whole, have.layers));
        if have.arrived == have.bytes {
            words.push("unpacking".to_owned());
        }
    }
    let host = |candidate: &str| candidate.split('/').next().unwrap_or_default().to_owned();
    if let Some(pull) = pull {
        let candidate = host(if pull.candidate.is_empty() { &pull.image } else { &pull.candidate });
        words.push(if have.layers > 0 { format!("from {candidate}") } else { format!("asking {candidate}") });
        if !pull.failed.is_empty() {
            words.push(format!("tried before: {}", pull.failed.join(", ")));
        }
    }
    if words.is_empty() { "asked".to_owned() } else { words.join(", ") }
}

impl Followed {
    /// The bytes per second lately.
    fn speed(&mut self, arrived: u64, now: Instant) -> Option<u64> {
        self.samples.push_back((now, arrived));
        while self.samples.len() > 2 && now.duration_since(self.samples[0].0) > WINDOW {
            self.samples.pop_front();
        }
        let (begin, before) = *self.samples.front()?;
        let took = now.duration_since(begin).as_secs_f64();
        (took > 0.0).then(|| (arrived.saturating_sub(before) as f64 / took) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(pid: i32, candidate: &str, failed: &[&str]) -> PullUnderWay {
        PullUnderWay {
            image: "q.io/a:1".into(),
            pid,
            candidate: candidate.into(),
            failed: failed.iter().map(|text| (*text).to_owned()).collect(),
            ..PullUnderWay::default()
        }
    }

    #[test]
    fn words_say_what_is_known() {
        let have = Have { layers: 7, whole: 2, bytes: 71_000_000, arrived: 12_300_000, fetched: 0 };
        assert_eq!(words(None, &Have::default(), None), "asked");
        assert_eq!(words(Some(&pull(1, "", &[])), &Have::default(), Some(0)), "asking q.io");
        assert_eq!(
            words(Some(&pull(1, "m.dev:5000/a:1", &["n.dev unreachable"])), &have, Some(5_100_000)),
            "12.3 MB of 71.0 MB, 5.1 MB/s, layers 2/7, from m.dev:5000, tried before: n.dev unreachable"
        );
        let whole = Have { whole: 7, arrived: 71_000_000, ..have };
        assert_eq!(words(None, &whole, None), "71.0 MB of 71.0 MB, layers 7/7, unpacking");
    }

    #[test]
    fn the_own_pull_is_known_by_its_process() {
        let own_pid = i32::try_from(std::process::id()).unwrap();
        let pulls = [pull(0, "a", &[]), pull(1, "b", &[]), pull(own_pid, "c", &[])];
        assert_eq!(own(&pulls, "q.io/a:1").unwrap().candidate, "c");
        assert_eq!(own(&pulls[..2], "q.io/a:1").unwrap().candidate, "a");
        assert!(own(&pulls[1..2], "q.io/a:1").is_none() && own(&pulls, "q.io/b:1").is_none());
    }

    #[test]
    fn a_sibling_is_another_image_of_the_repository() {
        let pulls = |image: &str| [PullUnderWay { image: image.into(), ..PullUnderWay::default() }];
        let name: Name = "q.io/a:1".parse().unwrap();
        for (image, expected) in [("q.io/a:1", false), ("q.io/a:2", true), ("q.io/b:2", false)] {
            assert_eq!(has_sibling(&name, &pulls(image)), expected, "{image}");
        }
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let (mut followed, begin) = (Followed::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert_eq!(followed.speed(0, at(0)), None);
        assert_eq!(followed.speed(2000, at(2)), Some(1000));
        assert_eq!(followed.speed(2000, at(4)), Some(0));
        assert_eq!(followed.speed(8000, at(6)), Some(3000));
    }
}
