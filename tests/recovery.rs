//! Pulls that are broken off, and what others do meanwhile: on each containerd.
//!
//! Before: `pull` shows the steps, `adopt_stress` their interleaving.
//! Holds: whatever is killed and whenever, the image can be pulled afterwards; once the sweeper has been
//! by, nothing strays under a mirror's name and nothing is gone that somebody asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::containerd::Containerd;
use support::cri::Cri;
use support::dice::Dice;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;
use support::{wait_for, wait_until};
use tokio::task::{JoinHandle, JoinSet};
use tonic::Status;

/// A shunt by which `docker.io/<path>` comes from `<mirror>/m/<path>`.
struct Ground {
    registry: &'static Registry,
    shunt: Shunt,
    cri: Cri,
    native: Native,
    path: String,
    mirror: String,
}

impl Ground {
    async fn new(containerd: &Containerd, case: &str, sweep_after: &str) -> Option<Ground> {
        let host = Registry::shared()?.host();
        Ground::on(containerd, case, sweep_after, host).await
    }

    /// With another mirror in front of the registry.
    async fn on(containerd: &Containerd, case: &str, sweep_after: &str, host: &str) -> Option<Ground> {
        let registry = Registry::shared()?;
        let path = format!("{case}/{}", containerd.version().line());
        let config = format!(
            "[pull]\nsweep-after = \"{sweep_after}\"\n[[policy.rule]]\nprefix = \"docker.io/{path}\"\n\
             mirrors = [\"{host}/m\"]\n"
        );
        let shunt = Shunt::start(&config, containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        let native = Native::connect(&containerd.socket()).await;
        let mirror = format!("{host}/m/{path}/app");
        Some(Ground { registry, shunt, cri, native, path, mirror })
    }

    fn push(&self, tag: &str, image: &Image) {
        self.registry.push(&format!("m/{}/app", self.path), tag, image);
    }

    /// An image of this case and containerd alone.
    fn image(&self, unique: &str) -> Image {
        Image::busybox(&format!("{}-{unique}", self.path))
    }

    fn original(&self, tag: &str) -> String {
        format!("docker.io/{}/app:{tag}", self.path)
    }

    fn at_mirror(&self, tag: &str) -> String {
        format!("{}:{tag}", self.mirror)
    }

    fn digest_at_mirror(&self, image: &Image) -> String {
        format!("{}@{}", self.mirror, image.digest())
    }

    /// A pull of an original, under way.
    fn begin(&self, tag: &str) -> JoinHandle<Result<String, Status>> {
        let (cri, name) = (self.cri.clone(), self.original(tag));
        tokio::spawn(async move { cri.pull(&name).await })
    }

    /// Waits until these and no other names are left of the mirror, and stay.
    async fn left(&self, wanted: &[String]) {
        let wanted: BTreeSet<String> = wanted.iter().cloned().collect();
        let found = async || self.native.names_with(&self.mirror).await.into_iter().collect::<BTreeSet<_>>();
        let tidy = wait_for(Duration::from_secs(20), async || found().await == wanted).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let found = found().await;
        assert!(tidy && found == wanted, "wanted {wanted:#?}\nfound {found:#?}\n{}", self.shunt.stderr());
    }

    /// Kills the shunt and starts it on what that left.
    async fn crash(&mut self) {
        self.shunt.kill9();

        self.shunt.start_again();
        self.cri = Cri::connect(&self.shunt.socket()).await;
    }

    async fn knows(&self, name: &str, image: &Image) {
        let found = self.cri.status(name).await.unwrap();
        assert_eq!(found.unwrap_or_else(|| panic!("{name} is not there")).id, image.id(), "{name}");
    }
}

async fn the_shunt_may_be_killed_at_any_moment(version: Version) {
    let Some(containerd) = Containerd::start(version) else { return };
    let Some(mut ground) = Ground::new(&containerd, "killed", "300ms").await else { return };
    let (kept, image) = (ground.image("kept"), ground.image("1"));
    ground.push("kept", &kept);
    ground.push("1", &image);
    let kept_names = [ground.at_mirror("kept"), ground.digest_at_mirror(&kept)];
    ground.cri.pull(&kept_names[0]).await.unwrap();
    let mut dice = Dice::new();
    for round in 0..9 {
        let pulling = ground.begin("1");
        if round % 3 == 2 {
            // The kill hits the sweep, or the moments before and after it.
            pulling.await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(285) + dice.millis(40)).await;
        } else {
            tokio::time::sleep(dice.millis(150)).await;
        }
        ground.crash().await;
        let name = ground.original("1");
        assert_eq!(ground.cri.pull(&name).await.unwrap(), image.id(), "{dice}");
        ground.knows(&name, &image).await;
        if round % 6 == 5 {
            ground.left(&kept_names).await;
            ground.cri.remove(&image.id()).await.unwrap();
        } else if round % 2 == 1 {
            ground.cri.remove(&image.id()).await.unwrap();
        }
    }
    // Killed with a pull on its way, and nobody asks for that image again.
    for delay in [20, 80] {
        let pulling = ground.begin("1");
        tokio::time::sleep(Duration::from_millis(delay)).await;
        ground.crash().await;
        drop(pulling.await);
        ground.left(&kept_names).await;
    }
}

