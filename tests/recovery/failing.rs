//! The daemon is killed while a mirror fails, and its state directory is full.

use std::path::Path;

use crate::on_each_containerd;
use crate::setup::Setup;
use crate::support::behaviour::Wrong;
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::dice::Dice;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::mount::Mount;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::support::wait_for;

fn with_outage(prefix: &str, mirrors: &[&str]) -> String {
    rule(prefix, mirrors) + "on-outage = \"present\"\n"
}

/// Nothing is left, and the image comes.
async fn comes(setup: &Setup<'_>, image: &Image) {
    setup.left(&[]).await;
    let name = setup.original("1");
    let pulled = setup.cri.pull(&name).await;
    assert_eq!(pulled.unwrap_or_else(|status| panic!("{status}\n{}", setup.shunt.stderr())), image.id());
    setup.left(&[]).await;
    setup.knows(&name, image).await;
}

/// About the manifest, and in the middle of a layer.
async fn it_may_be_killed_while_a_mirror_is_mute(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let Some(mut setup) = Setup::by(containerd, "killed-mute", &fake.host(), with_outage).await else {
        return;
    };
    for (part, behaviour) in [("manifests", Behaviour::Silent), ("blobs", Behaviour::Stuck(100 << 10))] {
        let image = Image::big(&format!("{}-{part}", setup.path), 2);
        setup.push("1", &image);
        let path = format!("/v2/m/{}/app/{part}/", setup.path);
        fake.on(&path, behaviour);
        fake.forget();
        let (stuck, left) = (fake.stuck(), fake.left());
        let mut pulling = setup.begin("1");
        let is_mute = || match part {
            "blobs" => fake.stuck() > stuck,
            _ => fake.records().iter().any(|record| record.path.starts_with(&path)),
        };
        setup.comes_to(&mut pulling, part, is_mute).await;
        setup.crash().await;
        pulling.await.unwrap().unwrap_err();
        setup.breaks_off(&fake, left, part).await;
        fake.on(&path, Behaviour::Forward);
        comes(&setup, &image).await;
    }
}

/// containerd keeps the wrong bytes, and the daemon that knows of them is gone.
async fn it_may_be_killed_while_wrong_bytes_come(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let Some(mut setup) = Setup::on(containerd, "killed-wrong", &fake.host()).await else { return };
    let blobs = format!("/v2/m/{}/app/blobs/", setup.path);
    let size = 2 << 20;
    let wrong = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size / 2));
    // In the middle of them; and when they have been thrown away and are asked for again.
    for (round, behaviour) in
        [Behaviour::RawStuck(wrong), Behaviour::Wrong(Wrong::Byte)].into_iter().enumerate()
    {
        let image = Image::big(&format!("{}-{round}", setup.path), 2);
        setup.push("1", &image);
        fake.on(&format!("{blobs}{}", image.last_layer()), behaviour);
        let mut pulling = setup.begin("1");
        let thrown = "threw away a download";
        let is_there = || if round == 0 { fake.stuck() > 0 } else { setup.shunt.stderr().contains(thrown) };
        setup.comes_to(&mut pulling, &format!("wrong bytes, {round}"), is_there).await;
        setup.crash().await;
        pulling.await.unwrap().unwrap_err();
        fake.on(&blobs, Behaviour::Forward);
        comes(&setup, &image).await;
    }
}

/// The cache is asked by the tag, and holds the answer.
async fn it_may_be_killed_while_a_cache_is_asked_by_a_tag(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let warm = |prefix: &str, mirrors: &[&str]| {
        let mirror = format!("{{ location = \"{}\", warm-by-tag = true }}", mirrors[0]);
        format!("[[policy.rule]]\nprefix = \"{prefix}\"\nmirrors = [{mirror}]\n")
    };
    let Some(mut setup) = Setup::by(containerd, "killed-warm", &fake.host(), warm).await else { return };
    let image = setup.image("1");
    setup.push("1", &image);
    let tag = format!("/v2/m/{}/app/manifests/1", setup.path);
    fake.on("/v2/", Behaviour::ByTag("HEAD", 0));
    fake.on(&tag, Behaviour::Silent);
    let name = format!("{}@{}", setup.original("1"), image.digest());
    let (cri, asked) = (setup.cri.clone(), name.clone());
    let pulling = tokio::spawn(async move { cri.pull(&asked).await });
    let is_asked = async || fake.records().iter().any(|record| record.path == tag);
    assert!(wait_for(is_asked).await, "{}", setup.shunt.stderr());
    setup.crash().await;
    pulling.await.unwrap().unwrap_err();
    setup.left(&[]).await;
    fake.on(&tag, Behaviour::ByTag("HEAD", 0));
    assert_eq!(setup.cri.pull(&name).await.unwrap(), image.id());
    setup.left(&[]).await;
    assert!(!setup.cri.has(&setup.at_mirror("1")).await && !setup.cri.has(&setup.original("1")).await);
}

