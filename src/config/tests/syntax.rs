//! Messages about mistakes in the syntax of a file, and about many mistakes at once.

use insta::assert_snapshot;

use super::{refused, refused_text};

#[test]
fn a_key_that_is_set_twice_in_one_table() {
    assert_snapshot!(refused_text("[log]\nlevel = 'info'\nlevel = 'debug'\nlevle = 1"), @r"
    error: `level` is set twice in one table
    --> config.toml:3:1
     = note: line not shown: it may hold a secret
     = help: keep one of the two; a further rule needs a [[policy.rule]] line of its own

    error: unknown key `levle` in `log`
     --> config.toml:4:1
      |
    4 | levle = 1
      | ^^^^^
      |
      = help: did you mean `level`?
    ");
}

#[test]
fn broken_syntax_is_reported_once_and_other_files_are_read_on() {
    let files = [
        ("config.toml", "[policy]\nrule = [ { prefix = 'a.dev', pass = true }\n[listen]\nsokcet = 1\n"),
        ("conf.d/a.toml", "[polic]\n"),
    ];
    assert_snapshot!(refused(&files), @r"
    error: this is not TOML: missing comma between array elements, expected `,`
    --> config.toml:3:1
     = note: line not shown: it may hold a secret

    error: unknown key `polic`
     --> conf.d/a.toml:1:2
      |
    1 | [polic]
      |  ^^^^^
      |
      = help: did you mean `policy`?
    ");
}

#[test]
fn ten_mistakes_in_two_files_are_all_reported() {
    let main = r#"
[listen]
sokcet = "/run/x.sock"
mode = "rw"

[policy]
default = "allow"

[[policy.rule]]
mirrors = ["m.dev"]

[[policy.rule]]
prefix = "quay.io"
mirrors = "m.dev"

[pull]
stall-after = 10
"#;
    let drop_in = r#"
[log]
level = "debug"

[[policy.rule]]
prefix = "ghcr.io"
deny = ""

[[policy.rule]]
prefix = "gcr.io"
mirrors = ["m.dev/gcr"]
rewrite = [{ match = "(", replace = "" }]

[[policy.rule]]
prefix = "k8s.gcr.io"
"#;
    let shown = refused(&[("config.toml", main), ("conf.d/10-more.toml", drop_in)]);
    assert_eq!(shown.matches("error: ").count(), 10, "{shown}");
    assert_snapshot!(shown, @r#"
    error: unknown key `sokcet` in `listen`
     --> config.toml:3:1
      |
    3 | sokcet = "/run/x.sock"
      | ^^^^^^
      |
      = help: did you mean `socket`?

    error: `listen.mode`: "rw" is not a file mode
     --> config.toml:4:8
      |
    4 | mode = "rw"
      |        ^^^^
      |
      = help: write three or four octal digits, for example "0660"

    error: `policy.default`: "allow" is not one of "pass", "deny"
     --> config.toml:7:11
      |
    7 | default = "allow"
      |           ^^^^^^^
      |
      = help: write default = "pass"

    error: `policy.rule` needs the key `prefix`
     --> config.toml:9:1
      |
    9 | [[policy.rule]]
      | ^^^^^^^^^^^^^^^
      |
      = help: say which images the rule is for, for example prefix = "docker.io"

    error: `policy.rule.mirrors` must be an array, not a string
      --> config.toml:14:11
       |
    14 | mirrors = "m.dev"
       |           ^^^^^^^
       |
       = help: write mirrors = ["m.dev"]

    error: `pull.stall-after` must be a string, not a number
      --> config.toml:17:15
       |
    17 | stall-after = 10
       |               ^^
       |
       = help: write numbers with units ms, s, m or h, for example "10s" or "1m30s"

    error: `log` belongs in the main file
     --> conf.d/10-more.toml:2:1
      |
    2 | [log]
      | ^^^^^
      |
      = help: a file in conf.d may hold only `end-mark`, `policy`, `transport`, `credentials` and `signature`

    error: `policy.rule.deny`: the reason is empty
     --> conf.d/10-more.toml:7:8
      |
    7 | deny = ""
      |        ^^
      |
      = help: users see this text: write who can help them

    error: `policy.rule.rewrite.match`: bad regular expression: unclosed group
      --> conf.d/10-more.toml:12:22
       |
    12 | rewrite = [{ match = "(", replace = "" }]
       |                      ^^^

    error: a rule needs one of `mirrors`, `deny` and `pass`
      --> conf.d/10-more.toml:14:1
       |
    14 | [[policy.rule]]
       | ^^^^^^^^^^^^^^^
    "#);
}
