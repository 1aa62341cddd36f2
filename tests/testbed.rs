//! The setup itself: each containerd starts, pulls from a registry on the loopback, and runs a pod.
//!
//! When these fail, look here before looking at any other suite.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::{Read as _, Write as _};

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::foreign::{self, Call};
use support::image::Image;
use support::native::Native;
use support::pod::{self, Pod};
use support::raw::Raw;
use support::registry::Registry;
use support::systemd::{Systemd, write};
use support::version::Version;

fn setup(version: Version) -> Option<(&'static Containerd, &'static Registry)> {
    Some((Containerd::shared(version)?, Registry::shared()?))
}

async fn pulls(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let image = Image::busybox("testbed-pulls");
    registry.push("testbed/pulls", "1", &image);
    let name = registry.name("testbed/pulls", "1");
    let cri = Cri::connect(&containerd.socket()).await;
    assert_eq!(cri.pull(&name).await.unwrap(), image.id());
    let found = cri.status(&name).await.unwrap().expect("it was pulled");
    assert_eq!(found.repo_tags, std::slice::from_ref(&name));
    let native = Native::connect(&containerd.socket()).await;
    assert_eq!(native.record(&name).await.unwrap().target, image.digest());
    assert!(native.content().await.contains(&image.digest()));
    let asked = registry.requests();
    assert!(
        asked.iter().any(|a| a.method == "GET" && a.path.contains("/v2/testbed/pulls/manifests/")),
        "{asked:?}"
    );
    cri.remove(&name).await.unwrap();
}

async fn stays_on_the_loopback(version: Version) {
    let Some((containerd, _)) = setup(version) else { return };
    let cri = Cri::connect(&containerd.socket()).await;
    let error = cri.pull("escape.example/x/y:1").await.unwrap_err();
    assert!(error.message().contains("Forbidden by test"), "{error}");
    let asked = containerd.escapes().asked();
    assert!(asked.contains(&"escape.example:443".to_owned()), "{asked:?}");
}

async fn sends_credentials(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let image = Image::busybox("testbed-credentials");
    registry.push("testbed/credentials", "1", &image);
    for (behaviour, user) in [(Behaviour::Basic("ann", "pw"), "ann"), (Behaviour::Bearer("bob", "pw"), "bob")]
    {
        let fake = Fake::in_front_of(registry.host());
        fake.on("/v2/", behaviour);
        let name = format!("{}/testbed/credentials:1", fake.host());
        let cri = Cri::connect(&containerd.socket()).await;
        let refused = cri.pull(&name).await.unwrap_err();
        assert!(
            refused.message().contains("401") || refused.message().contains("authorization failed"),
            "{refused}"
        );
        assert!(fake.authorizations().iter().all(|a| !a.starts_with("Basic ")), "{:?}", fake.records());
        let auth = support::cri::user_and_password(user, "pw");
        assert_eq!(cri.pull_with(&name, Some(auth)).await.unwrap(), image.id());
        assert!(fake.authorizations().contains(&support::fake::basic(user, "pw")), "{:?}", fake.records());
        cri.remove(&name).await.unwrap();
    }
}

async fn runs_a_pod(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    containerd.serve_pause(registry);
    let image = Image::busybox("testbed-pod");
    registry.push("testbed/pod", "1", &image);
    let cri = Cri::connect(&containerd.socket()).await;
    let id = cri.pull(&registry.name("testbed/pod", "1")).await.unwrap();
    let pod = Pod::run(&cri, "testbed", &containerd.dir().join("logs")).await.unwrap();
    let script = "echo said; exec sleep 3600";
    let container = pod.create(&cri, pod::container("main", &id, &["sh", "-c", script])).await.unwrap();
    pod::start(&cri, &container).await.unwrap();
    let answer = pod::exec(&cri, &container, &["sh", "-c", "echo out; echo err >&2; exit 3"]).await.unwrap();
    assert_eq!(
        (answer.stdout.as_slice(), answer.stderr.as_slice(), answer.exit_code),
        (&b"out\n"[..], &b"err\n"[..], 3)
    );
    let log = containerd.dir().join("logs/main.log");
    let logged = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("stdout F said"));
    assert!(support::wait_until(logged));
    let found =
        cri.status("registry.k8s.io/pause:testbed").await.unwrap().expect("the sandbox image is there");
    assert_eq!(found.pinned, version != Version::V1_6, "1.6.20 does not pin");
    pod.remove(&cri).await.unwrap();
}

