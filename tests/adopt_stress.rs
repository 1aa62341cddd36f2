//! Adoption and sweeping under load, on each containerd: many originals of one mirror repository at once.
//!
//! Before: `pull` shows each step alone.  After: `recovery` breaks the steps off.
//! Holds: whatever the interleaving of pulls, cancellations, containers and sweeps, nothing stays under
//! the mirror's name that nobody asked for, nothing goes that somebody asked for, and nobody's call fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_cri::v1::RemoveContainerRequest;
use support::containerd::Containerd;
use support::cri::Cri;
use support::dice::Dice;
use support::image::Image;
use support::native::Native;
use support::pod::{self, Pod};
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;
use support::wait_for;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tonic::Status;

/// Rounds per containerd, each with one pull of every original.
const ROUNDS: usize = 28;
/// After so many rounds the sweeper gets its rest, and what is left is looked at. Odd, so that there are
/// explicit names among it every second time.
const INSPECT_EVERY: usize = 7;
const HOSTS: [&str; 3] = ["docker.io", "quay.io", "ghcr.io"];
const TAGS: [&str; 2] = ["1", "2"];
const PATH: &str = "team/app";

fn config(registry: &Registry) -> String {
    let mut text = "[pull]\nsweep-after = \"100ms\"\n".to_owned();
    for host in HOSTS {
        let mirror = format!("{}/stress", registry.host());
        let rule =
            format!("[[policy.rule]]\nprefix = \"{host}\"\nmirrors = [\"{mirror}\"]\ncollapse = true\n");
        text.push_str(&rule);
    }
    text
}

#[derive(Default)]
struct Counts {
    adoptions: usize,
    cancelled: usize,
    explicit: usize,
    failures: Vec<String>,
}

/// One mirror repository with two tags that everybody wants.
struct Stress {
    shunt: Shunt,
    cri: Cri,
    native: Native,
    mirror: String,
    images: [Image; 2],
    dice: Dice,
    counts: Counts,
    /// The mirror's names that a client asked for by that name, or that were there before.
    asked: BTreeSet<String>,
    before: BTreeSet<String>,
    /// Held by whoever creates a container.
    creating: Arc<RwLock<()>>,
}

/// How one pull of a round ended.
enum Ended {
    Adopted(Result<String, Status>, String),
    Explicit(Result<String, Status>, String),
    Cancelled(Option<Status>),
}

impl Stress {
    async fn start(containerd: &Containerd, registry: &Registry) -> Stress {
        let line = containerd.version().line();
        let images = TAGS.map(|tag| Image::busybox(&format!("stress-{line}-{tag}")));
        let mirror = format!("{}/stress/{line}/{PATH}", registry.host());
        for (tag, image) in TAGS.iter().zip(&images) {
            registry.push(&format!("stress/{line}/{PATH}"), tag, image);
        }
        let early = Image::busybox(&format!("stress-{line}-0"));
        registry.push(&format!("stress/{line}/{PATH}"), "0", &early);
        let early_name = format!("{mirror}:0");
        Cri::connect(&containerd.socket()).await.pull(&early_name).await.unwrap();
        let before = BTreeSet::from([early_name, format!("{mirror}@{}", early.digest())]);
        let shunt = Shunt::start(&config(registry), containerd);
        Stress {
            cri: Cri::connect(&shunt.socket()).await,
            native: Native::connect(&containerd.socket()).await,
            shunt,
            mirror,
            images,
            dice: Dice::new(),
            counts: Counts::default(),
            asked: before.clone(),
            before,
            creating: Arc::default(),
        }
    }

    fn original(&self, host: &str, tag: &str) -> String {
        let line = self.mirror.split('/').nth(2).unwrap();
        format!("{host}/{line}/{PATH}:{tag}")
    }

    async fn round(&mut self, number: usize) {
        let mut pulls = JoinSet::new();
        for host in HOSTS {
            for tag in TAGS {
                let (cri, name) = (self.cri.clone(), self.original(host, tag));
                let late = self.dice.millis(30);
                pulls.spawn(async move {
                    tokio::time::sleep(late).await;
                    Ended::Adopted(cri.pull(&name).await, name)
                });
            }
        }
        for _ in 0..2 {
            let (host, tag) = (self.dice.pick(&HOSTS), self.dice.pick(&TAGS));
            let name = self.original(host, tag);
            let (cri, patience) = (self.cri.clone(), self.dice.millis(150));
            pulls.spawn(async move {
                let ended = tokio::time::timeout(patience, cri.pull(&name)).await;
                Ended::Cancelled(ended.ok().and_then(Result::err))
            });
        }
        if number % 2 == 1 {
            let tag = number / 2 % 2;
            let (cri, name) = (self.cri.clone(), format!("{}:{}", self.mirror, TAGS[tag]));
            let late = self.dice.millis(60);
            self.asked.insert(name.clone());
            self.asked.insert(format!("{}@{}", self.mirror, self.images[tag].digest()));
            pulls.spawn(async move {
                tokio::time::sleep(late).await;
                Ended::Explicit(cri.pull(&name).await, name)
            });
        }
        while let Some(ended) = pulls.join_next().await {
            self.count(ended.unwrap());
        }
    }

    fn count(&mut self, ended: Ended) {
        let failure = match ended {
            Ended::Adopted(result, name) => {
                self.counts.adoptions += 1;
                self.wrong(result, &name)
            }
            Ended::Explicit(result, name) => {
                self.counts.explicit += 1;
                self.wrong(result, &name)
            }
            Ended::Cancelled(status) => {
                self.counts.cancelled += 1;
                status.map(|status| format!("before it was cancelled: {status}"))
            }
        };
        self.counts.failures.extend(failure);
    }

