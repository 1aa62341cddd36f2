//! `cri-shunt config` as a user runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "support/program.rs"]
#[allow(unreachable_pub, reason = "each test program uses its own part of this")]
mod program;

use std::fs;

use insta::assert_snapshot;
use program::{lay_out, run};

const MAIN: &str = r#"# The node's policy.
[listen]
group = "root"

[policy]
default = "deny"
watch = "5s"

[[policy.rule]]
prefix = "quay.io"
mirrors = ["m.dev", { location = "http://10.0.0.9:4001", headers = { X-Key = "hush", Y = { file = "/etc/key" } } }]

[[policy.source]]
registries-yaml = "registries.yaml"
"#;

const DROP_IN: &str = "policy.default-registry = 'hub.dev/p'\n[[policy.rule]]\nprefix = 'docker.io/x'\ndeny = 'a \"b\"'\n\
                       [[transport]]\nregistry = 'm.dev'\nskip-verify = true\n";

const YAML: &str = "mirrors:\n  quay.io:\n    endpoint: ['https://n.dev']\n  ghcr.io:\n    endpoint: ['http://k.dev:5000']\n\
                    configs:\n  i.dev:\n    tls: {ca_file: /etc/ca.pem}\n    auth: {username: a, password: hush}\n";

fn files() -> tempfile::TempDir {
    lay_out(&[("config.toml", MAIN), ("conf.d/10.toml", DROP_IN), ("registries.yaml", YAML)])
}

