//! Rules of sources beside native ones, as tables.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::super::fixture::{check, policy};

#[test]
fn of_one_prefix_the_native_rule_holds_and_then_the_earlier_sources() {
    let lines = [
        "@1 docker.io -> second.de",
        "@0 docker.io -> first.de",
        "@1 quay.io -> second.de/{host}",
        "@0 *.dev -> first.de/dev collapse",
        "@1 *.dev deny second",
        "@0 * -> first.de/any collapse",
        "@1 ghcr.io deny second",
        "ghcr.io -> native.de/{host}",
        "* pass",
    ];
    let rows = [
        ("a/b:1", "docker.io -> first.de/a/b:1"),
        ("quay.io/a:1", "quay.io -> second.de/quay.io/a:1"),
        ("x.dev/a:1", "*.dev -> first.de/dev/a:1"),
        ("ghcr.io/a:1", "ghcr.io -> native.de/ghcr.io/a:1"),
        ("other.io/a:1", "pass *"),
    ];
    check(&lines, &rows);
    let found = policy(&lines).unwrap();
    assert_eq!(found.in_force(), [false, true, true, true, false, false, false, true, true]);
}

#[test]
fn one_prefix_twice_in_one_layer_is_a_conflict_and_in_two_is_none() {
    let conflicts = |lines: &[&str]| policy(lines).err().map_or(0, |conflicts| conflicts.len());
    assert_eq!(conflicts(&["@0 docker.io pass", "@0 registry-1.docker.io pass"]), 1);
    assert_eq!(conflicts(&["@0 docker.io pass", "@1 docker.io pass", "docker.io pass"]), 0);
}

#[test]
fn a_source_does_not_open_what_a_native_rule_denies() {
    check(
        &[
            "docker.io/evil deny no",
            "docker.io/evil/good pass",
            "*.dev deny no dev",
            "quay.io/own -> native.de/quay",
            "native.de/quay/own/secret deny secret",
            "@0 docker.io/evil/miner pass",
            "@0 docker.io/evil/miner:1 -> m.de",
            "@0 docker.io/evil/good/x -> m.de",
            "@0 m.dev pass",
            "@0 docker.io -> m.de/hub",
            "@0 quay.io -> docker.io/evil collapse",
            "@0 gcr.io -> docker.io/evil n.de collapse",
            "@0 native.de/quay/own/secret/x pass",
        ],
        &[
            ("evil/miner:1", "deny docker.io/evil: no"),
            ("evil/miner:2", "deny docker.io/evil: no"),
            ("registry-1.docker.io/evil/miner:2", "deny docker.io/evil: no"),
            ("m.dev/a:1", "deny *.dev: no dev"),
            // A native exception holds, and so a source may say more about it.
            ("evil/good/x:1", "docker.io/evil/good/x -> m.de/evil/good/x:1"),
            ("evil/good/y:1", "pass docker.io/evil/good"),
            // Neither a target nor a candidate of a source leads there.
            ("docker.io/evil/a:1", "deny docker.io/evil: no"),
            (
                "quay.io/a:1",
                "deny quay.io: no mirror of this rule gives a usable reference: docker.io/evil/a:1 (denied by rule \"docker.io/evil\")",
            ),
            ("gcr.io/a:1", "gcr.io -> n.de/a:1; not docker.io/evil/a:1 (denied by rule \"docker.io/evil\")"),
            ("native.de/quay/own/secret/x:1", "deny native.de/quay/own/secret: secret"),
            ("native.de/quay/own/b:1", "pass quay.io/own"),
            ("evilx/a:1", "docker.io -> m.de/hub/evilx/a:1"),
        ],
    );
}

#[test]
fn a_target_of_a_source_does_not_open_what_a_native_rule_denies() {
    check(
        &["m.de deny no", "m.de/free pass", "@0 quay.io -> m.de/q", "@0 gcr.io -> m.de/free/g"],
        &[
            ("m.de/q/a:1", "deny m.de: no"),
            ("m.de/free/g/a:1", "pass gcr.io"),
            ("gcr.io/a:1", "gcr.io -> m.de/free/g/a:1"),
        ],
    );
}

#[test]
fn a_native_target_is_final_where_a_native_rule_denies_it() {
    check(
        &["m.de/x deny by name", "quay.io -> m.de/x", "@0 gcr.io pass"],
        &[("quay.io/a:1", "quay.io -> m.de/x/a:1"), ("m.de/x/a:1", "deny m.de/x: by name")],
    );
}

#[test]
fn under_a_default_of_deny_a_source_allows_what_it_names() {
    check(
        &["default deny", "@0 quay.io -> m.de/q origin", "@0 gcr.io pass"],
        &[
            ("quay.io/a:1", "quay.io -> m.de/q/a:1, origin quay.io/a:1"),
            ("m.de/q/a:1", "pass quay.io"),
            ("gcr.io/a:1", "pass gcr.io"),
            ("ghcr.io/a:1", "deny default: no rule allows it"),
        ],
    );
}

#[test]
fn a_source_can_deny_inside_a_native_rule_but_not_in_its_place() {
    check(
        &["quay.io -> m.de/q", "@0 quay.io deny all of it", "@0 quay.io/a deny this"],
        &[("quay.io/a/b:1", "deny quay.io/a: this"), ("quay.io/b:1", "quay.io -> m.de/q/b:1")],
    );
}

#[test]
fn a_default_registry_gives_way_to_a_source() {
    check(
        &["default-registry d.de", "@0 docker.io/a -> m.de"],
        &[("a/b:1", "docker.io/a -> m.de/a/b:1"), ("b/b:1", "default-registry -> d.de/b/b:1")],
    );
}
