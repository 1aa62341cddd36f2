//! Messages about a file.

use super::{CONFIG_MAP, shim};

#[test]
fn every_mistake_of_a_file_at_once() {
    let sample = shim(
        "address: 5\nAddress: https://x.de\nauth: 12\nofflinePriority: high\ntimout: 15m\nregistries:\n\
         - address: ftp://r.de\n- address: https://me:pw@s.de\n- priority: 7.5\n  address: t.de\n- u.de\n\
         - address: nohost\n",
    );
    assert!(sample.imported.rules.is_empty());
    insta::assert_snapshot!(sample.shown(), @r#"
    error: `address` must be a string, not a number
     --> shim.yaml:1:10
      |
    1 | address: 5
      |          ^
      |
      = help: put it in quotes: "5"

    error: `address` is set twice: its case makes no difference
     --> shim.yaml:2:1
      |
    1 | address: 5
      | ------- first set here
    2 | Address: https://x.de
      | ^^^^^^^
      |
      = help: keep one of the two

    error: `auth` must be `user:password`, not a number
    --> shim.yaml:3:7
     = note: line not shown: it may hold a secret

    error: `offlinePriority` must be a whole number, not a string
     --> shim.yaml:4:18
      |
    4 | offlinePriority: high
      |                  ^^^^

    warning: unknown key `timout`: image-cri-shim ignores it, and so does cri-shunt
     --> shim.yaml:5:1
      |
    5 | timout: 15m
      | ^^^^^^
      |
      = help: did you mean `timeout`?

    warning: this registry is left out: "ftp" is not a scheme of a registry
     --> shim.yaml:7:12
      |
    7 | - address: ftp://r.de
      |            ^^^^^^^^^^
      |
      = help: write https:// or http:// in front of the host

    warning: this registry is left out: its address cannot contain a user name
    --> shim.yaml:8:12
     = note: line not shown: it may hold a secret
     = help: write user and password in `auth`

    error: `registries[2].priority` must be a whole number, not a number
     --> shim.yaml:9:13
      |
    9 | - priority: 7.5
      |             ^^^

    error: `registries[3]` must be a mapping, not a string
      --> shim.yaml:11:3
       |
    11 | - u.de
       |   ^^^^

    warning: images that none of these registries has are pulled from the registry in their name
      --> shim.yaml:12:12
       |
    12 | - address: nohost
       |            ^^^^^^
       |
       = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    note: the certificates of these registries are verified
      --> shim.yaml:12:12
       |
    12 | - address: nohost
       |            ^^^^^^
       |
       = help: image-cri-shim does not verify them; for one that is not from a known authority, write a [[transport]] with `ca`
    "#);
}

#[test]
fn an_empty_file_and_one_without_a_registry() {
    insta::assert_snapshot!(shim("").shown(), @r"
    error: this file names no registry
     --> shim.yaml:1:1
      |
    1 |
      | ^
      |
      = help: image-cri-shim needs an `address`, such as http://sealos.hub:5000
    ");
    insta::assert_snapshot!(shim("debug: true\n").shown(), @"
    note: these keys are about image-cri-shim itself and are not read: `debug`
     --> shim.yaml:1:1
      |
    1 | debug: true
      | ^^^^^
      |
      = help: sockets, log and pulls are configured in the native configuration

    error: this file names no registry
     --> shim.yaml:1:1
      |
    1 | debug: true
      | ^
      |
      = help: image-cri-shim needs an `address`, such as http://sealos.hub:5000
    ");
    insta::assert_snapshot!(shim("- address: r.de\n").shown(), @r"
    error: the document must be a mapping, not a list
     --> shim.yaml:1:1
      |
    1 | - address: r.de
      | ^
    ");
}

#[test]
fn tabs() {
    insta::assert_snapshot!(shim("registries:\n\t- address: r.de\n").shown(), @r"
    error: this is not YAML: tabs disallowed within this context (block indentation)
    --> shim.yaml:2:1
     = note: line not shown: it may hold a secret
     = help: YAML is indented by spaces, never by tabs
    ");
}

#[test]
fn a_config_map_that_holds_something_else() {
    let without = "kind: ConfigMap\ndata:\n  other: x\n";
    insta::assert_snapshot!(shim(without).shown(), @r"
    error: the ConfigMap has no `registries.yaml` in its `data`
     --> shim.yaml:1:1
      |
    1 | kind: ConfigMap
      | ^
      |
      = help: image-cri-shim reads that key only
    ");
    let folded = "kind: ConfigMap\ndata:\n  registries.yaml: \"registries: []\"\n";
    insta::assert_snapshot!(shim(folded).shown(), @r#"
    error: `registries.yaml` is not written as a block of text
     --> shim.yaml:3:3
      |
    3 |   registries.yaml: "registries: []"
      |   ^^^^^^^^^^^^^^^
      |
      = help: write `registries.yaml: |`, and the text below it
    "#);
}

#[test]
fn a_mistake_inside_a_config_map_has_its_place_in_the_file() {
    let sample = shim(
        &CONFIG_MAP
            .replace("priority: 1001", "priority: first")
            .replace("    version: v1\n", "    offlinePriority: 5\n"),
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: `offlinePriority` has no effect in the ConfigMap: it is 1000
    --> shim.yaml:9:22
     = note: line not shown: it may hold a secret
     = help: image-cri-shim reads it only in its file

    warning: images that none of these registries has are pulled from the registry in their name
    --> shim.yaml:11:16
     = note: line not shown: it may hold a secret
     = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    note: the certificates of these registries are verified
    --> shim.yaml:11:16
     = note: line not shown: it may hold a secret
     = help: image-cri-shim does not verify them; for one that is not from a known authority, write a [[transport]] with `ca`

    error: `registries[0].priority` must be a whole number, not a string
    --> shim.yaml:18:17
     = note: line not shown: it may hold a secret
    "#);
}

#[test]
fn a_login_is_not_shown_wherever_it_is_written() {
    let sample = shim(
        "auth:\n  admin:s3c:ret77\naddress: admin:s3cret77@r2.de\nregistries:\n- address: ghp:s3cret77/x@https://r.de\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: the password contains a colon: here it is used whole, but image-cri-shim uses no password then
    --> shim.yaml:2:3
     = note: line not shown: it may hold a secret

    warning: this registry is left out: its address cannot contain a user name
    --> shim.yaml:3:10
     = note: line not shown: it may hold a secret
     = help: write user and password in `auth`

    error: none of the registries in this file can be used
    --> shim.yaml:3:10
     = note: line not shown: it may hold a secret
     = help: without one every image would come from the registry in its name

    warning: this registry is left out: "**************@https" is not a scheme of a registry
    --> shim.yaml:5:12
     = note: line not shown: it may hold a secret
     = help: write https:// or http:// in front of the host
    "#);
}