/// What the command says, without the test's directory.
fn said(dir: &tempfile::TempDir, arguments: &[&str]) -> String {
    let output = run(dir.path(), &[&["config", "--config", "config.toml"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hush"), "{text}");
    text.replace(&format!("{}/", fs::canonicalize(dir.path()).unwrap().display()), "")
}

#[test]
fn every_key_has_its_place() {
    let dir = files();
    assert_snapshot!(said(&dir, &[]), @r#"
    [listen]
    socket = "/run/cri-shunt/cri-shunt.sock"  # default
    mode = "0660"  # default
    native-api = "refuse"  # default
    group = "root"  # config.toml:3

    [containerd]
    socket = "/run/containerd/containerd.sock"  # default
    fence = false  # default

    [pull]
    stall-after = "10s"  # default
    adopt-timeout = "1m"  # default
    retry-down-after = "10s"  # default

    [state]
    dir = "/var/lib/cri-shunt"  # default
    bypass-file = "/run/cri-shunt/bypass"  # default

    [log]
    level = "info"  # default
    format = "text"  # default

    [policy]
    mode = "enforce"  # default
    default = "deny"  # config.toml:6
    present = "leave"  # default
    names = "original"  # default
    node-credentials = "always"  # default
    on-outage = "fail"  # default
    unlisted = "pass"  # default
    verify = "none"  # default
    watch = "5s"  # config.toml:7
    default-registry = "hub.dev/p"  # conf.d/10.toml:1

    [[policy.rule]]
    prefix = "quay.io"  # config.toml:10
    mirrors = ["m.dev", { location = "http://10.0.0.9:4001", headers = { X-Key = "not shown: a header may be a secret", Y = { file = "/etc/key" } } }]  # config.toml:11

    [[policy.rule]]
    prefix = "docker.io/x"  # conf.d/10.toml:3
    deny = "a \"b\""  # conf.d/10.toml:4

    # [[policy.source]]
    # registries-yaml = "registries.yaml"  # config.toml:14

    # registries.yaml:4
    [[policy.rule]]
    prefix = "ghcr.io"
    mirrors = ["http://k.dev:5000"]
    origin = "last"
    collapse = true

    [[transport]]
    registry = "m.dev"  # conf.d/10.toml:6
    skip-verify = true  # conf.d/10.toml:7

    # registries.yaml:8
    [[transport]]
    registry = "i.dev"
    ca = "/etc/ca.pem"
    "#);
    assert_eq!(said(&dir, &["--quiet"]), "");
}

#[test]
fn the_same_as_an_object_for_each() {
    let text = said(&files(), &["--format", "json"]);
    let lines = text.lines().filter(|line| !line.contains(r#""source":"default""#));
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
    {"key":"listen.group","value":"root","source":"config.toml:3"}
    {"key":"policy.default","value":"deny","source":"config.toml:6"}
    {"key":"policy.watch","value":"5s","source":"config.toml:7"}
    {"key":"policy.default-registry","value":"hub.dev/p","source":"conf.d/10.toml:1"}
    {"key":"policy.rule","value":{"mirrors":["m.dev",{"headers":{"X-Key":"not shown: a header may be a secret","Y":{"file":"/etc/key"}},"location":"http://10.0.0.9:4001"}],"prefix":"quay.io"},"source":"config.toml:10"}
    {"key":"policy.rule","value":{"deny":"a \"b\"","prefix":"docker.io/x"},"source":"conf.d/10.toml:3"}
    {"key":"policy.source","value":{"registries-yaml":"registries.yaml"},"source":"config.toml:14"}
    {"key":"policy.rule","value":{"collapse":true,"mirrors":["http://k.dev:5000"],"origin":"last","prefix":"ghcr.io"},"source":"registries.yaml:4"}
    {"key":"transport","value":{"registry":"m.dev","skip-verify":true},"source":"conf.d/10.toml:6"}
    {"key":"transport","value":{"ca":"/etc/ca.pem","registry":"i.dev"},"source":"registries.yaml:8"}
    "#);
}

#[test]
fn what_is_shown_decides_as_the_files_do() {
    let dir = files();
    let shown = said(&dir, &[]);
    fs::write(dir.path().join("whole.toml"), &shown).unwrap();
    fs::rename(dir.path().join("conf.d"), dir.path().join("old.d")).unwrap();
    fs::create_dir(dir.path().join("old")).unwrap();
    fs::rename(dir.path().join("old.d"), dir.path().join("old/conf.d")).unwrap();
    fs::rename(dir.path().join("config.toml"), dir.path().join("old/config.toml")).unwrap();
    fs::copy(dir.path().join("registries.yaml"), dir.path().join("old/registries.yaml")).unwrap();
    let explain = |config: &str| {
        let images = ["nginx", "x/y:1", "quay.io/a/b:1", "ghcr.io/a/b", "k8s.gcr.io/pause:1"];
        let output = run(dir.path(), &[&["explain", "--config", config][..], &images].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter(|line| !line.contains("decision"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let before = explain("old/config.toml");
    assert!(before.contains("n.dev/a/b:1") || before.contains("m.dev/a/b:1"), "{before}");
    assert_eq!(explain("whole.toml"), before);
}

#[test]
fn a_configuration_that_cannot_be_used_is_not_shown() {
    let dir = lay_out(&[("config.toml", "[policy]\ndefalt = 1\n")]);
    let output = run(dir.path(), &["config", "--config", "config.toml"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("did you mean `default`?"));
}

/// The lines of the example that set something, with their table.
fn lines_of(text: &str) -> Vec<String> {
    let mut table = String::new();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let line = line.trim_end_matches("  # default");
        match line.strip_prefix('[') {
            Some(head) => table = head.trim_end_matches(']').to_owned(),
            None if line.is_empty() => {}
            None => lines.push(format!("{table}.{line}")),
        }
    }
    lines.sort();
    lines
}

#[test]
fn the_defaults_are_those_of_the_packaged_file() {
    let packaged = include_str!("../packaging/config.toml");
    let shown = said(&lay_out(&[("config.toml", "")]), &[]);
    assert_eq!(lines_of(&shown), lines_of(packaged));
}

#[test]
fn what_has_no_key_is_a_comment() {
    let hosts = "[host.'https://m.dev']\n[host.'https://m.dev'.header]\nX-Key = 'hush'\n";
    let dir = lay_out(&[
        ("config.toml", "[[policy.source]]\ncerts-d = 'certs'\n"),
        ("certs/quay.io/hosts.toml", hosts),
        ("certs/k.dev/hosts.toml", "ca = '/ca.pem'\n[header]\nY-Key = 'hush'\n"),
    ]);
    let shown = said(&dir, &[]);
    let comments: Vec<&str> = shown.lines().filter(|line| line.starts_with("# no key")).collect();
    assert_snapshot!(comments.join("\n"), @"
    # no key for this: the mirror m.dev needs the header X-Key (certs/quay.io/hosts.toml:1)
    # no key for this: k.dev needs the header Y-Key (certs/k.dev/hosts.toml:3)
    ");
}

/// Two native rules for one prefix cannot be written, also where one of them is only observed.
#[test]
fn a_rule_of_a_source_beside_an_observed_one_is_shown() {
    let dir = lay_out(&[
        (
            "config.toml",
            "[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nmode = 'observe'\n[[policy.source]]\nregistries-yaml = 'r.yaml'\n",
        ),
        ("r.yaml", "mirrors:\n  quay.io:\n    endpoint: ['https://n.dev']\n"),
    ]);
    let shown = said(&dir, &[]);
    let rules = shown.split_once("[[policy.rule]]").unwrap().1;
    assert_snapshot!(rules, @r#"

    prefix = "quay.io"  # config.toml:2
    deny = "no"  # config.toml:3
    mode = "observe"  # config.toml:4

    # [[policy.source]]
    # registries-yaml = "r.yaml"  # config.toml:6

    # r.yaml:2
    # [[policy.rule]]
    # prefix = "quay.io"
    # mirrors = ["n.dev"]
    # origin = "last"
    # collapse = true

    # no key for this: the rule of a source for "quay.io" is in force while the native one is only observed (r.yaml:2)
    "#);
    let objects = said(&dir, &["--format", "json"]);
    assert!(objects.contains(r#""source":"r.yaml:2""#), "{objects}");
    fs::write(dir.path().join("whole.toml"), &shown).unwrap();
    let checked = run(dir.path(), &["check", "--config", "whole.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}
