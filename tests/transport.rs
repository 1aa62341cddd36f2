//! Mirrors of every kind, reached through the shunt by containerds that have nothing but a `config_path`.
//!
//! No name is on the loopback, where containerd tries http and any certificate by itself, but in the test about that.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::pki::Pki;
use support::registry::{Front, Registry};
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::wait_until;

/// Every kind of registry, over one storage.
struct Ground {
    containerd: Containerd,
    pki: Pki,
    storage: Registry,
    fronts: Vec<Registry>,
    fake: Fake,
}

impl Ground {
    fn start(version: Version) -> Option<Ground> {
        let storage = Registry::start()?;
        let containerd = Containerd::start(version)?;
        let pki = Pki::new();
        let fake = Fake::in_front_of(storage.host());
        let mut ground = Ground { containerd, pki, storage, fronts: Vec::new(), fake };
        ground.front("tls.test", "tls.test:443", &|_| {});
        ground.front("client.test", "client.test:8443", &|front| front.client_ca = Some(true));
        ground.front("skip.test", "skip.test:443", &|_| {});
        ground.front("root.test", "root.test:443", &|front| front.below = "/some/proxy");
        ground.front("either.test", "either.test:5000", &|_| {});
        ground.containerd.lead("plain.test:5000", ground.storage.host());
        ground.containerd.lead("falls.test:5000", ground.storage.host());
        ground.fake.on("/v2/", Behaviour::Wants("X-Testbed", "let-me-in".to_owned()));
        ground.containerd.lead("header.test:80", &ground.fake.host());
        Some(ground)
    }

    /// A registry that speaks TLS under the test's authority.
    fn front(&mut self, name: &str, target: &str, change: &dyn Fn(&mut Wish)) {
        let mut wish = Wish::default();
        change(&mut wish);
        let (pair, ca) = (self.pki.pair(name), self.pki.ca());
        let front = self.storage.front(&Front {
            tls: Some((&pair.certificate, &pair.key)),
            client_ca: wish.client_ca.map(|_| ca.as_path()),
            below: wish.below,
        });
        self.containerd.lead(target, front.host());
        self.fronts.push(front);
    }

    fn rules(&self) -> String {
        MIRRORS.into_iter().map(|(registry, mirror)| rule(registry, &[mirror])).collect()
    }

    /// What each mirror needs.
    fn needs(&self) -> String {
        let (ca, client) = (self.pki.ca(), self.pki.pair("client"));
        let (ca, cert, key) = (ca.display(), client.certificate.display(), client.key.display());
        let header = self.pki.path("header");
        std::fs::write(&header, "let-me-in\n").unwrap();
        let header = header.display();
        let conf = self.pki.path("registries.conf");
        let insecure = |place: &str, host: &str| {
            format!("[[registry]]\nprefix = \"{place}\"\nlocation = \"{host}\"\ninsecure = true\n")
        };
        let text =
            insecure("a.insecure.dev", "either.test:5000") + &insecure("b.insecure.dev", "falls.test:5000");
        std::fs::write(&conf, text).unwrap();
        let conf = conf.display();
        format!(
            "[[transport]]\nregistry = \"tls.test\"\nca = \"{ca}\"\n\
             [[transport]]\nregistry = \"client.test:8443\"\nca = [\"{ca}\"]\nclient-cert = \"{cert}\"\nclient-key = \"{key}\"\n\
             [[transport]]\nregistry = \"skip.test\"\nskip-verify = true\ndial-timeout = \"5s\"\n\
             [[transport]]\nregistry = \"root.test\"\nca = \"{ca}\"\napi-root = \"/some/proxy/v2\"\n\
             [[transport]]\nregistry = \"plain.test:5000\"\nplain-http = true\n\
             [[transport]]\nregistry = \"header.test\"\nplain-http = true\n\
             headers = {{ X-Testbed = {{ file = \"{header}\" }} }}\n\
             [[policy.source]]\nregistries-conf = \"{conf}\"\n"
        )
    }
}

#[derive(Default)]
struct Wish {
    client_ca: Option<bool>,
    below: &'static str,
}

const MIRRORS: [(&str, &str); 6] = [
    ("a.dev", "tls.test"),
    ("b.dev", "client.test:8443"),
    ("c.dev", "skip.test"),
    ("d.dev", "root.test"),
    ("e.dev", "plain.test:5000"),
    ("f.dev", "header.test"),
];

fn hosts_toml(containerd: &Containerd, directory: &str) -> std::path::PathBuf {
    containerd.certs_d().join(directory).join("hosts.toml")
}

