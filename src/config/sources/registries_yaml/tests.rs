//! What becomes of a file that says something odd, and what is said of it.
//!
//! Not here: the upstream tables (`conformance`); files that cannot be read or parsed (`tests/check_sources`).

use super::super::fixture::Sample;
use crate::config::Format;

fn file(content: &str) -> Sample {
    Sample::of(Format::RegistriesYaml, "registries.yaml", &[("registries.yaml", content)])
}

#[test]
fn endpoints_in_order_and_the_registry_itself_last() {
    let sample = file(
        "mirrors:\n  quay.io:\n    endpoint: [one.dev, 'https://two.dev/v2/p', quay.io]\n  ghcr.io:\n    \
         endpoint: ['https://ghcr.io']\n  '*':\n    endpoint: [any.dev]\nconfigs:\n  gcr.io: {}\n",
    );
    sample.check(&[
        ("quay.io/a:1", "one.dev/a:1, two.dev/p/a:1, origin"),
        ("ghcr.io/a:1", "any.dev/a:1, origin"),
        ("gcr.io/a:1", "pass"),
        ("nginx:1", "any.dev/library/nginx:1, origin"),
    ]);
}

#[test]
fn rewrites_are_tried_in_the_order_of_the_file() {
    let sample = file(
        "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n    rewrite:\n      '^b/(.*)': x/$1\n      '^(a|b)/(.*)': y/$2\n",
    );
    sample.check(&[("quay.io/b/c:1", "m.dev/x/c:1, origin"), ("quay.io/a/c:1", "m.dev/y/c:1, origin")]);
    insta::assert_snapshot!(sample.shown(), @r"
    warning: `^b/(.*)` and `^(a|b)/(.*)` can change one path, and k3s leaves to chance which is tried first
     --> registries.yaml:6:7
      |
    5 |       '^b/(.*)': x/$1
      |       --------- tried first
    6 |       '^(a|b)/(.*)': y/$2
      |       ^^^^^^^^^^^^^
      |
      = help: here the one that stands first is; begin patterns with ^ and what sets them apart
    ");
}

#[test]
fn every_anchor_may_have_thousands_of_aliases() {
    let entries: String = (0..5000).map(|i| format!("  h{i}.dev: *mirror\n")).collect();
    let sample = file(&format!("common: &mirror\n  endpoint: [m.dev]\nmirrors:\n{entries}"));
    assert!(!sample.is_refused(), "{}", sample.shown());
    assert_eq!(sample.imported.rules.len(), 5000);
}

#[test]
fn every_mistake_of_mirrors_at_once() {
    let sample = file(
        "mirrors:\n  quay.io:\n    endpoint: ['ftp://m.dev', 'https://u:pw@n.dev', n.dev, '']\n  ghcr.io:\n    \
         endpoint: ['m dev']\n  https://gcr.io/:\n    endpoint: [m.dev]\n  docker.io:\n    endpoint: [o.dev]\n  \
         registry-1.docker.io:\n    endpoint: [p.dev]\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: this endpoint is left out, as k3s does: its scheme is "ftp", and registries speak http and https
     --> registries.yaml:3:16
      |
    3 |     endpoint: ['ftp://m.dev', 'https://****@n.dev', n.dev, '']
      |                ^^^^^^^^^^^^^
      |
      = help: write a URL, https://mirror.dev.de, or a host with its port

    warning: the credentials in this endpoint are left out: containerd does not use them
     --> registries.yaml:3:31
      |
    3 |     endpoint: ['ftp://m.dev', 'https://****@n.dev', n.dev, '']
      |                               ^^^^^^^^^^^^^^^^^^^^
      |
      = help: they belong under `configs`

    warning: `https://n.dev` is in this list already
     --> registries.yaml:3:53
      |
    3 |     endpoint: ['ftp://m.dev', 'https://****@n.dev', n.dev, '']
      |                               --------------------  ^^^^^
      |                               |
      |                               first here
      |
      = help: leave one out

    warning: this endpoint is left out, as k3s does: it has no host
     --> registries.yaml:3:60
      |
    3 |     endpoint: ['ftp://m.dev', 'https://****@n.dev', n.dev, '']
      |                                                            ^^
      |
      = help: write a URL, https://mirror.dev.de, or a host with its port

    error: `mirrors.ghcr.io` has no endpoint that can be used
     --> registries.yaml:4:3
      |
    4 |   ghcr.io:
      |   ^^^^^^^
      |
      = help: without one its images would come from the registry itself; leave the entry out if that is meant

    warning: this endpoint is left out, as k3s does: "m dev" is no host
     --> registries.yaml:5:16
      |
    5 |     endpoint: ['m dev']
      |                ^^^^^^^
      |
      = help: write a URL, https://mirror.dev.de, or a host with its port

    warning: `https://gcr.io/` is no registry that an image can name, so this entry has no effect
     --> registries.yaml:6:3
      |
    6 |   https://gcr.io/:
      |   ^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: gcr.io

    warning: this entry gives way to the other one for `docker.io`: `docker.io` and `registry-1.docker.io` are one registry
      --> registries.yaml:10:3
       |
     8 |   docker.io:
       |   --------- this one holds
     9 |     endpoint: [o.dev]
    10 |   registry-1.docker.io:
       |   ^^^^^^^^^^^^^^^^^^^^
       |
       = help: make one entry of the two
    "#);
}

#[test]
fn every_mistake_of_configs_at_once() {
    let sample = file(
        "configs:\n  '*':\n    auth: {username: u, password: pw}\n  m.dev:\n    tls: {key_file: /k}\n    \
         authConfigSecretName: creds\n    caBundle: ''\nauths:\n  https://n.dev/v1:\n    username: u\n    \
         pasword: pw\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: credentials for "*" have no effect in k3s's containerd, which looks hosts up by name
     --> registries.yaml:2:3
      |
    2 |   '*':
      |   ^^^
      |
      = help: name each host

    warning: `key_file` has no effect without `cert_file`
     --> registries.yaml:5:21
      |
    5 |     tls: {key_file: /k}
      |                     ^^

    warning: `configs.m.dev.authConfigSecretName` cannot be carried over from here: it is Rancher's to resolve
     --> registries.yaml:6:27
      |
    6 |     authConfigSecretName: creds
      |                           ^^^^^
      |
      = help: read the file that Rancher makes of it on the node: /etc/rancher/rke2/registries.yaml

    warning: unknown key `pasword` in `auths.https://n.dev/v1`: k3s takes no notice of it, nor does this
      --> registries.yaml:11:5
       |
    11 |     pasword: **
       |     ^^^^^^^
       |
       = help: did you mean `password`?
    "#);
}

#[test]
fn a_login_in_an_endpoint_is_not_shown() {
    let sample = file(
        "mirrors:\n  quay.io:\n    endpoint:\n    - u:s3cret77@m.dev/v2\n    - https://u:p@s3cret77@n.dev\n    - https://ghp_s3cret77@o.dev\n    - https://u:s3cret77/x@p.dev\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: the credentials in this endpoint are left out: containerd does not use them
     --> registries.yaml:4:7
      |
    4 |     - u:********@m.dev/v2
      |       ^^^^^^^^^^^^^^^^^^^
      |
      = help: they belong under `configs`

    warning: the credentials in this endpoint are left out: containerd does not use them
     --> registries.yaml:5:7
      |
    5 |     - https://************@n.dev
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: they belong under `configs`

    warning: the credentials in this endpoint are left out: containerd does not use them
     --> registries.yaml:6:7
      |
    6 |     - https://************@o.dev
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: they belong under `configs`

    warning: this endpoint is left out, as k3s does: "u:**********@p.dev" is no host
     --> registries.yaml:7:7
      |
    7 |     - https://u:**********@p.dev
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write a URL, https://mirror.dev.de, or a host with its port
    "#);
}

#[test]
fn braces_in_an_endpoint_are_no_placeholder() {
    let sample =
        file("mirrors:\n  quay.io:\n    endpoint: ['https://m.dev/v2/{host}', 'https://n.dev/v2/{x}/A']\n");
    sample.check(&[("quay.io/a:1", "m.dev/a:1, n.dev/a:1, origin")]);
    assert_eq!(sample.needs(), ["m.dev: the API root /v2/{host}", "n.dev: the API root /v2/{x}/A"]);
}
