//! Private hosts: every kind of endpoint is reached through a file of its own, by the containerds themselves.
//!
//! Holds: no host is on the loopback, unless the test says so: there containerd would try http and accept any
//! certificate by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cri_shunt::inside::containerd::{Roots, hosts};
use cri_shunt::inside::files::secret::Secret;
use cri_shunt::inside::registry::{Endpoint, HeaderValue};
use k8s_cri::v1::AuthConfig;
use support::containerd::Containerd;
use support::containerd_config::Options;
use support::cri::{Cri, user_and_password};
use support::fake::{Behaviour, Fake, basic};
use support::image::Image;
use support::pki::Pki;
use support::registry::{Front, Registry};
use support::version::Version;

struct Ground {
    containerd: Containerd,
    storage: Registry,
    pki: Pki,
    fronts: Vec<Registry>,
}

fn daemon() -> hosts::PrivateHosts {
    hosts::PrivateHosts::of(std::path::Path::new("/var/lib/cri-shunt"))
}

fn https(host: &str) -> Endpoint {
    Endpoint { host: host.to_owned(), schemes: vec!["https"], ..Endpoint::default() }
}

fn http(host: &str) -> Endpoint {
    Endpoint { schemes: vec!["http"], ..https(host) }
}

fn text(name: &str, value: &str) -> (String, HeaderValue) {
    (name.to_owned(), HeaderValue::Text(Secret::new(value.to_owned())))
}

/// A login that is bound to a host.
fn login_for(host: &str) -> Option<AuthConfig> {
    Some(AuthConfig { server_address: format!("https://{host}"), ..user_and_password("ann", "pw-of-ann") })
}

impl Ground {
    fn start(version: Version) -> Option<Ground> {
        let (storage, containerd) = (Registry::start()?, Containerd::start(version)?);
        Some(Ground { containerd, storage, pki: Pki::new(), fronts: Vec::new() })
    }

    /// A registry of this name that speaks TLS under the test's authority.
    fn front(&mut self, name: &str, port: u16, wants_client: bool, below: &str) {
        let (pair, ca) = (self.pki.pair(name), self.pki.ca());
        let front = self.storage.front(&Front {
            tls: Some((&pair.certificate, &pair.key)),
            client_ca: wants_client.then_some(ca.as_path()),
            below,
        });
        self.containerd.lead(&format!("{name}:{port}"), front.host());
        self.fronts.push(front);
    }

    fn roots(&self) -> Roots {
        Roots::at(self.containerd.certs_d())
    }

    fn push(&self, unique: &str) -> Image {
        let image = Image::busybox(unique);
        self.storage.push("a/app", unique, &image);
        image
    }

    async fn cri(&self) -> Cri {
        Cri::connect(&self.containerd.socket()).await
    }

    /// Pulls an image that nobody has pulled before.
    async fn pull(&self, kind: &str, endpoint: &Endpoint) {
        let image = self.push(&format!("private-{}", kind.replace(' ', "-")));
        let host = daemon().ensure(&self.roots(), endpoint).unwrap();
        let name = format!("{host}/a/app@{}", image.digest());
        let pulled = self.cri().await.pull_with(&name, None).await;
        let why = |status| panic!("{kind}: {status}: {:?}", self.containerd.escapes().asked());
        assert_eq!(pulled.unwrap_or_else(why), image.id(), "{kind}");
    }

    fn file(&self, endpoint: &Endpoint) -> PathBuf {
        self.containerd.certs_d().join(daemon().host(endpoint)).join("hosts.toml")
    }
}

