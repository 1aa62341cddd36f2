//! `cri-shunt eject`: what is left of the daemon goes without the daemon, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::fs;
use std::process::Output;

use sha2::{Digest as _, Sha256};

use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::wait_until;

/// The fence leads both registries elsewhere for every client of containerd.
const CONFIG: &str = "[[policy.rule]]\nprefix = \"denied.dev\"\ndeny = \"no\"\n\
                      [[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.test:5000\"]\n";

fn eject(shunt: &Shunt, more: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = shunt.run("eject", more);
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

async fn all_of_it_goes_and_nothing_else(version: Version) {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let fence = format!("[containerd]\nsocket = \"{}\"\nfence = true\n", containerd.socket().display());
    let outage = rule("ghcr.io", &[registry.host()]) + "collapse = true\non-outage = \"present\"\n";
    let shunt = Shunt::start(&format!("{CONFIG}{outage}{fence}"), &containerd);
    let denied = containerd.certs_d().join("denied.dev/hosts.toml");
    assert!(wait_until(|| denied.exists()), "{}", shunt.stderr());
    let text = fs::read_to_string(&denied).unwrap();
    assert!(text.contains("`cri-shunt eject` removes all such files"), "{text}");
    containerd.hosts_toml("others.dev", "server = \"https://others.dev\"\n");
    registry.push("apps/web", "1", &Image::busybox("eject"));

    // A dry run does not mind the daemon, and takes nothing from it. It has made the key for `on-outage`.
    let pid = shunt.pid().unwrap();
    let key = shunt.state_dir().join("login-key");
    let through = Cri::connect(&shunt.socket()).await;
    through.pull("ghcr.io/apps/web:1").await.unwrap();
    assert!(key.exists(), "{}", shunt.stderr());
    fs::write(shunt.bypass_file(), "").unwrap();
    let (status, said) = eject(&shunt, &["--dry-run"]);
    assert!(status == Some(0) && said.contains(&format!("the daemon still runs (process {pid})")), "{said}");
    for would in [&denied, &key, &shunt.state_dir().join("lock")] {
        assert!(would.exists() && said.contains(&format!("would remove {}\n", would.display())), "{said}");
    }
    assert_eq!(fs::read_to_string(shunt.state_dir().join("lock")).unwrap().trim(), pid.to_string());
    let (status, said) = eject(&shunt, &[]);
    assert!(status == Some(3) && said.contains(&format!("another cri-shunt (process {pid})")), "{said}");
    shunt.kill9();
    // A name that the crash has left, beside one that stays. The daemon itself would soon take it away.
    let name = format!("{}/apps/web:1", registry.host());
    let cri = Cri::connect(&containerd.socket()).await;
    cri.pull(&name).await.unwrap();
    let digits: String = Sha256::digest(shunt.state_dir().to_str().unwrap())[..3]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let private = format!("zzz.0123456789.{digits}.cri-shunt.invalid/apps/web:1");
    assert!(containerd.ctr(&["images", "tag", &name, &private]).status.success());
    // The version before has left this, and its lock has the id of a process that is gone.
    fs::write(shunt.state_dir().join("mirror-names.json.unreadable"), "{").unwrap();
    let (_, said) = eject(&shunt, &["--dry-run"]);
    assert!(!said.contains("still runs"), "{said}");
    assert!(denied.exists() && said.contains(&format!("would remove {}", denied.display())), "{said}");

    // A configuration that cannot be used is no hindrance.
    let config = fs::read_to_string(shunt.config_file()).unwrap();
    shunt.write(&config.replace("prefix = \"quay.io\"", "prefix = 7"));
    let (status, said) = eject(&shunt, &[]);
    assert_eq!(status, Some(0), "{said}");
    for part in
        ["/denied.dev/hosts.toml\n", "/quay.io/hosts.toml\n", "removed 1 image name below", "/state\n"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let left: Vec<_> = fs::read_dir(containerd.certs_d()).unwrap().map(|entry| entry.unwrap()).collect();
    let left: Vec<String> = left.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert!(
        left.contains(&"others.dev".to_owned()) && !left.iter().any(|name| name.contains("denied")),
        "{left:?}"
    );
    for gone in [shunt.state_dir(), shunt.socket(), shunt.bypass_file()] {
        assert!(!gone.exists(), "{}: {said}", gone.display());
    }
    assert!(cri.has(&name).await && !cri.has(&private).await);
    assert!(eject(&shunt, &[]).1.contains("there was nothing to remove"));
    assert_eq!(eject(&shunt, &["-q"]), (Some(0), String::new()));
    let looked = format!("looked for hosts.toml files in {}\n", containerd.certs_d().display());
    assert!(eject(&shunt, &["-v"]).1.contains(&looked));
}

async fn without_containerd_it_does_the_rest(version: Version) {
    let Some(containerd) = Containerd::start(version) else { return };
    let fence = format!("[containerd]\nsocket = \"{}\"\nfence = true\n", containerd.socket().display());
    let shunt = Shunt::start(&format!("{CONFIG}{fence}"), &containerd);
    let denied = containerd.certs_d().join("denied.dev/hosts.toml");
    assert!(wait_until(|| denied.exists()), "{}", shunt.stderr());
    shunt.stop();
    containerd.stop();
    let directory = containerd.certs_d();
    let (status, said) = eject(&shunt, &["--directory", directory.to_str().unwrap()]);
    assert!(status == Some(1) && said.contains("containerd does not answer"), "{said}");
    assert!(!denied.exists() && !shunt.state_dir().exists(), "{said}");
}

on_each_containerd!(all_of_it_goes_and_nothing_else, without_containerd_it_does_the_rest);
