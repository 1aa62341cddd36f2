//! Which files are read, and the messages where one cannot be read.

use std::path::Path;

use insta::assert_snapshot;

use super::{accepted, refused, shown, write};
use crate::config::{Input, MainFile, files, load, load_from};

#[test]
fn drop_ins_add_rules_in_the_order_of_their_names() {
    let rule = |host: &str| format!("[[policy.rule]]\nprefix = '{host}'\ndeny = 'no'\n");
    let files = [
        ("config.toml", rule("a.dev")),
        ("conf.d/20.toml", rule("c.dev")),
        ("conf.d/10.toml", rule("b.dev")),
        ("conf.d/.hidden.toml", rule("d.dev")),
        ("conf.d/30.toml.bak", rule("e.dev")),
        ("conf.d/sub/x.toml", rule("f.dev")),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let config = accepted(&files);
    let prefixes: Vec<_> = config.policy.rules().iter().map(|rule| rule.prefix.as_str()).collect();
    assert_eq!(prefixes, ["a.dev", "b.dev", "c.dev"]);
    let names: Vec<_> = config.sources.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["config.toml", "10.toml", "20.toml"]);
}

#[test]
fn the_source_of_a_rule_is_the_path_as_given_and_the_line() {
    let rule = |host: &str| format!("\n[[policy.rule]]\nprefix = '{host}'\ndeny = 'no'");
    let dir = write(&[("config.toml", &rule("a.dev")), ("conf.d/x.toml", &rule("b.dev"))]);
    let dir = dir.path().display();
    let loaded = load(Path::new(&format!("{dir}/./config.toml"))).unwrap();
    let sources: Vec<_> = loaded.config.policy.rules().iter().map(|rule| rule.source.to_string()).collect();
    assert_eq!(sources, [format!("{dir}/./config.toml:3"), format!("{dir}/conf.d/x.toml:3")]);
}

