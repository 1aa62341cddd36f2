//! Which files are read, and what is said where one cannot be.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use insta::assert_snapshot;

use super::{accepted, refused, shown, write};
use crate::config::{Input, MainFile, load, load_from};

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
    assert_eq!(names, ["config.toml", "10.toml", "20.toml", "conf.d"]);
}

#[test]
fn the_source_of_a_rule_is_the_path_as_given_and_the_line() {
    let dir =
        write(&[("config.toml", ""), ("conf.d/x.toml", "[[policy.rule]]\nprefix = 'a.dev'\npass = true")]);
    let given = format!("{}/./config.toml", dir.path().display());
    let loaded = load(Path::new(&given)).unwrap();
    let source = loaded.config.policy.rules()[0].source.to_string();
    assert_eq!(source, format!("{}/./conf.d/x.toml:2", dir.path().display()));
}

#[test]
fn a_drop_in_holds_policy_only() {
    let files = [("config.toml", ""), ("conf.d/x.toml", "[listen]\nsocket = '/x'\n[log]\nlevel = 'info'")];
    assert_snapshot!(refused(&files), @"");
}

#[test]
fn a_value_that_two_files_set_names_both() {
    let files = [
        ("config.toml", "[policy]\ndefault = 'deny'\ndefault-registry = 'a.dev'\n"),
        ("conf.d/x.toml", "[policy]\ndefault = 'deny'\ndefault-registry = 'b.dev'\nnames = 'both'\n"),
        ("conf.d/y.toml", "[policy]\nnames = 'original'\n"),
    ];
    assert_snapshot!(refused(&files), @"");
}

#[test]
fn a_main_file_that_is_missing() {
    let dir = write(&[]);
    let problems = load(&dir.path().join("config.toml")).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @"");
    let main = MainFile::IfPresent(dir.path().join("config.toml"));
    let loaded = load_from(&Input { main, ..Input::file(Path::new("")) }).unwrap();
    assert!(loaded.config.policy.rules().is_empty());
}

#[test]
fn the_default_file_that_is_missing_says_how_to_begin() {
    if Path::new("/etc/cri-shunt").exists() {
        return;
    }
    let problems = load(Path::new(crate::config::defaults::CONFIG_FILE)).unwrap_err();
    assert_snapshot!(shown(&problems, Path::new("/nowhere")), @"");
}

#[test]
fn a_directory_for_a_file() {
    let dir = write(&[("config.toml/config.toml", "")]);
    let problems = load(&dir.path().join("config.toml")).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @"");
}

#[test]
fn a_file_for_the_directory_of_drop_ins_and_a_directory_for_a_drop_in() {
    assert_snapshot!(refused(&[("config.toml", ""), ("conf.d", "")]), @"");
    assert_snapshot!(refused(&[("config.toml", "x = 1"), ("conf.d/a.toml/x", "")]), @"");
}

#[test]
fn a_file_that_may_not_be_read() {
    let dir = write(&[("config.toml", "")]);
    let path = dir.path().join("config.toml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_ok() {
        // root reads everything, so there is nothing to see as root.
        return;
    }
    let problems = load(&path).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @r"
    error: cannot read config.toml: Permission denied (os error 13)
      |
      = help: run this as root, or as the user that the service runs as
    ");
}

#[test]
fn a_file_that_is_not_text() {
    let dir = write(&[("config.toml", "")]);
    std::fs::write(dir.path().join("config.toml"), b"[log]\nlevel = '\xff'\n").unwrap();
    let problems = load(&dir.path().join("config.toml")).unwrap_err();
    assert_snapshot!(shown(&problems, dir.path()), @"");
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
    assert_snapshot!(shown(&problems, dir.path()), @"");
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