async fn every_kind_of_endpoint_is_reached(version: Version) {
    let Some(mut ground) = Ground::start(version) else { return };
    ground.front("tls.test", 443, false, "");
    ground.front("client.test", 8443, true, "");
    ground.front("skip.test", 443, false, "");
    ground.front("root.test", 443, false, "/some/proxy");
    ground.front("first.test", 5000, false, "");
    let keyed = Fake::in_front_of(ground.storage.host());
    keyed.on("/v2/", Behaviour::Wants("X-Key", "let-me-in".to_owned()));
    for name in ["plain.test:5000", "falls.test:5000", "nexus:80", "my_registry:5000", "[fd00::5]:5000"] {
        ground.containerd.lead(name, ground.storage.host());
    }
    ground.containerd.lead("keyed.test:80", &keyed.host());
    ground.containerd.lead("[fd00::6]:443", ground.fronts[2].host());
    let (ca, client) = (vec![ground.pki.ca()], ground.pki.pair("client"));
    let token = ground.pki.path("token");
    std::fs::write(&token, "let-me-in\n").unwrap();
    let pair = vec![(client.certificate, Some(client.key))];
    let from_file = ("X-Key".to_owned(), HeaderValue::File(token));
    let root = Some("/some/proxy/v2".to_owned());
    let rows = [
        ("plain http", http("plain.test:5000")),
        ("private CA", Endpoint { ca: ca.clone(), ..https("tls.test") }),
        ("client certificate", Endpoint { ca: ca.clone(), client: pair, ..https("client.test:8443") }),
        ("skip-verify", Endpoint { skip_verify: true, ..https("skip.test") }),
        ("API root", Endpoint { ca: ca.clone(), api_root: root, ..https("root.test") }),
        ("header as text", Endpoint { headers: vec![text("X-Key", "let-me-in")], ..http("keyed.test") }),
        ("header from file", Endpoint { headers: vec![from_file], ..http("keyed.test") }),
        ("single label", http("nexus")),
        ("underscore", http("my_registry:5000")),
        ("brackets", http("[fd00::5]:5000")),
        ("brackets by TLS", Endpoint { skip_verify: true, ..https("[fd00::6]") }),
        ("dial timeout", Endpoint { dial_timeout: Some("7s".to_owned()), ..http("nexus") }),
        ("https first", Endpoint { schemes: vec!["https", "http"], ca, ..https("first.test:5000") }),
        ("http at last", Endpoint { schemes: vec!["https", "http"], ..https("falls.test:5000") }),
    ];
    // A file for all other hosts does not count.
    ground.containerd.hosts_toml("_default", "server = \"http://127.0.0.1:1\"\n[host]\n");
    for (kind, endpoint) in &rows {
        ground.pull(kind, endpoint).await;
        let mode = std::fs::metadata(ground.file(endpoint)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if endpoint.headers.is_empty() { 0o644 } else { 0o600 }, "{kind}");
    }
    let of_private = |asked: &String| asked.starts_with("http://zzz.") || asked.starts_with("zzz.");
    let asked = ground.containerd.escapes().asked();
    assert!(!asked.iter().any(of_private), "{asked:?}");
}

/// Passes connections on to a registry, and keeps the first byte of each.
fn recorder(to: &str) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (firsts, to): (Arc<Mutex<Vec<u8>>>, _) = (Arc::default(), to.to_owned());
    let kept = firsts.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (firsts, to) = (kept.clone(), to.clone());
            std::thread::spawn(move || {
                let mut byte = [0];
                if stream.peek(&mut byte).is_ok_and(|count| count == 1) {
                    firsts.lock().unwrap().push(byte[0]);
                }
                let Ok(behind) = TcpStream::connect(to) else { return };
                std::thread::scope(|scope| {
                    scope.spawn(|| std::io::copy(&mut &stream, &mut &behind));
                    drop(std::io::copy(&mut &behind, &mut &stream));
                    drop(stream.shutdown(std::net::Shutdown::Both));
                });
            });
        }
    });
    (address, firsts)
}

async fn http_on_the_loopback_stays_http_whatever_else_it_needs(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let (address, firsts) = recorder(ground.storage.host());
    let pair = ground.pki.pair("client");
    let port = address.rsplit_once(':').unwrap().1;
    for (kind, endpoint) in [
        ("loopback with CA", Endpoint { ca: vec![ground.pki.ca()], ..http(&address) }),
        ("loopback with skip verify", Endpoint { skip_verify: true, ..http(&address) }),
        ("loopback by name", Endpoint { skip_verify: true, ..http(&format!("localhost:{port}")) }),
        (
            "loopback with client",
            Endpoint { client: vec![(pair.certificate, Some(pair.key))], ..http(&address) },
        ),
        ("loopback with header", Endpoint { headers: vec![text("X-A", "b")], ..http(&address) }),
        ("loopback with root", Endpoint { api_root: Some("/v2".to_owned()), ..http(&address) }),
    ] {
        ground.pull(kind, &endpoint).await;
        let firsts = std::mem::take(&mut *firsts.lock().unwrap());
        assert!(!firsts.is_empty() && !firsts.contains(&0x16), "{kind}: {firsts:x?}");
    }
}

