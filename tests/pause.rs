//! The pause image, which containerd would pull by itself, past every rule.
//!
//! The pods of `compliance` start with it as well.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::containerd::Containerd;
use support::containerd_config::Options;
use support::cri::Cri;
use support::image::Image;
use support::pod::Pod;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::wait_for;

const NAME: &str = "registry.k8s.io/pause:testbed";

fn own(version: Version) -> Option<(Containerd, &'static Registry)> {
    let registry = Registry::shared()?;
    registry.push("pause-mirror/pause", "testbed", &Image::pause());
    Some((Containerd::start_with(version, &Options::default())?, registry))
}

fn routed(registry: &Registry) -> String {
    let mirror = format!("{}/pause-mirror", registry.host());
    rule("registry.k8s.io", &[&mirror])
}

async fn it_is_there_by_policy_before_anyone_asks(version: Version) {
    let Some((containerd, registry)) = own(version) else { return };
    let shunt = Shunt::start(&routed(registry), &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert!(wait_for(async || cri.has(NAME).await).await, "at start:\n{}", shunt.stderr());
    let found = cri.status(NAME).await.unwrap().unwrap();
    assert_eq!(found.pinned, version != Version::V1_6, "1.6.20 does not pin");

    cri.remove(NAME).await.unwrap();
    assert!(wait_for(async || cri.has(NAME).await).await, "after a removal:\n{}", shunt.stderr());

    containerd.stop();
    let direct = containerd.socket();
    containerd.start_again();
    Cri::connect(&direct).await.remove(NAME).await.unwrap();
    assert!(wait_for(async || cri.has(NAME).await).await, "after a restart:\n{}", shunt.stderr());

    let pod = Pod::run(&cri, "pause", &containerd.dir().join("logs")).await.unwrap();
    pod.remove(&cri).await.unwrap();
    containerd.escapes().assert_never("k8s.io");
}

async fn a_pod_waits_for_it(version: Version) {
    let Some((containerd, registry)) = own(version) else { return };
    // It is not at the mirror yet when the shunt starts.
    let later = format!("pause-later-{}", version.line());
    let config = routed(registry).replace("pause-mirror", &later);
    let shunt = Shunt::start(&config, &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let refused = Pod::run(&cri, "pause-none", &containerd.dir().join("logs")).await.unwrap_err();
    for part in [NAME, registry.host(), "not found"] {
        assert!(refused.message().contains(part), "{part}: {refused}");
    }
    let path = format!("/v2/{later}/pause/manifests/testbed");
    assert!(registry.requests().iter().any(|asked| asked.path == path), "{refused}");
    registry.push(&format!("{later}/pause"), "testbed", &Image::pause());
    let pod = Pod::run(&cri, "pause-late", &containerd.dir().join("logs")).await.unwrap();
    pod.remove(&cri).await.unwrap();
    containerd.escapes().assert_never("k8s.io");
}

async fn a_denied_one_is_not_pulled_by_containerd_either(version: Version) {
    let Some((containerd, registry)) = own(version) else { return };
    let shunt =
        Shunt::start("[[policy.rule]]\nprefix = \"registry.k8s.io\"\ndeny = \"not here\"\n", &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let refused = async || {
        let pod = Pod::run(&cri, "pause-denied", &containerd.dir().join("logs")).await;
        pod.is_err_and(|status| {
            status.code() == tonic::Code::PermissionDenied && status.message().contains("not here")
        })
    };
    assert!(wait_for(refused).await, "{}", shunt.stderr());
    containerd.escapes().assert_never("k8s.io");
    // It is said before the first pod: by the daemon at its start, and by `check`.
    let said = format!("no pod can start without {NAME}, and it is denied by rule \"registry.k8s.io\"");
    assert!(shunt.stderr().contains(&said), "{}", shunt.stderr());
    let checked = shunt.run("check", &["--strict"]);
    let warned = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{warned}");
    let hint = "add a [[policy.rule]] with prefix = \"registry.k8s.io/pause\"";
    assert!(warned.contains(&said) && warned.contains(hint), "{warned}");
    // One that is there already is as good as any image that is there.
    containerd.serve_pause(registry);
    Cri::connect(&containerd.socket()).await.pull(NAME).await.unwrap();
    Pod::run(&cri, "pause-present", &containerd.dir().join("logs"))
        .await
        .unwrap()
        .remove(&cri)
        .await
        .unwrap();
}

on_each_containerd!(
    it_is_there_by_policy_before_anyone_asks,
    a_pod_waits_for_it,
    a_denied_one_is_not_pulled_by_containerd_either,
);
