//! Files of containerd, Docker, OpenShift and Talos: what they become, and what is left behind.

use insta::assert_snapshot;

use super::import;

#[test]
fn the_registry_tables_of_containerd() {
    let file = "version = 2\nimports = []\n[plugins.'io.containerd.grpc.v1.cri'.registry]\n\
                [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\n\
                endpoint = ['https://m.dev:5000/v2/hub', 'http://10.0.0.5:5000', 'https://registry-1.docker.io']\n\
                [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'quay.io']\n\
                endpoint = ['https://quay.io', 'https://n.dev']\n\
                [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'m.dev:5000'.auth]\n\
                username = 'robot'\npassword = 's3cret77'\n\
                [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'m.dev:5000'.tls]\nca_file = '/etc/m.pem'\n\
                [plugins.'io.containerd.grpc.v1.cri'.registry.headers]\nAuthorization = ['s3cret77']\n";
    let shown = import(&[("config.toml", file)], &["config.toml"]);
    assert!(!shown.contains("s3cret77"));
    assert_snapshot!(shown, @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # config.toml:4
    [[policy.rule]]
    prefix = "docker.io"
    mirrors = ["m.dev:5000/hub", "http://10.0.0.5:5000"]
    origin = "last"
    collapse = true

    # config.toml:6
    [[policy.rule]]
    prefix = "quay.io"
    mirrors = ["quay.io", "n.dev"]
    collapse = true

    # config.toml:12
    [[transport]]
    registry = "m.dev:5000"
    ca = "/etc/m.pem"

    # Not carried over, because there is no key for it, or because it may be a secret:
    # - every other host needs the header Authorization (config.toml:14)

    # Not carried over:
    # - config.toml:8:1: the credentials for m.dev:5000 are not carried over (a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`)
    --- stderr
    warning: the credentials for m.dev:5000 are not carried over
    --> config.toml:8:1
     = note: line not shown: it may hold a secret
     = help: a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`

    warning: /etc/m.pem, for the registry m.dev:5000: No such file or directory (os error 2)
      --> config.toml:12:11
       |
    12 | ca_file = '/etc/m.pem'
       |           ^^^^^^^^^^^^
       |
       = help: until this is fixed, no image comes from there

    2 rules; not carried over: 2 (listed at the end of the output)
    --- exit 1
    "#);
}

#[test]
fn the_mirrors_of_docker() {
    let file = "{\n\t\"registry-mirrors\": [\"https://m.dev\", \"http://10.0.0.5:5000\"],\n\
                \t\"insecure-registries\": [\"r.corp:5000\", \"10.0.0.0/8\"]\n}\n";
    assert_snapshot!(import(&[("daemon.json", file)], &["daemon.json"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # daemon.json:2
    [[policy.rule]]
    prefix = "docker.io"
    mirrors = ["m.dev", "http://10.0.0.5:5000"]
    origin = "last"
    collapse = true

    # daemon.json:3
    [[transport]]
    registry = "r.corp:5000"
    http-fallback = true
    skip-verify = true

    # Not carried over:
    # - daemon.json:3:41: `10.0.0.0/8` is a network, which cannot be carried over (name each registry in it, with its port: [[transport]] with `http-fallback` and `skip-verify`)
    --- stderr
    warning: `10.0.0.0/8` is a network, which cannot be carried over
     --> daemon.json:3:41
      |
    3 |     "insecure-registries": ["r.corp:5000", "10.0.0.0/8"]
      |                                            ^^^^^^^^^^^^
      |
      = help: name each registry in it, with its port: [[transport]] with `http-fallback` and `skip-verify`

    1 rule; not carried over: 1 (listed at the end of the output)
    --- exit 1
    "#);
}

#[test]
fn the_mirror_sets_of_openshift() {
    let file = "kind: ImageDigestMirrorSet\nspec:\n  imageDigestMirrors:\n  - source: registry.redhat.io/ubi9\n    \
                mirrors: [m.corp:8443/ubi9]\n    mirrorSourcePolicy: NeverContactSource\n---\n\
                kind: ImageTagMirrorSet\nspec:\n  imageTagMirrors:\n  - source: '*.redhat.io'\n    mirrors: [m.corp:8443/any]\n";
    assert_snapshot!(import(&[("sets.yaml", file)], &["sets.yaml"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # sets.yaml:11
    [[policy.rule]]
    prefix = "*.redhat.io"
    mirrors = [{ location = "m.corp:8443/any", only = "tags" }]
    origin = "last"
    collapse = true

    # sets.yaml:4
    [[policy.rule]]
    prefix = "registry.redhat.io/ubi9"
    mirrors = [{ location = "m.corp:8443/ubi9", only = "digests", strip-prefix = true }]
    collapse = true
    --- stderr
    warning: images of every registry under `*.redhat.io` are looked for in the same place, m.corp:8443/any
      --> sets.yaml:12:15
       |
    12 |     mirrors: [m.corp:8443/any]
       |               ^^^^^^^^^^^^^^^
       |
       = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    2 rules; everything has been carried over
    --- exit 0
    "#);
}

#[test]
fn the_registry_documents_of_talos() {
    let file = "kind: RegistryMirrorConfig\nname: docker.io\nendpoints:\n- url: https://m.dev:5000\n- url: https://n.dev/hub\n  \
                overridePath: true\nskipFallback: true\n---\nkind: RegistryAuthConfig\nname: m.dev:5000\nusername: u\n\
                password: s3cret77\n---\nkind: RegistryTLSConfig\nname: m.dev:5000\ninsecureSkipVerify: true\nclientIdentity: {cert: C, key: s3cret77}\n";
    let shown = import(&[("registries.yaml", file)], &["registries.yaml"]);
    assert!(!shown.contains("s3cret77"));
    assert_snapshot!(shown, @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # registries.yaml:4
    [[policy.rule]]
    prefix = "docker.io"
    mirrors = ["m.dev:5000", { location = "n.dev", api-root = "/hub" }]
    collapse = true

    # registries.yaml:16
    [[transport]]
    registry = "m.dev:5000"
    skip-verify = true

    # Not carried over:
    # - registries.yaml:10:1: the credentials for m.dev:5000 are not carried over (a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`)
    # - registries.yaml:17:1: the client certificate of m.dev:5000 is in this file itself, and cannot be used from here (write it into a file of its own, decoded if it is in base64, and name that: [[transport]] registry = "m.dev:5000", client-cert = "/etc/cri-shunt/m.dev_5000.crt", client-key = "/etc/cri-shunt/m.dev_5000.key")
    --- stderr
    warning: the credentials for m.dev:5000 are not carried over
      --> registries.yaml:10:1
       |
    10 | name: m.dev:5000
       | ^^^^^^^^^^^^^^^^
       |
       = help: a configuration holds no password: write it into a file of its own, and name that by a [[credentials]] with `registry`, `username` and `password-file`

    warning: the client certificate of m.dev:5000 is in this file itself, and cannot be used from here
    --> registries.yaml:17:1
     = note: line not shown: it may hold a secret
     = help: write it into a file of its own, decoded if it is in base64, and name that: [[transport]] registry = "m.dev:5000", client-cert = "/etc/cri-shunt/m.dev_5000.crt", client-key = "/etc/cri-shunt/m.dev_5000.key"

    1 rule; not carried over: 2 (listed at the end of the output)
    --- exit 1
    "#);
}