async fn containerd_may_end_in_the_middle_of_a_pull(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else { return };
    let fake = Fake::in_front_of(registry.host());
    let Some(ground) = Ground::on(&containerd, "ended", "300ms", &fake.host()).await else { return };
    for (tag, end) in [("1", Containerd::kill9 as fn(&Containerd)), ("2", Containerd::stop)] {
        let image = Image::big(&format!("{}-{tag}", ground.path), 2);
        ground.push(tag, &image);
        let blobs = format!("/v2/m/{}/app/blobs/", ground.path);
        fake.on(&blobs, Behaviour::Slow(32 << 10, Duration::from_millis(50)));
        let asked = fake.records().len();
        let pulling = ground.begin(tag);
        let begun = || fake.records()[asked..].iter().any(|record| record.path.starts_with(&blobs));
        assert!(wait_for(Duration::from_secs(10), async || begun()).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
        end(&containerd);
        let status = pulling.await.unwrap().unwrap_err();
        assert!(!status.message().is_empty(), "{status}");
        containerd.start_again();
        fake.on(&blobs, Behaviour::Forward);
        let name = ground.original(tag);
        assert_eq!(ground.cri.pull(&name).await.unwrap(), image.id());
        ground.knows(&name, &image).await;
    }
    let native = Native::connect(&containerd.socket()).await;
    Ground { native, ..ground }.left(&[]).await;
}

async fn a_client_that_leaves_cancels_its_pull(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let Some(ground) = Ground::on(containerd, "leaves", "300ms", &fake.host()).await else { return };
    let image = Image::big(&format!("{}-1", ground.path), 2);
    ground.push("1", &image);
    let blobs = format!("/v2/m/{}/app/blobs/", ground.path);
    // Twelve seconds, if nobody cancels it.
    fake.on(&blobs, Behaviour::Slow(8 << 10, Duration::from_millis(50)));
    let name = ground.original("1");
    let pulling = ground.begin("1");
    let begun = || fake.records().iter().any(|record| record.path.starts_with(&blobs));
    assert!(wait_for(Duration::from_secs(10), async || begun()).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(fake.left(), 0);
    pulling.abort();
    assert!(wait_for(Duration::from_secs(4), async || fake.left() > 0).await, "containerd goes on pulling");
    ground.left(&[]).await;
    assert!(!ground.cri.has(&name).await);
    fake.on(&blobs, Behaviour::Forward);
    assert_eq!(ground.cri.pull(&name).await.unwrap(), image.id());
    ground.left(&[]).await;
    ground.knows(&name, &image).await;
}

async fn names_that_others_brought_meanwhile_stay(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(ground) = Ground::new(containerd, "meanwhile", "1500ms").await else { return };
    let direct = Cri::connect(&containerd.socket()).await;
    let images: Vec<Image> = ["1", "2", "3", "4"].map(|tag| ground.image(tag)).into();
    for (tag, image) in ["1", "2", "3", "4"].into_iter().zip(&images) {
        ground.push(tag, image);
        ground.cri.pull(&ground.original(tag)).await.unwrap();
    }
    // The same tag, past the shunt; another tag by hand; the digest alone, past the shunt.
    direct.pull(&ground.at_mirror("1")).await.unwrap();
    ground.native.tag(&ground.at_mirror("2"), &ground.at_mirror("by-hand")).await;
    direct.pull(&ground.digest_at_mirror(&images[2])).await.unwrap();
    let theirs = [
        ground.at_mirror("1"),
        ground.digest_at_mirror(&images[0]),
        ground.at_mirror("by-hand"),
        ground.digest_at_mirror(&images[1]),
        ground.digest_at_mirror(&images[2]),
    ];
    ground.left(&theirs).await;
    // They stay when the shunt pulls the same again.
    for tag in ["1", "2", "3", "4"] {
        ground.cri.pull(&ground.original(tag)).await.unwrap();
    }
    ground.left(&theirs).await;
    for (tag, image) in ["1", "2", "3", "4"].into_iter().zip(&images) {
        ground.knows(&ground.original(tag), image).await;
    }
}

async fn a_tag_that_moved_is_pulled_anew(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(ground) = Ground::new(containerd, "moved", "300ms").await else { return };
    let old = ground.image("old");
    let name = ground.original("1");
    // A new image, and then the same one in another manifest.
    let new = ground.image("new");
    for image in [&old, &new, &new.clone().with_annotation("again", "yes")] {
        ground.push("1", image);
        assert_eq!(ground.cri.pull(&name).await.unwrap(), image.id());
        ground.knows(&name, image).await;
        let by_digest = format!("docker.io/{}/app@{}", ground.path, image.digest());
        ground.knows(&by_digest, image).await;
        assert_eq!(ground.native.record(&name).await.unwrap().target, image.digest());
    }
    ground.left(&[]).await;
    ground.knows(&name, &new).await;
    let old_by_digest = format!("docker.io/{}/app@{}", ground.path, old.digest());
    ground.knows(&old_by_digest, &old).await;
}

async fn one_image_may_have_many_names(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(ground) = Ground::new(containerd, "many", "300ms").await else { return };
    let image = ground.image("1");
    for tag in ["1", "2"] {
        ground.push(tag, &image);
        assert_eq!(ground.cri.pull(&ground.original(tag)).await.unwrap(), image.id());
    }
    let by_digest = format!("docker.io/{}/app@{}", ground.path, image.digest());
    assert_eq!(ground.cri.pull(&by_digest).await.unwrap(), image.id());
    ground.left(&[]).await;
    let found = ground.cri.status(&image.id()).await.unwrap().unwrap();
    let tags: BTreeSet<String> = found.repo_tags.into_iter().collect();
    assert_eq!(tags, BTreeSet::from([ground.original("1"), ground.original("2")]));
    assert_eq!(found.repo_digests, [by_digest]);
}

async fn a_pull_by_digest_keeps_the_digest(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(ground) = Ground::new(containerd, "digest", "300ms").await else { return };
    let (image, tagged) = (ground.image("1"), ground.image("2"));
    ground.push("1", &image);
    ground.push("2", &tagged);
    // The tag has moved on; the digest counts.
    ground.push("2", &image);
    let by_digest = |image: &Image| format!("docker.io/{}/app@{}", ground.path, image.digest());
    let both = format!("{}@{}", ground.original("2"), tagged.digest());
    assert_eq!(ground.cri.pull(&by_digest(&image)).await.unwrap(), image.id());
    assert_eq!(ground.cri.pull(&both).await.unwrap(), tagged.id());
    ground.left(&[]).await;
    for (image, asked) in
        [(&image, by_digest(&image)), (&tagged, both.clone()), (&tagged, by_digest(&tagged))]
    {
        ground.knows(&asked, image).await;
        let found = ground.cri.status(&asked).await.unwrap().unwrap();
        assert_eq!((found.repo_tags, found.repo_digests), (vec![], vec![by_digest(image)]));
    }
}

async fn twenty_may_pull_one_image_at_once(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(ground) = Ground::new(containerd, "twenty", "300ms").await else { return };
    let image = ground.image("1");
    ground.push("1", &image);
    let name = ground.original("1");
    let mut pulls = JoinSet::new();
    for _ in 0..20 {
        let (cri, name) = (ground.cri.clone(), name.clone());
        pulls.spawn(async move { cri.pull(&name).await });
    }
    for pulled in pulls.join_all().await {
        assert_eq!(pulled.unwrap(), image.id());
    }
    ground.left(&[]).await;
    ground.knows(&name, &image).await;
}

async fn an_image_gc_in_between_does_not_fail_a_pull(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(ground) = Ground::new(containerd, "gc", "300ms").await else { return };
    let image = ground.image("1");
    ground.push("1", &image);
    let name = ground.original("1");
    let direct = Cri::connect(&containerd.socket()).await;
    let mut dice = Dice::new();
    let mut slowest = Duration::ZERO;
    for round in 0..12 {
        let mut pulls = JoinSet::new();
        for number in 0..2 {
            let (cri, asked, late) = (ground.cri.clone(), name.clone(), dice.millis(1 + 40 * number));
            pulls.spawn(async move {
                tokio::time::sleep(late).await;
                let begun = Instant::now();
                (cri.pull(&asked).await, begun.elapsed(), Instant::now())
            });
        }
        // From the moment that containerd has it, the shunt is held at whatever step it is at.
        let end = Instant::now() + Duration::from_secs(10);
        while !direct.has(&image.id()).await {
            assert!(Instant::now() < end, "round {round}");
        }
        tokio::time::sleep(dice.millis(20)).await;
        ground.shunt.signal(Signal::STOP);
        direct.remove(&image.id()).await.unwrap();
        ground.shunt.signal(Signal::CONT);
        let removed = Instant::now();
        let mut ended = removed;
        for (pulled, took, end) in pulls.join_all().await {
            let id = pulled.unwrap_or_else(|status| panic!("round {round}, {dice}: {status}"));
            assert_eq!(id, image.id());
            (slowest, ended) = (slowest.max(took), ended.max(end));
        }
        // A pull that ended well after the removal has brought it back, whatever became of the other.
        if ended > removed + Duration::from_millis(150) {
            ground.knows(&name, &image).await;
        }
        drop(direct.remove(&image.id()).await);
    }
    assert!(slowest < Duration::from_secs(10), "a pull took {slowest:?}\n{}", ground.shunt.stderr());
    assert_eq!(ground.cri.pull(&name).await.unwrap(), image.id());
    ground.knows(&name, &image).await;
    ground.left(&[]).await;
}

async fn a_ledger_that_cannot_be_read_is_put_aside(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(mut ground) = Ground::new(containerd, "unreadable", "300ms").await else { return };
    let image = ground.image("1");
    ground.push("1", &image);
    ground.shunt.kill9();
    let file = ground.shunt.state_dir().join("mirror-names.json");
    std::fs::write(&file, "{\"version\":1,\"reposi").unwrap();
    ground.crash().await;
    assert!(ground.shunt.stderr().contains("cannot be understood"), "{}", ground.shunt.stderr());
    assert!(file.with_extension("json.unreadable").exists());
    assert_eq!(ground.cri.pull(&ground.original("1")).await.unwrap(), image.id());
    ground.left(&[]).await;
}

async fn without_a_place_for_the_ledger_nothing_starts(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let blocked = tempfile::NamedTempFile::new().unwrap();
    let place = blocked.path().display().to_string();
    let shunt = Shunt::prepare(&format!("[state]\ndir = \"{place}/state\"\n"), containerd, &[]);
    shunt.spawn();
    assert!(wait_until(Duration::from_secs(10), || shunt.ended().is_some()), "it runs");
    assert_eq!(shunt.ended().unwrap().code(), Some(3));
    let said = shunt.stderr();
    assert!(said.contains("state directory") && said.contains(&place), "{said}");
    assert!(said.contains("Not a directory"), "{said}");
}

on_each_containerd!(
    the_shunt_may_be_killed_at_any_moment,
    containerd_may_end_in_the_middle_of_a_pull,
    a_client_that_leaves_cancels_its_pull,
    names_that_others_brought_meanwhile_stay,
    a_tag_that_moved_is_pulled_anew,
    one_image_may_have_many_names,
    a_pull_by_digest_keeps_the_digest,
    twenty_may_pull_one_image_at_once,
    an_image_gc_in_between_does_not_fail_a_pull,
    a_ledger_that_cannot_be_read_is_put_aside,
    without_a_place_for_the_ledger_nothing_starts,
);
