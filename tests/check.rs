//! `cri-shunt check`, and how `serve` and `status` begin, as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::process::{Command, Stdio};

use insta::assert_snapshot;

const GOOD: &str = "[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['n.dev']\norigin = 'last'\n";
const DOUBTFUL: &str = "[[policy.rule]]\nprefix = 'quay.io/x:1'\ndeny = 'no'\n";
const BAD: &str = "[listen]\nsokcet = '/x'\n[[policy.rule]]\nprefix = 'quay.io/x:1'\n";

/// Runs the program beside a `config.toml` and shows all that came of it.
fn run(config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.current_dir(dir.path()).args(arguments).stdin(Stdio::null()).env_remove("CRI_SHUNT_LOG");
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    format!("--- stdout\n{stdout}--- stderr\n{stderr}--- exit {}", output.status.code().unwrap())
}

fn check(config: &str, more: &[&str]) -> String {
    run(config, &[&["check", "--config", "config.toml"], more].concat(), &[])
}

#[test]
fn a_good_configuration_is_summed_up() {
    assert_snapshot!(check(GOOD, &["--strict"]), @r"
    --- stdout
    config.toml: usable: 1 rule, default pass, default registry m.dev
    Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
    their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
    --- stderr
    --- exit 0
    ");
}

#[test]
fn notes_are_shown_where_they_are_asked_for() {
    assert_snapshot!(check(GOOD, &["--verbose"]), @r"
    --- stdout
    config.toml: usable: 1 rule, default pass, default registry m.dev
    Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
    their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
    --- stderr
    note: where all mirrors fail, `quay.io` is asked itself
     --> config.toml:4:10
      |
    4 | prefix = 'quay.io'
      |          ^^^^^^^^^

    --- exit 0
    ");
}

#[test]
fn a_warning_fails_the_check_only_where_that_is_asked_for() {
    assert_snapshot!(check(DOUBTFUL, &[]), @r#"
    --- stdout
    config.toml: usable: 1 rule, default pass; 1 warning
    Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
    their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
    --- stderr
    warning: a pull of the same image by the digest is not denied
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io/x:1'
      |          ^^^^^^^^^^^^^
      |
      = help: deny the repository `quay.io/x`; only an allow-list (default = "deny" and rules for what may be pulled) is tight

    --- exit 0
    "#);
    assert!(check(DOUBTFUL, &["--strict"]).ends_with("--- exit 1"));
    assert!(check(DOUBTFUL, &["--deny-warnings"]).ends_with("--- exit 1"));
}

#[test]
fn a_bad_configuration_exits_1() {
    assert_snapshot!(check(BAD, &[]), @r"
    --- stdout
    --- stderr
    error: unknown key `sokcet` in `listen`
     --> config.toml:2:1
      |
    2 | sokcet = '/x'
      | ^^^^^^
      |
      = help: did you mean `socket`?

    error: a rule needs one of `mirrors`, `deny` and `pass`
     --> config.toml:3:1
      |
    3 | [[policy.rule]]
      | ^^^^^^^^^^^^^^^

    config.toml: not usable: 2 errors
    --- exit 1
    ");
    assert!(run(GOOD, &["check", "--config", "absent.toml"], &[]).ends_with("--- exit 1"));
}

#[test]
fn serve_does_not_start_with_a_bad_configuration() {
    assert_snapshot!(run(BAD, &["serve", "--config", "config.toml"], &[]), @r"
    --- stdout
    --- stderr
    error: unknown key `sokcet` in `listen`
     --> config.toml:2:1
      |
    2 | sokcet = '/x'
      | ^^^^^^
      |
      = help: did you mean `socket`?

    error: a rule needs one of `mirrors`, `deny` and `pass`
     --> config.toml:3:1
      |
    3 | [[policy.rule]]
      | ^^^^^^^^^^^^^^^

    error: cri-shunt does not start with a configuration that cannot be used
    --- exit 2
    ");
}

#[test]
fn serve_does_not_start_with_a_bad_log_filter() {
    assert_snapshot!(run(GOOD, &["serve", "--config", "config.toml"], &[("CRI_SHUNT_LOG", "cri_shunt=loud")]), @r#"
    --- stdout
    --- stderr
    error: CRI_SHUNT_LOG is set to "cri_shunt=loud", which is no log filter: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5
    --- exit 2
    "#);
}

#[test]
fn serve_checks_sockets_that_are_given_as_flags() {
    let arguments = ["serve", "--config", "config.toml", "--socket", "/a.sock", "--containerd", "/a.sock"];
    assert_snapshot!(run(GOOD, &arguments, &[]), @r"
    --- stdout
    --- stderr
    error: `listen.socket` and `containerd.socket` are the same socket
     --> --containerd:1:1
      |
    1 | /a.sock
      | ^^^^^^^
      |
      = help: the shunt listens on a socket of its own, and clients are pointed at that one

    error: cri-shunt does not start with a configuration that cannot be used
    --- exit 2
    ");
}

#[test]
fn colours_are_for_terminals() {
    assert!(!check(BAD, &[]).contains('\u{1b}'));
}
