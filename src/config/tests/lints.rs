//! Warnings of settings that are valid and probably not meant.

use insta::assert_snapshot;

use super::{accepted_text, load_files, shown, warned};
use crate::policy::{Asked, Decision};

#[test]
fn what_is_as_it_should_be_has_no_warning() {
    let text = "\
        [policy]\ndefault-registry = 'm.dev/hub'\n\
        [[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev/{host}', 'n.dev/quay']\n\
        [[policy.rule]]\nprefix = 'quay.io/own'\npass = true\n\
        [[policy.rule]]\nprefix = 'docker.io/evil/miner'\ndeny = 'no'\n\
        [[policy.rule]]\nprefix = 'm.dev/hub/evil/miner'\ndeny = 'no'\n";
    assert_eq!(warned(text), "");
}

#[test]
fn a_deny_on_a_tag_or_a_digest_is_not_tight() {
    let digest = "a".repeat(64);
    let text = format!(
        "[[policy.rule]]\nprefix = 'quay.io/x:1'\ndeny = 'no'\n[[policy.rule]]\nprefix = 'quay.io/x@sha256:{digest}'\ndeny = 'no'\n"
    );
    assert_snapshot!(warned(&text), @r#"
    warning: a pull of the same image by the digest is not denied
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io/x:1'
      |          ^^^^^^^^^^^^^
      |
      = help: deny the repository `quay.io/x`; only an allow-list (default = "deny" and rules for what may be pulled) has no gaps

    warning: a pull of the same image by another digest, or by a tag, is not denied
     --> config.toml:5:10
      |
    5 | prefix = 'quay.io/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: deny the repository `quay.io/x`; only an allow-list (default = "deny" and rules for what may be pulled) has no gaps
    "#);
}

#[test]
fn a_default_registry_beside_a_rule_for_docker_hub() {
    assert_snapshot!(warned("[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['n.dev']"), @r"
    warning: `default-registry` has no effect: the rule for `docker.io` comes first
     --> config.toml:2:20
      |
    2 | default-registry = 'm.dev'
      |                    ^^^^^^^
    3 | [[policy.rule]]
    4 | prefix = 'docker.io'
      |          ----------- this rule applies to all of it
      |
      = help: it is used only for images of Docker Hub that no rule is for; remove one of the two
    ");
    assert_snapshot!(warned("[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = '*'\ndeny = 'no'"), @r"
    warning: `default-registry` has no effect: the rule for `*` comes first
     --> config.toml:2:20
      |
    2 | default-registry = 'm.dev'
      |                    ^^^^^^^
    3 | [[policy.rule]]
    4 | prefix = '*'
      |          --- this rule applies to all of it
      |
      = help: it is used only for images of Docker Hub that no rule is for; remove one of the two
    ");
    assert_eq!(
        warned(
            "[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'docker.io/x/y'\npass = true"
        ),
        ""
    );
}

#[test]
fn a_mirror_that_is_the_source() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io/a'\nmirrors = ['Quay.io:443', 'm.dev']"), @r#"
    warning: this mirror is the registry that the rule is for: `quay.io/a`
     --> config.toml:3:12
      |
    3 | mirrors = ['Quay.io:443', 'm.dev']
      |            ^^^^^^^^^^^^^
      |
      = help: remove it; for the registry itself, after the mirrors, write origin = "last"
    "#);
    assert_eq!(warned("[[policy.rule]]\nprefix = 'quay.io/a'\nmirrors = ['quay.io/proxy']"), "");
    let rewritten = "[[policy.rule]]\nprefix = 'quay.io/a'\nmirrors = ['quay.io']\nrewrite = [{ match = '^a/', replace = 'b/' }]";
    assert_eq!(warned(rewritten), "");
}

#[test]
fn a_mirror_twice() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev', 'n.dev', 'm.dev']"), @r"
    warning: the mirror `m.dev` is already in this list
     --> config.toml:3:30
      |
    3 | mirrors = ['m.dev', 'n.dev', 'm.dev']
      |            -------           ^^^^^^^
      |            |
      |            first here
      |
      = help: remove one of them; a mirror that failed is not tried again in the same pull
    ");
}

#[test]
fn mirrors_for_one_sort_of_reference_only() {
    let rule = "[[policy.rule]]\nprefix = 'quay.io'\nmirrors = [{ location = 'm.dev', only = 'digests' }]";
    assert_snapshot!(warned(rule), @r"
    warning: every mirror of `quay.io` is for digests only: a pull by tag fails
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
      = help: add a mirror for the tags, or remove `only`
    ");
    let both =
        "[[policy.rule]]\nprefix = 'quay.io'\nmirrors = [{ location = 'm.dev', only = 'digests' }, 'n.dev']";
    assert_eq!(warned(both), "");
}

#[test]
fn an_origin_that_may_be_asked_is_worth_a_note() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev']\norigin = 'last'"), @r"
    note: when all mirrors fail, `quay.io` itself is asked
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          ^^^^^^^^^
    ");
}

#[test]
fn rewrites_for_every_registry() {
    let rule = "[[policy.rule]]\nprefix = '*.dev'\nmirrors = ['m.example/{host}']\nrewrite = [{ match = 'a', replace = 'b' }]";
    assert_snapshot!(warned(rule), @r"
    warning: the rewrites act on the images of every registry under `*.dev`
     --> config.toml:2:10
      |
    2 | prefix = '*.dev'
      |          ^^^^^^^
      |
      = help: they see the repository without its host; give each registry a rule of its own
    ");
}

#[test]
fn a_target_inside_another_one() {
    let text = "[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['m.dev']\n[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev/quay']";
    assert_snapshot!(warned(text), @r"
    warning: images of `docker.io` that this mirror would have below m.dev/quay are refused: the images of `quay.io` are there
     --> config.toml:6:12
      |
    3 | mirrors = ['m.dev']
      |            ------- the outer path
    ...
    6 | mirrors = ['m.dev/quay']
      |            ^^^^^^^^^^^^
      |
      = help: give each registry a path of its own that does not lie inside the other's
    ");
    let decide = |name: &str| match accepted_text(text).policy.decide(&Asked::of(&name.parse().unwrap())) {
        Decision::Route { .. } => "route",
        Decision::Pass { .. } => "pass",
        Decision::Deny { .. } => "deny",
    };
    assert_eq!((decide("quay/x"), decide("a/x"), decide("quay.io/x")), ("deny", "route", "route"));
    assert_eq!(warned(&format!("{text}\ncollapse = true")), "");
    assert_eq!(warned(&text.replace("'m.dev'", "'m.dev/quay2'")), "");
    assert_eq!(warned(&text.replace("'docker.io'", "'docker.io/a/b'")), "", "only m.dev/a/b is filled");
    let around = text.replace("'docker.io'", "'docker.io/quay/x'").replace("m.dev/quay", "m.dev/quay/x/q");
    assert_snapshot!(warned(&around), @r"
    warning: images of `docker.io` that this mirror would have below m.dev/quay/x/q are refused: the images of `quay.io` are there
     --> config.toml:6:12
      |
    3 | mirrors = ['m.dev']
      |            ------- the outer path
    ...
    6 | mirrors = ['m.dev/quay/x/q']
      |            ^^^^^^^^^^^^^^^^
      |
      = help: give each registry a path of its own that does not lie inside the other's
    ");
}

#[test]
fn a_pass_that_changes_nothing() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io/a'\npass = true"), @r#"
    warning: `quay.io/a` would pass without this rule
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io/a'
      |          ^^^^^^^^^^^
      |
      = help: `pass` is only useful inside a wider rule or with default = "deny"; remove this rule
    "#);
    assert_eq!(warned("[policy]\ndefault = 'deny'\n[[policy.rule]]\nprefix = 'quay.io/a'\npass = true"), "");
    assert_eq!(
        warned(
            "[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'docker.io/a/b'\npass = true"
        ),
        ""
    );
}

#[test]
fn a_pass_inside_a_wider_rule_is_an_exception() {
    let wider = |outer: &str, inner: &str| {
        warned(&format!(
            "[[policy.rule]]\nprefix = '{outer}'\ndeny = 'no'\n[[policy.rule]]\nprefix = '{inner}'\npass = true"
        ))
    };
    let exact = format!("quay.io:5000/a/b@sha256:{}", "0".repeat(64));
    for (outer, inner) in [
        ("quay.io", "quay.io/a"),
        ("quay.io/a", "quay.io/a/b"),
        ("quay.io/a", "quay.io/a:1"),
        ("quay.io:5000/a/b", &exact),
        ("*.io", "quay.io"),
        ("*", "*.io"),
    ] {
        assert_eq!(wider(outer, inner), "", "{outer} {inner}");
    }
    for (outer, inner) in [("quay.io/a", "quay.io/ab"), ("quay.io", "quay.io:5000/a"), ("*.dev", "quay.io")] {
        assert!(
            wider(outer, inner).contains(&format!("`{inner}` would pass without this rule")),
            "{outer} {inner}"
        );
    }
}

#[test]
fn an_official_image_without_its_namespace() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'docker.io/nginx'\ndeny = 'no'"), @r#"
    note: this does not match the official image `nginx`
     --> config.toml:2:10
      |
    2 | prefix = 'docker.io/nginx'
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: for the official image write "docker.io/library/nginx"; if `nginx` is an organisation, the rule is right
    "#);
}

#[test]
fn k3s_has_one_endpoint_for_the_shunt() {
    let text = "[containerd]\nsocket = '/run/k3s/containerd/containerd.sock'\n[policy]\npresent = 'hide'";
    assert_snapshot!(warned(text), @"
    note: on k3s and RKE2 only the image endpoint can be the shunt
     |
     = help: give the kubelet image-service-endpoint=unix:///run/cri-shunt/cri-shunt.sock and leave --container-runtime-endpoint alone; what the shunt does when containers are created has no effect there

    warning: 0 rules: every image is pulled as without cri-shunt
     --> config.toml:1:1
      |
    1 | [containerd]
      | ^
      |
      = help: write a [[policy.rule]] or a [[policy.source]]

    warning: on k3s and RKE2 `present` has an effect on the image endpoint only
     --> config.toml:4:11
      |
    4 | present = 'hide'
      |           ^^^^^^
      |
      = help: a container of a denied image that is already on the node can still be created by its id
    ");
}

#[test]
fn a_socket_for_everybody() {
    assert_snapshot!(warned("[listen]\nmode = '0666'"), @r#"
    warning: 0 rules: every image is pulled as without cri-shunt
     --> config.toml:1:1
      |
    1 | [listen]
      | ^
      |
      = help: write a [[policy.rule]] or a [[policy.source]]

    warning: mode 0666 lets every user of the node use the runtime
     --> config.toml:2:8
      |
    2 | mode = '0666'
      |        ^^^^^^
      |
      = help: whoever can use the CRI can become root; give a `group` and a mode like "0660" instead
    "#);
}

#[test]
fn the_same_place_is_found_at_a_host_that_is_no_image_host() {
    let source =
        "mirrors:\n  quay.io:\n    endpoint: ['http://nexus']\n  ghcr.io:\n    endpoint: ['http://nexus']\n";
    let main = "[[policy.source]]\nregistries-yaml = 'r.yaml'\n";
    let (loaded, dir) = load_files(&[("config.toml", main), ("r.yaml", source)]);
    let text = shown(&loaded.unwrap().warnings, dir.path());
    assert!(text.contains("are looked for in the same place, nexus"), "{text}");
}

#[test]
fn relaying_containerds_own_api_is_noted() {
    assert_eq!(
        warned("[listen]\nnative-api = 'refuse'\n[policy]\ndefault = 'pass'\ndefault-registry = 'm.dev'"),
        ""
    );
    assert_snapshot!(warned("[listen]\nnative-api = 'relay'\n[policy]\ndefault-registry = 'm.dev'"), @r#"
    note: no rule holds for containerd's own API on this socket
     --> config.toml:2:14
      |
    2 | native-api = 'relay'
      |              ^^^^^^^
      |
      = help: whoever uses ctr or nerdctl there pulls what they want; "refuse" prevents that
    "#);
}