    fn wrong(&self, result: Result<String, Status>, name: &str) -> Option<String> {
        let wanted = self.images[usize::from(name.ends_with(":2"))].id();
        match result {
            Ok(id) if id == wanted => None,
            Ok(id) => Some(format!("{name}: {id} instead of {wanted}")),
            Err(status) => Some(format!("{name}: {status}")),
        }
    }

    /// Gives the sweeper time, then compares what is there with what somebody asked for.
    async fn inspect(&mut self, number: usize) {
        let names = async || self.native.names_with(&self.mirror).await.into_iter().collect::<BTreeSet<_>>();
        let limit = Duration::from_secs(15);
        let tidy = wait_for(limit, async || names().await == self.asked).await;
        // Not a moment of it: it has to stay so.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let found = names().await;
        assert!(
            tidy && found == self.asked,
            "round {number}, {}:\nasked for {:#?}\nfound {found:#?}\n{}",
            self.dice,
            self.asked,
            self.shunt.stderr()
        );
        for host in HOSTS {
            for (tag, image) in TAGS.iter().zip(&self.images) {
                let name = self.original(host, tag);
                let status =
                    self.cri.status(&name).await.unwrap().unwrap_or_else(|| panic!("{name} is lost"));
                assert_eq!(status.id, image.id(), "{name}");
            }
        }
    }

    /// Takes away, past the shunt, what would make the next rounds easy: the mirror's names that were
    /// asked for, and most of the originals. docker.io's stay, for the containers.
    async fn reset(&mut self) {
        // Nothing could help a container whose image loses the name by which CRI finds it past the shunt.
        let _no_container = self.creating.write().await;
        let found: BTreeSet<String> = self.native.names_with(&self.mirror).await.into_iter().collect();
        let lost: Vec<&String> = self.asked.difference(&found).collect();
        assert!(lost.is_empty(), "{}: lost {lost:?}\n{}", self.dice, self.shunt.stderr());
        let mut gone: Vec<String> = self.asked.difference(&self.before).cloned().collect();
        for host in ["quay.io/", "ghcr.io/"] {
            gone.extend(self.native.names_with(host).await);
        }
        for name in &gone {
            self.native.delete(name).await;
        }
        for image in &self.images {
            let forgotten = wait_for(Duration::from_secs(10), async || {
                let known = self.cri.status(&image.id()).await.unwrap().unwrap();
                !known.repo_tags.iter().chain(&known.repo_digests).any(|name| gone.contains(name))
            });
            assert!(forgotten.await, "CRI does not learn that names are gone");
        }
        self.asked = self.before.clone();
    }
}

/// Creates and removes containers by image id until told to stop; the count, and what failed.
async fn containers(
    cri: Cri,
    ids: [String; 2],
    logs: PathBuf,
    turn: Arc<RwLock<()>>,
    stop: Arc<AtomicBool>,
) -> Created {
    let pod = Pod::run(&cri, "stress", &logs).await.unwrap();
    let mut created = Created::default();
    while !stop.load(Ordering::Relaxed) {
        let _turn = turn.read().await;
        let name = format!("c{}", created.count);
        let config = pod::container(&name, &ids[created.count % 2], &["sleep", "1"]);
        created.count += 1;
        match pod.create(&cri, config).await {
            Ok(container_id) => {
                let request = RemoveContainerRequest { container_id };
                cri.runtime.clone().remove_container(request).await.unwrap();
            }
            Err(status) => created.failures.push(format!("{name}: {status}")),
        }
    }
    pod.remove(&cri).await.unwrap();
    created
}

#[derive(Default)]
struct Created {
    count: usize,
    failures: Vec<String>,
}

async fn nothing_is_lost_and_nothing_strays(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else { return };
    containerd.serve_pause(registry);
    let mut stress = Stress::start(&containerd, registry).await;
    let begun = std::time::Instant::now();
    stress.round(0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let ids = [stress.images[0].id(), stress.images[1].id()];
    let logs = containerd.dir().join("logs");
    let creating =
        tokio::spawn(containers(stress.cri.clone(), ids, logs, stress.creating.clone(), stop.clone()));
    for number in 1..=ROUNDS {
        stress.round(number).await;
        if number % INSPECT_EVERY == 0 {
            stress.inspect(number).await;
        } else {
            tokio::time::sleep(stress.dice.millis(400)).await;
        }
        if number % 2 == 1 {
            stress.reset().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let created = creating.await.unwrap();

    let log = stress.shunt.stderr();
    let sweeps = log.matches("removed the name that a pull from a mirror left").count();
    let retries = log.matches("met a name that was being swept").count();
    let counts = &stress.counts;
    let line = format!(
        "containerd {}: {} adoptions, {} cancelled pulls, {} explicit pulls, {} names swept, {} containers \
         created ({retries} met a sweep), {:.0?}, {}\n",
        version.line(),
        counts.adoptions,
        counts.cancelled,
        counts.explicit,
        sweeps,
        created.count,
        begun.elapsed(),
        stress.dice,
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert_eq!(counts.failures, Vec::<String>::new(), "{line}{log}");
    assert_eq!(created.failures, Vec::<String>::new(), "{line}{log}");
    assert!(sweeps > ROUNDS && created.count > ROUNDS, "too little happened: {line}");
}

on_each_containerd!(nothing_is_lost_and_nothing_strays);
