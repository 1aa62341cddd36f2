//! The names that pulls leave: those that were asked for, and no others.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::on_each_containerd;
use crate::setup::Setup;
use crate::support::containerd::Containerd;
use crate::support::containerd_config::Options;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::native::Native;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::support::wait_for;

/// Without `config_path` an image is fetched by the mirror's own name.
async fn names_of_others_stay_where_containerd_reads_no_files(version: Version) {
    let options = Options { hosts_files: false, ..Options::default() };
    let Some(containerd) = Containerd::start_with(version, &options) else { return };
    let Some(mut setup) = Setup::new(&containerd, "meanwhile").await else { return };
    let direct = Cri::connect(&containerd.socket()).await;
    let images: Vec<Image> = ["1", "2", "3", "4"].map(|tag| setup.image(tag)).into();
    for (tag, image) in ["1", "2", "3", "4"].into_iter().zip(&images) {
        setup.push(tag, image);
    }
    // A tag past the shunt; another tag by hand; the digest alone, past the shunt.
    direct.pull(&setup.at_mirror("1")).await.unwrap();
    direct.pull(&setup.at_mirror("2")).await.unwrap();
    setup.native.tag(&setup.at_mirror("2"), &setup.at_mirror("by-hand")).await;
    setup.native.delete(&setup.at_mirror("2")).await;
    direct.pull(&setup.digest_at_mirror(&images[2])).await.unwrap();
    let theirs = [
        setup.at_mirror("1"),
        setup.digest_at_mirror(&images[0]),
        setup.at_mirror("by-hand"),
        setup.digest_at_mirror(&images[1]),
        setup.digest_at_mirror(&images[2]),
    ];
    for _ in 0..2 {
        for tag in ["1", "2", "3", "4"] {
            setup.cri.pull(&setup.original(tag)).await.unwrap();
        }
        setup.left(&theirs).await;
        setup.crash().await;
    }
    // What is asked for through the shunt afterwards stays as well.
    setup.cri.pull(&setup.at_mirror("4")).await.unwrap();
    setup.cri.pull(&setup.original("4")).await.unwrap();
    let more = [setup.at_mirror("4"), setup.digest_at_mirror(&images[3])];
    setup.left(&[theirs.as_slice(), &more].concat()).await;
    for (tag, image) in ["1", "2", "3", "4"].into_iter().zip(&images) {
        setup.knows(&setup.original(tag), image).await;
    }
    assert_eq!(setup.private_files(), Vec::<String>::new());
}

/// The same where a pull is broken off, and the digest has no tag.
async fn a_digest_of_others_stays_when_a_pull_is_broken_off(version: Version) {
    let options = Options { hosts_files: false, ..Options::default() };
    let (Some(containerd), Some(registry)) = (Containerd::start_with(version, &options), Registry::shared())
    else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let Some(setup) = Setup::on(&containerd, "broken-digest", &fake.host()).await else { return };
    let image = setup.image("1");
    setup.push("1", &image);
    let theirs = setup.digest_at_mirror(&image);
    Cri::connect(&containerd.socket()).await.pull(&theirs).await.unwrap();
    // containerd asks for the digest, and gets no answer.
    let path = format!("/v2/m/{}/app/manifests/sha256:", setup.path);
    fake.on(&path, Behaviour::Silent);
    let (left, came) = (fake.left(), fake.records().len());
    let mut pulling = setup.begin("1");
    let asked = || fake.records().iter().skip(came).any(|record| record.path.starts_with(&path));
    setup.comes_to(&mut pulling, "containerd's question", asked).await;
    pulling.abort();
    setup.breaks_off(&fake, left, "the manifest").await;
    setup.shunt.says("looks again for a name that a pull may have left");
    // Until the next look has begun, this one is over.
    let looks = || setup.shunt.stderr().matches("looks again for").count();
    setup.shunt.until("a second look", || looks() > 1);
    setup.left(std::slice::from_ref(&theirs)).await;
    setup.knows(&theirs, &image).await;
}

