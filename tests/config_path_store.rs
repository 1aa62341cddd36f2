//! What the shunt asks of containerd's stores around a pull, on the real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use cri_shunt::inside::containerd::{Link, Store};
use cri_shunt::inside::policy::Name;
use support::containerd::Containerd;
use support::cri::Cri;
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

on_each_containerd!(content_is_noted_as_the_originals, records_are_found_by_what_they_point_at,);
