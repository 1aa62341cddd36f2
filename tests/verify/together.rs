//! Signatures together with the rest: mirrors that are told of the registry, images that another rule lets in, clients that
//! leave, and a daemon that is killed.

use std::sync::Arc;

use crate::failing::signature_of;
use crate::signed::asked;
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::shunt::rule;
use crate::support::version::Version;
use crate::support::wait_for;
use crate::{Setup, config, image, on_each_containerd, setup, unsigned, world};

on_each_containerd!(
    what_another_rule_lets_in_is_hidden_under_the_name_that_has_to_be_signed,
    the_next_one_asks_if_a_client_leaves_while_signatures_are_looked_for,
    it_may_be_killed_while_what_is_signed_comes,
    a_mirror_that_is_told_of_the_registry_is_asked_for_its_signatures,
);

async fn what_another_rule_lets_in_is_hidden_under_the_name_that_has_to_be_signed(version: Version) {
    let other = rule("quay.io/verify", &["HOST"]) + "collapse = true\n[policy]\npresent = \"hide\"\n";
    let config = config("", &["HOST"]) + "collapse = true\n" + &other;
    let Some(setup) = setup(version, &config).await else { return };
    let (cri, bad) = (&setup.cri, image("two-unsigned").digest());
    for _ in 0..3 {
        // They share the name by which containerd fetches.
        let (signed, other, refused, open) = tokio::join!(
            cri.pull("verify/two-signed:1"),
            cri.pull("quay.io/verify/two-signed:1"),
            cri.pull("verify/two-unsigned:1"),
            cri.pull("quay.io/verify/two-unsigned:1"),
        );
        assert_eq!((signed.unwrap(), other.unwrap()), (image("two-signed").id(), image("two-signed").id()));
        assert_eq!(open.unwrap(), image("two-unsigned").id());
        unsigned(&refused.unwrap_err(), "verify/two-unsigned:1");
        assert_eq!(setup.native.names_with("docker.io/verify/two-unsigned").await, Vec::<String>::new());
        let by_digest = format!("verify/two-signed@{}", image("two-signed").digest());
        assert!(cri.has("verify/two-signed:1").await && cri.has(&by_digest).await);
        // Nor if somebody gives it the name past the shunt.
        let names = ["verify/two-unsigned:1".to_owned(), format!("verify/two-unsigned@{bad}")];
        for name in &names {
            setup.native.tag("quay.io/verify/two-unsigned:1", &format!("docker.io/{name}")).await;
        }
        let direct = Cri::connect(&setup.containerd.socket()).await;
        for name in &names {
            assert!(wait_for(async || direct.has(name).await).await, "{name}");
            assert!(!cri.has(name).await, "{name}");
            cri.pull(name).await.unwrap_err();
        }
        assert!(cri.has("quay.io/verify/two-unsigned:1").await);
        for name in ["two-signed", "two-unsigned"] {
            cri.remove(&image(name).id()).await.unwrap();
        }
    }
    // Other tests have their own images of this registry in this containerd.
    let fetched = format!("{}/verify/two-", setup.world.registry.host());
    assert_eq!(setup.native.names_with(&fetched).await, Vec::<String>::new());
}

async fn the_next_one_asks_if_a_client_leaves_while_signatures_are_looked_for(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    front.on(&signature_of("leaving"), Behaviour::Held);
    let Some(setup) = setup(version, &config("", &[&front.host()])).await else { return };
    let heads = || front.records().iter().filter(|record| record.path.contains("/manifests/1")).count();
    // Each on a connection of its own.
    let clients = [Cri::connect(&setup.shunt.socket()).await, Cri::connect(&setup.shunt.socket()).await];
    let [first, second] = clients.map(|cri| async move { cri.pull("verify/leaving:1").await });
    let first = tokio::spawn(first);
    assert!(wait_for(async || asked(&front) > 0).await, "{:?}", front.records());
    let second = tokio::spawn(second);
    assert!(wait_for(async || heads() > 1).await, "{:?}", front.records());
    first.abort();
    assert!(wait_for(async || asked(&front) > 1).await, "{:?}", front.records());
    front.on(&signature_of("leaving"), Behaviour::Forward);
    assert_eq!(second.await.unwrap().unwrap(), image("leaving").id());
    setup.cri.remove(&image("leaving").id()).await.unwrap();
}

