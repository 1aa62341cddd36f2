//! Mirrors that have the images of several registries under one path, and find the registry by `?ns=`: peer-to-peer
//! mirrors on the node, by files that are written for containerd, and by rules.
//!
//! Holds: the mirror gives no manifest and no layer to a client that does not tell it the right registry.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;
use tonic::Code;

struct Setup {
    containerd: Containerd,
    storage: Registry,
    mirror: Fake,
}

impl Setup {
    fn start(version: Version) -> Option<Setup> {
        let (storage, containerd) = (Registry::start()?, Containerd::start(version)?);
        let mirror = Fake::in_front_of(storage.host());
        mirror.on("/v2/", Behaviour::ByNs);
        Some(Setup { containerd, storage, mirror })
    }

    /// An image that the mirror has of a registry.
    fn push(&self, registry: &str, tag: &str) -> Image {
        let image = Image::big(&format!("ns-{registry}-{tag}"), 1);
        self.storage.push(&format!("{registry}/team/app"), tag, &image);
        image
    }

    /// Every request for the image told the mirror of this registry.
    fn told_of(&self, registry: &str) {
        let mut records = self.mirror.records();
        records.retain(|record| record.path.contains("/team/"));
        let layers = records.iter().filter(|record| record.path.contains("/blobs/")).count();
        assert!(layers > 0, "{records:?}");
        for record in records {
            assert!(record.path.ends_with(&format!("?ns={registry}")), "{record:?}");
        }
        self.mirror.forget();
    }

    async fn cri(&self, shunt: &Shunt) -> Cri {
        Cri::connect(&shunt.socket()).await
    }
}

/// Pulls from registries that have different images of one name, and looks at what the clients see.
async fn each_registrys_own(setup: &Setup, cri: &Cri, registries: &[&str], tag: &str) {
    for registry in registries {
        let image = setup.push(registry, tag);
        let name = format!("{registry}/team/app:{tag}");
        assert_eq!(cri.pull(&name).await.unwrap(), image.id(), "{name}");
        setup.told_of(registry);
        let shown = cri.status(&name).await.unwrap().unwrap();
        assert_eq!(shown.repo_tags, [name]);
        assert_eq!(shown.repo_digests, [format!("{registry}/team/app@{}", image.digest())]);
    }
}

async fn a_file_for_every_registry_is_followed(version: Version) {
    let Some(setup) = Setup::start(version) else { return };
    let (mirror, certs_d) = (setup.mirror.host(), setup.containerd.certs_d());
    let capabilities = "capabilities = ['pull', 'resolve']";
    setup.containerd.hosts_toml(
        "_default",
        &format!("[host.'http://{mirror}']\n{capabilities}\ndial_timeout = '200ms'\n"),
    );
    let shunt =
        Shunt::start(&format!("[[policy.source]]\ncerts-d = \"{}\"\n", certs_d.display()), &setup.containerd);
    let cri = setup.cri(&shunt).await;
    each_registrys_own(&setup, &cri, &["a.test", "b.test", "c.test"], "1").await;
    // What the mirror has not got comes from the registry itself.
    let other = Image::busybox("ns-origin");
    setup.storage.push("only/here", "1", &other);
    assert_eq!(cri.pull(&setup.storage.name("only/here", "1")).await.unwrap(), other.id());
    let missing = cri.pull("a.test/team/app:none").await.unwrap_err();
    assert!(missing.message().contains("a.test"), "{missing}");
}

