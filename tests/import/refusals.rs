//! What is not imported, and how it is said.

use insta::assert_snapshot;

use super::{QUAY, REGISTRIES_CONF, import};

#[test]
fn nothing_is_written_where_a_file_cannot_be_used() {
    let files = [
        ("registries.yaml", "mirrors:\n\tdocker.io: {}\n"),
        ("registries.conf", "[[registry]]\nprefix = 'x.de'\n"),
    ];
    let shown = import(&files, &["registries.conf"]);
    assert_snapshot!(shown, @r"
    --- stderr
    error: the registry has no `location`
     --> registries.conf:1:1
      |
    1 | [[registry]]
      | ^^^^^^^^^^^^
      |
      = help: write where the images are; only a prefix `*.domain` needs no location

    --- exit 2
    ");
    assert!(import(&files, &["registries.yaml"]).starts_with("--- stderr\nerror: this is not YAML"));
    assert_snapshot!(import(&files, &["absent.yaml"]), @r"
    --- stderr
    error: cannot read absent.yaml: No such file or directory (os error 2)

    --- exit 2
    ");
}

#[test]
fn a_format_that_is_not_to_be_seen_has_to_be_said() {
    let files = [
        ("both.yaml", "address: http://hub.de\nmirrors: {}\n"),
        ("empty", ""),
        ("other.yaml", "kind: Pod\n"),
        ("config.toml", "[policy]\n"),
        ("certs.d/quay.io/hosts.toml", QUAY),
        ("registries.conf.d/1.conf", REGISTRIES_CONF),
    ];
    let all = [
        "both.yaml",
        "empty",
        "other.yaml",
        "config.toml",
        "certs.d/quay.io",
        "certs.d/quay.io/hosts.toml",
        "registries.conf.d",
    ];
    assert_snapshot!(import(&files, &all), @"
    --- stderr
    error: both.yaml could be image-cri-shim (by `address`) and registries-yaml (by `mirrors`)
     |
     = help: choose one with --format

    error: empty is empty
     |
     = help: was it written to the end?

    error: cannot tell the format of other.yaml
     |
     = help: name it with --format: registries-yaml, certs-d, registries-conf, image-cri-shim, containerd-config, docker-daemon, openshift, talos

    error: config.toml is already a configuration of cri-shunt
     |
     = help: `import` is for files of other programs

    error: certs.d/quay.io is the directory of one registry
     |
     = help: name the tree, which holds one directory for each registry: certs.d

    error: certs.d/quay.io/hosts.toml is the file of one registry
     |
     = help: name the tree, which holds one directory for each registry: certs.d

    error: registries.conf.d holds drop-ins, which are not a source by themselves
     |
     = help: name the registries.conf beside it; its drop-ins are read with it

    --- exit 2
    ");
}

/// It has no name of its own.
#[test]
fn an_empty_stdin_is_called_so() {
    assert_snapshot!(import(&[], &["-"]), @"
    --- stderr
    error: stdin is empty
     |
     = help: was it written to the end?

    --- exit 2
    ");
}

#[test]
fn a_format_that_is_said_counts() {
    let files = [("both.yaml", "address: http://localhost:5000\nmirrors: {}\n")];
    assert_snapshot!(import(&files, &["--format", "image-cri-shim", "both.yaml"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # both.yaml:1
    [[policy.rule]]
    prefix = "*"
    mirrors = ["localhost:5000"]
    origin = "last"
    collapse = true
    --- stderr
    warning: images that none of these registries has are pulled from the registry in their name
     --> both.yaml:1:10
      |
    1 | address: http://localhost:5000
      |          ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    warning: images of every registry under `*` are looked for in the same place, localhost:5000
     --> both.yaml:1:10
      |
    1 | address: http://localhost:5000
      |          ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    warning: unknown key `mirrors`: image-cri-shim ignores it, and so does cri-shunt
     --> both.yaml:2:1
      |
    2 | mirrors: {}
      | ^^^^^^^
      |
      = help: known here: sealos, address, auth, registries, offlinePriority, timeout, version, image, sync, force, shim, cri, debug, reloadInterval, cache

    1 rule; everything has been carried over
    --- exit 0
    "#);
    let shown = import(&files, &["--format", "registries-conf", "both.yaml"]);
    assert!(shown.starts_with("--- stderr\nerror: this is not TOML"), "{shown}");
    let shown = import(&files, &["--format", "certs-d", "both.yaml"]);
    assert!(shown.ends_with("--- exit 2"), "{shown}");
}

#[test]
fn wrong_usage_exits_2() {
    let conf = [("registries.conf", REGISTRIES_CONF)];
    assert_snapshot!(import(&conf, &["--disable-default-registry-endpoint", "registries.conf"]), @r"
    --- stderr
    error: --disable-default-registry-endpoint has no effect: it is for a registries.yaml, and no such file is given
     |
     = help: in the other formats the file itself says whether the registry is asked

    --- exit 2
    ");
    assert!(import(&[], &[]).ends_with("--- exit 2"));
    assert!(import(&conf, &["--format", "toml", "registries.conf"]).ends_with("--- exit 2"));
    assert!(import(&[], &["--help"]).ends_with("--- exit 0"));
}
