//! Documents as Talos' documentation and tests have them, and the messages about others.

use super::super::fixture::Sample;
use crate::config::Format;

fn file(content: &str) -> Sample {
    Sample::of(Format::Talos, "talos.yaml", &[("talos.yaml", content)])
}

#[test]
fn endpoints_in_order_and_the_registry_last_unless_it_is_skipped() {
    // exampleRegistryMirrorConfigVAlpha1
    let sample = file(
        "version: v1alpha1\nmachine:\n  type: worker\ncluster: {}\n\
         ---\napiVersion: v1alpha1\nkind: RegistryMirrorConfig\nname: registry.k8s.io\nendpoints:\n  \
         - url: https://my-private-registry.local:5000\n  - url: http://my-harbor/v2/registry-k8s.io/\n    \
         overridePath: true\nskipFallback: true\n\
         ---\napiVersion: v1alpha1\nkind: RegistryMirrorConfig\nname: ghcr.io\nendpoints:\n  - url: https://m.dev/proxy\n\
         ---\napiVersion: v1alpha1\nkind: HostnameConfig\nhostname: x\n",
    );
    sample.check(&[
        ("registry.k8s.io/a:1", "my-private-registry.local:5000/a:1, my-harbor/registry-k8s.io/a:1"),
        ("ghcr.io/a:1", "m.dev/a:1, origin"),
        ("nginx", "pass"),
    ]);
    assert_eq!(sample.needs(), ["my-harbor: plain http", "m.dev: the API root /proxy/v2"]);
    assert_eq!(sample.shown(), "");
}

#[test]
fn a_registry_with_a_document_of_its_own_is_not_for_the_wildcard() {
    let sample = file(
        "kind: RegistryMirrorConfig\nname: '*'\nendpoints: [{url: 'https://any.dev'}]\n\
         ---\nkind: RegistryMirrorConfig\nname: quay.io\n\
         ---\nkind: RegistryTLSConfig\nname: r.dev:5000\ninsecureSkipVerify: true\n",
    );
    sample.check(&[
        ("nginx", "any.dev/library/nginx:latest, origin"),
        ("quay.io/a:1", "pass"),
        ("r.dev:5000/a:1", "pass"),
    ]);
    assert_eq!(sample.needs(), ["r.dev:5000: skip-verify (its certificate is not verified)"]);
}

#[test]
fn the_older_form_is_read_too() {
    // TestGenerateHosts
    let sample = file(
        "machine:\n  registries:\n    mirrors:\n      docker.io:\n        endpoints:\n        \
         - https://registry-1.docker.io\n        - https://registry-2.docker.io\n      ghcr.io:\n        \
         endpoints: ['https://m.dev/v2/ghcr']\n        overridePath: true\n        skipFallback: true\n    config:\n      \
         some.host:123:\n        auth: {username: root, password: s3cret77, auth: s3cret77, identityToken: s3cret77}\n        \
         tls:\n          insecureSkipVerify: true\n          ca: Y2FjZXJ0\n          clientIdentity: {crt: Y3J0, key: s3cret77}\n      \
         registry-2.docker.io:\n        tls: {insecureSkipVerify: true}\n",
    );
    sample.check(&[
        (
            "nginx",
            "registry-1.docker.io/library/nginx:latest, registry-2.docker.io/library/nginx:latest, origin",
        ),
        ("ghcr.io/a:1", "m.dev/ghcr/a:1"),
    ]);
    let unverified = |host: &str| format!("{host}: skip-verify (its certificate is not verified)");
    let hosts = ["registry-2.docker.io", "registry-2.docker.io", "some.host:123"];
    assert_eq!(sample.needs(), hosts.map(unverified));
    let logins: Vec<&str> = sample.imported.logins.iter().map(|login| login.host.as_str()).collect();
    assert_eq!(logins, ["some.host:123"]);
    assert!(!format!("{:?}{}", sample.imported, sample.shown()).contains("s3cret77"));
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: the certificate authority of some.host:123 is in this file itself, and cannot be used from here
      --> talos.yaml:17:11
       |
    17 |           ca: Y2FjZXJ0
       |           ^^
       |
       = help: write it into a file of its own, decoded with `base64 -d`, and name that: [[transport]] registry = "some.host:123", ca = "/etc/cri-shunt/some.host_123.crt"

    warning: the client certificate of some.host:123 is in this file itself, and cannot be used from here
    --> talos.yaml:18:11
     = note: line not shown: it may hold a secret
     = help: write it into a file of its own, decoded if it is in base64, and name that: [[transport]] registry = "some.host:123", client-cert = "/etc/cri-shunt/some.host_123.crt", client-key = "/etc/cri-shunt/some.host_123.key"
    "#);
}