async fn knows_every_kind_of_image(version: Version) {
    let Some((containerd, registry)) = setup(version) else { return };
    let cri = Cri::connect(&containerd.socket()).await;
    let plain = Image::busybox("testbed-kinds");
    let kinds = [
        ("index", Image::index(plain.clone())),
        ("moved", plain.clone().with_annotation("moved", "yes")),
        ("big", Image::big("testbed-kinds-big", 3)),
    ];
    for (tag, image) in &kinds {
        registry.push("testbed/kinds", tag, image);
        let name = registry.name("testbed/kinds", tag);
        assert_eq!(cri.pull(&name).await.unwrap(), image.id());
        let found = cri.status(&name).await.unwrap().unwrap();
        assert!(found.repo_digests.contains(&format!(
            "{}/testbed/kinds@{}",
            registry.host(),
            image.digest()
        )));
    }
    assert_eq!(kinds[0].1.id(), kinds[1].1.id(), "a moved tag keeps the config");
    let big = cri.status(&kinds[2].1.id()).await.unwrap().unwrap();
    assert!(big.size > 3 << 20, "{big:?}");
    for (_, image) in &kinds {
        cri.remove(&image.id()).await.unwrap();
    }
}

async fn outlives_a_crash(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else { return };
    let image = Image::busybox("testbed-crash");
    registry.push("testbed/crash", "1", &image);
    Cri::connect(&containerd.socket()).await.pull(&registry.name("testbed/crash", "1")).await.unwrap();
    containerd.kill9();
    assert!(!support::cri::is_ready(&containerd.socket()).await);
    containerd.start_again();
    assert!(Cri::connect(&containerd.socket()).await.has(&image.id()).await);
    containerd.restart();
    assert!(Cri::connect(&containerd.socket()).await.has(&image.id()).await);
    let listed = containerd.ctr(&["images", "list", "-q"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&image.id()), "{listed:?}");
    let dir = containerd.dir().to_owned();
    drop(containerd);
    assert!(!dir.exists(), "nothing of it stays");
}

async fn answers_a_foreign_client(version: Version) {
    let Some((containerd, _)) = setup(version) else { return };
    let ask = |method: &str, how: &Call<'_>| foreign::call(&containerd.socket(), method, b"", how);
    let how =
        Call { authority: Some("/run/x.sock"), metadata: &["a=b", "c-bin=00ff"], gzip: false, repeat: 2 };
    let Some(answer) = ask("/runtime.v1.RuntimeService/Version", &how) else { return };
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.response.unwrap().contains("636f6e7461696e657264"), "it names containerd");
    let answer = ask("/runtime.v1.RuntimeService/NoSuch", &Call::default()).unwrap();
    assert_eq!((answer.code, answer.response), (12, None));
}

async fn shows_an_answer_raw(version: Version) {
    let Some((containerd, _)) = setup(version) else { return };
    let raw = Raw::connect(&containerd.socket()).await;
    let answer = raw.call("/runtime.v1.RuntimeService/Version", b"").await;
    assert_eq!((answer.http_status, answer.code(), answer.messages.len()), (200, Some(0), 1), "{answer:?}");
    let answer = raw.call("/runtime.v1.RuntimeService/Version", b"\xff").await;
    assert_eq!((answer.code(), answer.messages.len(), answer.reset), (Some(13), 0, None));
}

#[test]
fn fakes_what_a_registry_does_not_do_on_demand() {
    let Some(registry) = Registry::shared() else { return };
    let image = Image::busybox("testbed-fake");
    registry.push("testbed/fake", "1", &image);
    let fake = Fake::in_front_of(registry.host());
    let manifest = "/v2/testbed/fake/manifests/1";
    let get = |headers: &[(&str, &str)]| support::http1::send(&fake.host(), "GET", manifest, headers, b"");
    let accept = [("Accept", image.media_type())];
    assert_eq!(get(&accept).unwrap().body, image.manifest());
    fake.on(manifest, Behaviour::Status(429));
    assert_eq!(get(&[]).unwrap().header("retry-after"), Some("1"));
    fake.on(manifest, Behaviour::Basic("ann", "pw"));
    assert_eq!(get(&[]).unwrap().status(), 401);
    let credentials = support::fake::basic("ann", "pw");
    assert_eq!(credentials, "Basic YW5uOnB3");
    assert_eq!(get(&[("Authorization", &credentials), accept[0]]).unwrap().body, image.manifest());
    fake.on(manifest, Behaviour::Cut(10));
    assert!(get(&accept).unwrap().body.len() <= 10);
    fake.on(manifest, Behaviour::Held);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| get(&accept).unwrap());
        assert!(support::wait_until(|| fake.records().len() == 6));
        fake.on(manifest, Behaviour::Status(503));
        assert_eq!(held.join().unwrap().status(), 503);
    });
    assert_eq!(fake.authorizations()[3], credentials);
}

