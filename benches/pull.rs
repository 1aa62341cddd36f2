//! What a pull through the shunt costs over a direct one, on each containerd, from a real registry.
//!
//! `cargo bench --bench pull` prints a table and saves it as `target/bench/pull.json`. Rounds are
//! interleaved, so that a busy machine is as busy for all; figures are medians. `CRI_SHUNT_BENCH_ROUNDS` sets how many
//! rounds of each load there are. `-- 2.1` takes only that containerd; `-- memory` only shows the shunt's memory after the
//! start and after a hundred pulls.
//!
//! Every pull starts with nothing of its image on the node, and is checked by CRI's own answer. What a signature costs that has
//! to be looked for, and one that was found before, is measured with small images that the real cosign has signed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::containerd::Containerd;
use support::cosign::{Cosign, KeyPair, Kind};
use support::cri::Cri;
use support::image::Image;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;

/// The registry whose images have to be signed.
const SIGNED: &str = "signed.example";

/// One containerd with a shunt before it, and a registry with the images.
struct Bench {
    version: Version,
    direct: Cri,
    shunted: Cri,
    registry: Registry,
    _containerd: Containerd,
    shunt: Shunt,
    /// By which images are signed; none where there is no cosign.
    key: Option<KeyPair>,
}

/// Whom a round asks, and for the image under which name.
struct Way<'a> {
    what: &'static str,
    cri: &'a Cri,
    /// What stands before the image's own path.
    host: String,
    /// Whether the image was pulled in this way before, and removed.
    again: bool,
}

fn main() {
    if std::env::args().any(|argument| argument == "memory") {
        return memory();
    }
    let mut rows = Vec::new();
    println!("| containerd | load | way | p50 | over direct |\n|---|---|---|---|---|");
    for version in Version::ALL.into_iter().filter(|version| is_chosen(*version)) {
        // One runtime for both: a client belongs to the one that it was made in.
        let measured = support::block_on(async move { Some(Bench::start(version).await?.run().await) });
        match measured {
            Some(measured) => rows.extend(measured),
            None => println!("| {} | not installed: left out | | | |", version.line()),
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/pull.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
    println!("\nsaved as {}", file.display());
}

impl Bench {
    async fn start(version: Version) -> Option<Bench> {
        let (containerd, registry) = (Containerd::start(version)?, Registry::start()?);
        let host = registry.host();
        let key = KeyPair::new(Cosign::V2_5, Kind::P256);
        let signed = key.as_ref().map(|key| {
            format!(
                "[[signature]]\nname = \"prod\"\nkeys = [{:?}]\n\
                 [[policy.rule]]\nprefix = \"{SIGNED}\"\nmirrors = [\"{host}/signed\"]\nverify = \"prod\"\n\
                 collapse = true\n",
                key.public_file()
            )
        });
        // The first two mirrors of the third rule do not have the image, and say so.
        let config = format!(
            "{}[[policy.rule]]\nprefix = \"one.example\"\nmirrors = [\"{host}\"]\n\
             [[policy.rule]]\nprefix = \"three.example\"\nmirrors = [\"{host}/no\", \"{host}/neither\", \"{host}\"]\n\
             collapse = true\n",
            signed.unwrap_or_default(),
        );
        let shunt = Shunt::start(&config, &containerd);
        Some(Bench {
            version,
            direct: Cri::connect(&containerd.socket()).await,
            shunted: Cri::connect(&shunt.socket()).await,
            registry,
            _containerd: containerd,
            shunt,
            key,
        })
    }

    /// In MiB: what the shunt has resident, and what of it is not of files.
    fn shunt_memory(&self) -> [String; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.shunt.pid().unwrap())).unwrap();
        ["VmRSS:", "RssAnon:"].map(|field| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            let kib: f64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
            format!("{:.1}", kib / 1024.0)
        })
    }

    fn ways(&self) -> [Way<'_>; 4] {
        let way = |what, cri, host: &str| Way { what, cri, host: host.to_owned(), again: false };
        [
            way("direct", &self.direct, self.registry.host()),
            way("passed", &self.shunted, self.registry.host()),
            way("adopted, 1 candidate", &self.shunted, "one.example"),
            way("adopted, the third of 3", &self.shunted, "three.example"),
        ]
    }

    /// The same with signatures, and without: for the first time, and again.
    fn signed_ways(&self) -> Vec<Way<'_>> {
        let way = |what, host: &str, again| Way { what, cri: &self.shunted, host: host.to_owned(), again };
        match self.key {
            None => Vec::new(),
            Some(_) => vec![
                way("adopted, verified", SIGNED, false),
                way("adopted, pulled before", "one.example", true),
                way("adopted, verified before", SIGNED, true),
            ],
        }
    }

    async fn run(&self) -> Vec<Value> {
        let small = |count: usize| {
            move |turn: usize| (0..count).map(|i| Image::busybox(&format!("pull-{turn}-{i}"))).collect()
        };
        let large = Image::big("pull-large", 200);
        let all: Vec<Way<'_>> = self.ways().into_iter().chain(self.signed_ways()).collect();
        let mut rows = self.load(("small image", "small"), &all, &small(1), rounds(15)).await;
        let (ways, large) = (self.ways(), |_| vec![large.clone()]);
        rows.extend(self.load(("200 MiB image", "large"), &ways, &large, rounds(5)).await);
        rows.extend(self.load(("20 small images at once", "many"), &ways, &small(20), rounds(7)).await);
        rows
    }

    /// Pulls images all at once, each way in turn, for so many rounds after one to warm up. `images` makes those of one
    /// turn: the shunt looks at an image's manifests once, so each turn should have its own.
    async fn load(
        &self,
        (load, path): (&str, &str),
        ways: &[Way<'_>],
        images: &(dyn Fn(usize) -> Vec<Image> + Sync),
        rounds: usize,
    ) -> Vec<Value> {
        let mut times = vec![Vec::new(); ways.len()];
        for round in 0..=rounds {
            for (turn, (way, times)) in ways.iter().zip(&mut times).enumerate() {
                let images = images(round * ways.len() + turn);
                for (i, image) in images.iter().enumerate() {
                    self.push(way, &format!("{path}/app-{i}"), image);
                }
                if way.again {
                    self.pull(way, path, &images).await;
                }
                let took = self.pull(way, path, &images).await;
                if round > 0 {
                    times.push(took);
                }
            }
        }
        let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
        let line = self.version.line();
        let row = |(way, p50): (&Way<'_>, &f64)| {
            let over = p50 - medians[0];
            println!("| {line} | {load} | {} | {p50:.1} ms | {over:+.1} ms |", way.what);
            json!({"containerd": line, "load": load, "way": way.what, "p50_ms": p50, "over_direct_ms": over})
        };
        ways.iter().zip(&medians).map(row).collect()
    }

    /// Puts an image where the way has it from, and signs it there where the way demands that.
    fn push(&self, way: &Way<'_>, repository: &str, image: &Image) {
        let Some(key) = self.key.as_ref().filter(|_| way.host == SIGNED) else {
            self.registry.push(repository, "1", image);
            return;
        };
        let digest = self.registry.push(&format!("signed/{repository}"), "1", image);
        let whole = format!("{}/signed/{repository}@{digest}", self.registry.host());
        Cosign::V2_5.sign(key, &whole, &["--sign-container-identity", &format!("{SIGNED}/{repository}")]);
    }

    /// Pulls and removes again. What is timed is the pull, until the last image is there.
    async fn pull(&self, way: &Way<'_>, path: &str, images: &[Image]) -> Duration {
        let name = |i: usize| format!("{}/{path}/app-{i}:1", way.host);
        let begin = Instant::now();
        let pulls = images.iter().enumerate().map(|(i, image)| async move {
            assert_eq!(way.cri.pull(&name(i)).await.unwrap(), image.id(), "{}", name(i));
        });
        join_all(pulls).await;
        let took = begin.elapsed();
        for (i, image) in images.iter().enumerate() {
            assert!(self.direct.has(&name(i)).await, "{}", name(i));
            self.direct.remove(&image.id()).await.unwrap();
            assert!(!self.direct.has(&name(i)).await, "{}", name(i));
        }
        took
    }
}

