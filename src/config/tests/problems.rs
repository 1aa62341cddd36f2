//! What is wrong with keys and values, as people read it.

use insta::assert_snapshot;

use super::{refused, refused_text};

#[test]
fn an_unknown_key_says_what_was_meant() {
    assert_snapshot!(refused_text("[listen]\nsokcet = '/x'\n[lisen]\n[policy]\ndefault_registry = 'x.dev'\nfallback = 1"), @"");
}

#[test]
fn a_value_of_the_wrong_type_says_which_is_right() {
    assert_snapshot!(refused_text("log = 3\n[listen]\nsocket = 1\ngroup = true\n[policy]\nrule = 'x'"), @"");
}

#[test]
fn a_list_of_tables_is_no_table() {
    assert_snapshot!(refused_text("[policy.rule]\nprefix = 'docker.io'\npass = true"), @"");
}

#[test]
fn a_word_of_a_fixed_set_says_which_there_are() {
    assert_snapshot!(refused_text("[policy]\npresent = 'hidden'\nnames = 'all'\ndefault = 'Deny'\n[log]\nlevel = 'warning'"), @"");
}

#[test]
fn bad_durations() {
    assert_snapshot!(refused_text("[pull]\nstall-after = '10'\nadopt-timeout = '0s'\nsweep-after = 30\nretry-down-after = '-1s'"), @"");
}

#[test]
fn bad_modes_and_groups() {
    assert_snapshot!(refused_text("[listen]\nmode = 'rw-rw----'\ngroup = -1"), @"");
    assert_snapshot!(refused_text("listen.mode = '1777'\nlisten.group = ''"), @"");
}

#[test]
fn a_mode_as_a_number_says_how_to_write_it() {
    assert_snapshot!(refused_text("[listen]\nmode = 0660\nsokcet = '/x'"), @"");
    assert_snapshot!(refused_text("[listen]\nmode = 432"), @"");
}

#[test]
fn bad_paths() {
    assert_snapshot!(refused_text("[listen]\nsocket = 'unix:///run/x.sock'\n[containerd]\nsocket = '/run/'\n[state]\ndir = 'lib'\nbypass-file = './b'"), @"");
}

#[test]
fn the_shunt_does_not_dial_itself() {
    assert_snapshot!(refused_text("[containerd]\nsocket = '/run/cri-shunt/cri-shunt.sock'"), @"");
    assert_snapshot!(refused_text("[listen]\nsocket = '/run/containerd/containerd.sock'"), @"");
}

#[test]
fn a_bad_pause_image() {
    assert_snapshot!(refused_text("containerd.pause-image = 'Pause:3.9'"), @"");
}

#[test]
fn a_key_that_is_set_twice_in_one_table() {
    assert_snapshot!(refused_text("[log]\nlevel = 'info'\nlevel = 'debug'\nlevle = 1"), @"");
}

#[test]
fn broken_syntax_is_reported_once_and_other_files_are_read_on() {
    let files = [
        ("config.toml", "[policy]\nrule = [ { prefix = 'a.dev', pass = true }\n[listen]\nsokcet = 1\n"),
        ("conf.d/a.toml", "[polic]\n"),
    ];
    assert_snapshot!(refused(&files), @"");
}

#[test]
fn ten_mistakes_in_two_files_are_all_reported() {
    let main = r#"
[listen]
sokcet = "/run/x.sock"
mode = "rw"

[policy]
default = "allow"

[[policy.rule]]
mirrors = ["m.dev"]

[[policy.rule]]
prefix = "quay.io"
mirrors = "m.dev"

[pull]
stall-after = 10
"#;
    let drop_in = r#"
[log]
level = "debug"

[[policy.rule]]
prefix = "ghcr.io"
deny = ""

[[policy.rule]]
prefix = "gcr.io"
mirrors = ["m.dev/gcr"]
rewrite = [{ match = "(", replace = "" }]

[[policy.rule]]
prefix = "k8s.gcr.io"
"#;
    let shown = refused(&[("config.toml", main), ("conf.d/10-more.toml", drop_in)]);
    assert_eq!(shown.matches("error: ").count(), 10, "{shown}");
    assert_snapshot!(shown, @"");
}
