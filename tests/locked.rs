//! `locked`: a tag is pulled by the digest that a lock has, wherever it has moved to meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::PathBuf;

use k8s_cri::v1::CreateContainerRequest;
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::pod;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;
use tonic::{Code, Status};

/// A lock with these tags.
fn lock(images: &[(&str, &Image)]) -> String {
    let entry = |(name, image): &(&str, &Image)| {
        let children = image.children().iter().enumerate();
        let platforms: String =
            children.map(|(at, child)| format!("\"linux/{at}\" = \"{}\"\n", child.digest())).collect();
        format!(
            "[[image]]\nname = \"{name}\"\ndigest = \"{}\"\n[image.platforms]\n{platforms}",
            image.digest()
        )
    };
    images.iter().map(entry).collect()
}

struct Setup {
    containerd: &'static Containerd,
    registry: &'static Registry,
    /// The image of the lock, and the one that the tag is now.
    images: [Image; 2],
    shunt: Shunt,
}

impl Setup {
    /// The tag has moved at the registry. `keys` are the configuration, beside which the lock is.
    fn start(version: Version, repository: &str, name: &str, keys: &str) -> Option<Setup> {
        let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
        let unique = |which: &str| format!("{repository}-{which}");
        let images = [Image::index(Image::busybox(&unique("old"))), Image::busybox(&unique("new"))];
        images.iter().for_each(|image| drop(registry.push(repository, "1", image)));
        let config = format!("[policy]\nwatch = \"50ms\"\npresent = \"hide\"\n{keys}");
        let shunt = Shunt::prepare(&config, containerd, &[]);
        std::fs::write(Setup::lock_of(&shunt), lock(&[(name, &images[0])])).unwrap();
        shunt.start_again();
        Some(Setup { containerd, registry, images, shunt })
    }

    fn lock_of(shunt: &Shunt) -> PathBuf {
        shunt.config_file().with_file_name("images.lock")
    }

    /// Puts this in the place of the lock, and waits until the daemon has said so.
    fn write_lock(&self, text: &str, says: &str) {
        let count = || self.shunt.stderr().matches(says).count();
        let before = count();
        support::replace(&Setup::lock_of(&self.shunt), text);
        self.shunt.until(says, || count() > before);
    }

    async fn cri(&self) -> Cri {
        Cri::connect(&self.shunt.socket()).await
    }

    /// What CreateContainer says, as kubelet asks: by the image's id, with the name from the pod.
    async fn create(&self, id: &str, name: &str) -> Status {
        let mut config = pod::container("main", id, &["true"]);
        if let Some(image) = &mut config.image {
            image.user_specified_image = name.to_owned();
        }
        let request = CreateContainerRequest {
            pod_sandbox_id: "nobody".to_owned(),
            config: Some(config),
            ..Default::default()
        };
        // There is no such pod, which containerd says where it is asked.
        self.cri().await.runtime.create_container(request).await.unwrap_err()
    }

    /// The image has this name and its digest, and no other.
    async fn is_known_as(&self, name: &str, image: &Image) {
        let known = self.cri().await.status(name).await.unwrap().expect(name);
        let (repository, _) = name.rsplit_once(':').unwrap();
        assert_eq!(known.id, image.id(), "{}", self.shunt.stderr());
        assert_eq!(known.repo_tags, [name]);
        assert_eq!(known.repo_digests, [format!("{repository}@{}", image.digest())]);
    }
}

/// The last request for a manifest by its tag, if there is one.
fn by_tag(fake: &Fake) -> Option<String> {
    let records = fake.records().into_iter();
    records.map(|record| record.path).rfind(|path| path.contains("/manifests/") && !path.contains("sha256:"))
}