async fn a_rule_can_say_it(version: Version) {
    let Some(setup) = Setup::start(version) else { return };
    let mirrors = format!("mirrors = [{{ location = \"http://{}\", ns = true }}]\n", setup.mirror.host());
    for prefixes in [&["a.test", "b.test"][..], &["*"]] {
        let rules: String = prefixes
            .iter()
            .map(|prefix| format!("[[policy.rule]]\nprefix = \"{prefix}\"\n{mirrors}"))
            .collect();
        let shunt = Shunt::start(&rules, &setup.containerd);
        let directory = if prefixes.len() == 1 { "_default" } else { "b.test_443_" };
        let file = setup.containerd.certs_d().join(directory).join("hosts.toml");
        shunt.until("written", || file.exists());
        let cri = setup.cri(&shunt).await;
        each_registrys_own(&setup, &cri, &["a.test", "b.test"], &prefixes.len().to_string()).await;
        // k3s and Spegel write the directory anew when they start.
        std::fs::remove_dir_all(setup.containerd.certs_d()).unwrap();
        std::fs::create_dir_all(setup.containerd.certs_d()).unwrap();
        each_registrys_own(&setup, &cri, &["a.test"], &format!("again-{}", prefixes.len())).await;
        assert!(file.exists());
        // A layer that the mirror has not got is not taken from the registry.
        let image = setup.push("a.test", "broken");
        setup.mirror.on(&format!("/v2/team/app/blobs/{}", image.last_layer()), Behaviour::Status(404));
        let broken = cri.pull("a.test/team/app:broken").await.unwrap_err();
        assert_eq!(broken.code(), Code::NotFound, "{broken}");
        let missing = cri.pull("a.test/team/app:none").await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound, "{missing}");
        setup.containerd.escapes().assert_never("test");
        setup.mirror.forget();
        let status = shunt.status();
        assert!(status.contains("mirrors that are told of the registry"), "{status}");
        drop(shunt);
    }
}

async fn without_a_file_for_the_registry_only_questions_tell_it(version: Version) {
    let Some(setup) = Setup::start(version) else { return };
    let rule = format!(
        "[[policy.rule]]\nprefix = \"a.test/team\"\nmirrors = [{{ location = \"http://{}\", ns = true }}]\n",
        setup.mirror.host()
    );
    let shunt = Shunt::start(&rule, &setup.containerd);
    let image = setup.push("a.test", "part");
    let cri = setup.cri(&shunt).await;
    let refused = cri.pull("a.test/team/app:part").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    let said = "a hosts.toml is for a whole registry, so write the rule for that";
    shunt.until("reported", || shunt.status().contains(said));
    // One that looks at digests alone serves.
    setup.mirror.on("/v2/team/app/blobs/", Behaviour::Redirect(setup.storage.host().to_owned()));
    setup.storage.push("team/app", "part", &image);
    let by_digest = format!("/v2/team/app/manifests/{}?ns=zzz", image.digest());
    setup.mirror.on(&by_digest, Behaviour::Forward);
    assert_eq!(cri.pull("a.test/team/app:part").await.unwrap(), image.id());
}

/// The name that containerd has fetched by at the first mirror is the one that the image gets from the second.
#[tokio::test]
async fn what_a_mirror_that_failed_has_left_is_not_removed_from_under_the_next_ones_image() {
    let Some(setup) = Setup::start(Version::V2_1) else { return };
    let image = setup.push("a.test", "next");
    setup.storage.push("good/team/app", "next", &image);
    setup.mirror.on(&format!("/v2/team/app/blobs/{}", image.last_layer()), Behaviour::Status(404));
    let rule = format!(
        "[log]\nlevel = \"debug\"\n[[policy.rule]]\nprefix = \"a.test\"\n\
         mirrors = [{{ location = \"http://{}\", ns = true }}, \"{}/good\"]\n",
        setup.mirror.host(),
        setup.storage.host()
    );
    let shunt = Shunt::start(&rule, &setup.containerd);
    let file = setup.containerd.certs_d().join("a.test/hosts.toml");
    shunt.until("written", || file.exists());
    let (cri, name) = (setup.cri(&shunt).await, format!("a.test/team/app@{}", image.digest()));
    assert_eq!(cri.pull(&name).await.unwrap(), image.id());
    let looks = || shunt.stderr().matches("looks again for a name that a pull may have left").count();
    // The first look is over when the second begins.
    shunt.until("looked for twice", || looks() > 1);
    assert!(cri.has(&name).await, "{}", shunt.stderr());
    assert_eq!(cri.status(&name).await.unwrap().unwrap().repo_digests, [name]);
}

on_each_containerd!(
    a_file_for_every_registry_is_followed,
    a_rule_can_say_it,
    without_a_file_for_the_registry_only_questions_tell_it,
);