async fn a_login_reaches_the_real_host_alone(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let fake = Fake::in_front_of(ground.storage.host());
    fake.on("/v2/", Behaviour::Basic("ann", "pw-of-ann"));
    for (real, lead, others) in [
        ("m.test:5000", "m.test:5000", ["m.test", "m.test:05000", "M.test:5000"]),
        ("nexus", "nexus:80", ["nexus:80", "nexus:443", "nexus.test"]),
        ("[fd00::5]:5000", "[fd00::5]:5000", ["fd00::5", "[fd00::5]", "[fd00:0::5]:5000"]),
    ] {
        ground.containerd.lead(lead, &fake.host());
        let endpoint = http(real);
        let image = ground.push(&format!("login-{}", real.len()));
        let host = daemon().ensure(&ground.roots(), &endpoint).unwrap();
        let name = format!("{host}/a/app@{}", image.digest());
        let cri = ground.cri().await;
        for other in others.iter().copied().chain([host.as_str()]) {
            fake.forget();
            cri.pull_with(&name, login_for(other)).await.unwrap_err();
            assert!(!fake.records().is_empty(), "{real}");
            let seen = fake.authorizations();
            assert!(seen.iter().all(String::is_empty), "{real}: {other}: {seen:?}");
        }
        fake.forget();
        let pulled = cri.pull_with(&name, login_for(real)).await;
        assert_eq!(pulled.unwrap_or_else(|status| panic!("{real}: {status}")), image.id());
        assert!(fake.authorizations().contains(&basic("ann", "pw-of-ann")), "{real}");
    }
}

/// Two registries whose files name one host with a header each.
async fn two_endpoints_of_one_host_are_kept_apart(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let fake = Fake::in_front_of(ground.storage.host());
    ground.containerd.lead("cache.test:80", &fake.host());
    let [one, two] = ["one", "two"]
        .map(|value| Endpoint { headers: vec![text("X-Registry", value)], ..http("cache.test") });
    for (kind, endpoint, other) in [("one", &one, "two"), ("two", &two, "one")] {
        fake.on("/v2/", Behaviour::Wants("X-Registry", kind.to_owned()));
        ground.pull(&format!("apart {kind}"), endpoint).await;
        let texts = std::fs::read_to_string(ground.file(endpoint)).unwrap();
        assert!(!texts.contains(other), "{texts}");
    }
}

/// As often as containerd asks a registry that needs no file.
async fn a_missing_image_is_asked_for_as_often_as_without_a_file(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let fake = Fake::in_front_of(ground.storage.host());
    let missing = format!("a/none@{}", Image::busybox("nobody-has-this").digest());
    let cri = ground.cri().await;
    cri.pull(&format!("{}/{missing}", fake.host())).await.unwrap_err();
    let plain = |records: Vec<support::fake::Record>| -> Vec<String> {
        let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
        records.iter().map(|record| format!("{} {}", record.method, path(&record.path))).collect()
    };
    let direct = plain(fake.records());
    fake.forget();
    let host = daemon().ensure(&ground.roots(), &http(&fake.host())).unwrap();
    let status = cri.pull(&format!("{host}/{missing}")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound, "{status}");
    assert!(!hosts::is_unread_private_host(status.message()), "{status}");
    assert_eq!(plain(fake.records()), direct);
    assert!(ground.containerd.escapes().asked().is_empty(), "{:?}", ground.containerd.escapes().asked());
}

/// With and without a proxy between containerd and everything else.
async fn a_file_that_is_not_read_shows(version: Version) {
    for closed in [true, false] {
        let Some(containerd) = Containerd::start_with(version, &Options { closed, ..Options::default() })
        else {
            return;
        };
        let host = daemon().host(&http("m.test"));
        let digest = Image::busybox("unread").digest();
        let cri = Cri::connect(&containerd.socket()).await;
        let status = cri.pull(&format!("{host}/a/app@{digest}")).await.unwrap_err();
        assert!(hosts::is_unread_private_host(status.message()), "{status}");
    }
}

on_each_containerd!(
    every_kind_of_endpoint_is_reached,
    http_on_the_loopback_stays_http_whatever_else_it_needs,
    a_login_reaches_the_real_host_alone,
    two_endpoints_of_one_host_are_kept_apart,
    a_missing_image_is_asked_for_as_often_as_without_a_file,
    a_file_that_is_not_read_shows,
);
