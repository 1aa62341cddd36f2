//! `cri-shunt check`, and how `serve` and `status` begin, as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

const GOOD: &str = "[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['n.dev']\norigin = 'last'\n";
const DOUBTFUL: &str = "[[policy.rule]]\nprefix = 'quay.io/x:1'\ndeny = 'no'\n";
const BAD: &str = "[listen]\nsokcet = '/x'\n[[policy.rule]]\nprefix = 'quay.io/x:1'\n";

/// Runs the program beside a `config.toml` and shows all that came of it.
fn run(config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    run_in(dir.path(), arguments, environment, "")
}

/// Runs the program in a directory.
fn run_in(directory: &Path, arguments: &[&str], environment: &[(&str, &str)], stdin: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.current_dir(directory).args(arguments).env_remove("CRI_SHUNT_LOG");
    command.envs(environment.iter().copied());
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    // A program that does not read it may have ended before.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
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
    note: when all mirrors fail, `quay.io` itself is asked
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
      = help: deny the repository `quay.io/x`; only an allow-list (default = "deny" and rules for what may be pulled) has no gaps

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

    error: cri-shunt does not start: the configuration cannot be used
    --- exit 2
    ");
}

#[test]
fn serve_does_not_start_with_a_bad_log_level() {
    let serve = |level| run(GOOD, &["serve", "--config", "config.toml"], &[("CRI_SHUNT_LOG", level)]);
    assert_snapshot!(serve("cri_shunt=loud"), @r#"
    --- stdout
    --- stderr
    error: CRI_SHUNT_LOG: "cri_shunt=loud" is not a log level; write error, warn, info, debug, trace or off, or target=level, for example "info,h2=debug"
    --- exit 2
    "#);
    assert_snapshot!(serve(" debug"), @r#"
    --- stdout
    --- stderr
    error: CRI_SHUNT_LOG: " debug" is not a log level; write error, warn, info, debug, trace or off, or target=level, for example "info,h2=debug"
    --- exit 2
    "#);
    assert!(serve("verbose").ends_with("--- exit 2"));
}

#[test]
fn a_check_as_json() {
    assert_snapshot!(check(DOUBTFUL, &["--format", "json"]), @r#"
    --- stdout
    {"configuration":"config.toml","usable":true,"rules":1,"rules_in_force":1,"mode":"enforce","default":"pass","default_registry":null,"problems":[{"severity":"warning","message":"a pull of the same image by the digest is not denied","file":"config.toml","line":2,"column":10,"hints":["deny the repository `quay.io/x`; only an allow-list (default = \"deny\" and rules for what may be pulled) has no gaps"]}],"hosts_toml":{"directory":null,"kept":[],"problems":[],"fence":null}}
    --- stderr
    --- exit 0
    "#);
    assert_snapshot!(check(BAD, &["--format", "json"]), @r#"
    --- stdout
    {"configuration":"config.toml","usable":false,"rules":null,"rules_in_force":null,"mode":null,"default":null,"default_registry":null,"problems":[{"severity":"error","message":"unknown key `sokcet` in `listen`","file":"config.toml","line":2,"column":1,"hints":["did you mean `socket`?"]},{"severity":"error","message":"a rule needs one of `mirrors`, `deny` and `pass`","file":"config.toml","line":3,"column":1,"hints":[]}],"hosts_toml":null}
    --- stderr
    --- exit 1
    "#);
}

#[test]
fn a_mirror_that_says_itself_how_it_is_reached_needs_hosts_toml() {
    let config = "[containerd]\nsocket = '/nowhere.sock'\n\
                  [[policy.rule]]\nprefix = 'quay.io'\nmirrors = [{ location = 'http://nexus' }]\n";
    assert_snapshot!(check(config, &["--strict"]), @r"
    --- stdout
    config.toml: usable: 1 rule, default pass
    This will not work yet:
      containerd's config_path is not known, since containerd does not answer: start it, or give config-path under [containerd]
    Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
    their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
    --- stderr
    --- exit 1
    ");
    let config = config.replace("[containerd]", "[containerd]\nconfig-path = '/etc/containerd/certs.d'");
    assert!(check(&config, &["--strict"]).ends_with("--- exit 0"));
}

#[test]
fn an_empty_file_in_conf_d_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/k3s.toml"), "\n").unwrap();
    std::fs::write(dir.path().join("config.toml"), GOOD).unwrap();
    assert_snapshot!(run_in(dir.path(), &["check", "--config", "config.toml"], &[], ""), @r"
    --- stdout
    config.toml: usable: 1 rule, default pass, default registry m.dev; 1 warning
    Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
    their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
    --- stderr
    warning: this file is empty, so it sets nothing
     --> conf.d/k3s.toml:1:1
      |
    1 |
      | ^
      |
      = help: if a command should have written it, run that again; else remove the file

    --- exit 0
    ");
}

#[test]
fn a_configuration_can_come_from_stdin_once() {
    let dir = tempfile::tempdir().unwrap();
    assert_snapshot!(run_in(dir.path(), &["check", "--config", "-"], &[], BAD), @r"
    --- stdout
    --- stderr
    error: unknown key `sokcet` in `listen`
     --> stdin:2:1
      |
    2 | sokcet = '/x'
      | ^^^^^^
      |
      = help: did you mean `socket`?

    error: a rule needs one of `mirrors`, `deny` and `pass`
     --> stdin:3:1
      |
    3 | [[policy.rule]]
      | ^^^^^^^^^^^^^^^

    stdin: not usable: 2 errors
    --- exit 1
    ");
    let twice = ["check", "--config", "-", "--registries-yaml", "-"];
    assert_snapshot!(run_in(dir.path(), &twice, &[], BAD), @r"
    --- stdout
    --- stderr
    error: `-` is given twice, and stdin can be read once only
    --- exit 2
    ");
    assert!(run_in(dir.path(), &["explain", "--config", "-", "-"], &[], BAD).ends_with("--- exit 2"));
}

#[test]
fn status_says_why_the_daemon_cannot_be_reached() {
    let dir = tempfile::tempdir().unwrap();
    assert_snapshot!(run_in(dir.path(), &["status", "--socket", "x.sock"], &[], ""), @r"
    --- stdout
    --- stderr
    error: cri-shunt is not running: nothing listens on x.sock
    --- exit 3
    ");
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("x.sock")).unwrap());
    assert!(
        run_in(dir.path(), &["status", "--socket", "x.sock"], &[], "").contains("cri-shunt is not running")
    );
    std::fs::write(dir.path().join("y"), "").unwrap();
    assert!(run_in(dir.path(), &["status", "--socket", "y/z"], &[], "").contains("cannot connect to y/z: "));
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
      = help: the shunt needs a socket of its own; clients are configured to use that one

    error: cri-shunt does not start: the configuration cannot be used
    --- exit 2
    ");
}

#[test]
fn colours_are_for_terminals() {
    assert!(!check(BAD, &[]).contains('\u{1b}'));
}

#[test]
fn an_allow_list_without_the_pause_image_is_a_warning() {
    let containerd = "[containerd]\nsocket = '/nowhere'\npause-image = 'registry.k8s.io/pause:3.10'\n";
    let policy = "[policy]\ndefault = 'deny'\n[[policy.rule]]\nprefix = 'quay.io'\npass = true\n";
    assert_snapshot!(check(&format!("{containerd}{policy}"), &["--strict"]), @r#"
    --- stdout
    config.toml: usable: 1 rule, default deny; 1 warning
    Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
    their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
    --- stderr
    warning: no pod can start without registry.k8s.io/pause:3.10, and it is denied by rule "default" (config.toml:5): no rule allows it
     |
     = help: add a [[policy.rule]] with prefix = "registry.k8s.io/pause", and with mirrors or with pass = true

    --- exit 1
    "#);
    let allowed = "[[policy.rule]]\nprefix = 'registry.k8s.io/pause'\npass = true\n";
    assert!(check(&format!("{containerd}{policy}{allowed}"), &["--strict"]).ends_with("--- exit 0"));
}
