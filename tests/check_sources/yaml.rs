//! What YAML has of its own: anchors and tabs.

use insta::assert_snapshot;

use super::check_file;

/// Each list holds the one before it ten times: a few lines that would fill the memory.
fn bomb() -> String {
    let level = |i: usize| format!("l{}: &l{} [{}]\n", i + 1, i + 1, vec![format!("*l{i}"); 10].join(", "));
    format!("l0: &l0 [x]\n{}", (0..9).map(level).collect::<String>())
}

/// One long text, twenty thousand times.
fn long_text() -> String {
    format!("x: &x {}\nmirrors:\n  quay.io:\n    endpoint: [{}]\n", "x".repeat(20_000), "*x, ".repeat(20_000))
}

#[test]
fn yaml_anchors() {
    assert_snapshot!(check_file("--registries-yaml", "x-mirror: &mirror\n  endpoint: &list [m.dev]\nmirrors:\n  quay.io: *mirror\n  ghcr.io:\n    <<: *mirror\n  gcr.io:\n    endpoint: *list\n"), @"
    registries.yaml: usable: 3 rules, default pass; 2 warnings
    warning: unknown key `x-mirror`: k3s ignores it, and so does cri-shunt
    --> registries.yaml:1:1
     = note: line not shown: it may hold a secret
     = help: did you mean `mirrors`?

    warning: images of `quay.io` and of `ghcr.io` are looked for in the same place, m.dev
     --> registries.yaml:6:9
      |
    4 |   quay.io: *mirror
      |            ------- the other one
    5 |   ghcr.io:
    6 |     <<: *mirror
      |         ^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    ");
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  *:\n    endpoint: [m.dev]\n"), @r#"
    error: this is not YAML: the anchor `&:` is not defined before this alias
    --> registries.yaml:2:3
     = note: line not shown: it may hold a secret
     = help: a name that begins with `*` needs quotes: "*"

    registries.yaml: not usable: 1 error
    exit 1
    "#);
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io: *mirror\n"), @r#"
    error: this is not YAML: the anchor `&mirror` is not defined before this alias
    --> registries.yaml:2:12
     = note: line not shown: it may hold a secret
     = help: a name that begins with `*` needs quotes: "*"

    registries.yaml: not usable: 1 error
    exit 1
    "#);
    assert_snapshot!(check_file("--registries-yaml", &bomb()), @"
    error: written out, the aliases of this document make it too large
    --> registries.yaml:6:55
     = note: line not shown: it may hold a secret
     = help: each alias counts as much as the value it refers to; write the values out

    registries.yaml: not usable: 1 error
    exit 1
    ");
    let shown = check_file("--registries-yaml", &long_text());
    assert!(shown.starts_with("error: written out, the aliases of this document make it too large\n"));
    assert_snapshot!(check_file("--image-cri-shim", "auth: &login u:p\naddress: https://m.dev\nregistries:\n- address: https://n.dev\n  auth: *login\n"), @r#"
    shim.yaml: usable: 1 rule, default pass; 2 warnings
    warning: images that none of these registries has are pulled from the registry in their name
     --> shim.yaml:2:10
      |
    2 | address: https://m.dev
      |          ^^^^^^^^^^^^^
      |
      = help: image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = "never"

    warning: images of every registry under `*` are looked for in the same place, m.dev, and at 1 more
     --> shim.yaml:2:10
      |
    2 | address: https://m.dev
      |          ^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
    assert_snapshot!(check_file("--image-cri-shim", "address: *nowhere\n"), @r#"
    error: this is not YAML: the anchor `&nowhere` is not defined before this alias
    --> shim.yaml:1:10
     = note: line not shown: it may hold a secret
     = help: a name that begins with `*` needs quotes: "*"

    shim.yaml: not usable: 1 error
    exit 1
    "#);
}

#[test]
fn tabs() {
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n\tendpoint: [m.dev]\n"), @r"
    error: this is not YAML: tabs disallowed within this context (block indentation)
    --> registries.yaml:3:1
     = note: line not shown: it may hold a secret
     = help: YAML is indented by spaces, never by tabs

    registries.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n  \tendpoint: [m.dev]\n"), @r"
    error: this is not YAML: tabs disallowed within this context (block indentation)
    --> registries.yaml:3:3
     = note: line not shown: it may hold a secret
     = help: YAML is indented by spaces, never by tabs

    registries.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--registries-yaml", "mirrors:\n  quay.io:\n    endpoint:\n    - m.dev\n\t- n.dev\n"), @r"
    error: this is not YAML: while scanning a plain scalar, found a tab
    --> registries.yaml:5:1
     = note: line not shown: it may hold a secret
     = help: YAML is indented by spaces, never by tabs

    registries.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--image-cri-shim", "registries:\n\t- address: https://m.dev\n"), @r"
    error: this is not YAML: tabs disallowed within this context (block indentation)
    --> shim.yaml:2:1
     = note: line not shown: it may hold a secret
     = help: YAML is indented by spaces, never by tabs

    shim.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check_file("--config", "[[policy.rule]]\n\tprefix = \"quay.io\"\n\tdeny = \"no\"\n"), @r"
    config.toml: usable: 1 rule, default pass
    exit 0
    ");
}
