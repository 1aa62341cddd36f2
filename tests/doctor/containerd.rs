//! What is found of a real containerd and of the images in it.

use std::path::Path;

use crate::on_each_containerd;
use crate::support::containerd::Containerd;
use crate::support::containerd_config::Options;
use crate::support::cri::Cri;
use crate::support::image::Image;
use crate::support::nodes::{Said, doctor};
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;

/// Asks with a policy for which no daemon runs.
fn with(dir: &Path, policy: &str, containerd: &Containerd) -> Said {
    let config = dir.join("config.toml");
    let (socket, own) = (containerd.socket(), dir.join("own.sock"));
    let text = format!("{policy}\n[containerd]\nsocket = {socket:?}\n[listen]\nsocket = {own:?}\n");
    std::fs::write(&config, text).unwrap();
    doctor(&["--offline", "--config", config.to_str().unwrap()])
}

/// What is said with this word.
fn what(said: &Said, id: &str) -> Vec<String> {
    let findings = said.json["findings"].as_array().unwrap().iter();
    let of = findings.filter(|finding| finding["id"] == id);
    of.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

async fn containerd_and_its_images_are_judged(version: Version) {
    let Some(registry) = Registry::shared() else { return };
    let Some(containerd) = Containerd::start_with(version, &Options::default()) else { return };
    registry.push("doctor/a", "1", &Image::busybox("doctor"));
    let routed = rule("quay.io", &[&format!("{}/doctor", registry.host())]);
    let shunt = Shunt::start(&routed, &containerd);
    Cri::connect(&shunt.socket()).await.pull("quay.io/a:1").await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    // All names have a rule.
    let said = with(dir.path(), &routed, &containerd);
    assert!(what(&said, "names-leak").is_empty(), "{}", said.text);
    let known = what(&said, "containerd");
    let reads = format!("hosts.toml is read from {}", containerd.certs_d().display());
    assert!(known[0].contains(version.line()) && known[0].ends_with(&reads), "{known:?}");

    // None has one.
    let said = with(dir.path(), &rule("ghcr.io", &["m.example"]), &containerd);
    assert_eq!(
        what(&said, "names-leak"),
        ["images on this node are of public registries, and no rule is for them: quay.io/a:1"]
    );
    let said = with(dir.path(), "[[policy.rule]]\nprefix = \"registry.k8s.io\"\ndeny = \"no\"", &containerd);
    let denied = what(&said, "pause-image-denied");
    assert!(denied[0].starts_with("no pod can start without registry.k8s.io/pause"), "{denied:?}");

    // It does not run.
    containerd.stop();
    let said = with(dir.path(), &routed, &containerd);
    assert!(what(&said, "containerd-socket")[0].starts_with("nobody listens on"), "{}", said.text);
}

on_each_containerd!(containerd_and_its_images_are_judged);
