//! Which rules can't stand beside each other, and which can.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::super::fixture::policy;

/// Each conflict with the places of its rules.
fn conflicts(lines: &[&str]) -> Vec<String> {
    let found = policy(lines).err().unwrap_or_default();
    let places = |conflict: &super::Conflict| {
        let places: Vec<String> = conflict.sources().iter().map(|source| source.line.to_string()).collect();
        format!("{conflict} ({})", places.join(", "))
    };
    found.iter().map(places).collect()
}

#[test]
fn one_prefix_has_one_rule_however_it_is_spelled() {
    assert_eq!(
        conflicts(&[
            "docker.io/a pass",
            "quay.io deny no",
            "Index.docker.io:443/a deny no",
            "quay.io:443 pass",
            "registry-1.docker.io/a -> m.de",
            "quay.io:444 pass",
        ]),
        ["prefix \"docker.io/a\" has 3 rules (1, 3, 5)", "prefix \"quay.io\" has 2 rules (2, 4)"],
    );
}

#[test]
fn two_registries_do_not_fall_on_one_target() {
    let place = "images of docker.io and quay.io would come from one place,";
    for (lines, expected) in [
        (["docker.io -> m.de/p", "quay.io -> m.de/p"], format!("{place} m.de/p (1, 2)")),
        (["docker.io -> M.de:443", "quay.io -> m.de"], format!("{place} m.de (1, 2)")),
        // The same repository from both, by a rule's own path or by a mirror's.
        (["docker.io/a -> m.de", "quay.io/a -> m.de"], format!("{place} m.de/a (1, 2)")),
        (["docker.io/a -> m.de", "quay.io -> m.de/a"], format!("{place} m.de/a (1, 2)")),
        (["docker.io -> m.de", "quay.io/a -> m.de"], format!("{place} m.de (1, 2)")),
        (["docker.io -> m.de", "quay.io/a/b:1 -> m.de"], format!("{place} m.de (1, 2)")),
        (["docker.io/a -> m.de s|a|b|", "quay.io/c -> m.de"], format!("{place} m.de (1, 2)")),
        (["docker.io -> x.de m.de", "quay.io -> y.de m.de"], format!("{place} m.de (1, 2)")),
        (["docker.io -> m.de/quay.io", "quay.io -> m.de/{host}"], format!("{place} m.de/quay.io (1, 2)")),
        (
            ["default-registry m.de", "quay.io -> m.de"],
            "images of quay.io and docker.io would come from one place, m.de (1, 0)".to_owned(),
        ),
    ] {
        assert_eq!(conflicts(&lines), [expected], "for {lines:?}");
    }
}

#[test]
fn all_rules_onto_one_target_are_named_once() {
    assert_eq!(
        conflicts(&[
            "docker.io -> m.de",
            "docker.io/a -> m.de",
            "quay.io -> m.de",
            "ghcr.io/b -> m.de",
            "gcr.io -> n.de",
        ]),
        ["images of docker.io and quay.io and ghcr.io would come from one place, m.de (1, 2, 3, 4)"],
    );
}

#[test]
fn near_misses_are_no_conflicts() {
    for lines in [
        &["docker.io -> m.de/p", "quay.io -> m.de/pq"][..],
        &["docker.io -> m.de", "quay.io -> m.de:5000"],
        &["docker.io/a -> m.de", "quay.io/ab -> m.de"],
        &["docker.io -> m.de", "docker.io/a -> m.de"],
        &["docker.io -> m.de", "Index.docker.io/a -> m.de"],
        &["docker.io -> m.de/{host}", "quay.io -> m.de/{host}", "* -> m.de/{host}", "*.de -> m.de/{host}"],
        &["docker.io -> m.de collapse", "quay.io -> m.de"],
        &["docker.io -> m.de", "quay.io -> m.de collapse"],
        &["* -> m.de collapse", "docker.io -> m.de"],
        // One name of docker.io's could fall into the other's place; it is refused when it comes.
        &["docker.io -> m.de", "quay.io -> m.de/quay"],
        &["default-registry m.de", "quay.io -> m.de/{host}"],
        // The default registry has no effect beside a rule for docker.io.
        &["default-registry m.de", "docker.io -> n.de", "quay.io -> m.de"],
        &["docker.io deny no", "quay.io -> m.de"],
    ] {
        assert_eq!(conflicts(lines), [""; 0], "for {lines:?}");
    }
}

#[test]
fn a_wildcard_needs_a_placeholder() {
    assert_eq!(
        conflicts(&[
            "* -> m.de/p n.de/{host}",
            "*.dev.de -> n.de",
            "*.a.de -> n.de collapse",
            "*.b.de deny no"
        ]),
        [
            "images of every registry under \"*\" would come from one place, m.de/p (1)",
            "images of every registry under \"*.dev.de\" would come from one place, n.de (2)",
        ],
    );
}

#[test]
fn a_conflict_says_what_to_write() {
    let hints =
        |lines: &[&str]| policy(lines).unwrap_err().iter().map(super::Conflict::hint).collect::<Vec<_>>();
    let apart = "write m.de/p/{host} to keep them apart, or collapse = true where it is meant";
    assert_eq!(hints(&["docker.io/a -> m.de/p", "quay.io/a -> m.de/p"]), [apart]);
    assert_eq!(hints(&["* -> m.de/p"]), [apart]);
    assert_eq!(hints(&["quay.io pass", "quay.io pass"]), ["keep one of them"]);
}

#[test]
fn rules_for_one_prefix_and_one_namespace_cannot_stand_beside_each_other() {
    let lines = [
        "docker.io%team-* deny no",
        "docker.io -> m.de",
        "docker.io%*-a pass",
        "docker.io%kube-system pass",
        "docker.io%x,kube-system deny no",
        "quay.io%team-a pass",
    ];
    assert_eq!(
        conflicts(&lines),
        [
            "prefix \"docker.io\" has two rules for one namespace, for example \"team-a\" (1, 3)",
            "prefix \"docker.io\" has two rules for one namespace, for example \"kube-system\" (4, 5)",
        ],
    );
    let apart = [
        "docker.io%team-a,team-b deny no",
        "docker.io%team-c pass",
        "docker.io%x-*,y? pass",
        "docker.io pass",
    ];
    assert_eq!(conflicts(&apart), [""; 0]);
    // Also where one of them is only observed, and where many name their namespaces.
    assert_eq!(conflicts(&["docker.io%a deny no", "docker.io%a~observe pass"]).len(), 1);
    let mut many: Vec<String> = (0..5000).map(|i| format!("docker.io%n{i} pass")).collect();
    let all = |lines: &[String]| conflicts(&lines.iter().map(String::as_str).collect::<Vec<_>>()).len();
    assert_eq!(all(&many), 0);
    many.push("docker.io%n4?9* deny no".to_owned());
    assert_eq!(all(&many), 1);
}

#[test]
fn two_registries_do_not_fall_on_one_target_in_different_namespaces_either() {
    let lines = ["docker.io%team-a -> m.de", "quay.io%team-b -> m.de"];
    assert_eq!(conflicts(&lines), ["images of docker.io and quay.io would come from one place, m.de (1, 2)"]);
}
