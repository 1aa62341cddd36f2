//! Mistakes that people make with their first configuration.

use insta::assert_snapshot;

use super::{load_files, refused_text, shown, warned};
use crate::config::{Format, Input, MainFile, SourceFile, load_from};

#[test]
fn a_table_of_policy_at_the_top_says_its_full_name() {
    let text = "default = 'deny'\n[[rule]]\nprefix = 'docker.io'\npass = true\n[[source]]";
    assert_snapshot!(refused_text(text), @r#"
    error: unknown key `default`
     --> config.toml:1:1
      |
    1 | default = 'deny'
      | ^^^^^^^
      |
      = help: write it below [policy]

    error: unknown key `rule`
     --> config.toml:2:3
      |
    2 | [[rule]]
      |   ^^^^
      |
      = help: write [[policy.rule]]

    error: unknown key `source`
     --> config.toml:5:3
      |
    5 | [[source]]
      |   ^^^^^^
      |
      = help: write [[policy.source]]
    "#);
}

#[test]
fn other_words_for_a_value_say_which_is_right() {
    assert_snapshot!(refused_text("[policy]\ndefault = 'allow'\nwatch = 2"), @r#"
    error: `policy.default`: "allow" is not one of "pass", "deny"
     --> config.toml:2:11
      |
    2 | default = 'allow'
      |           ^^^^^^^
      |
      = help: write default = "pass"

    error: `policy.watch` must be a string, not a number
     --> config.toml:3:9
      |
    3 | watch = 2
      |         ^
      |
      = help: write numbers with units ms, s, m or h, for example "10s" or "1m30s"
    "#);
    assert_snapshot!(refused_text("[policy]\ndefault = 'block'\npresent = true\n[listen]\nmode = 660"), @r#"
    error: `policy.default`: "block" is not one of "pass", "deny"
     --> config.toml:2:11
      |
    2 | default = 'block'
      |           ^^^^^^^
      |
      = help: write default = "deny"

    error: `policy.present` must be one of "leave", "hide", not a boolean
     --> config.toml:3:11
      |
    3 | present = true
      |           ^^^^

    error: `listen.mode` must be a string, not a number
     --> config.toml:5:8
      |
    5 | mode = 660
      |        ^^^
      |
      = help: write the octal digits in quotes, for example "0660"
    "#);
    let rule = "[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['m.dev']\n";
    assert_snapshot!(refused_text(&format!("{rule}origin = true")), @r#"
    error: `policy.rule.origin` must be "never" or "last", not a boolean
     --> config.toml:4:10
      |
    4 | origin = true
      |          ^^^^
      |
      = help: to ask the registry itself after the mirrors write origin = "last"
    "#);
    let rewrite = "rewrite = [{ match = '^(?!library/)(.*)', replace = 'x/$1' }]";
    assert_snapshot!(refused_text(&format!("{rule}{rewrite}")), @r#"
    error: `policy.rule.rewrite.match`: bad regular expression: look-around, including look-ahead and look-behind, is not supported
     --> config.toml:4:22
      |
    4 | rewrite = [{ match = '^(?!library/)(.*)', replace = 'x/$1' }]
      |                      ^^^^^^^^^^^^^^^^^^^
      |
      = help: for repositories that a rewrite must not change write a rule with a longer prefix; what has to stay goes into a group: match = "^(a|b)/(.*)", replace = "$1/x/$2"
    "#);
}

#[test]
fn a_reference_says_what_is_wrong_with_it() {
    let rules = "[[policy.rule]]\nprefix = 'docker.io/x@sha256:abc'\npass = true\n\
                 [[policy.rule]]\nprefix = 'm.dev:99999'\nmirrors = ['m.dev:0', 'm.dev:65536/x', 'm.dev:00443']\n\
                 [[policy.rule]]\nprefix = '[::1]'\npass = true\n";
    assert_snapshot!(refused_text(rules), @r#"
    error: `policy.rule.prefix`: prefix "docker.io/x@sha256:abc" can't match: a sha256 digest has 64 hex digits, not 3
     --> config.toml:2:10
      |
    2 | prefix = 'docker.io/x@sha256:abc'
      |          ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a digest is `sha256:` and 64 hexadecimal digits in lower case

    error: `policy.rule.prefix`: 99999 is not a valid port
     --> config.toml:5:10
      |
    5 | prefix = 'm.dev:99999'
      |          ^^^^^^^^^^^^^
      |
      = help: ports go from 1 to 65535

    error: `policy.rule.mirrors`: 0 is not a valid port
     --> config.toml:6:12
      |
    6 | mirrors = ['m.dev:0', 'm.dev:65536/x', 'm.dev:00443']
      |            ^^^^^^^^^
      |
      = help: ports go from 1 to 65535

    error: `policy.rule.mirrors`: 65536 is not a valid port
     --> config.toml:6:23
      |
    6 | mirrors = ['m.dev:0', 'm.dev:65536/x', 'm.dev:00443']
      |                       ^^^^^^^^^^^^^^^
      |
      = help: ports go from 1 to 65535
    "#);
}

#[test]
fn a_port_that_cannot_be_is_found_in_a_source() {
    let main = "[[policy.source]]\nregistries-yaml = 'r.yaml'\n";
    let source = "mirrors:\n  docker.io:\n    endpoint: ['https://m.dev:99999', 'https://m.dev:5000']\n";
    let (loaded, dir) = load_files(&[("config.toml", main), ("r.yaml", source)]);
    let text = shown(&loaded.unwrap().warnings, dir.path());
    assert!(
        text.contains(
            "warning: 99999 is not a valid port: no image comes from m.dev:99999\n --> r.yaml:3:16"
        ),
        "{text}"
    );
    assert_eq!(text.matches("a valid port").count(), 1, "{text}");
}

#[test]
fn a_pause_image_says_what_is_wrong_with_it() {
    for (image, expected) in [
        ("https://k8s.io/pause:3", "remove https://: k8s.io/pause:3"),
        ("k8s.io/pause: 3", "remove the space"),
        ("k8s.io/pause@sha256:12", "a digest is `sha256:` and 64 hexadecimal digits in lower case"),
        ("k8s.io:70000/pause", "ports go from 1 to 65535"),
    ] {
        let text = refused_text(&format!("[containerd]\npause-image = '{image}'"));
        let hint = text.lines().find_map(|line| line.split_once("= help: "));
        assert_eq!(hint.map(|(_, hint)| hint), Some(expected), "{text}");
    }
}

#[test]
fn a_group_that_does_not_exist_is_found() {
    let rule = "[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['m.dev']\n";
    assert_snapshot!(warned(&format!("{rule}[listen]\ngroup = 'no-such-group'")), @r#"
    warning: there is no group "no-such-group" in /etc/group
     --> config.toml:5:9
      |
    5 | group = 'no-such-group'
      |         ^^^^^^^^^^^^^^^
      |
      = help: the daemon does not start without it: groupadd --system no-such-group
    "#);
    assert_eq!(warned(&format!("{rule}[listen]\ngroup = 'root'")), "");
}

#[test]
fn a_configuration_without_rules_says_so() {
    assert_snapshot!(warned("# nothing\n"), @"
    warning: 0 rules: every image is pulled as without cri-shunt
    --> config.toml:1:1
     = note: line not shown: it may hold a secret
     = help: write a [[policy.rule]] or a [[policy.source]]
    ");
    assert_snapshot!(warned("[policy]\ndefault = 'deny'\n"), @r#"
    warning: 0 rules: every image is denied
     --> config.toml:2:11
      |
    2 | default = 'deny'
      |           ^^^^^^
      |
      = help: write a [[policy.rule]] or a [[policy.source]]
    "#);
    assert_eq!(warned("[policy]\ndefault-registry = 'm.dev'\n"), "");
}

/// Other programs take such files. To us each is one that was meant to hold something.
#[test]
fn a_file_of_another_program_without_a_rule_says_so() {
    for format in Format::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        match format {
            Format::CertsD => std::fs::create_dir(&path).unwrap(),
            Format::DockerDaemon => std::fs::write(&path, "{}\n").unwrap(),
            Format::ImageCriShim | Format::OpenShift => continue, // there it is an error
            _ => std::fs::write(&path, "").unwrap(),
        }
        let source = SourceFile { format, path, disable_default_endpoint: false };
        let input = Input { sources: vec![source], ..Input::of(MainFile::Absent) };
        let text = shown(&load_from(&input).unwrap().warnings, dir.path());
        assert!(
            text.contains("warning: 0 rules: every image is pulled as without cri-shunt"),
            "{format:?} {text}"
        );
    }
}

#[test]
fn of_many_that_say_the_same_the_first_are_shown() {
    let rule = |i: usize| format!("[[policy.rule]]\nprefix = 'h{i}.dev'\npas = true\n");
    let text = refused_text(&(0..300).map(rule).collect::<String>());
    assert_eq!(text.matches("error: unknown key").count(), 20, "{text}");
    assert!(text.contains("\n... and 280 more like this\n"), "{text}");
}
