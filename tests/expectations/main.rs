//! `cri-shunt test` as a user runs it: the built program, real files, whole outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod mistakes;
#[path = "../support/program.rs"]
#[allow(unreachable_pub, reason = "each test program uses its own part of this")]
mod program;

use std::path::Path;
use std::process::{Output, Stdio};

use insta::assert_snapshot;
use program::{command, lay_out, run_with, shown};

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpH7RTttL68BSg8FsiTA6Ne7kfmwE\nyQGOMPhlRLLmHTCoOXyzyGeso1jOWksj8SvOzex1BkrqVFbxWSEBNCiKOA==\n-----END PUBLIC KEY-----\n";

const CONFIG: &str = r#"[policy]
default-registry = "oci-mirror.dev.de"

[[policy.rule]]
prefix = "quay.io"
mirrors = ["harbor.dev.de/{host}"]
origin = "last"

[[policy.rule]]
prefix = "docker.io/evil"
deny = "not from this registry"
"#;

const MET: &str = r#"[[expect]]
image = "nginx:1.25"
name = "Docker Hub"
decision = "route"
rule = "default-registry"
reference = "oci-mirror.dev.de/library/nginx:1.25"

[[expect]]
image = "evil/miner:1"
decision = "deny"
candidates = []

[[expect]]
image = "ghcr.io/a/b:1"
decision = "pass"
rule = "default"
reference = "ghcr.io/a/b:1"

[[expect]]
image = "No Image"
decision = "invalid"
"#;

const UNMET: &str = r#"[[expect]]
image = "quay.io/a/b:1"
description = "quay.io is not to be asked itself"
decision = "route"
candidates = ["harbor.dev.de/quay.io/a/b:1"]

[[expect]]
image = "evil/miner:1"
name = "we mine"
decision = "route"
rule = "docker.io"
reference = "oci-mirror.dev.de/evil/miner:1"

[[expect]]
image = "nginx"
decision = "route"

[[expect]]
image = "UPPER"
rule = "default"
"#;

/// Runs the program beside a `config.toml` and some files.
fn output(files: &[(&str, &str)], arguments: &[&str], stdin: &str) -> Output {
    let dir = lay_out(&[&[("config.toml", CONFIG)], files].concat());
    run_with(dir.path(), &[&["test"], arguments].concat(), stdin)
}

/// All that came of it.
fn run(files: &[(&str, &str)], arguments: &[&str], stdin: &str) -> String {
    shown(&output(files, arguments, stdin))
}

fn expect(file: &str, more: &[&str]) -> String {
    run(&[("e.toml", file)], &[&["--config", "config.toml", "e.toml"], more].concat(), "")
}

