//! What people read where a rule cannot say all that an entry says.

use super::{conf, registries};

#[test]
fn a_place_that_is_blocked() {
    let sample = registries(&[
        "location = 'quay.io'; [[registry.mirror]]; location = 'evil.de/q'",
        "location = 'evil.de'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: `quay.io` is for the names without a port only
     --> r.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: containers/image takes it for those of every port as well; give each port its own entry

    warning: `evil.de/q` is never asked: it is blocked
     --> r.conf:4:12
      |
    4 | location = 'evil.de/q'
      |            ^^^^^^^^^^^
    5 | [[registry]]
    6 | location = 'evil.de'
      |            --------- by this entry

    warning: `evil.de` is for the names without a port only
     --> r.conf:6:12
      |
    6 | location = 'evil.de'
      |            ^^^^^^^^^
      |
      = help: containers/image takes it for those of every port as well; give each port its own entry
    ");
    let sample = registries(&[
        "location = 'quay.io'; [[registry.mirror]]; location = 'm.de'",
        "location = 'm.de/secret'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: `quay.io` is for the names without a port only
     --> r.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: containers/image takes it for those of every port as well; give each port its own entry

    error: `m.de` is open in part only, and a rule for `quay.io` can't say so
     --> r.conf:4:12
      |
    4 | location = 'm.de'
      |            ^^^^^^
    5 | [[registry]]
    6 | location = 'm.de/secret'
      |            ------------- this part of it is blocked
      |
      = help: give the names that would be looked for there an entry of their own, without this place
    ");
}

#[test]
fn where_a_rule_differs_from_its_entry() {
    let sample = registries(&[
        "prefix = '*.b.de'; location = 'm.de'",
        "prefix = 'a.b.de'; location = 'n.de'",
        "location = 'registry-1.docker.io'; [[registry.mirror]]; location = 'o.de'",
        "location = 'gone.de'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: names under `*.b.de` that have a port lose it at the place they are sent to
     --> r.conf:2:10
      |
    2 | prefix = '*.b.de'
      |          ^^^^^^^^
      |
      = help: containers/image keeps the port and puts the new host in front of it

    note: `a.b.de` is for the names without a port only
     --> r.conf:5:10
      |
    5 | prefix = 'a.b.de'
      |          ^^^^^^^^
      |
      = help: containers/image takes it for those of every port as well; give each port its own entry

    warning: `a.b.de` comes before `*.b.de` here
     --> r.conf:5:10
      |
    2 | prefix = '*.b.de'
      |          -------- the wildcard
    ...
    5 | prefix = 'a.b.de'
      |          ^^^^^^^^
      |
      = help: containers/image compares lengths, which are equal, and takes the wildcard

    note: `docker.io` is for the names without a port only
     --> r.conf:8:12
      |
    8 | location = 'registry-1.docker.io'
      |            ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: containers/image takes it for those of every port as well; give each port its own entry

    note: `registry-1.docker.io` is read as `docker.io`, and so is every other spelling of it
     --> r.conf:8:12
      |
    8 | location = 'registry-1.docker.io'
      |            ^^^^^^^^^^^^^^^^^^^^^^

    warning: `gone.de` is for the names without a port only
      --> r.conf:12:12
       |
    12 | location = 'gone.de'
       |            ^^^^^^^^^
       |
       = help: containers/image takes it for those of every port as well; give each port its own entry
    ");
}

#[test]
fn search_registries_that_containerd_cannot_look_in() {
    let sample = conf("unqualified-search-registries = ['quay.io', 'docker.io']\n", &[]);
    insta::assert_snapshot!(sample.shown(), @r#"
    error: short names cannot be looked for in `quay.io`
     --> r.conf:1:33
      |
    1 | unqualified-search-registries = ['quay.io', 'docker.io']
      |                                 ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: containerd reads `nginx` as `docker.io/library/nginx` before any choice: write unqualified-search-registries = ["docker.io"], in a drop-in if need be, and full names for the images of other registries
    "#);
    insta::assert_snapshot!(conf("unqualified-search-registries = []\n", &[]).shown(), @r"
    warning: short names are Docker Hub's, and cannot be switched off
     --> r.conf:1:33
      |
    1 | unqualified-search-registries = []
      |                                 ^^
      |
      = help: containerd reads `nginx` as `docker.io/library/nginx`; deny docker.io to refuse both
    ");
}

#[test]
fn aliases_that_reach_further_than_they_say() {
    let sample = conf("[aliases]\nfedora = 'f.de/fedora'\n'org/tool' = 'quay.io/org/tool'\n", &[]);
    insta::assert_snapshot!(sample.shown(), @r"
    warning: this alias and 1 more stand for the full names of Docker Hub too: `docker.io/library/fedora`
     --> r.conf:2:1
      |
    2 | fedora = 'f.de/fedora'
      | ^^^^^^
      |
      = help: containerd makes one of the two before the shunt can see a difference
    ");
    let sample =
        conf("[aliases]\nfedora = 'f.de/fedora'\n[[registry]]\nlocation = 'docker.io/library/fedora'\n", &[]);
    insta::assert_snapshot!(sample.shown(), @r"
    error: `docker.io/library/fedora` is the alias `fedora` and has an entry
     --> r.conf:2:1
      |
    2 | fedora = 'f.de/fedora'
      | ^^^^^^
    3 | [[registry]]
    4 | location = 'docker.io/library/fedora'
      |            -------------------------- the entry
      |
      = help: to containerd the two are one name: keep one of the two
    ");
}
