//! Rules for the pods of some namespaces, by CRI calls of pods in different ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use futures_util::future::join_all;
use k8s_cri::v1::{PodSandboxConfig, PodSandboxMetadata, PullImageRequest};
use support::containerd::Containerd;
use support::cri::{Cri, spec};
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::native::Native;
use support::pod::{self, Pod};
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tonic::{Code, Status};

/// The config of a pod in a namespace, as kubelet sends it with a pull.
fn pod_in(namespace: &str) -> PodSandboxConfig {
    let metadata = PodSandboxMetadata {
        name: "web".to_owned(),
        uid: "u-1".to_owned(),
        namespace: namespace.to_owned(),
        attempt: 0,
    };
    PodSandboxConfig { metadata: Some(metadata), ..PodSandboxConfig::default() }
}

async fn pull(cri: &Cri, image: &str, namespace: &str) -> Result<String, Status> {
    let request =
        PullImageRequest { image: Some(spec(image)), auth: None, sandbox_config: Some(pod_in(namespace)) };
    Ok(cri.images.clone().pull_image(request).await?.into_inner().image_ref)
}

fn deny(prefix: &str, keys: &str) -> String {
    format!("[[policy.rule]]\nprefix = \"{prefix}\"\ndeny = \"not here\"\n{keys}\n")
}

