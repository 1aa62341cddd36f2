//! What registries see of a pull, counted at registries that record: no more than they see of containerd itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::Code;

/// How often requests are counted, at most.
const ATTEMPTS: usize = 5;

fn setup(version: Version) -> Option<(&'static Containerd, &'static Registry)> {
    Some((Containerd::shared(version)?, Registry::shared()?))
}

/// The requests that a registry saw, without what differs from image to image: `HEAD manifest`, sorted.
fn kinds(fake: &Fake) -> Vec<String> {
    let kind = |path: &str| {
        let kinds = [("/manifests/sha256", "by digest"), ("/manifests/", "by tag"), ("/blobs/", "blob")];
        kinds.iter().find(|(part, _)| path.contains(part)).map_or("token", |(_, kind)| kind)
    };
    let records = fake.records().into_iter();
    let mut kinds: Vec<String> =
        records.map(|record| format!("{} {}", record.method, kind(&record.path))).collect();
    kinds.sort();
    kinds
}

async fn a_pull_costs_one_question_more_than_containerds_own(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let direct = Cri::connect(&containerd.socket()).await;
    // The layer that all images have.
    registry.push("requests/base", "1", &Image::busybox("requests-base"));
    direct.pull(&registry.name("requests/base", "1")).await.unwrap();
    for (is_index, wants_token) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut compared = Err(String::new());
        // A garbage collection of containerd's in between can remove the manifests that the shunt has added for the
        // pull, which are then fetched again.
        for attempt in 0..ATTEMPTS {
            let repository = format!("requests/{}-{is_index}-{wants_token}-{attempt}", version.line());
            compared = compare(containerd, &repository, is_index, wants_token).await;
            if compared.is_ok() {
                break;
            }
        }
        assert_eq!(compared, Ok(()), "index {is_index}, token {wants_token}");
    }
}