async fn every_kind_of_mirror_is_reached(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let containerd = &ground.containerd;
    let shunt = Shunt::start(&ground.rules(), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for (registry, mirror) in MIRRORS {
        let image = Image::busybox(&format!("transport-{mirror}"));
        ground.storage.push("way/app", registry, &image);
        let status = cri.pull(&format!("{registry}/way/app:{registry}")).await.unwrap_err();
        assert!(status.message().contains(mirror), "{registry}: {status}");
    }
    shunt.reload(&(ground.rules() + &ground.needs()), containerd);
    shunt.until("the transport is read", || shunt.stderr().contains("new policy loaded"));
    for (registry, mirror) in MIRRORS {
        let image = Image::busybox(&format!("transport-{mirror}"));
        let pulled = cri.pull(&format!("{registry}/way/app:{registry}")).await;
        assert_eq!(pulled.unwrap_or_else(|status| panic!("{registry}: {status}")), image.id(), "{registry}");
    }
    for (registry, (tag, mirror)) in [("a.insecure.dev", MIRRORS[0]), ("b.insecure.dev", MIRRORS[1])] {
        let pulled = cri.pull(&format!("{registry}/way/app:{tag}")).await;
        let id = pulled.unwrap_or_else(|status| panic!("{registry}: {status}\n{}", shunt.stderr()));
        assert_eq!(id, Image::busybox(&format!("transport-{mirror}")).id(), "{registry}");
    }
    let asked = containerd.escapes().asked();
    let of_origin = |asked: &String| asked.contains(".dev:443") || asked.contains(".dev/");
    assert!(!asked.iter().any(of_origin), "{asked:?}");
    let shown = shunt.status();
    assert!(shown.contains("client.test_8443_ (the certificate authority"), "{shown}");
    assert!(!shown.contains("let-me-in") && !shunt.stderr().contains("let-me-in"), "{shown}");
    explain_reaches_them_too(&ground, &shunt);
    a_missing_image_is_asked_for_by_head_and_get(&ground, &cri).await;
}

/// With the same config, without containerd.
fn explain_reaches_them_too(ground: &Ground, shunt: &Shunt) {
    for (registry, mirror) in MIRRORS {
        let output = shunt.run("explain", &["--live", &format!("{registry}/way/app:{registry}")]);
        let shown = String::from_utf8(output.stdout).unwrap();
        let digest = Image::busybox(&format!("transport-{mirror}")).digest();
        assert!(shown.contains(&digest), "{shown}\n{:?}", ground.containerd.escapes().asked());
        assert!(!shown.contains("let-me-in"), "{shown}");
    }
    let shown = shunt.run("explain", &["d.dev/way/app:1", "g.dev/a:1"]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("by https, API root /some/proxy/v2/, CA "), "{shown}");
}

/// Whatever stands in the file, the host is asked once, and a second time for the words: the answer to HEAD has none.
async fn a_missing_image_is_asked_for_by_head_and_get(ground: &Ground, cri: &Cri) {
    let status = cri.pull("f.dev/way/none:1").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound, "{status}");
    let records = ground.fake.records();
    let of_image = records.iter().filter(|record| record.path.contains("way/none/"));
    let asked: Vec<_> = of_image.map(|record| (record.method.as_str(), record.path.as_str())).collect();
    assert_eq!(asked, [("HEAD", "/v2/way/none/manifests/1"), ("GET", "/v2/way/none/manifests/1")]);
}