async fn it_may_be_killed_while_what_is_signed_comes(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    front.on("/v2/verify/killed/blobs/", Behaviour::Stuck(100));
    let Some(setup) = setup(version, &config("", &[&front.host()])).await else { return };
    let cri = setup.cri.clone();
    let pull = tokio::spawn(async move { cri.pull("verify/killed:1").await });
    assert!(wait_for(async || front.stuck() > 0).await, "{:?}", front.records());
    setup.shunt.kill9();
    pull.await.unwrap().unwrap_err();
    // Meanwhile its signature goes away.
    front.on("/v2/verify/killed/", Behaviour::Forward);
    front.on(&signature_of("killed"), Behaviour::Status(404));
    std::fs::remove_file(setup.shunt.state_dir().join("verified.json")).unwrap_or_default();
    setup.shunt.start_again();
    let cri = Cri::connect(&setup.shunt.socket()).await;
    unsigned(&cri.pull("verify/killed:1").await.unwrap_err(), "verify/killed:1");
    assert!(wait_for(async || setup.native.names_with("verify/killed").await.is_empty()).await);
    front.on("/v2/verify/killed/", Behaviour::Forward);
    assert_eq!(cri.pull("verify/killed:1").await.unwrap(), image("killed").id());
    cri.remove(&image("killed").id()).await.unwrap();
    assert_eq!(setup.native.names_with("verify/killed").await, Vec::<String>::new());
}

async fn a_mirror_that_is_told_of_the_registry_is_asked_for_its_signatures(version: Version) {
    let (Some(world), Some(containerd)) = (world(), Containerd::start(version)) else { return };
    let mirror = Fake::in_front_of(world.registry.host());
    mirror.on("/v2/", Behaviour::ByNs);
    let mirrors = format!("[{{ location = \"http://{}\", ns = true }}]", mirror.host());
    let config = config("", &["MIRROR"]).replace("docker.io/verify", "docker.io");
    let config = config.replace("[\"MIRROR\"]", &mirrors);
    let Some(mut setup) = Setup::on(&containerd, &config).await else { return };
    let file = containerd.certs_d().join("docker.io/hosts.toml");
    setup.shunt.until("written", || file.exists());
    assert_eq!(setup.cri.pull("verify/by-ns:1").await.unwrap(), image("by-ns").id());
    let records = mirror.records();
    assert!(asked(&mirror) > 0, "{records:?}");
    assert!(records.iter().all(|record| record.path.ends_with("?ns=docker.io")), "{records:?}");
    mirror.forget();
    let text = setup.refused("verify/by-ns-unsigned:1").await;
    assert!(text.contains("is not signed as \"prod\" demands"), "{text}");
    let records = mirror.records();
    assert!(!records.iter().any(|record| record.path.contains("/blobs/")), "{records:?}");
    // Held to a lock, while the tag has moved to what nobody has signed.
    let locked = image("by-ns");
    let lock = format!(
        "[[image]]\nname = \"docker.io/verify/by-ns:1\"\ndigest = \"{}\"\n[image.platforms]\n",
        locked.digest()
    );
    std::fs::write(setup.shunt.config_file().with_file_name("images.lock"), lock).unwrap();
    let moved = Arc::new(Image::index(image("by-ns-moved")).manifest());
    mirror.on("/v2/verify/by-ns/manifests/1", Behaviour::Index(moved));
    setup.cri.remove(&locked.id()).await.unwrap();
    setup.again(&format!("{config}[policy]\nlocked = \"images.lock\"\n")).await;
    mirror.forget();
    assert_eq!(setup.cri.pull("verify/by-ns:1").await.unwrap(), locked.id());
    let records = mirror.records();
    assert!(!records.iter().any(|record| record.path.contains("/manifests/1?")), "{records:?}");
    assert!(records.iter().all(|record| record.path.ends_with("?ns=docker.io")), "{records:?}");
    containerd.escapes().assert_never("docker.io");
}
