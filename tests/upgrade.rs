//! What the version before has left is removed: on each containerd.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::wait_for;

/// Later than any record of this test.
const LATE: &str = "[9999999999,0]";

async fn mirror_names_of_the_version_before_are_removed(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = format!("upgrade/{}/app", version.line());
    let [mirror, original] = [registry.host(), "docker.io"].map(|host| format!("{host}/{path}"));
    let direct = Cri::connect(&containerd.socket()).await;
    let native = Native::connect(&containerd.socket()).await;
    let mut digests = Vec::new();
    for tag in ["ours", "kept", "pulled", "alone"] {
        let image = Image::busybox(&format!("upgrade-{}-{tag}", version.line()));
        registry.push(&path, tag, &image);
        direct.pull(&format!("{mirror}:{tag}")).await.unwrap();
        digests.push(format!("{mirror}@{}", image.digest()));
        if tag != "alone" {
            native.tag(&format!("{mirror}:{tag}"), &format!("{original}:{tag}")).await;
        }
    }

    let shunt = Shunt::prepare(&rule("docker.io/other", &["mirror.test"]), containerd, &[]);
    std::fs::create_dir_all(shunt.state_dir()).unwrap();
    let file = shunt.state_dir().join("mirror-names.json");
    let ledger = format!(
        r#"{{"version":1,"repositories":{{"{mirror}":{{"names":{{"{mirror}:ours":{LATE},"{mirror}:pulled":[1,0],"{mirror}:alone":null}},"kept":["{mirror}:kept"]}}}}}}"#
    );
    std::fs::write(&file, ledger).unwrap();
    shunt.start_again();
    assert!(wait_for(async || !file.exists()).await, "{}", shunt.stderr());

    let mut wanted: Vec<String> = ["kept", "pulled", "alone"].map(|tag| format!("{mirror}:{tag}")).into();
    wanted.extend_from_slice(&digests[1..]);
    wanted.sort();
    assert_eq!(native.names_with(&mirror).await, wanted, "{}", shunt.stderr());
    assert!(shunt.stderr().contains("it is the only name of its image"), "{}", shunt.stderr());
    assert!(direct.has(&format!("{original}:ours")).await);
}

on_each_containerd!(mirror_names_of_the_version_before_are_removed);
