//! `cri-shunt import` as a user runs it: the built program, real files, whole outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod formats;
mod output;
#[path = "../support/program.rs"]
#[allow(unreachable_pub, reason = "each test program uses its own part of this")]
mod program;
mod refusals;
mod several;

use insta::assert_snapshot;
use program::{lay_out, run};

const REGISTRIES_YAML: &str = r#"mirrors:
  docker.io:
    endpoint:
      - "https://mirror.dev.de:443"
      - "http://10.0.0.5:5000"
    rewrite:
      "^rancher/(.*)": "mirrored/rancher-$1"
  quay.io:
    endpoint: ["https://harbor.dev.de/v2/quay"]
configs:
  mirror.dev.de:443:
    auth:
      username: robot
      password: hunter2
    tls:
      ca_file: /etc/ssl/mirror.pem
"#;

const REGISTRIES_CONF: &str = r#"credential-helpers = ["secretservice"]
[[registry]]
prefix = "docker.io/library"
location = "registry.dev.de/official"
[[registry.mirror]]
location = "cache.dev.de/hub"
pull-from-mirror = "digest-only"
[[registry]]
location = "quay.io:443/evil"
blocked = true
"#;

const QUAY: &str = "server = 'https://harbor.dev.de/v2/quay'\noverride_path = true\n\
    [host.'https://mirror.dev.de']\ncapabilities = ['pull']\nca = 'ca.crt'\n";

const SHIM: &str = "shim: /run/shim.sock\naddress: http://sealos.hub:5000\nauth: admin:passw0rd\n\
    registries:\n- address: https://other.dev.de\n  priority: 2000\n";

