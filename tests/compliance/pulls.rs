//! Pulls and removals: stories, for they change what is there.
//!
//! Both sides must get the same answers on the way.

use crate::images::{ODD, STATUS};
use crate::sides::{Side, Sides};
use crate::support::cri::{spec, user_and_password};
use crate::support::fake::{Behaviour, Fake, basic};
use crate::support::image::Image;
use k8s_cri::v1::{AuthConfig, ImageStatusRequest, PullImageRequest, RemoveImageRequest};

pub const PULL: &str = "/runtime.v1.ImageService/PullImage";
pub const REMOVE: &str = "/runtime.v1.ImageService/RemoveImage";

pub async fn pull(side: &Side, image: &str) {
    pull_with(side, image, None).await;
}

async fn pull_with(side: &Side, image: &str, auth: Option<AuthConfig>) {
    side.call(PULL, &PullImageRequest { image: Some(spec(image)), auth, sandbox_config: None }).await;
}

pub async fn status(side: &Side, image: &str) {
    side.call(STATUS, &ImageStatusRequest { image: Some(spec(image)), verbose: false }).await;
}

pub async fn remove(side: &Side, image: &str) {
    side.call(REMOVE, &RemoveImageRequest { image: Some(spec(image)) }).await;
}

pub async fn by_tag_digest_and_default(sides: &Sides) {
    let repository = "compliance/pulls";
    let image = Image::busybox(repository);
    let moved = image.clone().with_annotation("moved", "yes");
    let index = Image::index(Image::busybox("compliance/pulls-index"));
    for (tag, image) in [("1", &image), ("latest", &image), ("moved", &moved), ("index", &index)] {
        sides.registry.push(repository, tag, image);
    }
    let name = format!("{}/{repository}", sides.registry.host());
    let digest = image.digest();
    let forms = [
        format!("{name}:1"),
        format!("{name}@{digest}"),
        name.clone(),
        format!("{name}:1@{digest}"),
        format!("{name}:gone@{digest}"),
        format!("{name}:moved"),
        format!("{name}:index"),
    ];
    sides
        .story(async |side| {
            for form in &forms {
                pull(side, form).await;
                status(side, form).await;
                status(side, &image.id()).await;
            }
            pull(side, &forms[0]).await;
            for image in [&image, &index] {
                remove(side, &image.id()).await;
                status(side, &image.id()).await;
            }
        })
        .await;
}

pub async fn of_what_is_not_there(sides: &Sides) {
    let image = Image::busybox("compliance/absent");
    sides.registry.push("compliance/absent", "1", &image);
    let host = sides.registry.host();
    let absent = format!("{host}/compliance/absent@sha256:{}", "0".repeat(64));
    sides
        .story(async |side| {
            pull(side, &format!("{host}/compliance/absent:2")).await;
            pull(side, &format!("{host}/compliance/no-such-repository:1")).await;
            pull(side, &absent).await;
            // A port that nothing listens on.
            pull(side, "127.0.0.1:1/x/y:1").await;
            for odd in ODD {
                // What looks like a name of Docker Hub is refused by the testbed's proxy.
                pull(side, odd).await;
            }
            pull(side, &image.id()).await;
            pull(side, &image.id()[7..]).await;
        })
        .await;
}

pub async fn from_registries_that_refuse(sides: &Sides) {
    let image = Image::busybox("compliance/refused");
    sides.registry.push("compliance/refused", "1", &image);
    let fake = Fake::in_front_of(sides.registry.host());
    let name = format!("{}/compliance/refused:1", fake.host());
    sides
        .story(async |side| {
            for status in [400, 401, 403, 404, 410] {
                fake.on("/v2/", Behaviour::Status(status));
                pull(side, &name).await;
            }
            fake.on("/v2/", Behaviour::Forward);
            fake.on("/v2/compliance/refused/blobs/", Behaviour::Status(403));
            pull(side, &name).await;
            fake.on("/v2/compliance/refused/blobs/", Behaviour::Forward);
            pull(side, &name).await;
            remove(side, &name).await;
        })
        .await;
}

pub async fn with_credentials(sides: &Sides) {
    let image = Image::busybox("compliance/private");
    sides.registry.push("compliance/private", "1", &image);
    for demand in [Behaviour::Basic("ann", "hush-of-ann"), Behaviour::Bearer("ann", "hush-of-ann")] {
        let fake = Fake::in_front_of(sides.registry.host());
        fake.on("/v2/", demand);
        let name = format!("{}/compliance/private:1", fake.host());
        let elsewhere = AuthConfig {
            server_address: "https://elsewhere.example".to_owned(),
            ..user_and_password("ann", "hush-of-ann")
        };
        let encoded = basic("ann", "hush-of-ann").trim_start_matches("Basic ").to_owned();
        let encoded = AuthConfig { auth: encoded, ..AuthConfig::default() };
        let broken = AuthConfig { auth: "!".to_owned(), ..AuthConfig::default() };
        sides
            .story(async |side| {
                fake.forget();
                for auth in [None, Some(AuthConfig::default()), Some(user_and_password("ann", "hush-wrong"))]
                {
                    pull_with(side, &name, auth).await;
                }
                pull_with(side, &name, Some(elsewhere.clone())).await;
                pull_with(side, &name, Some(broken.clone())).await;
                for auth in [user_and_password("ann", "hush-of-ann"), encoded.clone()] {
                    pull_with(side, &name, Some(auth)).await;
                    remove(side, &name).await;
                }
                // The registry was asked the same things with the same credentials. Only what is never
                // answered from containerd's own store: that may still hold what was just removed.
                let mut records = fake.records();
                records.retain(|record| record.method == "HEAD" || record.path.starts_with("/token"));
                assert!(records.len() >= 10, "{records:?}");
                side.note("what the registry saw", records);
            })
            .await;
    }
    sides.assert_discreet();
}

pub async fn removals(sides: &Sides) {
    let repository = "compliance/removals";
    let image = Image::busybox(repository);
    sides.registry.push(repository, "1", &image);
    let name = sides.registry.name(repository, "1");
    let by_digest = format!("{}/{repository}@{}", sides.registry.host(), image.digest());
    let id = image.id();
    let forms = [name.as_str(), &by_digest, &id, &id[7..], &id[7..20]];
    sides
        .story(async |side| {
            for form in forms {
                pull(side, &name).await;
                remove(side, form).await;
                status(side, &name).await;
                status(side, &id).await;
                remove(side, form).await;
            }
            // Not the empty name: containerd takes it for the start of an id, and where there is only one
            // image, it removes that.
            for odd in ODD.iter().filter(|odd| !odd.is_empty()) {
                remove(side, odd).await;
            }
            remove(side, "compliance-absent").await;
        })
        .await;
}