/// CRI removes an image with all names, also those of another manifest for it.
async fn a_name_that_a_crash_left_goes_alone(version: Version) {
    let Some(containerd) = Containerd::start(version) else { return };
    let Some(mut setup) = Setup::new(&containerd, "alone").await else { return };
    let image = setup.image("1");
    let other = image.clone().with_annotation("again", "yes");
    for (tag, image) in [("1", &image), ("2", &other)] {
        setup.push(tag, image);
        setup.cri.pull(&setup.original(tag)).await.unwrap();
    }
    let host = setup.private_files().pop().unwrap();
    let stray = format!("{host}/m/{}/app@{}", setup.path, other.digest());
    setup.native.tag(&setup.original("2"), &stray).await;
    for name in [setup.original("2"), format!("docker.io/{}/app@{}", setup.path, other.digest())] {
        setup.native.delete(&name).await;
    }
    let direct = Cri::connect(&containerd.socket()).await;
    assert!(wait_for(async || direct.has(&stray).await).await);
    setup.crash().await;
    setup.left(&[]).await;
    setup.knows(&setup.original("1"), &image).await;
    // containerd can end a pull of the killed daemon so late.
    setup.native.tag(&setup.original("1"), &stray).await;
    setup.left(&[]).await;
    setup.knows(&setup.original("1"), &image).await;
}

