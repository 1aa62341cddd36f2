//! Messages about mistakes in keys and values.

use insta::assert_snapshot;

use super::{refused_text, warned};

#[test]
fn an_unknown_key_says_what_was_meant() {
    assert_snapshot!(refused_text("[listen]\nsokcet = '/x'\n[lisen]\n[policy]\ndefault_registry = 'x.dev'\nfallback = 1"), @"
    error: unknown key `sokcet` in `listen`
     --> config.toml:2:1
      |
    2 | sokcet = '/x'
      | ^^^^^^
      |
      = help: did you mean `socket`?

    error: unknown key `lisen`
     --> config.toml:3:2
      |
    3 | [lisen]
      |  ^^^^^
      |
      = help: did you mean `listen`?

    error: unknown key `default_registry` in `policy`
     --> config.toml:5:1
      |
    5 | default_registry = 'x.dev'
      | ^^^^^^^^^^^^^^^^
      |
      = help: did you mean `default-registry`?

    error: unknown key `fallback` in `policy`
    --> config.toml:6:1
     = note: line not shown: it may hold a secret
     = help: known here: mode, default, default-registry, present, names, node-credentials, on-outage, outage-max-age, verify, policy-json, watch, locked, unlisted, rule, source
    ");
}

#[test]
fn a_value_of_the_wrong_type_says_which_is_right() {
    assert_snapshot!(refused_text("log = 3\n[listen]\nsocket = 1\ngroup = true\n[policy]\nrule = 'x'"), @r"
    error: `log` must be a table, not a number
     --> config.toml:1:7
      |
    1 | log = 3
      |       ^

    error: `listen.socket` must be a string, not a number
     --> config.toml:3:10
      |
    3 | socket = 1
      |          ^

    error: `listen.group` must be a group's name or number, not a boolean
     --> config.toml:4:9
      |
    4 | group = true
      |         ^^^^

    error: `policy.rule` must be an array, not a string
     --> config.toml:6:8
      |
    6 | rule = 'x'
      |        ^^^
    ");
}

#[test]
fn a_list_of_tables_is_no_table() {
    assert_snapshot!(refused_text("[policy.rule]\nprefix = 'docker.io'\npass = true"), @r"
    error: `policy.rule` must be a list of tables
     --> config.toml:1:1
      |
    1 | [policy.rule]
      | ^^^^^^^^^^^^^
      |
      = help: write [[policy.rule]]
    ");
}

#[test]
fn a_word_of_a_fixed_set_says_which_there_are() {
    assert_snapshot!(refused_text("[policy]\npresent = 'hidden'\nnames = 'all'\ndefault = 'Deny'\n[log]\nlevel = 'warning'"), @r#"
    error: `policy.present`: "hidden" is not one of "leave", "hide"
     --> config.toml:2:11
      |
    2 | present = 'hidden'
      |           ^^^^^^^^
      |
      = help: did you mean "hide"?

    error: `policy.names`: "all" is not one of "original", "both"
     --> config.toml:3:9
      |
    3 | names = 'all'
      |         ^^^^^

    error: `policy.default`: "Deny" is not one of "pass", "deny"
     --> config.toml:4:11
      |
    4 | default = 'Deny'
      |           ^^^^^^
      |
      = help: did you mean "deny"?

    error: `log.level`: "warning" is not one of "error", "warn", "info", "debug", "trace"
     --> config.toml:6:9
      |
    6 | level = 'warning'
      |         ^^^^^^^^^
    "#);
}

#[test]
fn a_key_that_has_no_effect_any_more_is_accepted_and_never_proposed() {
    assert_snapshot!(warned("[pull]\nsweep-after = 30\n[[policy.rule]]\nprefix = 'quay.io'\npass = true\n"), @r#"
    warning: `pull.sweep-after` has no effect any more; remove it
     --> config.toml:2:1
      |
    2 | sweep-after = 30
      | ^^^^^^^^^^^

    warning: `quay.io` would pass without this rule
     --> config.toml:4:10
      |
    4 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
      = help: `pass` is only useful inside a wider rule or with default = "deny"; remove this rule
    "#);
    assert_snapshot!(refused_text("[pull]\nsweep-aftre = '1s'"), @"
    error: unknown key `sweep-aftre` in `pull`
     --> config.toml:2:1
      |
    2 | sweep-aftre = '1s'
      | ^^^^^^^^^^^
      |
      = help: known here: stall-after, adopt-timeout, retry-down-after
    ");
}

#[test]
fn bad_durations() {
    assert_snapshot!(refused_text("[pull]\nstall-after = '10'\nadopt-timeout = '0s'\n\nretry-down-after = '-1s'"), @r#"
    error: `pull.stall-after`: "10" is not a duration
     --> config.toml:2:15
      |
    2 | stall-after = '10'
      |               ^^^^
      |
      = help: write numbers with units ms, s, m or h, for example "10s" or "1m30s"

    error: `pull.adopt-timeout`: must be longer than 0s
     --> config.toml:3:17
      |
    3 | adopt-timeout = '0s'
      |                 ^^^^

    error: `pull.retry-down-after`: "-1s" is not a duration
     --> config.toml:5:20
      |
    5 | retry-down-after = '-1s'
      |                    ^^^^^
      |
      = help: write numbers with units ms, s, m or h, for example "10s" or "1m30s"
    "#);
}

#[test]
fn bad_modes_and_groups() {
    assert_snapshot!(refused_text("[listen]\nmode = 'rw-rw----'\ngroup = -1"), @r#"
    error: `listen.mode`: "rw-rw----" is not a file mode
     --> config.toml:2:8
      |
    2 | mode = 'rw-rw----'
      |        ^^^^^^^^^^^
      |
      = help: write three or four octal digits, for example "0660"

    error: -1 is not a group number
     --> config.toml:3:9
      |
    3 | group = -1
      |         ^^
    "#);
    assert_snapshot!(refused_text("listen.mode = '1777'\nlisten.group = ''"), @r#"
    error: `listen.mode`: "1777" is not a file mode
     --> config.toml:1:15
      |
    1 | listen.mode = '1777'
      |               ^^^^^^
      |
      = help: write three or four octal digits, for example "0660"

    error: `listen.group`: "" is not the name of a group
     --> config.toml:2:16
      |
    2 | listen.group = ''
      |                ^^
    "#);
}

#[test]
fn a_mode_as_a_number_says_how_to_write_it() {
    assert_snapshot!(refused_text("[listen]\nmode = 0660\nsokcet = '/x'"), @r#"
    error: a number must not begin with 0
     --> config.toml:2:8
      |
    2 | mode = 0660
      |        ^
      |
      = help: write file modes as text, for example "0660"

    error: `listen.mode` must be a string, not a number
     --> config.toml:2:8
      |
    2 | mode = 0660
      |        ^^^^
      |
      = help: write the octal digits in quotes, for example "0660"

    error: unknown key `sokcet` in `listen`
     --> config.toml:3:1
      |
    3 | sokcet = '/x'
      | ^^^^^^
      |
      = help: did you mean `socket`?
    "#);
    assert_snapshot!(refused_text("[listen]\nmode = 432"), @r#"
    error: `listen.mode` must be a string, not a number
     --> config.toml:2:8
      |
    2 | mode = 432
      |        ^^^
      |
      = help: write the octal digits in quotes, for example "0660"
    "#);
}

#[test]
fn bad_paths() {
    assert_snapshot!(refused_text("[listen]\nsocket = 'unix:///run/x.sock'\n[containerd]\nsocket = '/run/'\n[state]\ndir = 'lib'\nbypass-file = './b'"), @r#"
    error: `listen.socket`: "unix:///run/x.sock" is not an absolute path
     --> config.toml:2:10
      |
    2 | socket = 'unix:///run/x.sock'
      |          ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write the path alone: "/run/x.sock"

    error: `containerd.socket`: "/run/" names a directory, not a socket
     --> config.toml:4:10
      |
    4 | socket = '/run/'
      |          ^^^^^^^

    error: `state.dir`: "lib" is not an absolute path
     --> config.toml:6:7
      |
    6 | dir = 'lib'
      |       ^^^^^

    error: `state.bypass-file`: "./b" is not an absolute path
     --> config.toml:7:15
      |
    7 | bypass-file = './b'
      |               ^^^^^
    "#);
}

#[test]
fn the_shunt_does_not_dial_itself() {
    assert_snapshot!(refused_text("[containerd]\nsocket = '/run/cri-shunt/cri-shunt.sock'"), @r"
    error: `listen.socket` and `containerd.socket` are the same socket
     --> config.toml:2:10
      |
    2 | socket = '/run/cri-shunt/cri-shunt.sock'
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: the shunt needs a socket of its own; clients are configured to use that one
    ");
    assert_snapshot!(refused_text("[listen]\nsocket = '/run/containerd/containerd.sock'"), @r"
    error: `listen.socket` and `containerd.socket` are the same socket
     --> config.toml:2:10
      |
    2 | socket = '/run/containerd/containerd.sock'
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: the shunt needs a socket of its own; clients are configured to use that one
    ");
}

#[test]
fn a_bad_pause_image() {
    assert_snapshot!(refused_text("containerd.pause-image = 'Pause:3.9'"), @r"
    error: `containerd.pause-image`: upper case in the repository
     --> config.toml:1:26
      |
    1 | containerd.pause-image = 'Pause:3.9'
      |                          ^^^^^^^^^^^
    ");
}
