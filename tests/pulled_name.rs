//! What comes after a pull in containerd and uses the name that was pulled: it sees the mirror's own.
//!
//! Here are real image verifiers of containerd 2.1. A snapshotter that fetches layers later is there only by name: what
//! it would get is read from the snapshots that containerd's own snapshotter makes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use support::containerd::Containerd;
use support::containerd_config::Options;
use support::cri::Cri;
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;

/// A directory with a verifier that notes what it is asked, and refuses what is in the repository `bad`.
struct Verifier(tempfile::TempDir);

impl Verifier {
    fn new() -> Verifier {
        let verifier = Verifier(tempfile::tempdir().unwrap());
        std::fs::create_dir(verifier.directory()).unwrap();
        let (program, seen) = (verifier.directory().join("verify"), verifier.seen_file());
        let text = format!(
            "#!/bin/sh\necho \"$@\" >> {}\ncase \"$*\" in */bad/*) echo not this one; exit 1;; esac\n",
            seen.display()
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        verifier
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("programs")
    }

    fn seen_file(&self) -> PathBuf {
        self.0.path().join("seen")
    }

    fn seen(&self) -> String {
        std::fs::read_to_string(self.seen_file()).unwrap_or_default()
    }
}

/// Those of the mirrors, by the rules that this configuration has.
#[tokio::test]
async fn verifiers_see_the_mirrors_own_name() {
    let verifier = Verifier::new();
    let table = "[plugins.\"io.containerd.image-verifier.v1.bindir\"]";
    let more = format!("{table}\nbin_dir = \"{}\"\n", verifier.directory().display());
    let options = Options { more, ..Options::default() };
    let (Some(registry), Some(containerd)) =
        (Registry::start(), Containerd::start_with(Version::V2_1, &options))
    else {
        return;
    };
    let image = Image::busybox("pulled-name");
    for repository in ["m/library/app", "bad/library/app"] {
        registry.push(repository, "1", &image);
    }
    let [good, bad] = ["m", "bad"].map(|path| format!("{}/{path}", registry.host()));
    let of = |mirror: &str| format!("-name {mirror}/library/app@{0} -digest {0}", image.digest());
    let rules = rule("docker.io", &[&bad, &good]);
    let shunt = Shunt::start(&rules, &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("app:1").await.unwrap(), image.id());
    let seen = verifier.seen();
    let starts: Vec<bool> =
        seen.lines().zip([&bad, &good]).map(|(line, mirror)| line.starts_with(&of(mirror))).collect();
    assert_eq!((seen.lines().count(), starts), (2, vec![true, true]), "{seen}");
    let shown = cri.status("app:1").await.unwrap().unwrap();
    let original = "docker.io/library/app";
    assert_eq!(shown.repo_tags, [format!("{original}:1")]);
    assert_eq!(shown.repo_digests, [format!("{original}@{}", image.digest())]);
    // A refusal says nothing of the mirror: it is asked by the next pull too.
    let said = shunt.stderr();
    assert!(!said.contains("mirror does not give") && said.contains("content"), "{said}");
    let checked = String::from_utf8(shunt.run("check", &[]).stdout).unwrap();
    assert!(checked.contains("the image verifiers in "), "{checked}");
    // The key says otherwise. Now a private name is seen, and a mirror with settings of its own can be had.
    let own = format!("mirrors = [{{ location = \"http://{bad}\", headers = {{ X-A = \"b\" }} }}]\n");
    let rules = format!("[[policy.rule]]\nprefix = \"quay.io\"\n{own}");
    shunt.write_config(&rules, &containerd);
    shunt.restart();
    let cri = Cri::connect(&shunt.socket()).await;
    let error = cri.pull("quay.io/library/app:1").await.unwrap_err();
    assert!(error.message().contains("set fetch-by = \"private-host\" under [containerd]"), "{error}");
    let checked = String::from_utf8(shunt.run("check", &[]).stdout).unwrap();
    assert!(checked.contains("This will not work yet:\n  a mirror whose rule says how"), "{checked}");
    let socket = format!("[containerd]\nsocket = \"{}\"\n", containerd.socket().display());
    shunt.write_config(&format!("{rules}{socket}fetch-by = \"private-host\"\n"), &containerd);
    shunt.restart();
    let cri = Cri::connect(&shunt.socket()).await;
    let before = verifier.seen().lines().count();
    let error = cri.pull("quay.io/library/app:1").await.unwrap_err();
    assert!(error.message().contains("blocked pull of") && !error.message().contains("zzz."), "{error}");
    let seen = verifier.seen();
    assert!(seen.lines().skip(before).all(|line| line.starts_with("-name zzz.")), "{seen}");
    assert_eq!(seen.lines().count(), before + 1, "{seen}");
}

/// What a snapshotter is told of an image, when layers come. A lazy one asks there for them later.
async fn snapshots_have_the_mirrors_own_name(version: Version) {
    let registry = Registry::shared();
    let (Some(registry), Some(containerd)) = (registry, Containerd::start(version)) else { return };
    let text = std::fs::read_to_string(containerd.config_file()).unwrap();
    // A runtime whose snapshotter is lazy; the one that pulls tells what it was told.
    let (snapshots, runtimes) = match version {
        Version::V2_1 => ("images\"]\n", "io.containerd.cri.v1.runtime\".containerd"),
        _ => ("cri\".containerd]\n", "io.containerd.grpc.v1.cri\".containerd"),
    };
    let told = format!("{snapshots}disable_snapshot_annotations = false\n");
    assert!(text.contains(snapshots), "{text}");
    let text = text.replacen(snapshots, &told, 1);
    let [runc, other] = ["runc", "other"].map(|name| {
        format!("[plugins.\"{runtimes}.runtimes.{name}]\nruntime_type = \"io.containerd.runc.v2\"\n")
    });
    // 1.6 knows no snapshotter of a runtime: there the key says it.
    let (lazy, key) = match version {
        Version::V1_6 => (String::new(), "fetch-by = \"mirror-host\"\n"),
        _ => (format!("{runc}{other}snapshotter = \"stargz\"\n"), ""),
    };
    std::fs::write(containerd.config_file(), format!("{text}{lazy}")).unwrap();
    containerd.restart();
    let image = Image::busybox(&format!("lazy-{}", version.line()));
    // The three containerds run at the same time, each with another image behind the tag.
    let path = format!("lazy-{}", version.line());
    registry.push(&format!("{path}/library/app"), "1", &image);
    let mirror = format!("{}/{path}", registry.host());
    let socket = format!("[containerd]\nsocket = \"{}\"\n{key}", containerd.socket().display());
    let shunt = Shunt::start(&format!("{}{socket}", rule("docker.io", &[&mirror])), &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("app:1").await.unwrap(), image.id());
    let native = Native::connect(&containerd.socket()).await;
    let expected = format!("{mirror}/library/app@{}", image.digest());
    assert_eq!(native.pulled_names().await, [expected].into());
    assert_eq!(native.names_with(registry.host()).await, Vec::<String>::new());
}

on_each_containerd!(snapshots_have_the_mirrors_own_name);

/// k3s and Spegel write the directory anew when they start.
#[tokio::test]
async fn the_file_of_a_hosts_own_name_is_put_back_before_it_is_needed() {
    let (Some(registry), Some(containerd)) = (Registry::shared(), Containerd::start(Version::V2_1)) else {
        return;
    };
    containerd.lead("m.test:5000", registry.host());
    let socket = format!("[containerd]\nsocket = \"{}\"\n", containerd.socket().display());
    let transport = "[[transport]]\nregistry = \"m.test:5000\"\nplain-http = true\n";
    let rule = rule("docker.io", &["m.test:5000/back"]);
    let shunt = Shunt::start(&format!("{rule}{transport}{socket}fetch-by = \"mirror-host\"\n"), &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    // By the mirror, and past every rule.
    for (name, tag) in [("app", "1"), ("app", "2"), ("m.test:5000/back/library/app", "3")] {
        let image = Image::busybox(&format!("back-{tag}"));
        registry.push("back/library/app", tag, &image);
        assert_eq!(cri.pull(&format!("{name}:{tag}")).await.unwrap(), image.id());
        std::fs::remove_dir_all(containerd.certs_d()).unwrap();
        std::fs::create_dir_all(containerd.certs_d()).unwrap();
    }
}
