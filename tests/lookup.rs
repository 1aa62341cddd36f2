//! Images that are on the node already: ImageStatus, CreateContainer, image volumes, checkpoints, ids.
//!
//! `pause` is about the one image that nobody asks for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::os::unix::ffi::OsStrExt as _;

use k8s_cri::v1::{self, CreateContainerRequest};
use prost::Message as _;
use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::native::Native;
use support::pod::{self, Pod};
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tonic::Code;

struct Setup {
    containerd: &'static Containerd,
    registry: &'static Registry,
    shunt: Shunt,
    cri: Cri,
    native: Native,
}

async fn setup(version: Version, config: impl FnOnce(&Registry) -> String) -> Option<Setup> {
    let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
    containerd.serve_pause(registry);
    let shunt = Shunt::start(&config(registry), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let native = Native::connect(&containerd.socket()).await;
    Some(Setup { containerd, registry, shunt, cri, native })
}

fn routed(registry: &Registry, prefix: &str) -> String {
    rule(prefix, &[registry.host()])
}

async fn an_image_from_before_is_found_by_its_mirrors_name(version: Version) {
    let Some(setup) = setup(version, |registry| routed(registry, "docker.io/before")).await else { return };
    let image = Image::busybox("lookup-before");
    setup.registry.push("before/app", "1", &image);
    let mirror = setup.registry.name("before/app", "1");
    let direct = Cri::connect(&setup.containerd.socket()).await;
    direct.pull(&mirror).await.unwrap();
    let requests =
        || setup.registry.requests().iter().filter(|asked| asked.path.contains("before/app")).count();
    let asked = requests();
    let found = setup.cri.status("before/app:1").await.unwrap().expect("it is here by its mirror's name");
    assert_eq!(found.id, image.id());
    assert_eq!(requests(), asked, "a look asks no registry");
    let names = setup.native.names_with("before/app").await;
    assert_eq!(names.len(), 4, "nothing is taken away: {names:?}");
    assert!(setup.cri.status("before/app:2").await.unwrap().is_none());
    setup.cri.remove(&image.id()).await.unwrap();
}

async fn a_container_starts_by_a_name_that_only_the_mirror_had(version: Version) {
    let Some(setup) = setup(version, |registry| routed(registry, "docker.io/byname")).await else { return };
    let image = Image::busybox("lookup-byname");
    setup.registry.push("byname/app", "1", &image);
    let direct = Cri::connect(&setup.containerd.socket()).await;
    direct.pull(&setup.registry.name("byname/app", "1")).await.unwrap();
    let pod = Pod::run(&setup.cri, "lookup-byname", &setup.containerd.dir().join("byname")).await.unwrap();
    let config = pod::container("main", "byname/app:1", &["sleep", "3600"]);
    let container = pod.create(&setup.cri, config).await.unwrap();
    pod::start(&setup.cri, &container).await.unwrap();
    pod.remove(&setup.cri).await.unwrap();
    setup.cri.remove(&image.id()).await.unwrap();
}

async fn an_image_volume_finds_its_image(version: Version) {
    if version != Version::V2_1 {
        // Image volumes came with containerd 2.1.
        return;
    }
    let Some(setup) = setup(version, |registry| routed(registry, "docker.io/volume")).await else { return };
    let (main, volume) = (Image::busybox("lookup-volume-main"), Image::busybox("lookup-volume"));
    setup.registry.push("volume/main", "1", &main);
    setup.registry.push("volume/data", "1", &volume);
    let id = setup.cri.pull("volume/main:1").await.unwrap();
    let direct = Cri::connect(&setup.containerd.socket()).await;
    direct.pull(&setup.registry.name("volume/data", "1")).await.unwrap();
    let pod = Pod::run(&setup.cri, "lookup-volume", &setup.containerd.dir().join("volume")).await.unwrap();
    let mut config = pod::container("main", &id, &["sleep", "3600"]);
    config.mounts.push(v1::Mount {
        container_path: "/data".to_owned(),
        readonly: true,
        image: Some(support::cri::spec("docker.io/volume/data:1")),
        ..v1::Mount::default()
    });
    let container = pod.create(&setup.cri, config).await.unwrap();
    pod::start(&setup.cri, &container).await.unwrap();
    let answer = pod::exec(&setup.cri, &container, &["/bin/busybox", "ls", "/data/bin"]).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.stdout).contains("busybox"), "{answer:?}");
    pod.remove(&setup.cri).await.unwrap();
    for id in [main.id(), volume.id()] {
        setup.cri.remove(&id).await.unwrap();
    }
}

