//! Where k3s or containerd apply the same file once more, to the mirror's name.

use insta::assert_snapshot;

use super::check;

fn k3s(file: &str) -> String {
    check(&[("registries.yaml", file)], &["--registries-yaml", "registries.yaml", "--verbose"])
}

#[test]
fn k3s_with_a_rewrite_for_every_registry() {
    let file = "mirrors:\n  \"*\":\n    endpoint: [m.dev]\n    rewrite:\n      \"(.*)\": all/$1\n";
    assert_snapshot!(k3s(file), @r#"
    registries.yaml: usable: 1 rule, default pass; 1 warning
    note: where containerd pulls by the mirror's own name, m.dev, k3s's entry for `*` is applied as well: their paths are rewritten a second time
     --> registries.yaml:3:16
      |
    2 |   "*":
      |   --- this entry
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
      = help: only a lazy snapshotter or an image verifier does so; for these, move the mirrors to the configuration of cri-shunt (cri-shunt import), and keep only `configs` in this file

    warning: images of every registry under `*` are looked for in the same place, m.dev
     --> registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
    // An entry of the mirror's own in `configs` keeps `*` away from it.
    let configured = format!("{file}configs:\n  m.dev:\n    auth: {{username: u, password: p}}\n");
    assert_snapshot!(k3s(&configured), @r"
    registries.yaml: usable: 2 rules, default pass; 1 warning
    warning: images of every registry under `*` are looked for in the same place, m.dev
     --> registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    ");
    // One that says no more than the default does not: k3s writes nothing for it.
    let own = format!("{file}  m.dev:\n    endpoint: [m.dev]\n    rewrite: {{\"^a/\": b/}}\n");
    assert_snapshot!(k3s(&own), @r#"
    registries.yaml: usable: 1 rule, default pass; 2 warnings
    note: where containerd pulls by the mirror's own name, m.dev, k3s's entry for `*` is applied as well: their paths are rewritten a second time
     --> registries.yaml:3:16
      |
    2 |   "*":
      |   --- this entry
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
      = help: only a lazy snapshotter or an image verifier does so; for these, move the mirrors to the configuration of cri-shunt (cri-shunt import), and keep only `configs` in this file

    warning: images of every registry under `*` are looked for in the same place, m.dev
     --> registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    warning: `rewrite` has no effect: this entry has no mirror, and k3s does not rewrite requests to the registry itself
     --> registries.yaml:8:5
      |
    8 |     rewrite: {"^a/": b/}
      |     ^^^^^^^

    exit 0
    "#);
}

#[test]
fn k3s_with_a_mirror_that_has_a_mirror() {
    let file = "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n  m.dev:\n    endpoint: [n.dev]\n";
    assert_snapshot!(k3s(file), @"
    registries.yaml: usable: 2 rules, default pass
    note: where containerd pulls by the mirror's own name, m.dev, k3s's entry for `m.dev` is applied as well: n.dev is asked for them as well
     --> registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ^^^^^
    4 |   m.dev:
      |   ----- this entry
      |
      = help: only a lazy snapshotter or an image verifier does so; for these, move the mirrors to the configuration of cri-shunt (cri-shunt import), and keep only `configs` in this file

    exit 0
    ");
    let file = "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n  \"*\":\n    endpoint: [m.dev]\n";
    assert_snapshot!(k3s(file), @r"
    registries.yaml: usable: 2 rules, default pass; 1 warning
    warning: images of every registry under `*` are looked for in the same place, m.dev
     --> registries.yaml:5:16
      |
    5 |     endpoint: [m.dev]
      |                ^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    ");
}

#[test]
fn containerd_with_a_default_directory() {
    let default = ("certs.d/_default/hosts.toml", "[host.\"https://d.dev\"]\n");
    let quay = ("certs.d/quay.io/hosts.toml", "[host.\"https://m.dev\"]\n");
    assert_snapshot!(check(&[default, quay], &["--certs-d", "certs.d", "--verbose"]), @r#"
    certs.d: usable: 2 rules, default pass; 1 warning
    note: if containerd reads this tree too, it tries the mirrors again before the registry itself
     --> certs.d/_default/hosts.toml:1:7
      |
    1 | [host."https://d.dev"]
      |       ^^^^^^^^^^^^^^^
      |
      = help: a pull that falls back to its registry reaches containerd under its own name; to avoid the second round, remove the hosts from containerd's tree

    warning: images of every registry under `*` are looked for in the same place, d.dev
     --> certs.d/_default/hosts.toml:1:7
      |
    1 | [host."https://d.dev"]
      |       ^^^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    note: where containerd pulls by the mirror's own name, `m.dev`, it applies certs.d/_default as well and asks https://d.dev/v2
     --> certs.d/quay.io/hosts.toml:1:7
      |
    1 | [host."https://m.dev"]
      |       ^^^^^^^^^^^^^^^
      |
     ::: certs.d/_default/hosts.toml:1:7
      |
    1 | [host."https://d.dev"]
      |       --------------- by this host
      |
      = help: only a lazy snapshotter or an image verifier does so; for these, give the mirror a directory of its own: m.dev/hosts.toml with `server = "https://m.dev"`

    exit 0
    "#);
    let own = ("certs.d/m.dev/hosts.toml", "server = \"https://m.dev\"\n");
    assert_snapshot!(check(&[default, quay, own], &["--certs-d", "certs.d"]), @r#"
    certs.d: usable: 3 rules, default pass; 1 warning
    warning: images of every registry under `*` are looked for in the same place, d.dev
     --> certs.d/_default/hosts.toml:1:7
      |
    1 | [host."https://d.dev"]
      |       ^^^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
}

#[test]
fn files_that_the_node_reads_as_well() {
    let hosts = "server = \"https://m.dev\"\n";
    let mirrors = "mirrors: {quay.io: {endpoint: [m.dev]}}\n";
    for (file, content, flag, path) in [
        (
            "host/etc/rancher/k3s/registries.yaml",
            mirrors,
            "--registries-yaml",
            "host/etc/rancher/k3s/registries.yaml",
        ),
        (
            "etc/rancher/rke2/registries.yaml",
            mirrors,
            "--registries-yaml",
            "./etc/rancher/rke2/registries.yaml",
        ),
        ("etc/containerd/certs.d/quay.io/hosts.toml", hosts, "--certs-d", "etc/containerd/certs.d/"),
        (
            "k3s/agent/etc/containerd/certs.d/quay.io/hosts.toml",
            hosts,
            "--certs-d",
            "k3s/agent/etc/containerd/certs.d",
        ),
    ] {
        let shown = check(&[(file, content)], &[flag, path, "--verbose"]);
        assert!(shown.contains(&format!("reads {path} too")), "{path}\n{shown}");
        let quiet = check(&[("elsewhere", "")], &["--registries-conf", "elsewhere", "--verbose"]);
        assert!(!quiet.contains(" too, "), "{quiet}");
    }
    let file = "etc/rancher/k3s/registries.yaml";
    assert_snapshot!(check(&[(file, mirrors)], &["--registries-yaml", file, "--verbose"]), @r"
    etc/rancher/k3s/registries.yaml: usable: 1 rule, default pass
    note: k3s reads etc/rancher/k3s/registries.yaml too, when it starts
     |
     = help: a change takes effect here within seconds; for pulls that bypass the shunt it takes effect when k3s is restarted

    exit 0
    ");
    let tree = "etc/containerd/certs.d";
    assert_snapshot!(check(&[(&format!("{tree}/quay.io/hosts.toml"), hosts)], &["--certs-d", tree, "--verbose"]), @r"
    etc/containerd/certs.d: usable: 1 rule, default pass
    note: containerd reads etc/containerd/certs.d too, at every pull
     |
     = help: pulls that bypass the shunt use the same mirrors

    exit 0
    ");
}
