//! Several files beside each other.

use insta::assert_snapshot;

use super::check;

const QUAY: &str = "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n";

fn native(rules: &str, more: &[(&str, &str)]) -> String {
    let mut files = vec![("config.toml", rules), ("registries.yaml", QUAY)];
    files.extend(more);
    check(&files, &["--config", "config.toml", "--registries-yaml", "registries.yaml", "--verbose"])
}

#[test]
fn one_registry_in_two_files() {
    let rule = "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"n.dev\"]\n";
    assert_snapshot!(native(rule, &[]), @r#"
    config.toml, registries.yaml: usable: 2 rules, default pass
    note: the native rule for `quay.io` replaces this one
     --> registries.yaml:2:3
      |
    2 |   quay.io:
      |   ^^^^^^^
      |
     ::: config.toml:2:10
      |
    2 | prefix = "quay.io"
      |          --------- this one is used

    exit 0
    "#);
    assert_snapshot!(native(rule, &[("conf.d/x.toml", rule)]), @r#"
    error: prefix "quay.io" has 2 rules
     --> conf.d/x.toml:2:10
      |
    2 | prefix = "quay.io"
      |          ^^^^^^^^^
      |
     ::: config.toml:2:10
      |
    2 | prefix = "quay.io"
      |          --------- and here
      |
      = help: keep one of them

    config.toml, registries.yaml: not usable: 1 error
    exit 1
    "#);
    let hosts = ("certs.d/quay.io/hosts.toml", "server = \"https://n.dev\"\n");
    let sources = ["--registries-yaml", "registries.yaml", "--certs-d", "certs.d"];
    assert_snapshot!(check(&[("registries.yaml", QUAY), hosts], &sources), @r#"
    registries.yaml, certs.d: usable: 2 rules, default pass; 1 warning
    warning: an earlier source has a rule for `quay.io`, which replaces this one
     --> certs.d/quay.io/hosts.toml:1:10
      |
    1 | server = "https://n.dev"
      |          ^^^^^^^^^^^^^^^
      |
     ::: registries.yaml:2:3
      |
    2 |   quay.io:
      |   ------- this one is used
      |
      = help: remove one of the two, or write a [[policy.rule]] of your own

    exit 0
    "#);
    let conf = "[[registry]]\nlocation = \"quay.io\"\n[[registry.mirror]]\nlocation = \"a.dev\"\n";
    let drop_in = ("registries.conf.d/x.conf", "[[registry]]\nlocation = \"quay.io\"\nblocked = true\n");
    assert_snapshot!(check(&[("registries.conf", conf), drop_in], &["--registries-conf", "registries.conf", "--verbose"]), @r#"
    registries.conf: usable: 1 rule, default pass; 1 warning
    note: this entry replaces the whole earlier one for `quay.io`, with its mirrors
     --> registries.conf.d/x.conf:2:12
      |
    2 | location = "quay.io"
      |            ^^^^^^^^^
      |
     ::: registries.conf:2:12
      |
    2 | location = "quay.io"
      |            --------- has no effect

    warning: `quay.io` matches only names without a port
     --> registries.conf.d/x.conf:2:12
      |
    2 | location = "quay.io"
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    exit 0
    "#);
}

#[test]
fn a_source_opens_nothing_that_a_native_rule_denies() {
    assert_snapshot!(native("[[policy.rule]]\nprefix = \"*\"\ndeny = \"no\"\n", &[]), @r#"
    config.toml, registries.yaml: usable: 2 rules, default pass; 1 warning
    warning: the native rule denies what this rule is for: `quay.io`
     --> registries.yaml:2:3
      |
    2 |   quay.io:
      |   ^^^^^^^
      |
     ::: config.toml:2:10
      |
    2 | prefix = "*"
      |          --- this one is used
      |
      = help: a rule of a source cannot allow what a native rule denies; write a [[policy.rule]] with `pass` or `mirrors`

    exit 0
    "#);
}

#[test]
fn two_registries_that_fall_on_one_target() {
    let rule = |prefix: &str, mirror: &str| {
        format!("[[policy.rule]]\nprefix = \"{prefix}\"\nmirrors = [\"{mirror}\"]\n")
    };
    assert_snapshot!(native(&rule("ghcr.io", "m.dev"), &[]), @r#"
    config.toml, registries.yaml: usable: 2 rules, default pass; 1 warning
    warning: images of `ghcr.io` and of `quay.io` are looked for in the same place, m.dev
     --> registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
     ::: config.toml:3:12
      |
    3 | mirrors = ["m.dev"]
      |            ------- the other one
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
    assert_snapshot!(native("[policy]\ndefault-registry = \"m.dev\"\n", &[]), @r#"
    config.toml, registries.yaml: usable: 1 rule, default pass, default registry m.dev; 1 warning
    warning: images of `docker.io`, by `default-registry`, and of `quay.io` are looked for in the same place, m.dev
     --> registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
     ::: config.toml:2:20
      |
    2 | default-registry = "m.dev"
      |                    ------- the other one
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
    // A path of the rule's own lies inside the same mirror.
    assert_snapshot!(native(&rule("ghcr.io/org", "m.dev"), &[]), @r#"
    config.toml, registries.yaml: usable: 2 rules, default pass; 1 warning
    warning: images of `ghcr.io/org` and of `quay.io` are looked for in the same place, m.dev/org
     --> registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ^^^^^
      |
     ::: config.toml:3:12
      |
    3 | mirrors = ["m.dev"]
      |            ------- the other one
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
    // Places of their own, and one that only looks alike.
    assert_snapshot!(native(&format!("{}{}", rule("ghcr.io", "m.dev/{host}"), rule("gcr.io", "m.dev2")), &[]), @r"
    config.toml, registries.yaml: usable: 3 rules, default pass
    exit 0
    ");
}

#[test]
fn two_registries_of_sources_that_fall_on_one_target() {
    let two = format!("{QUAY}  ghcr.io:\n    endpoint: [\"https://m.dev:443\"]\n");
    assert_snapshot!(check(&[("registries.yaml", &two)], &["--registries-yaml", "registries.yaml"]), @r#"
    registries.yaml: usable: 2 rules, default pass; 1 warning
    warning: images of `quay.io` and of `ghcr.io` are looked for in the same place, m.dev
     --> registries.yaml:5:16
      |
    3 |     endpoint: [m.dev]
      |                ----- the other one
    4 |   ghcr.io:
    5 |     endpoint: ["https://m.dev:443"]
      |                ^^^^^^^^^^^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
    let conf = "[[registry]]\nprefix = \"quay.io/a\"\nlocation = \"m.dev/x\"\n[[registry]]\nprefix = \"ghcr.io/b\"\nlocation = \"m.dev/x\"\n[[registry]]\nprefix = \"gcr.io/c\"\nlocation = \"m.dev/y\"\n";
    assert_snapshot!(check(&[("registries.conf", conf)], &["--registries-conf", "registries.conf"]), @r#"
    registries.conf: usable: 3 rules, default pass; 1 warning
    warning: images of `quay.io/a` and of `ghcr.io/b` are looked for in the same place, m.dev/x
     --> registries.conf:6:12
      |
    3 | location = "m.dev/x"
      |            --------- the other one
    ...
    6 | location = "m.dev/x"
      |            ^^^^^^^^^
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
    let hosts = ("certs.d/ghcr.io/hosts.toml", "server = \"https://m.dev\"\n");
    let sources = ["--registries-yaml", "registries.yaml", "--certs-d", "certs.d"];
    assert_snapshot!(check(&[("registries.yaml", QUAY), hosts], &sources), @r#"
    registries.yaml, certs.d: usable: 2 rules, default pass; 1 warning
    warning: images of `quay.io` and of `ghcr.io` are looked for in the same place, m.dev
     --> certs.d/ghcr.io/hosts.toml:1:10
      |
    1 | server = "https://m.dev"
      |          ^^^^^^^^^^^^^^^
      |
     ::: registries.yaml:3:16
      |
    3 |     endpoint: [m.dev]
      |                ----- the other one
      |
      = help: this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that

    exit 0
    "#);
}

#[test]
fn what_is_denied_has_another_name_at_the_mirror() {
    let rule = |prefix: &str, action: &str| format!("[[policy.rule]]\nprefix = \"{prefix}\"\n{action}\n");
    let deny = |prefix: &str| rule(prefix, "deny = \"no\"");
    let hub = rule("docker.io", "mirrors = [\"h.dev\", \"i.dev/p/{host}\"]");
    let check_native =
        |text: &str| check(&[("config.toml", text)], &["--config", "config.toml", "--verbose"]);
    assert_snapshot!(check_native(&format!("{hub}{}", deny("docker.io/evil"))), @r#"
    config.toml: usable: 2 rules, default pass
    note: this does not match the official image `evil`
     --> config.toml:5:10
      |
    5 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: for the official image write "docker.io/library/evil"; if `evil` is an organisation, the rule is right

    note: `docker.io/evil` is denied, but its name at the mirror, `h.dev/evil`, is not
     --> config.toml:5:10
      |
    3 | mirrors = ["h.dev", "i.dev/p/{host}"]
      |            ------- the mirror
    4 | [[policy.rule]]
    5 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: a client can ask for the mirror's name: add a rule that denies `h.dev/evil`

    note: `docker.io/evil` is denied, but its name at the mirror, `i.dev/p/docker.io/evil`, is not
     --> config.toml:5:10
      |
    3 | mirrors = ["h.dev", "i.dev/p/{host}"]
      |                     ---------------- the mirror
    4 | [[policy.rule]]
    5 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: a client can ask for the mirror's name: add a rule that denies `i.dev/p/docker.io/evil`

    exit 0
    "#);
    let closed = [deny("docker.io/evil"), deny("h.dev/evil"), deny("i.dev/p")].concat();
    assert_snapshot!(check_native(&format!("{hub}{closed}")), @r#"
    config.toml: usable: 4 rules, default pass
    note: this does not match the official image `evil`
     --> config.toml:5:10
      |
    5 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: for the official image write "docker.io/library/evil"; if `evil` is an organisation, the rule is right

    exit 0
    "#);
    // Many rules, one note; and a way that is closed at the mirror as a whole is no way.
    let many =
        [deny("docker.io/evil"), deny("docker.io/worse/x"), deny("docker.io/library/y:1"), deny("i.dev")]
            .concat();
    assert_snapshot!(check_native(&format!("{hub}{many}")), @r#"
    config.toml: usable: 5 rules, default pass; 1 warning
    note: this does not match the official image `evil`
     --> config.toml:5:10
      |
    5 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: for the official image write "docker.io/library/evil"; if `evil` is an organisation, the rule is right

    note: `docker.io/evil` and 2 more are denied, but their names at the mirror, such as `h.dev/evil`, are not
     --> config.toml:5:10
      |
    3 | mirrors = ["h.dev", "i.dev/p/{host}"]
      |            ------- the mirror
    4 | [[policy.rule]]
    5 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: a client can ask for the mirror's name: add a rule that denies `h.dev/evil`, and one for each of the others

    warning: a pull of the same image by the digest is not denied
      --> config.toml:11:10
       |
    11 | prefix = "docker.io/library/y:1"
       |          ^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: deny the repository `docker.io/library/y`; only an allow-list (default = "deny" and rules for what may be pulled) has no gaps

    exit 0
    "#);
    let by_default = format!("[policy]\ndefault-registry = \"h.dev/hub\"\n{}", deny("docker.io/evil"));
    assert_snapshot!(check_native(&by_default), @r#"
    config.toml: usable: 1 rule, default pass, default registry h.dev/hub
    note: this does not match the official image `evil`
     --> config.toml:4:10
      |
    4 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: for the official image write "docker.io/library/evil"; if `evil` is an organisation, the rule is right

    note: `docker.io/evil` is denied, but its name at the mirror, `h.dev/hub/evil`, is not
     --> config.toml:4:10
      |
    2 | default-registry = "h.dev/hub"
      |                    ----------- the mirror
    3 | [[policy.rule]]
    4 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: a client can ask for the mirror's name: add a rule that denies `h.dev/hub/evil`

    exit 0
    "#);
    let strip = rule("quay.io/org", "mirrors = [{ location = \"h.dev/q\", strip-prefix = true }]");
    assert_snapshot!(check_native(&format!("{strip}{}", deny("quay.io/org/evil"))), @r#"
    config.toml: usable: 2 rules, default pass
    note: `quay.io/org/evil` is denied, but its name at the mirror, `h.dev/q/evil`, is not
     --> config.toml:5:10
      |
    3 | mirrors = [{ location = "h.dev/q", strip-prefix = true }]
      |            --------------------------------------------- the mirror
    4 | [[policy.rule]]
    5 | prefix = "quay.io/org/evil"
      |          ^^^^^^^^^^^^^^^^^^
      |
      = help: a client can ask for the mirror's name: add a rule that denies `h.dev/q/evil`

    exit 0
    "#);
    // Nothing leads to a mirror here.
    assert_snapshot!(check_native(&deny("docker.io/evil")), @r#"
    config.toml: usable: 1 rule, default pass
    note: this does not match the official image `evil`
     --> config.toml:2:10
      |
    2 | prefix = "docker.io/evil"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: for the official image write "docker.io/library/evil"; if `evil` is an organisation, the rule is right

    exit 0
    "#);
}
