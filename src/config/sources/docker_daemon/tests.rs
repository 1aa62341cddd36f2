//! Files, and the messages about them. Rows named after a test are of moby's `daemon/pkg/registry/config_test.go`.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::fixture::Sample;
use crate::config::Format;

fn file(content: &str) -> Sample {
    Sample::of(Format::DockerDaemon, "daemon.json", &[("daemon.json", content)])
}

fn mirror(address: &str) -> Sample {
    file(&format!("{{\"registry-mirrors\": [\"{address}\"]}}"))
}

fn insecure(entry: &str) -> Sample {
    file(&format!("{{\"insecure-registries\": [{}], \"registry-mirrors\": []}}", serde_json::json!(entry)))
}

#[test]
fn mirrors_are_for_docker_hub_alone() {
    // As it is published most often, indented by tabs.
    let sample = file(
        "{\n\t\"log-driver\": \"json-file\",\n\t\"log-opts\": {\"max-size\": \"10m\"},\n\t\"registry-mirrors\": [\n\
         \t\t\"https://mirror.gcr.io\",\n\t\t\"http://10.0.0.5:5000/\",\n\t\t\"https://m.dev/hub\"\n\t]\n}\n",
    );
    sample.check(&[
        ("nginx", "mirror.gcr.io/library/nginx:latest, 10.0.0.5:5000/library/nginx:latest, m.dev/library/nginx:latest, origin"),
        ("quay.io/a:1", "pass"),
    ]);
    assert_eq!(sample.needs(), ["10.0.0.5:5000: plain http", "m.dev: the API root /hub/v2"]);
    assert_eq!(sample.shown(), "");
}

#[test]
fn what_dockerd_accepts_as_a_mirror() {
    // TestValidateMirror; a path is allowed since 28.
    let valid = [
        "http://mirror-1.example.com",
        "http://mirror-1.example.com/",
        "https://mirror-1.example.com",
        "https://mirror-1.example.com/v1/",
        "http://localhost",
        "https://localhost:5000",
        "http://127.0.0.1:5000",
        "http://[::1]:5000",
    ];
    let invalid = [
        "mirror-1.example.com",
        "example.com:5000",
        "ftp://mirror-1.example.com",
        "unix:///foo/bar.sock",
        "!invalid!://%as%",
        "http://mirror-1.example.com/?q=foo",
        "http://mirror-1.example.com?q=foo",
        "https://mirror-1.example.com#frag",
        "http://foo:bar@mirror-1.example.com/",
    ];
    for address in valid {
        assert!(!mirror(address).is_refused(), "{address}");
    }
    for address in invalid {
        assert!(mirror(address).is_refused(), "{address}");
    }
    insta::assert_snapshot!(mirror("mirror-1.example.com").shown(), @r#"
    error: dockerd does not start with this mirror: it does not begin with https:// or http://
     --> daemon.json:1:23
      |
    1 | {"registry-mirrors": ["mirror-1.example.com"]}
      |                       ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write https://mirror-1.example.com
    "#);
    insta::assert_snapshot!(mirror("http://foo:s3cret77@m.dev").shown(), @"
    error: dockerd does not start with this mirror: it has a user name or a password
    --> daemon.json:1:23
     = note: line not shown: it may hold a secret
     = help: configure them as [[credentials]]
    ");
}

#[test]
fn insecure_registries_are_not_verified() {
    // TestLoadInsecureRegistries
    let rows = [
        ("127.0.0.1", Some("127.0.0.1")),
        ("127.0.0.1:8080", Some("127.0.0.1:8080")),
        ("[2001:db8::1]:80", Some("[2001:db8::1]:80")),
        ("http://mytest.com", Some("mytest.com")),
        ("https://mytest.com", Some("mytest.com")),
        ("HTTP://mytest.com", Some("mytest.com")),
        ("svn://mytest.com", None),
        ("-invalid-registry", None),
        ("\"mytest.com\"", None),
        ("\"mytest.com:5000\"", None),
    ];
    for (entry, host) in rows {
        let sample = insecure(entry);
        let expected = host.map(|host| {
            let needs = ["skip-verify (its certificate is not verified)", "plain http where https fails"];
            needs.map(|need| format!("{host}: {need}")).to_vec()
        });
        assert_eq!((!sample.is_refused()).then(|| sample.needs()), expected, "{entry}");
    }
    assert_eq!(insecure("127.0.0.0/8").problems.len(), 0);
    insta::assert_snapshot!(insecure("10.0.0.0/8").shown(), @r#"
    warning: `10.0.0.0/8` is a network, which cannot be carried over
     --> daemon.json:1:26
      |
    1 | {"insecure-registries": ["10.0.0.0/8"], "registry-mirrors": []}
      |                          ^^^^^^^^^^^^
      |
      = help: name each registry in it, with its port: [[transport]] with `http-fallback` and `skip-verify`
    "#);
}

#[test]
fn every_mistake_at_once() {
    insta::assert_snapshot!(file("registry-mirrors: [a]\n").shown(), @"
    error: this is not JSON: it does not begin with `{`
     --> daemon.json:1:1
      |
    1 | registry-mirrors: [a]
      | ^
    ");
    insta::assert_snapshot!(file("{\"registry-mirrors\": \"https://m.dev\"}").shown(), @r#"
    error: `registry-mirrors` must be a list, not a string
     --> daemon.json:1:22
      |
    1 | {"registry-mirrors": "https://m.dev"}
      |                      ^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(file("{\"registry-mirror\": [\"https://m.dev\"]}").shown(), @r#"
    warning: daemon.json has no `registry-mirrors`: no rule comes from it
     |
     = help: Docker has mirrors for Docker Hub alone

    error: dockerd does not start with the unknown key `registry-mirror`
     --> daemon.json:1:2
      |
    1 | {"registry-mirror": ["https://m.dev"]}
      |  ^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `registry-mirrors`?
    "#);
    insta::assert_snapshot!(file("{\"storage-driver\": \"overlay2\"}").shown(), @"
    warning: daemon.json has no `registry-mirrors`: no rule comes from it
     |
     = help: Docker has mirrors for Docker Hub alone
    ");
    insta::assert_snapshot!(file("{\"registry-mirrors\": [\"https://m.dev\",\n").shown(), @"
    error: this is not JSON: unclosed bracket '['
    --> daemon.json:1:22
     = note: line not shown: it may hold a secret
    ");
}
