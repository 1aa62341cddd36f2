//! Where each containerd looks for `hosts.toml`, by its config: what `Facts` says, against what it really reads. And what
//! it makes of the mirrors in its own config.
//!
//! Holds: in every cell a file is put into each directory that could be meant, one at a time, and containerd asks the
//! registry exactly where `Roots::read` has the directory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};

use cri_shunt::inside::containerd::{Facts, Link, PullMode, Roots, hosts};
use cri_shunt::inside::registry::Endpoint;
use support::certificates::{Authority, Oddity};
use support::containerd::Containerd;
use support::containerd_config::Options;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::guarded::Guard;
use support::image::Image;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;

fn daemon() -> hosts::PrivateHosts {
    hosts::PrivateHosts::of(Path::new("/var/lib/cri-shunt"))
}

const IMAGES: &str = "[plugins.\"io.containerd.cri.v1.images\"]\n";

/// What makes containerd 2.1 pull locally: lines for the table of images, and tables of their own.
const TRIGGERS: [(&str, &str); 7] = [
    ("", ""),
    ("use_local_image_pull = true\n", ""),
    // With two directories, this is the stock config of EKS' AL2023.
    ("discard_unpacked_layers = true\n", ""),
    ("disable_snapshot_annotations = false\n", ""),
    ("max_concurrent_downloads = 5\n", ""),
    ("image_pull_with_sync_fs = true\n", ""),
    (
        "",
        "[plugins.\"io.containerd.cri.v1.images\".registry.configs.\"x.dev\".auth]\nusername = \"ann\"\npassword = \"pw\"\n",
    ),
];

struct Cell<'c> {
    containerd: &'c Containerd,
    registry: &'c Registry,
    image: &'c Image,
    config_path: String,
    trigger: (&'static str, &'static str),
}

