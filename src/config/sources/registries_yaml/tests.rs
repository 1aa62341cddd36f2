//! Unusual files, and the messages about them.
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
    insta::assert_snapshot!(sample.shown(), @"
    warning: `^b/(.*)` and `^(a|b)/(.*)` can change the same path, and k3s tries them in random order
     --> registries.yaml:6:7
      |
    5 |       '^b/(.*)': x/$1
      |       --------- tried first
    6 |       '^(a|b)/(.*)': y/$2
      |       ^^^^^^^^^^^^^
      |
      = help: here the first in the file is tried first; start each pattern with ^ and a different text
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
    warning: this endpoint is ignored, as in k3s: its scheme is "ftp", but registries use http or https
    --> registries.yaml:3:16
     = note: line not shown: it may hold a secret
     = help: write a URL, https://mirror.dev.de, or a host with its port

    warning: the credentials in this endpoint are ignored: containerd does not use them
    --> registries.yaml:3:31
     = note: line not shown: it may hold a secret
     = help: they belong under `configs`

    warning: `https://n.dev` is already in this list
    --> registries.yaml:3:53
    ::: registries.yaml:3:31
     = note: line not shown: it may hold a secret
     = help: remove one of them

    warning: this endpoint is ignored, as in k3s: it has no host
    --> registries.yaml:3:60
     = note: line not shown: it may hold a secret
     = help: write a URL, https://mirror.dev.de, or a host with its port

    warning: `mirrors.ghcr.io` has no endpoint that can be used, so its images are refused
     --> registries.yaml:4:3
      |
    4 |   ghcr.io:
      |   ^^^^^^^
      |
      = help: without the entry they would come from the registry itself; remove it if you want that

    warning: this endpoint is ignored, as in k3s: "m dev" is not a host
     --> registries.yaml:5:16
      |
    5 |     endpoint: ['m dev']
      |                ^^^^^^^
      |
      = help: write a URL, https://mirror.dev.de, or a host with its port

    warning: `https://gcr.io/` cannot be the registry of an image, so this entry has no effect
     --> registries.yaml:6:3
      |
    6 |   https://gcr.io/:
      |   ^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: gcr.io

    warning: the other entry for `docker.io` is used instead of this one: `docker.io` and `registry-1.docker.io` are the same registry
      --> registries.yaml:10:3
       |
     8 |   docker.io:
       |   --------- this one is used
     9 |     endpoint: [o.dev]
    10 |   registry-1.docker.io:
       |   ^^^^^^^^^^^^^^^^^^^^
       |
       = help: merge the two entries
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

    warning: `configs.m.dev.authConfigSecretName` cannot be carried over from here: only Rancher can resolve it
     --> registries.yaml:6:27
      |
    6 |     authConfigSecretName: creds
      |                           ^^^^^
      |
      = help: read the file that Rancher makes of it on the node: /etc/rancher/rke2/registries.yaml

    warning: unknown key `pasword` in `auths.https://n.dev/v1`: k3s ignores it, and so does cri-shunt
    --> registries.yaml:11:5
     = note: line not shown: it may hold a secret
     = help: did you mean `password`?
    "#);
}

#[test]
fn a_login_in_an_endpoint_is_not_shown() {
    let sample = file(
        "mirrors:\n  quay.io:\n    endpoint:\n    - u:s3cret77@m.dev/v2\n    - https://u:p@s3cret77@n.dev\n    - https://ghp_s3cret77@o.dev\n    - https://u:s3cret77/x@p.dev\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: the credentials in this endpoint are ignored: containerd does not use them
    --> registries.yaml:4:7
     = note: line not shown: it may hold a secret
     = help: they belong under `configs`

    warning: the credentials in this endpoint are ignored: containerd does not use them
    --> registries.yaml:5:7
     = note: line not shown: it may hold a secret
     = help: they belong under `configs`

    warning: the credentials in this endpoint are ignored: containerd does not use them
    --> registries.yaml:6:7
     = note: line not shown: it may hold a secret
     = help: they belong under `configs`

    warning: this endpoint is ignored, as in k3s: "************@p.dev" is not a host
    --> registries.yaml:7:7
     = note: line not shown: it may hold a secret
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

#[test]
fn a_rewrite_needs_a_mirror() {
    let sample = file(
        "mirrors:\n  quay.io:\n    rewrite: {'^a/': b/}\n  ghcr.io:\n    endpoint: [ghcr.io]\n    \
         rewrite: {'^a/': b/}\n  gcr.io:\n    endpoint: [m.dev]\n    rewrite: {'^a/': b/}\n",
    );
    insta::assert_snapshot!(sample.shown(), @"
    warning: `rewrite` has no effect: this entry has no mirror, and k3s does not rewrite requests to the registry itself
     --> registries.yaml:3:5
      |
    3 |     rewrite: {'^a/': b/}
      |     ^^^^^^^

    warning: `rewrite` has no effect: this entry has no mirror, and k3s does not rewrite requests to the registry itself
     --> registries.yaml:6:5
      |
    6 |     rewrite: {'^a/': b/}
      |     ^^^^^^^
    ");
}

#[test]
fn an_empty_login_is_none() {
    let sample = file(
        "mirrors:\n  docker.io:\n    endpoint: ['https://reg.example']\nconfigs:\n  reg.example:\n    \
         auth: { username: \"\", password: \"\" }\n  pw.example:\n    auth: {password: s3cret77}\n",
    );
    assert!(sample.imported.logins.is_empty());
    insta::assert_snapshot!(sample.shown(), @"
    warning: a password without a user name is no login: pw.example is asked without one
    --> registries.yaml:8:22
     = note: line not shown: it may hold a secret
     = help: write `username` beside it
    ");
}
