//! Messages where a rule cannot express an entry.

use super::{conf, registries};

#[test]
fn a_place_that_is_blocked() {
    let sample = registries(&[
        "location = 'quay.io'; [[registry.mirror]]; location = 'evil.de/q'",
        "location = 'evil.de'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: `quay.io` matches only names without a port
     --> r.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    warning: `evil.de/q` is never asked: it is blocked
     --> r.conf:4:12
      |
    4 | location = 'evil.de/q'
      |            ^^^^^^^^^^^
    5 | [[registry]]
    6 | location = 'evil.de'
      |            --------- by this entry

    warning: `evil.de` matches only names without a port
     --> r.conf:6:12
      |
    6 | location = 'evil.de'
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port
    ");
    let sample = registries(&[
        "location = 'quay.io'; [[registry.mirror]]; location = 'm.de'",
        "location = 'm.de/secret'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: `quay.io` matches only names without a port
     --> r.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    error: `m.de` is only partly open, and a rule for `quay.io` cannot express that
     --> r.conf:4:12
      |
    4 | location = 'm.de'
      |            ^^^^^^
    5 | [[registry]]
    6 | location = 'm.de/secret'
      |            ------------- this part of it is blocked
      |
      = help: write a separate entry, without this place, for the names that would be looked for there
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
    note: names under `*.b.de` that have a port are looked for without the port
     --> r.conf:2:10
      |
    2 | prefix = '*.b.de'
      |          ^^^^^^^^
      |
      = help: containers/image keeps the port and puts the new host in front of it

    note: `a.b.de` matches only names without a port
     --> r.conf:5:10
      |
    5 | prefix = 'a.b.de'
      |          ^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    warning: `a.b.de` comes before `*.b.de` here
     --> r.conf:5:10
      |
    2 | prefix = '*.b.de'
      |          -------- the wildcard
    ...
    5 | prefix = 'a.b.de'
      |          ^^^^^^^^
      |
      = help: containers/image compares the lengths, which are equal, and uses the wildcard

    note: `docker.io` matches only names without a port
     --> r.conf:8:12
      |
    8 | location = 'registry-1.docker.io'
      |            ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    note: `registry-1.docker.io` is read as `docker.io`, and so is every other spelling of it
     --> r.conf:8:12
      |
    8 | location = 'registry-1.docker.io'
      |            ^^^^^^^^^^^^^^^^^^^^^^

    warning: `gone.de` matches only names without a port
      --> r.conf:12:12
       |
    12 | location = 'gone.de'
       |            ^^^^^^^^^
       |
       = help: in containers/image it also matches names with any port; write an entry for each port
    ");
}

#[test]
fn search_registries_that_containerd_cannot_look_in() {
    let sample = conf("unqualified-search-registries = ['quay.io', 'docker.io']\n", &[]);
    insta::assert_snapshot!(sample.shown(), @r"
    warning: short names are not looked for in `quay.io`: they always mean Docker Hub
     --> r.conf:1:33
      |
    1 | unqualified-search-registries = ['quay.io', 'docker.io']
      |                                 ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: containerd reads `nginx` as `docker.io/library/nginx` before the shunt sees it; write full names for the images of other registries
    ");
    insta::assert_snapshot!(conf("unqualified-search-registries = []\n", &[]).shown(), @r"
    warning: short names always mean Docker Hub, and cannot be switched off
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
      = help: containerd makes a full name of a short one before the shunt sees it
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
      = help: for containerd both are the same name: keep one of the two
    ");
}
