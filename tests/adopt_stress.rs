//! Many pulls of the same images through one mirror at once, on each containerd, with `hosts.toml` files and without.
//!
//! Holds: whatever the interleaving of pulls, cancellations, removals and containers, every pull that is not cancelled
//! succeeds, every container is created, nobody's name is lost, and at no moment does an image show a name that is
//! neither an original's, nor asked for, nor one that exists for a fetch under way.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use k8s_cri::v1::{self, RemoveContainerRequest};
use support::containerd::Containerd;
use support::containerd_config::Options;
use support::cri::Cri;
use support::dice::Dice;
use support::image::Image;
use support::native::Native;
use support::pod::{self, Pod};
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::wait_for;
use tokio::task::JoinSet;
use tonic::Status;

/// How many clients pull at once.
const LANES: usize = 4;
/// Rounds of each, per containerd and way of fetching.
const ROUNDS: usize = 60;
/// From this round on somebody also asks for the mirror's own names. They sort before the originals.
const EXPLICIT_FROM: usize = ROUNDS / 2;
/// How often a removal is tried.
const REMOVALS: usize = 5;
const HOSTS: [&str; 3] = ["docker.io", "ghcr.io", "quay.io"];
const TAGS: [&str; 2] = ["1", "2"];
/// A host that nobody can have but the shunt.
const PRIVATE: &str = ".cri-shunt.invalid/";

/// What the clients share.
struct Ground {
    shunt: Shunt,
    cri: Cri,
    direct: Cri,
    native: Native,
    /// The mirror's repository of both images.
    mirror: String,
    line: &'static str,
    /// The id of an image from which containers run and which is watched, so it is never removed whole.
    kept: String,
    /// The id of one that is removed now and then.
    removed: String,
    /// The mirror's names that a client has asked for.
    asked: BTreeSet<String>,
    has_private_hosts: bool,
    is_explicit: AtomicBool,
    is_over: AtomicBool,
    dice: Mutex<Dice>,
    counts: [AtomicUsize; 5],
    looks: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

/// What a client does in one round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Pull,
    Cancel,
    Explicit,
    /// An original is removed past CRI, as `ctr images rm` does: the image keeps its other names.
    Delete,
    /// As `crictl rmi`: the image goes with all its names.
    Remove,
}

impl Ground {
    async fn start(containerd: &Containerd, registry: &Registry, has_private_hosts: bool) -> Ground {
        let line = containerd.version().line();
        let path = format!("stress-{has_private_hosts}/{line}/team/app");
        let (kept, removed) =
            (Image::busybox(&format!("{path}-kept")), Image::busybox(&format!("{path}-removed")));
        for tag in TAGS {
            registry.push(&path, tag, &kept);
            registry.push(&path, &format!("r{tag}"), &removed);
        }
        let mirror = format!("{}/{path}", registry.host());
        let host = format!("{}/stress-{has_private_hosts}", registry.host());
        let rule = |name| format!("{}collapse = true\n", rule(name, &[&host]));
        let config: String = HOSTS.iter().map(|name| rule(name)).collect();
        let shunt = Shunt::start(&config, containerd);
        Ground {
            cri: Cri::connect(&shunt.socket()).await,
            direct: Cri::connect(&containerd.socket()).await,
            native: Native::connect(&containerd.socket()).await,
            asked: BTreeSet::from([format!("{mirror}:1"), format!("{mirror}@{}", kept.digest())]),
            shunt,
            mirror,
            line,
            // Hashed once: an unoptimized build needs a long time for that.
            kept: kept.id(),
            removed: removed.id(),
            has_private_hosts,
            is_explicit: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            dice: Mutex::new(Dice::new()),
            counts: Default::default(),
            looks: AtomicUsize::new(0),
            wrong: Mutex::default(),
        }
    }

    fn original(&self, host: &str, tag: &str) -> String {
        format!("{host}/{}/team/app:{tag}", self.line)
    }

    fn is_original(&self, name: &str) -> bool {
        HOSTS.iter().any(|host| name.starts_with(&format!("{host}/{}/team/app", self.line)))
    }

    /// Names of the mirror or of a private host that somebody has asked for or that are being fetched under.
    fn may_be_there(&self, name: &str) -> bool {
        let is_fetched_under = name.contains('@')
            && if self.has_private_hosts { name.contains(PRIVATE) } else { name.starts_with(&self.mirror) };
        is_fetched_under || (self.is_explicit.load(Ordering::SeqCst) && self.asked.contains(name))
    }

    fn wrong(&self, text: String) {
        self.wrong.lock().unwrap().push(text);
    }