/// At any moment of a pull whose login is noted: afterwards it is known, or it is not; never is it another's.
async fn it_may_be_killed_while_a_login_is_noted(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let Some(mut setup) = Setup::by(containerd, "killed-noted", &fake.host(), with_outage).await else {
        return;
    };
    let image = setup.image("1");
    setup.push("1", &image);
    let (name, mut dice) = (setup.original("1"), Dice::new());
    for round in 0..6 {
        let pulling = setup.begin("1");
        tokio::time::sleep(dice.millis(120)).await;
        setup.crash().await;
        drop(pulling.await);
        fake.on("/v2/", Behaviour::Status(500));
        match setup.cri.pull(&name).await {
            Ok(id) => assert_eq!(id, image.id(), "round {round}, {dice}"),
            Err(status) => assert!(status.message().starts_with("RegistryUnavailable: "), "{status}"),
        }
        fake.on("/v2/", Behaviour::Forward);
        comes(&setup, &image).await;
        fake.on("/v2/", Behaviour::Status(500));
        assert_eq!(setup.cri.pull(&name).await.unwrap(), image.id(), "round {round}, {dice}");
        fake.on("/v2/", Behaviour::Forward);
        let files = files(&setup.shunt.state_dir());
        assert_eq!(files, ["last-good.json", "lock", "login-key"], "round {round}, {dice}");
        setup.cri.remove(&image.id()).await.unwrap();
    }
}

/// What is in a directory, in order.
fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|file| file.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn a_full_state_directory_fails_no_pull(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    let path = format!("state-full-{}/app", version.line().replace('.', "-"));
    let image = Image::busybox(&path);
    registry.push(&path, "1", &image);
    let name = format!("docker.io/{path}:1");
    // No room, no more files, nothing can be written.
    for options in ["size=4k", "nr_inodes=1", "ro"] {
        let shunt = Shunt::prepare(&with_outage("docker.io", &[&fake.host()]), containerd, &[]);
        let state = shunt.state_dir();
        let Some(full) = Mount::tmpfs(&state, options) else { return };
        if options == "size=4k" {
            std::fs::write(state.join("other"), [0; 4096]).unwrap();
        }
        fake.on("/v2/", Behaviour::Forward);
        shunt.start_again();
        let cri = Cri::connect(&shunt.socket()).await;
        assert_eq!(cri.pull(&name).await.unwrap(), image.id(), "{options}");
        let said = shunt.stderr();
        assert!(said.contains("cannot be the answer when no registry serves"), "{options}: {said}");
        let key = format!("cannot use the key {}", state.join("login-key").display());
        assert!(said.contains(&key) && said.contains("(on-outage)"), "{options}: {said}");
        fake.on("/v2/", Behaviour::Status(500));
        let status = cri.pull(&name).await.unwrap_err();
        assert!(status.message().starts_with("RegistryUnavailable: "), "{options}: {status}");
        // The lock is an empty file.
        let expected: &[&str] = if options == "size=4k" { &["lock", "other"] } else { &[] };
        assert_eq!(files(&state), expected, "{options}");
        // As soon as there is room.
        drop(full);
        fake.on("/v2/", Behaviour::Forward);
        assert_eq!(cri.pull(&name).await.unwrap(), image.id(), "{options}");
        fake.on("/v2/", Behaviour::Status(500));
        assert_eq!(cri.pull(&name).await.unwrap(), image.id(), "{options}: {}", shunt.stderr());
        cri.remove(&image.id()).await.unwrap();
    }
}

/// No other mirror can help, so none is asked, and the image comes as soon as there is room.
async fn a_full_disk_under_containerd_ends_the_pull_and_leaves_nothing(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else {
        return;
    };
    containerd.stop();
    let content = containerd.dir().join("root/io.containerd.content.v1.content");
    let Some(full) = Mount::tmpfs(&content, "size=3m") else { return };
    containerd.start_again();
    let second = Fake::in_front_of(registry.host());
    let host = second.host();
    let with_second = |prefix: &str, mirrors: &[&str]| {
        let second = mirrors[0].replace(registry.host(), &host);
        with_outage(prefix, &[mirrors[0], second.as_str()])
    };
    let Some(setup) = Setup::by(&containerd, "full", registry.host(), with_second).await else { return };
    let image = Image::big(&setup.path, 4);
    setup.push("1", &image);
    let status = setup.cri.pull(&setup.original("1")).await.unwrap_err();
    assert!(status.message().contains("no space left on device"), "{status}");
    assert_eq!(second.records(), [], "{status}");
    // The mirror is not to blame.
    assert!(setup.shunt.status().contains("mirrors down     none"), "{}", setup.shunt.status());
    setup.left(&[]).await;
    full.remount("size=64m");
    comes(&setup, &image).await;
    containerd.stop();
}

on_each_containerd!(
    a_full_disk_under_containerd_ends_the_pull_and_leaves_nothing,
    it_may_be_killed_while_a_mirror_is_mute,
    it_may_be_killed_while_wrong_bytes_come,
    it_may_be_killed_while_a_cache_is_asked_by_a_tag,
    it_may_be_killed_while_a_login_is_noted,
    a_full_state_directory_fails_no_pull,
);
