//! Messages about a file that can be used.

use super::shim;

#[test]
fn a_file_as_it_is_deployed() {
    let sample = shim(
        "shim: /var/run/image-cri-shim.sock\ncri: /run/containerd/containerd.sock\naddress: http://sealos.hub:5000\n\
         force: true\ndebug: false\nimage: /var/lib/image-cri-shim\nversion: v1\ntimeout: 15m\nauth: admin:passw0rd\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    note: these keys are about image-cri-shim itself and are not read: `shim`, `cri`, `debug`
     --> shim.yaml:1:1
      |
    1 | shim: /var/run/image-cri-shim.sock
      | ^^^^
      |
      = help: sockets, log and pulls are configured in the native configuration

    warning: images that none of these registries has are pulled from the registry in their name
     --> shim.yaml:3:10
      |
    3 | address: http://sealos.hub:5000
      |          ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    note: the certificates of these registries are verified
     --> shim.yaml:3:10
      |
    3 | address: http://sealos.hub:5000
      |          ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim does not verify them; for one that is not from a known authority, write a [[transport]] with `ca`

    warning: these keys have no effect, here and in image-cri-shim: `timeout`, `version`, `image`, `force`
     --> shim.yaml:8:1
      |
    8 | timeout: 15m
      | ^^^^^^^
      |
      = help: remove them
    "#);
}

#[test]
fn what_is_odd_in_image_cri_shim_is_said() {
    let sample = shim(
        "address: hub.de:5000/path\nauth: admin:a:b\nofflinePriority: 20000\nregistries:\n- address: r.de/p\n\
         \u{20} priority: 0\n  auth: user\n- address: https://r.de\n  priority: 10001\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: the address has no scheme: here it is https://hub.de:5000/path
     --> shim.yaml:1:10
      |
    1 | address: hub.de:5000/path
      |          ^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim does not work with such an address: write http:// or https:// in front

    warning: the path of the address is ignored: images are looked for at hub.de:5000
     --> shim.yaml:1:10
      |
    1 | address: hub.de:5000/path
      |          ^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim ignores it too; a native rule can name a path

    warning: images that none of these registries has are pulled from the registry in their name
     --> shim.yaml:1:10
      |
    1 | address: hub.de:5000/path
      |          ^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    note: the certificates of these registries are verified
     --> shim.yaml:1:10
      |
    1 | address: hub.de:5000/path
      |          ^^^^^^^^^^^^^^^^
      |
      = help: image-cri-shim does not verify them; for one that is not from a known authority, write a [[transport]] with `ca`

    warning: the password contains a colon: here it is used whole, but image-cri-shim uses no password then
    --> shim.yaml:2:7
     = note: line not shown: it may hold a secret

    warning: the priority 20000 counts as 10000, the highest
     --> shim.yaml:3:18
      |
    3 | offlinePriority: 20000
      |                  ^^^^^

    warning: the path of the address is ignored: images are looked for at r.de
     --> shim.yaml:5:12
      |
    5 | - address: r.de/p
      |            ^^^^^^
      |
      = help: image-cri-shim ignores it too; a native rule can name a path

    warning: the priority 0 counts as 500
     --> shim.yaml:6:13
      |
    6 |   priority: 0
      |             ^
      |
      = help: for image-cri-shim, 0 and less mean no priority; the lowest is 1

    warning: the password is missing: this is only a user name
    --> shim.yaml:7:9
     = note: line not shown: it may hold a secret

    warning: `r.de` is in this list twice: the last one counts
     --> shim.yaml:8:12
      |
    5 | - address: r.de/p
      |            ------ has no effect
    ...
    8 | - address: https://r.de
      |            ^^^^^^^^^^^^

    warning: the priority 10001 counts as 10000, the highest
     --> shim.yaml:9:13
      |
    9 |   priority: 10001
      |             ^^^^^
    "#);
}

#[test]
fn odd_offline_priorities() {
    for text in ["offlinePriority: 0", "offlinePriority: -5"] {
        assert!(!shim(&format!("address: https://o.de\n{text}\n")).is_refused());
    }
    insta::assert_snapshot!(shim("address: https://o.de\nofflinePriority: -5\n").shown(), @r#"
    warning: images that none of these registries has are pulled from the registry in their name
     --> shim.yaml:1:10
      |
    1 | address: https://o.de
      |          ^^^^^^^^^^^^
      |
      = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    note: the certificates of these registries are verified
     --> shim.yaml:1:10
      |
    1 | address: https://o.de
      |          ^^^^^^^^^^^^
      |
      = help: image-cri-shim does not verify them; for one that is not from a known authority, write a [[transport]] with `ca`

    warning: the priority -5 puts the offline registry last
     --> shim.yaml:2:18
      |
    2 | offlinePriority: -5
      |                  ^^
    "#);
}