    fn below(&self, limit: u64) -> u64 {
        self.dice.lock().unwrap().below(limit)
    }

    fn turn(&self, round: usize) -> Turn {
        match self.below(16) {
            0..2 => Turn::Cancel,
            2..4 => Turn::Delete,
            4 => Turn::Remove,
            5..7 if round >= EXPLICIT_FROM => Turn::Explicit,
            _ => Turn::Pull,
        }
    }

    async fn lane(&self) {
        for round in 0..ROUNDS {
            if round == EXPLICIT_FROM {
                self.is_explicit.store(true, Ordering::SeqCst);
            }
            let (turn, late) = (self.turn(round), self.dice.lock().unwrap().millis(10));
            tokio::time::sleep(late).await;
            self.counts[turn as usize].fetch_add(1, Ordering::Relaxed);
            self.take(turn).await;
        }
    }

    async fn take(&self, turn: Turn) {
        let (host, tag) = (HOSTS[self.below(3) as usize], TAGS[self.below(2) as usize]);
        let (image, tag) = match self.below(3) {
            0 => (&self.removed, format!("r{tag}")),
            _ => (&self.kept, tag.to_owned()),
        };
        let name = self.original(host, &tag);
        match turn {
            Turn::Pull => self.check(&name, image, self.cri.pull(&name).await),
            Turn::Explicit => {
                let name = format!("{}:1", self.mirror);
                self.check(&name, &self.kept, self.cri.pull(&name).await);
            }
            Turn::Cancel => {
                let patience = self.dice.lock().unwrap().millis(60);
                if let Ok(ended) = tokio::time::timeout(patience, self.cri.pull(&name)).await {
                    self.check(&name, image, ended);
                }
            }
            // The names of the first host stay for the containers.
            Turn::Delete if host != HOSTS[0] => self.native.delete_if_there(&name).await,
            Turn::Delete => {}
            Turn::Remove => self.remove(&self.original(host, "r1")).await,
        }
    }

    /// Removes an image past the shunt, and tries again as a user would. containerd removes an image's id last and then looks
    /// at that record once more, which a pull may have written anew by then while the content is just being collected; then
    /// it answers "not found" (`pkg/cri/server/image_remove.go`).
    async fn remove(&self, name: &str) {
        const OVERTAKEN: &str = "failed to update image reference";
        for left in (0..REMOVALS).rev() {
            match self.direct.remove(name).await {
                Ok(()) => return,
                Err(status) if left > 0 && status.message().contains(OVERTAKEN) => {}
                Err(status) => return self.wrong(format!("rmi: {status}")),
            }
        }
    }

    fn check(&self, name: &str, wanted: &str, pulled: Result<String, Status>) {
        match pulled {
            Ok(id) if id == wanted => {}
            Ok(id) => self.wrong(format!("{name}: {id} instead of {wanted}")),
            Err(status) => self.wrong(format!("{name}: {status}")),
        }
    }

    /// Looks at the images, over and over.
    async fn watch(&self) {
        while !self.is_over.load(Ordering::SeqCst) {
            let images = self.direct.list().await.unwrap();
            self.looks.fetch_add(1, Ordering::Relaxed);
            let Some(kept) = images.iter().find(|image| image.id == self.kept) else {
                self.wrong(format!("{} is not there", self.kept));
                return;
            };
            let is_explicit = self.is_explicit.load(Ordering::SeqCst);
            for image in [Some(kept), images.iter().find(|image| image.id == self.removed)] {
                image.into_iter().for_each(|image| self.look(image, is_explicit));
            }
            if !kept.repo_tags.contains(&self.original(HOSTS[0], "1")) {
                self.wrong(format!("an original is not there: {:?}", kept.repo_tags));
            }
        }
    }

    fn look(&self, image: &v1::Image, is_explicit: bool) {
        for name in image.repo_tags.iter().chain(&image.repo_digests) {
            if !self.is_original(name) && !self.may_be_there(name) {
                self.wrong(format!("it shows {name}"));
            }
        }
        let first = |names: &[String], kind: &str| {
            if names.first().is_some_and(|name| !self.is_original(name)) {
                self.wrong(format!("the first {kind} of {names:?}"));
            }
        };
        if is_explicit {
            return;
        }
        first(&image.repo_tags, "tag");
        // Right after a removal of the whole image the fetch comes before its name.
        if self.has_private_hosts && image.id == self.kept {
            first(&image.repo_digests, "digest");
        }
    }

