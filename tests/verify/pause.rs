//! The pause image, which containerd would pull by itself: no pod starts with one that is not signed.

use crate::support::containerd::Containerd;
use crate::support::containerd_config::Options;
use crate::support::pod::Pod;
use crate::support::shunt::rule;
use crate::support::version::Version;
use crate::{Setup, on_each_containerd};

on_each_containerd!(a_pod_needs_a_signed_one);

fn config(mirror: &str) -> String {
    let rule = rule("registry.k8s.io", &[&format!("HOST/{mirror}")]);
    format!("[[signature]]\nname = \"prod\"\nkeys = [\"KEY\"]\n{rule}verify = \"prod\"\n")
}

async fn a_pod_needs_a_signed_one(version: Version) {
    let Some(containerd) = Containerd::start_with(version, &Options::default()) else { return };
    let Some(mut setup) = Setup::on(&containerd, &config("bare-pause")).await else { return };
    let logs = containerd.dir().join("logs");
    let refused = Pod::run(&setup.cri, "pause-unsigned", &logs).await.unwrap_err();
    assert!(refused.message().contains("SignatureValidationFailed: registry.k8s.io/pause:"), "{refused}");
    assert_eq!(setup.native.names_with("pause").await, Vec::<String>::new());
    setup.again(&config("signed-pause")).await;
    let pod = Pod::run(&setup.cri, "pause-signed", &logs).await.unwrap();
    pod.remove(&setup.cri).await.unwrap();
    containerd.escapes().assert_never("k8s.io");
}
