//! Mirrors that stop giving while containerd fetches from them, and mirrors that are only slow.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tokio::task::JoinHandle;
use tonic::Status;

struct Setup {
    containerd: &'static Containerd,
    registry: &'static Registry,
    path: String,
    /// The first of two mirrors.
    fake: Fake,
    shunt: Shunt,
}

/// Two mirrors. One that has failed is not asked first again within the test.
fn config(stall_after: &str, mirrors: &[&str]) -> String {
    format!(
        "[pull]\nstall-after = \"{stall_after}\"\nretry-down-after = \"1h\"\n{}",
        rule("quay.io", mirrors)
    )
}

impl Setup {
    fn start(version: Version, what: &str, stall_after: &str) -> Option<Setup> {
        let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
        let fake = Fake::in_front_of(registry.host());
        let shunt = Shunt::start(&config(stall_after, &[&fake.host(), registry.host()]), containerd);
        let path = format!("stalled/{what}-{}", version.line());
        Some(Setup { containerd, registry, path, fake, shunt })
    }

    fn push(&self, tag: &str) -> Image {
        let image = Image::index(Image::big(&format!("{}-{tag}", self.path), 2));
        self.registry.push(&self.path, tag, &image);
        image
    }

    async fn begin(&self, tag: &str) -> JoinHandle<Result<String, Status>> {
        let cri = Cri::connect(&self.shunt.socket()).await;
        let name = format!("quay.io/{}:{tag}", self.path);
        tokio::spawn(async move { cri.pull(&name).await })
    }

    fn below(&self, kind: &str) -> String {
        format!("/v2/{}/{kind}/", self.path)
    }

    /// The first mirror was left for the second, and is not asked first any more.
    async fn was_left(&self, said: &str) {
        let log = self.shunt.stderr();
        assert_eq!(log.matches(said).count(), 1, "{log}");
        self.fake.forget();
        // The second mirror may take as long as it needs: after it the first one would be asked, and that without end.
        let mirrors = [&*self.fake.host(), self.registry.host()];
        self.shunt.reload(&config("1h", &mirrors), self.containerd);
        self.shunt.says("new policy loaded");
        let next = self.push("next");
        assert_eq!(self.begin("next").await.await.unwrap().unwrap(), next.id());
        assert_eq!(self.fake.records(), []);
        let names = Native::connect(&self.containerd.socket()).await.names_with("cri-shunt.invalid").await;
        assert!(!names.iter().any(|name| name.contains(&self.path)), "{names:?}");
    }
}

/// Prints how long the pull took, which is never shorter than the mirror may be silent.
fn took(what: &str, begin: Instant, least: Duration) {
    let took = begin.elapsed();
    println!("{what}: served after {took:.1?}");
    assert!(took >= least, "{took:?}");
}

async fn a_mirror_that_goes_mute_in_a_layer_is_left(version: Version) {
    let Some(setup) = Setup::start(version, "mute", "2s") else { return };
    let image = setup.push("1");
    setup.fake.on(&setup.below("blobs"), Behaviour::Stuck(100 << 10));
    let stuck = setup.fake.stuck();
    let begin = Instant::now();
    let pulling = setup.begin("1").await;
    assert!(support::wait_for(async || setup.fake.stuck() > stuck).await, "{}", setup.shunt.stderr());
    setup.fake.on("/v2/", Behaviour::Silent);
    assert_eq!(pulling.await.unwrap().unwrap(), image.id(), "{}", setup.shunt.stderr());
    took("a mute mirror, 2 s", begin, Duration::from_secs(2));
    setup.was_left("and it does not answer").await;
}

/// On a very busy machine the mirror may not answer in time, and counts as mute. Then it is tried again, with more time.
async fn a_mirror_that_answers_and_gives_no_layer_is_left(version: Version) {
    for stall_after in ["200ms", "800ms", "3200ms"] {
        let Some(setup) = Setup::start(version, "idle", stall_after) else { return };
        let image = setup.push(stall_after);
        setup.fake.on(&setup.below("blobs"), Behaviour::Silent);
        let begin = Instant::now();
        let pulled = setup.begin(stall_after).await.await.unwrap();
        let log = setup.shunt.stderr();
        assert_eq!(pulled.unwrap(), image.id(), "{log}");
        // Asked for the image, or while its layer is waited for.
        if log.contains("does not answer") {
            println!("a mirror counted as mute with {stall_after}: {log}");
            continue;
        }
        let limit = Duration::from_millis(stall_after.trim_end_matches("ms").parse().unwrap());
        took(&format!("a mirror that answers and gives nothing, {stall_after}"), begin, 12 * limit);
        setup.was_left("nothing has arrived from it").await;
        return;
    }
    panic!("a mirror that answers counted as mute each time");
}

async fn a_slow_mirror_is_not_left(version: Version) {
    let Some(setup) = Setup::start(version, "slow", "1s") else { return };
    let image = setup.push("1");
    // Longer in all than a mirror that gives nothing may take.
    let slow = Behaviour::Slow(100, Duration::from_millis(160));
    setup.fake.on(&format!("{}{}", setup.below("blobs"), image.children()[0].last_layer()), slow);
    assert_eq!(setup.begin("1").await.await.unwrap().unwrap(), image.id(), "{}", setup.shunt.stderr());
    let log = setup.shunt.stderr();
    assert!(!log.contains("nothing has arrived"), "{log}");
    let fetched = setup.fake.records();
    assert!(fetched.iter().any(|record| record.path.contains("/blobs/")), "{fetched:?}");
}

on_each_containerd!(
    a_mirror_that_goes_mute_in_a_layer_is_left,
    a_mirror_that_answers_and_gives_no_layer_is_left,
    a_slow_mirror_is_not_left,
);
