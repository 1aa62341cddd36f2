//! Killed programs, clients that leave, images that are removed under a pull.

use std::time::Instant;

use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::on_each_containerd;
use crate::setup::Setup;
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::dice::Dice;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::version::Version;
use crate::support::{PATIENCE, wait_for};

async fn each_program_may_be_killed_at_any_moment(version: Version) {
    let Some(containerd) = Containerd::start(version) else { return };
    let Some(mut setup) = Setup::new(&containerd, "killed").await else { return };
    let (kept, image) = (setup.image("kept"), setup.image("1"));
    setup.push("kept", &kept);
    setup.push("1", &image);
    let kept_names = [setup.at_mirror("kept"), setup.digest_at_mirror(&kept)];
    setup.cri.pull(&kept_names[0]).await.unwrap();
    let id = image.id();
    let mut dice = Dice::new();
    for round in 0..12 {
        let pulling = setup.begin("1");
        tokio::time::sleep(dice.millis(120)).await;
        setup.crash_of(round % 3 != 1, round % 3 != 0).await;
        drop(pulling.await);
        if round % 4 == 3 {
            // Nobody asks for that image again.
            setup.left(&kept_names).await;
        }
        let name = setup.original("1");
        let pulled = setup.cri.pull(&name).await;
        assert_eq!(pulled.unwrap_or_else(|status| panic!("round {round}, {dice}: {status}")), id);
        setup.knows(&name, &image).await;
        setup.left(&kept_names).await;
        if round % 2 == 1 {
            setup.cri.remove(&id).await.unwrap();
        }
    }
    let pulling = setup.begin("1");
    tokio::time::sleep(dice.millis(120)).await;
    setup.crash().await;
    drop(pulling.await);
    setup.left(&kept_names).await;
    let tidy = wait_for(async || setup.private_files().is_empty()).await;
    assert!(tidy, "{:?}\n{}", setup.private_files(), setup.shunt.stderr());
    setup.knows(&kept_names[0], &kept).await;
}

async fn pulls_begin_at_once_after_a_start(version: Version) {
    let Some(containerd) = Containerd::start(version) else { return };
    let Some(mut setup) = Setup::new(&containerd, "at-once").await else { return };
    let image = setup.image("1");
    setup.push("1", &image);
    let (name, id) = (setup.original("1"), image.id());
    for round in 0..8 {
        assert_eq!(setup.cri.pull(&name).await.unwrap(), id);
        setup.shunt.kill9();
        // What an earlier run left is removed at the same time.
        setup.shunt.spawn();
        setup.shunt.listens();
        setup.connect_again().await;
        let mut pulls = JoinSet::new();
        for _ in 0..4 {
            let (cri, name) = (setup.cri.clone(), name.clone());
            pulls.spawn(async move { cri.pull(&name).await });
        }
        for pulled in pulls.join_all().await {
            let pulled = pulled.unwrap_or_else(|status| panic!("round {round}: {status}"));
            assert_eq!(pulled, id);
        }
        setup.left(&[]).await;
    }
}

async fn containerd_may_end_in_the_middle_of_a_download(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else { return };
    let fake = Fake::in_front_of(registry.host());
    let Some(mut setup) = Setup::on(&containerd, "ended", &fake.host()).await else { return };
    for (tag, end) in [("1", Containerd::kill9 as fn(&Containerd)), ("2", Containerd::stop)] {
        let image = Image::big(&format!("{}-{tag}", setup.path), 2);
        setup.push(tag, &image);
        let blobs = format!("/v2/m/{}/app/blobs/", setup.path);
        fake.on(&blobs, Behaviour::Stuck(100 << 10));
        let stuck = fake.stuck();
        let mut pulling = setup.begin(tag);
        setup.comes_to(&mut pulling, "the middle of a download", || fake.stuck() > stuck).await;
        end(&containerd);
        let status = pulling.await.unwrap().unwrap_err();
        assert!(!status.message().is_empty(), "{status}");
        containerd.start_again();
        fake.on(&blobs, Behaviour::Forward);
        // The shunt is the same as before.
        let name = setup.original(tag);
        assert_eq!(setup.cri.pull(&name).await.unwrap(), image.id());
        setup.knows(&name, &image).await;
        setup.connect_again().await;
        setup.left(&[]).await;
    }
}

async fn a_client_that_leaves_cancels_its_pull(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let Some(setup) = Setup::on(containerd, "leaves", &fake.host()).await else { return };
    let image = Image::big(&format!("{}-1", setup.path), 2);
    setup.push("1", &image);
    let name = setup.original("1");
    let (blobs, manifests) =
        (format!("/v2/m/{}/app/blobs/", setup.path), format!("/v2/m/{}/app/manifests/", setup.path));
    // It never ends, unless somebody cancels it: where the shunt asks, and where containerd does.
    for (path, behaviour) in [(&manifests, Behaviour::Silent), (&blobs, Behaviour::Stuck(100 << 10))] {
        fake.on(path, behaviour);
        let (left, came) = (fake.left(), fake.records().len());
        let mut pulling = setup.begin("1");
        let held = || fake.stuck() > 0 || (path == &manifests && fake.records().len() > came);
        setup.comes_to(&mut pulling, path, held).await;
        assert_eq!(fake.left(), left);
        pulling.abort();
        setup.breaks_off(&fake, left, path).await;
        setup.left(&[]).await;
        assert!(!setup.cri.has(&name).await);
        fake.on(path, Behaviour::Forward);
    }
    assert_eq!(setup.cri.pull(&name).await.unwrap(), image.id());
    setup.left(&[]).await;
    setup.knows(&name, &image).await;
}

async fn an_image_gc_in_between_does_not_fail_a_pull(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let Some(setup) = Setup::new(containerd, "gc").await else { return };
    let image = setup.image("1");
    setup.push("1", &image);
    let name = setup.original("1");
    let direct = Cri::connect(&containerd.socket()).await;
    let mut dice = Dice::new();
    for round in 0..12 {
        let mut pulls = JoinSet::new();
        for number in 0..2 {
            let (cri, asked, late) = (setup.cri.clone(), name.clone(), dice.millis(1 + 40 * number));
            pulls.spawn(async move {
                tokio::time::sleep(late).await;
                cri.pull(&asked).await
            });
        }
        // From the moment that containerd has it, the shunt is held at whatever step it is at.
        let end = Instant::now() + PATIENCE;
        while !direct.has(&image.id()).await {
            assert!(Instant::now() < end, "round {round}");
        }
        tokio::time::sleep(dice.millis(20)).await;
        setup.shunt.signal(Signal::STOP);
        // containerd 1.7 may find while it removes that its garbage collection was faster.
        let removed = wait_for(async || direct.remove(&image.id()).await.is_ok()).await;
        setup.shunt.signal(Signal::CONT);
        assert!(removed, "round {round}");
        for pulled in pulls.join_all().await {
            let id = pulled.unwrap_or_else(|status| panic!("round {round}, {dice}: {status}"));
            assert_eq!(id, image.id());
        }
        drop(direct.remove(&image.id()).await);
    }
    assert_eq!(setup.cri.pull(&name).await.unwrap(), image.id());
    setup.knows(&name, &image).await;
    setup.left(&[]).await;
}

on_each_containerd!(
    each_program_may_be_killed_at_any_moment,
    pulls_begin_at_once_after_a_start,
    containerd_may_end_in_the_middle_of_a_download,
    a_client_that_leaves_cancels_its_pull,
    an_image_gc_in_between_does_not_fail_a_pull,
);