async fn a_denied_image_on_the_node_is_left_or_hidden(version: Version) {
    let deny = "[[policy.rule]]\nprefix = \"docker.io/present\"\ndeny = \"no\"\n";
    let Some(setup) = setup(version, |_| deny.to_owned()).await else { return };
    let image = Image::busybox("lookup-present");
    setup.registry.push("present/app", "1", &image);
    let direct = Cri::connect(&setup.containerd.socket()).await;
    let mirror = setup.registry.name("present/app", "1");
    direct.pull(&mirror).await.unwrap();
    setup.native.tag(&mirror, "docker.io/present/app:1").await;
    assert!(support::wait_for(async || direct.has("present/app:1").await).await);
    assert!(setup.cri.has("present/app:1").await, "present = leave is the default");
    let pod = Pod::run(&setup.cri, "lookup-present", &setup.containerd.dir().join("present")).await.unwrap();
    let left = pod.create(&setup.cri, pod::container("left", "present/app:1", &["true"])).await;
    assert!(left.is_ok(), "{left:?}");

    setup.shunt.write_config(&format!("[policy]\npresent = \"hide\"\n{deny}"), setup.containerd);
    setup.shunt.restart();
    let cri = Cri::connect(&setup.shunt.socket()).await;
    assert!(!cri.has("present/app:1").await);
    assert!(cri.has(&image.id()).await, "ids pass");
    let hidden = pod.create(&cri, pod::container("hidden", "present/app:1", &["true"])).await.unwrap_err();
    assert_eq!(hidden.code(), Code::PermissionDenied, "{hidden}");
    // By id it has another name that is not denied; as the pod's own word it is denied.
    let mut config = pod::container("by-id", &image.id(), &["true"]);
    pod.create(&cri, config.clone()).await.unwrap();
    config.metadata.as_mut().unwrap().name = "specified".to_owned();
    config.image.as_mut().unwrap().user_specified_image = "present/app:1".to_owned();
    assert_eq!(pod.create(&cri, config).await.unwrap_err().code(), Code::PermissionDenied);
    // Once every name that it has is denied, the id is as well.
    setup.native.delete(&mirror).await;
    setup.native.delete(&format!("{}@{}", mirror.rsplit_once(':').unwrap().0, image.digest())).await;
    let denied = async || {
        let created = pod.create(&cri, pod::container("id-denied", &image.id(), &["true"])).await;
        created.is_err_and(|status| status.code() == Code::PermissionDenied)
    };
    assert!(support::wait_for(denied).await);
    pod.remove(&cri).await.unwrap();
    direct.remove(&image.id()).await.unwrap();
}

