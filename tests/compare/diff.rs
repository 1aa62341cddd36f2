//! `cri-shunt diff`: what differs between two policies, and what does not.

use insta::assert_snapshot;

use crate::program::{lay_out, run};
use crate::{run_with, shown};

const OLD: &str = r#"[[policy.rule]]
prefix = "docker.io"
mirrors = ["m.dev/hub"]

[[policy.rule]]
prefix = "ghcr.io"
pass = true

[[policy.rule]]
prefix = "gone.dev"
deny = "too old"

[[transport]]
registry = "m.dev"
ca = "/etc/ssl/old.pem"
"#;

const NEW: &str = r#"[policy]
default = "deny"

[[policy.rule]]
prefix = "ghcr.io"
pass = true

[[policy.rule]]
prefix = "docker.io"
mirrors = ["m.dev/hub", "n.dev/hub"]
origin = "last"

[[policy.rule]]
prefix = "quay.io"
mirrors = ["m.dev/quay"]

[[transport]]
registry = "m.dev"
ca = "/etc/ssl/new.pem"
"#;

fn diff(files: &[(&str, &str)], arguments: &[&str]) -> String {
    let dir = lay_out(files);
    shown(&run(dir.path(), &[&["diff"], arguments].concat()))
}

/// What only some pods see is written in the keys, and what is only observed differs from what is done.
#[test]
fn modes_and_namespaces_are_compared() {
    let rule = "[[policy.rule]]\nprefix = \"docker.io\"\ndeny = \"no\"\n";
    let old = format!("[policy]\nmode = \"observe\"\n{rule}");
    let new = format!(
        "{rule}[[policy.rule]]\nprefix = \"quay.io\"\nnamespaces = [\"a-*\", \"b\"]\nmode = \"observe\"\npass = true\n"
    );
    assert_snapshot!(diff(&[("old.toml", &old), ("new.toml", &new)], &["old.toml", "new.toml", "nginx"]), @r#"
    ~ setting mode
      - mode = "observe"
      + mode = "enforce"
    + rule quay.io (new.toml:5)
      + namespaces = ["a-*", "b"]
      + mode = "observe"
      + pass = true
    ~ image nginx
      - would be: deny, by rule "docker.io" (old.toml:4): no
      + deny, by rule "docker.io" (new.toml:2): no
    different: 1 setting, 1 rule, 1 of 1 images
    --- exit 1
    "#);
}

/// A native rule that is only observed leaves a source's rule for the prefix in force: nothing is replaced.
#[test]
fn the_rules_of_one_prefix_are_told_apart() {
    let source = "[[policy.source]]\nregistries-yaml = \"r.yaml\"\n";
    let yaml = "mirrors:\n  quay.io:\n    endpoint: ['https://m.dev']\n";
    let observed = "[[policy.rule]]\nprefix = \"quay.io\"\ndeny = \"no\"\nmode = \"observe\"\n";
    let files = [("old.toml", source), ("new.toml", &format!("{source}{observed}")), ("r.yaml", yaml)];
    assert_snapshot!(diff(&files, &["old.toml", "new.toml"]), @r#"
    + rule quay.io (new.toml:4)
      + mode = "observe"
      + deny = "no"
    different: 1 rule
    --- exit 1
    "#);
    let scoped = |namespace: &str, text: &str| {
        format!("[[policy.rule]]\nprefix = \"quay.io\"\nnamespaces = [\"{namespace}\"]\ndeny = \"{text}\"\n")
    };
    let (old, new) = (scoped("a", "x") + &scoped("b", "y"), scoped("b", "z") + &scoped("a", "x"));
    assert_snapshot!(diff(&[("old.toml", &old), ("new.toml", &new)], &["old.toml", "new.toml"]), @r#"
    ~ rule quay.io (old.toml:6 -> new.toml:2)
      - deny = "y"
      + deny = "z"
    different: 1 rule
    --- exit 1
    "#);
    let other = scoped("c", "y") + &scoped("a", "x");
    assert_snapshot!(diff(&[("old.toml", &old), ("new.toml", &other)], &["old.toml", "new.toml"]), @r#"
    ~ rule quay.io (old.toml:6 -> new.toml:2)
      - namespaces = ["b"]
      + namespaces = ["c"]
    different: 1 rule
    --- exit 1
    "#);
}

#[test]
fn each_rule_setting_and_image_that_differs_is_shown() {
    let files = [("old.toml", OLD), ("new.toml", NEW), ("list.txt", "ghcr.io/a:1\nquay.io/b:2 # new\n")];
    assert_snapshot!(diff(&files, &["old.toml", "new.toml", "nginx", "x.dev/c", "--list", "list.txt"]), @r#"
    ~ setting default (new.toml:2)
      - default = "pass"
      + default = "deny"
    ~ rule docker.io (old.toml:2 -> new.toml:9)
      - mirrors = ["m.dev/hub"]
      + mirrors = ["m.dev/hub", "n.dev/hub"]
      + origin = "last"
    - rule gone.dev (old.toml:10)
      - deny = "too old"
    + rule quay.io (new.toml:14)
      + mirrors = ["m.dev/quay"]
    ~ transport m.dev (old.toml:14 -> new.toml:18)
      - ca = "/etc/ssl/old.pem"
      + ca = "/etc/ssl/new.pem"
    ~ image nginx
      - route, by rule "docker.io" (old.toml:2): m.dev/hub/library/nginx:latest
      + route, by rule "docker.io" (new.toml:9): m.dev/hub/library/nginx:latest, n.dev/hub/library/nginx:latest, docker.io/library/nginx:latest
    ~ image x.dev/c
      - pass, by the built-in default
      + deny, by rule "default" (new.toml:2): no rule allows it
    ~ image quay.io/b:2
      - pass, by the built-in default
      + route, by rule "quay.io" (new.toml:14): m.dev/quay/b:2
    different: 1 setting, 3 rules, 1 registry's transport, 3 of 4 images
    --- exit 1
    "#);
    assert_snapshot!(diff(&files, &["old.toml", "new.toml", "--format", "json", "quay.io/b:2"]), @r#"
    {"kind":"setting","name":"default","old":{"place":null,"lines":["default = \"pass\""]},"new":{"place":"new.toml:2","lines":["default = \"deny\""]}}
    {"kind":"rule","name":"docker.io","old":{"place":"old.toml:2","lines":["mirrors = [\"m.dev/hub\"]"]},"new":{"place":"new.toml:9","lines":["mirrors = [\"m.dev/hub\", \"n.dev/hub\"]","origin = \"last\""]}}
    {"kind":"rule","name":"gone.dev","old":{"place":"old.toml:10","lines":["deny = \"too old\""]},"new":null}
    {"kind":"rule","name":"quay.io","old":null,"new":{"place":"new.toml:14","lines":["mirrors = [\"m.dev/quay\"]"]}}
    {"kind":"transport","name":"m.dev","old":{"place":"old.toml:14","lines":["ca = \"/etc/ssl/old.pem\""]},"new":{"place":"new.toml:18","lines":["ca = \"/etc/ssl/new.pem\""]}}
    {"kind":"image","name":"quay.io/b:2","old":{"decision":"pass","rule":"default","reason":null,"candidates":[],"observed":false},"new":{"decision":"route","rule":"quay.io","reason":null,"candidates":["m.dev/quay/b:2"],"observed":false}}
    --- exit 1
    "#);
}

#[test]
fn what_means_the_same_does_not_differ() {
    let moved = format!("# A comment.\n\n{OLD}");
    let files = [("old.toml", OLD), ("new/config.toml", &moved)];
    assert_snapshot!(diff(&files, &["old.toml", "new", "nginx"]), @r"
    nothing differs; 0 of 1 images
    --- exit 0
    ");
    assert_snapshot!(diff(&files, &["--quiet", "old.toml", "new"]), @"--- exit 0");
}

#[test]
fn a_file_and_what_import_makes_of_it_do_not_differ() {
    let sources = [
        ("registries.yaml", include_str!("registries.yaml")),
        (
            "registries.conf",
            "[[registry]]\nprefix = \"quay.io/a\"\nlocation = \"m.dev/a\"\nblocked = false\n\
             [[registry.mirror]]\nlocation = \"n.dev\"\npull-from-mirror = \"tag-only\"\n",
        ),
        ("daemon.json", "{\"registry-mirrors\": [\"https://m.dev\"]}"),
    ];
    for (name, text) in sources {
        let dir = lay_out(&[(name, text)]);
        let imported = run(dir.path(), &["import", "--output", "native.toml", name]);
        assert!(dir.path().join("native.toml").exists(), "{imported:?}");
        let compared = run(dir.path(), &["diff", name, "native.toml", "nginx:1", "quay.io/a/b:1"]);
        assert_eq!(shown(&compared), "nothing differs; 0 of 2 images\n--- exit 0", "{name}");
    }
}

#[test]
fn no_key_of_a_rule_is_overlooked() {
    let route = "prefix = \"quay.io\"\nmirrors = [\"m.dev\"]\n";
    let rows = [
        (route, "prefix = \"quay.io\"\nmirrors = [\"n.dev\"]\n"),
        (route, "prefix = \"quay.io\"\nmirrors = [\"m.dev\", \"n.dev\"]\n"),
        (
            "prefix = \"a.dev\"\nmirrors = [\"m.dev\", \"n.dev\"]\n",
            "prefix = \"a.dev\"\nmirrors = [\"n.dev\", \"m.dev\"]\n",
        ),
        (route, "prefix = \"quay.io\"\nmirrors = [{ location = \"m.dev\", only = \"digests\" }]\n"),
        (route, "prefix = \"quay.io\"\nmirrors = [{ location = \"m.dev\", warm-by-tag = true }]\n"),
        (route, "prefix = \"quay.io\"\nmirrors = [{ location = \"m.dev\", ns = true }]\n"),
        (route, "prefix = \"quay.io\"\nmirrors = [{ location = \"m.dev\", skip-verify = true }]\n"),
        (route, &format!("{route}origin = \"last\"\n")),
        (route, &format!("{route}order = \"fastest\"\n")),
        (route, &format!("{route}collapse = true\n")),
        (route, &format!("{route}rewrite = [{{ match = \"a\", replace = \"b\" }}]\n")),
        (route, &format!("{route}node-credentials = \"never\"\n")),
        (route, &format!("{route}on-outage = \"present\"\n")),
        (route, &format!("{route}on-outage = \"present\"\noutage-max-age = \"1h\"\n")),
        (route, &format!("{route}checkpoint = \"allow\"\n")),
        (route, &format!("{route}foreign-urls = true\n")),
        (route, "prefix = \"quay.io\"\ndeny = \"no\"\n"),
        ("prefix = \"quay.io\"\ndeny = \"yes\"\n", "prefix = \"quay.io\"\ndeny = \"no\"\n"),
        (route, "prefix = \"quay.io\"\npass = true\n"),
    ];
    for (old, new) in rows {
        let [old, new] = [old, new].map(|rule| format!("[[policy.rule]]\n{rule}"));
        let shown = diff(&[("old.toml", &old), ("new.toml", &new)], &["old.toml", "new.toml"]);
        let changed = shown.lines().filter(|line| line.starts_with("  +") || line.starts_with("  -")).count();
        assert!(shown.starts_with("~ rule ") && changed > 0, "{new}\n{shown}");
        assert!(shown.ends_with("different: 1 rule\n--- exit 1"), "{new}\n{shown}");
    }
}

#[test]
fn no_setting_is_overlooked_and_no_header_is_shown() {
    let settings = [
        "default = \"deny\"",
        "default-registry = \"m.dev\"",
        "present = \"hide\"",
        "names = \"both\"",
        "node-credentials = \"never\"",
        "on-outage = \"present\"",
    ];
    for set in settings {
        let new = format!("[policy]\n{set}\n");
        let shown = diff(&[("old.toml", ""), ("new.toml", &new)], &["old.toml", "new.toml"]);
        assert!(shown.contains(&format!("  + {set}\n")), "{shown}");
        assert!(shown.ends_with("different: 1 setting\n--- exit 1"), "{shown}");
    }
    let header = "[[transport]]\nregistry = \"m.dev\"\nheaders = { X-Key = \"s3cr3t\" }\n";
    let shown = diff(&[("old.toml", ""), ("new.toml", header)], &["old.toml", "new.toml"]);
    assert!(shown.contains("needs the header X-Key") && !shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn what_has_to_be_signed_is_a_difference_of_an_image() {
    let key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpH7RTttL68BSg8FsiTA6Ne7kfmwE\n\
               yQGOMPhlRLLmHTCoOXyzyGeso1jOWksj8SvOzex1BkrqVFbxWSEBNCiKOA==\n-----END PUBLIC KEY-----\n";
    let signature = "[[signature]]\nname = \"prod\"\nkeys = [\"prod.pub\"]\n";
    let rule = "[[policy.rule]]\nprefix = \"quay.io\"\npass = true\n";
    let (old, new) = (format!("{signature}{rule}"), format!("{signature}{rule}verify = \"prod\"\n"));
    let files = [("old.toml", old.as_str()), ("new.toml", &new), ("prod.pub", key)];
    assert_snapshot!(diff(&files, &["old.toml", "new.toml", "quay.io/a:1", "ghcr.io/a:1"]), @r#"
    ~ rule quay.io (old.toml:5 -> new.toml:5)
      + verify = "prod"
    ~ image quay.io/a:1
      - pass, by rule "quay.io" (old.toml:5)
      + pass, by rule "quay.io" (new.toml:5); prod: signed by 1 key, under the same repository
    different: 1 rule, 1 of 2 images
    --- exit 1
    "#);
}

#[test]
fn what_cannot_be_compared_says_why() {
    let bad = "[[policy.rule]]\nprefix = \"docker.io\"\n";
    let files = [("old.toml", bad), ("new.toml", "[policy]\ndefault = \"no\"\n"), ("x.yaml", "a: 1\n")];
    assert_snapshot!(diff(&files, &["old.toml", "new.toml"]), @r#"
    --- stderr
    error: a rule needs one of `mirrors`, `deny` and `pass`
     --> old.toml:1:1
      |
    1 | [[policy.rule]]
      | ^^^^^^^^^^^^^^^

    error: `policy.default`: "no" is not one of "pass", "deny"
     --> new.toml:2:11
      |
    2 | default = "no"
      |           ^^^^

    --- exit 2
    "#);
    assert_snapshot!(diff(&files, &["x.yaml", "missing.toml"]), @r"
    --- stderr
    error: cannot tell the format of x.yaml

    error: cannot read missing.toml: No such file or directory (os error 2)

    --- exit 2
    ");
    assert_snapshot!(diff(&files, &["-", "-"]), @r"
    --- stderr
    error: `-` is given twice, and stdin can be read once only
    --- exit 2
    ");
}

#[test]
fn a_side_may_come_from_stdin() {
    let dir = lay_out(&[("new.toml", OLD)]);
    let output = run_with(dir.path(), &["diff", "-", "new.toml"], OLD);
    assert_snapshot!(shown(&output), @r"
    nothing differs
    --- exit 0
    ");
}
