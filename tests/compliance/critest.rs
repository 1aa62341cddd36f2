//! What cri-tools' critest asks of an image service, with images of our own.
//!
//! Directly, `docker.io/critest/…` comes from the loopback registry by a `hosts.toml`; through the shunt it comes from
//! another path there, by a rule that rewrites it. Each expectation holds on both sides, and the answers are the same.
//! Source: kubernetes-sigs/cri-tools v1.36.0 pkg/validate (image.go, image_consistency.go, image_id_consistency.go,
//! idempotence.go). Its test images are remote, and the program is not packaged by Debian, so the cases are told here in
//! our words.

use std::sync::OnceLock;

use crate::pulls::{pull, remove, status};
use crate::sides::{Side, Sides};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::shunt::rule as rule_for;

/// Where the rule has images of `docker.io/critest` from, below the registry's host.
const MIRRORED: &str = "mirrored/rewritten";

/// The rule that the shunt has.
pub fn rule(registry: &Registry) -> String {
    let rule = rule_for("docker.io/critest", &[&format!("{}/mirrored", registry.host())]);
    format!("{rule}rewrite = [{{ match = \"^critest/\", replace = \"rewritten/\" }}]\n")
}

/// Shows that the shunt has the rule's images from the rule's place, without which the other cases compare nothing.
pub async fn the_rule_is_what_the_shunt_pulls_by(sides: &Sides) {
    let Some(through) = sides.through_a_shunt() else { return };
    let repository = "critest/by-rule";
    push(sides, repository, "1", &Image::busybox(repository));
    let name = name(repository, "1");
    through.cri.pull(&name).await.unwrap();
    let verbose = through.cri.status_verbose(&name, true).await.unwrap();
    let info: serde_json::Value = serde_json::from_str(&verbose.info["cri-shunt"]).unwrap();
    let reference = info["reference"].as_str().unwrap();
    assert!(reference.starts_with(&format!("{}/{MIRRORED}/by-rule", sides.registry.host())), "{info}");
    through.cri.remove(&name).await.unwrap();
}

/// Stores an image where each side finds it.
fn push(sides: &Sides, repository: &str, tag: &str, image: &Image) {
    // Once: a case that pulls meanwhile would find half a file.
    static LED: [OnceLock<()>; 3] = [const { OnceLock::new() }; 3];
    LED[sides.version() as usize]
        .get_or_init(|| sides.containerd.host_is("docker.io", sides.registry.host()));
    sides.registry.push(repository, tag, image);
    sides.registry.push(&repository.replacen("critest", MIRRORED, 1), tag, image);
}

fn name(repository: &str, tag: &str) -> String {
    format!("docker.io/{repository}:{tag}")
}

async fn listed(side: &Side, id: &str) -> Vec<k8s_cri::v1::Image> {
    let mut images = side.cri.list().await.unwrap();
    images.retain(|image| image.id == id);
    images
}

pub async fn repo_tags_and_digests_are_what_was_pulled(sides: &Sides) {
    let repository = "critest/names";
    let image = Image::busybox(repository);
    for tag in ["test", "latest"] {
        push(sides, repository, tag, &image);
    }
    let name = format!("docker.io/{repository}");
    let by_digest = format!("{name}@{}", image.digest());
    let cases = [
        (format!("{name}:test"), vec![format!("{name}:test")]),
        (name.clone(), vec![format!("{name}:latest")]),
        (by_digest.clone(), vec![]),
    ];
    sides
        .story(async |side| {
            for (asked, tags) in &cases {
                pull(side, asked).await;
                let found = side.cri.status(asked).await.unwrap().expect("it was pulled");
                assert_eq!(
                    (&found.repo_tags, &found.repo_digests),
                    (tags, &vec![by_digest.clone()]),
                    "{asked}"
                );
                side.note("status", &found);
                assert_eq!(listed(side, &image.id()).await, [found]);
                remove(side, asked).await;
                assert!(!side.cri.has(asked).await);
            }
        })
        .await;
}

pub async fn status_is_the_same_by_every_name(sides: &Sides) {
    let repository = "critest/every-name";
    let image = Image::busybox(repository);
    push(sides, repository, "all", &image);
    sides
        .story(async |side| {
            let name = name(repository, "all");
            pull(side, &name).await;
            let found = side.cri.status(&name).await.unwrap().unwrap();
            let names =
                [vec![found.id.clone()], found.repo_tags.clone(), found.repo_digests.clone()].concat();
            assert_eq!(names.len(), 3);
            for name in names {
                assert_eq!(side.cri.status(&name).await.unwrap().as_ref(), Some(&found), "{name}");
                status(side, &name).await;
            }
            remove(side, &name).await;
        })
        .await;
}

