//! `explain --live` with what the configuration says of transport.

use std::path::Path;

use crate::command::{explain, explain_at};
use crate::stored;
use crate::support::certificates::{Authority, Oddity};
use crate::support::guarded::Guard;
use crate::support::http1::Message;
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
         (trusted: those of the system)"
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
        let digest = format!("sha256:{}", "a".repeat(64));
        let kind = "application/vnd.oci.image.manifest.v1+json";
        match (request.method_and_path(), request.header("x-key")) {
            (("HEAD", "/api/hub/live/way/manifests/1"), Some("hush-header")) => reply(
                200,
                &[("Content-Type", kind), ("Docker-Content-Digest", &digest), ("Content-Length", "2")],
                "",
            ),
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
    assert!(line.starts_with("sha256:aaaa"), "{line} {:?}", server.requests());
}

#[test]
fn a_persons_file_that_sends_containerd_elsewhere_is_told_of() {
    let Some((registry, _)) = stored("live/way") else { return };
    let dir = tempfile::tempdir().unwrap();
    let host = registry.host();
    let certs = dir.path().join("certs.d");
    std::fs::create_dir_all(certs.join(host)).unwrap();
    std::fs::write(certs.join(host).join("hosts.toml"), "server = \"https://other.dev\"\n[host]\n").unwrap();
    let config = format!("[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n");
    let path = format!("config-path = \"{}\"", certs.display());
    let explained = explain_at(dir.path(), &config, &path, &[], &["quay.io/live/way:1"]);
    let last = explained.text.lines().last().unwrap();
    let file = certs.join(host).join("hosts.toml");
    assert_eq!(
        last,
        format!(
            "  warning     containerd asks other.dev instead of {host}, by {}: a pull may end differently than shown here",
            file.display()
        )
    );
    assert_eq!(explained.status, 0);
}

#[test]
fn where_containerd_asks_otherwise_than_is_shown_it_is_told_of() {
    let Some((registry, _)) = stored("live/way") else { return };
    let dir = tempfile::tempdir().unwrap();
    let host = registry.host();
    let certs = dir.path().join("certs.d");
    let rule = format!("[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n");
    let config = format!("{rule}[[transport]]\nregistry = \"{host}\"\nplain-http = true\n");
    let path = format!("config-path = \"{}\"", certs.display());
    let last = |explained: crate::command::Explained| explained.text.lines().last().unwrap().to_owned();
    // Nobody has written anything; the daemon will.
    let explained = explain_at(dir.path(), &config, &path, &[], &["quay.io/live/way:1"]);
    assert!(explained.text.contains("sha256:") && !explained.text.contains("warning"), "{}", explained.text);
    // There is no containerd that says where it looks.
    let explained = explain(dir.path(), &config, &[], &["quay.io/live/way:1"]);
    assert!(explained.text.contains("sha256:"), "{}", explained.text);
    let line = last(explained);
    let start = format!(
        "  warning     containerd is not told that {host} needs plain http: containerd's config_path"
    );
    assert!(line.starts_with(&start), "{line}");
    std::fs::create_dir_all(certs.join(host)).unwrap();
    let file = certs.join(host).join("hosts.toml");
    let warning = format!(
        "  warning     containerd asks {host} by {}, which differs from the way that is used here: a pull may end \
         differently than shown here",
        file.display()
    );
    // What a person wrote counts for containerd, whatever is configured.
    std::fs::write(&file, format!("server = \"http://{host}\"\nca = \"/none\"\n")).unwrap();
    assert_eq!(last(explain_at(dir.path(), &config, &path, &[], &["quay.io/live/way:1"])), warning);
    assert_eq!(last(explain_at(dir.path(), &rule, &path, &[], &["quay.io/live/way:1"])), warning);
    std::fs::write(&file, format!("server = \"http://{host}\"\n")).unwrap();
    let explained = explain_at(dir.path(), &config, &path, &[], &["quay.io/live/way:1"]);
    assert!(!explained.text.contains("warning"), "{}", explained.text);
}