impl Cell<'_> {
    fn restart(&self, base: &str) {
        let lines = base.lines().map(|line| match line.trim_start().starts_with("config_path") {
            true => format!("config_path = \"{}\"", self.config_path),
            false => line.to_owned(),
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        let text = text.replacen(IMAGES, &format!("{IMAGES}{}", self.trigger.0), 1) + self.trigger.1;
        std::fs::write(self.containerd.config_file(), text).unwrap();
        self.containerd.restart();
    }

    /// Whether containerd asks the registry when the file is in this directory alone.
    async fn reads(&self, cri: &Cri, root: &Path, nth: u64) -> bool {
        let endpoint = Endpoint {
            host: self.registry.host().to_owned(),
            schemes: vec!["http"],
            // Another private host each time.
            dial_timeout: Some(format!("{}s", 20 + nth)),
            ..Endpoint::default()
        };
        let alone = Roots::at(root);
        let host = daemon().ensure(&alone, &endpoint).unwrap();
        let before = self.registry.requests().len();
        let pulled = cri.pull(&format!("{host}/cell/app@{}", self.image.digest())).await;
        let asked = self.registry.requests().len() > before;
        if let Err(status) = &pulled {
            assert!(hosts::is_unread_private_host(status.message()), "{status}");
        }
        assert_eq!(pulled.is_ok(), asked, "{pulled:?}");
        assert_eq!(daemon().remove_stale(&alone, &Default::default()), Vec::<String>::new());
        asked
    }

    async fn check(&self, base: &str, directories: &[PathBuf]) {
        self.restart(base);
        let facts = Facts::learn(&Link::new(self.containerd.socket().into())).await.unwrap();
        let what = format!("{} {:?} {}", facts.version, self.trigger, self.config_path);
        assert_ne!(facts.roots, Roots::Unknown, "{what}");
        let has_transfer = self.containerd.version() >= Version::V2_1;
        let is_local = !has_transfer || self.trigger != TRIGGERS[0];
        assert_eq!(facts.pull_mode == Some(PullMode::Local), is_local, "{what}");
        assert_eq!(facts.fetches_by_mirror_host(), None, "{what}");
        let log = std::fs::read_to_string(self.containerd.log_file()).unwrap();
        let start = log.rfind("starting containerd").unwrap();
        let falls_back = log[start..].contains("Falling back to local image pull mode");
        let asks_for_it = self.trigger == TRIGGERS[1];
        assert_eq!(falls_back, is_local && has_transfer && !asks_for_it, "{what}");
        let cri = Cri::connect(&self.containerd.socket()).await;
        let mut read = Vec::new();
        for (root, nth) in directories.iter().zip(0..) {
            if self.reads(&cri, root, nth).await {
                read.push(root.as_path());
            }
        }
        let mut said: Vec<&Path> = facts.roots.read().iter().map(PathBuf::as_path).collect();
        said.sort();
        read.sort();
        assert_eq!(read, said, "{what}");
    }
}

async fn files_are_read_where_the_facts_say(version: Version) {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let image = Image::busybox("config-path");
    registry.push("cell/app", "1", &image);
    let base = std::fs::read_to_string(containerd.config_file()).unwrap();
    let [one, two] = ["one", "two"].map(|name| containerd.dir().join(name));
    let joined = PathBuf::from(format!("{}:{}", one.display(), two.display()));
    let texts = [String::new(), one.display().to_string(), joined.display().to_string()];
    let directories = [one, two, joined];
    let triggers = if version < Version::V2_1 { &TRIGGERS[..1] } else { &TRIGGERS[..] };
    for &trigger in triggers {
        for config_path in &texts {
            let cell = Cell {
                containerd: &containerd,
                registry: &registry,
                image: &image,
                config_path: config_path.clone(),
                trigger,
            };
            cell.check(&base, &directories).await;
        }
    }
}

#[tokio::test]
async fn a_verifier_that_is_there_is_found() {
    let Some(containerd) = Containerd::start(Version::V2_1) else { return };
    let directory = containerd.dir().join("verifiers");
    std::fs::create_dir(&directory).unwrap();
    let text = std::fs::read_to_string(containerd.config_file()).unwrap();
    let table = "[plugins.\"io.containerd.image-verifier.v1.bindir\"]";
    let text = format!("{text}{table}\nbin_dir = \"{}\"\n", directory.display());
    std::fs::write(containerd.config_file(), text).unwrap();
    containerd.restart();
    let facts = Facts::learn(&Link::new(containerd.socket().into())).await.unwrap();
    assert_eq!(facts.fetches_by_mirror_host(), None);
    std::fs::write(directory.join("verify"), "").unwrap();
    let why = facts.fetches_by_mirror_host().unwrap();
    assert!(why.contains(&directory.display().to_string()), "{why}");
}

/// What `hosts::set_up` tells people to take out of the table that gets a `config_path`, and what may stay.
async fn mirrors_and_tls_exclude_a_config_path_and_logins_do_not(version: Version) {
    let Some(containerd) = Containerd::start(version) else { return };
    let base = std::fs::read_to_string(containerd.config_file()).unwrap();
    let table = match version {
        Version::V1_6 | Version::V1_7 => "plugins.\"io.containerd.grpc.v1.cri\".registry",
        Version::V2_1 => "plugins.\"io.containerd.cri.v1.images\".registry",
    };
    let start = |more: &str| {
        containerd.stop();
        std::fs::write(containerd.config_file(), format!("{base}{}", more.replace("REGISTRY", table)))
            .unwrap();
        std::fs::write(containerd.log_file(), "").unwrap();
    };
    start(
        "[REGISTRY.configs.\"x.dev\".auth]\nusername = \"ann\"\npassword = \"pw\"\n\
         [REGISTRY.auths.\"https://y.dev\"]\nusername = \"bob\"\npassword = \"pw\"\n",
    );
    containerd.start_again();
    let facts = Facts::learn(&Link::new(containerd.socket().into())).await.unwrap();
    assert_eq!(facts.roots.read(), [containerd.certs_d()], "logins can stay");
    let refused = [
        ("[REGISTRY.mirrors.\"x.dev\"]\nendpoint = [\"https://y.dev\"]\n", "`mirrors` cannot be set when"),
        (
            "[REGISTRY.configs.\"x.dev\".tls]\ninsecure_skip_verify = true\n",
            "`configs.tls` cannot be set when",
        ),
    ];
    // 2.x does not know `tls` any more, and ignores it.
    let count = if version < Version::V2_1 { 2 } else { 1 };
    for (excluded, error) in refused.into_iter().take(count) {
        start(excluded);
        containerd.spawn();
        let log = || std::fs::read_to_string(containerd.log_file()).unwrap();
        let ended = || log().contains(error) || log().contains("containerd successfully booted");
        assert!(support::wait_until(ended) && log().contains(error), "{excluded}: {}", log());
    }
}

/// What a containerd with `registry.mirrors` in its own file pulls, and the shunt that has this file as a source, in front
/// of another containerd: the same mirrors in the same order, with the login and the authority that the file names.
async fn the_mirrors_of_its_own_file_are_those_of_the_shunt(version: Version) {
    let (Some(behind), Some(registry)) = (Containerd::shared(version), Registry::shared()) else { return };
    let line = version.line().replace('.', "-");
    let [without, first, second] = [(); 3].map(|()| Fake::in_front_of(registry.host()));
    without.on("/v2/", Behaviour::Status(404));
    for fake in [&first, &second] {
        fake.on("/v2/", Behaviour::Basic("ann", "pw-of-ann"));
    }
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let certificate = authority.issue(&["127.0.0.1"], Oddity::None).files(files.path(), "s");
    let guarded = Guard::default().tls(&certificate).start(registry);
    // 2.x does not know `tls` any more.
    let knows_tls = version < Version::V2_1;
    let table = if knows_tls { "io.containerd.grpc.v1.cri" } else { "io.containerd.cri.v1.images" };
    let mirrors = |name: &str, hosts: &[String]| {
        format!("[plugins.\"{table}\".registry.mirrors.\"{name}\"]\nendpoint = {hosts:?}\n")
    };
    let of = |fakes: &[&Fake]| fakes.iter().map(|fake| format!("http://{}", fake.host())).collect::<Vec<_>>();
    let mut more = mirrors("one.test", &of(&[&without, &first, &second]));
    more += &mirrors("two.test", &of(&[&second, &without, &first]));
    for fake in [&first, &second] {
        let login = "username = \"ann\"\npassword = \"pw-of-ann\"\n";
        more += &format!("[plugins.\"{table}\".registry.configs.\"{}\".auth]\n{login}", fake.host());
    }
    if knows_tls {
        more += &mirrors("tls.test", &[format!("https://{}", guarded.host())]);
        let ca = authority.file(files.path());
        let host = guarded.host();
        more += &format!("[plugins.\"{table}\".registry.configs.\"{host}\".tls]\nca_file = {ca:?}\n");
    }
    let options = Options { hosts_files: false, more, ..Options::default() };
    let Some(legacy) = Containerd::start_with(version, &options) else { return };
    let source = format!("[[policy.source]]\ncontainerd-config = {:?}\n", legacy.config_file());
    let shunt = Shunt::start(&source, behind);
    let cases =
        [("one.test", [true, true, false]), ("two.test", [false, false, true]), ("tls.test", [false; 3])];
    for (name, asked) in &cases[..if knows_tls { 3 } else { 2 }] {
        let image = Image::busybox(&format!("legacy-{name}-{line}"));
        let path = format!("legacy-{line}/{}", name.replace('.', "-"));
        registry.push(&path, "1", &image);
        for (socket, who) in [(legacy.socket(), "containerd"), (shunt.socket(), "the shunt")] {
            for fake in [&without, &first, &second] {
                fake.forget();
            }
            let pulled = Cri::connect(&socket).await.pull(&format!("{name}/{path}:1")).await;
            assert_eq!(
                pulled.unwrap_or_else(|status| panic!("{version:?} {who} {name}: {status}")),
                image.id()
            );
            let seen = [&without, &first, &second].map(|fake| !fake.records().is_empty());
            assert_eq!(seen, *asked, "{version:?} {who} {name}");
        }
        Cri::connect(&shunt.socket()).await.remove(&format!("{name}/{path}:1")).await.unwrap();
    }
}

on_each_containerd!(
    files_are_read_where_the_facts_say,
    mirrors_and_tls_exclude_a_config_path_and_logins_do_not,
    the_mirrors_of_its_own_file_are_those_of_the_shunt,
);