/// Pulls one image past the shunt and another of the same shape through it, and compares the requests.
async fn compare(
    containerd: &Containerd,
    repository: &str,
    is_index: bool,
    wants_token: bool,
) -> Result<(), String> {
    let registry = Registry::shared().unwrap();
    let fakes = ["direct", "through"].map(|tag| {
        let image = Image::big(&format!("{repository}-{tag}"), 1);
        registry.push(repository, tag, &if is_index { Image::index(image) } else { image });
        let fake = Fake::in_front_of(registry.host());
        if wants_token {
            fake.on("/v2/", Behaviour::Bearer("", ""));
        }
        fake
    });
    let direct = Cri::connect(&containerd.socket()).await;
    direct.pull(&format!("{}/{repository}:direct", fakes[0].host())).await.unwrap();
    let shunt = Shunt::start(&rule("docker.io/requests", &[&fakes[1].host()]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    cri.pull(&format!("docker.io/{repository}:through")).await.unwrap();
    let [own, through] = fakes.each_ref().map(kinds);
    let of = |kinds: &[String], what: &str| kinds.iter().filter(|kind| kind.starts_with(what)).count();
    let content = |kinds: &[String]| of(kinds, "GET by") + of(kinds, "GET blob");
    let tokens = |kinds: &[String]| of(kinds, "GET token") + of(kinds, "POST token");
    // Where a token is wanted, a first question without one tells so.
    let (heads, token) = if wants_token { (2, 1) } else { (1, 0) };
    let is_right = of(&through, "HEAD") <= of(&own, "HEAD") + heads
        && content(&through) <= content(&own)
        && tokens(&through) <= tokens(&own) + token;
    if is_right { Ok(()) } else { Err(format!("directly {own:#?}\nthrough {through:#?}")) }
}

async fn a_mirror_without_the_image_is_asked_for_nothing_else(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let image = Image::busybox(&format!("requests-second-{}", version.line()));
    registry.push("second/app", "1", &image);
    let (lacks, has) = (Fake::start(), Fake::in_front_of(registry.host()));
    let shunt = Shunt::start(&rule("docker.io/second", &[&lacks.host(), &has.host()]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for pulls in 1..3 {
        assert_eq!(cri.pull("docker.io/second/app:1").await.unwrap(), image.id());
        // The answer to HEAD has no words.
        assert_eq!(kinds(&lacks), [vec!["GET by tag"; pulls], vec!["HEAD by tag"; pulls]].concat());
    }
    assert!(!kinds(&has).is_empty());
}

/// A pod's author may name an image whose index has tens of thousands of entries.
async fn only_what_containerd_would_run_is_looked_at(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let path = format!("requests/wide-{}", version.line());
    let image = Image::index(Image::busybox(&path));
    registry.push(&path, "1", &image);
    for (machine, is_served) in [("s390x", true), (support::image::architecture(), false)] {
        let index = image.wide_index(18_000, machine);
        assert!((3 << 20..4 << 20).contains(&index.len()), "{}", index.len());
        let fake = Fake::in_front_of(registry.host());
        let digest = support::image::digest(&index);
        for reference in ["1", &digest] {
            let index = Arc::new(index.clone());
            fake.on(&format!("/v2/{path}/manifests/{reference}"), Behaviour::Index(index));
        }
        let shunt = Shunt::start(&rule("docker.io/requests", &[&fake.host()]), containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        let pulled = cri.pull(&format!("docker.io/{path}:1")).await;
        let asked = fake.records().iter().filter(|record| record.path.contains("/manifests/")).count();
        assert!(asked < 30, "{asked}");
        if is_served {
            assert_eq!(pulled.unwrap(), image.id());
            cri.remove(&image.id()).await.unwrap();
        } else {
            let status = pulled.unwrap_err();
            assert!(
                status.message().contains("is not a manifest") || status.message().contains("not found"),
                "{status}"
            );
        }
    }
}

async fn a_layer_from_elsewhere_is_refused_unless_the_rule_allows_it(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let line = version.line();
    let plain = Image::big(&format!("requests-foreign-{line}"), 1);
    registry.push("foreign/app", "plain", &plain);
    let foreign = Fake::in_front_of(registry.host());
    let url = format!("http://{}/v2/foreign/app/blobs/{}", foreign.host(), plain.last_layer());
    let image = Image::index(plain.with_layer_at(&url));
    registry.push("foreign/app", "1", &image);
    let rule = rule("docker.io/foreign", &[registry.host()]);
    let shunt = Shunt::start(&rule, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let status = cri.pull("docker.io/foreign/app:1").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    for part in ["docker.io/foreign/app:1", &foreign.host(), "foreign-urls = true"] {
        assert!(status.message().contains(part), "{part}: {status}");
    }
    assert_eq!((foreign.records(), foreign.knocks()), (vec![], 0));
    assert!(!cri.has("docker.io/foreign/app:1").await);

    let allowing = Shunt::start(&format!("{rule}foreign-urls = true\n"), containerd);
    let cri = Cri::connect(&allowing.socket()).await;
    assert_eq!(cri.pull("docker.io/foreign/app:1").await.unwrap(), image.id());
    assert!(!foreign.records().is_empty(), "containerd takes the layer from there");
}

async fn nobody_can_ask_at_a_private_host(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let image = Image::busybox(&format!("requests-outside-{}", version.line()));
    let app = format!("outside/{}", version.line());
    registry.push(&app, "1", &image);
    let rules = ["outside", "long"].map(|path| rule(&format!("docker.io/{path}"), &[registry.host()]));
    let shunt = Shunt::start(&rules.concat(), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    cri.pull(&format!("docker.io/{app}:1")).await.unwrap();
    let files = std::fs::read_dir(containerd.certs_d()).unwrap().flatten();
    let mut hosts: Vec<String> = files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".cri-shunt.invalid"))
        .collect();
    assert!(!hosts.is_empty());
    hosts.push("zzz.any.cri-shunt.invalid".to_owned());
    let asked = || registry.requests().into_iter().filter(|asked| asked.path.contains(&app)).count();
    let before = asked();
    for host in hosts {
        for name in [format!("{host}/{app}:1"), format!("{host}/{app}@{}", image.digest())] {
            let status = cri.pull(&name).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert!(status.message().contains("no image can be asked for there"), "{status}");
        }
    }
    assert_eq!(asked(), before);
    // Its own name is not too long, but with the private host it is.
    let path = format!("long/{}", "a".repeat(220));
    registry.push(&path, "1", &image);
    let status = cri.pull(&format!("docker.io/{path}:1")).await.unwrap_err();
    assert!(status.message().contains("would be longer than 255 bytes"), "{status}");
}

/// How many pulls there are, and how many of them at once.
const PULLS: usize = 150;
const AT_ONCE: usize = 6;
const TAGS: [&str; 3] = ["1", "2", "3"];

async fn mirrors_may_disagree_and_one_of_them_fail_often(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else { return };
    let mut ids = Vec::new();
    for tag in TAGS {
        for mirror in ["one", "two"] {
            let image = Image::busybox(&format!("disagree-{mirror}-{tag}"));
            registry.push(&format!("{mirror}/disagree/app"), tag, &image);
            ids.push(image.id());
        }
    }
    let flaky = Fake::in_front_of(registry.host());
    flaky.on("/v2/", Behaviour::Flaky(4, 500));
    let mirrors = [format!("{}/one", flaky.host()), format!("{}/two", registry.host())];
    // The one that fails stays the first to be tried.
    let config = format!(
        "[pull]\nretry-down-after = \"1ms\"\n{}",
        rule("docker.io/disagree", &[&mirrors[0], &mirrors[1]])
    );
    let shunt = Shunt::start(&config, &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut pulls = JoinSet::new();
    for number in 0..PULLS {
        let (cri, slots) = (cri.clone(), slots.clone());
        let tag = TAGS[number % TAGS.len()];
        pulls.spawn(async move {
            let _slot = slots.acquire_owned().await.unwrap();
            cri.pull(&format!("docker.io/disagree/app:{tag}")).await
        });
    }
    // The second mirror never fails, so every pull has where to go.
    for pulled in pulls.join_all().await {
        let id = pulled.unwrap_or_else(|status| panic!("{status}\n{}", shunt.stderr()));
        assert!(ids.contains(&id), "{id}");
    }
    let said = shunt.stderr();
    assert!(!said.contains("did not show the image"), "{said}");
}

on_each_containerd!(
    only_what_containerd_would_run_is_looked_at,
    a_pull_costs_one_question_more_than_containerds_own,
    a_mirror_without_the_image_is_asked_for_nothing_else,
    a_layer_from_elsewhere_is_refused_unless_the_rule_allows_it,
    nobody_can_ask_at_a_private_host,
    mirrors_may_disagree_and_one_of_them_fail_often,
);
