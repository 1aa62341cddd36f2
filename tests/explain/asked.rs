//! What `explain` is asked with: texts that are no names, stdin, flags, and a configuration that cannot be used.

use std::path::Path;

use insta::assert_snapshot;

use crate::program::{lay_out, run, run_with, shown};
use crate::{CONFIG, explain, support};

#[test]
fn ids_paths_and_nonsense_are_told_apart() {
    let id = "a".repeat(64);
    let digest = format!("sha256:{id}");
    let inputs = [digest.as_str(), &id, "/var/x.tar", "./x.tar", "UPPER/Case", ""];
    assert_snapshot!(explain(CONFIG, &inputs), @r#"
    sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      kind        an image id, but a pull reads it as a name
      name        docker.io/library/sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      decision    route, by rule "default-registry" (config.toml:2)
      candidates  1. oci-mirror.dev.de/library/sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  mirror  no credentials

    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      kind        an image id; it cannot be pulled
      decision    invalid: not a valid image reference
      reason      64 hex digits are an image id, not a name

    /var/x.tar
      kind        a path; it cannot be pulled
      decision    invalid: not a valid image reference
      reason      a path, not an image reference

    ./x.tar
      kind        a path; it cannot be pulled
      decision    invalid: not a valid image reference
      reason      a path, not an image reference

    UPPER/Case
      decision    invalid: not a valid image reference
      reason      upper case in the repository


      decision    invalid: not a valid image reference
      reason      an image reference can't be empty
    --- exit 1
    "#);
    let json = [&["--format", "json"], &inputs[..]].concat();
    assert_snapshot!(explain(CONFIG, &json), @r#"
    {"input":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","kind":"id","name":"docker.io/library/sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","decision":"route","rule":{"prefix":"default-registry","source":"config.toml:2"},"reason":null,"candidates":[{"reference":"oci-mirror.dev.de/library/sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","role":"mirror","credentials":"none","credentials_source":null,"username":null}]}
    {"input":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","kind":"id","name":null,"decision":"invalid","rule":null,"reason":"64 hex digits are an image id, not a name","candidates":[]}
    {"input":"/var/x.tar","kind":"path","name":null,"decision":"invalid","rule":null,"reason":"a path, not an image reference","candidates":[]}
    {"input":"./x.tar","kind":"path","name":null,"decision":"invalid","rule":null,"reason":"a path, not an image reference","candidates":[]}
    {"input":"UPPER/Case","kind":"invalid","name":null,"decision":"invalid","rule":null,"reason":"upper case in the repository","candidates":[]}
    {"input":"","kind":"invalid","name":null,"decision":"invalid","rule":null,"reason":"an image reference can't be empty","candidates":[]}
    --- exit 1
    "#);
}

#[test]
fn control_characters_of_an_input_do_not_reach_the_terminal() {
    assert_snapshot!(explain(CONFIG, &["a\u{1b}[2Jb"]), @r"
    a\u{1b}[2Jb
      decision    invalid: not a valid image reference
      reason      a control character in the repository
    --- exit 1
    ");
}

#[test]
fn stdin_is_read_line_by_line() {
    let dir = lay_out(&[("config.toml", "")]);
    let arguments =
        ["explain", "--default-registry", "m.dev/hub", "--config", "config.toml", "--format", "json", "-"];
    let stdin = "nginx:1\n\n  quay.io/x:2  \nlast";
    assert_snapshot!(shown(&run_with(dir.path(), &arguments, stdin)), @r#"
    {"input":"nginx:1","kind":"name","name":"docker.io/library/nginx:1","decision":"route","rule":{"prefix":"default-registry","source":"--default-registry"},"reason":null,"candidates":[{"reference":"m.dev/hub/library/nginx:1","role":"mirror","credentials":"none","credentials_source":null,"username":null}]}
    {"input":"quay.io/x:2","kind":"name","name":"quay.io/x:2","decision":"pass","rule":{"prefix":"default","source":null},"reason":null,"candidates":[{"reference":"quay.io/x:2","role":"origin","credentials":"client","credentials_source":null,"username":null}]}
    {"input":"last","kind":"name","name":"docker.io/library/last:latest","decision":"route","rule":{"prefix":"default-registry","source":"--default-registry"},"reason":null,"candidates":[{"reference":"m.dev/hub/library/last:latest","role":"mirror","credentials":"none","credentials_source":null,"username":null}]}
    --- exit 0
    "#);
}

#[test]
fn the_default_registry_needs_no_file() {
    if Path::new("/etc/cri-shunt").exists() {
        support::skipped("this machine has a configuration in /etc/cri-shunt");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| shown(&run(dir.path(), arguments));
    assert_snapshot!(run(&["explain", "--default-registry", "oci-mirror.dev.de", "nginx:1.25", "quay.io/x"]), @r#"
    nginx:1.25
      name        docker.io/library/nginx:1.25
      decision    route, by rule "default-registry" (--default-registry)
      candidates  1. oci-mirror.dev.de/library/nginx:1.25  mirror  no credentials

    quay.io/x
      name        quay.io/x:latest
      decision    pass, by the built-in default
      candidates  1. quay.io/x:latest  origin  the client's credentials
    --- exit 0
    "#);
    assert_snapshot!(run(&["explain", "nginx:1.25"]), @r"
    --- stderr
    error: cannot read /etc/cri-shunt/config.toml: No such file or directory (os error 2)
     |
     = help: create it (an empty file means all defaults and no rule), or name another file with --config

    --- exit 2
    ");
    assert_snapshot!(run(&["explain", "--default-registry", "https://x", "nginx:1.25"]), @r#"
    --- stderr
    error: mirror "https://x" begins with a scheme
     --> --default-registry:1:1
      |
    1 | https://x
      | ^^^^^^^^^
      |
      = help: leave the scheme out: x (for http write `plain-http = true` in `[[transport]]`)

    --- exit 2
    "#);
}

#[test]
fn a_default_registry_is_not_set_over_that_of_the_file() {
    assert_snapshot!(explain(CONFIG, &["--default-registry", "other.dev", "nginx"]), @r#"
    --- stderr
    error: `policy.default-registry` is set in config.toml and in --default-registry
     --> --default-registry:1:1
      |
    1 | other.dev
      | ^^^^^^^^^
      |
     ::: config.toml:2:20
      |
    2 | default-registry = "oci-mirror.dev.de"
      |                    ------------------- first set here
      |
      = help: files do not override each other: remove one of the two

    --- exit 2
    "#);
}

#[test]
fn a_config_that_cannot_be_used_exits_2() {
    assert_snapshot!(explain("[policy]\ndefualt = 'deny'", &["nginx"]), @r"
    --- stderr
    error: unknown key `defualt` in `policy`
     --> config.toml:2:1
      |
    2 | defualt = 'deny'
      | ^^^^^^^
      |
      = help: did you mean `default`?

    --- exit 2
    ");
}

#[test]
fn wrong_usage_exits_2() {
    let dir = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| run(dir.path(), arguments).status.code();
    assert_eq!(code(&["explain"]), Some(2));
    assert_eq!(code(&["explain", "--format", "yaml", "nginx"]), Some(2));
    assert_eq!(code(&["explain", "--nonsense", "nginx"]), Some(2));
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["explain", "--help"]), Some(0));
}
