//! Messages about a tree.

use super::{quay, tree};

#[test]
fn a_file_that_is_no_toml() {
    insta::assert_snapshot!(quay("server = https://quay.io\n").shown(), @"
    note: containerd would ignore this file and ask the public registry: here that is an error
    --> certs.d/quay.io/hosts.toml:1:1
     = note: line not shown: it may hold a secret

    error: this is not TOML: string values must be quoted, expected literal string
    --> certs.d/quay.io/hosts.toml:1:10
     = note: line not shown: it may hold a secret
    ");
}

#[test]
fn every_mistake_of_a_file_at_once() {
    let sample = quay(
        "server = 5\nhosts = 1\n[host.\"https://m.de\"]\ncapabilities = [\"pull\", \"resolv\", 3]\n\
         skip_verify = \"yes\"\nca = [1]\nclient = [[\"a\"]]\ndial_timeout = \"soon\"\noverride-path = true\n\
         [host.\"httpmirror.local\"]\n[host.\"https://u:pw@n.de\"]\n[host.\"https://o.de\".rewrite]\n\"^a\" = \"b\"\n",
    );
    assert!(sample.imported.rules.is_empty());
    insta::assert_snapshot!(sample.shown(), @r#"
    note: containerd would ignore this file and ask the public registry: here that is an error
     --> certs.d/quay.io/hosts.toml:1:1
      |
    1 | server = 5
      | ^

    error: `server` must be a string, not a number
     --> certs.d/quay.io/hosts.toml:1:10
      |
    1 | server = 5
      |          ^
      |
      = help: put it in quotes: "5"

    warning: unknown key `hosts`: containerd ignores it, and so does cri-shunt
     --> certs.d/quay.io/hosts.toml:2:1
      |
    2 | hosts = 1
      | ^^^^^
      |
      = help: did you mean `host`?

    error: unknown capability "resolv"
     --> certs.d/quay.io/hosts.toml:4:25
      |
    4 | capabilities = ["pull", "resolv", 3]
      |                         ^^^^^^^^
      |
      = help: known: pull, resolve, push, referrers

    error: `host.https://m.de.capabilities` must be a string, not a number
     --> certs.d/quay.io/hosts.toml:4:35
      |
    4 | capabilities = ["pull", "resolv", 3]
      |                                   ^
      |
      = help: put it in quotes: "3"

    error: `host.https://m.de.skip_verify` must be true or false, not a string
     --> certs.d/quay.io/hosts.toml:5:15
      |
    5 | skip_verify = "yes"
      |               ^^^^^

    error: `host.https://m.de.ca` must be a string, not a number
     --> certs.d/quay.io/hosts.toml:6:7
      |
    6 | ca = [1]
      |       ^
      |
      = help: put it in quotes: "1"

    error: a client certificate is a pair of two files, the certificate and the key
     --> certs.d/quay.io/hosts.toml:7:11
      |
    7 | client = [["a"]]
      |           ^^^^^

    error: `host.https://m.de.dial_timeout`: "soon" is not a duration
     --> certs.d/quay.io/hosts.toml:8:16
      |
    8 | dial_timeout = "soon"
      |                ^^^^^^
      |
      = help: write numbers with units ms, s, m or h, for example "10s" or "1m30s"

    warning: unknown key `override-path` in `host.https://m.de`: containerd ignores it, and so does cri-shunt
     --> certs.d/quay.io/hosts.toml:9:1
      |
    9 | override-path = true
      | ^^^^^^^^^^^^^
      |
      = help: did you mean `override_path`?

    error: "httpmirror.local" starts like a scheme
      --> certs.d/quay.io/hosts.toml:10:7
       |
    10 | [host."httpmirror.local"]
       |       ^^^^^^^^^^^^^^^^^^
       |
       = help: containerd misreads it: write https://httpmirror.local

    error: a registry's address cannot contain a user name
    --> certs.d/quay.io/hosts.toml:11:7
     = note: line not shown: it may hold a secret
     = help: containerd ignores it; credentials are configured elsewhere

    error: `rewrite` can't be carried over from this file
      --> certs.d/quay.io/hosts.toml:12:1
       |
    12 | [host."https://o.de".rewrite]
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: only the containerd of k3s and RKE2 knows it; name their registries.yaml as the source
    "#);
}

#[test]
fn hosts_that_containerd_reads_and_does_not_use() {
    insta::assert_snapshot!(quay("[host]\n\"https://m.de\".capabilities = [\"pull\"]\n\"https://n.de\" = {}\n").shown(), @r#"
    note: containerd would ignore this file and ask the public registry: here that is an error
     --> certs.d/quay.io/hosts.toml:1:1
      |
    1 | [host]
      | ^

    error: containerd reads the host "https://m.de" and never uses it
     --> certs.d/quay.io/hosts.toml:2:1
      |
    2 | "https://m.de".capabilities = ["pull"]
      | ^^^^^^^^^^^^^^
      |
      = help: give it a header of its own: [host."https://m.de"]

    error: containerd reads the host "https://n.de" and never uses it
     --> certs.d/quay.io/hosts.toml:3:1
      |
    3 | "https://n.de" = {}
      | ^^^^^^^^^^^^^^
      |
      = help: give it a header of its own: [host."https://n.de"]
    "#);
    insta::assert_snapshot!(quay("host = \"https://m.de\"\n").shown(), @"
    note: containerd would ignore this file and ask the public registry: here that is an error
    --> certs.d/quay.io/hosts.toml:1:1
     = note: line not shown: it may hold a secret

    error: `host` must be a table, not a string
    --> certs.d/quay.io/hosts.toml:1:8
     = note: line not shown: it may hold a secret
    ");
}

#[test]
fn one_host_twice() {
    insta::assert_snapshot!(quay("[host.\"m.de\"]\n[host.\"m.de\"]\n").shown(), @r#"
    note: containerd would ignore this file and ask the public registry: here that is an error
    --> certs.d/quay.io/hosts.toml:1:1
     = note: line not shown: it may hold a secret

    error: `"m.de"` is set twice in one table
     --> certs.d/quay.io/hosts.toml:2:7
      |
    2 | [host."m.de"]
      |       ^^^^^^
      |
      = help: keep one of the two
    "#);
}

#[test]
fn directories_that_containerd_does_not_look_into() {
    let sample = tree(&[
        ("hosts.toml", ""),
        ("quay.io", "a file"),
        ("README.md/", ""),
        ("foo/", ""),
        ("index.docker.io/", ""),
        ("h.de_x_/", ""),
        ("h.de_5000/", ""),
        (".git/", ""),
        ("i.de_5000_/", ""),
        ("i.de:5000/", ""),
        ("docker.io/", ""),
        ("registry-1.docker.io/", ""),
    ]);
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: containerd never looks into certs.d/foo: no image can have a registry called "foo"
     |
     = help: valid names are docker.io, mirror.dev.de_5000_, mirror.dev.de:5000 or _default

    warning: containerd never looks into certs.d/h.de_x_: its name ends with `_` but has no port
     |
     = help: valid names are docker.io, mirror.dev.de_5000_, mirror.dev.de:5000 or _default

    warning: certs.d/hosts.toml belongs to no registry: containerd never reads it
     |
     = help: put it in the directory of its registry, or in _default

    warning: containerd never looks into certs.d/index.docker.io: no image can have a registry called "index.docker.io"
     |
     = help: valid names are docker.io, mirror.dev.de_5000_, mirror.dev.de:5000 or _default

    warning: certs.d/quay.io is a file: because of it, containerd refuses every pull from "quay.io"
     |
     = help: make it a directory with a hosts.toml in it, or give it another name

    warning: certs.d/h.de_5000 is for the registry "h.de_5000"
     |
     = help: for port 5000 of h.de call it h.de_5000_

    warning: containerd never looks into certs.d/i.de:5000: it finds certs.d/i.de_5000_ first
     |
     = help: keep one of the two

    warning: certs.d/registry-1.docker.io has no effect beside certs.d/docker.io: here both names mean the same registry
     |
     = help: every spelling of "docker.io" has the same rule; keep one of the two
    "#);
}

#[test]
fn two_directories_and_neither_has_the_spelling_of_rules() {
    insta::assert_snapshot!(tree(&[("Docker.io/", ""), ("DOCKER.io/", "")]).shown(), @r#"
    error: certs.d/DOCKER.io and certs.d/Docker.io are for one registry, "docker.io"
     |
     = help: keep one of the two, and call it docker.io
    "#);
}

#[test]
fn a_root_that_is_no_directory() {
    let sample = super::Sample::of(super::Format::CertsD, "certs.d", &[("certs.d", "")]);
    insta::assert_snapshot!(sample.shown(), @"
    error: cannot read certs.d: Not a directory (os error 20)
     |
     = help: name the directory that holds one directory for each registry, as config_path does
    ");
    let sample = super::Sample::of(super::Format::CertsD, "a:b", &[]);
    insta::assert_snapshot!(sample.shown(), @"
    error: cannot read a:b: No such file or directory (os error 2)
     |
     = help: a source is one directory; for a list as in config_path, write a source for each
    ");
}

#[test]
fn a_directory_in_the_place_of_the_file() {
    insta::assert_snapshot!(tree(&[("quay.io/hosts.toml/", "")]).shown(), @"error: cannot read certs.d/quay.io/hosts.toml: it is a directory, not a file");
}

#[test]
fn where_containerd_applies_the_tree_again() {
    let sample = tree(&[
        ("quay.io/hosts.toml", "[host.\"https://m.de\"]\n[host.\"https://n.de\"]\n[host.\"https://o.de\"]\n"),
        ("m.de/hosts.toml", "server = \"https://m.de\"\nca = \"m.pem\"\n"),
        ("n.de/hosts.toml", "[host.\"https://p.de\"]\n"),
        ("_default/hosts.toml", "server = \"https://d.de\"\n"),
    ]);
    insta::assert_snapshot!(sample.shown(), @r#"
    note: where containerd pulls by the mirror's own name, `p.de`, it applies certs.d/_default as well and asks https://d.de/v2
     --> certs.d/n.de/hosts.toml:1:7
      |
    1 | [host."https://p.de"]
      |       ^^^^^^^^^^^^^^
      |
     ::: certs.d/_default/hosts.toml:1:10
      |
    1 | server = "https://d.de"
      |          -------------- by this host
      |
      = help: only a lazy snapshotter or an image verifier does so; for these, give the mirror a directory of its own: p.de/hosts.toml with `server = "https://p.de"`

    note: if containerd reads this tree too, it tries the mirrors again before the registry itself
     --> certs.d/n.de/hosts.toml:1:7
      |
    1 | [host."https://p.de"]
      |       ^^^^^^^^^^^^^^
      |
      = help: a pull that falls back to its registry reaches containerd under its own name; to avoid the second round, remove the hosts from containerd's tree

    note: where containerd pulls by the mirror's own name, `n.de`, it applies certs.d/n.de as well and asks https://p.de/v2
     --> certs.d/quay.io/hosts.toml:2:7
      |
    2 | [host."https://n.de"]
      |       ^^^^^^^^^^^^^^
      |
     ::: certs.d/n.de/hosts.toml:1:7
      |
    1 | [host."https://p.de"]
      |       -------------- by this host
      |
      = help: only a lazy snapshotter or an image verifier does so; for these, in that directory, name only the mirror itself, with what its connection needs

    note: where containerd pulls by the mirror's own name, `o.de`, it applies certs.d/_default as well and asks https://d.de/v2
     --> certs.d/quay.io/hosts.toml:3:7
      |
    3 | [host."https://o.de"]
      |       ^^^^^^^^^^^^^^
      |
     ::: certs.d/_default/hosts.toml:1:10
      |
    1 | server = "https://d.de"
      |          -------------- by this host
      |
      = help: only a lazy snapshotter or an image verifier does so; for these, give the mirror a directory of its own: o.de/hosts.toml with `server = "https://o.de"`
    "#);
}

#[test]
fn a_host_that_is_never_asked() {
    insta::assert_snapshot!(quay("[host.\"https://m.de\"]\ncapabilities = [\"push\"]\n").shown(), @r#"
    note: https://m.de/v2 is never asked: it lacks the capability `pull`
     --> certs.d/quay.io/hosts.toml:1:7
      |
    1 | [host."https://m.de"]
      |       ^^^^^^^^^^^^^^
    "#);
}
