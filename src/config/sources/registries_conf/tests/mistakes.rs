//! Messages about a file.

use super::{conf, registries};

#[test]
fn version_1() {
    let old = "[registries.search]\nregistries = ['docker.io', 'quay.io']\n[registries.insecure]\n\
               registries = ['r.de:5000']\n[registries.block]\nregistries = ['evil.de', 'r.de:5000/bad']\n";
    let sample = conf(old, &[]);
    sample.check(&[
        ("nginx", "pass"),
        ("evil.de/a:1", "deny: blocked in r.conf"),
        ("r.de:5000/bad/a:1", "deny: blocked in r.conf"),
        ("r.de:5000/good:1", "pass"),
    ]);
    let needs = [
        "r.de:5000: skip-verify (its certificate is not verified)",
        "r.de:5000: plain http where https fails",
    ];
    assert_eq!(sample.needs(), needs);
    let sample = conf("[registries.search]\nregistries = []\n[[registry]]\nlocation = 'a.de'\n", &[]);
    insta::assert_snapshot!(sample.shown(), @r"
    error: `registries` belongs to version 1 of the format, and `registry` to version 2
     --> r.conf:1:2
      |
    1 | [registries.search]
      |  ^^^^^^^^^^
      |
      = help: containers/image refuses a file with both: write a [[registry]] for each registry
    ");
}

#[test]
fn a_prefix_that_no_name_begins_with_matches_nothing() {
    let sample = conf(
        "[[registry]]\nprefix = 'library/nginx'\nlocation = 'm.de/nginx'\n\
         [[registry]]\nlocation = 'nexus'\nblocked = true\n[[registry]]\nlocation = 'quay.io'\nblocked = true\n",
        &[],
    );
    sample.check(&[("nginx", "pass"), ("quay.io/a:1", "deny: blocked in r.conf")]);
    assert_eq!(sample.problems.len(), 3, "{}", sample.shown());
}

#[test]
fn every_mistake_of_a_file_at_once() {
    let sample = conf(
        "unqualified-search-registries = ['a.de/path', 5]\nshort-name-mode = 'strict'\nregistry_ = 1\n\
         credential-helpers = ['x']\n\
         [aliases]\n'a:1' = 'quay.io/a'\nb = 'b'\nc = 'quay.io/c:1'\n\
         [[registry]]\nlocation = 'https://quay.io'\nblocked = 'yes'\nblokced = true\n\
         [[registry]]\nprefix = 'ghcr.io'\n\
         [[registry]]\nlocation = 'gcr.io'\npull-from-mirror = 'all'\n\
         [[registry]]\nlocation = 'r.de'\nmirror-by-digest-only = true\n\
         [[registry.mirror]]\nlocation = 'm.de'\npull-from-mirror = 'all'\n\
         [[registry.mirror]]\npull-from-mirror = 'tags'\n\
         [[registry.mirror]]\n",
        &[],
    );
    assert!(sample.imported.rules.is_empty());
    insta::assert_snapshot!(sample.shown(), @r#"
    error: `unqualified-search-registries`: "a.de/path" is not the host of a registry
     --> r.conf:1:34
      |
    1 | unqualified-search-registries = ['a.de/path', 5]
      |                                  ^^^^^^^^^^^
      |
      = help: write the host, with its port if it has one, without a path

    error: `short-name-mode`: "strict" is not one of "disabled", "enforcing", "permissive"
     --> r.conf:2:19
      |
    2 | short-name-mode = 'strict'
      |                   ^^^^^^^^

    warning: unknown key `registry_`: containers/image ignores it, and so does cri-shunt
     --> r.conf:3:1
      |
    3 | registry_ = 1
      | ^^^^^^^^^
      |
      = help: did you mean `registry`?

    warning: `credential-helpers` is not carried over
     --> r.conf:4:22
      |
    4 | credential-helpers = ['x']
      |                      ^^^^^
      |
      = help: credentials for registries are configured separately, in [[credentials]]

    error: the alias `a:1` is not a short name
     --> r.conf:6:1
      |
    6 | 'a:1' = 'quay.io/a'
      | ^^^^^
      |
      = help: an alias is a name without registry, tag and digest, such as `fedora` or `org/tool`

    error: `aliases.b`: "b" is not a repository with its registry
     --> r.conf:7:5
      |
    7 | b = 'b'
      |     ^^^
      |
      = help: write host and path, without tag and digest; an empty value removes the alias

    error: `aliases.c`: "quay.io/c:1" is not a repository with its registry
     --> r.conf:8:5
      |
    8 | c = 'quay.io/c:1'
      |     ^^^^^^^^^^^^^
      |
      = help: write host and path, without tag and digest; an empty value removes the alias

    error: `registry.location`: "https://quay.io" begins with a scheme
      --> r.conf:10:12
       |
    10 | location = 'https://quay.io'
       |            ^^^^^^^^^^^^^^^^^
       |
       = help: leave the scheme out: quay.io (`insecure = true` allows plain http)

    error: `registry.blocked` must be true or false, not a string
      --> r.conf:11:11
       |
    11 | blocked = 'yes'
       |           ^^^^^

    warning: unknown key `blokced` in `registry`: containers/image ignores it, and so does cri-shunt
      --> r.conf:12:1
       |
    12 | blokced = true
       | ^^^^^^^
       |
       = help: did you mean `blocked`?

    error: the registry has no `location`
      --> r.conf:13:1
       |
    13 | [[registry]]
       | ^^^^^^^^^^^^
       |
       = help: write where the images are; only a prefix `*.domain` needs no location

    error: `pull-from-mirror` belongs to a mirror, not to the registry
      --> r.conf:17:20
       |
    17 | pull-from-mirror = 'all'
       |                    ^^^^^
       |
       = help: write it below [[registry.mirror]], or `mirror-by-digest-only = true` here

    error: `pull-from-mirror` and the registry's `mirror-by-digest-only` cannot be used together
      --> r.conf:23:20
       |
    20 | mirror-by-digest-only = true
       |                         ---- set for all mirrors here
    ...
    23 | pull-from-mirror = 'all'
       |                    ^^^^^
       |
       = help: set it for each mirror, or for all

    error: `registry.mirror.pull-from-mirror`: "tags" is not one of "all", "digest-only", "tag-only"
      --> r.conf:25:20
       |
    25 | pull-from-mirror = 'tags'
       |                    ^^^^^^

    error: `registry.mirror` needs the key `location`
      --> r.conf:26:1
       |
    26 | [[registry.mirror]]
       | ^^^^^^^^^^^^^^^^^^^
       |
       = help: name the mirror, with a path if it needs one
    "#);
}

#[test]
fn prefixes_that_are_none_or_match_nothing() {
    let sample = registries(&[
        "prefix = '*'; location = 'm.de'",
        "prefix = '**.corp.de'; location = 'm.de'",
        "prefix = 'nginx'; location = 'm.de'",
        "prefix = 'quay.io/a:1'; location = 'm.de'",
        "prefix = 'quay.io/b'; location = 'image'",
    ]);
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: `*` matches nothing in containers/image
     --> r.conf:2:10
      |
    2 | prefix = '*'
      |          ^^^
      |
      = help: only `*.domain` is a wildcard here; for a rule for everything write a native one: prefix = "*"

    warning: `**.corp.de` matches nothing, as in containers/image: prefix "**.corp.de" has a wildcard where it has no meaning
     --> r.conf:5:10
      |
    5 | prefix = '**.corp.de'
      |          ^^^^^^^^^^^^
      |
      = help: a wildcard stands alone, "*", or before a domain, "*.dev.de"

    warning: `nginx` matches nothing, as in containers/image: prefix "nginx" does not begin with a host
     --> r.conf:8:10
      |
    8 | prefix = 'nginx'
      |          ^^^^^^^
      |
      = help: begin with a host: docker.io/library/nginx

    warning: `quay.io/a:1` matches nothing: names are compared without tag and digest
      --> r.conf:11:10
       |
    11 | prefix = 'quay.io/a:1'
       |          ^^^^^^^^^^^^^
       |
       = help: remove the tag or the digest

    warning: `image` is never asked: mirror "image" does not begin with a host
      --> r.conf:15:12
       |
    15 | location = 'image'
       |            ^^^^^^^
       |
       = help: begin with a host that has a dot or a port: mirror.dev.de, mirror:5000
    "#);
}

#[test]
fn entries_that_contradict_each_other() {
    let sample = registries(&[
        "location = 'quay.io'",
        "prefix = 'a.de'; location = 'quay.io'; blocked = true",
        "prefix = 'b.de'; location = 'quay.io'; insecure = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: `quay.io` matches only names without a port
     --> r.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    error: `quay.io` is in two entries that differ in `blocked`
     --> r.conf:4:10
      |
    2 | location = 'quay.io'
      |            --------- the other one
    3 | [[registry]]
    4 | prefix = 'a.de'
      |          ^^^^^^
      |
      = help: one place has one setting: make the two agree

    warning: `a.de` matches only names without a port
     --> r.conf:4:10
      |
    4 | prefix = 'a.de'
      |          ^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    error: `quay.io` is in two entries that differ in `insecure`
     --> r.conf:8:10
      |
    2 | location = 'quay.io'
      |            --------- the other one
    ...
    8 | prefix = 'b.de'
      |          ^^^^^^
      |
      = help: one place has one setting: make the two agree

    note: `b.de` matches only names without a port
     --> r.conf:8:10
      |
    8 | prefix = 'b.de'
      |          ^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port
    ");
}

#[test]
fn one_prefix_twice() {
    let sample =
        registries(&["location = 'quay.io'; [[registry.mirror]]; location = 'm.de'", "location = 'quay.io'"]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: `quay.io` matches only names without a port
     --> r.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    warning: this second entry for `quay.io` has no effect
     --> r.conf:6:12
      |
    2 | location = 'quay.io'
      |            --------- the first one counts
    ...
    6 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: remove one of the two; in a drop-in it would replace the first
    ");
    let sample =
        conf("[[registry]]\nlocation = 'quay.io'\n", &[("1.conf", "[[registry]]\nlocation = 'quay.io'\n")]);
    insta::assert_snapshot!(sample.shown(), @r"
    note: this entry replaces the whole earlier one for `quay.io`, with its mirrors
     --> r.conf.d/1.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
     ::: r.conf:2:12
      |
    2 | location = 'quay.io'
      |            --------- has no effect

    note: `quay.io` matches only names without a port
     --> r.conf.d/1.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port
    ");
}

#[test]
fn a_file_that_is_missing_and_a_drop_in_that_is_broken() {
    let sample =
        super::Sample::of(super::Format::RegistriesConf, "r.conf", &[("r.conf.d/1.conf", "a = [\n")]);
    insta::assert_snapshot!(sample.shown(), @r"
    error: cannot read r.conf: No such file or directory (os error 2)

    error: this is not TOML: unclosed array, expected `]`
    --> r.conf.d/1.conf:1:6
     = note: line not shown: it may hold a secret
    ");
    let sample = super::Sample::of(super::Format::RegistriesConf, "r.conf", &[("r.conf/", "")]);
    insta::assert_snapshot!(sample.shown(), @r"
    error: cannot read r.conf: it is a directory, not a file
    ");
}