pub async fn user_ids_and_names(sides: &Sides) {
    let users = [
        ("1002", Some(1002), ""),
        ("www-data", None, "www-data"),
        ("1003:1004", Some(1003), ""),
        ("ann:users", None, "ann"),
    ];
    for (number, (user, uid, username)) in users.into_iter().enumerate() {
        let repository = format!("critest/user-{number}");
        let image = Image::busybox(&repository).with_user(user);
        push(sides, &repository, "1", &image);
        sides
            .story(async |side| {
                let name = name(&repository, "1");
                pull(side, &name).await;
                let found = side.cri.status(&name).await.unwrap().unwrap();
                assert_eq!(
                    (found.uid.as_ref().map(|uid| uid.value), found.username.as_str()),
                    (uid, username),
                    "{user}"
                );
                status(side, &name).await;
                remove(side, &name).await;
            })
            .await;
    }
}

/// Pulls three tags of one image and gives their names.
async fn three(sides: &Sides, side: &Side, repository: &str, image: &Image) -> [String; 3] {
    let names = ["1", "2", "3"].map(|tag| name(repository, tag));
    for (name, tag) in names.iter().zip(["1", "2", "3"]) {
        push(sides, repository, tag, image);
        pull(side, name).await;
    }
    names
}

pub async fn three_tags_of_one_image(sides: &Sides) {
    let image = Image::busybox("critest/three-tags");
    sides
        .story(async |side| {
            let names = three(sides, side, "critest/three-tags", &image).await;
            let images = listed(side, &image.id()).await;
            assert_eq!(images.len(), 1, "one entry in the list");
            assert_eq!(images[0].repo_tags, names);
            side.note("listed", images);
            remove(side, &image.id()).await;
        })
        .await;
}

pub async fn removing_one_tag_removes_all(sides: &Sides) {
    let image = Image::busybox("critest/one-for-all");
    sides
        .story(async |side| {
            let names = three(sides, side, "critest/one-for-all", &image).await;
            remove(side, &names[1]).await;
            for name in &names {
                assert!(!side.cri.has(name).await, "{name}");
                status(side, name).await;
            }
            assert!(listed(side, &image.id()).await.is_empty());
        })
        .await;
}

pub async fn removing_by_one_registry_removes_the_other(sides: &Sides) {
    let repository = "critest/two-registries";
    let image = Image::busybox(repository);
    push(sides, repository, "1", &image);
    sides.containerd.host_is("two.example", sides.registry.host());
    sides
        .story(async |side| {
            let names = [name(repository, "1"), format!("two.example/{repository}:1")];
            for name in &names {
                pull(side, name).await;
            }
            let found = side.cri.status(&names[0]).await.unwrap().unwrap();
            assert_eq!((found.repo_tags.len(), found.repo_digests.len()), (2, 2));
            side.note("one image of two registries", found);
            remove(side, &names[0]).await;
            status(side, &names[1]).await;
            assert!(!side.cri.has(&names[1]).await);
        })
        .await;
}

pub async fn gone_at_once_after_removal(sides: &Sides) {
    let image = Image::busybox("critest/gone");
    push(sides, "critest/gone", "test", &image);
    sides
        .story(async |side| {
            let name = name("critest/gone", "test");
            for _ in 0..5 {
                pull(side, &name).await;
                assert_eq!(listed(side, &image.id()).await.len(), 1, "listed right after the pull");
                remove(side, &name).await;
                assert_eq!(listed(side, &image.id()).await.len(), 0, "not listed right after the removal");
            }
        })
        .await;
}

pub async fn concurrent_removals_all_succeed(sides: &Sides) {
    let image = Image::busybox("critest/concurrent");
    push(sides, "critest/concurrent", "test", &image);
    sides
        .story(async |side| {
            pull(side, &name("critest/concurrent", "test")).await;
            let id = image.id();
            let answers = futures_util::future::join_all((0..5).map(|_| side.cri.remove(&id))).await;
            side.note("five removals", answers.iter().map(Result::is_ok).collect::<Vec<_>>());
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            status(side, &id).await;
        })
        .await;
}

pub async fn image_ref_is_the_id(sides: &Sides) {
    let repository = "critest/image-ref";
    let image = Image::busybox(repository);
    push(sides, repository, "1", &image);
    push(sides, repository, "index", &Image::index(image.clone()));
    sides
        .story(async |side| {
            for tag in ["1", "index"] {
                let name = name(repository, tag);
                let image_ref = side.cri.pull(&name).await.unwrap();
                assert_eq!(
                    (&image_ref, &side.cri.status(&name).await.unwrap().unwrap().id),
                    (&image.id(), &image_ref)
                );
                side.note("image_ref", image_ref);
            }
            remove(side, &image.id()).await;
        })
        .await;
}

pub async fn removing_the_unknown_is_fine(sides: &Sides) {
    sides
        .story(async |side| {
            side.cri.remove("critest.example/no/such:image").await.unwrap();
            remove(side, "critest.example/no/such:image").await;
            remove(side, &format!("sha256:{}", "0".repeat(64))).await;
        })
        .await;
}
