//! Mirrors that are dead, mute or without the image; and the errors when none is left.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::net::SocketAddr;

use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, listen, socket};
use support::behaviour::Wrong;
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::wait_for;
use tonic::Code;

/// A port on the loopback that drops every packet: its queue of connections is full.
struct BlackHole {
    host: String,
    _sockets: Vec<std::os::fd::OwnedFd>,
}

impl BlackHole {
    fn open() -> BlackHole {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &any).unwrap();
        listen(&listener, 0).unwrap();
        let address: SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let flags = rustix::net::SocketFlags::NONBLOCK;
            let filler =
                rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
            let _ = connect(&filler, &address);
            sockets.push(filler);
        }
        BlackHole { host: address.to_string(), _sockets: sockets }
    }
}

fn config(pull: &str, mirrors: &[&str], rest: &str) -> String {
    format!("[pull]\n{pull}\n{}{rest}", rule("quay.io", mirrors))
}

async fn setup(version: Version) -> Option<(&'static Containerd, &'static Registry)> {
    Some((Containerd::shared(version)?, Registry::shared()?))
}

async fn a_mirror_that_swallows_packets_does_not_hold_a_pull(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let image = Image::busybox("failover-swallow");
    registry.push("swallow/app", "1", &image);
    let hole = BlackHole::open();
    let config = |stall_after: &str| {
        let pull = format!("stall-after = \"{stall_after}\"\nretry-down-after = \"1h\"");
        config(&pull, &[&hole.host, registry.host()], "")
    };
    let shunt = Shunt::start(&config("500ms"), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let pulls = async || {
        assert_eq!(cri.pull("quay.io/swallow/app:1").await.unwrap(), image.id());
        let said = shunt.stderr();
        assert_eq!(said.matches("mirror does not answer").count(), 1, "{said}");
        assert_eq!(said.matches("unreachable").count(), 1, "{said}");
    };
    pulls().await;
    // The second pull does not try it first. The mirror that is first then may take as long as it needs.
    shunt.reload(&config("1h"), containerd);
    shunt.says("new policy loaded");
    pulls().await;
}

/// `stall-after` bounds the question whether a mirror has the image, as long as another one is left to ask.
async fn a_mute_mirror_is_waited_for_only_where_it_is_the_last(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let image = Image::busybox("failover-mute");
    registry.push("mute/app", "1", &image);
    let mute = Fake::in_front_of(registry.host());
    mute.on("/v2/", Behaviour::Held);
    let rules = [("quay.io", &[&mute.host(), registry.host()][..]), ("alone.dev", &[&mute.host()])]
        .map(|(prefix, mirrors)| rule(prefix, mirrors) + "collapse = true\n")
        .concat();
    let shunt = Shunt::start(&format!("[pull]\nstall-after = \"300ms\"\n{rules}"), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let alone = tokio::spawn(async move { cri.pull("alone.dev/mute/app:1").await });
    let asked = async || !mute.records().is_empty() || alone.is_finished();
    assert!(support::wait_for(asked).await, "{}", shunt.stderr());
    // This takes longer than the time in question.
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("quay.io/mute/app:1").await.unwrap(), image.id());
    assert!(shunt.stderr().contains("mirror does not answer"), "{}", shunt.stderr());
    assert!(!alone.is_finished(), "{}", shunt.stderr());
    mute.on("/v2/", Behaviour::Forward);
    assert_eq!(alone.await.unwrap().unwrap(), image.id());
}

async fn all_that_do_not_answer_make_one_known_reason(version: Version) {
    let Some((containerd, _)) = setup(version).await else { return };
    let shunt = Shunt::start(&config("", &["127.0.0.1:1", "127.0.0.1:2/p"], ""), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let status = cri.pull("quay.io/none/app:1").await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    let begins = "RegistryUnavailable: quay.io/none/app:1: none of the 2 mirrors of rule \"quay.io\" (";
    assert!(status.message().starts_with(begins), "{status}");
    for part in ["[1] cannot connect to 127.0.0.1:1: ", "; [2] cannot connect to 127.0.0.1:2: "] {
        assert!(status.message().contains(part), "{status}");
    }
}

/// Pulls `name:1`, which comes from `good`. While the layer is awaited, the manifest is removed.
async fn removed_once(containerd: &Containerd, shunt: &Shunt, good: &Fake, name: &str, image: &Image) {
    let (_, path) = name.trim_end_matches(":1").split_once('/').unwrap();
    let layer = format!("/v2/{path}/blobs/{}", image.last_layer());
    good.on(&layer, Behaviour::Held);
    let (cri, name) = (Cri::connect(&shunt.socket()).await, name.to_owned());
    let pulled = tokio::spawn(async move { cri.pull(&name).await });
    let is_asked = || good.records().iter().any(|record| record.path.starts_with(&layer));
    assert!(wait_for(async || is_asked()).await, "{}", shunt.stderr());
    Native::connect(&containerd.socket()).await.delete_content(&image.digest()).await;
    good.on(&layer, Behaviour::Forward);
    let id = pulled.await.unwrap().unwrap_or_else(|error| panic!("{error} {}", shunt.stderr()));
    assert_eq!(id, image.id());
    assert!(shunt.stderr().contains("pulling once more"), "{}", shunt.stderr());
}

/// Something removes what was fetched before it has its name, so the pull begins again. By then the dead mirror is behind
/// the others and not asked. The one without the image, which is in the list in two ways, is asked a second time in each.
async fn who_failed_before_a_pull_began_again_is_named_once(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let path = format!("again/app-{}", version.line());
    let image = Image::with_own_layers(&path, 1);
    registry.push(&path, "1", &image);
    let (without, good) = (Fake::start(), Fake::in_front_of(registry.host()));
    let (without, good_host) = (without.host(), good.host());
    let shunt = Shunt::start(
        &format!(
            r#"
            [pull]
            stall-after = "0s"
            retry-down-after = "1h"
            [[policy.rule]]
            prefix = "quay.io"
            mirrors = [
                "127.0.0.1:1", "{without}", {{ location = "{without}", api-root = "/other/v2" }}, "{good_host}",
            ]
            "#
        ),
        containerd,
    );
    removed_once(containerd, &shunt, &good, &format!("quay.io/{path}:1"), &image).await;
    let log = shunt.stderr();
    let tried = format!("tried=\"127.0.0.1:1 unreachable, {without} not-found, {without} not-found\"");
    assert!(log.contains(&tried), "{tried}: {log}");
}

/// The same with a pull that goes on as it came: without a rule, and from the registry of the name itself.
async fn a_pull_that_goes_on_as_it_came_begins_again_too(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    for rest in ["", "origin = \"last\"\n"] {
        let path = format!("again/as-it-came-{}-{}", rest.len(), version.line());
        let image = Image::with_own_layers(&path, 1);
        registry.push(&path, "1", &image);
        let good = Fake::in_front_of(registry.host());
        let rule = format!("{}{rest}", rule(&good.host(), &["127.0.0.1:1"]));
        let shunt = Shunt::start(if rest.is_empty() { rest } else { &rule }, containerd);
        removed_once(containerd, &shunt, &good, &format!("{}/{path}:1", good.host()), &image).await;
    }
}

async fn the_most_telling_failure_gives_the_code(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let strict = Fake::in_front_of(registry.host());
    strict.on("/v2/", Behaviour::Status(403));
    let shunt = Shunt::start(&config("", &["127.0.0.1:1", registry.host(), &strict.host()], ""), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let status = cri.pull("quay.io/telling/app:1").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(!status.message().starts_with("RegistryUnavailable"), "{status}");
    assert!(status.message().contains("403"), "{status}");
    let shunt = Shunt::start(&config("", &[registry.host()], ""), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let status = cri.pull("quay.io/telling/app:1").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let said = format!("did not serve it: [1] {}: not found; details: ", registry.host());
    assert!(status.message().contains(&said), "{status}");
}

async fn a_registry_that_answers_is_not_put_behind(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let image = Image::busybox("failover-answers");
    registry.push("answers/app", "1", &image);
    let first = Fake::in_front_of(registry.host());
    first.on("/v2/answers/app/manifests/", Behaviour::Status(404));
    let shunt = Shunt::start(&config("", &[&first.host(), registry.host()], ""), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("quay.io/answers/app:1").await.unwrap(), image.id());
    first.forget();
    assert_eq!(cri.pull("quay.io/answers/app:1").await.unwrap(), image.id());
    assert_ne!(first.records(), [], "it is asked first again");
    cri.remove(&image.id()).await.unwrap();
}

async fn the_origin_is_last_where_the_rule_says_so(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let image = Image::busybox("failover-origin");
    registry.push("origin/app", "1", &image);
    let origin = Fake::in_front_of(registry.host());
    let rule = rule(&origin.host(), &["127.0.0.1:1"]);
    let shunt = Shunt::start(&format!("{rule}origin = \"last\"\n"), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = format!("{}/origin/app:1", origin.host());
    assert_eq!(cri.pull(&name).await.unwrap(), image.id());
    let verbose = cri.status_verbose(&name, true).await.unwrap();
    let info: serde_json::Value = serde_json::from_str(&verbose.info["cri-shunt"]).unwrap();
    assert_eq!(info["registry"], origin.host().as_str());
    cri.remove(&name).await.unwrap();
    origin.forget();
    shunt.reload(&rule, containerd);
    let refused = support::wait_for(async || cri.pull(&name).await.is_err()).await;
    assert!(refused, "{}", shunt.stderr());
    origin.forget();
    cri.pull(&name).await.unwrap_err();
    assert_eq!(origin.records(), [], "never, unless the rule says so");
}

/// It says that it has the image, and then shows nothing of it.
async fn a_mirror_that_is_mute_about_the_manifest_does_not_hold_a_pull(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let image = Image::busybox("failover-manifest");
    registry.push("mute-manifest/app", "1", &image);
    let fake = Fake::in_front_of(registry.host());
    fake.on("/v2/mute-manifest/app/manifests/sha256:", Behaviour::Silent);
    let shunt =
        Shunt::start(&config("stall-after = \"500ms\"", &[&fake.host(), registry.host()], ""), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("quay.io/mute-manifest/app:1").await.unwrap(), image.id());
    assert!(shunt.stderr().contains(&format!("tried=\"{} unreachable\"", fake.host())), "{}", shunt.stderr());
    cri.remove(&image.id()).await.unwrap();
}

/// What a mirror does for which it is tried after the others; and then it is well.
async fn a_mirror_that_fails_is_tried_after_the_others(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let page: &[(&str, &str)] = &[("Content-Type", "text/html"), ("Docker-Content-Digest", "")];
    let path = format!("after-{}/app", version.line().replace('.', "-"));
    let (all, manifests, blobs) =
        (format!("/v2/{path}/"), format!("/v2/{path}/manifests/"), format!("/v2/{path}/blobs/"));
    let rows = [
        ("/v2/", Behaviour::Status(500), "mirror answers with errors"),
        ("/v2/", Behaviour::Status(503), "mirror answers with errors"),
        (manifests.as_str(), Behaviour::With(200, page), "mirror does not give what it says it has"),
        (
            all.as_str(),
            Behaviour::Raw("HTTP/1.1 200 O".to_owned()),
            "mirror does not give what it says it has",
        ),
        (blobs.as_str(), Behaviour::Wrong(Wrong::Byte), "mirror does not give what it says it has"),
    ];
    for (number, (prefix, behaviour, said)) in rows.into_iter().enumerate() {
        let images = ["a", "b"].map(|tag| {
            let image = Image::busybox(&format!("failover-after-{number}-{tag}-{}", version.line()));
            registry.push(&path, tag, &image);
            image
        });
        let first = Fake::in_front_of(registry.host());
        first.on(prefix, behaviour);
        let config = config("retry-down-after = \"1h\"", &[&first.host(), registry.host()], "");
        let shunt = Shunt::start(&config, containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        assert_eq!(cri.pull(&format!("quay.io/{path}:a")).await.unwrap(), images[0].id());
        assert!(shunt.stderr().contains(said), "{}", shunt.stderr());
        assert!(shunt.status().contains(&first.host()), "{}", shunt.status());
        first.forget();
        assert_eq!(cri.pull(&format!("quay.io/{path}:b")).await.unwrap(), images[1].id());
        assert_eq!(first.records(), [], "{said}");
        for image in images {
            cri.remove(&image.id()).await.unwrap();
        }
    }
}

/// Both hold the image; only how fast they answer differs.
async fn the_fastest_mirror_is_tried_first_where_the_rule_says_so(version: Version) {
    let Some((containerd, registry)) = setup(version).await else { return };
    let image = Image::busybox("failover-fastest");
    registry.push("fastest/app", "1", &image);
    for (order, is_first) in [("", true), ("order = \"fixed\"\n", true), ("order = \"fastest\"\n", false)] {
        let [slow, fast] = [(); 2].map(|()| Fake::in_front_of(registry.host()));
        slow.on("/v2/", Behaviour::Held);
        let other = rule("fast.dev", &[&fast.host()]) + "collapse = true\n";
        let rest = format!("collapse = true\n{order}{other}");
        let config = config("stall-after = \"1h\"", &[&slow.host(), &fast.host()], &rest);
        let shunt = Shunt::start(&config, containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        let pulling = tokio::spawn(async move { cri.pull("quay.io/fastest/app:1").await });
        assert!(support::wait_for(async || !slow.records().is_empty() || pulling.is_finished()).await);
        // While the one is still asked, the other has answered.
        let cri = Cri::connect(&shunt.socket()).await;
        assert_eq!(cri.pull("fast.dev/fastest/app:1").await.unwrap(), image.id());
        slow.on("/v2/", Behaviour::Forward);
        assert_eq!(pulling.await.unwrap().unwrap(), image.id());
        slow.forget();
        fast.forget();
        for _ in 0..3 {
            assert_eq!(cri.pull("quay.io/fastest/app:1").await.unwrap(), image.id());
        }
        assert_eq!((!slow.records().is_empty(), fast.records().is_empty()), (is_first, is_first), "{order}");
        cri.remove(&image.id()).await.unwrap();
    }
}

on_each_containerd!(
    the_fastest_mirror_is_tried_first_where_the_rule_says_so,
    a_mirror_that_fails_is_tried_after_the_others,
    a_mirror_that_is_mute_about_the_manifest_does_not_hold_a_pull,
    a_mirror_that_swallows_packets_does_not_hold_a_pull,
    a_mute_mirror_is_waited_for_only_where_it_is_the_last,
    all_that_do_not_answer_make_one_known_reason,
    who_failed_before_a_pull_began_again_is_named_once,
    a_pull_that_goes_on_as_it_came_begins_again_too,
    the_most_telling_failure_gives_the_code,
    a_registry_that_answers_is_not_put_behind,
    the_origin_is_last_where_the_rule_says_so,
);