/// Whether the words after `--` name this version, or none. A word that names no version is a mistake.
fn is_chosen(version: Version) -> bool {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let lines = Version::ALL.map(Version::line);
    for word in &chosen {
        assert!(lines.contains(&word.as_str()), "{word}: write `memory` or one of {}", lines.join(", "));
    }
    chosen.is_empty() || chosen.iter().any(|argument| argument == version.line())
}

/// How many rounds, where nothing else is wanted.
fn rounds(usual: usize) -> usize {
    let Ok(text) = std::env::var("CRI_SHUNT_BENCH_ROUNDS") else { return usual };
    text.parse()
        .ok()
        .filter(|rounds| *rounds > 0)
        .expect("CRI_SHUNT_BENCH_ROUNDS is a number of rounds, 1 or more")
}

fn memory() {
    println!(
        "| containerd | resident after start | of it not of files | after 100 pulls | of it not of files |"
    );
    println!("|---|---|---|---|---|");
    for version in Version::ALL {
        let shown = support::block_on(async move {
            let bench = Bench::start(version).await?;
            let before = bench.shunt_memory();
            let (ways, images) =
                (bench.ways(), |turn: usize| vec![Image::busybox(&format!("memory-{turn}"))]);
            for turn in 0..100 {
                bench.registry.push("memory/app-0", "1", &images(turn)[0]);
                bench.pull(&ways[2], "memory", &images(turn)).await;
            }
            Some([before, bench.shunt_memory()].concat())
        });
        if let Some(shown) = shown {
            println!("| {} | {} MiB |", version.line(), shown.join(" MiB | "));
        }
    }
}

/// In milliseconds.
fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
