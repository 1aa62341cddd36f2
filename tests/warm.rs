//! Names with tag and digest at a cache that fetches an image only by its tag: `warm-by-tag`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::process::Command;

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tonic::Code;

/// What a digest costs that is not found: the answer to HEAD has no words.
const MISS: [&str; 2] = ["HEAD digest", "GET digest"];

fn setup(version: Version) -> Option<(&'static Containerd, &'static Registry)> {
    Some((Containerd::shared(version)?, Registry::shared()?))
}

fn warm(prefix: &str, cache: &Fake, others: &[&str]) -> String {
    let mut mirrors = vec![format!("{{ location = \"{}\", warm-by-tag = true }}", cache.host())];
    mirrors.extend(others.iter().map(|other| format!("\"{other}\"")));
    format!("[[policy.rule]]\nprefix = \"{prefix}\"\nmirrors = [{}]\n", mirrors.join(", "))
}

/// The requests for manifests, in their order. containerd's come behind those of the shunt.
fn manifests(fake: &Fake) -> Vec<String> {
    let kind = |path: &str| if path.contains("/manifests/sha256:") { "digest" } else { "tag" };
    let records = fake.records().into_iter().filter(|record| record.path.contains("/manifests/"));
    records.map(|record| format!("{} {}", record.method, kind(&record.path))).collect()
}

async fn a_cache_is_asked_by_the_tag_where_it_does_not_find_the_digest(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let repository = format!("warm/{}", version.line());
    let image = Image::busybox(&format!("warm-{}", version.line()));
    let digest = registry.push(&repository, "1", &image);
    let cache = Fake::in_front_of(registry.host());
    cache.on("/v2/", Behaviour::ByTag("HEAD", 0));
    let name = format!("docker.io/{repository}:1@{digest}");

    // It is not asked so unless its rule says it, and not for a name without a tag.
    let shunt = Shunt::start(&rule("docker.io/warm", &[&cache.host()]), containerd);
    let status = Cri::connect(&shunt.socket()).await.pull(&name).await.unwrap_err();
    assert_eq!((status.code(), manifests(&cache)), (Code::NotFound, MISS.map(str::to_owned).to_vec()));
    drop(shunt);
    cache.forget();
    let shunt = Shunt::start(&warm("docker.io/warm", &cache, &[]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let status = cri.pull(&format!("docker.io/{repository}@{digest}")).await.unwrap_err();
    assert_eq!((status.code(), manifests(&cache)), (Code::NotFound, MISS.map(str::to_owned).to_vec()));
    cache.forget();

    assert_eq!(cri.pull(&name).await.unwrap(), image.id());
    let asked = manifests(&cache);
    let expected = [&MISS[..], &["HEAD tag", "HEAD digest"]].concat();
    assert_eq!(asked[..4], expected, "{asked:?}");
    assert!(!asked[4..].iter().any(|asked| asked.ends_with("tag")), "{asked:?}");
    let known = cri.status(&format!("docker.io/{repository}@{digest}")).await.unwrap().unwrap();
    assert_eq!(known.id, image.id());
    assert_eq!(known.repo_tags, [""; 0], "the tag was not asked for");

    // Now it has the digest.
    let before = asked.len();
    assert_eq!(cri.pull(&name).await.unwrap(), image.id());
    assert!(!manifests(&cache)[before..].iter().any(|asked| asked.ends_with("tag")), "{:?}", cache.records());
}

/// A cache that does nothing for HEAD, and needs a moment after GET.
async fn a_cache_may_need_a_whole_request_and_a_moment(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let repository = format!("warm-late/{}", version.line());
    let image = Image::busybox(&format!("warm-late-{}", version.line()));
    let digest = registry.push(&repository, "1", &image);
    let cache = Fake::in_front_of(registry.host());
    cache.on("/v2/", Behaviour::ByTag("GET", 2));
    let shunt = Shunt::start(&warm("docker.io/warm-late", &cache, &[]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull(&format!("docker.io/{repository}:1@{digest}")).await.unwrap(), image.id());
    let asked = manifests(&cache);
    let expected = [&MISS[..], &["HEAD tag"], &MISS, &["GET tag"], &MISS, &["HEAD digest"]].concat();
    assert_eq!(asked[..expected.len()], expected, "{asked:?}");
}

async fn a_tag_with_another_digest_is_a_failure_of_that_mirror(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let repository = format!("warm-moved/{}", version.line());
    let image = Image::busybox(&format!("warm-moved-{}", version.line()));
    let digest = registry.push(&repository, "1", &image);
    let moved = Image::busybox(&format!("warm-moved-on-{}", version.line()));
    let other = registry.push(&repository, "1", &moved);
    let cache = Fake::in_front_of(registry.host());
    cache.on("/v2/", Behaviour::ByTag("GET", 0));
    let name = format!("docker.io/{repository}:1@{digest}");
    let shunt = Shunt::start(&warm("docker.io/warm-moved", &cache, &[]), containerd);
    let status = Cri::connect(&shunt.socket()).await.pull(&name).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
    let said = format!("{}: its tag 1 is {other}, not {digest}", cache.host());
    assert!(status.message().contains(&said), "{status}");
    assert_eq!(manifests(&cache), [&MISS[..], &["HEAD tag"]].concat());
    drop(shunt);

    // `explain --live` asks in the same way.
    cache.forget();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), warm("docker.io/warm-moved", &cache, &[])).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .args(["explain", "--live", "--config"])
        .arg(config.path())
        .arg(&name)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains(&said) && shown.contains("asked by the tag 1 if it does not find"), "{shown}");
    assert_eq!(manifests(&cache), [&MISS[..], &["HEAD tag"]].concat());

    // The next mirror has it.
    let shunt = Shunt::start(&warm("docker.io/warm-moved", &cache, &[registry.host()]), containerd);
    assert_eq!(Cri::connect(&shunt.socket()).await.pull(&name).await.unwrap(), image.id());
}

on_each_containerd!(
    a_cache_is_asked_by_the_tag_where_it_does_not_find_the_digest,
    a_cache_may_need_a_whole_request_and_a_moment,
    a_tag_with_another_digest_is_a_failure_of_that_mirror,
);