    /// Creates and removes containers by the image's id; how many.
    async fn containers(&self, pod: &Pod) -> usize {
        let mut count = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            let config = pod::container(&format!("c{count}"), &self.kept, &["sleep", "1"]);
            match pod.create(&self.cri, config).await {
                Ok(container_id) => {
                    let request = RemoveContainerRequest { container_id };
                    self.cri.runtime.clone().remove_container(request).await.unwrap();
                }
                Err(status) => self.wrong(format!("container {count}: {status}")),
            }
            count += 1;
        }
        count
    }

    /// What is there once all is over.
    async fn inspect(&self) {
        for host in HOSTS {
            for (tag, image) in TAGS
                .iter()
                .flat_map(|tag| [(tag.to_string(), &self.kept), (format!("r{tag}"), &self.removed)])
            {
                let name = self.original(host, &tag);
                let pulled = self.cri.pull(&name).await.unwrap_or_else(|status| panic!("{name}: {status}"));
                assert_eq!(&pulled, image, "{name}");
                let known = self.cri.status(&name).await.unwrap().map(|known| known.id);
                assert_eq!(known.as_ref(), Some(image), "{name}");
            }
        }
        let left = async || {
            let mut names = self.native.names_with(PRIVATE).await;
            names.extend(self.native.names_with(&self.mirror).await);
            names.into_iter().collect::<BTreeSet<String>>()
        };
        let tidy = wait_for(async || left().await == self.asked).await;
        assert!(tidy, "left: {:#?}\nasked for: {:#?}\n{}", left().await, self.asked, self.shunt.stderr());
    }
}

async fn stress(version: Version, hosts_files: bool) {
    let Some(registry) = Registry::shared() else { return };
    registry.push("pause", "testbed", &Image::pause());
    let sandbox_image = registry.name("pause", "testbed");
    let options = Options { sandbox_image, hosts_files, ..Options::default() };
    let Some(containerd) = Containerd::start_with(version, &options) else { return };
    let begun = std::time::Instant::now();
    let ground = Arc::new(Ground::start(&containerd, registry, hosts_files).await);
    let first = ground.original(HOSTS[0], "1");
    assert_eq!(ground.cri.pull(&first).await.unwrap(), ground.kept);
    let pod = Pod::run(&ground.cri, "stress", &containerd.dir().join("logs")).await.unwrap();
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let ground = ground.clone();
        lanes.spawn(async move { ground.lane().await });
    }
    let (watching, creating) = (ground.clone(), ground.clone());
    let watching = tokio::spawn(async move { watching.watch().await });
    let used = pod.clone();
    let creating = tokio::spawn(async move { creating.containers(&used).await });
    lanes.join_all().await;
    ground.cri.pull(&format!("{}:1", ground.mirror)).await.unwrap();
    ground.is_over.store(true, Ordering::SeqCst);
    watching.await.unwrap();
    let created = creating.await.unwrap();
    pod.remove(&ground.cri).await.unwrap();

    let counts @ [pulls, cancelled, explicit, deleted, removed] =
        [0, 1, 2, 3, 4].map(|turn| ground.counts[turn].load(Ordering::Relaxed));
    let looks = ground.looks.load(Ordering::Relaxed);
    let dice = ground.dice.lock().unwrap().to_string();
    let line = format!(
        "containerd {}, hosts.toml {hosts_files}: {pulls} pulls, {cancelled} cancelled, {explicit} explicit, {deleted} \
         names deleted, {removed} images removed, {created} containers, {looks} looks, {:.0?}, {dice}\n",
        version.line(),
        begun.elapsed(),
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(counts.iter().chain([&created, &looks]).all(|count| *count > 0), "too little happened: {line}");
    let wrong = ground.wrong.lock().unwrap().clone();
    // What is wrong comes first: the log after it may be cut.
    assert!(wrong.is_empty(), "{line}wrong: {wrong:#?}\n{}", ground.shunt.stderr());
    ground.inspect().await;
    let files = std::fs::read_dir(containerd.certs_d()).unwrap().flatten();
    let private = files.filter(|file| file.file_name().to_string_lossy().contains("cri-shunt.invalid"));
    assert_eq!(private.count() > 0, hosts_files, "it fetches the other way");
}

async fn nothing_strays_and_nothing_is_lost_with_private_hosts(version: Version) {
    stress(version, true).await;
}

async fn nothing_strays_and_nothing_is_lost_by_the_mirrors_own_host(version: Version) {
    stress(version, false).await;
}

on_each_containerd!(
    nothing_strays_and_nothing_is_lost_with_private_hosts,
    nothing_strays_and_nothing_is_lost_by_the_mirrors_own_host,
);
