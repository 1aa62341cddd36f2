//! Files that say nothing, and files that cannot be parsed.

use insta::assert_snapshot;

use super::{check, check_file, check_hosts};

#[test]
fn empty_files() {
    assert_snapshot!(check_file("--config", ""), @r"
    config.toml: usable: 0 rules, default pass; 1 warning
    warning: 0 rules: every image is pulled as without cri-shunt
     --> config.toml:1:1
      |
    1 |
      | ^
      |
      = help: write a [[policy.rule]] or a [[policy.source]]

    exit 0
    ");
    assert_snapshot!(check_file("--registries-yaml", ""), @r"
    registries.yaml: usable: 0 rules, default pass; 2 warnings
    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    warning: registries.yaml is empty: no rule comes from it
     --> registries.yaml:1:1
      |
    1 |
      | ^
      |
      = help: write `mirrors:` and `configs:`, as for k3s

    exit 0
    ");
    assert_snapshot!(check_file("--registries-yaml", "# nothing but a comment\n"), @r"
    registries.yaml: usable: 0 rules, default pass; 2 warnings
    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    warning: registries.yaml is empty: no rule comes from it
    --> registries.yaml:1:1
     = note: line not shown: it may hold a secret
     = help: write `mirrors:` and `configs:`, as for k3s

    exit 0
    ");
    assert_snapshot!(check_hosts(""), @r"
    certs.d: usable: 0 rules, default pass; 1 warning
    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    exit 0
    ");
    assert_snapshot!(check(&[("certs.d/", "")], &["--certs-d", "certs.d"]), @r"
    certs.d: usable: 0 rules, default pass; 1 warning
    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    exit 0
    ");
    assert_snapshot!(check_file("--registries-conf", ""), @r"
    registries.conf: usable: 0 rules, default pass; 1 warning
    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    exit 0
    ");
    assert_snapshot!(check_file("--image-cri-shim", ""), @r"
    error: this file names no registry
     --> shim.yaml:1:1
      |
    1 |
      | ^
      |
      = help: image-cri-shim needs an `address`, such as http://sealos.hub:5000

    shim.yaml: not usable: 1 error
    exit 1
    ");
}

#[test]
fn broken_syntax() {
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n    endpoint: [m.dev\n"), @r"
    error: this is not YAML: unclosed bracket '['
    --> registries.yaml:3:15
     = note: line not shown: it may hold a secret

    registries.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--registries-yaml", "mirrors: {}\n---\nmirrors: {}\n"), @r"
    error: this is a second YAML document, but only one is allowed
     --> registries.yaml:3:1
      |
    3 | mirrors: {}
      | ^
      |
      = help: merge the two, and remove the `---` between them

    registries.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n  quay.io:\n    endpoint: [n.dev]\n"), @r"
    error: `quay.io` is set twice in one mapping
     --> registries.yaml:4:3
      |
    2 |   quay.io:
      |   ------- first set here
    3 |     endpoint: [m.dev]
    4 |   quay.io:
      |   ^^^^^^^
      |
      = help: keep one of the two

    registries.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_hosts("[host.\"https://m.dev\"\n"), @r"
    error: this is not TOML: unclosed table, expected `]`
    --> certs.d/quay.io/hosts.toml:1:22
     = note: line not shown: it may hold a secret

    certs.d: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--registries-conf", "[[registry]\nlocation = \"quay.io\"\n"), @r"
    error: this is not TOML: unclosed array table, expected `]`
    --> registries.conf:1:12
     = note: line not shown: it may hold a secret

    registries.conf: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--image-cri-shim", "address: \"https://m.dev\n"), @r"
    error: this is not YAML: unclosed quote
    --> shim.yaml:1:10
     = note: line not shown: it may hold a secret

    shim.yaml: not usable: 1 error
    exit 1
    ");
}
