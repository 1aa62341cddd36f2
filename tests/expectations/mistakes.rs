//! Mistakes in files of expectations and in how the command is used.

use std::process::Command;

use insta::assert_snapshot;

use super::{MET, expect, output, run};

#[test]
fn every_mistake_in_a_file_is_shown_with_its_place() {
    let file = r#"expects = 1
[[expect]]
imag = "nginx"
decision = "rout"
[[expect]]
image = "nginx"
[[expect]]
decision = "deny"
[[expect]]
image = ["nginx"]
rule = "registry-1.docker.io"
reference = "nginx"
[[expect]]
image = "nginx"
reference = "docker.io/library/nginx:latest"
candidates = ["docker.io/library/nginx:latest"]
[[expect]]
image = "nginx"
decision = "deny"
reference = "docker.io/library/nginx:latest"
[[expect]]
image = "nginx"
decision = "pass"
candidates = []
[[expect]]
image = "nginx"
candidates = "docker.io/library/nginx:latest"
rule = ""
"#;
    assert_snapshot!(expect(file, &[]), @r#"
    --- stderr
    error: unknown key `expects`
     --> e.toml:1:1
      |
    1 | expects = 1
      | ^^^^^^^
      |
      = help: did you mean `expect`?

    error: unknown key `imag` in `expect`
     --> e.toml:3:1
      |
    3 | imag = "nginx"
      | ^^^^
      |
      = help: did you mean `image`?

    error: `expect.decision`: "rout" is not one of "route", "pass", "deny", "invalid"
     --> e.toml:4:12
      |
    4 | decision = "rout"
      |            ^^^^^^
      |
      = help: did you mean "route"?

    error: nothing is expected of this image
     --> e.toml:5:1
      |
    5 | [[expect]]
      | ^^^^^^^^^^
      |
      = help: add one of `decision`, `rule`, `reference`, `candidates` and `signatures`

    error: an expectation needs an `image`
     --> e.toml:7:1
      |
    7 | [[expect]]
      | ^^^^^^^^^^
      |
      = help: say which image it is about, for example image = "nginx:1.25"

    error: `expect.image` must be a string, not an array
      --> e.toml:10:9
       |
    10 | image = ["nginx"]
       |         ^^^^^^^^^

    error: `expect.rule`: a rule for "registry-1.docker.io" is shown in another spelling
      --> e.toml:11:8
       |
    11 | rule = "registry-1.docker.io"
       |        ^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write docker.io

    error: `expect.reference`: "nginx" is not written in full
      --> e.toml:12:13
       |
    12 | reference = "nginx"
       |             ^^^^^^^
       |
       = help: write docker.io/library/nginx:latest

    error: `reference` and `candidates` are two ways to write the same thing
      --> e.toml:16:14
       |
    15 | reference = "docker.io/library/nginx:latest"
       |             -------------------------------- the first of them
    16 | candidates = ["docker.io/library/nginx:latest"]
       |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: remove `reference`

    error: an image that is refused has no candidates
      --> e.toml:20:13
       |
    19 | decision = "deny"
       |            ------ the decision
    20 | reference = "docker.io/library/nginx:latest"
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: an image that is not refused has candidates
      --> e.toml:24:14
       |
    23 | decision = "pass"
       |            ------ the decision
    24 | candidates = []
       |              ^^

    error: `expect.candidates` must be an array, not a string
      --> e.toml:27:14
       |
    27 | candidates = "docker.io/library/nginx:latest"
       |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: `expect.rule`: the rule's prefix is empty
      --> e.toml:28:8
       |
    28 | rule = ""
       |        ^^

    --- exit 2
    "#);
}

#[test]
fn a_file_without_an_expectation_is_a_mistake() {
    assert_snapshot!(expect("", &[]), @r#"
    --- stderr
    error: e.toml contains no [[expect]]
     --> e.toml:1:1
      |
    1 |
      | ^
      |
      = help: write an [[expect]] for each image, for example:
              [[expect]]
              image = "nginx:1.25"
              decision = "route"

    --- exit 2
    "#);
    assert_snapshot!(expect("[expect]\nimage = 'nginx'\n", &[]), @r"
    --- stderr
    error: `expect` must be a list of tables
     --> e.toml:1:1
      |
    1 | [expect]
      | ^^^^^^^^
      |
      = help: write [[expect]]

    --- exit 2
    ");
    assert_snapshot!(expect("[[expect]\n", &[]), @r"
    --- stderr
    error: this is not TOML: unclosed array table, expected `]`
    --> e.toml:1:10
     = note: line not shown: it may hold a secret

    --- exit 2
    ");
}

#[test]
fn what_cannot_be_read_is_said_together_with_what_is_wrong_elsewhere() {
    let files = [("e.toml", "[[expect]]\n"), ("bad.toml", "[policy]\ndefualt = 'deny'\n")];
    assert_snapshot!(run(&files, &["--config", "bad.toml", "absent.toml", "e.toml", "."], ""), @r#"
    --- stderr
    error: cannot read absent.toml: No such file or directory (os error 2)

    error: cannot read .: it is a directory, not a file

    error: an expectation needs an `image`
     --> e.toml:1:1
      |
    1 | [[expect]]
      | ^^^^^^^^^^
      |
      = help: say which image it is about, for example image = "nginx:1.25"

    error: unknown key `defualt` in `policy`
     --> bad.toml:2:1
      |
    2 | defualt = 'deny'
      | ^^^^^^^
      |
      = help: did you mean `default`?

    --- exit 2
    "#);
}

#[test]
fn wrong_usage_exits_2() {
    assert_eq!(output(&[], &["--config", "config.toml"], "").status.code(), Some(2));
    assert_eq!(output(&[], &["--config", "config.toml", "--loud", "-"], MET).status.code(), Some(2));
    assert_eq!(output(&[], &["--help"], "").status.code(), Some(0));
}

#[test]
fn what_is_no_text_is_shown_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "").unwrap();
    std::fs::write(dir.path().join("e.toml"), b"[[expect]]\nimage = 'b\xe4r'\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    let output = command.current_dir(dir.path()).args(["test", "--config", "config.toml", "e.toml"]).output();
    assert_snapshot!(String::from_utf8(output.unwrap().stderr).unwrap(), @r"
    error: this is not UTF-8 text
     --> e.toml:2:11
      |
    2 | image = 'b�r'
      |           ^
    ");
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    let arguments = ["--config", "config.toml", "--quiet", "/dev/stdin"];
    assert_eq!(run(&[], &arguments, MET), "--- exit 0");
}