/// Where no private host leads to the mirror, the name of the fetch is one that is to stay.
async fn both_names_stay_of_a_digest_too(version: Version) {
    let options = Options { hosts_files: false, ..Options::default() };
    let (Some(containerd), Some(registry)) = (Containerd::start_with(version, &options), Registry::shared())
    else {
        return;
    };
    let image = Image::busybox("both-digest");
    registry.push("both/digest", "1", &image);
    let rule = rule("quay.io", &[registry.host()]);
    let shunt = Shunt::start(&format!("[policy]\nnames = \"both\"\n{rule}"), &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    cri.pull(&format!("quay.io/both/digest@{}", image.digest())).await.unwrap();
    let names = Native::connect(&containerd.socket()).await.names_with("both/digest").await;
    let at = |host: &str| format!("{host}/both/digest@{}", image.digest());
    assert_eq!(BTreeSet::from_iter(names), BTreeSet::from([at(registry.host()), at("quay.io")]));
}

async fn a_tag_that_moved_is_pulled_anew(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(setup) = Setup::new(containerd, "moved").await else { return };
    let old = setup.image("old");
    let name = setup.original("1");
    // A new image, and then the same one in another manifest.
    let new = setup.image("new");
    for image in [&old, &new, &new.clone().with_annotation("again", "yes")] {
        setup.push("1", image);
        assert_eq!(setup.cri.pull(&name).await.unwrap(), image.id());
        setup.knows(&name, image).await;
        let by_digest = format!("docker.io/{}/app@{}", setup.path, image.digest());
        setup.knows(&by_digest, image).await;
        assert_eq!(setup.native.record(&name).await.unwrap().target, image.digest());
    }
    setup.left(&[]).await;
    setup.knows(&name, &new).await;
    let old_by_digest = format!("docker.io/{}/app@{}", setup.path, old.digest());
    setup.knows(&old_by_digest, &old).await;
}

async fn one_image_may_have_many_names(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(setup) = Setup::new(containerd, "many").await else { return };
    let image = setup.image("1");
    for tag in ["1", "2"] {
        setup.push(tag, &image);
        assert_eq!(setup.cri.pull(&setup.original(tag)).await.unwrap(), image.id());
    }
    let by_digest = format!("docker.io/{}/app@{}", setup.path, image.digest());
    assert_eq!(setup.cri.pull(&by_digest).await.unwrap(), image.id());
    setup.left(&[]).await;
    let found = setup.cri.status(&image.id()).await.unwrap().unwrap();
    let tags: BTreeSet<String> = found.repo_tags.into_iter().collect();
    assert_eq!(tags, BTreeSet::from([setup.original("1"), setup.original("2")]));
    assert_eq!(found.repo_digests, [by_digest]);
}

async fn a_pull_by_digest_keeps_the_digest(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(setup) = Setup::new(containerd, "digest").await else { return };
    let (image, tagged) = (setup.image("1"), setup.image("2"));
    setup.push("1", &image);
    setup.push("2", &tagged);
    // The tag has moved on; the digest counts.
    setup.push("2", &image);
    let by_digest = |image: &Image| format!("docker.io/{}/app@{}", setup.path, image.digest());
    let both = format!("{}@{}", setup.original("2"), tagged.digest());
    assert_eq!(setup.cri.pull(&by_digest(&image)).await.unwrap(), image.id());
    assert_eq!(setup.cri.pull(&both).await.unwrap(), tagged.id());
    setup.left(&[]).await;
    for (image, asked) in
        [(&image, by_digest(&image)), (&tagged, both.clone()), (&tagged, by_digest(&tagged))]
    {
        setup.knows(&asked, image).await;
        let found = setup.cri.status(&asked).await.unwrap().unwrap();
        assert_eq!((found.repo_tags, found.repo_digests), (vec![], vec![by_digest(image)]));
    }
}

async fn twenty_may_pull_one_image_at_once(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(setup) = Setup::new(containerd, "twenty").await else { return };
    let image = setup.image("1");
    setup.push("1", &image);
    let name = setup.original("1");
    let mut pulls = JoinSet::new();
    for _ in 0..20 {
        let (cri, name) = (setup.cri.clone(), name.clone());
        pulls.spawn(async move { cri.pull(&name).await });
    }
    for pulled in pulls.join_all().await {
        assert_eq!(pulled.unwrap(), image.id());
    }
    setup.left(&[]).await;
    setup.knows(&name, &image).await;
}

/// A client pulls a tag of the mirror's own, while an image that came by its digest from there gets its name. containerd
/// would find the digest's name and leave it as it is, so it must not go now.
async fn a_digests_name_stays_while_its_mirror_is_pulled_from(version: Version) {
    let options = Options { hosts_files: false, ..Options::default() };
    let (Some(containerd), Some(registry)) = (Containerd::start_with(version, &options), Registry::shared())
    else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let Some(setup) = Setup::on(&containerd, "meanwhile-asked", &fake.host()).await else { return };
    let image = setup.image("1");
    setup.push("1", &image);
    let by_digest = setup.digest_at_mirror(&image);
    let tag = format!("/v2/m/{}/app/manifests/1", setup.path);
    fake.on(&tag, Behaviour::Held);
    let (cri, name) = (setup.cri.clone(), setup.at_mirror("1"));
    let asked = tokio::spawn(async move { cri.pull(&name).await });
    let is_asked = || fake.records().iter().any(|record| record.path == tag);
    assert!(wait_for(async || is_asked()).await, "{}", setup.shunt.stderr());
    let original = setup.original("1").replace(":1", &format!("@{}", image.digest()));
    assert_eq!(setup.cri.pull(&original).await.unwrap(), image.id());
    let there = setup.native.names_with(&setup.mirror).await;
    assert_eq!(there, [by_digest.as_str()], "it is left to the pull under way");
    fake.on(&tag, Behaviour::Forward);
    assert_eq!(asked.await.unwrap().unwrap(), image.id());
    let looked = || setup.shunt.stderr().contains("looks again for a name");
    assert!(wait_for(async || looked()).await, "{}", setup.shunt.stderr());
    setup.left(&[setup.at_mirror("1"), by_digest]).await;
    setup.knows(&original, &image).await;
}

on_each_containerd!(
    names_of_others_stay_where_containerd_reads_no_files,
    a_digests_name_stays_while_its_mirror_is_pulled_from,
    a_digest_of_others_stays_when_a_pull_is_broken_off,
    a_name_that_a_crash_left_goes_alone,
    both_names_stay_of_a_digest_too,
    a_tag_that_moved_is_pulled_anew,
    one_image_may_have_many_names,
    a_pull_by_digest_keeps_the_digest,
    twenty_may_pull_one_image_at_once,
);
