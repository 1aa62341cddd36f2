//! What all commands have in common, as a user meets it every day: less and more to read, and stdin in place of a file.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

const GOOD: &str = "[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['n.dev']\norigin = 'last'\n\
                    [[policy.rule]]\nprefix = 'docker.io/evil'\ndeny = 'no'\n";
const DOUBTFUL: &str = "[[policy.rule]]\nprefix = 'quay.io/x:1'\ndeny = 'no'\n";

/// Runs the program with a text on stdin and shows all that came of it.
fn run(arguments: &[&str], stdin: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.args(arguments).env_remove("CRI_SHUNT_LOG");
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    // A program that does not read it may have ended before.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    format!("{stdout}--- stderr\n{stderr}--- exit {}", output.status.code().unwrap())
}

/// A file with a text, which lives as long as its directory.
fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn with_quiet_a_command_says_nothing_where_all_is_well() {
    let nothing = "--- stderr\n--- exit 0";
    for format in ["text", "json"] {
        let check = |config: &str| run(&["check", "--config", "-", "-q", "--format", format], config);
        assert_eq!(check(GOOD), nothing);
        assert_ne!(check(DOUBTFUL), nothing);
        let (_dir, config) = file("config.toml", GOOD);
        let explain =
            |image: &str| run(&["explain", "--config", &config, "--quiet", "--format", format, image], "");
        assert_eq!(explain("quay.io/a:1"), nothing);
        assert_ne!(explain("evil/a:1"), nothing);
    }
    let yaml = "mirrors:\n  quay.io:\n    endpoint: ['https://n.dev']\n";
    let (_dir, source) = file("registries.yaml", yaml);
    let import = run(&["import", "-q", &source], "");
    assert!(import.starts_with("# ") && import.ends_with(&format!("\n{nothing}")), "{import}");
}

#[test]
fn with_verbose_explain_and_test_show_what_check_shows_with_it() {
    let (_dir, config) = file("config.toml", GOOD);
    let note = "note: when all mirrors fail, `quay.io` itself is asked";
    let explain = |more: &[&str]| run(&[&["explain", "--config", &config, "quay.io/a:1"], more].concat(), "");
    assert!(explain(&["-v"]).contains(note) && !explain(&[]).contains(note), "{}", explain(&["-v"]));
    let test = |more: &[&str]| {
        let expected = "[[expect]]\nimage = 'quay.io/a:1'\ndecision = 'route'\n";
        run(&[&["test", "--config", &config, "-"], more].concat(), expected)
    };
    assert!(test(&["--verbose"]).contains(note) && !test(&[]).contains(note), "{}", test(&["-v"]));
}

#[test]
fn every_command_has_quiet_and_verbose_and_not_both() {
    let definition = cri_shunt::definition();
    for command in definition.get_subcommands() {
        let name = command.get_name();
        let said = run(&[name, "-q", "-v"], "");
        assert!(said.contains("'--quiet' cannot be used with '--verbose'"), "{name}: {said}");
    }
}

