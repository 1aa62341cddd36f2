//! Clients see the names of originals alone, although every image comes from a mirror that has it by another name.
//!
//! Holds: what is looked at here is looked at right after the call that made it, as kubelet does, and once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::fmt::Debug;

use k8s_cri::v1::{
    ContainerStatusRequest, ListContainersRequest, PodSandboxStatusRequest, PodSandboxStatusResponse,
};
use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::native::Native;
use support::pod::{self, Pod};
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::wait_for;

/// What a label's name begins with that says where content is from.
const SOURCE: &str = "containerd.io/distribution.source.";
const REPOSITORY: &str = "docker.io/clean/app";

struct Ground {
    containerd: Containerd,
    registry: &'static Registry,
    shunt: Shunt,
    cri: Cri,
    direct: Cri,
    native: Native,
}

impl Ground {
    async fn start(version: Version) -> Option<Ground> {
        let registry = Registry::shared()?;
        let containerd = Containerd::start(version)?;
        let mirror = format!("{}/cache", registry.host());
        registry.push("cache/rewritten/pause", "testbed", &Image::pause());
        let config = format!(
            "{}collapse = true\nrewrite = [{{ match = \"^clean/\", replace = \"rewritten/\" }}]\n\
             {}collapse = true\nrewrite = [{{ match = \"^\", replace = \"rewritten/\" }}]\n",
            rule("docker.io/clean", &[&mirror]),
            rule("registry.k8s.io", &[&mirror]),
        );
        let shunt = Shunt::start(&config, &containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        let direct = Cri::connect(&containerd.socket()).await;
        let native = Native::connect(&containerd.socket()).await;
        Some(Ground { containerd, registry, shunt, cri, direct, native })
    }

    fn push(&self, tag: &str, image: &Image) {
        self.registry.push("cache/rewritten/app", tag, image);
    }

    /// That nothing in there names the mirror or one of the shunt's own hosts.
    fn assert_clean(&self, what: &str, shown: impl Debug) {
        let text = format!("{shown:?}");
        for part in [self.registry.host(), "127.0.0.1", "cri-shunt.invalid", "rewritten"] {
            assert!(!text.contains(part), "{what} names {part}: {text}\n{}", self.shunt.stderr());
        }
    }

    /// What clients of both sockets see of images.
    async fn assert_images_clean(&self, asked: &str, id: &str, tags: &[&str], digests: &[&str]) {
        for cri in [&self.direct, &self.cri] {
            for name in [asked, id] {
                let mut found = cri.status_verbose(name, true).await.unwrap();
                let image = found.image.clone().unwrap();
                assert_eq!(
                    (image.id.as_str(), &image.repo_tags[..], &image.repo_digests[..]),
                    (
                        id,
                        &tags.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                        &digests.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                    )
                );
                // That one entry tells where it is from.
                found.info.remove("cri-shunt");
                self.assert_clean("a verbose ImageStatus", found);
            }
            self.assert_clean("ListImages", cri.list().await.unwrap());
        }
        for mut record in self.native.records().await {
            // As that entry.
            record.labels.retain(|label, _| !label.starts_with("cri-shunt/"));
            self.assert_clean("a record of containerd's", record);
        }
    }

    /// As kubelet: a container of what PullImage has answered, and its status once.
    async fn run(&self, pod: &Pod, name: &str, id: &str, asked: &str) -> (String, String) {
        let mut config = pod::container(name, id, &["sleep", "3600"]);
        config.image.as_mut().unwrap().user_specified_image = asked.to_owned();
        let container_id = pod.create(&self.cri, config).await.unwrap();
        let request = ContainerStatusRequest { container_id: container_id.clone(), verbose: true };
        let shown = self.cri.runtime.clone().container_status(request).await.unwrap().into_inner();
        self.assert_clean("a verbose ContainerStatus", &shown);
        let record = self.native.container(&container_id).await;
        self.assert_clean("containerd's record of the container", (&record.image, &record.labels));
        pod::start(&self.cri, &container_id).await.unwrap();
        let listed = self.cri.runtime.clone().list_containers(ListContainersRequest::default()).await;
        self.assert_clean("ListContainers", listed.unwrap().into_inner());
        let status = shown.status.unwrap();
        (status.image.unwrap().image, status.image_ref)
    }

    async fn sandbox(&self, pod: &Pod) -> PodSandboxStatusResponse {
        let request = PodSandboxStatusRequest { pod_sandbox_id: pod.id.clone(), verbose: true };
        self.cri.runtime.clone().pod_sandbox_status(request).await.unwrap().into_inner()
    }

    /// The content is told last, after the client has its answer.
    async fn assert_content_clean(&self) {
        let sources = async || {
            let content = self.native.content_labels().await.into_values().flatten();
            content.filter(|(label, _)| label.starts_with(SOURCE)).collect::<Vec<_>>()
        };
        let is_clean = async || {
            let sources = format!("{:?}", sources().await);
            !["127.0.0.1", "invalid", "rewritten"].iter().any(|part| sources.contains(part))
        };
        assert!(wait_for(is_clean).await, "{:?}", sources().await);
        let docker = format!("{SOURCE}docker.io");
        let named =
            sources().await.iter().filter(|(label, path)| *label == docker && path == "clean/app").count();
        // A manifest, its config and its layer, at least.
        assert!(named >= 3, "{:?}", sources().await);
    }
}

async fn a_pod_of_a_mirrors_images_names_the_originals(version: Version) {
    let Some(ground) = Ground::start(version).await else { return };
    let pod = Pod::run(&ground.cri, "clean", &ground.containerd.dir().join("logs")).await.unwrap();
    ground.assert_clean("a verbose PodSandboxStatus", ground.sandbox(&pod).await);
    ground.assert_clean("the pod's record", ground.native.container(&pod.id).await.image);

    let tagged = Image::busybox("clean-tagged");
    let index = Image::index(Image::busybox("clean-index"));
    let by_digest = Image::busybox("clean-digest");
    ground.push("1", &tagged);
    ground.push("index", &index);
    ground.push("other", &by_digest);
    let (tag, short) = (format!("{REPOSITORY}:1"), "clean/app:index");
    let digest = format!("{REPOSITORY}@{}", by_digest.digest());
    for (number, (asked, image, tags)) in [
        (tag.as_str(), &tagged, vec![tag.as_str()]),
        (short, &index, vec!["docker.io/clean/app:index"]),
        (digest.as_str(), &by_digest, vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let id = ground.cri.pull(asked).await.unwrap();
        let original = format!("{REPOSITORY}@{}", image.digest());
        ground.assert_images_clean(asked, &id, &tags, &[&original]).await;
        let (name, reference) = ground.run(&pod, &format!("c{number}"), &id, asked).await;
        assert_eq!(reference, original);
        // containerd's own choice: the first tag, or else what CreateContainer has asked for.
        assert_eq!(name, tags.first().map_or(id.as_str(), |tag| tag), "{asked}");
        ground.assert_images_clean(asked, &id, &tags, &[&original]).await;
    }
    ground.assert_content_clean().await;
    // Pulled once more, with everything there.
    ground.cri.pull(&tag).await.unwrap();
    let original = format!("{REPOSITORY}@{}", tagged.digest());
    ground.assert_images_clean(&tag, &tagged.id(), &[&tag], &[&original]).await;
    ground.assert_content_clean().await;
    pod.remove(&ground.cri).await.unwrap();
}

on_each_containerd!(a_pod_of_a_mirrors_images_names_the_originals);