#[test]
fn every_mistake_at_once() {
    // TestRegistryMirrorConfigValidate
    let sample = file(
        "kind: RegistryMirrorConfig\nendpoints: []\n\
         ---\nkind: RegistryMirrorConfig\nname: docker.io\nendpoints: [{overridePath: true}, {url: 'ftp://m.dev'}, \
         {url: m.dev}, {url: 'https://u:s3cret77@m.dev'}]\nskipFallbck: true\n\
         ---\nkind: RegistryMirrorConfig\nname: registry-1.docker.io\nskipFallback: true\n\
         ---\nkind: RegistryMirrorConfig\nname: quay.io/a\n\
         ---\nkind: RegistryAuthConfig\nname: m.dev\npassword: s3cret77\n\
         ---\nkind: RegistryTLSConfig\nname: m.dev\nca: |-\n  -----BEGIN CERTIFICATE-----\n  MIID\n  -----END CERTIFICATE-----\n",
    );
    assert!(!sample.shown().contains("s3cret77"));
    insta::assert_snapshot!(sample.shown(), @r#"
    error: a RegistryMirrorConfig needs a `name`
     --> talos.yaml:1:7
      |
    1 | kind: RegistryMirrorConfig
      |       ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write the registry or the host that it is for

    error: an endpoint needs a `url`
    --> talos.yaml:6:13
     = note: line not shown: it may hold a secret
     = help: write `- url: https://mirror.dev.de:5000`

    error: "ftp" is not a scheme of a registry
    --> talos.yaml:6:41
     = note: line not shown: it may hold a secret
     = help: write https:// or http:// in front of the host

    error: "m.dev" has no scheme
    --> talos.yaml:6:63
     = note: line not shown: it may hold a secret
     = help: write https://m.dev

    error: a registry's address cannot contain a user name
    --> talos.yaml:6:77
     = note: line not shown: it may hold a secret
     = help: containerd ignores it; credentials are configured elsewhere

    error: unknown key `skipFallbck`
     --> talos.yaml:7:1
      |
    7 | skipFallbck: true
      | ^^^^^^^^^^^
      |
      = help: did you mean `skipFallback`?

    error: `registry-1.docker.io` has mirrors twice
      --> talos.yaml:10:7
       |
     5 | name: docker.io
       |       --------- the first ones
    ...
    10 | name: registry-1.docker.io
       |       ^^^^^^^^^^^^^^^^^^^^
       |
       = help: write all endpoints in one document

    error: `quay.io/a` is not the host of a registry
      --> talos.yaml:14:7
       |
    14 | name: quay.io/a
       |       ^^^^^^^^^
       |
       = help: mirrors are for whole registries: write the host alone, or "*"

    warning: a password without a user name is no login: m.dev is asked without one
    --> talos.yaml:18:11
     = note: line not shown: it may hold a secret
     = help: write `username` beside it

    warning: the certificate authority of m.dev is in this file itself, and cannot be used from here
      --> talos.yaml:22:1
       |
    22 | ca: |-
       | ^^
       |
       = help: write it into a file of its own, and name that: [[transport]] registry = "m.dev", ca = "/etc/cri-shunt/m.dev.crt"
    "#);
    insta::assert_snapshot!(file("kind: HostnameConfig\nhostname: x\n").shown(), @"
    warning: talos.yaml says nothing of registries: no rule comes from it
     |
     = help: the kind of a document about mirrors is RegistryMirrorConfig
    ");
}