#[test]
fn a_list_of_images_may_have_comments() {
    let (_dir, config) = file("config.toml", GOOD);
    let list = "# what we run\n\n  # and more\nquay.io/a:1  # since May\nquay.io/b#c:1\n\tevil/x:1\t#\n";
    let said = run(&["explain", "--config", &config, "-"], list);
    assert_snapshot!(said.replace(&config, "config.toml"), @r#"
    quay.io/a:1
      name        quay.io/a:1
      decision    route, by rule "quay.io" (config.toml:2)
      candidates  1. n.dev/a:1    mirror  no credentials
                  2. quay.io/a:1  origin  the client's credentials

    quay.io/b#c:1
      decision    invalid: not a valid image reference
      reason      '#' in the repository

    evil/x:1
      name        docker.io/evil/x:1
      decision    deny, by rule "docker.io/evil" (config.toml:6)
      reason      no
    --- stderr
    --- exit 1
    "#);
}

/// The second time there would be nothing.
#[test]
fn stdin_is_read_once_only() {
    let (_dir, config) = file("config.toml", GOOD);
    let twice = "--- stderr\nerror: `-` is given twice, and stdin can be read once only\n--- exit 2";
    for arguments in [
        &["explain", "--config", &config, "-", "-"][..],
        &["explain", "--daemon", "-", "-"],
        &["explain", "--config", "-", "-"],
        &["preflight", "--config", &config, "--list", "-", "-"],
        &["pull", "--list", "-", "-"],
        &["test", "--config", &config, "-", "-"],
        &["diff", "-", "-"],
        &["import", "-", "-"],
    ] {
        assert_eq!(run(arguments, "quay.io/a:1\n"), twice, "{arguments:?}");
    }
}

/// What should have written the list may have failed, and its end is not seen in a pipe.
#[test]
fn a_list_without_an_image_says_so() {
    let (_dir, config) = file("config.toml", GOOD);
    let said = run(&["explain", "--config", &config, "-"], "# nothing\n\n");
    assert_eq!(said, "--- stderr\nstdin names no image\n--- exit 0");
    let quiet = run(&["explain", "--quiet", "--config", &config, "-"], "");
    assert_eq!(quiet, "--- stderr\n--- exit 0");
}

/// Runs the program with this stdin and this stdout: the exit status and what is on stderr.
fn ends(arguments: &[&str], stdin: Stdio, stdout: Stdio) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.args(arguments).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A pipe whose reader has gone.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Data, help and version alike. A reader that has seen enough is no error.
#[test]
fn a_full_disk_is_told_and_a_reader_that_has_gone_is_not() {
    let (_dir, config) = file("config.toml", GOOD);
    for arguments in [
        &["config", "--config", &config][..],
        &["explain", "--config", &config, "quay.io/a:1"],
        &["--help"],
        &["check", "--help"],
        &["--version"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let said = "error: cannot write to stdout: No space left on device (os error 28)\n";
        assert_eq!(ends(arguments, Stdio::null(), full.into()), (Some(3), said.to_owned()), "{arguments:?}");
        assert_eq!(ends(arguments, Stdio::null(), unread()), (Some(0), String::new()), "{arguments:?}");
    }
}

/// `cri-shunt ... | head -1` in a script that asks for the exit status.
#[test]
fn the_exit_status_is_the_same_where_a_reader_has_gone() {
    let expectation = "[[expect]]\nimage = 'quay.io/a:1'\ndecision = 'deny'\n";
    let (_one, config) = file("config.toml", GOOD);
    let (_two, doubtful) = file("config.toml", DOUBTFUL);
    let (_three, expected) = file("expected.toml", expectation);
    let (_four, wrong) = file("config.toml", "[[policy.rule]]\n");
    for arguments in [
        &["explain", "--config", &config, "quay.io/a:1", "evil/x:1"][..],
        &["preflight", "--config", &config, "evil/x:1"],
        &["diff", &config, &doubtful],
        &["test", "--config", &config, &expected],
        &["check", "--config", &wrong, "--format", "json"],
        &["check", "--config", &doubtful, "--strict"],
    ] {
        let read = ends(arguments, Stdio::null(), Stdio::piped());
        assert_eq!(read.0, Some(1), "{arguments:?}: {read:?}");
        assert_eq!(ends(arguments, Stdio::null(), unread()), read, "{arguments:?}");
    }
}

/// Its input may never end, such as that of `journalctl --follow`.
#[test]
fn the_audit_ends_with_its_reader_and_says_what_it_could_not_read() {
    let (from, mut into) = std::io::pipe().unwrap();
    into.write_all(b"no line\n{\"version\":1,\"time\":\"2026-11-27T08:15:30.250Z\",\"dropped\":3}\n")
        .unwrap();
    let ended = ends(&["audit", "--file", "-"], from.into(), unread());
    assert_eq!(ended, (Some(1), "error: stdin:1: not a line of an audit\n".to_owned()));
    drop(into);
}