/// All that came of an import.
fn import(files: &[(&str, &str)], arguments: &[&str]) -> String {
    let dir = lay_out(files);
    let output = run(dir.path(), &[&["import"], arguments].concat());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let all = format!("{stdout}--- stderr\n{stderr}--- exit {}", output.status.code().unwrap());
    // Files that are named stand in it with the whole of their paths.
    all.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn registries_yaml() {
    assert_snapshot!(import(&[("registries.yaml", REGISTRIES_YAML)], &["registries.yaml"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # registries.yaml:2
    [[policy.rule]]
    prefix = "docker.io"
    mirrors = ["mirror.dev.de:443", "http://10.0.0.5:5000"]
    rewrite = [{ match = "^rancher/(.*)", replace = "mirrored/rancher-$1" }]
    origin = "last"
    collapse = true

    # registries.yaml:8
    [[policy.rule]]
    prefix = "quay.io"
    mirrors = ["harbor.dev.de/quay"]
    origin = "last"
    collapse = true

    # registries.yaml:16
    [[transport]]
    registry = "mirror.dev.de:443"
    ca = "/etc/ssl/mirror.pem"

    # Not carried over:
    # - registries.yaml:11:3: the credentials for mirror.dev.de:443 are not carried over (a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`)
    --- stderr
    warning: the credentials for mirror.dev.de:443 are not carried over
      --> registries.yaml:11:3
       |
    11 |   mirror.dev.de:443:
       |   ^^^^^^^^^^^^^^^^^^
       |
       = help: a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`

    warning: /etc/ssl/mirror.pem, for the registry mirror.dev.de:443: No such file or directory (os error 2)
      --> registries.yaml:16:16
       |
    16 |       ca_file: /etc/ssl/mirror.pem
       |                ^^^^^^^^^^^^^^^^^^^
       |
       = help: until this is fixed, no image comes from there

    2 rules; not carried over: 1 (listed at the end of the output)
    --- exit 1
    "#);
}

#[test]
fn certs_d() {
    let files = [("certs.d/quay.io/hosts.toml", QUAY), ("certs.d/docker.io/", "")];
    assert_snapshot!(import(&files, &["certs.d"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # certs.d/quay.io/hosts.toml:3
    [[policy.rule]]
    prefix = "quay.io"
    mirrors = [
        { location = "mirror.dev.de", only = "digests", ca = "certs.d/quay.io/ca.crt" },
        "harbor.dev.de/quay",
    ]
    collapse = true
    --- stderr
    warning: certs.d/quay.io/ca.crt, for the registry mirror.dev.de: No such file or directory (os error 2)
     --> certs.d/quay.io/hosts.toml:5:6
      |
    5 | ca = 'ca.crt'
      |      ^^^^^^^^
      |
      = help: until this is fixed, no image comes from there

    1 rule; everything has been carried over
    --- exit 0
    "#);
}

#[test]
fn registries_conf() {
    let drop_in = "[[registry]]\nprefix = '*.corp.dev.de'\nlocation = 'corp-mirror.dev.de/a-rather-long-path/that-fills-the-line'\n\
        [[registry.mirror]]\nlocation = 'another-corp-mirror.dev.de/a-rather-long-path'\n";
    let files = [("registries.conf", REGISTRIES_CONF), ("registries.conf.d/1.conf", drop_in)];
    assert_snapshot!(import(&files, &["registries.conf"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # registries.conf.d/1.conf:2
    [[policy.rule]]
    prefix = "*.corp.dev.de"
    mirrors = [
        "another-corp-mirror.dev.de/a-rather-long-path",
        "corp-mirror.dev.de/a-rather-long-path/that-fills-the-line",
    ]
    collapse = true

    # registries.conf:3
    [[policy.rule]]
    prefix = "docker.io/library"
    mirrors = [
        { location = "cache.dev.de/hub", only = "digests", strip-prefix = true },
        { location = "registry.dev.de/official", strip-prefix = true },
    ]
    collapse = true

    # registries.conf:9
    [[policy.rule]]
    prefix = "quay.io/evil"
    deny = "blocked in registries.conf"

    # Not carried over:
    # - registries.conf:1:22: `credential-helpers` is not carried over (credentials for registries are configured separately, in [[credentials]])
    --- stderr
    warning: `credential-helpers` is not carried over
     --> registries.conf:1:22
      |
    1 | credential-helpers = ["secretservice"]
      |                      ^^^^^^^^^^^^^^^^^
      |
      = help: credentials for registries are configured separately, in [[credentials]]

    warning: images of every registry under `*.corp.dev.de` are looked for in the same place, another-corp-mirror.dev.de/a-rather-long-path, and at 1 more
     --> registries.conf.d/1.conf:5:12
      |
    5 | location = 'another-corp-mirror.dev.de/a-rather-long-path'
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    3 rules; not carried over: 1 (listed at the end of the output)
    --- exit 1
    "#);
}

#[test]
fn image_cri_shim() {
    assert_snapshot!(import(&[("shim.yaml", SHIM)], &["shim.yaml"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # shim.yaml:5
    [[policy.rule]]
    prefix = "*"
    mirrors = ["other.dev.de", "http://sealos.hub:5000"]
    origin = "last"
    collapse = true

    # Not carried over:
    # - shim.yaml:3:1: the credentials for sealos.hub:5000 are not carried over (a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`)
    --- stderr
    warning: the credentials for sealos.hub:5000 are not carried over
    --> shim.yaml:3:1
     = note: line not shown: it may hold a secret
     = help: a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`

    warning: images that none of these registries has are pulled from the registry in their name
     --> shim.yaml:5:12
      |
    5 | - address: https://other.dev.de
      |            ^^^^^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    warning: images of every registry under `*` are looked for in the same place, other.dev.de, and at 1 more
     --> shim.yaml:5:12
      |
    5 | - address: https://other.dev.de
      |            ^^^^^^^^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    1 rule; not carried over: 1 (listed at the end of the output)
    --- exit 1
    "#);
}

#[test]
fn everything_is_carried_over_where_there_is_no_more_than_rules() {
    let file = "mirrors:\n  docker.io: {endpoint: [mirror.dev.de]}\n";
    assert_snapshot!(import(&[("r.yaml", file)], &["--disable-default-registry-endpoint", "r.yaml"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # r.yaml:2
    [[policy.rule]]
    prefix = "docker.io"
    mirrors = ["mirror.dev.de"]
    collapse = true
    --- stderr
    1 rule; everything has been carried over
    --- exit 0
    "#);
}

#[test]
fn two_registries_through_one_host_keep_their_schemes_and_their_trust() {
    let files = [
        ("certs.d/docker.io/hosts.toml", "[host.\"http://cache.example:5000\"]\n"),
        ("certs.d/quay.io/hosts.toml", "[host.\"https://cache.example:5000\"]\nskip_verify = true\n"),
        ("certs.d/ghcr.io/hosts.toml", "[host.\"https://cache.example:5000/p\"]\n[host.\"http://nexus\"]\n"),
    ];
    let written = import(&files, &["certs.d"]);
    for mirrors in [
        "mirrors = [\"http://cache.example:5000\"]",
        "mirrors = [{ location = \"cache.example:5000\", skip-verify = true }]",
        "mirrors = [{ location = \"cache.example:5000\", api-root = \"/p/v2\" }, \"http://nexus\"]",
    ] {
        assert!(written.contains(mirrors), "{mirrors}\n{written}");
    }
}
