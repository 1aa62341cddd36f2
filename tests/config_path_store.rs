//! What the shunt asks of containerd's stores around a pull, on the real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use cri_shunt::inside::containerd::{Link, Store};
use cri_shunt::inside::policy::Name;
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::version::Version;

/// The label that says where a blob is from.
fn source(containerd: &Containerd, host: &str) -> Vec<String> {
    let output = containerd.ctr(&["content", "ls"]);
    let text = String::from_utf8(output.stdout).unwrap();
    // containerd leaves the port out.
    let label = format!("containerd.io/distribution.source.{}=", host.split(':').next().unwrap());
    text.lines().filter(|line| line.contains(&label)).map(|line| line.trim().to_owned()).collect()
}

async fn content_is_noted_as_the_originals(version: Version) {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let store = Store::new(Link::new(containerd.socket().into()));
    let cri = Cri::connect(&containerd.socket()).await;
    // Two that share a layer: the other's notes stay.
    let [image, other] = ["store-one", "store-two"].map(|name| Image::index(Image::busybox(name)));
    for (repository, image) in [("m/one", &image), ("m/two", &other)] {
        registry.push(repository, "1", image);
        cri.pull(&format!("{}/{repository}@{}", registry.host(), image.digest())).await.unwrap();
    }
    let before = source(&containerd, registry.host()).len();
    let original: Name = "docker.io/library/one:1".parse().unwrap();
    // Index, manifest, config and layer; the child for another platform is not here.
    assert_eq!(store.set_source(&image.digest(), &original, Some(registry.host())).await.unwrap(), 4);
    let noted = source(&containerd, "docker.io");
    assert_eq!(noted.len(), 4, "{noted:?}");
    assert!(noted.iter().all(|line| line.contains("source.docker.io=library/one")), "{noted:?}");
    assert_eq!(source(&containerd, registry.host()).len(), before - 4);
    assert_eq!(store.set_source(&image.digest(), &original, Some(registry.host())).await.unwrap(), 0);
    // Another original of the same content joins the first.
    let second: Name =
        "docker.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000"
            .parse()
            .unwrap();
    assert_eq!(store.set_source(&image.digest(), &second, None).await.unwrap(), 4);
    assert!(source(&containerd, "docker.io").iter().all(|line| line.contains("=a/b,library/one")));
    let nowhere = Image::busybox("not-here").digest();
    assert_eq!(store.set_source(&nowhere, &original, None).await.unwrap(), 0);
}

async fn records_are_found_by_what_they_point_at(version: Version) {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let store = Store::new(Link::new(containerd.socket().into()));
    let cri = Cri::connect(&containerd.socket()).await;
    let [image, other] = ["records-one", "records-two"].map(Image::busybox);
    for (tag, image) in [("1", &image), ("2", &other)] {
        registry.push("m/records", tag, image);
        cri.pull(&registry.name("m/records", tag)).await.unwrap();
    }
    let records = store.with_target(&image.digest()).await.unwrap();
    let mut names: Vec<String> = records.into_iter().map(|record| record.name).collect();
    names.sort();
    // The name that is the image's id points there as well.
    assert_eq!(names.pop().unwrap(), image.id());
    let by_digest = format!("{}/m/records@{}", registry.host(), image.digest());
    assert_eq!(names, [registry.name("m/records", "1"), by_digest.clone()]);
    store.delete(&by_digest).await.unwrap();
    store.delete(&by_digest).await.unwrap();
    assert_eq!(store.with_target(&image.digest()).await.unwrap().len(), 2);
    assert_eq!(store.with_target(&Image::busybox("records-none").digest()).await.unwrap().len(), 0);
}

async fn a_download_that_was_cut_off_is_listed_and_ended(version: Version) {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let store = Store::new(Link::new(containerd.socket().into()));
    let image = Image::big("store-ingest", 24);
    registry.push("m/slow", "1", &image);
    let layer = support::image::digest(image.blobs().last().unwrap());
    let fake = Fake::in_front_of(registry.host());
    // containerd writes after each MiB. It goes on with a download that is cut off, so the rest comes slowly.
    fake.on(&format!("/v2/m/slow/blobs/{layer}"), Behaviour::Stuck(3 << 19));
    let (socket, name) = (containerd.socket(), format!("{}/m/slow@{}", fake.host(), image.digest()));
    let pull = tokio::spawn(async move { Cri::connect(&socket).await.pull(&name).await });
    let find = async || {
        let ingests = store.ingests().await.unwrap();
        ingests.into_iter().find(|ingest| ingest.reference == format!("layer-{layer}") && ingest.offset > 0)
    };
    assert!(support::wait_for(async || find().await.is_some()).await);
    containerd.kill9();
    pull.await.unwrap().unwrap_err();
    containerd.start_again();
    let ingest = find().await.unwrap();
    assert!(ingest.started.unwrap() <= ingest.updated.unwrap(), "{ingest:?}");
    let total = image.blobs().last().unwrap().len() as u64;
    assert!((1 << 20..total).contains(&ingest.offset) && ingest.total == total, "{ingest:?}");
    // What was cut off stays, and the next pull would go on with it.
    store.abort_ingests(&layer).await.unwrap();
    assert!(find().await.is_none());
    store.abort_ingests(&layer).await.unwrap();
}

on_each_containerd!(
    content_is_noted_as_the_originals,
    records_are_found_by_what_they_point_at,
    a_download_that_was_cut_off_is_listed_and_ended,
);
