//! A state directory that cannot be used: the daemon serves what it can, and says what it cannot. Full and read-only
//! ones: `recovery/failing.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;

/// The key of `on-outage`.
const KEY: &str = "login-key";
/// What the version before has kept.
const NAMES: &str = "mirror-names.json";

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap();
}

/// Makes a state directory in one of the ways that do not serve.
fn make(kind: &str, directory: &Path) {
    match kind {
        "a file" => fs::write(directory, "").unwrap(),
        "a pipe" => pipe(directory),
        _ => fs::create_dir(directory).unwrap(),
    }
    for name in [KEY, NAMES] {
        match kind {
            "pipes in it" => pipe(&directory.join(name)),
            "directories in it" => fs::create_dir_all(directory.join(name).join("below")).unwrap(),
            "devices in it" => symlink("/dev/zero", directory.join(name)).unwrap(),
            "dangling links in it" => symlink("/nowhere/at/all", directory.join(name)).unwrap(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn pulls_are_served_and_what_cannot_be_noted_is_said() {
    let (Some(containerd), Some(registry)) = (Containerd::shared(Version::V2_1), Registry::shared()) else {
        return;
    };
    let image = Image::busybox("state-dir");
    registry.push("state-dir/app", "1", &image);
    let config = format!("{}on-outage = \"present\"\n", rule("docker.io/state-dir", &[registry.host()]));
    for kind in
        ["a file", "a pipe", "pipes in it", "directories in it", "devices in it", "dangling links in it"]
    {
        let shunt = Shunt::prepare(&config, containerd, &[]);
        make(kind, &shunt.state_dir());
        shunt.start_again();
        let cri = Cri::connect(&shunt.socket()).await;
        assert_eq!(cri.pull("docker.io/state-dir/app:1").await.unwrap(), image.id(), "{kind}");
        let said = shunt.stderr();
        let key = shunt.state_dir().join(KEY);
        assert!(said.contains(&format!("cannot use the key {}", key.display())), "{kind}: {said}");
        assert!(said.contains("(on-outage)"), "{kind}: {said}");
        let is_read = ["pipes in it", "directories in it", "devices in it"].contains(&kind);
        assert!(!is_read || said.contains("cannot read the list of mirror names"), "{kind}: {said}");
        assert!(shunt.status().contains("policy"), "{kind}");
        cri.remove(&image.id()).await.unwrap();
        assert_eq!(shunt.stop().and_then(|status| status.code()), Some(0), "{kind}: {said}");
    }
}
