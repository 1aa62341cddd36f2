//! What is wrong in a file.

use insta::assert_snapshot;

use super::{check_file, check_hosts};

#[test]
fn unknown_keys() {
    assert_snapshot!(check_file("--config", "[policy]\nmirors = 1\n"), @r"
    error: unknown key `mirors` in `policy`
     --> config.toml:2:1
      |
    2 | mirors = 1
      | ^^^^^^
      |
      = help: known here: mode, default, default-registry, present, names, node-credentials, on-outage, outage-max-age, verify, policy-json, watch, locked, unlisted, rule, source

    config.toml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n    endpoints: [m.dev]\n    endpoint: [n.dev]\nconfig: {}\nconfigs:\n  m.dev:\n    tls: {ca: /x}\n    auth: {token: secret}\n"), @"
    registries.yaml: usable: 1 rule, default pass; 4 warnings
    warning: unknown key `endpoints` in `mirrors.quay.io`: k3s ignores it, and so does cri-shunt
     --> registries.yaml:3:5
      |
    3 |     endpoints: [m.dev]
      |     ^^^^^^^^^
      |
      = help: did you mean `endpoint`?

    warning: unknown key `config`: k3s ignores it, and so does cri-shunt
     --> registries.yaml:5:1
      |
    5 | config: {}
      | ^^^^^^
      |
      = help: did you mean `configs`?

    warning: unknown key `ca` in `configs.m.dev.tls`: k3s ignores it, and so does cri-shunt
     --> registries.yaml:8:11
      |
    8 |     tls: {ca: /x}
      |           ^^
      |
      = help: known here: ca_file, cert_file, key_file, insecure_skip_verify

    warning: unknown key `token` in `configs.m.dev.auth`: k3s ignores it, and so does cri-shunt
    --> registries.yaml:9:12
     = note: line not shown: it may hold a secret
     = help: known here: username, password, auth, identity_token

    exit 0
    ");
    assert_snapshot!(check_hosts("sever = \"https://m.dev\"\n[host.\"https://n.dev\"]\ncapability = [\"pull\"]\n"), @r#"
    certs.d: usable: 1 rule, default pass; 2 warnings
    warning: unknown key `sever`: containerd ignores it, and so does cri-shunt
     --> certs.d/quay.io/hosts.toml:1:1
      |
    1 | sever = "https://m.dev"
      | ^^^^^
      |
      = help: did you mean `server`?

    warning: unknown key `capability` in `host.https://n.dev`: containerd ignores it, and so does cri-shunt
    --> certs.d/quay.io/hosts.toml:3:1
     = note: line not shown: it may hold a secret
     = help: did you mean `capabilities`?

    exit 0
    "#);
    assert_snapshot!(check_file("--registries-conf", "[[registry]]\nlocation = \"quay.io\"\nmirrors = [\"m.dev\"]\n"), @r#"
    registries.conf: usable: 0 rules, default pass; 2 warnings
    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    warning: unknown key `mirrors` in `registry`: containers/image ignores it, and so does cri-shunt
     --> registries.conf:3:1
      |
    3 | mirrors = ["m.dev"]
      | ^^^^^^^
      |
      = help: did you mean `mirror`?

    exit 0
    "#);
    assert_snapshot!(check_file("--image-cri-shim", "address: https://m.dev\nregistry: [x]\n"), @r#"
    shim.yaml: usable: 1 rule, default pass; 3 warnings
    warning: images that none of these registries has are pulled from the registry in their name
     --> shim.yaml:1:10
      |
    1 | address: https://m.dev
      |          ^^^^^^^^^^^^^
      |
      = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    warning: images of every registry under `*` are looked for in the same place, m.dev
     --> shim.yaml:1:10
      |
    1 | address: https://m.dev
      |          ^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    warning: unknown key `registry`: image-cri-shim ignores it, and so does cri-shunt
     --> shim.yaml:2:1
      |
    2 | registry: [x]
      | ^^^^^^^^
      |
      = help: did you mean `registries`?

    exit 0
    "#);
}

#[test]
fn wrong_types() {
    assert_snapshot!(check_file("--config", "[[policy.rule]]\nprefix = 1\nmirrors = \"m.dev\"\n"), @r#"
    error: `policy.rule.prefix` must be a string, not a number
     --> config.toml:2:10
      |
    2 | prefix = 1
      |          ^
      |
      = help: begin with a host: docker.io/library/1

    error: `policy.rule.mirrors` must be an array, not a string
     --> config.toml:3:11
      |
    3 | mirrors = "m.dev"
      |           ^^^^^^^
      |
      = help: write mirrors = ["m.dev"]

    config.toml: not usable: 2 errors
    exit 1
    "#);
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n    endpoint: m.dev\n    rewrite: [a]\n  ghcr.io: [m.dev]\nconfigs:\n  m.dev:\n    tls:\n      insecure_skip_verify: \"yes\"\n    auth: user:password\n"), @r#"
    error: `mirrors.quay.io.endpoint` must be a list, not a string
     --> registries.yaml:3:15
      |
    3 |     endpoint: m.dev
      |               ^^^^^

    error: `mirrors.quay.io.rewrite` must be a mapping, not a list
     --> registries.yaml:4:14
      |
    4 |     rewrite: [a]
      |              ^

    error: `mirrors.ghcr.io` must be a mapping, not a list
    --> registries.yaml:5:12
     = note: line not shown: it may hold a secret
     = help: the addresses go one level deeper: into the list `endpoint` (of Talos: `endpoints`)

    error: `configs.m.dev.tls.insecure_skip_verify` must be true or false, not a string
     --> registries.yaml:9:29
      |
    9 |       insecure_skip_verify: "yes"
      |                             ^^^^^

    error: `configs.m.dev.auth` must be a mapping, not a string
    --> registries.yaml:10:11
     = note: line not shown: it may hold a secret

    registries.yaml: not usable: 5 errors
    exit 1
    "#);
    assert_snapshot!(check_hosts("server = [\"https://m.dev\"]\n[host.\"https://n.dev\"]\ncapabilities = \"pull\"\nskip_verify = 1\n"), @r#"
    error: `server` must be a string, not an array
     --> certs.d/quay.io/hosts.toml:1:10
      |
    1 | server = ["https://m.dev"]
      |          ^^^^^^^^^^^^^^^^^

    error: `host.https://n.dev.capabilities` must be an array, not a string
     --> certs.d/quay.io/hosts.toml:3:16
      |
    3 | capabilities = "pull"
      |                ^^^^^^

    error: `host.https://n.dev.skip_verify` must be true or false, not a number
     --> certs.d/quay.io/hosts.toml:4:15
      |
    4 | skip_verify = 1
      |               ^

    certs.d: not usable: 3 errors
    exit 1
    "#);
    assert_snapshot!(check_file("--registries-conf", "[[registry]]\nlocation = 1\nblocked = \"yes\"\n[registry.mirror]\nlocation = \"m.dev\"\n"), @r#"
    error: `registry.location` must be a string, not a number
     --> registries.conf:2:12
      |
    2 | location = 1
      |            ^
      |
      = help: put it in quotes: "1"

    error: `registry.blocked` must be true or false, not a string
     --> registries.conf:3:11
      |
    3 | blocked = "yes"
      |           ^^^^^

    error: `registry.mirror` must be a list of tables
     --> registries.conf:4:1
      |
    4 | [registry.mirror]
      | ^^^^^^^^^^^^^^^^^
      |
      = help: write [[registry.mirror]]

    registries.conf: not usable: 3 errors
    exit 1
    "#);
    assert_snapshot!(check_file("--image-cri-shim", "address: 5\nregistries: m.dev\n"), @r#"
    error: this file names no registry
     --> shim.yaml:1:1
      |
    1 | address: 5
      | ^
      |
      = help: image-cri-shim needs an `address`, such as http://sealos.hub:5000

    error: `address` must be a string, not a number
     --> shim.yaml:1:10
      |
    1 | address: 5
      |          ^
      |
      = help: put it in quotes: "5"

    error: `registries` must be a list, not a string
     --> shim.yaml:2:13
      |
    2 | registries: m.dev
      |             ^^^^^

    shim.yaml: not usable: 3 errors
    exit 1
    "#);
}

#[test]
fn regular_expressions() {
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n    rewrite:\n      \"^(?!library/)(.*)\": x/$1\n      \"(a)\\\\1\": b\n      \"[a\": b\n"), @r#"
    error: k3s does not accept this regular expression: look-around, including look-ahead and look-behind, is not supported
     --> registries.yaml:5:7
      |
    5 |       "^(?!library/)(.*)": x/$1
      |       ^^^^^^^^^^^^^^^^^^^
      |
      = help: k3s goes on without the rewrite, so that the mirror is asked for another path; see github.com/google/re2/wiki/Syntax

    warning: k3s writes this pattern unchanged into containerd's configuration, where TOML interprets the backslash
     --> registries.yaml:6:7
      |
    6 |       "(a)\\1": b
      |       ^^^^^^^^
      |
      = help: write [.] for a dot and [0-9] for a digit, which need no backslash

    error: k3s does not accept this regular expression: backreferences are not supported
     --> registries.yaml:6:7
      |
    6 |       "(a)\\1": b
      |       ^^^^^^^^
      |
      = help: k3s goes on without the rewrite, so that the mirror is asked for another path; see github.com/google/re2/wiki/Syntax

    error: k3s does not accept this regular expression: unclosed character class
     --> registries.yaml:7:7
      |
    7 |       "[a": b
      |       ^^^^
      |
      = help: k3s goes on without the rewrite, so that the mirror is asked for another path; see github.com/google/re2/wiki/Syntax

    registries.yaml: not usable: 3 errors, 1 warning
    exit 1
    "#);
    assert_snapshot!(check_file("--config", "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.dev\"]\nrewrite = [{ match = \"^(?!library/)(.*)\", replace = \"x/$1\" }]\n"), @r#"
    error: `policy.rule.rewrite.match`: bad regular expression: look-around, including look-ahead and look-behind, is not supported
     --> config.toml:4:22
      |
    4 | rewrite = [{ match = "^(?!library/)(.*)", replace = "x/$1" }]
      |                      ^^^^^^^^^^^^^^^^^^^
      |
      = help: for repositories that a rewrite must not change write a rule with a longer prefix; what has to stay goes into a group: match = "^(a|b)/(.*)", replace = "$1/x/$2"

    config.toml: not usable: 1 error
    exit 1
    "#);
}