#[test]
fn fakes_a_registry_that_falls_silent() {
    let Some(registry) = Registry::shared() else { return };
    let image = Image::busybox("testbed-silent");
    registry.push("testbed/silent", "1", &image);
    let fake = Fake::in_front_of(registry.host());
    let manifest = "/v2/testbed/silent/manifests/1";
    let ask = || {
        let mut stream = std::net::TcpStream::connect(fake.host()).unwrap();
        let accept = image.media_type();
        write!(stream, "GET {manifest} HTTP/1.1\r\nAccept: {accept}\r\n\r\n").unwrap();
        stream
    };
    // It answers nothing until the client has said all that it will say.
    let read = |mut stream: std::net::TcpStream| {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    };
    fake.on(manifest, Behaviour::Silent);
    assert_eq!(read(ask()), b"");
    assert_eq!((fake.records().len(), fake.left(), fake.stuck()), (1, 1, 0));
    fake.on(manifest, Behaviour::Stuck(10));
    let stream = ask();
    assert!(support::wait_until(|| fake.stuck() == 1));
    assert!(read(stream).ends_with(&image.manifest()[..10]));
    assert_eq!(fake.left(), 2);
    // Somebody only looks whether it is there.
    drop(std::net::TcpStream::connect(fake.host()).unwrap());
    assert!(support::wait_until(|| fake.knocks() == 1));
}

#[test]
fn a_secret_is_found_in_every_spelling() {
    use support::guarded::{PASSWORD, USER};
    use support::{fake::basic, shunt::assert_discreet};
    let found = |said: String| std::panic::catch_unwind(|| assert_discreet(&said)).is_err();
    for name in ["", "a", "an", "ann"] {
        assert!(found(format!("sent {}", basic(name, "hush-x"))), "{name:?}");
        assert!(!found(basic(name, "loud")), "{name:?}");
    }
    for secret in ["hush-x", PASSWORD, &basic(USER, PASSWORD)] {
        assert!(found(format!("sent {secret}")), "{secret}");
    }
}

/// A developer's node has files of its own, also in the directories that a test fills.
#[test]
fn a_machine_has_nothing_of_a_cri_shunt_that_is_installed_here() {
    let (files, machine) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let link = "/etc/systemd/system/multi-user.target.wants/cri-shunt.service";
    for (path, is_given) in [
        ("/etc/cri-shunt/config.toml", true),
        ("/etc/cri-shunt/conf.d/node.toml", false),
        ("/etc/systemd/system/cri-shunt.service", false),
        (link, false),
        ("/usr/bin/cri-shunt", true),
        ("/usr/local/bin/cri-shunt", false),
        ("/var/lib/cri-shunt/seals", false),
    ] {
        write(&machine, path, "the node's\n");
        if is_given {
            write(&files, path, "the test's\n");
        }
    }
    write(&machine, "/etc/of-others", "the node's\n");
    let Some(systemd) = Systemd::start_on(files, Some(machine.path())) else { return };
    let found = "find /etc /opt /usr /var -path '*cri-shunt*' -not -type d -exec grep -H . '{}' +; cat /etc/of-others";
    let expected = "/etc/cri-shunt/config.toml:the test's\n/usr/bin/cri-shunt:the test's\nthe node's\n";
    assert_eq!(systemd.output(&["sh", "-c", found]), expected);
}

on_each_containerd!(
    pulls,
    stays_on_the_loopback,
    sends_credentials,
    runs_a_pod,
    knows_every_kind_of_image,
    outlives_a_crash,
    answers_a_foreign_client,
    shows_an_answer_raw,
);
