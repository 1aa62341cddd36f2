//! Pulls through the shunt, on each containerd: the names that are left, provenance, failover, denial.
//!
//! `adopt_stress` does the same under load.
//! Holds: Docker Hub itself is never reached: containerd's way out leads to a recorder on the loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;

struct Setup {
    containerd: &'static Containerd,
    registry: &'static Registry,
    _shunt: Shunt,
    cri: Cri,
    native: Native,
}

/// A shunt with one rule: what stands before `@` comes from a path of its own at the registry.
async fn setup(version: Version, path: &str, rest: &str) -> Option<Setup> {
    let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
    let mirror = format!("{}/{path}-mirror", registry.host());
    let config = rule(&format!("docker.io/{path}"), &[&mirror]) + rest;
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let native = Native::connect(&containerd.socket()).await;
    Some(Setup { containerd, registry, _shunt: shunt, cri, native })
}

impl Setup {
    fn push(&self, path: &str, tag: &str, image: &Image) {
        self.registry.push(&format!("{path}-mirror/{path}/app"), tag, image);
    }

    /// No name of the mirror is there, at whichever host, and it is not only about to go.
    async fn shows_no_mirror(&self) {
        assert_eq!(self.native.names_with("/name-mirror/name/app").await, Vec::<String>::new());
    }
}

async fn the_name_stays_the_one_that_was_asked_for(version: Version) {
    let Some(setup) = setup(version, "name", "").await else { return };
    let image = Image::busybox("pull-name");
    setup.push("name", "1", &image);
    assert_eq!(setup.cri.pull("name/app:1").await.unwrap(), image.id());
    let full = "docker.io/name/app:1";
    let by_digest = format!("docker.io/name/app@{}", image.digest());
    for asked in ["name/app:1", full, &by_digest, &image.id(), &image.id()["sha256:".len()..][..12]] {
        let found = setup.cri.status(asked).await.unwrap();
        assert_eq!(found.unwrap_or_else(|| panic!("{asked}")).id, image.id(), "{asked}");
    }
    setup.shows_no_mirror().await;
    let found = setup.cri.status("name/app:1").await.unwrap().unwrap();
    assert_eq!((found.repo_tags, found.repo_digests), (vec![full.to_owned()], vec![by_digest]));
    // Once more, from what is there; then away with it.
    assert_eq!(setup.cri.pull("name/app:1").await.unwrap(), image.id());
    setup.shows_no_mirror().await;
    setup.cri.remove("name/app:1").await.unwrap();
    assert!(!setup.cri.has(&image.id()).await);
    assert_eq!(setup.native.names_with("name/app").await, Vec::<String>::new());
    setup.containerd.escapes().assert_never("docker");
}

async fn a_denied_name_reaches_nobody(version: Version) {
    let rest = "[[policy.rule]]\nprefix = \"docker.io/name/evil\"\ndeny = \"not from this registry\"\n";
    let Some(setup) = setup(version, "name", rest).await else { return };
    let requests = || setup.registry.requests().iter().filter(|asked| asked.path.contains("evil")).count();
    for spelling in [
        "name/evil:1",
        "docker.io:443/name/evil:1",
        "Docker.io/name/evil:1",
        "registry-1.docker.io/name/evil:1",
    ] {
        let status = setup.cri.pull(spelling).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{spelling}: {status}");
        assert!(status.message().contains("not from this registry"), "{status}");
    }
    assert_eq!(requests(), 0);
    setup.containerd.escapes().assert_never("docker");
}

async fn an_explicit_mirror_name_survives(version: Version) {
    let Some(setup) = setup(version, "explicit", "").await else { return };
    let image = Image::busybox("pull-explicit");
    setup.push("explicit", "1", &image);
    let mirror = format!("{}/explicit-mirror/explicit/app", setup.registry.host());
    setup.cri.pull(&format!("{mirror}:1")).await.unwrap();
    setup.cri.pull("explicit/app:1").await.unwrap();
    let mut expected: Vec<String> = [mirror.as_str(), "docker.io/explicit/app"]
        .iter()
        .flat_map(|name| [format!("{name}:1"), format!("{name}@{}", image.digest())])
        .collect();
    expected.sort();
    assert_eq!(setup.native.names_with("explicit/app").await, expected);
    setup.cri.remove(&image.id()).await.unwrap();
}

async fn a_dead_mirror_gives_way_to_the_next(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let image = Image::busybox("pull-failover");
    registry.push("failover/app", "1", &image);
    let config = rule("quay.io", &["127.0.0.1:1", registry.host()]);
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("quay.io/failover/app:1").await.unwrap(), image.id());
    let status = cri.pull("quay.io/failover/none:1").await.unwrap_err();
    for part in [
        "quay.io/failover/none:1",
        "config.toml:",
        "127.0.0.1:1",
        "Connection refused",
        registry.host(),
        "not found",
    ] {
        assert!(status.message().contains(part), "{part}: {status}");
    }
    let verbose = cri.status_verbose("quay.io/failover/app:1", true).await.unwrap();
    let info: serde_json::Value = serde_json::from_str(&verbose.info["cri-shunt"]).unwrap();
    assert_eq!(info["registry"], registry.host());
    cri.remove(&image.id()).await.unwrap();
}

async fn credentials_stay_with_their_registry(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let image = Image::busybox("pull-credentials");
    registry.push("credentials/app", "1", &image);
    let fake = Fake::in_front_of(registry.host());
    fake.on("/v2/", Behaviour::Basic("ann", "hush-of-ann"));
    let config = rule("quay.io", &[&fake.host(), registry.host()]);
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let auth = support::cri::user_and_password("ann", "hush-of-ann");
    assert_eq!(cri.pull_with("quay.io/credentials/app:1", Some(auth.clone())).await.unwrap(), image.id());
    assert!(!fake.records().is_empty());
    let seen = fake.authorizations();
    assert!(seen.iter().all(String::is_empty), "the mirror saw the client's credentials: {seen:?}");
    // The same credentials for the registry itself go to it.
    let own = format!("{}/credentials/app:1", fake.host());
    assert_eq!(cri.pull_with(&own, Some(auth)).await.unwrap(), image.id());
    assert!(fake.authorizations().contains(&support::fake::basic("ann", "hush-of-ann")));
    cri.remove(&image.id()).await.unwrap();
}

on_each_containerd!(
    the_name_stays_the_one_that_was_asked_for,
    a_denied_name_reaches_nobody,
    an_explicit_mirror_name_survives,
    a_dead_mirror_gives_way_to_the_next,
    credentials_stay_with_their_registry,
);