#[test]
fn each_case_that_is_met_has_a_line() {
    assert_snapshot!(expect(MET, &[]), @r"
    ok      nginx:1.25 (Docker Hub)
    ok      evil/miner:1
    ok      ghcr.io/a/b:1
    ok      No Image

    4 passed; 0 failed
    --- exit 0
    ");
}

#[test]
fn each_difference_is_shown_with_its_place() {
    assert_snapshot!(expect(UNMET, &[]), @r#"
    FAILED  quay.io/a/b:1
    FAILED  evil/miner:1 (we mine)
    ok      nginx
    FAILED  UPPER

    quay.io/a/b:1 at e.toml:1
      quay.io is not to be asked itself
      candidates
        expected  harbor.dev.de/quay.io/a/b:1
        actual    harbor.dev.de/quay.io/a/b:1
                  quay.io/a/b:1
      decided: route, by rule "quay.io" (config.toml:5)

    evil/miner:1 (we mine) at e.toml:7
      decision
        expected  route
        actual    deny
      rule
        expected  docker.io
        actual    docker.io/evil
      reference
        expected  oci-mirror.dev.de/evil/miner:1
        actual    none
      decided: deny, by rule "docker.io/evil" (config.toml:10): not from this registry

    UPPER at e.toml:18
      rule
        expected  default
        actual    none
      decided: invalid: not a valid image reference: upper case in the repository

    1 passed; 3 failed
    --- exit 1
    "#);
}

#[test]
fn quiet_speaks_of_differences_only() {
    assert_eq!(expect(MET, &["--quiet"]), "--- exit 0");
    let (loud, quiet) = (expect(UNMET, &[]), expect(UNMET, &["--quiet"]));
    assert_eq!(loud.split_once("\n\n").unwrap().1, quiet);
}

#[test]
fn several_files_are_one_run_and_stdin_is_one_of_them() {
    let unmet = "[[expect]]\nimage = 'a'\ndecision = 'pass'\n";
    let files = [("one.toml", MET), ("two.toml", unmet)];
    let arguments = ["--config", "config.toml", "two.toml", "-", "one.toml"];
    assert_snapshot!(run(&files, &arguments, &unmet.replace("'a'", "'b'")), @r#"
    FAILED  a
    FAILED  b
    ok      nginx:1.25 (Docker Hub)
    ok      evil/miner:1
    ok      ghcr.io/a/b:1
    ok      No Image

    a at two.toml:1
      decision
        expected  pass
        actual    route
      decided: route, by rule "default-registry" (config.toml:2)

    b at stdin:1
      decision
        expected  pass
        actual    route
      decided: route, by rule "default-registry" (config.toml:2)

    4 passed; 2 failed
    --- exit 1
    "#);
}

#[test]
fn a_source_can_be_tried_by_itself() {
    let files = [
        ("registries.yaml", "mirrors:\n  docker.io:\n    endpoint: [mirror.dev.de]\n"),
        ("e.toml", "[[expect]]\nimage = 'nginx:1'\ncandidates = ['mirror.dev.de/library/nginx:1']\n"),
    ];
    let arguments = ["--registries-yaml", "registries.yaml", "e.toml"];
    assert_snapshot!(run(&files, &arguments, ""), @r#"
    FAILED  nginx:1

    nginx:1 at e.toml:1
      candidates
        expected  mirror.dev.de/library/nginx:1
        actual    mirror.dev.de/library/nginx:1
                  docker.io/library/nginx:1
      decided: route, by rule "docker.io" (registries.yaml:2)

    0 passed; 1 failed
    --- exit 1
    "#);
    let closed = [&arguments[..], &["--disable-default-registry-endpoint"]].concat();
    assert!(run(&files, &closed, "").ends_with("1 passed; 0 failed\n--- exit 0"));
}

#[test]
fn what_has_to_be_signed_can_be_expected() {
    let signed = "[[signature]]\nname = 'prod'\nkeys = ['prod.pub']\n[policy]\npolicy-json = 'policy.json'\n\
                  [[policy.rule]]\nprefix = 'quay.io/team'\nmirrors = ['m.dev']\nverify = 'prod'\n";
    let json = r#"{"default": [{"type": "insecureAcceptAnything"}],
        "transports": {"docker": {"quay.io/evil": [{"type": "reject"}]}}}"#;
    let expected = "[[expect]]\nimage = 'quay.io/team/a:1'\nsignatures = ['prod']\n\
                    [[expect]]\nimage = 'quay.io/a:1'\nsignatures = []\n\
                    [[expect]]\nimage = 'quay.io/evil/a:1'\ndecision = 'deny'\nsignatures = []\n\
                    [[expect]]\nimage = 'quay.io/team/b:1'\nsignatures = []\n";
    let files = [("signed.toml", signed), ("prod.pub", KEY), ("policy.json", json), ("e.toml", expected)];
    assert_snapshot!(run(&files, &["--config", "signed.toml", "e.toml"], ""), @r#"
    ok      quay.io/team/a:1
    ok      quay.io/a:1
    ok      quay.io/evil/a:1
    FAILED  quay.io/team/b:1

    quay.io/team/b:1 at e.toml:11
      signatures
        expected  none
        actual    prod
      decided: route, by rule "quay.io/team" (signed.toml:7)

    3 passed; 1 failed
    --- exit 1
    "#);
}

#[test]
fn no_text_of_a_file_speaks_to_the_terminal_or_makes_a_line_of_its_own() {
    let file = "[[expect]]\nimage = \"a\\nok      b\\u001b[2J\"\nname = \"x\\ny\"\ndecision = 'pass'\n";
    let shown = expect(file, &[]);
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let fronts: Vec<&str> = shown.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(fronts.iter().filter(|front| **front == "FAILED").count(), 1, "{shown}");
    assert!(!fronts.contains(&"ok"), "{shown}");
}

#[test]
fn a_reader_that_goes_away_changes_no_result() {
    let dir = lay_out(&[("config.toml", CONFIG)]);
    for (file, code) in [(MET, 0), (UNMET, 1)] {
        std::fs::write(dir.path().join("e.toml"), file.repeat(2000)).unwrap();
        let mut command = command(dir.path(), &["test", "--config", "config.toml", "e.toml"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn the_example_is_met_by_its_policy_and_by_no_other() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples");
    let code = |config: &Path| {
        let mut command = command(&examples, &["test", "--config"]);
        command.arg(config).arg("policy.expect.toml");
        command.stdout(Stdio::null()).status().unwrap().code()
    };
    assert_eq!(code(&examples.join("policy.toml")), Some(0));
    assert_eq!(code(&examples.join("cri-shunt-k3s.toml")), Some(1));
}

#[test]
fn the_results_as_json() {
    let files = [("config.toml", CONFIG), ("met.toml", MET), ("unmet.toml", UNMET)];
    let arguments = ["--quiet", "--format", "json", "--config", "config.toml", "met.toml", "unmet.toml"];
    assert_snapshot!(run(&files, &arguments, ""), @r#"
    {"image":"quay.io/a/b:1","name":null,"source":"unmet.toml:1","met":false,"decision":"route","reason":null,"differences":[{"what":"candidates","expected":["harbor.dev.de/quay.io/a/b:1"],"actual":["harbor.dev.de/quay.io/a/b:1","quay.io/a/b:1"]}]}
    {"image":"evil/miner:1","name":"we mine","source":"unmet.toml:7","met":false,"decision":"deny","reason":"not from this registry","differences":[{"what":"decision","expected":["route"],"actual":["deny"]},{"what":"rule","expected":["docker.io"],"actual":["docker.io/evil"]},{"what":"reference","expected":["oci-mirror.dev.de/evil/miner:1"],"actual":[]}]}
    {"image":"UPPER","name":null,"source":"unmet.toml:18","met":false,"decision":"invalid","reason":"upper case in the repository","differences":[{"what":"rule","expected":["default"],"actual":[]}]}
    --- exit 1
    "#);
}