#[test]
fn a_drop_in_holds_what_is_said_of_registries_only() {
    let files = [("config.toml", ""), ("conf.d/x.toml", "[listen]\nsocket = '/x'\n[log]\nlevel = 'info'")];
    assert_snapshot!(refused(&files), @"
    error: `listen` belongs in the main file
     --> conf.d/x.toml:1:1
      |
    1 | [listen]
      | ^^^^^^^^
      |
      = help: a file in conf.d may hold only `end-mark`, `policy`, `transport`, `credentials` and `signature`

    error: `log` belongs in the main file
     --> conf.d/x.toml:3:1
      |
    3 | [log]
      | ^^^^^
      |
      = help: a file in conf.d may hold only `end-mark`, `policy`, `transport`, `credentials` and `signature`
    ");
}

#[test]
fn every_table_is_for_all_files_or_for_the_main_file() {
    let mut tables = [files::EVERYWHERE.as_slice(), &files::MAIN_ONLY].concat();
    tables.sort_unstable();
    let shown = refused(&[("config.toml", "xyzxyz = 1")]);
    let known = shown.lines().find_map(|line| line.split_once("known here: ")).unwrap().1;
    let mut known: Vec<&str> = known.split(", ").collect();
    known.sort_unstable();
    assert_eq!(known, tables);
}

#[test]
fn a_value_that_two_files_set_names_both() {
    let files = [
        ("config.toml", "[policy]\ndefault = 'deny'\ndefault-registry = 'a.dev'\n"),
        ("conf.d/x.toml", "[policy]\ndefault = 'deny'\ndefault-registry = 'b.dev'\nnames = 'both'\n"),
        ("conf.d/y.toml", "[policy]\nnames = 'original'\n"),
    ];
    assert_snapshot!(refused(&files), @r"
    error: `policy.default` is set in config.toml and in conf.d/x.toml
     --> conf.d/x.toml:2:11
      |
    2 | default = 'deny'
      |           ^^^^^^
      |
     ::: config.toml:2:11
      |
    2 | default = 'deny'
      |           ------ first set here
      |
      = help: files do not override each other: remove one of the two

    error: `policy.default-registry` is set in config.toml and in conf.d/x.toml
     --> conf.d/x.toml:3:20
      |
    3 | default-registry = 'b.dev'
      |                    ^^^^^^^
      |
     ::: config.toml:3:20
      |
    3 | default-registry = 'a.dev'
      |                    ------- first set here
      |
      = help: files do not override each other: remove one of the two

    error: `policy.names` is set in conf.d/x.toml and in conf.d/y.toml
     --> conf.d/y.toml:2:9
      |
    2 | names = 'original'
      |         ^^^^^^^^^^
      |
     ::: conf.d/x.toml:4:9
      |
    4 | names = 'both'
      |         ------ first set here
      |
      = help: files do not override each other: remove one of the two
    ");
}

#[test]
fn a_main_file_that_is_missing() {
    let dir = write(&[]);
    let problems = load(&dir.path().join("config.toml")).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @r"error: cannot read config.toml: No such file or directory (os error 2)");
    let main = MainFile::IfPresent(dir.path().join("config.toml"));
    let loaded = load_from(&Input { main, ..Input::file(Path::new("")) }).unwrap();
    assert!(loaded.config.policy.rules().is_empty());
}

#[test]
fn a_directory_for_a_file() {
    let dir = write(&[("config.toml/config.toml", "")]);
    let problems = load(&dir.path().join("config.toml")).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @r"
    error: cannot read config.toml: it is a directory, not a file
     |
     = help: name the file itself: config.toml/config.toml
    ");
}

#[test]
fn a_file_for_the_directory_of_drop_ins_and_a_directory_for_a_drop_in() {
    assert_snapshot!(refused(&[("config.toml", ""), ("conf.d", "")]), @r"error: cannot read conf.d: Not a directory (os error 20)");
    assert_snapshot!(refused(&[("config.toml", "x = 1"), ("conf.d/a.toml/x", "")]), @"
    error: cannot read conf.d/a.toml: it is a directory, not a file

    error: unknown key `x`
    --> config.toml:1:1
     = note: line not shown: it may hold a secret
     = help: known here: end-mark, listen, containerd, pull, state, log, audit, metrics, transport, policy, credentials, signature
    ");
}

#[test]
fn a_pipe_says_how_its_text_can_be_read() {
    let text = refused(&[("config.toml", "[[policy.source]]\nregistries-yaml = '/dev/null'\n")]);
    assert!(text.contains("error: cannot read /dev/null: it is not a regular file"), "{text}");
    assert!(
        text.contains("= help: put a file there; what a program writes to a pipe is read from stdin"),
        "{text}"
    );
}

#[test]
fn a_file_that_is_not_text() {
    let dir = write(&[("config.toml", "")]);
    std::fs::write(dir.path().join("config.toml"), b"[log]\nlevel = '\xff'\n").unwrap();
    let problems = load(&dir.path().join("config.toml")).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @r"
    error: this is not UTF-8 text
     --> config.toml:2:10
      |
    2 | level = '�'
      |          ^
    ");
}

#[test]
fn a_flag_is_shown_like_a_file_and_does_not_override_one() {
    let dir = write(&[("config.toml", "[policy]\ndefault-registry = 'a.dev'\n")]);
    let input = Input {
        default_registry: Some("b.dev".to_owned()),
        socket: Some("x.sock".to_owned()),
        containerd: Some("/run/cri-shunt/cri-shunt.sock".to_owned()),
        ..Input::file(&dir.path().join("config.toml"))
    };
    let problems = load_from(&input).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @r#"
    error: `policy.default-registry` is set in config.toml and in --default-registry
     --> --default-registry:1:1
      |
    1 | b.dev
      | ^^^^^
      |
     ::: config.toml:2:20
      |
    2 | default-registry = 'a.dev'
      |                    ------- first set here
      |
      = help: files do not override each other: remove one of the two

    error: "x.sock" is not an absolute path
     --> --socket:1:1
      |
    1 | x.sock
      | ^^^^^^

    error: `listen.socket` and `containerd.socket` are the same socket
     --> --containerd:1:1
      |
    1 | /run/cri-shunt/cri-shunt.sock
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: the shunt needs a socket of its own; clients are configured to use that one
    "#);
}

#[test]
fn flags_take_the_place_of_sockets() {
    let dir = write(&[("config.toml", "[listen]\nsocket = '/a'\n[containerd]\nsocket = '/b'\n")]);
    let input = Input {
        socket: Some("/c".to_owned()),
        containerd: Some("/d".to_owned()),
        ..Input::file(&dir.path().join("config.toml"))
    };
    let config = load_from(&input).unwrap().config;
    assert_eq!(
        (config.listen.socket.to_string(), config.containerd.socket.to_string()),
        ("/c".into(), "/d".into())
    );
}
