//! Mirrors that send something else than what they say they have: the next mirror serves, and nothing is spoilt.
//!
//! containerd keeps a download with wrong bytes, and goes on with it at every later pull of that digest.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::behaviour::Wrong;
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;

fn setup(version: Version) -> Option<(&'static Containerd, &'static Registry)> {
    Some((Containerd::shared(version)?, Registry::shared()?))
}

async fn the_next_mirror_serves_and_the_first_one_when_it_is_mended(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let kinds = [
        Behaviour::Wrong(Wrong::Byte),
        Behaviour::Wrong(Wrong::TooLong),
        Behaviour::Wrong(Wrong::Page),
        Behaviour::Cut(0),
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        for blob in ["layer", "config"] {
            let path = format!("wrong/{}-{number}-{blob}", version.line());
            let image = Image::big(&path, 1);
            registry.push(&path, "1", &image);
            let fake = Fake::in_front_of(registry.host());
            let digest = if blob == "layer" { image.last_layer() } else { image.id() };
            let blobs = format!("/v2/{path}/blobs/{digest}");
            fake.on(&blobs, kind.clone());
            let pull = "[pull]\nretry-down-after = \"1h\"\n";
            let shunt = Shunt::start(
                &format!("{pull}{}", rule("quay.io", &[&fake.host(), registry.host()])),
                containerd,
            );
            let cri = Cri::connect(&shunt.socket()).await;
            let name = format!("quay.io/{path}:1");
            let log = || format!("{kind:?} {blob}: {}", shunt.stderr());
            assert_eq!(cri.pull(&name).await.unwrap_or_else(|error| panic!("{error} {}", log())), image.id());
            let asked = fake.records().iter().filter(|record| record.path.starts_with(&blobs)).count();
            assert!((1..=2).contains(&asked) || matches!(kind, Behaviour::Cut(_)), "{asked}: {}", log());
            // It is named, and is not asked first any more.
            assert!(shunt.stderr().contains(&format!("tried=\"{} ", fake.host())), "{}", log());
            fake.forget();
            assert_eq!(cri.pull(&name).await.unwrap(), image.id());
            assert_eq!(fake.records(), [], "{}", log());
            assert!(shunt.status().contains(&fake.host()), "{}", shunt.status());
            cri.remove(&image.id()).await.unwrap();
            fake.on(&blobs, Behaviour::Forward);
            let mended = Shunt::start(&rule("quay.io", &[&fake.host()]), containerd);
            let cri = Cri::connect(&mended.socket()).await;
            assert_eq!(cri.pull(&name).await.unwrap_or_else(|error| panic!("{error} {}", log())), image.id());
            cri.remove(&image.id()).await.unwrap();
        }
    }
}

async fn bytes_of_a_pull_past_the_shunt_are_nobodys_fault(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let path = format!("wrong/past-{}", version.line());
    let image = Image::big(&path, 1);
    registry.push(&path, "1", &image);
    let fake = Fake::in_front_of(registry.host());
    fake.on(&format!("/v2/{path}/blobs/{}", image.last_layer()), Behaviour::Wrong(Wrong::Byte));
    let direct = Cri::connect(&containerd.socket()).await;
    direct.pull(&format!("{}/{path}:1", fake.host())).await.unwrap_err();
    let shunt = Shunt::start(&rule("quay.io", &[registry.host()]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull(&format!("quay.io/{path}:1")).await.unwrap(), image.id());
}

/// Two pulls get the wrong bytes first, and a third has only a healthy mirror. All share the layer's download.
async fn a_pull_beside_that_shares_the_layer_is_served_too(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    for round in 0..5 {
        let path = format!("wrong/beside-{}-{round}", version.line());
        let images = ["1", "2", "3"].map(|tag| {
            let image = Image::big(&path, 1).with_user(tag);
            registry.push(&path, tag, &image);
            image
        });
        let layer = images[0].last_layer();
        assert!(images.iter().all(|image| image.last_layer() == layer));
        let bad = [(); 2].map(|()| {
            let fake = Fake::in_front_of(registry.host());
            fake.on(&format!("/v2/{path}/blobs/{layer}"), Behaviour::Wrong(Wrong::Byte));
            fake
        });
        let rule = |prefix: &str, mirrors: &[&str]| rule(prefix, mirrors) + "collapse = true\n";
        let rules = rule("quay.io", &[&bad[0].host(), registry.host()])
            + &rule("gcr.io", &[&bad[1].host(), registry.host()])
            + &rule("ghcr.io", &[registry.host()]);
        let shunt = Shunt::start(&rules, containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        let names = [format!("quay.io/{path}:1"), format!("gcr.io/{path}:2"), format!("ghcr.io/{path}:3")];
        let (one, two, three) = tokio::join!(cri.pull(&names[0]), cri.pull(&names[1]), cri.pull(&names[2]));
        for (pulled, image) in [one, two, three].into_iter().zip(&images) {
            let id = pulled.unwrap_or_else(|error| panic!("{error}: {}", shunt.stderr()));
            assert_eq!(id, image.id());
        }
        for fake in &bad {
            let blob = format!("/blobs/{layer}");
            let downloads = fake.records().iter().filter(|record| record.path.ends_with(&blob)).count();
            assert!(downloads <= 4, "{:?}", fake.records());
        }
        // Nobody blames the healthy one.
        let is_blamed = |line: &str| line.starts_with("mirrors down") && line.contains(registry.host());
        assert!(!shunt.status().lines().any(is_blamed), "{}", shunt.status());
    }
}

on_each_containerd!(
    the_next_mirror_serves_and_the_first_one_when_it_is_mended,
    bytes_of_a_pull_past_the_shunt_are_nobodys_fault,
    a_pull_beside_that_shares_the_layer_is_served_too,
);