/// As Artifactory and Nexus have it: a root for each repository on one host, as k3s' file names them.
async fn several_roots_of_one_host_are_kept_apart(version: Version) {
    let (Some(storage), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let pki = Pki::new();
    let pair = pki.pair("two.test");
    let tls = Some((pair.certificate.as_path(), pair.key.as_path()));
    let front = storage.front(&Front { tls, below: "/x", ..Front::default() });
    containerd.lead("two.test:443", front.host());
    let roots = [("a.dev", "", "app"), ("b.dev", "/sub", "sub/app"), ("c.dev", "/more", "more/app")];
    let mirrors = roots.map(|(registry, below, _)| {
        format!("  {registry}:\n    endpoint: [\"https://two.test/x/v2{below}\"]\n")
    });
    let yaml = format!(
        "mirrors:\n{}configs:\n  two.test:\n    tls:\n      ca_file: {}\n",
        mirrors.concat(),
        pki.ca().display()
    );
    let file = pki.path("registries.yaml");
    std::fs::write(&file, yaml).unwrap();
    let config = format!("[[policy.source]]\nregistries-yaml = \"{}\"\n", file.display());
    let shunt = Shunt::start(&config, &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for (registry, _, repository) in roots {
        let image = Image::busybox(&format!("transport-root-{registry}"));
        storage.push(repository, "1", &image);
        let pulled = cri.pull(&format!("{registry}/app:1")).await;
        assert_eq!(pulled.unwrap_or_else(|status| panic!("{registry}: {status}")), image.id(), "{registry}");
    }
    // Whatever others say of this host, containerd is led by a host name that only the shunt uses.
    let theirs = "server = 'https://two.test'\n[host.'https://two.test']\n";
    for directory in ["two.test", "two.test_443_", "two.test_0443_"] {
        let file = hosts_toml(&containerd, directory);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, theirs).unwrap();
    }
    shunt.restart();
    let cri = Cri::connect(&shunt.socket()).await;
    storage.push("sub/app", "2", &Image::busybox("transport-root-again"));
    let pulled = cri.pull("b.dev/app:2").await;
    assert!(pulled.is_ok(), "{pulled:?}\n{}", shunt.stderr());
}

/// A bad file fails the registry that it is for, and is named with it; no other registry is asked instead.
async fn a_bad_file_fails_its_own_registry_only(version: Version) {
    let (Some(storage), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let pki = Pki::new();
    let pair = pki.pair("tls.test");
    let tls = Some((pair.certificate.as_path(), pair.key.as_path()));
    let front = storage.front(&Front { tls, ..Front::default() });
    containerd.lead("tls.test:443", front.host());
    let image = Image::busybox("transport-bad");
    storage.push("bad/app", "1", &image);
    let other = Pki::new();
    let (no_pem, missing, foreign) = (pki.path("no-pem"), pki.path("missing"), other.ca());
    std::fs::write(&no_pem, "no certificate").unwrap();
    let config = |ca: &Path, mirrors: &str| {
        let ca = ca.display();
        format!(
            "[[policy.rule]]\nprefix = \"a.dev\"\nmirrors = [{mirrors}]\n\
             [[transport]]\nregistry = \"tls.test\"\nca = \"{ca}\"\n"
        )
    };
    let shunt = Shunt::start(&config(&foreign, "\"tls.test\""), &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for (ca, part) in [(&foreign, "certificate"), (&no_pem, "no-pem"), (&missing, "missing")] {
        shunt.reload(&config(ca, "\"tls.test\""), &containerd);
        let line = format!("ca = [\"{}\"]", ca.display());
        let file = hosts_toml(&containerd, "tls.test");
        let changed = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&line));
        shunt.until("the file has changed", changed);
        let status = cri.pull("a.dev/bad/app:1").await.unwrap_err();
        assert!(status.message().contains(part), "{part}: {status}");
        let named = format!("{}, for the registry tls.test: ", ca.display());
        let said = || ca == &foreign || shunt.status().contains(&named);
        assert!(wait_until(said), "{}", shunt.status());
    }
    // The next mirror serves.
    let both = format!("\"tls.test\", \"{}\"", storage.host());
    shunt.reload(&config(&missing, &both), &containerd);
    let served = support::wait_for(async || cri.pull("a.dev/bad/app:1").await.is_ok()).await;
    assert!(served, "{}", shunt.stderr());
    let asked = containerd.escapes().asked();
    assert!(asked.iter().all(|asked| asked == "tls.test:443"), "{asked:?}");
}

/// containerd and the shunt guess in the same way how a registry on the loopback is reached. The shunt does so once, and
/// tells containerd what has led to an answer.
async fn what_a_loopback_registry_speaks_is_guessed_once(version: Version) {
    let (Some(storage), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let pki = Pki::new();
    let pair = pki.pair("127.0.0.1");
    let tls = Some((pair.certificate.as_path(), pair.key.as_path()));
    let front = storage.front(&Front { tls, ..Front::default() });
    let rules = [("a.dev", storage.host()), ("b.dev", front.host())]
        .map(|(registry, mirror)| rule(registry, &[mirror]))
        .concat();
    let shunt = Shunt::start(&rules, &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for registry in ["a.dev", "b.dev"] {
        let image = Image::busybox(&format!("transport-loopback-{registry}"));
        storage.push("loop/app", registry, &image);
        let pulled = cri.pull(&format!("{registry}/loop/app:{registry}")).await;
        assert_eq!(pulled.unwrap_or_else(|status| panic!("{registry}: {status}")), image.id(), "{registry}");
    }
    let mut told: Vec<String> = std::fs::read_dir(containerd.certs_d())
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("hosts.toml")).ok())
        .flat_map(|text| {
            text.lines().filter(|line| line.contains("://")).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    told.sort();
    let server = |scheme: &str, host: &str| format!("server = \"{scheme}://{host}\"");
    assert_eq!(told, [server("http", storage.host()), server("https", front.host())]);
}

on_each_containerd!(
    what_a_loopback_registry_speaks_is_guessed_once,
    every_kind_of_mirror_is_reached,
    several_roots_of_one_host_are_kept_apart,
    a_bad_file_fails_its_own_registry_only,
);