async fn each_namespace_has_the_rule_that_is_for_it(version: Version) {
    let (Some(containerd), Some(storage)) = (Containerd::shared(version), Registry::shared()) else { return };
    let (all, own) = (Fake::in_front_of(storage.host()), Fake::in_front_of(storage.host()));
    let images = [Image::busybox("namespaces-all"), Image::busybox("namespaces-own")];
    for (place, image) in ["all", "own"].into_iter().zip(&images) {
        storage.push(&format!("{place}/namespaces/app"), "1", image);
    }
    let config = rule("docker.io/namespaces", &[&format!("{}/all", all.host())])
        + &rule("docker.io/namespaces", &[&format!("{}/own", own.host())])
        + "namespaces = [\"team-*\", \"kube-system\"]\n"
        + &deny("docker.io/namespaces", "namespaces = [\"other\"]")
        + &deny("docker.io/namespaces/secret", "namespaces = [\"*\"]");
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = "namespaces/app:1";
    for (namespace, expected) in
        [("team-a", 1), ("default", 0), ("kube-system", 1), ("kube-system-2", 0), ("", 0)]
    {
        assert_eq!(pull(&cri, name, namespace).await.unwrap(), images[expected].id(), "{namespace}");
    }
    assert_eq!(cri.pull(name).await.unwrap(), images[0].id(), "a client without a pod");
    let refused = pull(&cri, name, "other").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    // A prefix that is longer goes first; to a client without a pod that rule is not there.
    let secret = "namespaces/secret/app:1";
    assert_eq!(pull(&cri, secret, "team-a").await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(cri.pull(secret).await.unwrap_err().code(), Code::NotFound);
    assert!(shunt.stderr().contains("pod=\"other/web\""), "{}", shunt.stderr());

    let explain = |args: &[&str]| String::from_utf8(shunt.run("explain", args).stdout).unwrap();
    let text = explain(&["--namespace", "team-a", name]);
    assert!(text.contains("namespace   team-a") && text.contains("for team-*, kube-system"), "{text}");
    assert!(text.contains("/own/namespaces/app:1"), "{text}");
    assert!(explain(&[name]).contains("/all/namespaces/app:1"));
    let socket = shunt.socket();
    let daemon = ["explain", "--daemon", "--socket", socket.to_str().unwrap(), "--namespace", "other", name];
    assert_eq!(shunt.command(&daemon).status.code(), Some(1));
    for image in &images {
        cri.remove(&image.id()).await.unwrap();
    }
}

/// Pulls of one name by pods of two namespaces at once: none is answered with what the other's rule has found.
async fn pulls_of_two_namespaces_at_once_are_two(version: Version) {
    let (Some(containerd), Some(storage)) = (Containerd::shared(version), Registry::shared()) else { return };
    let images = [Image::busybox("namespaces-a"), Image::busybox("namespaces-b")];
    let mirrors = [(); 2].map(|()| Fake::in_front_of(storage.host()));
    let mut config = deny("docker.io/two-namespaces", "");
    for (i, (mirror, image)) in mirrors.iter().zip(&images).enumerate() {
        storage.push(&format!("at-{i}/two-namespaces/app"), "1", image);
        config += &rule("docker.io/two-namespaces", &[&format!("{}/at-{i}", mirror.host())]);
        config += &format!("namespaces = [\"team-{i}\"]\n");
    }
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = "two-namespaces/app:1";
    let one = async |i: usize| match i % 3 {
        2 => assert_eq!(pull(&cri, name, "team-2").await.unwrap_err().code(), Code::PermissionDenied),
        own => assert_eq!(pull(&cri, name, &format!("team-{own}")).await.unwrap(), images[own].id()),
    };
    for _ in 0..3 {
        join_all((0..6).map(one)).await;
    }
    for image in &images {
        cri.remove(&image.id()).await.unwrap();
    }
}

async fn what_one_namespace_has_pulled_is_refused_to_another(version: Version) {
    let (Some(containerd), Some(storage)) = (Containerd::shared(version), Registry::shared()) else { return };
    containerd.serve_pause(storage);
    let image = Image::busybox("namespaces-present");
    storage.push("ns-present/app", "1", &image);
    let config = "[policy]\npresent = \"hide\"\n".to_owned()
        + &deny("docker.io/ns-present", "")
        + &rule("docker.io/ns-present", &[storage.host()])
        + "namespaces = [\"team-a\"]\n";
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = "ns-present/app:1";
    assert_eq!(pull(&cri, name, "team-a").await.unwrap(), image.id());
    assert_eq!(pull(&cri, name, "team-b").await.unwrap_err().code(), Code::PermissionDenied);
    // ImageStatus says nothing of a pod: kubelet could not start those of team-a if it was hidden.
    assert!(cri.has(name).await);
    let pod = |namespace: &str| {
        let mut config = pod::config(&format!("ns-{namespace}"), &containerd.dir().join("ns"));
        config.metadata.as_mut().unwrap().namespace = namespace.to_owned();
        config
    };
    let sandbox = Pod::run(&cri, "ns-present", &containerd.dir().join("ns")).await.unwrap();
    let create = async |namespace: &str, image: &str, specified: &str| {
        let id = format!("{namespace}-{}-{}", image.len(), specified.len());
        let mut container = pod::container(&id, image, &["true"]);
        container.image.as_mut().unwrap().user_specified_image = specified.to_owned();
        Pod { config: pod(namespace), ..sandbox.clone() }.create(&cri, container).await
    };
    let id = image.id();
    for (image, specified) in [(name, ""), (&id, name), (&id, "")] {
        create("team-a", image, specified).await.unwrap();
        let refused = create("team-b", image, specified).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{image} {specified}: {refused}");
        assert!(refused.message().contains("not here"), "{refused}");
    }
    // A name that is denied to everybody is hidden, as ever.
    let native = Native::connect(&containerd.socket()).await;
    shunt.write_config(
        &format!("[policy]\npresent = \"hide\"\n{}", deny("docker.io/ns-present", "")),
        containerd,
    );
    shunt.restart();
    let cri = Cri::connect(&shunt.socket()).await;
    assert!(!cri.has(name).await);
    assert!(!native.names_with("ns-present").await.is_empty());
    sandbox.remove(&cri).await.unwrap();
    cri.remove(&id).await.unwrap();
}

async fn what_one_namespace_has_pulled_is_no_answer_to_another_in_an_outage(version: Version) {
    let (Some(containerd), Some(storage)) = (Containerd::shared(version), Registry::shared()) else { return };
    let image = Image::busybox("namespaces-outage");
    storage.push("ns-outage/app", "1", &image);
    let mirror = Fake::in_front_of(storage.host());
    let own = |namespace: &str| {
        rule("docker.io/ns-outage", &[&mirror.host()]) + &format!("namespaces = [\"{namespace}\"]\n")
    };
    let config = "[policy]\non-outage = \"present\"\n".to_owned()
        + &rule("docker.io/ns-outage", &[&mirror.host()])
        + &own("team-a")
        + &own("team-b");
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = "ns-outage/app:1";
    assert_eq!(pull(&cri, name, "team-a").await.unwrap(), image.id());
    mirror.on("/v2/", Behaviour::Status(500));
    for other in ["team-b", "default"] {
        let refused = pull(&cri, name, other).await.unwrap_err();
        assert!(refused.message().starts_with("RegistryUnavailable: "), "{other}: {refused}");
    }
    cri.pull(name).await.unwrap_err();
    assert_eq!(pull(&cri, name, "team-a").await.unwrap(), image.id());
    // The last pull counts: it was by the rule for all.
    mirror.on("/v2/", Behaviour::Forward);
    assert_eq!(pull(&cri, name, "default").await.unwrap(), image.id());
    mirror.on("/v2/", Behaviour::Status(500));
    pull(&cri, name, "team-a").await.unwrap_err();
    assert_eq!(cri.pull(name).await.unwrap(), image.id());
    cri.remove(&image.id()).await.unwrap();
}

on_each_containerd!(
    each_namespace_has_the_rule_that_is_for_it,
    pulls_of_two_namespaces_at_once_are_two,
    what_one_namespace_has_pulled_is_refused_to_another,
    what_one_namespace_has_pulled_is_no_answer_to_another_in_an_outage,
);
