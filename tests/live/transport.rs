//! `explain --live` with what the configuration says of transport.

use std::path::Path;

use crate::command::{explain, explain_at};
use crate::stored;
use crate::support::certificates::{Authority, Oddity};
use crate::support::guarded::Guard;
use crate::support::http1::Message;
use crate::support::image::digest;
use crate::support::scripted::{Scripted, reply};

const HERE: &[&str] = &["127.0.0.1"];

/// The last line: what the registry says, with the port left out.
fn said(dir: &Path, host: &str, transport: &str) -> String {
    let table = match transport {
        "" => String::new(),
        keys => format!("[[transport]]\nregistry = \"{host}\"\n{keys}\n"),
    };
    let config = format!("[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n{table}");
    let path = format!("config-path = \"{}\"", dir.join("certs.d").display());
    let explained = explain_at(dir, &config, &path, &[], &["quay.io/live/way:1"]);
    assert!(!explained.text.is_empty(), "{}", explained.errors);
    let line = explained.text.lines().last().unwrap().trim().to_owned();
    line.replace(host, "HOST").replace(&dir.display().to_string(), "DIR")
}

#[test]
fn tls_is_that_of_the_configuration() {
    let Some((registry, found)) = stored("live/way") else { return };
    let digest = found.split(' ').next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.file(dir.path());
    let guard = Guard::default().tls(&authority.issue(HERE, Oddity::None).files(dir.path(), "server"));
    let guarded = guard.client_ca(&dir.path().join("ca.crt")).start(registry);
    authority.issue(&["client"], Oddity::None).files(dir.path(), "client");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let ca = format!("ca = \"{}\"", path("ca.crt"));
    let client = format!("client-cert = \"{}\"\nclient-key = \"{}\"", path("client.crt"), path("client.key"));
    let said = |transport: &str| said(dir.path(), guarded.host(), transport);
    let line = said(&format!("{ca}\n{client}"));
    assert!(line.starts_with(digest), "{line}");
    let line = said(&format!("skip-verify = true\n{client}"));
    assert!(line.starts_with(digest), "{line}");
    assert_eq!(
        said(&ca),
        "error: TLS with HOST: it wants a client certificate, and none is configured for it"
    );
    assert_eq!(
        said(&client),
        "error: TLS with HOST: its certificate is signed by an authority that is not trusted here \
         (trusted: those of the system); `ca` names the file of another"
    );
    assert_eq!(
        said("plain-http = true"),
        "error: HOST answers 400 Bad Request; it was asked in plain http, does it want TLS?"
    );
}

#[test]
fn a_header_on_the_loopback_does_not_make_it_tls() {
    let Some((registry, found)) = stored("live/way") else { return };
    let dir = tempfile::tempdir().unwrap();
    let line = said(dir.path(), registry.host(), "headers = { X-Key = \"a\" }");
    assert!(line.starts_with(found.split(' ').next().unwrap()), "{line}");
}

#[test]
fn an_api_root_and_headers_are_asked_with() {
    let server = Scripted::start(|request: &Message| {
        let digest = digest(b"{}");
        let kind = ("Content-Type", "application/vnd.oci.image.manifest.v1+json");
        let by_digest = format!("/api/hub/live/way/manifests/{digest}");
        match (request.method_and_path(), request.header("x-key")) {
            (("HEAD", "/api/hub/live/way/manifests/1"), Some("hush-header")) => {
                reply(200, &[kind, ("Docker-Content-Digest", &digest), ("Content-Length", "2")], "")
            }
            (("GET", path), Some("hush-header")) if path == by_digest => reply(200, &[kind], "{}"),
            _ => reply(500, &[], ""),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "hush-header\n").unwrap();
    let file = dir.path().join("key").display().to_string();
    let keys = format!(
        "plain-http = true\napi-root = \"/api/hub\"\nheaders = {{ X-Key = {{ file = \"{file}\" }} }}"
    );
    let line = said(dir.path(), &server.host(), &keys);
    assert!(line.starts_with("sha256:"), "{line} {:?}", server.requests());
}

#[test]
fn a_persons_file_counts_for_a_registry_that_is_asked_by_its_own_name() {
    let Some((registry, _)) = stored("live/way") else { return };
    let dir = tempfile::tempdir().unwrap();
    let host = registry.host();
    let certs = dir.path().join("certs.d");
    std::fs::create_dir_all(certs.join(host)).unwrap();
    let file = certs.join(host).join("hosts.toml");
    let plain = format!("[[transport]]\nregistry = \"{host}\"\nplain-http = true\n");
    let path = format!("config-path = \"{}\"", certs.display());
    // The last line for the registry itself, and what it says of the same host as a mirror.
    let last = |text: &str, config: &str| {
        std::fs::write(&file, text).unwrap();
        let rule = format!("[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n{config}");
        let mirror = explain_at(dir.path(), &rule, &path, &[], &["quay.io/live/way:1"]);
        assert!(mirror.text.contains("sha256:") && !mirror.text.contains("warning"), "{}", mirror.text);
        let own = explain_at(dir.path(), &rule, &path, &[], &[&format!("{host}/live/way:1")]);
        assert_eq!((mirror.status, own.status), (0, 0), "{}", own.text);
        own.text.lines().last().unwrap().to_owned()
    };
    let end = "a pull may end differently than shown here";
    let elsewhere =
        format!("  warning     containerd asks other.dev instead of {host}, by {}: {end}", file.display());
    let differs = format!(
        "  warning     containerd asks {host} by {}, which differs from the way that is used here: {end}",
        file.display()
    );
    assert_eq!(last("server = \"https://other.dev\"\n[host]\n", ""), elsewhere);
    // What a person wrote counts for containerd, whatever is configured.
    let with_ca = format!("server = \"http://{host}\"\nca = \"/none\"\n");
    assert_eq!(last(&with_ca, &plain), differs);
    assert_eq!(last(&with_ca, ""), differs);
    let same = last(&format!("server = \"http://{host}\"\n"), &plain);
    assert!(!same.contains("warning"), "{same}");
}

#[test]
fn where_containerd_does_not_get_what_a_mirror_needs_it_is_told_of() {
    let Some((registry, _)) = stored("live/way") else { return };
    let dir = tempfile::tempdir().unwrap();
    let host = registry.host();
    let rule = format!("[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n");
    let config = format!("{rule}[[transport]]\nregistry = \"{host}\"\nplain-http = true\n");
    // Nobody has written anything; the daemon will.
    let path = format!("config-path = \"{}\"", dir.path().join("certs.d").display());
    let explained = explain_at(dir.path(), &config, &path, &[], &["quay.io/live/way:1"]);
    assert!(explained.text.contains("sha256:") && !explained.text.contains("warning"), "{}", explained.text);
    // There is no containerd that says where it looks.
    let explained = explain(dir.path(), &config, &[], &["quay.io/live/way:1"]);
    assert!(explained.text.contains("sha256:"), "{}", explained.text);
    let line = explained.text.lines().last().unwrap();
    let start = format!(
        "  warning     containerd is not told that {host} needs plain http: containerd's config_path"
    );
    assert!(line.starts_with(&start), "{line}");
}