async fn a_checkpoint_is_refused(version: Version) {
    let Some(setup) = setup(version, |registry| {
        let allowed = rule("docker.io/checkpoint/allowed", &[registry.host()]);
        format!("{}{allowed}checkpoint = \"allow\"\n", routed(registry, "docker.io/checkpoint"))
    })
    .await
    else {
        return;
    };
    let image = Image::checkpoint("lookup-checkpoint");
    for repository in ["checkpoint/app", "checkpoint/allowed"] {
        setup.registry.push(repository, "1", &image);
    }
    let status = setup.cri.pull("checkpoint/app:1").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("checkpoint = \"allow\""), "{status}");
    assert!(!setup.cri.has("checkpoint/app:1").await);
    // Untouched names as well, and a container from what is there.
    let own = setup.registry.name("checkpoint/app", "1");
    assert_eq!(setup.cri.pull(&own).await.unwrap_err().code(), Code::PermissionDenied);
    let pod = Pod::run(&setup.cri, "checkpoint", &setup.containerd.dir().join("checkpoint")).await.unwrap();
    let direct = Cri::connect(&setup.containerd.socket()).await;
    direct.pull(&own).await.unwrap();
    let refused = pod.create(&setup.cri, pod::container("main", &image.id(), &["true"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    pod.remove(&setup.cri).await.unwrap();
    assert_eq!(setup.cri.pull("checkpoint/allowed:1").await.unwrap(), image.id());
    direct.remove(&image.id()).await.unwrap();
}

async fn an_id_to_pull_is_a_name_of_docker_hub(version: Version) {
    let Some(setup) = setup(version, |registry| {
        format!("{}[policy]\ndefault = \"deny\"\n", routed(registry, "docker.io/allowed"))
    })
    .await
    else {
        return;
    };
    let id = format!("sha256:{}", "ab".repeat(32));
    let status = setup.cri.pull(&id).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    setup.shunt.write_config(&routed(setup.registry, "docker.io"), setup.containerd);
    setup.shunt.restart();
    let cri = Cri::connect(&setup.shunt.socket()).await;
    assert_eq!(cri.pull(&id).await.unwrap_err().code(), Code::NotFound);
    let path = format!("/v2/library/sha256/manifests/{}", "ab".repeat(32));
    let asked = setup.registry.requests();
    assert!(asked.iter().any(|asked| asked.path == path), "the mirror was asked: {asked:?}");
    setup.containerd.escapes().assert_never("docker");
}

async fn a_file_is_no_image_where_images_are_denied(version: Version) {
    let deny = "[[policy.rule]]\nprefix = \"docker.io/file\"\ndeny = \"no\"\n";
    let Some(setup) = setup(version, |_| deny.to_owned()).await else { return };
    let pod = Pod::run(&setup.cri, "file", &setup.containerd.dir().join("file")).await.unwrap();
    let archive = setup.containerd.dir().join("archive.tar");
    std::fs::write(&archive, b"not a tar").unwrap();
    for image in [archive.to_str().unwrap(), "./archive.tar", "/nowhere/at/all.tar"] {
        let status = pod.create(&setup.cri, pod::container("main", image, &["true"])).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{image}: {status}");
    }
    // A path that is no text. Whichever way containerd reads it, it does not get it.
    let path = std::ffi::OsStr::from_bytes(b"archive\xff.tar");
    std::fs::write(setup.containerd.dir().join(path), b"not a tar").unwrap();
    let config = pod::container("main", "REPLACED", &["true"]);
    let message =
        CreateContainerRequest { pod_sandbox_id: pod.id.clone(), config: Some(config), ..Default::default() };
    let image = [setup.containerd.dir().as_os_str().as_bytes(), b"/archive\xff.tar"].concat();
    for image in [&image, &b"archive\xff.tar"[..]] {
        let message = cri_shunt::inside::wire::set(&message.encode_to_vec(), &[2, 2, 1], image).unwrap();
        let client = support::raw::Raw::connect(&setup.shunt.socket()).await;
        let answer = client.call("/runtime.v1.RuntimeService/CreateContainer", &message).await;
        assert_eq!(answer.code(), Some(7), "{answer:?}");
    }
    pod.remove(&setup.cri).await.unwrap();
}

async fn the_older_cri_version_takes_the_same_way(version: Version) {
    if !version.has_v1alpha2() {
        return;
    }
    let Some(setup) = setup(version, |registry| {
        format!(
            "{}[[policy.rule]]\nprefix = \"docker.io/alpha/evil\"\ndeny = \"no\"\n",
            routed(registry, "docker.io/alpha")
        )
    })
    .await
    else {
        return;
    };
    let image = Image::busybox("lookup-alpha");
    setup.registry.push("alpha/app", "1", &image);
    let mut images = setup.cri.images_v1alpha2();
    let spec =
        |name: &str| Some(k8s_cri::v1alpha2::ImageSpec { image: name.to_owned(), ..Default::default() });
    let pull = |name: &str| k8s_cri::v1alpha2::PullImageRequest { image: spec(name), ..Default::default() };
    assert_eq!(images.pull_image(pull("alpha/app:1")).await.unwrap().into_inner().image_ref, image.id());
    assert_eq!(images.pull_image(pull("alpha/evil:1")).await.unwrap_err().code(), Code::PermissionDenied);
    let status = k8s_cri::v1alpha2::ImageStatusRequest { image: spec("alpha/app:1"), verbose: true };
    let answer = images.image_status(status).await.unwrap().into_inner();
    assert!(answer.info.contains_key("cri-shunt"), "{:?}", answer.info.keys());
    assert!(answer.image.unwrap().repo_tags.contains(&"docker.io/alpha/app:1".to_owned()));
    setup.cri.remove(&image.id()).await.unwrap();
}

on_each_containerd!(
    an_image_from_before_is_found_by_its_mirrors_name,
    a_container_starts_by_a_name_that_only_the_mirror_had,
    an_image_volume_finds_its_image,
    a_denied_image_on_the_node_is_left_or_hidden,
    a_checkpoint_is_refused,
    an_id_to_pull_is_a_name_of_docker_hub,
    a_file_is_no_image_where_images_are_denied,
    the_older_cri_version_takes_the_same_way,
);