async fn a_moved_tag_is_pulled_by_the_digest_of_the_lock(version: Version) {
    let Some(registry) = Registry::shared() else { return };
    let (first, second) = (Fake::in_front_of(registry.host()), Fake::in_front_of(registry.host()));
    let repository = format!("lock-hub/{}", version.line());
    let name = format!("docker.io/locked/{}:1", version.line());
    let keys = format!(
        "[[policy.rule]]\nprefix = \"docker.io/locked\"\nmirrors = [{:?}, {:?}]\nlocked = \"images.lock\"\n\
         unlisted = \"deny\"\non-outage = \"present\"\nrewrite = [{{ match = \"^locked/\", replace = \"lock-hub/\" }}]\n",
        first.host(),
        second.host()
    );
    let Some(test) = Setup::start(version, &repository, &name, &keys) else { return };
    let (cri, [old, new]) = (test.cri().await, &test.images);

    // What kubelet does: it pulls, looks by the name, and creates a container of the id.
    assert_eq!(cri.pull(&name).await.unwrap(), old.id());
    test.is_known_as(&name, old).await;
    let created = test.create(&old.id(), &name).await;
    assert!(!created.message().contains("denied"), "{created}");
    assert_eq!(by_tag(&first), None, "what the tag is now is not asked");
    assert!(test.shunt.stderr().contains(&format!("locked=\"{}\"", old.digest())), "{}", test.shunt.stderr());
    cri.remove(&old.id()).await.unwrap();

    first.on("/v2/", Behaviour::Status(404));
    assert_eq!(cri.pull(&name).await.unwrap(), old.id());
    test.is_known_as(&name, old).await;
    assert_eq!((by_tag(&first), by_tag(&second)), (None, None));
    second.on("/v2/", Behaviour::Status(404));
    let missing = cri.pull(&name).await.unwrap_err();
    let said = format!("(locked to {} by {})", old.digest(), Setup::lock_of(&test.shunt).display());
    assert!(missing.code() == Code::NotFound && missing.message().contains(&said), "{missing}");
    [&first, &second].iter().for_each(|mirror| mirror.on("/v2/", Behaviour::Forward));

    // Another digest of the tag, an image that is not in the lock, a digest that is in none of its tags.
    let bare = name.trim_end_matches(":1");
    let refused = [
        (format!("{name}@{}", new.digest()), "and another digest is asked for"),
        (format!("{bare}:2"), "does not list it; to add it: cri-shunt lock --update -o "),
        (format!("{bare}@{}", new.digest()), "has this digest in the lock"),
    ];
    for (image, words) in refused {
        let refused = cri.pull(&image).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{image}: {refused}");
        assert!(refused.message().contains(words), "{image}: {refused}");
    }
    let child = old.children().last().unwrap().digest();
    assert_eq!(cri.pull(&format!("{name}@{child}")).await.unwrap(), old.id(), "the tag's own platform");

    // A mistake in the lock: the policy goes on, also after a restart.
    test.write_lock("[[image]]\nname = \"nginx\"\n", "images.lock:2:8");
    assert_eq!(cri.pull(&name).await.unwrap(), old.id());
    test.shunt.restart();
    let cri = test.cri().await;
    assert_eq!(cri.pull(&name).await.unwrap(), old.id(), "{}", test.shunt.stderr());
    [&first, &second].iter().for_each(|mirror| mirror.on("/v2/", Behaviour::Status(500)));
    assert_eq!(cri.pull(&name).await.unwrap(), old.id(), "no registry can serve it");

    // The lock moves on. Until the next pull the image on the node is another one, and is hidden.
    test.write_lock(&lock(&[(&name, new)]), "new policy loaded");
    assert!(!cri.has(&name).await, "{}", test.shunt.stderr());
    let refused = test.create(&old.id(), &name).await;
    assert!(refused.message().contains("the image on the node is another one"), "{refused}");
    let failed = cri.pull(&name).await.unwrap_err();
    assert!(failed.message().starts_with("RegistryUnavailable: "), "not with another image: {failed}");
    [&first, &second].iter().for_each(|mirror| mirror.on("/v2/", Behaviour::Forward));
    assert_eq!(cri.pull(&name).await.unwrap(), new.id());
    test.is_known_as(&name, new).await;
    let created = test.create(&new.id(), &name).await;
    assert!(!created.message().contains("denied"), "{created}");
}

/// No rule changes where it comes from, so the registry of the name is asked for the digest.
async fn an_image_that_passes_is_pulled_by_the_digest_of_the_lock(version: Version) {
    let Some(registry) = Registry::shared() else { return };
    let repository = format!("lock-pass/{}", version.line());
    let name = registry.name(&repository, "1");
    let Some(test) = Setup::start(version, &repository, &name, "locked = \"images.lock\"\n") else { return };
    let (cri, [old, new]) = (test.cri().await, &test.images);
    // An old image may be there from a time before the lock.
    let direct = Cri::connect(&test.containerd.socket()).await;
    assert_eq!(direct.pull(&name).await.unwrap(), new.id());
    assert!(!cri.has(&name).await);
    assert_eq!(cri.pull(&name).await.unwrap(), old.id());
    test.is_known_as(&name, old).await;
    let asked = test.registry.requests();
    let tag = format!("/v2/{repository}/manifests/1");
    assert!(
        asked.iter().filter(|asked| asked.path == tag && asked.method != "PUT").count() <= 2,
        "{asked:?}"
    );
    let unlisted = cri.pull(&registry.name(&repository, "2")).await.unwrap_err();
    assert_eq!(unlisted.code(), Code::NotFound, "the lock says nothing of it: {unlisted}");
}

on_each_containerd!(
    a_moved_tag_is_pulled_by_the_digest_of_the_lock,
    an_image_that_passes_is_pulled_by_the_digest_of_the_lock,
);
